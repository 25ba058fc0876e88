// Max pooling over batch-blocked planes. Forward keeps the best pixel and its place in registers;
// backward gathers, for each input pixel, from the windows that cover it, so every gradient is
// written once and nothing is zeroed first. Square windows of 2 and 3 have straight code away from
// the borders; everything else takes the general walk.
#include <algorithm>
#include <cfloat>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/nblock_max_pool.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trivium/engine/backends/cpu/nblock_pool_plan.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::nblock::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kMaxPoolWidth = HWY_LANES(float);
template <int kLanes>
using MaxPoolTag = hn::FixedTag<float, (kLanes < kMaxPoolWidth ? kLanes : kMaxPoolWidth)>;

// A window of any kind, one vector of lanes.
template <class D>
void max_window(D d, const PoolPlane& p, const PoolSpan& v, const PoolSpan& u, const float* x,
                float* y, uint8_t* position) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint8_t, D> d8;
  const int64_t lanes = p.s.lanes, row = p.s.in_w * lanes;
  const bool empty = v.begin >= v.end || u.begin >= u.end;
  auto best = empty ? hn::Set(d, -FLT_MAX) : hn::LoadU(d, x + v.begin * row + u.begin * lanes);
  auto index = hn::Set(
      di, empty ? int32_t{kNoPosition}
                : static_cast<int32_t>((v.begin - v.start) * p.s.kernel_w + u.begin - u.start));
  for (int64_t i = v.begin; i < v.end; ++i) {
    const float* pixel = x + i * row + u.begin * lanes;
    int32_t at = static_cast<int32_t>((i - v.start) * p.s.kernel_w + u.begin - u.start);
    for (int64_t j = u.begin; j < u.end; ++j, pixel += lanes, ++at) {
      const auto value = hn::LoadU(d, pixel);
      // Larger than the best; or a number where the best is NaN (nan_wins: or NaN).
      const auto take = p.s.nan_wins ? hn::Or(hn::Gt(value, best), hn::IsNaN(value))
                                     : hn::AndNot(hn::Le(value, best), hn::Eq(value, value));
      best = hn::IfThenElse(take, value, best);
      index = hn::IfThenElse(hn::RebindMask(di, take), hn::Set(di, at), index);
    }
  }
  hn::StoreU(best, d, y);
  if (position) hn::StoreU(hn::DemoteTo(d8, index), d8, position);
}

// A whole KxK window: the first maximum of every row, then of the rows. False, with nothing stored,
// when a row begins with NaN in some lane: only then do comparisons mislead. With kNaNWins any NaN
// does.
template <int K, bool kNaNWins, class D>
HWY_INLINE bool max_square(D d, const float* HWY_RESTRICT x, int64_t row, int64_t lanes,
                           float* HWY_RESTRICT y, uint8_t* HWY_RESTRICT position) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint8_t, D> d8;
  hn::Vec<D> best[K];
  hn::Vec<decltype(di)> index[K];
#pragma GCC unroll 3
  for (int i = 0; i < K; ++i) best[i] = hn::LoadU(d, x + i * row);
  auto sum = best[0];  // NaN if one of them is
#pragma GCC unroll 3
  for (int i = 1; i < K; ++i) sum = hn::MulAdd(best[i], hn::Zero(d), sum);
  if (HWY_UNLIKELY(!hn::AllTrue(d, hn::Eq(sum, sum)))) return false;
#pragma GCC unroll 3
  for (int i = 0; i < K; ++i) {
    index[i] = hn::Set(di, i * K);
#pragma GCC unroll 3
    for (int j = 1; j < K; ++j) {
      const auto value = hn::LoadU(d, x + i * row + j * lanes);
      if constexpr (kNaNWins) sum = hn::MulAdd(value, hn::Zero(d), sum);
      const auto take = hn::Gt(value, best[i]);
      best[i] = hn::IfThenElse(take, value, best[i]);
      index[i] = hn::IfThenElse(hn::RebindMask(di, take), hn::Set(di, i * K + j), index[i]);
    }
  }
  if constexpr (kNaNWins) {
    if (HWY_UNLIKELY(!hn::AllTrue(d, hn::Eq(sum, sum)))) return false;
  }
#pragma GCC unroll 3
  for (int i = 1; i < K; ++i) {
    const auto take = hn::Gt(best[i], best[0]);
    best[0] = hn::IfThenElse(take, best[i], best[0]);
    index[0] = hn::IfThenElse(hn::RebindMask(di, take), index[i], index[0]);
  }
  hn::StoreU(best[0], d, y);
  if (position) hn::StoreU(hn::DemoteTo(d8, index[0]), d8, position);
  return true;
}

