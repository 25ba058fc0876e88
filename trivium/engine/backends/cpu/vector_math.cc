// One loop per operation, built from the functions of vector_math-inl.h for each SIMD level.
#include "trivium/engine/backends/cpu/vector_math.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/vector_math.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep

#include "trivium/engine/backends/cpu/vector_math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::HWY_NAMESPACE {
namespace {

// At most 16 lanes, so that kTileStep is a multiple of every vector.
using DF = hn::CappedTag<float, kTileStep>;
using VF = Vec<DF>;
using DW = hn::CappedTag<double, kTileStep / 2>;
using DH = hn::Rebind<float, DW>;  // as many floats as a vector of doubles has lanes

#define TRIVIUM_UNARY(name, expression)                                                   \
  struct name {                                                                           \
    static HWY_INLINE VF call([[maybe_unused]] DF d, VF a, VF, VF) { return expression; } \
  }
#define TRIVIUM_BINARY(name, expression)                                                    \
  struct name {                                                                             \
    static HWY_INLINE VF call([[maybe_unused]] DF d, VF a, VF b, VF) { return expression; } \
  }
#define TRIVIUM_TERNARY(name, expression)                                                     \
  struct name {                                                                               \
    static HWY_INLINE VF call([[maybe_unused]] DF d, VF a, VF b, VF c) { return expression; } \
  }

template <class M>
HWY_INLINE VF truth(DF d, M mask) {
  return hn::IfThenElseZero(mask, hn::Set(d, 1.0f));
}
// NaN is true and differs from everything: Ne would say otherwise on AVX-512.
HWY_INLINE auto differ(VF a, VF b) { return hn::Not(hn::Eq(a, b)); }
HWY_INLINE auto is_true(DF d, VF a) { return differ(a, hn::Zero(d)); }
HWY_INLINE VF sign_of(DF d, VF a) {
  const auto keep = hn::Or(hn::IsNaN(a), hn::Eq(a, hn::Zero(d)));
  return hn::IfThenElse(keep, hn::Add(a, hn::Zero(d)), hn::CopySign(hn::Set(d, 1.0f), a));
}
HWY_INLINE VF max_of(VF a, VF b) {
  return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::Gt(a, b)), a, b);
}
HWY_INLINE VF min_of(VF a, VF b) {
  return hn::IfThenElse(hn::Or(hn::IsNaN(a), hn::Lt(a, b)), a, b);
}

TRIVIUM_UNARY(Neg, hn::Neg(a));
TRIVIUM_UNARY(Abs, hn::Abs(a));
TRIVIUM_UNARY(Sign, sign_of(d, a));
TRIVIUM_UNARY(Exp, exp(d, a));
TRIVIUM_UNARY(Log, log(d, a));
TRIVIUM_UNARY(Log1p, log1p(d, a));
TRIVIUM_UNARY(Expm1, expm1(d, a));
TRIVIUM_UNARY(Sqrt, hn::Sqrt(a));
TRIVIUM_UNARY(Rsqrt, hn::Div(hn::Set(d, 1.0f), hn::Sqrt(a)));
TRIVIUM_UNARY(Square, hn::Mul(a, a));
TRIVIUM_UNARY(Reciprocal, hn::Div(hn::Set(d, 1.0f), a));
TRIVIUM_UNARY(Tanh, tanh(d, a));
TRIVIUM_UNARY(Sigmoid, sigmoid(d, a));
TRIVIUM_UNARY(Erf, erf(d, a));
TRIVIUM_UNARY(Floor, hn::Floor(a));
TRIVIUM_UNARY(Ceil, hn::Ceil(a));
TRIVIUM_UNARY(Round, hn::Round(a));
TRIVIUM_UNARY(Relu, relu(d, a));
TRIVIUM_UNARY(Softplus, softplus(d, a));
TRIVIUM_UNARY(LogicalNot, truth(d, hn::Eq(a, hn::Zero(d))));
TRIVIUM_UNARY(IsNan, truth(d, hn::IsNaN(a)));
TRIVIUM_BINARY(Add, hn::Add(a, b));
TRIVIUM_BINARY(Sub, hn::Sub(a, b));
TRIVIUM_BINARY(Mul, hn::Mul(a, b));
TRIVIUM_BINARY(Div, hn::Div(a, b));
TRIVIUM_BINARY(Maximum, max_of(a, b));
TRIVIUM_BINARY(Minimum, min_of(a, b));
TRIVIUM_BINARY(Equal, truth(d, hn::Eq(a, b)));
TRIVIUM_BINARY(NotEqual, truth(d, differ(a, b)));
TRIVIUM_BINARY(Less, truth(d, hn::Lt(a, b)));
TRIVIUM_BINARY(LessEqual, truth(d, hn::Le(a, b)));
TRIVIUM_BINARY(Greater, truth(d, hn::Gt(a, b)));
TRIVIUM_BINARY(GreaterEqual, truth(d, hn::Ge(a, b)));
TRIVIUM_BINARY(LogicalAnd, truth(d, hn::And(is_true(d, a), is_true(d, b))));
TRIVIUM_BINARY(LogicalOr, truth(d, hn::Or(is_true(d, a), is_true(d, b))));
TRIVIUM_BINARY(ReluGrad, hn::IfThenElseZero(hn::Gt(b, hn::Zero(d)), a));
TRIVIUM_TERNARY(Select, hn::IfThenElse(is_true(d, a), b, c));
TRIVIUM_TERNARY(Fma, hn::MulAdd(a, b, c));
TRIVIUM_TERNARY(Clip, min_of(max_of(a, b), c));

