// Element by element with one operand. Integers and bool become the default floating dtype where
// the function is one of real numbers.
#include <cmath>
#include <limits>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {

using record::Call;

namespace {

/// Functions that leave integers as they are (rounding) or know them (neg, abs).
Tensor number_unary(const Call* call, const Tensor& x, const char* op) {
  if (x.dtype() == DType::bool_)
    raise<NotImplementedError>("{}: bool has no {}; convert it or use logical_not()", op, op);
  return record::apply(call, {x});
}

Tensor rounding(const Call* call, const Tensor& x) {
  return is_floating(x.dtype()) ? with_zero_gradient(record::apply(call, {x}), x) : x.clone();
}

Tensor nothing(const Tensor& x) {
  static const Call* const c = plain_call("not_equal");
  return record::apply(c, {x, x});
}

}  // namespace

Tensor Tensor::exp() const {
  static const Call* const c = plain_call("exp");
  return floating_unary(c, *this);
}

Tensor Tensor::exp2() const {
  static const Call* const c = plain_call("exp2");
  return floating_unary(c, *this);
}

Tensor Tensor::expm1() const {
  static const Call* const c = plain_call("expm1");
  return floating_unary(c, *this);
}

Tensor Tensor::log() const {
  static const Call* const c = plain_call("log");
  return floating_unary(c, *this);
}

Tensor Tensor::log1p() const {
  static const Call* const c = plain_call("log1p");
  return floating_unary(c, *this);
}

Tensor Tensor::log2() const {
  static const Call* const c = plain_call("log2");
  return floating_unary(c, *this);
}

Tensor Tensor::log10() const {
  static const Call* const c = plain_call("log10");
  return floating_unary(c, *this);
}

Tensor Tensor::sqrt() const {
  static const Call* const c = plain_call("sqrt");
  return floating_unary(c, *this);
}

Tensor Tensor::rsqrt() const {
  static const Call* const c = plain_call("rsqrt");
  return floating_unary(c, *this);
}

Tensor Tensor::reciprocal() const {
  static const Call* const c = plain_call("reciprocal");
  return floating_unary(c, *this);
}

Tensor Tensor::sin() const {
  static const Call* const c = plain_call("sin");
  return floating_unary(c, *this);
}

Tensor Tensor::cos() const {
  static const Call* const c = plain_call("cos");
  return floating_unary(c, *this);
}

Tensor Tensor::tan() const {
  static const Call* const c = plain_call("tan");
  return floating_unary(c, *this);
}

Tensor Tensor::asin() const {
  static const Call* const c = plain_call("asin");
  return floating_unary(c, *this);
}

Tensor Tensor::acos() const {
  static const Call* const c = plain_call("acos");
  return floating_unary(c, *this);
}

Tensor Tensor::atan() const {
  static const Call* const c = plain_call("atan");
  return floating_unary(c, *this);
}

Tensor Tensor::sinh() const {
  static const Call* const c = plain_call("sinh");
  return floating_unary(c, *this);
}

Tensor Tensor::cosh() const {
  static const Call* const c = plain_call("cosh");
  return floating_unary(c, *this);
}

Tensor Tensor::asinh() const {
  static const Call* const c = plain_call("asinh");
  return floating_unary(c, *this);
}

Tensor Tensor::acosh() const {
  static const Call* const c = plain_call("acosh");
  return floating_unary(c, *this);
}

Tensor Tensor::atanh() const {
  static const Call* const c = plain_call("atanh");
  return floating_unary(c, *this);
}

Tensor Tensor::tanh() const {
  static const Call* const c = plain_call("tanh");
  return floating_unary(c, *this);
}

Tensor Tensor::sigmoid() const {
  static const Call* const c = plain_call("sigmoid");
  return floating_unary(c, *this);
}

Tensor Tensor::erf() const {
  static const Call* const c = plain_call("erf");
  return floating_unary(c, *this);
}

Tensor Tensor::erfc() const {
  static const Call* const c = plain_call("erfc");
  return floating_unary(c, *this);
}

