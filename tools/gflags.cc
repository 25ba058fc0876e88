#include "tools/gflags.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <sstream>

#include "trivium/engine/core/error.h"
#include "trivium/formats/file.h"

namespace trivium::tools {
namespace {

bool parse_int(const std::string& text, int* value) {
  char* end = nullptr;
  errno = 0;
  const long parsed = std::strtol(text.c_str(), &end, 0);
  if (text.empty() || *end || errno || parsed < INT_MIN || parsed > INT_MAX) return false;
  *value = static_cast<int>(parsed);
  return true;
}

/// "true", "false", or "" for anything else.
std::string parse_bool(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  for (const char* yes : {"true", "t", "yes", "y", "1"})
    if (text == yes) return "true";
  for (const char* no : {"false", "f", "no", "n", "0"})
    if (text == no) return "false";
  return "";
}

}  // namespace

Gflags::Gflags(std::string program, std::string usage)
    : program_(std::move(program)), usage_(std::move(usage)) {
  const auto logger = [this](const char* name, Kind kind, const char* fallback, const char* doc) {
    add(name, {kind, fallback, fallback, doc, true});
  };
  logger("log_dir", Kind::text, "", "folder of the log files");
  logger("minloglevel", Kind::integer, "0",
         "drop lines below this level: 0 info, 1 warning, 2 error, 3 fatal");
  logger("logtostderr", Kind::boolean, "false", "log to stderr only, write no log files");
  logger("alsologtostderr", Kind::boolean, "true", "log to stderr as well as to files");
  logger("stderrthreshold", Kind::integer, "2", "accepted; every line goes to stderr anyway");
  logger("colorlogtostderr", Kind::boolean, "false", "accepted; lines are not coloured");
  logger("log_prefix", Kind::boolean, "true", "accepted; the prefix is always written");
  logger("logbufsecs", Kind::integer, "30", "accepted; lines are written at once");
  logger("max_log_size", Kind::integer, "1800", "accepted; log files are not split");
  logger("v", Kind::integer, "0", "accepted; there are no verbose lines");
  logger("vmodule", Kind::text, "", "accepted; there are no verbose lines");
}

Gflags& Gflags::text(const std::string& name, const std::string& fallback, const std::string& doc) {
  add(name, {Kind::text, fallback, fallback, doc});
  return *this;
}

Gflags& Gflags::integer(const std::string& name, int fallback, const std::string& doc) {
  add(name, {Kind::integer, std::to_string(fallback), std::to_string(fallback), doc});
  return *this;
}

Gflags& Gflags::boolean(const std::string& name, bool fallback, const std::string& doc) {
  const char* value = fallback ? "true" : "false";
  add(name, {Kind::boolean, value, value, doc});
  return *this;
}

void Gflags::set(const std::string& name, const std::string& value,
                 std::vector<std::string>& errors) {
  Flag& flag = flags_.at(name);
  int number = 0;
  const std::string truth = parse_bool(value);
  if (flag.kind == Kind::integer && !parse_int(value, &number))
    errors.push_back(fmt::format("illegal value '{}' specified for int32 flag '{}'", value, name));
  else if (flag.kind == Kind::boolean && truth.empty())
    errors.push_back(fmt::format("illegal value '{}' specified for bool flag '{}'", value, name));
  else
    flag.value = flag.kind == Kind::integer   ? std::to_string(number)
                 : flag.kind == Kind::boolean ? truth
                                              : value;
}

void Gflags::read_flag_file(const std::string& path, std::vector<std::string>& errors, int depth) {
  if (depth > 8) return errors.push_back("flag files that name each other without end: " + path);
  std::vector<std::string> arguments;
  try {
    std::istringstream lines(formats::read_file(path, 1 << 20));
    for (std::string line; std::getline(lines, line);) {
      const size_t first = line.find_first_not_of(" \t\r"), last = line.find_last_not_of(" \t\r");
      if (first == std::string::npos || line[first] != '-')
        continue;  // comments, blanks, file names
      arguments.push_back(line.substr(first, last - first + 1));
    }
  } catch (const Error& error) {
    return errors.push_back(fmt::format("flagfile: {}", error.what()));
  }
  parse_list(arguments, errors, depth + 1);
}

void Gflags::parse_list(const std::vector<std::string>& arguments, std::vector<std::string>& errors,
                        int depth) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--") {
      words_.insert(words_.end(), arguments.begin() + i + 1, arguments.end());
      return;
    }
    if (argument.size() < 2 || argument[0] != '-') {
      words_.push_back(argument);
      continue;
    }
    const size_t start = argument[1] == '-' ? 2 : 1, equals = argument.find('=');
    std::string name =
        argument.substr(start, equals == std::string::npos ? equals : equals - start);
    const bool has_value = equals != std::string::npos;
    std::string value = has_value ? argument.substr(equals + 1) : "";
    const auto take_next = [&] {
      if (has_value) return true;
      if (i + 1 >= arguments.size()) return false;
      value = arguments[++i];
      return true;
    };
    if (name == "help" || name == "helpfull" || name == "helpshort" || name == "h") {
      want_help_ = true;
    } else if (name == "version") {
      want_version_ = true;
    } else if (name == "flagfile" || name == "undefok") {
      if (!take_next())
        errors.push_back(fmt::format("flag '-{}' is missing its argument", name));
      else if (name == "flagfile")
        read_flag_file(value, errors, depth);
      else
        undefined_ok_.push_back(value);
    } else if (flags_.count(name)) {
      if (flags_[name].kind == Kind::boolean)
        set(name, has_value ? value : "true", errors);
      else if (take_next())
        set(name, value, errors);
      else
        errors.push_back(
            fmt::format("flag '-{}' is missing its argument; {}", name, flags_[name].doc));
    } else if (name.starts_with("no") && flags_.count(name.substr(2)) &&
               flags_[name.substr(2)].kind == Kind::boolean && !has_value) {
      set(name.substr(2), "false", errors);
    } else if (std::none_of(undefined_ok_.begin(), undefined_ok_.end(),
                            [&](const std::string& list) {
                              return ("," + list + ",").find("," + name + ",") != std::string::npos;
                            })) {
      std::vector<std::string> known;
      for (const auto& [key, flag] : flags_) known.push_back(key);
      const std::string near = closest_match(name, known);
      errors.push_back(fmt::format("unknown command line flag '{}'{}", name,
                                   near.empty() ? "" : fmt::format("; did you mean '{}'?", near)));
    }
  }
}

