// What the pooling kernels share: the windows of both axes, and the walk over batch-blocked planes.
// Internal to nblock_pool.cc and nblock_max_pool.cc.
#pragma once

#include <vector>

#include "trivium/engine/backends/cpu/nblock_pool.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::cpu::nblock {

struct PoolSpan {
  int64_t begin, end;  // clipped to what exists
  int64_t start;       // window: first tap's input position; pixel: unused
  float inverse;       // of the divisor along this axis
};

// What the windows of one axis read, and which windows cover each input position.
struct PoolAxis {
  std::vector<PoolSpan> windows, covers;
};

struct PoolPlane {
  const PoolShape& s;
  const PoolAxis& h;
  const PoolAxis& w;
};

inline void check(const PoolShape& s) {
  const bool positive = s.batch > 0 && s.channels > 0 && s.in_h > 0 && s.in_w > 0 && s.out_h > 0 &&
                        s.out_w > 0 && s.kernel_h > 0 && s.kernel_w > 0 && s.stride_h > 0 &&
                        s.stride_w > 0;
  if (!positive) user_error("nblock pooling: every size and stride must be positive");
  if (s.lanes != 16 && s.lanes != 8 && s.lanes != 4) {
    user_error("nblock pooling: lanes 16, 8 or 4 expected, {} received", s.lanes);
  }
}

inline PoolAxis make_axis(int64_t in, int64_t out, int64_t kernel, int64_t stride,
                          int64_t pad_begin, int64_t pad_end, bool count_padding) {
  PoolAxis axis;
  axis.covers.assign(in, {0, 0, 0, 0.f});
  for (int64_t o = 0; o < out; ++o) {
    const int64_t start = o * stride - pad_begin, stop = start + kernel;
    const int64_t begin = start > 0 ? start : 0, end = stop < in ? stop : in;
    const int64_t padded_end = stop < in + pad_end ? stop : in + pad_end;
    const int64_t divisor = count_padding ? padded_end - start : end - begin;
    axis.windows.push_back(
        {begin, end, start, divisor > 0 ? 1.f / static_cast<float>(divisor) : 0.f});
    for (int64_t i = begin; i < end; ++i) {
      PoolSpan& cover = axis.covers[i];
      if (cover.begin == cover.end) cover.begin = o;
      cover.end = o + 1;
    }
  }
  return axis;
}

// Calls body(plane, index) for the batch-blocked planes of all channels.
template <typename Body>
void for_planes(const PoolShape& s, Body&& body) {
  const PoolAxis h =
      make_axis(s.in_h, s.out_h, s.kernel_h, s.stride_h, s.pad_top, s.pad_bottom, s.count_padding);
  const PoolAxis w =
      make_axis(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_left, s.pad_right, s.count_padding);
  const int64_t planes = (s.batch + s.lanes - 1) / s.lanes * s.channels;
  const int64_t work = (s.in_h * s.in_w + s.out_h * s.out_w * s.kernel_h * s.kernel_w) * s.lanes;
  parallel_for(planes, work < 32768 ? 32768 / work + 1 : 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) body(h, w, plane);
  });
}

}  // namespace trivium::cpu::nblock
