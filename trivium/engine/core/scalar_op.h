// ScalarOp: what a fused group can do to one element. The table below is the meaning; every backend
// (CPU bytecode, GPU source text, constant folding) is checked against apply().
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace trivium {

enum class ScalarOp : uint8_t {
  // One operand.
  neg,
  abs,
  sign,
  exp,
  log,
  log1p,
  expm1,
  sqrt,
  rsqrt,
  square,
  reciprocal,
  sin,
  cos,
  tan,
  tanh,
  sigmoid,
  erf,
  floor,
  ceil,
  round,
  relu,
  softplus,
  logical_not,
  is_nan,
  // Two operands.
  add,
  sub,
  mul,
  div,
  pow,
  maximum,
  minimum,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  logical_and,
  logical_or,
  mod,
  atan2,
  relu_grad,
  // Three operands.
  select,
  fma,
  clip,
  // One operand.
  is_inf,
  asin,
  acos,
  atan,
  sinh,
  cosh,
  asinh,
  acosh,
  atanh,
  log2,
  log10,
  exp2,
  trunc,
  erfc,
  erfinv,
  lgamma,
  digamma,
  trigamma,
  bitwise_not,
  // Two operands.
  fmod,
  floor_div,
  bitwise_and,
  bitwise_or,
  bitwise_xor,
  shift_left,
  shift_right,
};
inline constexpr int kScalarOpCount = static_cast<int>(ScalarOp::shift_right) + 1;

struct ScalarOpInfo {
  ScalarOp op;
  const char* name;
  int arity;            // 1, 2 or 3
  bool gives_truth;     // the result is 1 or 0
  const char* meaning;  // a formula in a, b, c
};

const ScalarOpInfo& info(ScalarOp op);
std::span<const ScalarOpInfo> scalar_ops();
inline const char* name_of(ScalarOp op) { return info(op).name; }
inline int arity_of(ScalarOp op) { return info(op).arity; }
/// Inverse of name_of; UserError with the nearest name for an unknown one.
ScalarOp parse_scalar_op(std::string_view name);

/// The reference: the operation in double. Operands beyond the arity are ignored. Truth values are
/// 1 and 0, and any number but zero is true.
double apply(ScalarOp op, double a, double b = 0, double c = 0);

/// The same over 64-bit integers: exact, sums and products wrap. False for operations that have no
/// meaning on integers. Division by zero is a UserError.
bool has_integer_meaning(ScalarOp op);
int64_t apply_integer(ScalarOp op, int64_t a, int64_t b = 0, int64_t c = 0);

}  // namespace trivium
