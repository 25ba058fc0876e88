// Register tiles of the batch-blocked convolution: the only code of it that knows the vector unit.
// A tile keeps channels × positions (or channels × taps) accumulators in registers, each one vector
// of batch lanes, and walks the whole reduction; everything around it is plain C++ in
// nblock_conv.cc.
#pragma once

#include <cstdint>

namespace trivium::cpu::nblock {

enum class Activation { none, relu, leaky };

/// y[co][j] = act(bias[co] + Σ_{channel, row, tap} w[channel][row][tap][co] * x[channel][row][j +
/// tap]). Strides count floats. `lo[t]` and `hi[t]` bound the positions j that tap t may read
/// (border tiles only).
struct CorrTile {
  const float* x;
  const float* w;
  const float* bias;  // or null
  float* y;
  int64_t x_channel, x_row, x_tap, x_position;
  int64_t w_channel;  // from one channel's first row to the next one's
  int64_t y_channel, y_position;
  int64_t channels, rows, taps;
  const int* lo;
  const int* hi;
  const uint8_t* shape;  // tile_shape(lo, hi, positions) of every tap
  Activation activation;
  float slope;
};
using CorrFn = void (*)(const CorrTile&);

/// y[c][p] = Σ_channel w[channel][c] * x[channel][p]; positions are adjacent vectors on both sides.
struct ProductTile {
  const float* x;
  const float* w;
  float* y;
  int64_t x_channel, y_channel, channels;
};
using ProductFn = void (*)(const ProductTile&);

/// acc[a][t] += Σ_{row, j} dy[a][row][j] * x[tap t][row][j]; tap t starts at x + tap_offset[t].
/// Positions outside [lo[t], hi[t]) are skipped for tap t; [inner_begin, inner_end) is valid for
/// all. The positions before and after have their tile_shape over the taps in `shape`.
struct GradTile {
  const float* dy;
  const float* x;
  float* acc;
  int64_t dy_channel, dy_row, dy_position;
  int64_t x_row, x_position;
  int64_t rows, positions, inner_begin, inner_end;
  const int64_t* tap_offset;
  const int* lo;
  const int* hi;
  const uint8_t* shape;
};
using GradFn = void (*)(const GradTile&);

constexpr int kMaxTileChannels = 8;
constexpr int kMaxTilePositions = 6;

/// How the valid part [lo, hi) of `count` lies in it. Kernels have straight code for all of it (0),
/// for a suffix from lo (lo), for a prefix up to hi (kMaxTilePositions + hi) and nothing; the rest
/// is guarded.
constexpr uint8_t kShapeEmpty = 2 * kMaxTilePositions, kShapeGuarded = kShapeEmpty + 1;
constexpr uint8_t tile_shape(int lo, int hi, int count) {
  if (lo >= hi) return kShapeEmpty;
  if (hi == count) return static_cast<uint8_t>(lo);
  return lo == 0 ? static_cast<uint8_t>(kMaxTilePositions + hi) : kShapeGuarded;
}

/// Lanes one vector holds when an activation has `lanes` of them: min(lanes, what this CPU has).
int vector_lanes(int lanes);
/// Most channels a tile of `positions` (1..6) can have without spilling registers.
int max_tile_channels(int positions);
/// The tile of that size; vector is what vector_lanes returned. Never null within the limits above.
CorrFn corr_tile(int vector, int channels, int positions, bool border);
ProductFn product_tile(int vector, int channels, int positions);
GradFn grad_tile(int vector, int channels, int taps);
/// out[i] = sum over the lanes of acc[i], i < count; each acc[i] is `vector` floats.
void sum_lanes(int vector, const float* acc, int64_t count, float* out);
/// acc[c] += Σ_j x[c * channel_stride + j * position_stride], one vector per channel.
void sum_positions(int vector, const float* x, int64_t channels, int64_t channel_stride,
                   int64_t positions, int64_t position_stride, float* acc);

}  // namespace trivium::cpu::nblock
