# Sourced by the scripts: install_packages brings in what a build needs, and only what is missing.
# Known systems: Debian 12 and Ubuntu 24.04. Elsewhere it names the libraries and goes on; CMake then
# says which one it does not find.

# Prints the packages for this system, one a line; nothing on a system we do not know.
needed_packages() {
  local id="" version=""
  if [ -r /etc/os-release ]; then
    id=$(. /etc/os-release && echo "${ID:-}")
    version=$(. /etc/os-release && echo "${VERSION_ID:-}")
  fi
  local jpeg clang_rt
  case "$id:$version" in
    debian:12) jpeg=libjpeg62-turbo-dev clang_rt=libclang-rt-14-dev ;;
    ubuntu:24.04) jpeg=libjpeg-turbo8-dev clang_rt=libclang-rt-18-dev ;;
    *) return 0 ;;
  esac
  printf '%s\n' g++ cmake ninja-build ccache libdnnl-dev libhwy-dev libprotobuf-dev \
    protobuf-compiler liblmdb-dev libleveldb-dev libhdf5-dev libfmt-dev libspdlog-dev libcli11-dev \
    nlohmann-json3-dev "$jpeg" libpng-dev zlib1g-dev libgtest-dev libbenchmark-dev clang \
    clang-format "$clang_rt" libomp-dev python3 python3-dev python3-venv
}

# nanobind and pytest are no packages of these systems: they live in build/venv. Without a network the
# rest is built all the same, and CMake says what the Python package lacks.
install_python_tools() {
  [ -x build/venv/bin/python ] || python3 -m venv build/venv || return 0
  build/venv/bin/python -c 'import nanobind, numpy, pytest' 2>/dev/null && return 0
  echo "Installing nanobind, numpy and pytest into build/venv"
  build/venv/bin/python -m pip install -q --disable-pip-version-check nanobind numpy pytest ||
    echo "pip could not install them: the Python package and its tests are left out" >&2
}

# True when dpkg knows the package as installed.
package_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_packages() {
  local wanted missing=() package
  wanted=$(needed_packages)
  if [ -z "$wanted" ]; then
    cat >&2 <<'TEXT'
This is neither Debian 12 nor Ubuntu 24.04, so no package is installed for you. Needed: a C++20
compiler, CMake, Ninja, oneDNN, Highway, protobuf, fmt, spdlog, CLI11, nlohmann-json, zlib, GoogleTest;
optional: LMDB, LevelDB, HDF5, libjpeg-turbo, libpng.
TEXT
    return 0
  fi
  for package in $wanted; do
    package_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "These packages are missing, and installing them needs root or sudo. As root, run:" >&2
      echo "  apt-get install ${missing[*]}" >&2
      return 1
    fi
    as_root=(sudo)
  fi
  echo "Installing ${#missing[@]} missing packages: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || {
      echo "apt-get could not install them; run it by hand to see why: apt-get install ${missing[*]}" >&2
      return 1
    }
}
