// Highway loops with the exact operations of PyTorch's AVX2 code: every fma here is one rounding,
// so levels without fma take the scalar versions, which give the same bits.
#include "trivium/engine/core/torch_random_loops.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/core/torch_random_loops.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trivium::random::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kWords = 624, kShift = 397;
constexpr float kTwoPi = 6.283185307179586f;

// Eight lanes at most: a block has eight pairs.
using F = hn::CappedTag<float, 8>;
using I = hn::RebindToSigned<F>;
using U = hn::RebindToUnsigned<F>;

inline uint32_t twist(uint32_t word, uint32_t next, uint32_t far) {
  const uint32_t mixed = (word & 0x80000000u) | (next & 0x7fffffffu);
  return far ^ mixed >> 1 ^ ((next & 1u) ? 0x9908b0dfu : 0u);
}

// words[i] for i in [from, to), with the far word at i + shift.
void RefillPart(uint32_t* words, int from, int to, int shift) {
  const U d;
  const int lanes = static_cast<int>(hn::Lanes(d));
  const auto upper = hn::Set(d, 0x80000000u), one = hn::Set(d, 1u);
  const auto matrix = hn::Set(d, 0x9908b0dfu);
  int i = from;
  for (; i + lanes <= to; i += lanes) {
    const auto next = hn::LoadU(d, words + i + 1);
    const auto mixed = hn::Or(hn::And(upper, hn::LoadU(d, words + i)), hn::AndNot(upper, next));
    const auto odd = hn::And(hn::Sub(hn::Zero(d), hn::And(next, one)), matrix);
    const auto far = hn::LoadU(d, words + i + shift);
    hn::StoreU(hn::Xor(hn::Xor(far, hn::ShiftRight<1>(mixed)), odd), d, words + i);
  }
  for (; i < to; ++i) words[i] = twist(words[i], words[i + 1], words[i + shift]);
}

void RefillFor(uint32_t* words) {
  RefillPart(words, 0, kWords - kShift, kShift);
  RefillPart(words, kWords - kShift, kWords - 1, kShift - kWords);
  words[kWords - 1] = twist(words[kWords - 1], words[0], words[kShift - 1]);
}

void TemperFor(const uint32_t* words, uint32_t* out, int64_t count) {
  const U d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto b = hn::Set(d, 0x9d2c5680u), c = hn::Set(d, 0xefc60000u);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    auto w = hn::LoadU(d, words + i);
    w = hn::Xor(w, hn::ShiftRight<11>(w));
    w = hn::Xor(w, hn::And(hn::ShiftLeft<7>(w), b));
    w = hn::Xor(w, hn::And(hn::ShiftLeft<15>(w), c));
    hn::StoreU(hn::Xor(w, hn::ShiftRight<18>(w)), d, out + i);
  }
  for (; i < count; ++i) {
    uint32_t w = words[i];
    w ^= w >> 11;
    w ^= w << 7 & 0x9d2c5680u;
    w ^= w << 15 & 0xefc60000u;
    out[i] = w ^ w >> 18;
  }
}

void UniformFor(const uint32_t* words, float* out, int64_t count, float low, float high) {
  const float width = high - low;
  int64_t i = 0;
#if HWY_NATIVE_FMA
  const F d;
  const I di;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto mask = hn::Set(di, 0xffffff);
  const auto scale = hn::Set(d, 0x1p-24f), vlow = hn::Set(d, low), vwidth = hn::Set(d, width);
  const auto vhigh = hn::Set(d, high);
  for (; i + lanes <= count; i += lanes) {
    const auto word = hn::LoadU(di, reinterpret_cast<const int32_t*>(words + i));
    const auto unit = hn::Mul(hn::ConvertTo(d, hn::And(word, mask)), scale);
    const auto x = hn::MulAdd(unit, vwidth, vlow);
    hn::StoreU(hn::IfThenElse(hn::Eq(x, vhigh), vlow, x), d, out + i);
  }
#endif
  for (; i < count; ++i) {
    const float x = std::fma(static_cast<float>(words[i] & 0xffffffu) * 0x1p-24f, width, low);
    out[i] = x == high ? low : x;
  }
}

