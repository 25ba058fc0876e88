// Each pattern is a type such as Sub<A<0>, Mul<S<0>, A<1>>> (w - rate * g); the nodes to recognise
// it and the loop that computes it both come from that type. The matcher tries both orders of a sum
// or product but does not go back into a matched operand, so an operand that fixes a shared name
// stands on the left.
#include "trivium/engine/backends/cpu/vector_patterns.h"

#include <algorithm>

#include "trivium/engine/backends/cpu/vector_math.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/vector_patterns.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::CappedTag<float, kTileStep>;
using VF = hn::Vec<DF>;

// Operands travel as plain parameters: a0 … a4 are arrays, s0 … s2 scalars.
#define TRIVIUM_PARAMETERS VF a0, VF a1, VF a2, VF a3, VF a4, VF s0, VF s1, VF s2
#define TRIVIUM_ARGUMENTS a0, a1, a2, a3, a4, s0, s1, s2

using Nodes = std::vector<PatternNode>;

int8_t append(Nodes& nodes, PatternNode node) {
  nodes.push_back(node);
  return static_cast<int8_t>(nodes.size() - 1);
}

template <int I>
struct A {
  static constexpr int kArrays = I + 1, kScalars = 0;
  static int8_t build(Nodes& nodes) {
    return append(nodes, {PatternNode::array, I, ScalarOp::neg, -1, -1});
  }
  static HWY_INLINE VF eval(TRIVIUM_PARAMETERS) {
    if constexpr (I == 0)
      return a0;
    else if constexpr (I == 1)
      return a1;
    else if constexpr (I == 2)
      return a2;
    else if constexpr (I == 3)
      return a3;
    else
      return a4;
  }
};

template <int I>
struct S {
  static constexpr int kArrays = 0, kScalars = I + 1;
  static int8_t build(Nodes& nodes) {
    return append(nodes, {PatternNode::scalar, I, ScalarOp::neg, -1, -1});
  }
  static HWY_INLINE VF eval(TRIVIUM_PARAMETERS) {
    if constexpr (I == 0)
      return s0;
    else if constexpr (I == 1)
      return s1;
    else
      return s2;
  }
};

#define TRIVIUM_ONE(Name, opcode, expression)                                        \
  template <class X>                                                                 \
  struct Name {                                                                      \
    static constexpr int kArrays = X::kArrays, kScalars = X::kScalars;               \
    static int8_t build(Nodes& nodes) {                                              \
      const int8_t left = X::build(nodes);                                           \
      return append(nodes, {PatternNode::operation, 0, ScalarOp::opcode, left, -1}); \
    }                                                                                \
    static HWY_INLINE VF eval(TRIVIUM_PARAMETERS) {                                  \
      const VF x = X::eval(TRIVIUM_ARGUMENTS);                                       \
      return expression;                                                             \
    }                                                                                \
  }
#define TRIVIUM_TWO(Name, opcode, expression)                                           \
  template <class X, class Y>                                                           \
  struct Name {                                                                         \
    static constexpr int kArrays = HWY_MAX(X::kArrays, Y::kArrays);                     \
    static constexpr int kScalars = HWY_MAX(X::kScalars, Y::kScalars);                  \
    static int8_t build(Nodes& nodes) {                                                 \
      const int8_t left = X::build(nodes), right = Y::build(nodes);                     \
      return append(nodes, {PatternNode::operation, 0, ScalarOp::opcode, left, right}); \
    }                                                                                   \
    static HWY_INLINE VF eval(TRIVIUM_PARAMETERS) {                                     \
      const VF x = X::eval(TRIVIUM_ARGUMENTS), y = Y::eval(TRIVIUM_ARGUMENTS);          \
      return expression;                                                                \
    }                                                                                   \
  }
TRIVIUM_ONE(Sqrt, sqrt, hn::Sqrt(x));
TRIVIUM_ONE(Square, square, hn::Mul(x, x));
TRIVIUM_ONE(Relu, relu, hn::IfThenElse(hn::Le(x, hn::Zero(DF())), hn::Zero(DF()), x));
TRIVIUM_TWO(Add, add, hn::Add(x, y));
TRIVIUM_TWO(Sub, sub, hn::Sub(x, y));
TRIVIUM_TWO(Mul, mul, hn::Mul(x, y));
TRIVIUM_TWO(Div, div, hn::Div(x, y));

