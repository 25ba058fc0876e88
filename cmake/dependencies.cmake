# What a CPU build needs (Debian/Ubuntu package in the message), and what is optional.
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(ZLIB REQUIRED)        # zlib1g-dev
find_package(fmt REQUIRED)         # libfmt-dev
find_package(spdlog REQUIRED)      # libspdlog-dev
find_package(Protobuf REQUIRED)    # libprotobuf-dev protobuf-compiler
find_package(CLI11 REQUIRED)       # libcli11-dev
find_package(nlohmann_json REQUIRED) # nlohmann-json3-dev
# The CMake package of Debian's oneDNN asks for OpenCL headers that a CPU build does not use: look for the files instead.
find_path(DNNL_INCLUDE oneapi/dnnl/dnnl.h REQUIRED)   # libdnnl-dev
find_library(DNNL_LIBRARY dnnl REQUIRED)
add_library(trivium_dnnl INTERFACE)
target_include_directories(trivium_dnnl SYSTEM INTERFACE ${DNNL_INCLUDE})
target_link_libraries(trivium_dnnl INTERFACE ${DNNL_LIBRARY})
find_path(HWY_INCLUDE hwy/highway.h REQUIRED)   # libhwy-dev
find_library(HWY_LIBRARY hwy REQUIRED)
add_library(trivium_hwy INTERFACE)
target_include_directories(trivium_hwy INTERFACE ${HWY_INCLUDE})
target_link_libraries(trivium_hwy INTERFACE ${HWY_LIBRARY})
# Two SIMD levels and a portable one: more targets cost build time and change nothing on current machines.
set(HWY_LEFT_OUT "HWY_SSSE3|HWY_SSE4|HWY_AVX3_DL")
if(TRIVIUM_SANITIZE)
  # Checked vector code compiles for minutes: one level and the portable one are enough to find errors.
  string(APPEND HWY_LEFT_OUT "|HWY_AVX2")
endif()
target_compile_definitions(trivium_hwy INTERFACE HWY_DISABLED_TARGETS=\(${HWY_LEFT_OUT}\))

# trivium_optional(NAME HEADER LIBRARY PACKAGE): sets TRIVIUM_HAVE_NAME and the target trivium_dep_name.
function(trivium_optional name header library package)
  string(TOLOWER ${name} lower)
  find_path(${name}_INCLUDE ${header} PATH_SUFFIXES hdf5/serial)
  find_library(${name}_LIBRARY NAMES ${library} ${library}_serial PATH_SUFFIXES hdf5/serial)
  add_library(trivium_dep_${lower} INTERFACE)
  if(${name}_INCLUDE AND ${name}_LIBRARY)
    target_include_directories(trivium_dep_${lower} INTERFACE ${${name}_INCLUDE})
    target_link_libraries(trivium_dep_${lower} INTERFACE ${${name}_LIBRARY})
    target_compile_definitions(trivium_dep_${lower} INTERFACE TRIVIUM_HAVE_${name}=1)
  else()
    message(STATUS "trivium: built without ${name}; the package ${package} brings it")
  endif()
endfunction()
trivium_optional(LMDB lmdb.h lmdb liblmdb-dev)
trivium_optional(LEVELDB leveldb/db.h leveldb libleveldb-dev)
trivium_optional(HDF5 hdf5.h hdf5 libhdf5-dev)
trivium_optional(JPEG jpeglib.h jpeg libjpeg62-turbo-dev)
trivium_optional(PNG png.h png libpng-dev)

if(TRIVIUM_TESTS)
  find_package(GTest REQUIRED)     # libgtest-dev
endif()
