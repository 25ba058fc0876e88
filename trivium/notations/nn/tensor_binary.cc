// Element by element with two operands and more: type promotion, then one op.
#include <cmath>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {

using record::Call;

namespace {

bool wants_history(const Tensor& x) { return record::grad_enabled() && x.requires_grad(); }

bool both_bool(const Tensor& a, const Tensor& b) {
  return a.dtype() == DType::bool_ && b.dtype() == DType::bool_;
}
bool both_bool(const Tensor& a, const Scalar& b) {
  return a.dtype() == DType::bool_ && b.is_bool();
}

const Call* either() {
  static const Call* const c = plain_call("logical_or");
  return c;
}
const Call* both() {
  static const Call* const c = plain_call("logical_and");
  return c;
}

/// b in the dtype d, times alpha.
Tensor scaled(const Tensor& b, const Scalar& alpha, DType d, const char* op) {
  const Tensor x = cast_to(b, d);
  if (alpha.real() == 1) return x;
  if (alpha.is_real() && !is_floating(d))
    user_error("{}: alpha {} is a real number, the result is {}", op, alpha.real(), name_of(d));
  if (d == DType::bool_) return alpha.real() != 0 ? x : x.logical_and(x.logical_not());
  return x.mul(alpha);
}

[[noreturn]] void no_difference_of_bool() {
  raise<NotImplementedError>(
      "sub: the difference of two bool is not defined; use logical_xor() or bitwise_xor()");
}

}  // namespace

Tensor Tensor::add(const Tensor& other, const Scalar& alpha) const {
  static const Call* const c = plain_call("add");
  if (alpha.is_integer() && alpha.integer() == 1) {
    if (both_bool(*this, other)) return record::apply(either(), {*this, other});
    return promoted(c, *this, other);
  }
  const DType d = result_type(*this, other);
  const Tensor b = scaled(other, alpha, d, "add");
  return record::apply(d == DType::bool_ ? either() : c, {cast_to(*this, d), b});
}

Tensor Tensor::add(const Scalar& other, const Scalar& alpha) const {
  static const Call* const c = plain_call("add");
  if (both_bool(*this, other)) return promoted(either(), *this, other);
  if (alpha.real() == 1) return promoted(c, *this, other);
  if (other.is_real() || alpha.is_real())
    return promoted(c, *this, Scalar(other.real() * alpha.real()));
  return promoted(c, *this, Scalar(other.integer() * alpha.integer()));
}

Tensor Tensor::sub(const Tensor& other, const Scalar& alpha) const {
  static const Call* const c = plain_call("sub");
  if (both_bool(*this, other)) no_difference_of_bool();
  if (alpha.is_integer() && alpha.integer() == 1) return promoted(c, *this, other);
  const DType d = result_type(*this, other);
  return record::apply(c, {cast_to(*this, d), scaled(other, alpha, d, "sub")});
}

Tensor Tensor::sub(const Scalar& other, const Scalar& alpha) const {
  static const Call* const c = plain_call("sub");
  if (both_bool(*this, other)) no_difference_of_bool();
  if (alpha.real() == 1) return promoted(c, *this, other);
  if (other.is_real() || alpha.is_real())
    return promoted(c, *this, Scalar(other.real() * alpha.real()));
  return promoted(c, *this, Scalar(other.integer() * alpha.integer()));
}

Tensor Tensor::rsub(const Scalar& other) const {
  static const Call* const c = plain_call("sub");
  if (dtype() == DType::bool_) no_difference_of_bool();
  const DType d = result_type(*this, other);
  return record::apply(c, {number_of(other, d), cast_to(*this, d)});
}

Tensor Tensor::mul(const Tensor& other) const {
  static const Call* const c = plain_call("mul");
  if (both_bool(*this, other)) return record::apply(both(), {*this, other});
  return promoted(c, *this, other);
}

Tensor Tensor::mul(const Scalar& other) const {
  static const Call* const c = plain_call("mul");
  return promoted(both_bool(*this, other) ? both() : c, *this, other);
}

