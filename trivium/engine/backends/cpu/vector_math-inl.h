// Elementary functions on Highway vectors, at most 2 ulp from the true value (softplus 3). The
// float ones are written with MulAdd, so targets with a fused multiply-add (AVX2, AVX-512) agree
// bit for bit; the wide ones work in double without it and agree everywhere. Included once per
// target: see vector_math.cc.
#if defined(TRIVIUM_VECTOR_MATH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef TRIVIUM_VECTOR_MATH_INL_H
#undef TRIVIUM_VECTOR_MATH_INL_H
#else
#define TRIVIUM_VECTOR_MATH_INL_H
#endif

#include <hwy/highway.h>

#include <limits>

#include "trivium/engine/backends/cpu/vector_math_coefficients.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
using Vec = hn::Vec<D>;

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// c[0] + c[1] x + … + c[N-1] x^(N-1).
template <class D, size_t N>
HWY_INLINE Vec<D> polynomial(D d, const float (&c)[N], Vec<D> x) {
  Vec<D> sum = hn::Set(d, c[N - 1]);
  for (size_t i = N - 1; i-- > 0;) sum = hn::MulAdd(sum, x, hn::Set(d, c[i]));
  return sum;
}

/// The same in double, each step rounded, so that every target gives the same bits.
template <class D, size_t N>
HWY_INLINE Vec<D> polynomial(D d, const double (&c)[N], Vec<D> x) {
  Vec<D> sum = hn::Set(d, c[N - 1]);
  for (size_t i = N - 1; i-- > 0;) sum = hn::Add(hn::Mul(sum, x), hn::Set(d, c[i]));
  return sum;
}

/// 2^n for -126 <= n <= 127.
template <class D, class VI>
HWY_INLINE Vec<D> power_of_two(D d, VI n) {
  const hn::RebindToSigned<D> di;
  return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 127))));
}

/// e^x = 2^n (1 + p). Both exponentials use it.
template <class D>
struct ExpParts {
  hn::Vec<hn::RebindToSigned<D>> n;
  Vec<D> p;
};

template <class D>
HWY_INLINE ExpParts<D> exp_parts(D d, Vec<D> x) {
  const Vec<D> n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504f)));
  // x = n ln 2 + r, with ln 2 as its first 15 bits and the rest. The first difference is exact; the
  // rest is added to the small terms, where its rounding does not show.
  const Vec<D> high = hn::NegMulAdd(n, hn::Set(d, 0x1.62e4p-1f), x),
               rest = hn::Set(d, 0x1.7f7d1cp-20f);
  const Vec<D> r = hn::NegMulAdd(n, rest, high);
  const Vec<D> tail = hn::Mul(hn::Mul(r, r), polynomial(d, fitted::kExp, r));
  return {hn::NearestInt(n), hn::Add(high, hn::NegMulAdd(n, rest, tail))};
}

template <class D>
HWY_INLINE Vec<D> clamp(D d, Vec<D> x, float low, float high) {
  return hn::Min(hn::Max(x, hn::Set(d, low)), hn::Set(d, high));
}

template <class D>
HWY_INLINE Vec<D> exp(D d, Vec<D> x) {
  const ExpParts<D> e = exp_parts(d, clamp(d, x, -104.0f, 89.0f));
  // The scale is applied in two steps, so results below the smallest normal number round only once.
  const auto half = hn::ShiftRight<1>(e.n);
  const Vec<D> y = hn::Mul(hn::Add(e.p, hn::Set(d, 1.0f)), power_of_two(d, half));
  return hn::IfThenElse(hn::IsNaN(x), x, hn::Mul(y, power_of_two(d, hn::Sub(e.n, half))));
}

template <class D>
HWY_INLINE Vec<D> expm1(D d, Vec<D> x) {
  const ExpParts<D> e = exp_parts(d, clamp(d, x, -18.0f, 89.0f));
  const hn::RebindToSigned<D> di;
  // 2 (2^(n-1) p + 2^(n-1) - 1/2): half the value, because 2^128 does not exist.
  const Vec<D> scale = power_of_two(d, hn::Sub(e.n, hn::Set(di, 1)));
  const Vec<D> y = hn::MulAdd(scale, e.p, hn::Sub(scale, hn::Set(d, 0.5f)));
  const auto keep = hn::Or(hn::IsNaN(x), hn::Lt(hn::Abs(x), hn::Set(d, 0x1p-25f)));
  return hn::IfThenElse(keep, x, hn::Add(y, y));
}

