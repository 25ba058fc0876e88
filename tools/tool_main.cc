#include "tools/tool_main.h"

#include <new>

namespace trivium::tools {

int run_tool(Gflags flags, int argc, char** argv,
             const std::function<int(const Gflags&, Glog&)>& body) {
  if (const int status = flags.parse(argc, argv); status >= 0) return status;
  Glog log(flags.glog_options());
  try {
    return body(flags, log);
  } catch (const std::bad_alloc&) {
    log.fatal("out of memory");
  } catch (const std::exception& error) {
    log.fatal(error.what());
  }
  return 1;
}

}  // namespace trivium::tools