namespace {

enum class Quotient { exact, floor, trunc };

Quotient parse_rounding(const std::string& mode) {
  if (mode.empty()) return Quotient::exact;
  if (mode == "floor") return Quotient::floor;
  if (mode == "trunc") return Quotient::trunc;
  raise<ValueError>("div: rounding_mode \"{}\" received; floor or trunc expected", mode);
}

/// a / b, both of dtype d.
Tensor quotient(const Tensor& a, const Tensor& b, DType d, Quotient mode) {
  static const Call* const divide = plain_call("div");
  static const Call* const floor_divide = plain_call("floor_div");
  static const Call* const remainder = plain_call("fmod");
  static const Call* const minus = plain_call("sub");
  static const Call* const trunc = plain_call("trunc");
  if (mode == Quotient::exact) {
    const DType f = floating_type(d);
    const Tensor x = cast_to(a, f), y = cast_to(b, f);
    if (wants_history(y)) return reads("div", {x, y}, record::apply(divide, {x, y}));
    return record::apply(divide, {x, y});
  }
  if (d == DType::bool_) raise<NotImplementedError>("div: bool has no rounded quotient");
  if (mode == Quotient::floor)
    return with_zero_gradient(with_zero_gradient(record::apply(floor_divide, {a, b}), a), b);
  if (is_floating(d)) {
    const Tensor exact = record::apply(divide, {a, b});
    return with_zero_gradient(record::apply(trunc, {exact}), exact);
  }
  // Exact for integers: what remains with the sign of a is taken away first.
  return record::apply(floor_divide,
                       {record::apply(minus, {a, record::apply(remainder, {a, b})}), b});
}

void check_divisor(const Scalar& b, DType d, const char* op) {
  if (!is_floating(d) && b.integer() == 0 && !b.is_real())
    user_error("{}: division of integers by zero", op);
}

}  // namespace

Tensor Tensor::div(const Tensor& other, const std::string& rounding_mode) const {
  const DType d = result_type(*this, other);
  return quotient(cast_to(*this, d), cast_to(other, d), d, parse_rounding(rounding_mode));
}

Tensor Tensor::div(const Scalar& other, const std::string& rounding_mode) const {
  const Quotient mode = parse_rounding(rounding_mode);
  DType d = result_type(*this, other);
  if (mode == Quotient::exact)
    d = floating_type(d);
  else
    check_divisor(other, d, "div");
  return quotient(cast_to(*this, d), number_of(other, d), d, mode);
}

Tensor Tensor::rdiv(const Scalar& other) const {
  const DType d = floating_type(result_type(*this, other));
  // PyTorch's is the number times a reciprocal of its own: nothing of the program's is kept.
  return reads("div", {}, quotient(number_of(other, d), cast_to(*this, d), d, Quotient::exact));
}

Tensor Tensor::floor_divide(const Tensor& other) const { return div(other, "floor"); }
Tensor Tensor::floor_divide(const Scalar& other) const { return div(other, "floor"); }

Tensor Tensor::remainder(const Tensor& other) const {
  static const Call* const c = plain_call("mod");
  return promoted(c, *this, other);
}
Tensor Tensor::remainder(const Scalar& other) const {
  static const Call* const c = plain_call("mod");
  check_divisor(other, result_type(*this, other), "remainder");
  return promoted(c, *this, other);
}

Tensor Tensor::fmod(const Tensor& other) const {
  static const Call* const c = plain_call("fmod");
  return promoted(c, *this, other);
}
Tensor Tensor::fmod(const Scalar& other) const {
  static const Call* const c = plain_call("fmod");
  check_divisor(other, result_type(*this, other), "fmod");
  return promoted(c, *this, other);
}

Tensor Tensor::pow(const Tensor& exponent) const {
  static const Call* const c = plain_call("pow");
  const DType d = result_type(*this, exponent);
  if (d == DType::bool_) raise<NotImplementedError>("pow: bool has no powers; convert it first");
  Tensor base = cast_to(*this, d);
  const Tensor to = cast_to(exponent, d);
  // x^0 is 1 whatever x is, with derivative 0: without this 0 * 0^-1 would be NaN.
  if (wants_history(base)) base = pick(to.eq(0), number_of(1, d), base);
  return reads("pow", {*this, exponent}, record::apply(c, {base, to}), true);
}

