// Layer normalisation over plain [rows, size]. Statistics are summed in double, two passes; the
// sums over rows (dgamma, dbeta) run in the order of the rows.
#pragma once

#include <cstdint>

#include "trivium/engine/core/dtype.h"

namespace trivium::cpu {

struct RowNormShape {
  int64_t rows = 0, size = 0;
  DType dtype = DType::f32;
};

struct RowNormForward {
  const void *x, *gamma, *beta;  // gamma and beta may be null
  void *y, *mean, *invstd;
  double eps;
};
/// y may be the memory of x.
void layer_norm(const RowNormShape& shape, const RowNormForward& a);

struct RowNormBackward {
  const void *dy, *x, *mean, *invstd, *gamma;  // gamma may be null: no dgamma, dbeta
  void *dx, *dgamma, *dbeta;
};
/// dx may be the memory of dy.
void layer_norm_grad(const RowNormShape& shape, const RowNormBackward& a);

}  // namespace trivium::cpu
