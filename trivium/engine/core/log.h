// TRIVIUM_LOG=record,plan,kernel,memory: one line an event on stderr, with reasons.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace trivium::log {

enum class Topic { record, plan, kernel, memory };

/// True when the topic is named in TRIVIUM_LOG (or "all" is). Ask before formatting costly
/// arguments.
bool enabled(Topic topic);
void write(Topic topic, std::string_view line);

template <typename... Args>
void event(Topic topic, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(topic)) write(topic, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace trivium::log
