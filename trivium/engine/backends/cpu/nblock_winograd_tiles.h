// Transforms of the Winograd convolutions F(4x4, 3x3) and F(2x2, 5x5): both have 6x6 tiles on the
// points of winograd_points.h, so they share the input transform. Lavin & Gray, "Fast algorithms
// for convolutional neural networks" (2016), sections 4 and 5. Internal to nblock_winograd.cc.
#pragma once

#include <cstdint>

#include "trivium/engine/backends/cpu/nblock_tiles.h"

namespace trivium::cpu::nblock {

constexpr int kWinogradTile = 6;     // of inputs
constexpr int kWinogradPoints = 36;  // products a tile and channel pair

/// One tile of one channel. The image side is `image` with the strides of rows and columns; only
/// [row_lo, row_hi) x [col_lo, col_hi) of the tile exists. The transformed side has `point_step`
/// floats between the 36 values.
struct WinogradTile {
  const float* from;
  float* to;
  int64_t row_stride, col_stride, point_step;
  int row_lo, row_hi, col_lo, col_hi;
  float bias;
  Activation activation;
  float slope;
};
using WinogradFn = void (*)(const WinogradTile&);

/// input: to = Bᵀ d B for the 6x6 inputs. output: y = act(Aᵀ m A + bias), m the 36 products, y of
/// (7 - kernel)². gradient: to = A dy Aᵀ. scatter: to += B m Bᵀ, onto the 6x6 inputs of the tile;
/// the adjoint of input.
struct WinogradFns {
  WinogradFn input, output, gradient, scatter;
};
WinogradFns winograd_fns(int vector, int kernel);

constexpr int kWinogradPairs = 16;  // channel pairs that the weight transforms take at once
/// u[36][16] = G g Gᵀ of 16 kernels g[kernel * kernel][16].
void winograd_weights(int kernel, const float* g, float* u);
/// dg[kernel * kernel][16] = Gᵀ du G.
void winograd_weights_gradient(int kernel, const float* du, int64_t du_step, float* dg);

}  // namespace trivium::cpu::nblock