template <class D>
HWY_INLINE Vec<D> log(D d, Vec<D> x) {
  const hn::RebindToSigned<D> di;
  const auto tiny = hn::Lt(x, hn::Set(d, 0x1p-126f));
  const Vec<D> scaled = hn::IfThenElse(tiny, hn::Mul(x, hn::Set(d, 0x1p23f)), x);
  const Vec<D> bias = hn::IfThenElseZero(tiny, hn::Set(d, -23.0f));
  // scaled = 2^k m with sqrt(1/2) <= m < sqrt(2).
  const auto bits = hn::BitCast(di, scaled);
  const auto k = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(di, 0x3f3504f3)));
  const Vec<D> f = hn::Sub(hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(k))), hn::Set(d, 1.0f));
  const Vec<D> e = hn::Add(hn::ConvertTo(d, k), bias);
  const Vec<D> f2 = hn::Mul(f, f);
  Vec<D> y = hn::Mul(hn::Mul(f2, f), polynomial(d, fitted::kLog, f));
  y = hn::MulAdd(e, hn::Set(d, -0x1.bd0106p-13f), y);  // ln 2 = 0x1.63p-1 - 0x1.bd01...p-13
  y = hn::NegMulAdd(hn::Set(d, 0.5f), f2, y);
  y = hn::MulAdd(e, hn::Set(d, 0x1.63p-1f), hn::Add(f, y));
  y = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Set(d, kNaN), y);
  y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Set(d, -kInf), y);
  return hn::IfThenElse(hn::Or(hn::IsNaN(x), hn::Eq(x, hn::Set(d, kInf))), x, y);
}

/// log(u) + c / u, where u + c = 1 + x exactly.
template <class D>
HWY_INLINE Vec<D> log1p(D d, Vec<D> x) {
  const Vec<D> one = hn::Set(d, 1.0f), u = hn::Add(one, x);
  const Vec<D> from_x = hn::Sub(u, one);
  const Vec<D> c = hn::Add(hn::Sub(one, hn::Sub(u, from_x)), hn::Sub(x, from_x));
  const auto ordinary = hn::And(hn::Gt(u, hn::Zero(d)), hn::Lt(u, hn::Set(d, kInf)));
  const Vec<D> y = hn::Add(log(d, u), hn::IfThenElseZero(ordinary, hn::Div(c, u)));
  return hn::IfThenElse(hn::Lt(hn::Abs(x), hn::Set(d, 0x1p-25f)), x, y);
}

template <class D>
HWY_INLINE Vec<D> tanh(D d, Vec<D> x) {
  const Vec<D> one = hn::Set(d, 1.0f), t = hn::Abs(x), z = hn::Mul(x, x);
  const Vec<D> small = hn::MulAdd(hn::Mul(z, polynomial(d, fitted::kTanh, z)), t, t);
  const Vec<D> e = exp(d, hn::Add(t, t));
  const Vec<D> large = hn::Sub(one, hn::Div(hn::Set(d, 2.0f), hn::Add(e, one)));
  return hn::CopySign(hn::IfThenElse(hn::Lt(t, hn::Set(d, 0.625f)), small, large), x);
}

/// 1 / s or e / s with s = 1 + e, then corrected for the rounding error c of s: y (1 - c / s).
template <class D>
HWY_INLINE Vec<D> sigmoid(D d, Vec<D> x) {
  const Vec<D> one = hn::Set(d, 1.0f), e = exp(d, hn::Neg(hn::Abs(x))), s = hn::Add(one, e);
  const Vec<D> c = hn::Add(hn::Sub(one, s), e);
  const auto negative = hn::Lt(x, hn::Zero(d));
  const Vec<D> y = hn::Div(hn::IfThenElse(negative, e, one), s);
  const Vec<D> inverse = hn::IfThenElse(negative, hn::Sub(one, y), y);
  return hn::NegMulAdd(hn::Mul(y, c), inverse, y);
}

template <class D>
HWY_INLINE Vec<D> relu(D d, Vec<D> x) {
  return hn::IfThenElse(hn::Le(x, hn::Zero(d)), hn::Zero(d), x);
}

template <class D>
HWY_INLINE Vec<D> softplus(D d, Vec<D> x) {
  return hn::Add(relu(d, x), log1p(d, exp(d, hn::Neg(hn::Abs(x)))));
}

