#include "tools/solver_files.h"

#include <fmt/format.h>

#include <filesystem>

namespace trivium::tools {

namespace fs = std::filesystem;

caffe::SolverFile read_solver(const std::string& path, caffe::LogLines* log) {
  caffe::SolverFile file = caffe::read_solver_file(path, log);
  auto& solver = file.solver;
  std::error_code ignored;
  if (!solver.has_snapshot_prefix()) {
    solver.set_snapshot_prefix(fs::path(path).replace_extension().string());
    caffe::add_line(log, caffe::LogLevel::info,
                    "snapshot_prefix was not specified and is set to " + solver.snapshot_prefix());
  } else if (fs::is_directory(solver.snapshot_prefix(), ignored)) {
    solver.set_snapshot_prefix(
        (fs::path(solver.snapshot_prefix()) / fs::path(path).stem()).string());
    caffe::add_line(log, caffe::LogLevel::info,
                    "snapshot_prefix was a directory and is set to " + solver.snapshot_prefix());
  }
  return file;
}

std::vector<std::string> split_list(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end; (end = text.find(separator, begin)) != std::string::npos; begin = end + 1)
    parts.push_back(text.substr(begin, end - begin));
  parts.push_back(text.substr(begin));
  return parts;
}

std::string number_text(double value) { return fmt::format("{:g}", value); }

}  // namespace trivium::tools