Tensor Tensor::erfinv() const {
  static const Call* const c = plain_call("erfinv");
  return floating_unary(c, *this);
}

Tensor Tensor::lgamma() const {
  static const Call* const c = plain_call("lgamma");
  return floating_unary(c, *this);
}

Tensor Tensor::digamma() const {
  static const Call* const c = plain_call("digamma");
  return floating_unary(c, *this);
}

Tensor Tensor::neg() const {
  static const Call* const c = plain_call("neg");
  return number_unary(c, *this, "neg");
}

Tensor Tensor::square() const {
  static const Call* const c = plain_call("square");
  return number_unary(c, *this, "square");
}

Tensor Tensor::relu() const {
  static const Call* const c = plain_call("relu");
  return number_unary(c, *this, "relu");
}

Tensor Tensor::abs() const {
  static const Call* const c = plain_call("abs");
  return dtype() == DType::bool_ ? clone() : Tensor(record::apply(c, {*this}));
}

Tensor Tensor::sign() const {
  static const Call* const c = plain_call("sign");
  if (dtype() == DType::bool_) return clone();
  return with_zero_gradient(record::apply(c, {*this}), *this);
}

Tensor Tensor::floor() const {
  static const Call* const c = plain_call("floor");
  return rounding(c, *this);
}

Tensor Tensor::ceil() const {
  static const Call* const c = plain_call("ceil");
  return rounding(c, *this);
}

Tensor Tensor::trunc() const {
  static const Call* const c = plain_call("trunc");
  return rounding(c, *this);
}

Tensor Tensor::negative() const { return neg(); }
Tensor Tensor::absolute() const { return abs(); }
Tensor Tensor::frac() const { return sub(trunc()); }
Tensor Tensor::logit() const { return div(rsub(1)).log(); }

Tensor Tensor::round(int64_t decimals) const {
  static const Call* const c = plain_call("round");
  if (decimals == 0) return rounding(c, *this);
  const double scale = std::pow(10.0, static_cast<double>(std::abs(decimals)));
  if (decimals > 0) return mul(scale).round().div(scale);
  return div(scale).round().mul(scale);
}

Tensor Tensor::logical_not() const {
  static const Call* const c = plain_call("logical_not");
  return record::apply(c, {cast_to(*this, DType::bool_)});
}

Tensor Tensor::bitwise_not() const {
  static const Call* const c = plain_call("bitwise_not");
  if (is_floating(dtype()))
    raise<NotImplementedError>("bitwise_not: integers or bool expected, {} received",
                               name_of(dtype()));
  return dtype() == DType::bool_ ? logical_not() : Tensor(record::apply(c, {*this}));
}

Tensor Tensor::isnan() const {
  static const Call* const c = plain_call("is_nan");
  return is_floating(dtype()) ? Tensor(record::apply(c, {*this})) : nothing(*this);
}

Tensor Tensor::isinf() const {
  static const Call* const c = plain_call("is_inf");
  return is_floating(dtype()) ? Tensor(record::apply(c, {*this})) : nothing(*this);
}

Tensor Tensor::isfinite() const { return isnan().logical_or(isinf()).logical_not(); }

namespace {

/// Largest finite number of a floating dtype.
double largest_of(DType d) {
  switch (d) {
    case DType::f64:
      return std::numeric_limits<double>::max();
    case DType::f16:
      return 65504.0;
    case DType::bf16:
      return 3.3895313892515355e38;
    default:
      return std::numeric_limits<float>::max();
  }
}

}  // namespace

Tensor Tensor::nan_to_num(double nan, std::optional<double> posinf,
                          std::optional<double> neginf) const {
  if (!is_floating(dtype())) return clone();
  const DType d = dtype();
  const Tensor no_nan = pick(isnan(), number_of(nan, d), *this);
  const Tensor inf = number_of(std::numeric_limits<double>::infinity(), d);
  const Tensor below = pick(no_nan.eq(inf), number_of(posinf.value_or(largest_of(d)), d), no_nan);
  const Tensor least = number_of(neginf.value_or(-largest_of(d)), d);
  return reads("nan_to_num", {*this}, pick(below.eq(inf.neg()), least, below));
}

