// Every elementwise function on floats against the double reference: dense sweeps over all
// exponents, the special values, and the same bits at every SIMD level.
#include "trivium/engine/backends/cpu/vector_math.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <bit>
#include <cmath>
#include <cstdio>
#include <functional>
#include <limits>
#include <random>
#include <vector>

namespace trivium::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Distance of `got` from the true value in units of the last place of the nearest float.
double ulps(float got, double want) {
  const float near = static_cast<float>(want);
  if (std::isnan(want) || std::isnan(got)) return std::isnan(want) == std::isnan(got) ? 0 : 1e9;
  if (std::isinf(near) || std::isinf(got)) {
    // A value just above the largest float may round either way within an ulp.
    if (near == got) return 0;
    const double edge = std::numeric_limits<float>::max();
    return std::abs(want) < edge * (1 + 1e-6) && std::abs(want) > edge * (1 - 1e-6) ? 1 : 1e9;
  }
  const double spacing = std::nextafter(std::abs(near), kInf) - std::abs(near);
  return std::abs(got - want) / spacing;
}

/// Floats of all signs and exponents: every `step`-th bit pattern, and values an eager user types.
std::vector<float> sweep(uint32_t step) {
  std::vector<float> x = {0.0f,   -0.0f,   kInf,      -kInf,     kNaN,   1.0f,    -1.0f,
                          0.5f,   2.0f,    88.72283f, 88.72284f, -87.4f, -103.9f, -103.98f,
                          1e-45f, -1e-45f, 3.4e38f,   9.0f,      -9.5f,  0.625f,  0.92f};
  for (uint64_t bits = 0; bits <= 0xffffffffu; bits += step)
    x.push_back(std::bit_cast<float>(static_cast<uint32_t>(bits)));
  for (int i = -200000; i <= 200000; ++i) x.push_back(static_cast<float>(i) * 6.1e-4f);
  return x;
}

std::vector<float> run_op(ScalarOp op, const std::vector<float>& a, const std::vector<float>& b,
                          const std::vector<float>& c) {
  std::vector<float> out(a.size());
  apply(op, a.data(), b.data(), c.data(), out.data(), static_cast<int64_t>(a.size()));
  return out;
}

double allowed_ulps(ScalarOp op) {
  using enum ScalarOp;
  switch (op) {
    case exp:
    case log:
    case log1p:
    case expm1:
    case tanh:
    case sigmoid:
    case erf:
      return 2;
    case softplus:
      return 3;  // three functions in a row
    case rsqrt:
      return 1.5;  // two roundings
    case sin:
    case cos:
    case tan:
    case pow:
    case atan2:
      return 0.50001;  // double inside
    default:
      return 0.5;  // one rounding
  }
}

struct Case {
  std::vector<float> a, b, c;
};

/// Operands for one operation: a sweep for unary ones, pairs of sweeps and near values for the
/// others.
Case operands(ScalarOp op) {
  if (arity_of(op) == 1) {
    const std::vector<float> x = sweep(3989);
    return {x, x, x};
  }
  const std::vector<float> few = sweep(90000001);
  std::vector<float> wide;
  for (size_t i = 0; i < few.size(); i += i < 70 ? 1 : 6151) wide.push_back(few[i]);
  std::mt19937 rng(7);
  std::uniform_real_distribution<float> value(-20, 20);
  Case out;
  for (float a : wide)
    for (float b : wide)
      out.a.push_back(a), out.b.push_back(b), out.c.push_back(few[out.a.size() % 100]);
  for (int i = 0; i < 200000; ++i) {
    out.a.push_back(i % 3 ? value(rng) : std::round(value(rng)));
    out.b.push_back(i % 2 ? value(rng) : std::round(value(rng)));
    out.c.push_back(value(rng));
  }
  return out;
}

class EveryOp : public testing::TestWithParam<int> {
 protected:
  ScalarOp op() const { return static_cast<ScalarOp>(GetParam()); }
  void TearDown() override { use_targets(0); }

  /// Restricts Highway to the targets of a mask; 0 lifts the restriction.
  static void use_targets(int64_t mask) {
    hwy::SetSupportedTargetsForTest(mask);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
};

TEST_P(EveryOp, IsCloseToTheReference) {
  const Case in = operands(op());
  const std::vector<float> got = run_op(op(), in.a, in.b, in.c);
  double worst = 0;
  size_t where = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double want = trivium::apply(op(), in.a[i], in.b[i], in.c[i]);
    const double error = ulps(got[i], want);
    if (error > worst) worst = error, where = i;
  }
  std::printf("%-14s %zu values, worst error %.3f ulp\n", name_of(op()), got.size(), worst);
  EXPECT_LE(worst, allowed_ulps(op()))
      << name_of(op()) << "(" << in.a[where] << ", " << in.b[where] << ", " << in.c[where]
      << ") = " << got[where] << ", expected "
      << trivium::apply(op(), in.a[where], in.b[where], in.c[where]);
}