/// First, then Second with the extra operand c on the right (or on the left when Swap).
template <class First, class Second, bool Swap>
struct Pair {
  static HWY_INLINE VF call(DF d, VF a, VF b, VF c) {
    const VF t = First::call(d, a, b, b);
    return Swap ? Second::call(d, c, t, t) : Second::call(d, t, c, c);
  }
};

template <class Op, int kArity>
void run(float* dst, const float* a, const float* b, const float* c, size_t n) {
  const DF d;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    const VF va = hn::LoadU(d, a + i);
    const VF vb = kArity > 1 ? hn::LoadU(d, b + i) : va;
    const VF vc = kArity > 2 ? hn::LoadU(d, c + i) : va;
    hn::StoreU(Op::call(d, va, vb, vc), d, dst + i);
  }
}

// Operations computed in double.

/// Double to float; too large becomes infinite (Highway's emulation would give the largest float).
HWY_INLINE Vec<DH> narrow(DW d, DH dh, Vec<DW> v) {
#if HWY_TARGET == HWY_EMU128 || HWY_TARGET == HWY_SCALAR
  double wide[hn::MaxLanes(DW())];
  float out[hn::MaxLanes(DW())];
  hn::StoreU(v, d, wide);
  for (size_t i = 0; i < hn::Lanes(d); ++i) out[i] = static_cast<float>(wide[i]);
  return hn::LoadU(dh, out);
#else
  return hn::DemoteTo(dh, v);
#endif
}

template <class Op>
void run_wide(float* dst, const float* a, const float* b, const float*, size_t n) {
  const DW d;
  const DH dh;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto va = hn::PromoteTo(d, hn::LoadU(dh, a + i));
    const auto vb = hn::PromoteTo(d, hn::LoadU(dh, b + i));
    hn::StoreU(narrow(d, dh, Op::call(d, va, vb)), dh, dst + i);
  }
}

struct Pow {
  static HWY_INLINE Vec<DW> call(DW d, Vec<DW> a, Vec<DW> b) { return pow_wide(d, a, b); }
};
struct Atan2 {
  static HWY_INLINE Vec<DW> call(DW d, Vec<DW> a, Vec<DW> b) { return atan2_wide(d, a, b); }
};