const Tensor& Tensor::nan_to_num_(double nan, std::optional<double> posinf,
                                  std::optional<double> neginf) const {
  return write_back(*this, nan_to_num(nan, posinf, neginf), "nan_to_num_");
}

const Tensor& Tensor::neg_() const { return write_back(*this, neg(), "neg_"); }
const Tensor& Tensor::abs_() const { return write_back(*this, abs(), "abs_"); }
const Tensor& Tensor::sign_() const { return write_back(*this, sign(), "sign_"); }
const Tensor& Tensor::exp_() const { return write_back(*this, exp(), "exp_"); }
const Tensor& Tensor::exp2_() const { return write_back(*this, exp2(), "exp2_"); }
const Tensor& Tensor::expm1_() const { return write_back(*this, expm1(), "expm1_"); }
const Tensor& Tensor::log_() const { return write_back(*this, log(), "log_"); }
const Tensor& Tensor::log1p_() const { return write_back(*this, log1p(), "log1p_"); }
const Tensor& Tensor::log2_() const { return write_back(*this, log2(), "log2_"); }
const Tensor& Tensor::log10_() const { return write_back(*this, log10(), "log10_"); }
const Tensor& Tensor::sqrt_() const { return write_back(*this, sqrt(), "sqrt_"); }
const Tensor& Tensor::rsqrt_() const { return write_back(*this, rsqrt(), "rsqrt_"); }
const Tensor& Tensor::square_() const { return write_back(*this, square(), "square_"); }
const Tensor& Tensor::reciprocal_() const { return write_back(*this, reciprocal(), "reciprocal_"); }
const Tensor& Tensor::sin_() const { return write_back(*this, sin(), "sin_"); }
const Tensor& Tensor::cos_() const { return write_back(*this, cos(), "cos_"); }
const Tensor& Tensor::tan_() const { return write_back(*this, tan(), "tan_"); }
const Tensor& Tensor::asin_() const { return write_back(*this, asin(), "asin_"); }
const Tensor& Tensor::acos_() const { return write_back(*this, acos(), "acos_"); }
const Tensor& Tensor::atan_() const { return write_back(*this, atan(), "atan_"); }
const Tensor& Tensor::sinh_() const { return write_back(*this, sinh(), "sinh_"); }
const Tensor& Tensor::cosh_() const { return write_back(*this, cosh(), "cosh_"); }
const Tensor& Tensor::tanh_() const { return write_back(*this, tanh(), "tanh_"); }
const Tensor& Tensor::sigmoid_() const { return write_back(*this, sigmoid(), "sigmoid_"); }
const Tensor& Tensor::erf_() const { return write_back(*this, erf(), "erf_"); }
const Tensor& Tensor::erfc_() const { return write_back(*this, erfc(), "erfc_"); }
const Tensor& Tensor::erfinv_() const { return write_back(*this, erfinv(), "erfinv_"); }
const Tensor& Tensor::floor_() const { return write_back(*this, floor(), "floor_"); }
const Tensor& Tensor::ceil_() const { return write_back(*this, ceil(), "ceil_"); }
const Tensor& Tensor::round_() const { return write_back(*this, round(), "round_"); }
const Tensor& Tensor::trunc_() const { return write_back(*this, trunc(), "trunc_"); }
const Tensor& Tensor::frac_() const { return write_back(*this, frac(), "frac_"); }
const Tensor& Tensor::relu_() const { return write_back(*this, relu(), "relu_"); }
const Tensor& Tensor::logical_not_() const {
  return write_back(*this, logical_not(), "logical_not_");
}
const Tensor& Tensor::bitwise_not_() const {
  return write_back(*this, bitwise_not(), "bitwise_not_");
}

}  // namespace trivium::nn
