// Command lines in the syntax of Google's flags library, which Caffe's programs use: -f v, --f v,
// -f=v,
// --f=v in any order among the words; booleans as -f, -nof, -f=false.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/glog.h"

namespace trivium::tools {

class Gflags {
 public:
  /// `usage` is what -help shows above the flags. The logger's own flags are known to every
  /// program.
  Gflags(std::string program, std::string usage);

  Gflags& text(const std::string& name, const std::string& fallback, const std::string& doc);
  Gflags& integer(const std::string& name, int fallback, const std::string& doc);
  Gflags& boolean(const std::string& name, bool fallback, const std::string& doc);

  /// Reads the command line. Returns -1 to go on, else the status to exit with: 0 after -version, 1
  /// after -help and after a mistake (every mistake is named on stderr).
  int parse(int argc, const char* const* argv);

  const std::string& text(const std::string& name) const { return flags_.at(name).value; }
  int integer(const std::string& name) const { return std::stoi(flags_.at(name).value); }
  bool boolean(const std::string& name) const { return flags_.at(name).value == "true"; }
  /// The arguments that are no flags, in order.
  const std::vector<std::string>& words() const { return words_; }
  /// Usage and all flags of the program.
  std::string help() const;
  GlogOptions glog_options() const;

 private:
  enum class Kind { text, integer, boolean };
  struct Flag {
    Kind kind;
    std::string value, fallback, doc;
    bool of_logger = false;
  };
  void add(const std::string& name, Flag flag) { flags_[name] = std::move(flag); }
  void parse_list(const std::vector<std::string>& arguments, std::vector<std::string>& errors,
                  int depth);
  void set(const std::string& name, const std::string& value, std::vector<std::string>& errors);
  void read_flag_file(const std::string& path, std::vector<std::string>& errors, int depth);

  std::string program_, usage_;
  std::map<std::string, Flag> flags_;
  std::vector<std::string> words_, undefined_ok_;
  bool want_help_ = false, want_version_ = false;
};

}  // namespace trivium::tools