struct Sin {
  static HWY_INLINE Vec<DW> call(DW d, Vec<DW> a) {
    return hn::IfThenElse(hn::Eq(a, hn::Zero(d)), a, sin_cos_wide(d, a).sin);
  }
  static double exact(double a) { return std::sin(a); }
};
struct Cos {
  static HWY_INLINE Vec<DW> call(DW d, Vec<DW> a) { return sin_cos_wide(d, a).cos; }
  static double exact(double a) { return std::cos(a); }
};
struct Tan {
  static HWY_INLINE Vec<DW> call(DW d, Vec<DW> a) {
    const SinCos<DW> t = sin_cos_wide(d, a);
    return hn::IfThenElse(hn::Eq(a, hn::Zero(d)), a, hn::Div(t.sin, t.cos));
  }
  static double exact(double a) { return std::tan(a); }
};

/// Arguments too large for the three-part reduction go to the C library one by one.
template <class Op>
void run_trig(float* dst, const float* a, const float*, const float*, size_t n) {
  const DW d;
  const DH dh;
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto x = hn::LoadU(dh, a + i);
    const auto small = hn::Lt(hn::Abs(x), hn::Set(dh, kTrigLimit));
    const auto wide = Op::call(d, hn::PromoteTo(d, hn::IfThenElseZero(small, x)));
    const auto y = narrow(d, dh, wide);
    if (hn::AllTrue(dh, small)) {
      hn::StoreU(y, dh, dst + i);
      continue;
    }
    float in[kTileStep], out[kTileStep];
    hn::StoreU(x, dh, in);
    hn::StoreU(y, dh, out);
    for (size_t k = 0; k < hn::Lanes(d); ++k)
      dst[i + k] = std::abs(in[k]) < kTrigLimit ? out[k] : static_cast<float>(Op::exact(in[k]));
  }
}

/// Element by element through the reference: what is seldom needed, and remainders, which are exact
/// only as long division does them.
template <ScalarOp op>
void run_reference(float* dst, const float* a, const float* b, const float*, size_t n) {
  const bool binary = arity_of(op) > 1;
  for (size_t i = 0; i < n; ++i)
    dst[i] = static_cast<float>(trivium::apply(op, a[i], binary ? b[i] : 0));
}

template <size_t... Is>
void fill_references(VectorKernels& k, std::index_sequence<Is...>) {
  ((k.op[Is] = run_reference<static_cast<ScalarOp>(Is)>), ...);
}

struct Trunc {
  static HWY_INLINE VF call(DF, VF a, VF, VF) { return hn::Trunc(a); }
};

/// Sixteen running sums, then a tree over them: the same additions at every SIMD level.
float sum_tile(const float* x, size_t n) {
  const DF d;
  constexpr size_t kVectors = kTileStep / hn::MaxLanes(DF());
  float lanes[kTileStep];
  for (size_t v = 0; v < kVectors; ++v) {
    const size_t first = v * hn::MaxLanes(DF());
    VF sum = hn::LoadU(d, x + first);
    for (size_t i = first + kTileStep; i < n; i += kTileStep)
      sum = hn::Add(sum, hn::LoadU(d, x + i));
    hn::StoreU(sum, d, lanes + first);
  }
  for (size_t width = kTileStep / 2; width > 0; width /= 2)
    for (size_t k = 0; k < width; ++k) lanes[k] += lanes[k + width];
  return lanes[0];
}

template <class First>
void fill_pairs(TileFunction (&row)[kPairOps][2]) {
  row[0][0] = run<Pair<First, Add, false>, 3>;
  row[0][1] = run<Pair<First, Add, true>, 3>;
  row[1][0] = run<Pair<First, Sub, false>, 3>;
  row[1][1] = run<Pair<First, Sub, true>, 3>;
  row[2][0] = run<Pair<First, Mul, false>, 3>;
  row[2][1] = run<Pair<First, Mul, true>, 3>;
  row[3][0] = run<Pair<First, Div, false>, 3>;
  row[3][1] = run<Pair<First, Div, true>, 3>;
}

