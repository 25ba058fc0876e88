#include "tools/upgrade_main.h"

#include <fmt/format.h>

#include "tools/tool_main.h"

namespace trivium::tools {

int upgrade_main(const std::string& program, const std::string& arguments, int argc, char** argv,
                 UpgradeFn upgrade) {
  const std::string usage = fmt::format("{} {}", program, arguments);
  Gflags flags(program,
               fmt::format("rewrites a definition in the newest format\nusage: {}", usage));
  return run_tool(std::move(flags), argc, argv, [&](const Gflags& parsed, Glog& log) {
    if (parsed.words().size() != 2) {
      log.error("Usage: " + usage);
      return 1;
    }
    caffe::LogLines lines;
    const auto print = [&] {
      for (const caffe::LogLine& line : lines) log.forward(line.level, line.text);
    };
    int status = 0;
    try {
      status = upgrade(parsed.words()[0], parsed.words()[1], &lines);
    } catch (...) {
      print();
      throw;
    }
    print();
    return status;
  });
}

}  // namespace trivium::tools
