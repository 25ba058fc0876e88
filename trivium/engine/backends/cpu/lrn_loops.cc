// Up to 64 positions side by side, all channels of them; the window is summed anew for every
// channel, so no rounding is carried along.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/lrn_loops.cc"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"

#include <algorithm>
#include <cmath>

#include "trivium/engine/backends/cpu/lrn_loops.h"
#include "trivium/engine/core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int64_t kTile = 64;
constexpr int64_t kChunks = 64;

/// out = s^-exponent for a whole tile; the exponents of the papers need square roots only.
template <typename T>
void negative_power(const T* HWY_RESTRICT s, T exponent, T* HWY_RESTRICT out) {
  const hn::CappedTag<T, 16> d;
  const auto one = hn::Set(d, T(1));
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  if (exponent == T(0.75)) {
    for (int64_t i = 0; i < kTile; i += lanes) {
      const auto root = hn::Sqrt(hn::LoadU(d, s + i));
      hn::StoreU(hn::Div(one, hn::Mul(root, hn::Sqrt(root))), d, out + i);
    }
  } else if (exponent == T(0.5)) {
    for (int64_t i = 0; i < kTile; i += lanes)
      hn::StoreU(hn::Div(one, hn::Sqrt(hn::LoadU(d, s + i))), d, out + i);
  } else if (exponent == T(1)) {
    for (int64_t i = 0; i < kTile; i += lanes)
      hn::StoreU(hn::Div(one, hn::LoadU(d, s + i)), d, out + i);
  } else {
    for (int64_t i = 0; i < kTile; ++i) out[i] = std::pow(s[i], -exponent);
  }
}

/// s of channel c at n positions; x points at channel 0. Positions past n get k.
template <typename T>
void scales(const LrnPlain& g, const T* x, int64_t c, int64_t n, T* HWY_RESTRICT s) {
  T sum[kTile] = {};
  const int64_t last = std::min(c + g.half, g.channels - 1);
  for (int64_t d = std::max<int64_t>(c - g.half, 0); d <= last; ++d) {
    const T* row = x + d * g.inner;
    if (n == kTile)
      for (int64_t i = 0; i < kTile; ++i) sum[i] += row[i] * row[i];
    else
      for (int64_t i = 0; i < n; ++i) sum[i] += row[i] * row[i];
  }
  const T k = static_cast<T>(g.k), alpha = static_cast<T>(g.alpha_over_size);
  for (int64_t i = 0; i < kTile; ++i) s[i] = k + alpha * sum[i];
}

template <typename T>
void forward_tile(const LrnPlain& g, const T* x, T* y, int64_t n) {
  T s[kTile], p[kTile];
  for (int64_t c = 0; c < g.channels; ++c) {
    scales(g, x, c, n, s);
    negative_power(s, static_cast<T>(g.beta), p);
    for (int64_t i = 0; i < n; ++i) y[c * g.inner + i] = x[c * g.inner + i] * p[i];
  }
}

/// `ratio` [channels, kTile] holds dy x s^(-beta-1); its window sums are what neighbours pull.
template <typename T>
void backward_tile(const LrnPlain& g, const T* dy, const T* x, T* dx, T* ratio, int64_t n) {
  T s[kTile], p[kTile];
  for (int64_t c = 0; c < g.channels; ++c) {
    scales(g, x, c, n, s);
    negative_power(s, static_cast<T>(g.beta), p);
    for (int64_t i = 0; i < n; ++i) {
      const int64_t at = c * g.inner + i;
      ratio[c * kTile + i] = dy[at] * x[at] * p[i] / s[i];
      dx[at] = dy[at] * p[i];
    }
  }
  const T pull = static_cast<T>(2 * g.alpha_over_size * g.beta);
  for (int64_t c = 0; c < g.channels; ++c) {
    T pulled[kTile] = {};
    const int64_t last = std::min(c + g.half, g.channels - 1);
    for (int64_t d = std::max<int64_t>(c - g.half, 0); d <= last; ++d)
      for (int64_t i = 0; i < n; ++i) pulled[i] += ratio[d * kTile + i];
    for (int64_t i = 0; i < n; ++i) dx[c * g.inner + i] -= pull * x[c * g.inner + i] * pulled[i];
  }
}

/// Calls tile(first element, positions, chunk) for all tiles.
template <typename Tile>
void for_each_tile(const LrnPlain& g, const Tile& tile) {
  const int64_t per_row = (g.inner + kTile - 1) / kTile, count = g.outer * per_row;
  const int64_t chunks = std::min(kChunks, count);
  parallel_chunks(chunks, [&](int64_t chunk) {
    for (int64_t t = count * chunk / chunks; t < count * (chunk + 1) / chunks; ++t) {
      const int64_t first = t % per_row * kTile;
      tile(t / per_row * g.channels * g.inner + first, std::min(kTile, g.inner - first), chunk);
    }
  });
}

template <typename T>
void forward_typed(const LrnPlain& g, const T* x, T* y) {
  for_each_tile(g, [&](int64_t at, int64_t n, int64_t) { forward_tile(g, x + at, y + at, n); });
}
template <typename T>
void backward_typed(const LrnPlain& g, const T* dy, const T* x, T* dx, T* scratch) {
  for_each_tile(g, [&](int64_t at, int64_t n, int64_t chunk) {
    backward_tile(g, dy + at, x + at, dx + at, scratch + chunk * g.channels * kTile, n);
  });
}

void lrn_forward(const LrnPlain& g, const void* x, void* y) {
  if (g.dtype == DType::f32)
    forward_typed(g, static_cast<const float*>(x), static_cast<float*>(y));
  else
    forward_typed(g, static_cast<const double*>(x), static_cast<double*>(y));
}
void lrn_backward(const LrnPlain& g, const void* dy, const void* x, void* dx, void* scratch) {
  if (g.dtype == DType::f32)
    backward_typed(g, static_cast<const float*>(dy), static_cast<const float*>(x),
                   static_cast<float*>(dx), static_cast<float*>(scratch));
  else
    backward_typed(g, static_cast<const double*>(dy), static_cast<const double*>(x),
                   static_cast<double*>(dx), static_cast<double*>(scratch));
}

}  // namespace trivium::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu {

HWY_EXPORT(lrn_forward);
HWY_EXPORT(lrn_backward);

size_t LrnPlain::grad_scratch_bytes() const {
  constexpr int64_t kTile = 64, kChunks = 64;
  const int64_t tiles = outer * ((inner + kTile - 1) / kTile);
  return static_cast<size_t>(std::min(kChunks, tiles) * channels * kTile) * size_of(dtype);
}

void lrn(const LrnPlain& g, const void* x, void* y) { HWY_DYNAMIC_DISPATCH(lrn_forward)(g, x, y); }
void lrn_grad(const LrnPlain& g, const void* dy, const void* x, void* dx, void* scratch) {
  HWY_DYNAMIC_DISPATCH(lrn_backward)(g, dy, x, dx, scratch);
}

}  // namespace trivium::cpu
#endif