// The polynomials over any arithmetic A, so that scalars and vectors share one text.
template <class A>
HWY_INLINE typename A::V NaturalLog(typename A::V x) {
  typename A::V m, e;
  A::split(x, m, e);  // x = m 2^e with m in [sqrt(.5), sqrt(2)), minus one
  const auto z = A::mul(m, m);
  auto y = A::set(7.0376836292e-2f);
  for (const float c : {-1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                        -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f})
    y = A::fma(y, m, A::set(c));
  y = A::mul(y, m);
  y = A::fma(y, z, A::mul(e, A::set(-2.12194440e-4f)));
  y = A::sub(y, A::mul(z, A::set(.5f)));
  return A::fma(e, A::set(.693359375f), A::add(m, y));
}

template <class A>
HWY_INLINE void SinCos(typename A::V x, typename A::V& sine, typename A::V& cosine) {
  const auto k = A::even_octant(A::mul(x, A::set(1.27323954473516f)));
  const auto kf = A::to_float(k);
  x = A::fma(kf, A::set(-.78515625f), x);
  x = A::fma(kf, A::set(-2.4187564849853515625e-4f), x);
  x = A::fma(kf, A::set(-3.77489497744594108e-8f), x);
  const auto z = A::mul(x, x);
  auto c = A::fma(A::set(2.443315711809948e-5f), z, A::set(-1.388731625493765e-3f));
  c = A::mul(A::fma(c, z, A::set(4.166664568298827e-2f)), z);
  c = A::add(A::fma(c, z, A::mul(z, A::set(-.5f))), A::set(1.f));
  auto s = A::fma(A::set(-1.9515295891e-4f), z, A::set(8.3321608736e-3f));
  s = A::mul(A::fma(s, z, A::set(-1.6666654611e-1f)), z);
  s = A::fma(s, x, x);
  A::turn(k, s, c, sine, cosine);
}

template <class A>
HWY_INLINE void Pair(typename A::V& first, typename A::V& second, typename A::V mean,
                     typename A::V std) {
  const auto log = NaturalLog<A>(A::sub(A::set(1.f), first));
  const auto r = A::sqrt(A::mul(A::set(-2.f), log));
  typename A::V sine, cosine;
  SinCos<A>(A::mul(A::set(kTwoPi), second), sine, cosine);
  first = A::fma(A::mul(r, cosine), std, mean);
  second = A::fma(A::mul(r, sine), std, mean);
}

