// Fully connected layers for training on batch-blocked activations (see nblock_conv.h for the
// layout). x is [ceil(batch/B)][inputs][B]: a flattened convolution output as it lies. The weight
// is plain, [outputs, inputs], or [inputs, outputs] with transpose_w. Large weights are streamed
// once, prefetched.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trivium/engine/backends/cpu/nblock_tiles.h"

namespace trivium::cpu::nblock {

struct FcShape {
  int64_t batch = 1, inputs = 1, outputs = 1;
  bool transpose_w = false;
  int lanes = 16;
};

/// Bytes of scratch that fc_backward_weights needs; the other passes need none.
size_t fc_scratch_bytes(const FcShape& shape);

/// y [batch, outputs] = act(x · Wᵀ + bias); bias [outputs] or null.
void fc_forward(const FcShape& shape, const float* x, const float* w, const float* bias,
                Activation activation, float slope, float* y);
/// dx [batch, inputs] = dy · W.
void fc_backward_data(const FcShape& shape, const float* dy, const float* w, float* dx);
/// dw (stored as w) = dyᵀ · x and, unless null, db [outputs]; lanes past the batch never
/// contribute.
void fc_backward_weights(const FcShape& shape, const float* x, const float* dy, float* dw,
                         float* db, void* scratch);

}  // namespace trivium::cpu::nblock
