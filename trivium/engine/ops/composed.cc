// Functions of build.h that are expressions of other ops: nothing of them is left in a graph but
// their parts.
#include <cmath>
#include <limits>

#include "trivium/engine/ops/build.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::ops {
namespace {

Ints axes_of(Value x, const Ints& axes, const char* op) {
  if (!x.defined()) user_error("{}: operand 0 is undefined", op);
  const auto normal = normal_axes(axes, x.shape().rank());
  if (!normal)
    user_error("{}: axes are out of range or repeated for an operand of shape {}", op,
               x.shape().text());
  return *normal;
}

int64_t group_size(const Shape& x, const Ints& axes) {
  int64_t n = 1;
  for (int64_t axis : axes) n *= x[static_cast<int>(axis)];
  return n;
}

Value constant_of(Value x, double value, DType dtype) { return x.graph->constant(value, dtype); }

/// Truth over axes as a maximum (any) or minimum (all) of bytes.
Value truth(const char* op, Value x, const Ints& given, bool keep_dims, bool every) {
  const Ints axes = axes_of(x, given, op);
  const Shape kept = reduced_shape(x.shape(), axes, keep_dims);
  if (group_size(x.shape(), axes) == 0 || kept.count() == 0)
    return broadcast_to(constant_of(x, every ? 1 : 0, DType::bool_), kept);
  const Value bytes = cast(cast(x, DType::bool_), DType::u8);
  return cast(every ? reduce_min(bytes, axes, keep_dims) : reduce_max(bytes, axes, keep_dims),
              DType::bool_);
}

}  // namespace

Value frac(Value x) { return sub(x, trunc(x)); }

Value any(Value x, Ints axes, bool keep_dims) { return truth("any", x, axes, keep_dims, false); }
Value all(Value x, Ints axes, bool keep_dims) { return truth("all", x, axes, keep_dims, true); }

Value logsumexp(Value x, Ints given, bool keep_dims) {
  const Ints axes = axes_of(x, given, "logsumexp");
  if (group_size(x.shape(), axes) == 0) return log(sum(exp(x), axes, keep_dims));
  // Groups whose maximum is infinite are not shifted: inf - inf would be NaN.
  const Value highest = stop_gradient(reduce_max(x, axes, true));
  const Value finite =
      less(abs(highest), constant_of(x, std::numeric_limits<double>::infinity(), x.dtype()));
  const Value shift = select(finite, highest, constant_of(x, 0, x.dtype()));
  const Value logs = add(log(sum(exp(sub(x, shift)), axes, true)), shift);
  return keep_dims ? logs : reshape(logs, reduced_shape(x.shape(), axes, false));
}

Value variance(Value x, Ints given, bool keep_dims, double correction) {
  const Ints axes = axes_of(x, given, "variance");
  const double n = static_cast<double>(group_size(x.shape(), axes));
  const Value squares = sum(square(sub(x, mean(x, axes, true))), axes, keep_dims);
  return div(squares, std::max(n - correction, 0.0));
}

Value group_norm(Value x, int64_t groups, double eps, Value gamma, Value beta) {
  if (!x.defined()) user_error("group_norm: operand 0 is undefined");
  const Shape& s = x.shape();
  if (s.rank() < 2) user_error("group_norm: rank >= 2 expected, shape {} received", s.text());
  if (groups < 1 || s[1] % groups != 0)
    user_error("group_norm: {} channels do not divide into {} groups", s[1], groups);
  const Value rows = reshape(x, Shape{s[0], groups, s[1] / groups * s.count(2)});
  Value y = reshape(layer_norm(rows, 1, eps).y, s);
  Shape channel;
  for (int i = 1; i < s.rank(); ++i) channel.push_back(i == 1 ? s[1] : 1);
  if (gamma.defined()) y = mul(y, reshape(gamma, channel));
  if (beta.defined()) y = add(y, reshape(beta, channel));
  return y;
}

}  // namespace trivium::ops