#if HWY_NATIVE_FMA
struct Arithmetic {
  using V = hn::Vec<F>;
  static constexpr int kStep = static_cast<int>(hn::MaxLanes(F()));
  static HWY_INLINE V set(float x) { return hn::Set(F(), x); }
  static HWY_INLINE V load(const float* p) { return hn::LoadU(F(), p); }
  static HWY_INLINE void store(V v, float* p) { hn::StoreU(v, F(), p); }
  static HWY_INLINE V add(V a, V b) { return hn::Add(a, b); }
  static HWY_INLINE V sub(V a, V b) { return hn::Sub(a, b); }
  static HWY_INLINE V mul(V a, V b) { return hn::Mul(a, b); }
  static HWY_INLINE V fma(V a, V b, V c) { return hn::MulAdd(a, b, c); }
  static HWY_INLINE V sqrt(V a) { return hn::Sqrt(a); }
  static HWY_INLINE void split(V x, V& m, V& e) {
    const I i;
    const F f;
    const auto bits = hn::BitCast(i, x);
    const auto exponent = hn::Sub(hn::ShiftRight<23>(bits), hn::Set(i, 126));
    const auto half =
        hn::BitCast(f, hn::Or(hn::And(bits, hn::Set(i, 0x7fffff)), hn::Set(i, 0x3f000000)));
    const auto one = hn::Set(f, 1.f);
    const auto small = hn::Lt(half, hn::Set(f, .70710677f));
    e = hn::ConvertTo(f, exponent);
    e = hn::Sub(e, hn::IfThenElseZero(small, one));
    m = hn::Sub(half, one);
    m = hn::Add(m, hn::IfThenElseZero(small, half));
  }
  static HWY_INLINE hn::Vec<I> even_octant(V x) {
    const I i;
    return hn::And(hn::Add(hn::ConvertTo(i, x), hn::Set(i, 1)), hn::Set(i, ~1));
  }
  static HWY_INLINE V to_float(hn::Vec<I> k) { return hn::ConvertTo(F(), k); }
  static HWY_INLINE void turn(hn::Vec<I> k, V s, V c, V& sine, V& cosine) {
    const I i;
    const F f;
    const auto swap = hn::RebindMask(f, hn::Ne(hn::And(k, hn::Set(i, 2)), hn::Zero(i)));
    const auto four = hn::Set(i, 4);
    const auto sine_sign = hn::ShiftLeft<29>(hn::And(k, four));
    const auto cosine_sign = hn::ShiftLeft<29>(hn::AndNot(hn::Sub(k, hn::Set(i, 2)), four));
    sine = hn::Xor(hn::IfThenElse(swap, c, s), hn::BitCast(f, sine_sign));
    cosine = hn::Xor(hn::IfThenElse(swap, s, c), hn::BitCast(f, cosine_sign));
  }
};
#else
struct Arithmetic {
  using V = float;
  static constexpr int kStep = 1;
  static V set(float x) { return x; }
  static V load(const float* p) { return *p; }
  static void store(V v, float* p) { *p = v; }
  static V add(V a, V b) { return a + b; }
  static V sub(V a, V b) { return a - b; }
  static V mul(V a, V b) { return a * b; }
  static V fma(V a, V b, V c) { return std::fma(a, b, c); }
  static V sqrt(V a) { return std::sqrt(a); }
  static void split(V x, V& m, V& e) {
    int exponent;
    const float half = std::frexp(x, &exponent);
    const bool small = half < .70710677f;
    e = static_cast<float>(exponent - small);
    m = half - 1.f;
    if (small) m += half;
  }
  static int32_t even_octant(V x) { return (static_cast<int32_t>(x) + 1) & ~1; }
  static V to_float(int32_t k) { return static_cast<float>(k); }
  static void turn(int32_t k, V s, V c, V& sine, V& cosine) {
    sine = k & 2 ? c : s;
    cosine = k & 2 ? s : c;
    if (k & 4) sine = -sine;
    if (((k - 2) & 4) == 0) cosine = -cosine;
  }
};
#endif

void NormalFor(float* data, int64_t blocks, float mean, float std) {
  using A = Arithmetic;
  const auto vmean = A::set(mean), vstd = A::set(std);
  for (int64_t b = 0; b < blocks; ++b, data += 16)
    for (int j = 0; j < 8; j += A::kStep) {
      auto first = A::load(data + j), second = A::load(data + j + 8);
      Pair<A>(first, second, vmean, vstd);
      A::store(first, data + j);
      A::store(second, data + j + 8);
    }
}

}  // namespace trivium::random::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::random {
HWY_EXPORT(RefillFor);
HWY_EXPORT(TemperFor);
HWY_EXPORT(UniformFor);
HWY_EXPORT(NormalFor);

namespace detail {
void mt_refill(uint32_t* words) { HWY_DYNAMIC_DISPATCH(RefillFor)(words); }
void mt_temper(const uint32_t* words, uint32_t* out, int64_t count) {
  HWY_DYNAMIC_DISPATCH(TemperFor)(words, out, count);
}
void uniform_floats(const uint32_t* words, float* out, int64_t count, float low, float high) {
  HWY_DYNAMIC_DISPATCH(UniformFor)(words, out, count, low, high);
}
void normal_blocks(float* data, int64_t blocks, float mean, float std) {
  HWY_DYNAMIC_DISPATCH(NormalFor)(data, blocks, mean, std);
}
}  // namespace detail
}  // namespace trivium::random
#endif  // HWY_ONCE
