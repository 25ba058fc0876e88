#include "trivium/engine/core/scalar_op.h"

#include <cmath>
#include <string>
#include <vector>

#include "trivium/engine/core/error.h"
#include "trivium/engine/core/special_functions.h"

namespace trivium {
namespace {

double maximum(double a, double b) { return std::isnan(a) || a > b ? a : b; }
double minimum(double a, double b) { return std::isnan(a) || a < b ? a : b; }

double floor_mod(double a, double b) {
  const double r = std::fmod(a, b);
  return r != 0 && std::signbit(r) != std::signbit(b) ? r + b : r;
}

/// e^-|x| never overflows, so both tails keep their precision.
double sigmoid(double x) {
  const double e = std::exp(-std::abs(x));
  return (x < 0 ? e : 1) / (1 + e);
}

/// Rounds the quotient down; exact where a - mod is a multiple of b.
double floor_quotient(double a, double b) {
  if (b == 0) return a / b;
  const double quotient = (a - floor_mod(a, b)) / b;
  if (quotient == 0) return std::copysign(0.0, a / b);
  const double down = std::floor(quotient);
  return quotient - down > 0.5 ? down + 1 : down;
}

/// Bits of what is an integer; 0 for numbers that 64 bits do not hold.
double with_bits(ScalarOp op, double a, double b) {
  const auto bits = [](double v) {
    return std::abs(v) < 0x1p63 ? static_cast<int64_t>(v) : int64_t{0};
  };
  return static_cast<double>(apply_integer(op, bits(a), bits(b)));
}

struct Row {
  ScalarOpInfo info;
  double (*reference)(double a, double b, double c);
};

#define TRIVIUM_ROW(name, arity, truth, meaning, expression)                           \
  Row {                                                                                \
    {ScalarOp::name, #name, arity, truth, meaning},                                    \
        [](double a, [[maybe_unused]] double b, [[maybe_unused]] double c) -> double { \
          return expression;                                                           \
        }                                                                              \
  }

const Row kRows[] = {
    TRIVIUM_ROW(neg, 1, false, "-a", -a),
    TRIVIUM_ROW(abs, 1, false, "|a|", std::abs(a)),
    TRIVIUM_ROW(sign, 1, false, "-1, 0 or 1; NaN stays", std::isnan(a) ? a : (a > 0) - (a < 0)),
    TRIVIUM_ROW(exp, 1, false, "e^a", std::exp(a)),
    TRIVIUM_ROW(log, 1, false, "natural logarithm", std::log(a)),
    TRIVIUM_ROW(log1p, 1, false, "log(1 + a)", std::log1p(a)),
    TRIVIUM_ROW(expm1, 1, false, "e^a - 1", std::expm1(a)),
    TRIVIUM_ROW(sqrt, 1, false, "square root", std::sqrt(a)),
    TRIVIUM_ROW(rsqrt, 1, false, "1 / sqrt(a)", 1 / std::sqrt(a)),
    TRIVIUM_ROW(square, 1, false, "a * a", a* a),
    TRIVIUM_ROW(reciprocal, 1, false, "1 / a", 1 / a),
    TRIVIUM_ROW(sin, 1, false, "sine", std::sin(a)),
    TRIVIUM_ROW(cos, 1, false, "cosine", std::cos(a)),
    TRIVIUM_ROW(tan, 1, false, "tangent", std::tan(a)),
    TRIVIUM_ROW(tanh, 1, false, "hyperbolic tangent", std::tanh(a)),
    TRIVIUM_ROW(sigmoid, 1, false, "1 / (1 + e^-a)", sigmoid(a)),
    TRIVIUM_ROW(erf, 1, false, "error function", std::erf(a)),
    TRIVIUM_ROW(floor, 1, false, "largest integer <= a", std::floor(a)),
    TRIVIUM_ROW(ceil, 1, false, "smallest integer >= a", std::ceil(a)),
    TRIVIUM_ROW(round, 1, false, "nearest integer, halves to even", std::nearbyint(a)),
    TRIVIUM_ROW(relu, 1, false, "max(a, 0); NaN stays", a <= 0 ? 0 : a),
    TRIVIUM_ROW(softplus, 1, false, "log(1 + e^a)",
                (a <= 0 ? 0 : a) + std::log1p(std::exp(-std::abs(a)))),
    TRIVIUM_ROW(logical_not, 1, true, "a == 0", a == 0),
    TRIVIUM_ROW(is_nan, 1, true, "a != a", std::isnan(a)),
    TRIVIUM_ROW(add, 2, false, "a + b", a + b),
    TRIVIUM_ROW(sub, 2, false, "a - b", a - b),
    TRIVIUM_ROW(mul, 2, false, "a * b", a* b),
    TRIVIUM_ROW(div, 2, false, "a / b", a / b),
    TRIVIUM_ROW(pow, 2, false, "a^b", std::pow(a, b)),
    TRIVIUM_ROW(maximum, 2, false, "the larger; NaN if either is", maximum(a, b)),
    TRIVIUM_ROW(minimum, 2, false, "the smaller; NaN if either is", minimum(a, b)),
    TRIVIUM_ROW(equal, 2, true, "a == b", a == b),
    TRIVIUM_ROW(not_equal, 2, true, "a != b", a != b),
    TRIVIUM_ROW(less, 2, true, "a < b", a < b),
    TRIVIUM_ROW(less_equal, 2, true, "a <= b", a <= b),
    TRIVIUM_ROW(greater, 2, true, "a > b", a > b),
    TRIVIUM_ROW(greater_equal, 2, true, "a >= b", a >= b),
    TRIVIUM_ROW(logical_and, 2, true, "a != 0 and b != 0", a != 0 && b != 0),
    TRIVIUM_ROW(logical_or, 2, true, "a != 0 or b != 0", a != 0 || b != 0),
    TRIVIUM_ROW(mod, 2, false, "remainder with the sign of b, as in Python", floor_mod(a, b)),
    TRIVIUM_ROW(atan2, 2, false, "angle of the point (x = b, y = a)", std::atan2(a, b)),
    TRIVIUM_ROW(relu_grad, 2, false, "a where b > 0, else 0 (a = upstream, b = output of relu)",
                b > 0 ? a : 0),
    TRIVIUM_ROW(select, 3, false, "b where a != 0, else c", a != 0 ? b : c),
    TRIVIUM_ROW(fma, 3, false, "a * b + c rounded once", std::fma(a, b, c)),
    TRIVIUM_ROW(clip, 3, false, "min(max(a, b), c); NaN if any is", minimum(maximum(a, b), c)),
    TRIVIUM_ROW(is_inf, 1, true, "|a| is infinite", std::isinf(a)),
    TRIVIUM_ROW(asin, 1, false, "angle whose sine is a", std::asin(a)),
    TRIVIUM_ROW(acos, 1, false, "angle whose cosine is a", std::acos(a)),
    TRIVIUM_ROW(atan, 1, false, "angle whose tangent is a", std::atan(a)),
    TRIVIUM_ROW(sinh, 1, false, "hyperbolic sine", std::sinh(a)),
    TRIVIUM_ROW(cosh, 1, false, "hyperbolic cosine", std::cosh(a)),
    TRIVIUM_ROW(asinh, 1, false, "inverse of sinh", std::asinh(a)),
    TRIVIUM_ROW(acosh, 1, false, "inverse of cosh, >= 0", std::acosh(a)),
    TRIVIUM_ROW(atanh, 1, false, "inverse of tanh", std::atanh(a)),
    TRIVIUM_ROW(log2, 1, false, "logarithm to base 2", std::log2(a)),
    TRIVIUM_ROW(log10, 1, false, "logarithm to base 10", std::log10(a)),
    TRIVIUM_ROW(exp2, 1, false, "2^a", std::exp2(a)),
    TRIVIUM_ROW(trunc, 1, false, "nearest integer towards 0", std::trunc(a)),
    TRIVIUM_ROW(erfc, 1, false, "1 - erf(a), also where that is small", std::erfc(a)),
    TRIVIUM_ROW(erfinv, 1, false, "inverse of erf", erfinv(a)),
    TRIVIUM_ROW(lgamma, 1, false, "log of |gamma function|", log_gamma(a)),
    TRIVIUM_ROW(digamma, 1, false, "derivative of the log of the gamma function", digamma(a)),
    TRIVIUM_ROW(trigamma, 1, false, "derivative of digamma", trigamma(a)),
    TRIVIUM_ROW(bitwise_not, 1, false, "all bits of the integer a flipped",
                with_bits(ScalarOp::bitwise_not, a, 0)),
    TRIVIUM_ROW(fmod, 2, false, "remainder with the sign of a, as in C", std::fmod(a, b)),
    TRIVIUM_ROW(floor_div, 2, false, "quotient rounded down", floor_quotient(a, b)),
    TRIVIUM_ROW(bitwise_and, 2, false, "bits set in a and b",
                with_bits(ScalarOp::bitwise_and, a, b)),
    TRIVIUM_ROW(bitwise_or, 2, false, "bits set in a or b", with_bits(ScalarOp::bitwise_or, a, b)),
    TRIVIUM_ROW(bitwise_xor, 2, false, "bits set in one of a and b",
                with_bits(ScalarOp::bitwise_xor, a, b)),
    TRIVIUM_ROW(shift_left, 2, false, "a * 2^b, the lowest 64 bits",
                with_bits(ScalarOp::shift_left, a, b)),
    TRIVIUM_ROW(shift_right, 2, false, "a / 2^b rounded down",
                with_bits(ScalarOp::shift_right, a, b)),
};
#undef TRIVIUM_ROW
static_assert(std::size(kRows) == kScalarOpCount);

}  // namespace

const ScalarOpInfo& info(ScalarOp op) { return kRows[static_cast<int>(op)].info; }

std::span<const ScalarOpInfo> scalar_ops() {
  static const std::vector<ScalarOpInfo> all = [] {
    std::vector<ScalarOpInfo> infos;
    for (const Row& row : kRows) infos.push_back(row.info);
    return infos;
  }();
  return all;
}

ScalarOp parse_scalar_op(std::string_view name) {
  std::vector<std::string> names;
  for (const Row& row : kRows) {
    if (name == row.info.name) return row.info.op;
    names.push_back(row.info.name);
  }
  const std::string near = closest_match(std::string(name), names);
  user_error("unknown elementwise operation \"{}\"{}", name,
             near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near));
}

double apply(ScalarOp op, double a, double b, double c) {
  return kRows[static_cast<int>(op)].reference(a, b, c);
}

}  // namespace trivium
