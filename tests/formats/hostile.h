// What every reader must survive: the file cut at each length, and random bits turned over. A
// reader may accept damage it cannot see, or throw trivium::Error; anything else fails the test.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <sstream>
#include <string>

#include "trivium/engine/core/error.h"

namespace trivium::formats {

inline std::string golden(const std::string& name) {
  return std::string(TRIVIUM_SOURCE_DIR) + "/tests/golden/" + name;
}

inline std::string slurp(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

inline void spill(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

/// An empty directory of its own for each test, removed at its end.
struct Scratch {
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "trivium_XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~Scratch() { std::filesystem::remove_all(path); }
  std::string operator/(const std::string& name) const { return path + "/" + name; }
  std::string path;
};

/// Runs `f`, which must throw `E`; gives back the message.
template <typename E, typename F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another type of error: " << error.what();
    return "";
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

inline void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "\"" << part << "\" is not in: " << text;
}

/// Feeds `read` every truncation (at most `cuts`, evenly spread) and `flips` variants with one to
/// three bits turned over. Returns how many of the truncations were refused.
inline int damage(const std::string& good, const std::function<void(const std::string&)>& read,
                  int flips = 2000, size_t cuts = 4096) {
  int refused = 0;
  const auto survive = [&](const std::string& bytes, const std::string& what) {
    try {
      read(bytes);
    } catch (const Error&) {
      return true;
    } catch (const std::exception& error) {
      ADD_FAILURE() << what << ": not a trivium::Error: " << error.what();
    }
    return false;
  };
  const size_t step = std::max<size_t>(1, good.size() / cuts);
  for (size_t length = 0; length < good.size(); length += step)
    refused += survive(good.substr(0, length), fmt::format("cut to {} bytes", length));
  std::mt19937_64 random(7);
  for (int i = 0; i < flips; ++i) {
    std::string bytes = good;
    std::string what = "flips at";
    for (int bits = 1 + static_cast<int>(random() % 3); bits > 0; --bits) {
      // Half of the flips hit the first 256 bytes, where headers are.
      const size_t range = random() % 2 ? bytes.size() : std::min<size_t>(bytes.size(), 256);
      const size_t at = random() % range;
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      what += fmt::format(" {}", at);
    }
    survive(bytes, what);
  }
  return refused;
}

}  // namespace trivium::formats
