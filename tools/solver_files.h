// Solver files as the command-line programs take them: read, upgraded, and with a place for
// snapshots.
#pragma once

#include <string>
#include <vector>

#include "trivium/notations/caffe/net_file.h"

namespace trivium::tools {

/// Reads a solver and gives it a snapshot_prefix: the file's own path without extension when it
/// names none, a name inside the directory when the prefix is one. Lines go to `log` as they arise.
caffe::SolverFile read_solver(const std::string& path, caffe::LogLines* log);

/// "a,b" → {"a", "b"}; "" → {""}: the empty stage is a stage in Caffe's programs.
std::vector<std::string> split_list(const std::string& text, char separator = ',');

/// A number as logs show it: six digits.
std::string number_text(double value);

}  // namespace trivium::tools