template <int K, bool kNaNWins = false, class D>
void max_plane(D d, const PoolPlane& p, const float* x, float* y, uint8_t* positions) {
  const int64_t lanes = p.s.lanes, row = p.s.in_w * lanes;
  for (const PoolSpan& v : p.h.windows) {
    for (const PoolSpan& u : p.w.windows) {
      const bool whole = v.end - v.begin == K && u.end - u.begin == K;
      for (int64_t lane = 0; lane < lanes; lane += hn::Lanes(d)) {
        uint8_t* position = positions ? positions + lane : nullptr;
        if constexpr (K > 0) {
          const float* corner = x + v.begin * row + u.begin * lanes + lane;
          for (int64_t i = 0; i < 2; ++i) {  // what the next row of windows reads first
            hwy::Prefetch(corner + (K + i) * row);
            hwy::Prefetch(corner + (K + i) * row + lanes);
          }
          if (whole && max_square<K, kNaNWins>(d, corner, row, lanes, y + lane, position)) continue;
        }
        max_window(d, p, v, u, x + lane, y + lane, position);
      }
      y += lanes;
      if (positions) positions += lanes;
    }
  }
}

// The gradient of pixel (i, j), one vector of lanes.
template <class D>
void gather_pixel(D d, const PoolPlane& p, int64_t i, int64_t j, const float* dy,
                  const uint8_t* positions, float* dx) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint8_t, D> d8;
  const int64_t lanes = p.s.lanes, row = p.s.out_w * lanes;
  const PoolSpan& v = p.h.covers[i];
  const PoolSpan& u = p.w.covers[j];
  auto sum = hn::Zero(d);
  for (int64_t a = v.begin; a < v.end; ++a) {
    const int64_t tap_row = (i - p.h.windows[a].start) * p.s.kernel_w;
    for (int64_t b = u.begin; b < u.end; ++b) {
      const int64_t at = a * row + b * lanes;
      const auto index = hn::PromoteTo(di, hn::LoadU(d8, positions + at));
      const auto tap = hn::Set(di, static_cast<int32_t>(tap_row + j - p.w.windows[b].start));
      const auto mine = hn::RebindMask(d, hn::Eq(index, tap));
      sum = hn::Add(sum, hn::IfThenElseZero(mine, hn::LoadU(d, dy + at)));
    }
  }
  hn::StoreU(sum, d, dx);
}

// KxK windows at stride 2: window b begins at pixel 2b - pad, shares that pixel with its
// predecessor when K is 3, and has the next one alone. Both pixels of windows [first, last), in a
// row that R rows of windows cover.
template <int K, int R, class D>
void gather_pairs(D d, const PoolPlane& p, int64_t i, int64_t first, int64_t last, const float* dy,
                  const uint8_t* positions, float* dx) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint8_t, D> d8;
  const int64_t lanes = p.s.lanes, row = p.s.out_w * lanes;
  const int64_t top = p.h.covers[i].begin;
  hn::Vec<D> upstream[R], before[R];
  hn::Vec<decltype(di)> index[R], index_before[R], tap0[R], tap1[R], tap2[R];
  const float* HWY_RESTRICT from = dy + top * row + first * lanes;
  const uint8_t* HWY_RESTRICT at = positions + top * row + first * lanes;
#pragma GCC unroll 2
  for (int r = 0; r < R; ++r) {
    const auto tap_row = static_cast<int32_t>((i - p.h.windows[top + r].start) * K);
    tap0[r] = hn::Set(di, tap_row);
    tap1[r] = hn::Set(di, tap_row + 1);
    tap2[r] = hn::Set(di, tap_row + 2);
    if constexpr (K == 3) {
      before[r] = hn::LoadU(d, from + r * row - lanes);
      index_before[r] = hn::PromoteTo(di, hn::LoadU(d8, at + r * row - lanes));
    }
  }
  const auto pick = [&](auto place, auto tap, auto value) HWY_ATTR {
    return hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(place, tap)), value);
  };
  float* HWY_RESTRICT out = dx + p.w.windows[first].start * lanes;
  for (int64_t b = first; b < last; ++b, from += lanes, at += lanes, out += 2 * lanes) {
    auto shared = hn::Zero(d), alone = hn::Zero(d);
#pragma GCC unroll 2
    for (int r = 0; r < R; ++r) {
      upstream[r] = hn::LoadU(d, from + r * row);
      index[r] = hn::PromoteTo(di, hn::LoadU(d8, at + r * row));
      if constexpr (K == 3) {
        shared = hn::Add(shared, pick(index_before[r], tap2[r], before[r]));
        before[r] = upstream[r];
        index_before[r] = index[r];
      }
      shared = hn::Add(shared, pick(index[r], tap0[r], upstream[r]));
      alone = hn::Add(alone, pick(index[r], tap1[r], upstream[r]));
    }
    hn::StoreU(shared, d, out);
    hn::StoreU(alone, d, out + lanes);
  }
}