template <class D>
HWY_INLINE Vec<D> erf(D d, Vec<D> x) {
  const Vec<D> z = hn::Mul(x, x);
  const Vec<D> t = hn::Min(hn::Abs(x), hn::Set(d, 4.0f));
  const Vec<D> small = hn::MulAdd(polynomial(d, fitted::kErfSmall, z), x, x);
  const Vec<D> large = hn::Sub(hn::Set(d, 1.0f), exp(d, polynomial(d, fitted::kErfLarge, t)));
  const Vec<D> y = hn::IfThenElse(hn::Lt(t, hn::Set(d, 0.92f)), small, hn::CopySign(large, x));
  return hn::IfThenElse(hn::IsNaN(x), x, y);
}

/// Sine and cosine of a double below kTrigLimit: x = n pi/2 + r with pi/2 in three parts, of which
/// the first two have 33 bits, so their products with n are exact.
inline constexpr float kTrigLimit = 0x1p20f;

template <class D>
struct SinCos {
  Vec<D> sin, cos;
};

template <class D>
HWY_INLINE SinCos<D> sin_cos_wide(D d, Vec<D> x) {
  const Vec<D> one = hn::Set(d, 1.0);
  const Vec<D> n = hn::Round(hn::Mul(x, hn::Set(d, 0x1.45f306dc9c883p-1)));
  Vec<D> r = hn::Sub(x, hn::Mul(n, hn::Set(d, 0x1.921fb544p+0)));
  r = hn::Sub(r, hn::Mul(n, hn::Set(d, 0x1.0b4611a6p-34)));
  r = hn::Sub(r, hn::Mul(n, hn::Set(d, 0x1.3198a2e037073p-69)));
  const Vec<D> z = hn::Mul(r, r);
  const Vec<D> s = hn::Add(r, hn::Mul(hn::Mul(r, z), polynomial(d, fitted::kSin, z)));
  const Vec<D> c = hn::Add(one, hn::Mul(z, polynomial(d, fitted::kCos, z)));
  // n mod 4 picks the quarter: 0 (s, c), 1 (c, -s), 2 (-s, -c), 3 (-c, s).
  const Vec<D> quarter =
      hn::Sub(n, hn::Mul(hn::Set(d, 4.0), hn::Floor(hn::Mul(n, hn::Set(d, 0.25)))));
  const auto odd = hn::Or(hn::Eq(quarter, one), hn::Eq(quarter, hn::Set(d, 3.0)));
  const auto sine_negative = hn::Ge(quarter, hn::Set(d, 2.0));
  const auto cosine_negative = hn::Or(hn::Eq(quarter, one), hn::Eq(quarter, hn::Set(d, 2.0)));
  const Vec<D> sine = hn::IfThenElse(odd, c, s), cosine = hn::IfThenElse(odd, s, c);
  return {hn::IfThenElse(sine_negative, hn::Neg(sine), sine),
          hn::IfThenElse(cosine_negative, hn::Neg(cosine), cosine)};
}

/// Natural logarithm of a positive normal double (0 and infinity give garbage; callers handle
/// them).
template <class D>
HWY_INLINE Vec<D> log_wide(D d, Vec<D> x) {
  const hn::RebindToUnsigned<D> du;
  const Vec<D> one = hn::Set(d, 1.0);
  constexpr uint64_t kSqrtHalf = 0x3fe6a09e667f3bcdu, kOne = 0x3ff0000000000000u;
  // x = 2^k m with sqrt(1/2) <= m < sqrt(2); biased = k + 1023.
  const auto bits = hn::BitCast(du, x);
  const auto biased = hn::ShiftRight<52>(hn::Add(bits, hn::Set(du, kOne - kSqrtHalf)));
  const auto m_bits = hn::Sub(hn::Add(bits, hn::Set(du, kOne)), hn::ShiftLeft<52>(biased));
  const Vec<D> magic = hn::BitCast(d, hn::Or(biased, hn::Set(du, uint64_t{0x4330000000000000})));
  const Vec<D> k = hn::Sub(magic, hn::Set(d, 0x1p52 + 1023));
  const Vec<D> m = hn::BitCast(d, m_bits);
  const Vec<D> s = hn::Div(hn::Sub(m, one), hn::Add(m, one)), z = hn::Mul(s, s);
  const Vec<D> y = hn::Add(s, hn::Mul(hn::Mul(s, z), polynomial(d, fitted::kLogWide, z)));
  return hn::Add(hn::Mul(k, hn::Set(d, 0x1.62e42fefa39efp-1)), hn::Add(y, y));
}

