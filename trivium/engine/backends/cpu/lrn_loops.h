// Local response normalisation over plain [outer, channels, inner], float32 and float64.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trivium/engine/core/dtype.h"

namespace trivium::cpu {

struct LrnPlain {
  int64_t outer = 1, channels = 1, inner = 1;
  int64_t half = 2;  // channels on either side
  double alpha_over_size = 1, beta = 0.75, k = 1;
  DType dtype = DType::f32;

  size_t grad_scratch_bytes() const;
};

void lrn(const LrnPlain& shape, const void* x, void* y);
void lrn_grad(const LrnPlain& shape, const void* dy, const void* x, void* dx, void* scratch);

}  // namespace trivium::cpu
