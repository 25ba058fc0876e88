// Batch normalisation over [outer, channels, inner]. A batch-blocked tensor is the same with lanes
// at the end of inner and a last block whose lanes are partly valid.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trivium/engine/run/kernel.h"

namespace trivium::cpu {

struct NormShape {
  int64_t outer = 1, channels = 1, inner = 1;
  int64_t lanes = 1, last_valid = 1;  // of the last outer block; lanes 1: plain
  double count = 1;                   // elements a channel has
  int64_t splits = 1;                 // parts of `outer` summed apart; a function of the shape
  DType dtype = DType::f32;

  static NormShape of(const run::TensorDesc& x);
  size_t scratch_bytes() const {
    return static_cast<size_t>(2 * splits * channels) * sizeof(double);
  }
};

struct NormForward {
  const void *x, *gamma, *beta;  // gamma and beta may be null
  void *y, *mean, *variance, *invstd;
  double eps;
};
void batch_norm(const NormShape& shape, const NormForward& a, void* scratch);

struct NormBackward {
  const void *dy, *x, *mean, *invstd, *gamma;  // gamma may be null
  void *dx, *dgamma, *dbeta;
};
void batch_norm_grad(const NormShape& shape, const NormBackward& a, void* scratch);

}  // namespace trivium::cpu