/// e^x for |x| <= 700.
template <class D>
HWY_INLINE Vec<D> exp_wide(D d, Vec<D> x) {
  const hn::RebindToUnsigned<D> du;
  const Vec<D> n = hn::Round(hn::Mul(x, hn::Set(d, 0x1.71547652b82fep+0)));
  Vec<D> r = hn::Sub(x, hn::Mul(n, hn::Set(d, 0x1.62e42feep-1)));
  r = hn::Sub(r, hn::Mul(n, hn::Set(d, 0x1.a39ef35793c76p-33)));
  const Vec<D> p = hn::Add(r, hn::Mul(hn::Mul(r, r), polynomial(d, fitted::kExpWide, r)));
  // Adding 1.5 * 2^52 leaves n + 1023 in the low bits, and the shift moves it to the exponent.
  const auto shifted = hn::BitCast(du, hn::Add(n, hn::Set(d, 0x1.8p52 + 1023)));
  return hn::Mul(hn::Add(p, hn::Set(d, 1.0)), hn::BitCast(d, hn::ShiftLeft<52>(shifted)));
}

template <class D>
HWY_INLINE Vec<D> pow_wide(D d, Vec<D> x, Vec<D> y) {
  const Vec<D> zero = hn::Zero(d), one = hn::Set(d, 1.0), inf = hn::Set(d, double{kInf});
  const Vec<D> ax = hn::Abs(x), half = hn::Mul(y, hn::Set(d, 0.5));
  Vec<D> log_x = hn::IfThenElse(hn::Eq(ax, zero), hn::Neg(inf), log_wide(d, ax));
  log_x = hn::IfThenElse(hn::Eq(ax, inf), inf, log_x);
  // 1^anything = anything^0 = 1, also where the product below would be 0 * inf.
  const auto trivial = hn::Or(hn::Eq(ax, one), hn::Eq(y, zero));
  const Vec<D> power = hn::IfThenElse(trivial, zero, hn::Mul(y, log_x));
  Vec<D> r = exp_wide(d, hn::Min(hn::Max(power, hn::Set(d, -300.0)), hn::Set(d, 300.0)));
  const auto whole = hn::Eq(hn::Round(y), y);
  const auto odd = hn::And(whole, hn::Ne(hn::Round(half), half));
  r = hn::IfThenElse(odd, hn::CopySign(r, x), r);
  const auto undefined = hn::And(hn::And(hn::Lt(x, zero), hn::Lt(ax, inf)), hn::Not(whole));
  const auto nan = hn::Or(undefined, hn::Or(hn::IsNaN(x), hn::IsNaN(y)));
  r = hn::IfThenElse(nan, hn::Set(d, double{kNaN}), r);
  return hn::IfThenElse(hn::Or(hn::Eq(x, one), hn::Eq(y, zero)), one, r);
}

template <class D>
HWY_INLINE Vec<D> atan2_wide(D d, Vec<D> y, Vec<D> x) {
  const Vec<D> zero = hn::Zero(d), one = hn::Set(d, 1.0), pi = hn::Set(d, 0x1.921fb54442d18p+1);
  const Vec<D> quarter_pi = hn::Set(d, 0x1.921fb54442d18p-1),
               half_pi = hn::Set(d, 0x1.921fb54442d18p+0);
  const Vec<D> ax = hn::Abs(x), ay = hn::Abs(y);
  const auto steep = hn::Gt(ay, ax);
  const Vec<D> large = hn::IfThenElse(steep, ay, ax), small = hn::IfThenElse(steep, ax, ay);
  Vec<D> t = hn::IfThenElse(hn::Eq(small, zero), zero, hn::Div(small, large));
  t = hn::IfThenElse(hn::Eq(small, hn::Set(d, double{kInf})), one, t);  // both infinite
  const auto fold = hn::Gt(t, hn::Set(d, 0.41421356237309503));         // tan(pi / 8)
  const Vec<D> u = hn::IfThenElse(fold, hn::Div(hn::Sub(t, one), hn::Add(t, one)), t);
  const Vec<D> z = hn::Mul(u, u);
  Vec<D> a = hn::Add(u, hn::Mul(hn::Mul(u, z), polynomial(d, fitted::kAtan, z)));
  a = hn::Add(a, hn::IfThenElseZero(fold, quarter_pi));
  a = hn::IfThenElse(steep, hn::Sub(half_pi, a), a);
  a = hn::IfThenElse(hn::Lt(hn::CopySign(one, x), zero), hn::Sub(pi, a), a);
  const Vec<D> angle = hn::CopySign(a, y);
  return hn::IfThenElse(hn::Or(hn::IsNaN(x), hn::IsNaN(y)), hn::Set(d, double{kNaN}), angle);
}

}  // namespace trivium::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
