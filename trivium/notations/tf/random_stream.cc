#include "trivium/notations/tf/random_stream.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numbers>
#include <set>
#include <tuple>

#include "trivium/engine/core/half.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/core/random.h"

namespace trivium::tf {
namespace {

using Words = std::array<uint32_t, 4>;

double unit_double(uint32_t low, uint32_t high) {
  const uint64_t bits = uint64_t{1023} << 52 | uint64_t{low & 0xfffffu} << 32 | high;
  return std::bit_cast<double>(bits) - 1.0;
}

/// Box and Muller's pair, the sine first; the product with 2 pi is rounded from double.
std::pair<float, float> normals(uint32_t w0, uint32_t w1) {
  const float u = std::max(random::unit_float(w0), 1.0e-7f);
  const float v = static_cast<float>(2.0 * std::numbers::pi * random::unit_float(w1));
  const float r = std::sqrt(-2.0f * std::log(u));
  return {r * std::sin(v), r * std::cos(v)};
}

std::pair<double, double> normals64(const Words& w) {
  const double u = std::max(unit_double(w[0], w[1]), 1.0e-7);
  const double v = 2.0 * std::numbers::pi * unit_double(w[2], w[3]);
  const double r = std::sqrt(-2.0 * std::log(u));
  return {r * std::sin(v), r * std::cos(v)};
}

/// fill(block, put): calls put for the elements of one block; `per_block` of them.
template <typename T, typename Fill>
void fill_blocks(std::span<T> out, int per_block, Fill fill) {
  const int64_t n = static_cast<int64_t>(out.size()), blocks = (n + per_block - 1) / per_block;
  parallel_for(blocks, 256, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      T values[4];
      fill(b, values);
      for (int k = 0; k < per_block && b * per_block + k < n; ++k)
        out[b * per_block + k] = values[k];
    }
  });
}

/// Draws float numbers into a half-precision array through float32.
template <typename Fill>
void through_float(Array& out, Fill fill) {
  Array wide(out.shape(), DType::f32);
  fill(wide.span<float>());
  out.copy_from(wide.cast(out.dtype()));
}

}  // namespace

RandomStream::RandomStream(uint64_t seed, uint64_t seed2) : seed_(seed), stream_(seed2) {
  if (seed_ != 0 || stream_ != 0) return;
  seed_ = uint64_t{random::seed_from_system()} << 32 | random::seed_from_system();
  stream_ = uint64_t{random::seed_from_system()} << 32 | random::seed_from_system();
}

void RandomStream::uniform(Array& out) {
  const auto words = [this](int64_t b) { return random::philox_block(seed_, stream_, block_ + b); };
  if (out.dtype() == DType::f64) {
    fill_blocks(out.span<double>(), 2, [&](int64_t b, double* v) {
      const Words w = words(b);
      v[0] = unit_double(w[0], w[1]);
      v[1] = unit_double(w[2], w[3]);
    });
  } else if (out.dtype() == DType::f32) {
    fill_blocks(out.span<float>(), 4, [&](int64_t b, float* v) {
      const Words w = words(b);
      for (int k = 0; k < 4; ++k) v[k] = random::unit_float(w[k]);
    });
  } else {  // 10 or 7 bits under the exponent of 1: exact in float32 as well
    const int bits = out.dtype() == DType::f16 ? 10 : 7;
    through_float(out, [&](std::span<float> wide) {
      fill_blocks(wide, 4, [&](int64_t b, float* v) {
        const Words w = words(b);
        for (int k = 0; k < 4; ++k)
          v[k] = static_cast<float>(w[k] & ((1u << bits) - 1)) / static_cast<float>(1u << bits);
      });
    });
  }
  advance(out.count());
}

void RandomStream::normal(Array& out) {
  const auto words = [this](int64_t b) { return random::philox_block(seed_, stream_, block_ + b); };
  const auto floats = [&](std::span<float> span) {
    fill_blocks(span, 4, [&](int64_t b, float* v) {
      const Words w = words(b);
      std::tie(v[0], v[1]) = normals(w[0], w[1]);
      std::tie(v[2], v[3]) = normals(w[2], w[3]);
    });
  };
  if (out.dtype() == DType::f64)
    fill_blocks(out.span<double>(), 2,
                [&](int64_t b, double* v) { std::tie(v[0], v[1]) = normals64(words(b)); });
  else if (out.dtype() == DType::f32)
    floats(out.span<float>());
  else
    through_float(out, floats);
  advance(out.count());
}