// K is 0 unless windows are KxK at stride 2.
template <int K, class D>
void gather_plane(D d, const PoolPlane& p, const float* dy, const uint8_t* positions, float* dx) {
  const int64_t lanes = p.s.lanes, in_w = p.s.in_w;
  int64_t first = 0, last = 0;  // windows whose two pixels exist, and their predecessor
  if constexpr (K > 0) {
    first = std::max<int64_t>((p.s.pad_left + 1) / 2, K == 3 ? 1 : 0);
    last = std::min(p.s.out_w, (in_w + p.s.pad_left) / 2);
    if (first >= last) first = last = 0;
  }
  for (int64_t i = 0; i < p.s.in_h; ++i, dx += in_w * lanes) {
    const int64_t rows = p.h.covers[i].end - p.h.covers[i].begin;
    const bool pairs = first < last && (rows == 1 || (K == 3 && rows == 2));
    const int64_t begin = pairs ? p.w.windows[first].start : in_w;
    const int64_t end = pairs ? begin + 2 * (last - first) : in_w;
    for (int64_t lane = 0; lane < lanes; lane += hn::Lanes(d)) {
      const float* up = dy + lane;
      const uint8_t* at = positions + lane;
      for (int64_t j = 0; j < begin; ++j) gather_pixel(d, p, i, j, up, at, dx + j * lanes + lane);
      if constexpr (K > 0) {
        if (pairs && rows == 1) gather_pairs<K, 1>(d, p, i, first, last, up, at, dx + lane);
        if constexpr (K == 3) {
          if (pairs && rows == 2) gather_pairs<K, 2>(d, p, i, first, last, up, at, dx + lane);
        }
      }
      for (int64_t j = end; j < in_w; ++j) gather_pixel(d, p, i, j, up, at, dx + j * lanes + lane);
    }
  }
}

template <class D>
void max_by_kernel(D d, const PoolPlane& p, const float* x, float* y, uint8_t* positions) {
  const bool square = p.s.kernel_h == p.s.kernel_w;
  if (p.s.nan_wins) {
    if (square && p.s.kernel_w == 2) return max_plane<2, true>(d, p, x, y, positions);
    if (square && p.s.kernel_w == 3) return max_plane<3, true>(d, p, x, y, positions);
  }
  if (square && p.s.kernel_w == 2) return max_plane<2>(d, p, x, y, positions);
  if (square && p.s.kernel_w == 3) return max_plane<3>(d, p, x, y, positions);
  max_plane<0>(d, p, x, y, positions);
}
template <class D>
void gather_by_kernel(D d, const PoolPlane& p, const float* dy, const uint8_t* positions,
                      float* dx) {
  const bool halves = p.s.kernel_h == p.s.kernel_w && p.s.stride_h == 2 && p.s.stride_w == 2;
  if (halves && p.s.kernel_w == 2) return gather_plane<2>(d, p, dy, positions, dx);
  if (halves && p.s.kernel_w == 3) return gather_plane<3>(d, p, dy, positions, dx);
  gather_plane<0>(d, p, dy, positions, dx);
}

void MaxPlane(const PoolPlane& p, const float* x, float* y, uint8_t* positions) {
  if (p.s.lanes >= 16) return max_by_kernel(MaxPoolTag<16>(), p, x, y, positions);
  if (p.s.lanes >= 8) return max_by_kernel(MaxPoolTag<8>(), p, x, y, positions);
  max_by_kernel(MaxPoolTag<4>(), p, x, y, positions);
}
void MaxPlaneBackward(const PoolPlane& p, const float* dy, const uint8_t* positions, float* dx) {
  if (p.s.lanes >= 16) return gather_by_kernel(MaxPoolTag<16>(), p, dy, positions, dx);
  if (p.s.lanes >= 8) return gather_by_kernel(MaxPoolTag<8>(), p, dy, positions, dx);
  gather_by_kernel(MaxPoolTag<4>(), p, dy, positions, dx);
}

}  // namespace trivium::cpu::nblock::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu::nblock {

HWY_EXPORT(MaxPlane);
HWY_EXPORT(MaxPlaneBackward);

void max_pool_forward(const PoolShape& s, const float* x, float* y, uint8_t* positions) {
  check(s);
  if (positions && s.kernel_h * s.kernel_w > 255) {
    user_error(
        "nblock max pooling: positions are bytes; kernels of at most 255 elements, {}x{} received",
        s.kernel_h, s.kernel_w);
  }
  const int64_t in = s.in_h * s.in_w * s.lanes, out = s.out_h * s.out_w * s.lanes;
  for_planes(s, [&](const PoolAxis& h, const PoolAxis& w, int64_t plane) {
    HWY_DYNAMIC_DISPATCH(MaxPlane)
    (PoolPlane{s, h, w}, x + plane * in, y + plane * out,
     positions ? positions + plane * out : nullptr);
  });
}

void max_pool_backward(const PoolShape& s, const float* dy, const uint8_t* positions, float* dx) {
  check(s);
  const int64_t in = s.in_h * s.in_w * s.lanes, out = s.out_h * s.out_w * s.lanes;
  for_planes(s, [&](const PoolAxis& h, const PoolAxis& w, int64_t plane) {
    HWY_DYNAMIC_DISPATCH(MaxPlaneBackward)
    (PoolPlane{s, h, w}, dy + plane * out, positions + plane * out, dx + plane * in);
  });
}

}  // namespace trivium::cpu::nblock
#endif  // HWY_ONCE