TEST_P(EveryOp, SignOfZeroFollowsTheReference) {
  if (arity_of(op()) != 1) return;
  const std::vector<float> zeros = {0.0f, -0.0f};
  const std::vector<float> got = run_op(op(), zeros, zeros, zeros);
  for (size_t i = 0; i < zeros.size(); ++i) {
    const double want = trivium::apply(op(), zeros[i]);
    if (want != 0 || op() == ScalarOp::sign) continue;
    EXPECT_EQ(std::signbit(got[i]), std::signbit(want)) << name_of(op());
  }
}

TEST_P(EveryOp, SimdLevelsAgree) {
  const Case in = operands(op());
  const auto bits = [&](int64_t mask) {
    use_targets(mask);
    return run_op(op(), in.a, in.b, in.c);
  };
  const std::vector<float> best = bits(0);
  const int64_t all = hwy::SupportedTargets() & HWY_TARGETS;
  const auto expect_same = [&](const std::vector<float>& other, const char* level) {
    for (size_t i = 0; i < best.size(); ++i) {
      if (std::isnan(best[i]) && std::isnan(other[i])) continue;
      if (best[i] == 0 && other[i] == 0) continue;  // floor and ceil may differ in the sign of zero
      ASSERT_EQ(std::bit_cast<uint32_t>(best[i]), std::bit_cast<uint32_t>(other[i]))
          << name_of(op()) << "(" << in.a[i] << ", " << in.b[i] << ", " << in.c[i] << ") on "
          << level;
    }
  };
  if (all & HWY_AVX2) expect_same(bits(HWY_AVX2), "AVX2");
  // Without a fused multiply-add the float polynomials round differently; everything else is the
  // same.
  const double allowed = allowed_ulps(op());
  const std::vector<float> plain = bits(HWY_STATIC_TARGET);
  if (allowed < 1 && op() != ScalarOp::fma) return expect_same(plain, "the baseline");
  for (size_t i = 0; i < plain.size(); ++i) {
    const double want = trivium::apply(op(), in.a[i], in.b[i], in.c[i]);
    if (op() == ScalarOp::fma) continue;
    ASSERT_LE(ulps(plain[i], want), allowed + 1) << name_of(op()) << "(" << in.a[i] << ")";
  }
}

INSTANTIATE_TEST_SUITE_P(All, EveryOp, testing::Range(0, kScalarOpCount), [](const auto& param) {
  return std::string(name_of(static_cast<ScalarOp>(param.param)));
});

TEST(VectorMathTest, WorksInPlaceAndOnAnyLength) {
  for (int64_t n : {0, 1, 15, 16, 17, 100}) {
    std::vector<float> x(n + 1), want(n);
    for (int64_t i = 0; i < n; ++i) x[i] = static_cast<float>(i) / 7, want[i] = x[i] * x[i] + 2;
    x[n] = -5;  // a guard behind the end
    const std::vector<float> two(n, 2.0f);
    apply(ScalarOp::square, x.data(), nullptr, nullptr, x.data(), n);
    apply(ScalarOp::add, x.data(), two.data(), nullptr, x.data(), n);
    for (int64_t i = 0; i < n; ++i) EXPECT_EQ(x[i], want[i]);
    EXPECT_EQ(x[n], -5);
  }
}

TEST(VectorMathTest, PairsRoundTwice) {
  const VectorKernels& k = vector_kernels();
  const ScalarOp ops[] = {ScalarOp::add, ScalarOp::sub, ScalarOp::mul, ScalarOp::div};
  std::vector<float> a(64), b(64), c(64), t(64), want(64), got(64);
  std::mt19937 rng(3);
  std::uniform_real_distribution<float> value(-3, 3);
  for (size_t i = 0; i < a.size(); ++i) a[i] = value(rng), b[i] = value(rng), c[i] = value(rng);
  for (ScalarOp first : ops)
    for (ScalarOp second : ops)
      for (int swap = 0; swap < 2; ++swap) {
        apply(first, a.data(), b.data(), nullptr, t.data(), 64);
        const float *left = swap ? c.data() : t.data(), *right = swap ? t.data() : c.data();
        apply(second, left, right, nullptr, want.data(), 64);
        k.pair[pair_index(first)][pair_index(second)][swap](got.data(), a.data(), b.data(),
                                                            c.data(), 64);
        EXPECT_EQ(got, want) << name_of(first) << " " << name_of(second) << " " << swap;
      }
}

}  // namespace
}  // namespace trivium::cpu
