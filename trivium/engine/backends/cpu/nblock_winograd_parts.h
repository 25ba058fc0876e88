// What the Winograd passes share: one convolution group as a problem of image tiles, and the
// transform of the tiles of a channel. Internal to nblock_winograd*.cc.
#pragma once

#include <algorithm>
#include <cstdint>

#include "trivium/engine/backends/cpu/nblock_conv.h"
#include "trivium/engine/backends/cpu/nblock_plan.h"
#include "trivium/engine/backends/cpu/nblock_winograd_tiles.h"

namespace trivium::cpu::nblock {

constexpr int64_t kLineFloats = 16;

// One convolution group as a stride-1 correlation. Its tiles cover the outputs; or, scattered, they
// cover the inputs and each adds to the 6x6 outputs it reaches: fewer tiles where the outputs are
// padded inputs.
struct Problem {
  int64_t batch, in_channels, out_channels;
  int64_t in_h, in_w, out_h, out_w, pad_top, pad_left;
  int kernel, lanes;
  int64_t in_block, out_block;  // floats between blocks of the batch
  bool scatter = false;
  int64_t tile() const { return kWinogradTile + 1 - kernel; }  // outputs a side
  int64_t tiles_h() const { return ceil_div(scatter ? in_h : out_h, tile()); }
  int64_t tiles_w() const { return ceil_div(scatter ? in_w : out_w, tile()); }
  int64_t tiles() const { return tiles_h() * tiles_w(); }
};

inline Problem forward_problem(const ConvShape& s) {
  return {s.batch,
          s.in_channels / s.groups,
          s.out_channels / s.groups,
          s.in_h,
          s.in_w,
          s.out_h,
          s.out_w,
          s.pad_top,
          s.pad_left,
          static_cast<int>(s.kernel_h),
          s.lanes,
          s.in_channels * s.in_h * s.in_w * s.lanes,
          s.out_channels * s.out_h * s.out_w * s.lanes};
}

// The part of tile `index` that exists along one axis: [lo, hi) of `size` positions from `start`
// on.
inline void clip(int64_t start, int64_t limit, int size, int& lo, int& hi) {
  lo = static_cast<int>(std::clamp<int64_t>(-start, 0, size));
  hi = static_cast<int>(std::clamp<int64_t>(limit - start, lo, size));
}

// Transforms tiles [range) of every channel in `channels`: to[point * step + channel * stride +
// tile].
struct InputJob {
  const float* x;  // the lane group of the first channel
  int64_t h, w, pad_top, pad_left;
  int size;      // tile side on the image
  int64_t move;  // from one tile to the next
  int64_t tiles_w;
  int lanes, vector;
  int64_t ahead;  // floats from a pixel to the one that is needed next of its kind, to prefetch
};
inline void transform_tiles(const InputJob& job, WinogradFn run, Range tiles, Range channels,
                            float* to, int64_t point_step, int64_t channel_stride) {
  WinogradTile t{};
  t.row_stride = job.w * job.lanes;
  t.col_stride = job.lanes;
  t.point_step = point_step;
  // Channel by channel, so that the 36 rows being written stay in L1 until their lines are full.
  for (int64_t c = channels.begin; c < channels.end; ++c) {
    const float* plane = job.x + c * job.h * job.w * job.lanes;
    t.to = to + (c - channels.begin) * channel_stride;
    int64_t tile_row = tiles.begin / job.tiles_w, tile_col = tiles.begin % job.tiles_w;
    for (int64_t i = tiles.begin; i < tiles.end; ++i, t.to += job.vector) {
      const int64_t row = tile_row * job.move - job.pad_top,
                    col = tile_col * job.move - job.pad_left;
      clip(row, job.h, job.size, t.row_lo, t.row_hi);
      clip(col, job.w, job.size, t.col_lo, t.col_hi);
      t.from = plane + (row * job.w + col) * job.lanes;
      for (int r = t.row_lo; r < t.row_hi; ++r) {
        const float* next = t.from + r * t.row_stride + job.ahead;
        for (int64_t at = 0; at < job.move * job.lanes; at += kLineFloats)
          __builtin_prefetch(next + at);
      }
      run(t);
      if (++tile_col == job.tiles_w) tile_col = 0, ++tile_row;
    }
  }
}

}  // namespace trivium::cpu::nblock
