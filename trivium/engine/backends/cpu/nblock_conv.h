// 2-D convolution for training on batch-blocked activations ("nblock"): the batch is the SIMD
// dimension.
//
// A logical activation [batch, channels, h, w] is stored [ceil(batch/B)][channels][h][w][B] with B
// lanes (16, 8 or 4), so any channel count fills the vectors, padding taps are skipped instead of
// multiplied, and weights stay plain [out_channels, in_channels/groups, kernel_h, kernel_w]. Lanes
// past the batch in the last block may hold anything, NaN included; they never reach a weight or
// bias gradient, and what the kernels write there is unspecified.
//
// All functions run on the thread team of core/parallel.h. Results do not depend on its size.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trivium/engine/backends/cpu/nblock_tiles.h"

namespace trivium::cpu::nblock {

/// Shape of one convolution. Padding after the image follows from out_h and out_w.
struct ConvShape {
  int64_t batch = 1, groups = 1;
  int64_t in_channels = 1, out_channels = 1;
  int64_t in_h = 1, in_w = 1, out_h = 1, out_w = 1;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0, dilation_h = 1, dilation_w = 1;
  int lanes = 16;
};

/// direct walks the taps; winograd (3x3 and 5x5 at stride 1) multiplies 2.8 to 4 times less, at the
/// cost of transforms and of about one decimal digit; automatic asks best_algorithm.
enum class Algorithm { automatic, direct, winograd };
enum class Pass { forward, backward_data, backward_weights };

/// The lanes (16, 8 or 4) that should run a batch fastest on this CPU: a wide vector, but few idle
/// lanes.
int best_lanes(int64_t batch);

/// What `automatic` runs: winograd where it exists and is faster by model.
Algorithm best_algorithm(const ConvShape& shape, Pass pass);

/// Floats of an activation of `per_item` values an item: ceil(batch/lanes) * per_item * lanes.
int64_t nblock_size(int64_t batch, int64_t per_item, int lanes);

/// Bytes the `scratch` argument of the pass must have (64-byte aligned for speed).
size_t conv_scratch_bytes(const ConvShape& shape, Pass pass,
                          Algorithm algorithm = Algorithm::automatic);

/// y = act(conv(x, w) + bias). x nblock [batch, in_channels, in_h, in_w], w plain, bias
/// [out_channels] or null, y nblock [batch, out_channels, out_h, out_w]. `slope` is what leaky
/// multiplies negatives with. Throws UserError when the shape is inconsistent or has no such
/// algorithm.
void conv_forward(const ConvShape& shape, const float* x, const float* w, const float* bias,
                  Activation activation, float slope, float* y, void* scratch,
                  Algorithm algorithm = Algorithm::automatic);

/// dx = gradient with respect to x; every element of dx is written.
void conv_backward_data(const ConvShape& shape, const float* dy, const float* w, float* dx,
                        void* scratch, Algorithm algorithm = Algorithm::automatic);

/// dw (plain, overwritten) and, unless null, db [out_channels].
void conv_backward_weights(const ConvShape& shape, const float* x, const float* dy, float* dw,
                           float* db, void* scratch, Algorithm algorithm = Algorithm::automatic);

}  // namespace trivium::cpu::nblock
