// erfinv by Halley's iteration on erf or erfc; digamma and trigamma by their recurrences up to an
// argument where the asymptotic series (coefficients: Bernoulli numbers) is exact to double.
#include "trivium/engine/core/special_functions.h"

#include <math.h>

#include <cmath>
#include <limits>
#include <numbers>

namespace trivium {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

/// Winitzki's closed approximation of erfinv for 0 < x < 1, good to two digits.
double erfinv_guess(double x) {
  constexpr double a = 0.147;
  const double log_part = std::log1p(-x * x), half = 2 / (std::numbers::pi * a) + log_part / 2;
  return std::sqrt(std::sqrt(half * half - log_part / a) - half);
}

}  // namespace

double erfinv(double x) {
  if (!(std::abs(x) <= 1)) return kNaN;
  if (std::abs(x) == 1) return std::copysign(kInf, x);
  const double target = std::abs(x);
  if (target < 1e-8) return x * std::sqrt(std::numbers::pi) / 2;  // the series' next term is x^3
  double y = erfinv_guess(target);
  for (int i = 0; i < 4; ++i) {
    // 1 - target is exact where it is used.
    const double error = target < 0.5 ? std::erf(y) - target : (1 - target) - std::erfc(y);
    const double newton = error / (2 * std::numbers::inv_sqrtpi * std::exp(-y * y));
    y -= newton / (1 + y * newton);
  }
  return std::copysign(y, x);
}

double log_gamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);
}

double digamma(double x) {
  if (x == 0) return std::copysign(kInf, -x);
  if (x < 0) {
    if (x == std::floor(x)) return kNaN;
    // Reflection; the tangent's argument is reduced first, so that large x keep their precision.
    const double fraction = x - std::floor(x);
    return digamma(1 - x) - std::numbers::pi / std::tan(std::numbers::pi * fraction);
  }
  double sum = 0;
  for (; x < 12; x += 1) sum -= 1 / x;
  const double z = 1 / (x * x);
  const double series =
      z * (1.0 / 12 - z * (1.0 / 120 -
                           z * (1.0 / 252 -
                                z * (1.0 / 240 - z * (1.0 / 132 - z * (691.0 / 32760 - z / 12))))));
  return sum + std::log(x) - 0.5 / x - series;
}

double trigamma(double x) {
  if (x <= 0) {
    if (x == std::floor(x)) return x == 0 ? kInf : kNaN;
    const double sine = std::sin(std::numbers::pi * (x - std::floor(x)));
    return std::numbers::pi * std::numbers::pi / (sine * sine) - trigamma(1 - x);
  }
  double sum = 0;
  for (; x < 12; x += 1) sum += 1 / (x * x);
  const double z = 1 / (x * x);
  const double series =
      z * (1.0 / 6 -
           z * (1.0 / 30 - z * (1.0 / 42 - z * (1.0 / 30 - z * (5.0 / 66 - z * (691.0 / 2730))))));
  return sum + (1 + 0.5 / x + series) / x;
}

}  // namespace trivium