template <class P>
void run(float* dst, const float* const* x, size_t n) {
  const DF d;
  const auto scalar = [&](int i) {
    return P::kScalars > i ? hn::Set(d, x[kPatternArrays + i][0]) : hn::Zero(d);
  };
  const VF s0 = scalar(0), s1 = scalar(1), s2 = scalar(2);
  for (size_t k = 0; k < n; k += hn::Lanes(d)) {
    const VF a0 = hn::LoadU(d, x[0] + k);
    const VF a1 = P::kArrays > 1 ? hn::LoadU(d, x[1] + k) : a0;
    const VF a2 = P::kArrays > 2 ? hn::LoadU(d, x[2] + k) : a0;
    const VF a3 = P::kArrays > 3 ? hn::LoadU(d, x[3] + k) : a0;
    const VF a4 = P::kArrays > 4 ? hn::LoadU(d, x[4] + k) : a0;
    hn::StoreU(P::eval(TRIVIUM_ARGUMENTS), d, dst + k);
  }
}

template <class... Ps>
std::vector<Pattern> make_patterns() {
  std::vector<Pattern> patterns;
  const auto add = [&]<class P>(P*) {
    Nodes nodes;
    P::build(nodes);
    patterns.push_back({nodes, run<P>});
  };
  (add(static_cast<Ps*>(nullptr)), ...);
  std::stable_sort(patterns.begin(), patterns.end(), [](const Pattern& a, const Pattern& b) {
    return a.operations() > b.operations();
  });
  return patterns;
}

template <class X>
using Denominator = Add<Sqrt<X>, S<1>>;  // sqrt(v) + epsilon

std::vector<Pattern> all_patterns() {
  using X = A<0>;
  using Y = A<1>;
  using Z = A<2>;
  using Lr = S<0>;
  return make_patterns<
      // Optimizers: momentum with and without weight decay, moving averages, Adam and RMSProp
      // steps.
      Add<Mul<S<0>, X>, Mul<S<1>, Add<Y, Mul<S<2>, Z>>>>, Add<Mul<S<0>, X>, Add<Y, Mul<S<1>, Z>>>,
      Add<Mul<S<0>, X>, Mul<S<1>, Y>>, Add<Mul<S<0>, X>, Y>, Sub<X, Mul<S<0>, Y>>,
      Mul<S<0>, Add<X, Mul<S<1>, Y>>>, Add<Mul<S<0>, X>, Mul<S<1>, Square<Y>>>,
      Add<Mul<S<0>, X>, Mul<S<1>, Mul<Y, Y>>>, Add<Mul<S<0>, X>, Mul<Mul<S<1>, Y>, Y>>,
      Sub<X, Div<Mul<Lr, Y>, Denominator<Z>>>, Sub<X, Mul<Lr, Div<Y, Denominator<Z>>>>,
      Sub<X, Mul<Div<Lr, Denominator<Z>>, Y>>, Div<Mul<Lr, X>, Denominator<Y>>, Add<Sqrt<X>, S<0>>,
      // Normalisation and affine maps.
      Add<Mul<Mul<Sub<X, Y>, Z>, A<3>>, A<4>>, Add<Mul<Sub<X, Y>, Z>, A<3>>,
      Add<Mul<S<0>, X>, S<1>>, Mul<S<0>, Sub<X, S<1>>>, Mul<S<0>, Mul<X, Y>>, Mul<S<0>, Sub<X, Y>>,
      // Activations: bias and relu, gradients of sigmoid (y (1 - y)) and tanh (1 - y^2).
      Relu<Add<X, Y>>, Relu<Add<Mul<X, Y>, Z>>, Mul<Sub<S<0>, Y>, Mul<X, Y>>,
      Mul<X, Mul<Y, Sub<S<0>, Y>>>, Mul<X, Sub<S<0>, Square<Y>>>, Mul<X, Sub<S<0>, Mul<Y, Y>>>,
      Mul<Mul<S<0>, X>, Add<Y, S<1>>>,
      // One operation with a scalar.
      Add<X, S<0>>, Sub<X, S<0>>, Sub<S<0>, X>, Mul<S<0>, X>, Div<X, S<0>>, Div<S<0>, X>>();
}

}  // namespace

const std::vector<Pattern>* patterns() {
  static const std::vector<Pattern> all = all_patterns();
  return &all;
}

}  // namespace trivium::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu {

HWY_EXPORT(patterns);

const std::vector<Pattern>& vector_patterns() { return *HWY_DYNAMIC_DISPATCH(patterns)(); }

int Pattern::operations() const {
  return static_cast<int>(std::count_if(nodes.begin(), nodes.end(), [](const PatternNode& n) {
    return n.kind == PatternNode::operation;
  }));
}

}  // namespace trivium::cpu
#endif  // HWY_ONCE
