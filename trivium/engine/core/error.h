// The three kinds of error Trivium throws, and the helpers that format them.
// A message says what was expected, what came, where, and the remedy when we know it.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace trivium {

/// Base of everything the library throws. Catch this to handle any failure; nothing aborts.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The program or file given by the user is wrong: change it.
class UserError : public Error {
 public:
  using Error::Error;
};

/// A file, the memory or a device refused: the program may be right.
class EnvironmentError : public Error {
 public:
  using Error::Error;
};

/// A mistake inside Trivium: please report it.
class InternalError : public Error {
 public:
  using Error::Error;
};

template <typename... Args>
[[noreturn]] void user_error(fmt::format_string<Args...> format, Args&&... args) {
  throw UserError(fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
[[noreturn]] void environment_error(fmt::format_string<Args...> format, Args&&... args) {
  throw EnvironmentError(fmt::format(format, std::forward<Args>(args)...));
}

template <typename... Args>
[[noreturn]] void internal_error(fmt::format_string<Args...> format, Args&&... args) {
  throw InternalError("internal error: " + fmt::format(format, std::forward<Args>(args)...) +
                      " — please report it");
}

int edit_distance(const std::string& a, const std::string& b);

/// The candidate closest to `word` by edit distance, or "" when none is near (for "did you mean").

template <typename Range>
std::string closest_match(const std::string& word, const Range& candidates) {
  std::string best;
  int best_distance = static_cast<int>(word.size()) / 3 + 2;
  for (const std::string& candidate : candidates) {
    const int distance = edit_distance(word, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace trivium
