#include "trivium/engine/core/log.h"

#include <cstdio>
#include <cstdlib>
#include <string>

namespace trivium::log {
namespace {

constexpr const char* kNames[] = {"record", "plan", "kernel", "memory"};

unsigned read_topics() {
  const char* env = std::getenv("TRIVIUM_LOG");
  if (!env) return 0;
  const std::string wanted = "," + std::string(env) + ",";
  unsigned mask = 0;
  for (int i = 0; i < 4; ++i)
    if (wanted.find("," + std::string(kNames[i]) + ",") != std::string::npos) mask |= 1u << i;
  return wanted.find(",all,") != std::string::npos ? ~0u : mask;
}

}  // namespace

bool enabled(Topic topic) {
  static const unsigned topics = read_topics();
  return topics >> static_cast<int>(topic) & 1;
}

void write(Topic topic, std::string_view line) {
  std::fprintf(stderr, "trivium %s: %.*s\n", kNames[static_cast<int>(topic)],
               static_cast<int>(line.size()), line.data());
}

}  // namespace trivium::log