Tensor Tensor::pow(const Scalar& exponent) const {
  static const Call* const c = plain_call("pow");
  const DType d = result_type(*this, exponent);
  if (d == DType::bool_) raise<NotImplementedError>("pow: bool has no powers; convert it first");
  const double e = exponent.real();
  if (!is_floating(d) && e < 0)
    user_error("pow: integers have no negative powers; convert the base to a floating dtype");
  const Tensor x = cast_to(*this, d);
  if (e == 2) return x.square();
  if (e == 0) return reads("pow", {x}, pick(x.eq(x).logical_or(x.ne(x)), number_of(1, d), x));
  if (e == 1) return reads("pow", {x}, x.mul(1));
  if (e == 3) return x.square().mul(x);
  if (is_floating(d)) {
    if (e == 0.5) return reads("pow", {x}, x.sqrt());
    if (e == -1) return reads("pow", {x}, x.reciprocal());
    if (e == -0.5) return reads("pow", {x}, x.rsqrt());
    if (e == -2) return reads("pow", {x}, x.square().reciprocal());
  }
  return record::apply(c, {x, number_of(exponent, d)});
}

Tensor Tensor::rpow(const Scalar& base) const {
  static const Call* const c = plain_call("pow");
  const DType d = result_type(*this, base);
  return reads("pow", {*this}, record::apply(c, {number_of(base, d), cast_to(*this, d)}), true);
}

namespace {

/// maximum or minimum; where both are equal each gets half of the gradient.
Tensor extreme(const Call* c, const Tensor& a, const Tensor& b) {
  const DType d = result_type(a, b);
  const Tensor x = cast_to(a, d), y = cast_to(b, d);
  if (d == DType::bool_) internal_error("extreme of bool");
  if (!wants_history(x) && !wants_history(y)) return record::apply(c, {x, y});
  // The op gives ties to its first operand.
  return Tensor(record::apply(c, {x, y})).mul(0.5) + Tensor(record::apply(c, {y, x})).mul(0.5);
}

}  // namespace

Tensor Tensor::maximum(const Tensor& other) const {
  static const Call* const c = plain_call("maximum");
  if (both_bool(*this, other)) return logical_or(other);
  return extreme(c, *this, other);
}

Tensor Tensor::minimum(const Tensor& other) const {
  static const Call* const c = plain_call("minimum");
  if (both_bool(*this, other)) return logical_and(other);
  return extreme(c, *this, other);
}

Tensor Tensor::fmax(const Tensor& other) const {
  return nn::where(isnan(), other, nn::where(other.isnan(), *this, maximum(other)));
}
Tensor Tensor::fmin(const Tensor& other) const {
  return nn::where(isnan(), other, nn::where(other.isnan(), *this, minimum(other)));
}

Tensor Tensor::atan2(const Tensor& other) const {
  static const Call* const c = plain_call("atan2");
  const DType d = floating_type(result_type(*this, other));
  return record::apply(c, {cast_to(*this, d), cast_to(other, d)});
}

Tensor Tensor::hypot(const Tensor& other) const { return (square() + other.square()).sqrt(); }

Tensor Tensor::xlogy(const Tensor& other) const {
  const DType d = floating_type(result_type(*this, other));
  const Tensor x = cast_to(*this, d), y = cast_to(other, d);
  const Tensor zero = x.eq(0).logical_and(y.isnan().logical_not());
  return pick(zero, number_of(0, d), x * pick(zero, number_of(1, d), y).log());
}

Tensor Tensor::logaddexp(const Tensor& other) const {
  const Tensor gap = pick(eq(other), number_of(0, dtype()), *this - other);
  return maximum(other) + gap.abs().neg().exp().log1p();
}

Tensor Tensor::eq(const Tensor& other) const {
  static const Call* const c = plain_call("equal");
  return promoted(c, *this, other);
}
Tensor Tensor::eq(const Scalar& other) const {
  static const Call* const c = plain_call("equal");
  return promoted(c, *this, other);
}

