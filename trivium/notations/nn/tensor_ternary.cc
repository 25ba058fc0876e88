// Element by element with three operands: clamping, blending, choosing; and tests of closeness.
#include <cmath>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {

Tensor Tensor::clamp(std::optional<Scalar> min, std::optional<Scalar> max) const {
  if (!min && !max) user_error("clamp: a lower or an upper bound expected");
  DType d = dtype();
  if (min) d = promote_types(d, result_type(*this, *min));
  if (max) d = promote_types(d, result_type(*this, *max));
  const Tensor source = cast_to(*this, d);
  if (min && !max && min->real() == 0 && d != DType::bool_)
    return reads("clamp", {source}, source.relu());
  Tensor x = source;
  // On a bound the bound is chosen, so the derivative there is 0; NaN stays.
  if (min) {
    const Tensor low = number_of(*min, d);
    x = pick(x.le(low), low, x);
  }
  if (max) {
    const Tensor high = number_of(*max, d);
    x = pick(x.ge(high), high, x);
  }
  return reads("clamp", {source}, x);
}

Tensor Tensor::clamp(const Tensor& min, const Tensor& max) const {
  if (!min.defined() && !max.defined()) user_error("clamp: a lower or an upper bound expected");
  Tensor x = *this;
  if (min.defined()) x = x.maximum(min);
  if (max.defined()) x = x.minimum(max);
  return x;
}

Tensor Tensor::clip(std::optional<Scalar> min, std::optional<Scalar> max) const {
  return clamp(min, max);
}
Tensor Tensor::clamp_min(const Scalar& min) const { return clamp(min, std::nullopt); }
Tensor Tensor::clamp_max(const Scalar& max) const { return clamp(std::nullopt, max); }

Tensor Tensor::addcmul(const Tensor& tensor1, const Tensor& tensor2, const Scalar& value) const {
  return add(value.real() == 1 ? tensor1 * tensor2 : tensor1 * value * tensor2);
}

Tensor Tensor::addcdiv(const Tensor& tensor1, const Tensor& tensor2, const Scalar& value) const {
  if (!is_floating(result_type(tensor1, tensor2)))
    user_error("addcdiv: the quotient of integers is not an integer; convert the operands first");
  return add(value.real() == 1 ? tensor1 / tensor2 : tensor1 * value / tensor2);
}

Tensor Tensor::lerp(const Tensor& end, const Scalar& weight) const {
  if (end.dtype() != dtype())
    user_error("lerp: operands of one dtype expected, {} and {} received", name_of(dtype()),
               name_of(end.dtype()));
  const double w = weight.real();
  if (std::abs(w) < 0.5) return *this + (end - *this) * w;
  return end - (end - *this) * (1 - w);
}

Tensor Tensor::lerp(const Tensor& end, const Tensor& weight) const {
  const Tensor gap = end - *this;
  return pick(weight.abs().lt(0.5), *this + gap * weight, end - gap * (1 - weight));
}

namespace {

Tensor truth_of(const Tensor& condition) {
  if (condition.dtype() != DType::bool_ && condition.dtype() != DType::u8)
    user_error("where: the condition is {}, bool is expected; compare it with something",
               name_of(condition.dtype()));
  return cast_to(condition, DType::bool_);
}

}  // namespace

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  const DType d = result_type(a, b);
  return pick(truth_of(condition), cast_to(a, d), cast_to(b, d));
}
Tensor where(const Tensor& condition, const Scalar& a, const Tensor& b) {
  const DType d = result_type(b, a);
  return pick(truth_of(condition), number_of(a, d), cast_to(b, d));
}
Tensor where(const Tensor& condition, const Tensor& a, const Scalar& b) {
  const DType d = result_type(a, b);
  return pick(truth_of(condition), cast_to(a, d), number_of(b, d));
}
Tensor where(const Tensor& condition, const Scalar& a, const Scalar& b) {
  const DType d = result_type(a, b);
  return pick(truth_of(condition), number_of(a, d), number_of(b, d));
}
Tensor Tensor::where(const Tensor& condition, const Tensor& other) const {
  return nn::where(condition, *this, other);
}
Tensor Tensor::where(const Tensor& condition, const Scalar& other) const {
  return nn::where(condition, *this, other);
}

Tensor Tensor::isclose(const Tensor& other, double rtol, double atol, bool equal_nan) const {
  if (dtype() != other.dtype())
    user_error("isclose: operands of one dtype expected, {} and {} received", name_of(dtype()),
               name_of(other.dtype()));
  Tensor close = eq(other);
  if (!is_floating(dtype()) && rtol == 0 && atol == 0) return close;
  const Tensor a = cast_to(*this, floating_type(dtype())), b = cast_to(other, a.dtype());
  const Tensor near = (a - b).abs().le(b.abs() * rtol + atol).logical_and((a - b).isfinite());
  close = close.logical_or(near);
  return equal_nan ? close.logical_or(isnan().logical_and(other.isnan())) : close;
}

bool Tensor::allclose(const Tensor& other, double rtol, double atol, bool equal_nan) const {
  return isclose(other, rtol, atol, equal_nan).all().is_nonzero();
}

bool Tensor::equal(const Tensor& other) const {
  return shape() == other.shape() && eq(other).all().is_nonzero();
}

}  // namespace trivium::nn
