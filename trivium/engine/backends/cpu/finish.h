// What a convolution or normalisation does to its results last: y = limit(y + addend).
#pragma once

#include <cstdint>
#include <limits>

#include "trivium/engine/backends/cpu/support.h"

namespace trivium::cpu {

struct Finish {
  bool addend = false;  // operand 3
  bool limits = false;  // to [low, high]; NaN stays
  double low = 0, high = std::numeric_limits<double>::infinity();
  bool needed() const { return addend || limits; }
};

/// Of the request of a conv or batch_norm (nothing for their gradients).
Finish finish_of(const KernelRequest& request);
/// Applies it to `count` elements; the calling thread does all of it.
void finish(const Finish& f, float* y, const float* addend, int64_t count);
void finish(const Finish& f, double* y, const double* addend, int64_t count);

/// An entry of conv or batch_norm that knows nothing of it (or relu only), made to do it in a sweep
/// of its own.
KernelEntry with_finish(KernelEntry entry);
/// An entry of batch_norm_grad made to read dy through a relu. Its dx may be its dy.
KernelEntry with_mask(KernelEntry entry);

}  // namespace trivium::cpu
