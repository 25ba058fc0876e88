// The generators: Philox4x32-10, MT19937 and glibc's rand. Caffe's distributions are in
// random_caffe.cc.
#include "trivium/engine/core/random.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::random {
namespace {

constexpr int kPhiloxRounds = 10;
constexpr uint32_t kPhiloxM0 = 0xd2511f53, kPhiloxM1 = 0xcd9e8d57;
constexpr uint32_t kPhiloxW0 = 0x9e3779b9, kPhiloxW1 = 0xbb67ae85;
constexpr int64_t kPhiloxGrain = 1 << 14;

uint32_t low(uint64_t x) { return static_cast<uint32_t>(x); }
uint32_t high(uint64_t x) { return static_cast<uint32_t>(x >> 32); }

/// Fills `out` block by block: convert(words) gives the four elements of a block.
template <typename Convert>
void fill_blocks(uint64_t seed, uint64_t stream, uint64_t first, std::span<float> out,
                 const Convert& convert) {
  parallel_for(static_cast<int64_t>(out.size()), kPhiloxGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end;) {
      const uint64_t element = first + static_cast<uint64_t>(i);
      const std::array<float, 4> four = convert(philox_block(seed, stream, element / 4));
      for (uint64_t lane = element % 4; lane < 4 && i < end; ++lane) out[i++] = four[lane];
    }
  });
}

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> c, std::array<uint32_t, 2> key) {
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t p0 = uint64_t{c[0]} * kPhiloxM0, p1 = uint64_t{c[2]} * kPhiloxM1;
    c = {high(p1) ^ c[1] ^ key[0], low(p1), high(p0) ^ c[3] ^ key[1], low(p0)};
    key[0] += kPhiloxW0;
    key[1] += kPhiloxW1;
  }
  return c;
}

std::array<uint32_t, 4> philox_block(uint64_t seed, uint64_t stream, uint64_t block) {
  return philox4x32({low(block), high(block), low(stream), high(stream)}, {low(seed), high(seed)});
}

uint32_t philox_word(uint64_t seed, uint64_t stream, uint64_t index) {
  return philox_block(seed, stream, index / 4)[index % 4];
}

float unit_float(uint32_t word) {
  return std::bit_cast<float>(0x3f800000u | (word & 0x7fffffu)) - 1.0f;
}

std::pair<float, float> normal_pair(uint32_t word0, uint32_t word1) {
  const float u = std::max(unit_float(word0), 1.0e-7f);
  const float angle = static_cast<float>(2.0 * std::numbers::pi * unit_float(word1));
  const float radius = std::sqrt(-2.0f * std::log(u));
  return {radius * std::sin(angle), radius * std::cos(angle)};
}

void philox_uniform(uint64_t seed, uint64_t stream, uint64_t first, float low, float high,
                    std::span<float> out) {
  const float width = high - low;
  fill_blocks(seed, stream, first, out, [=](const std::array<uint32_t, 4>& w) {
    std::array<float, 4> x;
    for (int i = 0; i < 4; ++i) x[i] = unit_float(w[i]) * width + low;
    return x;
  });
}

void philox_normal(uint64_t seed, uint64_t stream, uint64_t first, float mean, float std,
                   std::span<float> out) {
  fill_blocks(seed, stream, first, out, [=](const std::array<uint32_t, 4>& w) {
    const auto [a, b] = normal_pair(w[0], w[1]);
    const auto [c, d] = normal_pair(w[2], w[3]);
    return std::array<float, 4>{a * std + mean, b * std + mean, c * std + mean, d * std + mean};
  });
}

void Mt19937::seed(uint32_t value) {
  words[0] = value;
  for (uint32_t i = 1; i < kWords; ++i)
    words[i] = 1812433253u * (words[i - 1] ^ words[i - 1] >> 30) + i;
  index = kWords;
}

void Mt19937::refill() {
  constexpr int kShift = 397;
  const auto twist = [](uint32_t upper, uint32_t lower) {
    const uint32_t y = (upper & 0x80000000u) | (lower & 0x7fffffffu);
    return y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0u);
  };
  int i = 0;
  for (; i < kWords - kShift; ++i) words[i] = words[i + kShift] ^ twist(words[i], words[i + 1]);
  for (; i < kWords - 1; ++i) words[i] = words[i + kShift - kWords] ^ twist(words[i], words[i + 1]);
  words[i] = words[i + kShift - kWords] ^ twist(words[i], words[0]);
  index = 0;
}

void GlibcRand::seed(uint32_t value) {
  int64_t word = static_cast<int32_t>(value == 0 ? 1 : value);
  for (uint32_t& slot : ring) {
    slot = static_cast<uint32_t>(word);
    word = 16807 * (word % 127773) - 2836 * (word / 127773);  // 16807 * word mod 2^31 - 1 (Schrage)
    if (word < 0) word += 2147483647;
  }
  position = 3;
  for (int i = 0; i < 310; ++i) next();
}

uint32_t GlibcRand::next() {
  // x[n] = x[n - 31] + x[n - 3]; the slot at `position` still holds x[n - 31].
  uint32_t& slot = ring[position];
  slot += ring[(position + 28) % 31];
  position = (position + 1) % 31;
  return slot >> 1;
}

uint32_t seed_from_system() {
  uint64_t value = 0;
  std::FILE* file = std::fopen("/dev/urandom", "rb");
  const bool read = file && std::fread(&value, sizeof value, 1, file) == 1;
  if (file) std::fclose(file);
  if (!read) environment_error("random seed: /dev/urandom cannot be read; give a seed instead");
  return low(value);
}

}  // namespace trivium::random