Tensor Tensor::ne(const Tensor& other) const {
  static const Call* const c = plain_call("not_equal");
  return promoted(c, *this, other);
}
Tensor Tensor::ne(const Scalar& other) const {
  static const Call* const c = plain_call("not_equal");
  return promoted(c, *this, other);
}

Tensor Tensor::lt(const Tensor& other) const {
  static const Call* const c = plain_call("less");
  return promoted(c, *this, other);
}
Tensor Tensor::lt(const Scalar& other) const {
  static const Call* const c = plain_call("less");
  return promoted(c, *this, other);
}

Tensor Tensor::le(const Tensor& other) const {
  static const Call* const c = plain_call("less_equal");
  return promoted(c, *this, other);
}
Tensor Tensor::le(const Scalar& other) const {
  static const Call* const c = plain_call("less_equal");
  return promoted(c, *this, other);
}

Tensor Tensor::gt(const Tensor& other) const {
  static const Call* const c = plain_call("greater");
  return promoted(c, *this, other);
}
Tensor Tensor::gt(const Scalar& other) const {
  static const Call* const c = plain_call("greater");
  return promoted(c, *this, other);
}

Tensor Tensor::ge(const Tensor& other) const {
  static const Call* const c = plain_call("greater_equal");
  return promoted(c, *this, other);
}
Tensor Tensor::ge(const Scalar& other) const {
  static const Call* const c = plain_call("greater_equal");
  return promoted(c, *this, other);
}

Tensor Tensor::logical_and(const Tensor& other) const {
  return record::apply(both(), {cast_to(*this, DType::bool_), cast_to(other, DType::bool_)});
}
Tensor Tensor::logical_or(const Tensor& other) const {
  return record::apply(either(), {cast_to(*this, DType::bool_), cast_to(other, DType::bool_)});
}
Tensor Tensor::logical_xor(const Tensor& other) const {
  return cast_to(*this, DType::bool_).ne(cast_to(other, DType::bool_));
}

namespace {

template <typename Other>
Tensor bitwise(const Call* c, const Tensor& a, const Other& b, const char* op) {
  if (is_floating(result_type(a, b)))
    raise<NotImplementedError>("{}: integers or bool expected", op);
  return promoted(c, a, b);
}

}  // namespace

Tensor Tensor::bitwise_and(const Tensor& other) const {
  static const Call* const c = plain_call("bitwise_and");
  return bitwise(c, *this, other, "bitwise_and");
}
Tensor Tensor::bitwise_and(const Scalar& other) const {
  static const Call* const c = plain_call("bitwise_and");
  return bitwise(c, *this, other, "bitwise_and");
}
Tensor Tensor::bitwise_or(const Tensor& other) const {
  static const Call* const c = plain_call("bitwise_or");
  return bitwise(c, *this, other, "bitwise_or");
}
Tensor Tensor::bitwise_or(const Scalar& other) const {
  static const Call* const c = plain_call("bitwise_or");
  return bitwise(c, *this, other, "bitwise_or");
}
Tensor Tensor::bitwise_xor(const Tensor& other) const {
  static const Call* const c = plain_call("bitwise_xor");
  return bitwise(c, *this, other, "bitwise_xor");
}
Tensor Tensor::bitwise_xor(const Scalar& other) const {
  static const Call* const c = plain_call("bitwise_xor");
  return bitwise(c, *this, other, "bitwise_xor");
}
Tensor Tensor::bitwise_left_shift(const Tensor& other) const {
  static const Call* const c = plain_call("shift_left");
  return bitwise(c, *this, other, "bitwise_left_shift");
}
Tensor Tensor::bitwise_left_shift(const Scalar& other) const {
  static const Call* const c = plain_call("shift_left");
  return bitwise(c, *this, other, "bitwise_left_shift");
}
Tensor Tensor::bitwise_right_shift(const Tensor& other) const {
  static const Call* const c = plain_call("shift_right");
  return bitwise(c, *this, other, "bitwise_right_shift");
}
Tensor Tensor::bitwise_right_shift(const Scalar& other) const {
  static const Call* const c = plain_call("shift_right");
  return bitwise(c, *this, other, "bitwise_right_shift");
}

}  // namespace trivium::nn
