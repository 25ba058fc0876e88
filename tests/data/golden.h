// What tests of data share: the recorded cases of tests/golden/data/data.txt and the picture they
// were made from.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "trivium/data.h"

namespace trivium::data {

/// The rest of the line of `key`; "" and a failure when there is none.
inline std::string golden(const std::string& key) {
  static const std::map<std::string, std::string> cases = [] {
    std::map<std::string, std::string> read;
    std::ifstream file(TRIVIUM_SOURCE_DIR "/tests/golden/data/data.txt");
    for (std::string line; std::getline(file, line);) {
      const size_t space = line.find(' ');
      read[line.substr(0, space)] = line.substr(space + 1);
    }
    return read;
  }();
  const auto found = cases.find(key);
  if (found != cases.end()) return found->second;
  ADD_FAILURE() << "no recorded case " << key;
  return "";
}

inline uint32_t crc_of(const Array& array, uint32_t crc = 0) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      t[i] = i;
      for (int k = 0; k < 8; ++k) t[i] = t[i] & 1 ? 0xedb88320u ^ t[i] >> 1 : t[i] >> 1;
    }
    return t;
  }();
  crc = ~crc;
  const auto* bytes = static_cast<const uint8_t*>(array.raw());
  for (size_t i = 0; i < array.bytes(); ++i) crc = table[(crc ^ bytes[i]) & 255] ^ crc >> 8;
  return ~crc;
}

inline std::string hex(uint32_t crc) { return fmt::format("{:08x}", crc); }
inline std::string crc_text(const Array& array) { return hex(crc_of(array)); }
inline std::string default_state() { return crc_text(random::default_generator().state()); }

/// The picture of make.py.
inline Array picture(int64_t h, int64_t w, int64_t c, int64_t seed = 0) {
  const Array image({h, w, c}, DType::u8);
  uint8_t* to = image.data<uint8_t>();
  for (int64_t y = 0; y < h; ++y)
    for (int64_t x = 0; x < w; ++x)
      for (int64_t k = 0; k < c; ++k)
        *to++ = static_cast<uint8_t>(
            (y * 7 + x * 13 + k * 29 + (x * y + seed) % 31 * 5 + x * x / 3) % 256);
  return image;
}

inline std::string join(const std::vector<int64_t>& values) {
  std::string text;
  for (const int64_t v : values) text += (text.empty() ? "" : " ") + std::to_string(v);
  return text;
}

inline Array arange(int64_t n, int64_t step = 1) {
  const Array values({n}, DType::i64);
  for (int64_t i = 0; i < n; ++i) values.data<int64_t>()[i] = i * step;
  return values;
}

}  // namespace trivium::data
