// Opcodes of elementwise arithmetic: what the op records name, the fuser chains and the kernels run.
#pragma once

#include <cstdint>

namespace trivium {

enum class ScalarOp : uint8_t {
  // one operand
  neg, abs, sign, exp, log, log1p, expm1, sqrt, rsqrt, square, reciprocal, sin, cos, tan, tanh, sigmoid, erf,
  floor, ceil, round, relu, softplus, logical_not, is_nan, copy,
  // two operands
  add, sub, mul, div, pow, maximum, minimum, equal, not_equal, less, less_equal, greater, greater_equal,
  logical_and, logical_or, mod, atan2, relu_grad,
  // three operands
  select, fma, clip,
};

int arity_of(ScalarOp op);
const char* name_of(ScalarOp op);
/// The meaning, in double. Comparisons and logic give 1 or 0.
double apply(ScalarOp op, double a, double b = 0, double c = 0);

}  // namespace trivium
