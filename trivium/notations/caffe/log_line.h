// A line for Caffe's log that a function below the logger produced: its level and its text.
// The definition half of the notation only collects lines; whoever owns the log prints them.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace trivium::caffe {

enum class LogLevel { info, warning, error };

struct LogLine {
  LogLevel level = LogLevel::info;
  std::string text;
  bool operator==(const LogLine&) const = default;
};

using LogLines = std::vector<LogLine>;

/// Appends a line when the caller collects them; `log` may be null.
inline void add_line(LogLines* log, LogLevel level, std::string text) {
  if (log) log->push_back({level, std::move(text)});
}

}  // namespace trivium::caffe