void RandomStream::truncated_normal(Array& out) {
  // A group of four (two doubles) has blocks of its own and takes pairs until it is full.
  const auto floats = [&](std::span<float> span) {
    fill_blocks(span, 4, [&](int64_t group, float* v) {
      uint64_t block = block_ + 256 * static_cast<uint64_t>(group);
      for (int have = 0; have < 4; ++block) {
        const Words w = random::philox_block(seed_, stream_, block);
        for (int pair = 0; pair < 4 && have < 4; pair += 2) {
          const auto [a, b] = normals(w[pair], w[pair + 1]);
          if (std::abs(a) < 2.0f) v[have++] = a;
          if (std::abs(b) < 2.0f && have < 4) v[have++] = b;
        }
      }
    });
  };
  if (out.dtype() == DType::f64)
    fill_blocks(out.span<double>(), 2, [&](int64_t group, double* v) {
      uint64_t block = block_ + 128 * static_cast<uint64_t>(group);
      for (int have = 0; have < 2; ++block) {
        const auto [a, b] = normals64(random::philox_block(seed_, stream_, block));
        if (std::abs(a) < 2.0) v[have++] = a;
        if (std::abs(b) < 2.0 && have < 2) v[have++] = b;
      }
    });
  else if (out.dtype() == DType::f32)
    floats(out.span<float>());
  else
    through_float(out, floats);
  advance(out.count());
}

void RandomStream::integers(Array& out, int64_t low, int64_t high) {
  const uint64_t range = static_cast<uint64_t>(high) - static_cast<uint64_t>(low);
  const auto words = [this](int64_t b) { return random::philox_block(seed_, stream_, block_ + b); };
  if (out.dtype() == DType::i32)
    fill_blocks(out.span<int32_t>(), 4, [&](int64_t b, int32_t* v) {
      const Words w = words(b);
      for (int k = 0; k < 4; ++k)
        v[k] =
            static_cast<int32_t>(low + static_cast<int64_t>(w[k] % static_cast<uint32_t>(range)));
    });
  else
    fill_blocks(out.span<int64_t>(), 2, [&](int64_t b, int64_t* v) {
      const Words w = words(b);
      for (int k = 0; k < 2; ++k)
        v[k] = static_cast<int64_t>(static_cast<uint64_t>(low) +
                                    (uint64_t{w[2 * k]} | uint64_t{w[2 * k + 1]} << 32) % range);
    });
  advance(out.count());
}

void RandomStream::permutation(Array& out) {
  const auto p = out.span<int32_t>();
  const int64_t n = out.count();
  for (int64_t i = 0; i < n; ++i) p[i] = static_cast<int32_t>(i);
  Words w{};
  for (int64_t i = 0; i + 1 < n; ++i) {
    if (i % 4 == 0) w = random::philox_block(seed_, stream_, block_ + static_cast<uint64_t>(i / 4));
    std::swap(p[i], p[i + w[i % 4] % static_cast<uint32_t>(n - i)]);
  }
  block_ += static_cast<uint64_t>((n + 3) / 4);
}

void RandomStream::multinomial(Array& out) {
  fill_blocks(out.span<double>(), 2, [&](int64_t b, double* v) {
    const Words w = random::philox_block(seed_, stream_, block_ + static_cast<uint64_t>(b));
    v[0] = unit_double(w[0], w[1]);
    v[1] = unit_double(w[2], w[3]);
  });
  const int64_t rows = out.shape()[0], samples = out.shape()[1];
  advance(rows * 2 * (4 * ((samples + 3) / 4)));
}

void RandomStream::log_uniform(Array& out, int64_t range, bool unique) {
  const auto v = out.span<double>();
  const int64_t n = out.count() - 1;
  const double log_range = std::log1p(static_cast<double>(range));
  std::set<int64_t> seen;
  int64_t tries = 0;
  Words w{};
  for (int64_t have = 0; have < n; ++tries) {
    if (tries % 2 == 0)
      w = random::philox_block(seed_, stream_, block_ + static_cast<uint64_t>(tries / 2));
    const double u = tries % 2 == 0 ? unit_double(w[0], w[1]) : unit_double(w[2], w[3]);
    const int64_t k = static_cast<int64_t>(std::exp(u * log_range)) - 1;
    const int64_t wrapped = k % range;
    if (unique && !seen.insert(wrapped).second) continue;
    v[have++] = static_cast<double>(wrapped);
  }
  v[n] = static_cast<double>(tries);
  block_ += 512 * static_cast<uint64_t>(n);
}

}  // namespace trivium::tf