VectorKernels make_kernels() {
  using enum ScalarOp;
  VectorKernels k{};
  fill_references(k, std::make_index_sequence<kScalarOpCount>());
  const auto set = [&k](ScalarOp op, TileFunction f) { k.op[static_cast<int>(op)] = f; };
  set(neg, run<Neg, 1>);
  set(ScalarOp::abs, run<Abs, 1>);
  set(sign, run<Sign, 1>);
  set(ScalarOp::exp, run<Exp, 1>);
  set(ScalarOp::log, run<Log, 1>);
  set(ScalarOp::log1p, run<Log1p, 1>);
  set(ScalarOp::expm1, run<Expm1, 1>);
  set(ScalarOp::sqrt, run<Sqrt, 1>);
  set(rsqrt, run<Rsqrt, 1>);
  set(square, run<Square, 1>);
  set(reciprocal, run<Reciprocal, 1>);
  set(ScalarOp::sin, run_trig<Sin>);
  set(ScalarOp::cos, run_trig<Cos>);
  set(ScalarOp::tan, run_trig<Tan>);
  set(ScalarOp::tanh, run<Tanh, 1>);
  set(ScalarOp::sigmoid, run<Sigmoid, 1>);
  set(ScalarOp::erf, run<Erf, 1>);
  set(ScalarOp::floor, run<Floor, 1>);
  set(ScalarOp::ceil, run<Ceil, 1>);
  set(ScalarOp::round, run<Round, 1>);
  set(ScalarOp::trunc, run<Trunc, 1>);
  set(ScalarOp::relu, run<Relu, 1>);
  set(ScalarOp::softplus, run<Softplus, 1>);
  set(logical_not, run<LogicalNot, 1>);
  set(is_nan, run<IsNan, 1>);
  set(add, run<Add, 2>);
  set(sub, run<Sub, 2>);
  set(mul, run<Mul, 2>);
  set(ScalarOp::div, run<Div, 2>);
  set(ScalarOp::pow, run_wide<Pow>);
  set(maximum, run<Maximum, 2>);
  set(minimum, run<Minimum, 2>);
  set(equal, run<Equal, 2>);
  set(not_equal, run<NotEqual, 2>);
  set(less, run<Less, 2>);
  set(less_equal, run<LessEqual, 2>);
  set(greater, run<Greater, 2>);
  set(greater_equal, run<GreaterEqual, 2>);
  set(logical_and, run<LogicalAnd, 2>);
  set(logical_or, run<LogicalOr, 2>);
  set(ScalarOp::atan2, run_wide<Atan2>);
  set(relu_grad, run<ReluGrad, 2>);
  set(ScalarOp::select, run<Select, 3>);
  set(ScalarOp::fma, run<Fma, 3>);
  set(clip, run<Clip, 3>);
  fill_pairs<Add>(k.pair[0]);
  fill_pairs<Sub>(k.pair[1]);
  fill_pairs<Mul>(k.pair[2]);
  fill_pairs<Div>(k.pair[3]);
  k.sum = sum_tile;
  k.target = hwy::TargetName(HWY_TARGET);
  return k;
}

}  // namespace

const VectorKernels* kernels() {
  static const VectorKernels table = make_kernels();
  return &table;
}

}  // namespace trivium::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu {

HWY_EXPORT(kernels);

const VectorKernels& vector_kernels() { return *HWY_DYNAMIC_DISPATCH(kernels)(); }

int pair_index(ScalarOp op) {
  switch (op) {
    case ScalarOp::add:
      return 0;
    case ScalarOp::sub:
      return 1;
    case ScalarOp::mul:
      return 2;
    case ScalarOp::div:
      return 3;
    default:
      return -1;
  }
}

void apply(ScalarOp op, const float* a, const float* b, const float* c, float* out, int64_t count) {
  const TileFunction run = vector_kernels().op[static_cast<int>(op)];
  const int arity = arity_of(op);
  const int64_t whole = count - count % static_cast<int64_t>(kTileStep);
  if (whole > 0) run(out, a, b, c, static_cast<size_t>(whole));
  const size_t rest = static_cast<size_t>(count - whole);
  if (rest == 0) return;
  float in[3][kTileStep] = {}, result[kTileStep];
  const float* operands[3] = {a, b, c};
  for (int i = 0; i < arity; ++i) std::copy_n(operands[i] + whole, rest, in[i]);
  run(result, in[0], in[1], in[2], kTileStep);
  std::copy_n(result, rest, out + whole);
}

}  // namespace trivium::cpu
#endif  // HWY_ONCE