int Gflags::parse(int argc, const char* const* argv) {
  std::vector<std::string> errors;
  parse_list(std::vector<std::string>(argv + std::min(argc, 1), argv + argc), errors, 0);
  if (want_help_) {
    fmt::print("{}", help());
    return 1;
  }
  if (want_version_) {
    fmt::print("{} version 1.0.0\n", program_);  // the version of Caffe whose behaviour this is
    return 0;
  }
  for (const std::string& error : errors) fmt::print(stderr, "ERROR: {}\n", error);
  return errors.empty() ? -1 : 1;
}

std::string Gflags::help() const {
  std::string out = fmt::format("{}: {}\n", program_, usage_);
  for (const bool logger : {false, true}) {
    out += logger ? "\n  Flags of the log:\n" : fmt::format("\n  Flags of {}:\n", program_);
    for (const auto& [name, flag] : flags_) {
      if (flag.of_logger != logger) continue;
      const bool text = flag.kind == Kind::text;
      out += fmt::format("    -{} ({}) type: {} default: {}{}{}\n", name, flag.doc,
                         text                         ? "string"
                         : flag.kind == Kind::integer ? "int32"
                                                      : "bool",
                         text ? "\"" : "", flag.fallback, text ? "\"" : "");
    }
  }
  return out;
}

GlogOptions Gflags::glog_options() const {
  GlogOptions options;
  options.program = program_;
  options.log_dir = text("log_dir");
  options.min_level = std::clamp(integer("minloglevel"), 0, 3);
  options.to_stderr_only = boolean("logtostderr");
  options.to_stderr_too = boolean("alsologtostderr");
  return options;
}

}  // namespace trivium::tools
