// The common part of the three upgrade programs.
#pragma once

#include <string>

#include "trivium/notations/caffe/log_line.h"

namespace trivium::tools {

using UpgradeFn = int (*)(const std::string& in, const std::string& out, caffe::LogLines* log);

/// Runs `upgrade` on the two files of the command line and logs what it says. Status 1 for wrong
/// arguments and errors, else what `upgrade` returns.
int upgrade_main(const std::string& program, const std::string& arguments, int argc, char** argv,
                 UpgradeFn upgrade);

}  // namespace trivium::tools
