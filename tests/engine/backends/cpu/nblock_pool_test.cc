// Batch-blocked pooling and local response normalisation against plain loops.
#include "trivium/engine/backends/cpu/nblock_pool.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <cfloat>

#include "nblock_reference.h"
#include "trivium/engine/core/error.h"

namespace trivium::cpu::nblock {
namespace {

using testing::Floats;
using testing::Sums;

PoolShape random_shape(std::mt19937& rng) {
  const auto pick = [&](int64_t low, int64_t high) {
    return low + int64_t(rng() % (high - low + 1));
  };
  PoolShape s;
  s.batch = pick(1, 21);
  s.channels = pick(1, 5);
  s.in_h = pick(1, 11);
  s.in_w = pick(1, 11);
  s.kernel_h = pick(1, 5);
  s.kernel_w = pick(1, 5);
  s.stride_h = pick(1, 4);
  s.stride_w = pick(1, 4);
  if (pick(0, 1)) {  // what has code of its own
    s.kernel_h = s.kernel_w = pick(2, 3);
    s.stride_h = s.stride_w = 2;
  }
  s.pad_top = pick(0, s.kernel_h - 1);
  s.pad_left = pick(0, s.kernel_w - 1);
  s.pad_bottom = pick(0, s.kernel_h - 1);
  s.pad_right = pick(0, s.kernel_w - 1);
  s.out_h = std::max<int64_t>(0, s.in_h + s.pad_top + s.pad_bottom - s.kernel_h + s.stride_h - 1) /
                s.stride_h +
            1;
  s.out_w = std::max<int64_t>(0, s.in_w + s.pad_left + s.pad_right - s.kernel_w + s.stride_w - 1) /
                s.stride_w +
            1;
  s.count_padding = rng() % 2;
  s.lanes = 4 << rng() % 3;
  return s;
}

// Calls body(output index, kernel row, kernel column, input index) for every pixel of every window.
template <typename Body>
void for_taps(const PoolShape& s, Body&& body) {
  for (int64_t plane = 0; plane < s.batch * s.channels; ++plane)
    for (int64_t oy = 0; oy < s.out_h; ++oy)
      for (int64_t ox = 0; ox < s.out_w; ++ox)
        for (int64_t ky = 0; ky < s.kernel_h; ++ky)
          for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
            const int64_t iy = oy * s.stride_h - s.pad_top + ky,
                          ix = ox * s.stride_w - s.pad_left + kx;
            if (iy < 0 || iy >= s.in_h || ix < 0 || ix >= s.in_w) continue;
            body((plane * s.out_h + oy) * s.out_w + ox, ky, kx,
                 (plane * s.in_h + iy) * s.in_w + ix);
          }
}

void expect_routes_to_the_first_maximum(int trials) {
  std::mt19937 rng(9);
  for (int trial = 0; trial < trials; ++trial) {
    const PoolShape s = random_shape(rng);
    const int64_t in = s.channels * s.in_h * s.in_w, out = s.channels * s.out_h * s.out_w;
    Floats x(s.batch * in);
    for (float& v : x) v = float(int(rng() % 5)) - 2.f;  // many ties
    if (trial % 3) {
      for (size_t i = 0; i < x.size(); i += 1 + rng() % 4) x[i] = NAN;
    }
    const Floats dy = testing::random_floats(s.batch * out, rng);
    Floats want(s.batch * out, -FLT_MAX);
    std::vector<int64_t> position(want.size(), kNoPosition), source(want.size(), -1);
    for_taps(s, [&](int64_t o, int64_t ky, int64_t kx, int64_t i) {
      const bool take =
          source[o] < 0 || x[i] > want[o] || (std::isnan(want[o]) && !std::isnan(x[i]));
      if (take) want[o] = x[i], position[o] = ky * s.kernel_w + kx, source[o] = i;
    });
    Sums dx(x.size());
    for (size_t o = 0; o < want.size(); ++o) {
      if (source[o] >= 0) dx.add(source[o], dy[o]);
    }
    const Floats xb = testing::blocked(x, s.batch, s.lanes),
                 dyb = testing::blocked(dy, s.batch, s.lanes);
    Floats y(dyb.size()), got_dx(xb.size());
    std::vector<uint8_t> got_position(dyb.size());
    max_pool_forward(s, xb.data(), y.data(), got_position.data());
    max_pool_backward(s, dyb.data(), got_position.data(), got_dx.data());
    const Floats got = testing::unblocked(y, s.batch, out, s.lanes);
    const Floats at =
        testing::unblocked(Floats(got_position.begin(), got_position.end()), s.batch, out, s.lanes);
    for (size_t o = 0; o < want.size(); ++o) {
      ASSERT_TRUE(got[o] == want[o] || (std::isnan(got[o]) && std::isnan(want[o])));
      ASSERT_EQ(at[o], float(position[o]));
    }
    ASSERT_LE(testing::worst_error(testing::unblocked(got_dx, s.batch, in, s.lanes), dx),
              testing::rounding_bound(s.kernel_h * s.kernel_w));
  }
}

TEST(NblockMaxPool, RoutesToTheFirstMaximum) { expect_routes_to_the_first_maximum(300); }

TEST(NblockMaxPool, NarrowerSimdLevelsRouteToo) {
  for (int64_t level : {HWY_AVX2, HWY_SCALAR}) {
    if (level == HWY_AVX2 && !(hwy::SupportedTargets() & HWY_AVX2)) continue;
    hwy::SetSupportedTargetsForTest(level);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    expect_routes_to_the_first_maximum(60);
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
}

TEST(NblockMaxPool, RefusesKernelsWhosePositionsExceedAByte) {
  PoolShape s;
  s.in_h = s.in_w = s.kernel_h = s.kernel_w = 16;
  Floats x(256 * 16), y(16);
  std::vector<uint8_t> positions(16);
  EXPECT_THROW(max_pool_forward(s, x.data(), y.data(), positions.data()), UserError);
  EXPECT_NO_THROW(max_pool_forward(s, x.data(), y.data(), nullptr));
}

TEST(NblockAveragePool, DividesByTheClippedWindow) {
  std::mt19937 rng(10);
  for (int trial = 0; trial < 150; ++trial) {
    const PoolShape s = random_shape(rng);
    const int64_t in = s.channels * s.in_h * s.in_w, out = s.channels * s.out_h * s.out_w;
    const Floats x = testing::random_floats(s.batch * in, rng),
                 dy = testing::random_floats(s.batch * out, rng);
    const auto extent = [&](int64_t o, int64_t stride, int64_t pad, int64_t kernel, int64_t size,
                            int64_t pad_end) {
      const int64_t start = o * stride - pad, stop = start + kernel;
      return s.count_padding ? std::min(stop, size + pad_end) - start
                             : std::min(stop, size) - std::max<int64_t>(start, 0);
    };
    Sums y(dy.size()), dx(x.size());
    for_taps(s, [&](int64_t o, int64_t, int64_t, int64_t i) {
      const int64_t ox = o % s.out_w, oy = o / s.out_w % s.out_h;
      const double divisor =
          double(extent(oy, s.stride_h, s.pad_top, s.kernel_h, s.in_h, s.pad_bottom)) *
          double(extent(ox, s.stride_w, s.pad_left, s.kernel_w, s.in_w, s.pad_right));
      y.add(o, x[i] / divisor);
      dx.add(i, dy[o] / divisor);
    });
    const Floats xb = testing::blocked(x, s.batch, s.lanes),
                 dyb = testing::blocked(dy, s.batch, s.lanes);
    Floats got_y(dyb.size()), got_dx(xb.size());
    average_pool_forward(s, xb.data(), got_y.data());
    average_pool_backward(s, dyb.data(), got_dx.data());
    const int64_t terms = s.kernel_h * s.kernel_w + 3;  // three more roundings in the divisor
    ASSERT_LE(testing::worst_error(testing::unblocked(got_y, s.batch, out, s.lanes), y),
              testing::rounding_bound(terms));
    ASSERT_LE(testing::worst_error(testing::unblocked(got_dx, s.batch, in, s.lanes), dx),
              testing::rounding_bound(terms));
  }
}

TEST(NblockLrn, MatchesTheFormulaForwardAndBackward) {
  std::mt19937 rng(11);
  for (int trial = 0; trial < 60; ++trial) {
    LrnShape s;
    s.batch = 1 + rng() % 19;
    s.channels = 1 + rng() % 40;
    s.spatial = 1 + rng() % 30;
    s.size = 1 + 2 * (rng() % 4);
    s.alpha = 0.5f;
    s.beta = trial % 4 == 0 ? 0.6f : trial % 4 == 1 ? 0.5f : trial % 4 == 2 ? 1.f : 0.75f;
    s.k = trial % 2 ? 1.f : 2.f;
    s.lanes = 4 << rng() % 3;
    const int64_t per_item = s.channels * s.spatial, reach = (s.size - 1) / 2;
    const Floats x = testing::random_floats(s.batch * per_item, rng),
                 dy = testing::random_floats(x.size(), rng);
    Sums y(x.size()), dx(x.size());
    for (int64_t n = 0; n < s.batch; ++n) {
      for (int64_t p = 0; p < s.spatial; ++p) {
        const auto at = [&](int64_t c) { return (n * s.channels + c) * s.spatial + p; };
        std::vector<double> scale(s.channels, s.k);
        const auto around = [&](int64_t c, auto&& body) {
          for (int64_t i = std::max<int64_t>(0, c - reach);
               i <= std::min(s.channels - 1, c + reach); ++i)
            body(i);
        };
        for (int64_t c = 0; c < s.channels; ++c) {
          around(c, [&](int64_t i) { scale[c] += double(s.alpha) / s.size * x[at(i)] * x[at(i)]; });
          y.add(at(c), x[at(c)] * std::pow(scale[c], -double(s.beta)));
        }
        for (int64_t c = 0; c < s.channels; ++c) {
          dx.add(at(c), dy[at(c)] * std::pow(scale[c], -double(s.beta)));
          around(c, [&](int64_t i) {
            dx.add(at(c), -2.0 * s.alpha * s.beta / s.size * x[at(c)] * dy[at(i)] * y.value[at(i)] /
                              scale[i]);
          });
        }
      }
    }
    const Floats xb = testing::blocked(x, s.batch, s.lanes),
                 dyb = testing::blocked(dy, s.batch, s.lanes);
    Floats got_y(xb.size()), got_dx(xb.size());
    lrn_forward(s, xb.data(), got_y.data());
    lrn_backward(s, xb.data(), dyb.data(), got_dx.data());
    const int64_t terms = 2 * s.size + 12;
    ASSERT_LE(testing::worst_error(testing::unblocked(got_y, s.batch, per_item, s.lanes), y),
              testing::rounding_bound(terms));
    ASSERT_LE(testing::worst_error(testing::unblocked(got_dx, s.batch, per_item, s.lanes), dx),
              testing::rounding_bound(terms));
  }
}

}  // namespace
}  // namespace trivium::cpu::nblock
