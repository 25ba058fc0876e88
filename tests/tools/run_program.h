// Runs the programs of build/tools as a person would and keeps what they say.
#pragma once

#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

namespace trivium::tools {

namespace fs = std::filesystem;

inline std::string read_text(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// A folder of its own, empty at first, gone at the end.
class Workplace {
 public:
  explicit Workplace(const std::string& name)
      : path_(fs::temp_directory_path() / ("trivium_" + name + "_" + std::to_string(getpid()))) {
    fs::remove_all(path_);
    fs::create_directories(path_ / "logs");
  }
  ~Workplace() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }

 private:
  fs::path path_;
};

inline std::string program(const std::string& name) {
  return std::string(TRIVIUM_BINARY_DIR) + "/tools/" + name;
}

struct Ran {
  int status = -1;  ///< exit status; 128 + signal when a signal ended it
  std::string out, err;
};

/// Starts a program in the folder; its streams go to the files out and err there.
inline pid_t start_program(const Workplace& place, const std::string& name,
                           const std::vector<std::string>& arguments) {
  const pid_t child = fork();
  if (child != 0) return child;
  // After fork only calls that are safe in a child: the test may have threads.
  std::vector<char*> argv;
  static std::string path;
  path = program(name);
  argv.push_back(path.data());
  std::vector<std::string> copies = arguments;
  for (std::string& argument : copies) argv.push_back(argument.data());
  argv.push_back(nullptr);
  if (chdir(place.path().c_str()) != 0) _exit(127);
  if (!freopen("out", "w", stdout) || !freopen("err", "w", stderr) ||
      !freopen("/dev/null", "r", stdin))
    _exit(127);
  setenv("TMPDIR", (place / "logs").c_str(), 1);
  setenv("OMP_WAIT_POLICY", "passive", 0);
  execv(path.c_str(), argv.data());
  _exit(127);
}

inline int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

inline Ran run_program(const Workplace& place, const std::string& name,
                       const std::vector<std::string>& arguments) {
  const int status = wait_for(start_program(place, name, arguments));
  return {status, read_text(place / "out"), read_text(place / "err")};
}

inline std::vector<std::string> words_of(const std::string& command) {
  std::vector<std::string> words;
  std::istringstream in(command);
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

/// What a program logged, in the form of the recordings: `I message`, `. continuation`, `- other
/// line`.
inline std::vector<std::string> log_lines(const std::string& err) {
  static const std::regex kPrefix(R"(([IWEF])\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ [^ :]+:\d+\] (.*))");
  static const std::regex kSpeed(R"(\([-+.0-9einfa]+ iter/s, [-+.0-9einfa]+s/)"),
      kMs(R"( [-+.0-9einfa]+ ms\.)");
  std::vector<std::string> lines;
  bool inside = false;
  for (const std::string& line : lines_of(err)) {
    std::smatch match;
    if (std::regex_match(line, match, kPrefix)) {
      inside = true;
      lines.push_back(match[1].str() + " " + match[2].str());
    } else {
      lines.push_back((inside ? ". " : "- ") + line);
    }
    lines.back() = std::regex_replace(lines.back(), kSpeed, "(# iter/s, #s/");
    lines.back() = std::regex_replace(lines.back(), kMs, " # ms.");
  }
  return lines;
}

/// Equal but for numbers with a fraction, which may differ by 1e-4 of their size (or of 0.01, if
/// smaller).
inline bool same_line(const std::string& a, const std::string& b) {
  static const std::regex kNumber(R"([-+]?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?)");
  if (std::regex_replace(a, kNumber, "#") != std::regex_replace(b, kNumber, "#")) return false;
  for (std::sregex_iterator x(a.begin(), a.end(), kNumber), y(b.begin(), b.end(), kNumber), end;
       x != end; ++x, ++y) {
    if (x->str() == y->str()) continue;
    if (x->str().find_first_of(".e") == std::string::npos &&
        y->str().find_first_of(".e") == std::string::npos)
      return false;
    const double u = std::stod(x->str()), v = std::stod(y->str());
    if (std::abs(u - v) > 1e-4 * std::max({std::abs(u), std::abs(v), 0.01})) return false;
  }
  return true;
}

}  // namespace trivium::tools
