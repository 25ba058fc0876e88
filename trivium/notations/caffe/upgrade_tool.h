// What the upgrade_net_proto_text, upgrade_net_proto_binary and upgrade_solver_proto_text programs
// do.
#pragma once

#include <string>

#include "trivium/notations/caffe/log_line.h"

namespace trivium::caffe {

/// Each reads the file `in`, writes it in the newest format to `out` and returns the program's exit
/// status: 0 done, 1 written although parts could not be upgraded, 2 `in` cannot be parsed (nothing
/// written). All messages go to `log`. Throws EnvironmentError when a file cannot be read or
/// written, UserError when the definition contradicts itself.
int upgrade_net_text(const std::string& in, const std::string& out, LogLines* log);
int upgrade_net_binary(const std::string& in, const std::string& out, LogLines* log);
int upgrade_solver_text(const std::string& in, const std::string& out, LogLines* log);

}  // namespace trivium::caffe
