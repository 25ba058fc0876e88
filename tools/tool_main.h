// The frame of the small programs with Caffe's names: flags, log, and errors as one line and
// status 1.
#pragma once

#include <functional>

#include "tools/gflags.h"
#include "tools/glog.h"

namespace trivium::tools {

/// Parses the command line and calls `body`; its result is the exit status. Anything thrown becomes
/// a line of severity F and status 1.
int run_tool(Gflags flags, int argc, char** argv,
             const std::function<int(const Gflags&, Glog&)>& body);

}  // namespace trivium::tools
