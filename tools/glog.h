// Log lines in the form of Google's logger before its year-carrying change, which every tool that
// reads Caffe logs expects: `I0131 12:34:56.789012  4242 solver.cpp:12] message`. Lines go to
// stderr and to files named like the logger's own.
#pragma once

#include <cstdio>
#include <map>
#include <string>

#include "trivium/notations/caffe/log_line.h"

namespace trivium::tools {

/// Where a line is logged from. std::source_location does this too, but not under clang 14.
struct LogSite {
  const char* file;
  int line;
  static constexpr LogSite current(const char* file = __builtin_FILE(),
                                   int line = __builtin_LINE()) {
    return {file, line};
  }
};

enum class Severity { info, warning, error, fatal };

struct GlogOptions {
  std::string program = "caffe";
  std::string log_dir;  ///< "": $GOOGLE_LOG_DIR, $TMPDIR, $TMP or /tmp
  int min_level = 0;    ///< lines below this severity are dropped
  bool to_stderr_only = false;
  bool to_stderr_too = true;  ///< false: only errors go to stderr beside the files
};

class Glog {
 public:
  explicit Glog(GlogOptions options) : options_(std::move(options)) {}
  ~Glog();
  Glog(const Glog&) = delete;
  Glog& operator=(const Glog&) = delete;

  /// Writes one line (or several: only the first gets the prefix). Files are made with the first
  /// line of their severity; one that cannot be made is mentioned once on stderr and left out.
  void write(Severity severity, const std::string& file, int line, const std::string& text);
  void info(const std::string& text, LogSite at = LogSite::current()) {
    write_at(Severity::info, text, at);
  }
  void error(const std::string& text, LogSite at = LogSite::current()) {
    write_at(Severity::error, text, at);
  }
  /// A line of severity F. It does not end the program: callers return exit status 1.
  void fatal(const std::string& text, LogSite at = LogSite::current()) {
    write_at(Severity::fatal, text, at);
  }
  /// A line that a net or solver made, under the name of the file of Caffe that logs it.
  void forward(caffe::LogLevel level, const std::string& text);

 private:
  void write_at(Severity severity, const std::string& text, const LogSite& at);
  std::FILE* file_of(Severity severity);

  GlogOptions options_;
  std::map<Severity, std::FILE*> files_;
};

/// `I0131 12:34:56.789012  4242 file:line] ` for the present moment and thread.
std::string glog_prefix(Severity severity, const std::string& file, int line);

}  // namespace trivium::tools
