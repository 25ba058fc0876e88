// The tiles of nblock_tiles.h, compiled once per SIMD level. Every (channels, taps or positions)
// pair is an instance, so that the accumulators are named registers; tables of function pointers
// select one.
#include "trivium/engine/backends/cpu/nblock_tiles.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/nblock_tiles.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trivium/engine/core/error.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::nblock::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3
constexpr int kRegisters = 16;
#else
constexpr int kRegisters = 32;
#endif

// One operand of the outer product stays in registers (the smaller side), the other streams through
// one.
constexpr bool fits(int a, int b) { return a * b + (a < b ? a : b) + 1 <= kRegisters; }
constexpr int max_channels(int positions) {
  int best = 1;
  for (int c = 1; c <= kMaxTileChannels; ++c) best = fits(c, positions) ? c : best;
  return best;
}

template <class D>
HWY_INLINE hn::Vec<D> activate(D d, hn::Vec<D> v, Activation activation, hn::Vec<D> slope) {
  if (activation == Activation::none) return v;
  const auto negative = hn::Lt(v, hn::Zero(d));
  if (activation == Activation::relu) return hn::IfThenZeroElse(negative, v);
  return hn::IfThenElse(negative, hn::Mul(v, slope), v);
}

// acc[c][p] += w[c] * x[p] for p in [LO, HI).
template <int LO, int HI, class D, int C, int P>
HWY_INLINE void corr_step(D d, hn::Vec<D> (&acc)[C][P], const float* HWY_RESTRICT x, int64_t step,
                          const float* HWY_RESTRICT w) {
  if constexpr (LO < HI && HI <= P) {
    if constexpr (C <= HI - LO) {
      hn::Vec<D> weight[C];
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) weight[c] = hn::Set(d, w[c]);
#pragma GCC unroll 8
      for (int p = LO; p < HI; ++p) {
        const auto value = hn::LoadU(d, x + p * step);
#pragma GCC unroll 8
        for (int c = 0; c < C; ++c) acc[c][p] = hn::MulAdd(weight[c], value, acc[c][p]);
      }
    } else {
      hn::Vec<D> value[HI - LO];
#pragma GCC unroll 8
      for (int p = LO; p < HI; ++p) value[p - LO] = hn::LoadU(d, x + p * step);
#pragma GCC unroll 8
      for (int c = 0; c < C; ++c) {
        const auto weight = hn::Set(d, w[c]);
#pragma GCC unroll 8
        for (int p = LO; p < HI; ++p) acc[c][p] = hn::MulAdd(weight, value[p - LO], acc[c][p]);
      }
    }
  }
}

// One switch a tap instead of a branch a position: the pattern repeats every row, so it predicts
// well.
#define TRIVIUM_SHAPES(STEP, COUNT) \
  case 0:                           \
    STEP(0, COUNT);                 \
    break;                          \
  case 1:                           \
    STEP(1, COUNT);                 \
    break;                          \
  case 2:                           \
    STEP(2, COUNT);                 \
    break;                          \
  case 3:                           \
    STEP(3, COUNT);                 \
    break;                          \
  case 4:                           \
    STEP(4, COUNT);                 \
    break;                          \
  case 5:                           \
    STEP(5, COUNT);                 \
    break;                          \
  case kMaxTilePositions + 1:       \
    STEP(0, (COUNT > 1 ? 1 : 0));   \
    break;                          \
  case kMaxTilePositions + 2:       \
    STEP(0, (COUNT > 2 ? 2 : 0));   \
    break;                          \
  case kMaxTilePositions + 3:       \
    STEP(0, (COUNT > 3 ? 3 : 0));   \
    break;                          \
  case kMaxTilePositions + 4:       \
    STEP(0, (COUNT > 4 ? 4 : 0));   \
    break;                          \
  case kMaxTilePositions + 5:       \
    STEP(0, (COUNT > 5 ? 5 : 0));   \
    break;                          \
  case kShapeEmpty:                 \
    break;

template <class D, int C, int P, bool kBorder>
void corr(const CorrTile& t) {
  const D d;
  hn::Vec<D> acc[C][P];
#pragma GCC unroll 8
  for (int c = 0; c < C; ++c) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) acc[c][p] = hn::Zero(d);
  }
  const int64_t step = t.x_position;
  for (int64_t channel = 0; channel < t.channels; ++channel) {
    const float* x_row = t.x + channel * t.x_channel;
    const float* HWY_RESTRICT w = t.w + channel * t.w_channel;
    for (int64_t row = 0; row < t.rows; ++row, x_row += t.x_row) {
      const float* HWY_RESTRICT x = x_row;
      for (int64_t tap = 0; tap < t.taps; ++tap, x += t.x_tap, w += C) {
        if constexpr (kBorder) {
#define TRIVIUM_STEP(LO, HI) corr_step<LO, HI, D, C, P>(d, acc, x, step, w)
          switch (t.shape[tap]) {
            TRIVIUM_SHAPES(TRIVIUM_STEP, P)
            default: {
              const int lo = t.lo[tap], hi = t.hi[tap];
#pragma GCC unroll 8
              for (int p = 1; p + 1 < P; ++p) {  // the ends would have had a shape of their own
                if (p < lo || p >= hi) continue;
                const auto value = hn::LoadU(d, x + p * step);
#pragma GCC unroll 8
                for (int c = 0; c < C; ++c)
                  acc[c][p] = hn::MulAdd(hn::Set(d, w[c]), value, acc[c][p]);
              }
            }
          }
#undef TRIVIUM_STEP
        } else {
          corr_step<0, P, D, C, P>(d, acc, x, step, w);
        }
      }
    }
  }
  // The bias comes last, as in a matrix product followed by an addition.
  const auto slope = hn::Set(d, t.slope);
#pragma GCC unroll 8
  for (int c = 0; c < C; ++c) {
    const auto bias = t.bias ? hn::Set(d, t.bias[c]) : hn::Zero(d);
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) {
      hn::StoreU(activate(d, hn::Add(acc[c][p], bias), t.activation, slope), d,
                 t.y + c * t.y_channel + p * t.y_position);
    }
  }
}

template <class D, int C, int P>
void product(const ProductTile& t) {
  const D d;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  hn::Vec<D> acc[C][P];
#pragma GCC unroll 8
  for (int c = 0; c < C; ++c) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) acc[c][p] = hn::Zero(d);
  }
  const float* HWY_RESTRICT x = t.x;
  const float* HWY_RESTRICT w = t.w;
  for (int64_t i = t.channels; i > 0; --i, x += t.x_channel, w += C) {
    corr_step<0, P, D, C, P>(d, acc, x, kLanes, w);
  }
#pragma GCC unroll 8
  for (int c = 0; c < C; ++c) {
#pragma GCC unroll 8
    for (int p = 0; p < P; ++p) hn::StoreU(acc[c][p], d, t.y + c * t.y_channel + p * kLanes);
  }
}

// acc[a][t] += dy[a] * x[t] for t in [LO, HI).
template <int LO, int HI, class D, int A, int T>
HWY_INLINE void grad_step(D d, hn::Vec<D> (&acc)[A][T], const float* HWY_RESTRICT x,
                          const int64_t (&offset)[T], const float* HWY_RESTRICT dy,
                          int64_t dy_channel) {
  if constexpr (LO < HI && HI <= T) {
    if constexpr (A <= HI - LO) {
      hn::Vec<D> upstream[A];
#pragma GCC unroll 8
      for (int a = 0; a < A; ++a) upstream[a] = hn::LoadU(d, dy + a * dy_channel);
#pragma GCC unroll 8
      for (int t = LO; t < HI; ++t) {
        const auto value = hn::LoadU(d, x + offset[t]);
#pragma GCC unroll 8
        for (int a = 0; a < A; ++a) acc[a][t] = hn::MulAdd(upstream[a], value, acc[a][t]);
      }
    } else {
      hn::Vec<D> value[HI - LO];
#pragma GCC unroll 8
      for (int t = LO; t < HI; ++t) value[t - LO] = hn::LoadU(d, x + offset[t]);
#pragma GCC unroll 8
      for (int a = 0; a < A; ++a) {
        const auto upstream = hn::LoadU(d, dy + a * dy_channel);
#pragma GCC unroll 8
        for (int t = LO; t < HI; ++t) acc[a][t] = hn::MulAdd(upstream, value[t - LO], acc[a][t]);
      }
    }
  }
}

template <class D, int A, int T>
void grad(const GradTile& g) {
  const D d;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  hn::Vec<D> acc[A][T];
#pragma GCC unroll 8
  for (int a = 0; a < A; ++a) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) acc[a][t] = hn::LoadU(d, g.acc + (a * T + t) * kLanes);
  }
  int64_t offset[T];
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) offset[t] = g.tap_offset[t];
  const int64_t dy_channel = g.dy_channel;
  for (int64_t row = 0; row < g.rows; ++row) {
    const float* HWY_RESTRICT dy = g.dy + row * g.dy_row;
    const float* HWY_RESTRICT x = g.x + row * g.x_row;
    int64_t j = 0;
    for (int64_t end = g.inner_begin;; end = g.positions) {
      for (; j < end;
           ++j, dy += g.dy_position, x += g.x_position) {  // positions some taps may not read
#define TRIVIUM_STEP(LO, HI) grad_step<LO, HI, D, A, T>(d, acc, x, offset, dy, dy_channel)
        switch (g.shape[j]) {
          TRIVIUM_SHAPES(TRIVIUM_STEP, T)
          default: {
#pragma GCC unroll 8
            for (int t = 0; t < T; ++t) {
              if (j < g.lo[t] || j >= g.hi[t]) continue;
              const auto value = hn::LoadU(d, x + offset[t]);
#pragma GCC unroll 8
              for (int a = 0; a < A; ++a) {
                acc[a][t] = hn::MulAdd(hn::LoadU(d, dy + a * dy_channel), value, acc[a][t]);
              }
            }
          }
        }
#undef TRIVIUM_STEP
      }
      if (j == g.positions) break;
      for (; j < g.inner_end; ++j, dy += g.dy_position, x += g.x_position) {
        grad_step<0, T, D, A, T>(d, acc, x, offset, dy, dy_channel);
      }
    }
  }
#pragma GCC unroll 8
  for (int a = 0; a < A; ++a) {
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) hn::StoreU(acc[a][t], d, g.acc + (a * T + t) * kLanes);
  }
}
#undef TRIVIUM_SHAPES

// Tables: instance of (channels, positions) or null where it would spill.
template <class D, int C, int P>
constexpr CorrFn corr_entry(bool border) {
  if constexpr (fits(C, P)) {
    return border ? CorrFn{&corr<D, C, P, true>} : CorrFn{&corr<D, C, P, false>};
  } else {
    return nullptr;
  }
}
template <class D, int C, int P>
constexpr ProductFn product_entry() {
  if constexpr (fits(C, P)) {
    return &product<D, C, P>;
  } else {
    return nullptr;
  }
}
template <class D, int C, int P>
constexpr GradFn grad_entry() {
  if constexpr (fits(C, P)) {
    return &grad<D, C, P>;
  } else {
    return nullptr;
  }
}

#define TRIVIUM_TILE_ROW(MAKE, C) \
  { MAKE(C, 1), MAKE(C, 2), MAKE(C, 3), MAKE(C, 4), MAKE(C, 5), MAKE(C, 6) }
#define TRIVIUM_TILE_TABLE(MAKE)                                                         \
  {                                                                                      \
    TRIVIUM_TILE_ROW(MAKE, 1), TRIVIUM_TILE_ROW(MAKE, 2), TRIVIUM_TILE_ROW(MAKE, 3),     \
        TRIVIUM_TILE_ROW(MAKE, 4), TRIVIUM_TILE_ROW(MAKE, 5), TRIVIUM_TILE_ROW(MAKE, 6), \
        TRIVIUM_TILE_ROW(MAKE, 7), TRIVIUM_TILE_ROW(MAKE, 8)                             \
  }

template <class D>
CorrFn find_corr(int channels, int positions, bool border) {
#define TRIVIUM_INNER(C, P) corr_entry<D, C, P>(false)
#define TRIVIUM_BORDER(C, P) corr_entry<D, C, P>(true)
  static constexpr CorrFn inner[kMaxTileChannels][kMaxTilePositions] =
      TRIVIUM_TILE_TABLE(TRIVIUM_INNER);
  static constexpr CorrFn outer[kMaxTileChannels][kMaxTilePositions] =
      TRIVIUM_TILE_TABLE(TRIVIUM_BORDER);
  return (border ? outer : inner)[channels - 1][positions - 1];
#undef TRIVIUM_INNER
#undef TRIVIUM_BORDER
}

template <class D>
ProductFn find_product(int channels, int positions) {
#define TRIVIUM_PRODUCT(C, P) product_entry<D, C, P>()
  static constexpr ProductFn table[kMaxTileChannels][kMaxTilePositions] =
      TRIVIUM_TILE_TABLE(TRIVIUM_PRODUCT);
  return table[channels - 1][positions - 1];
#undef TRIVIUM_PRODUCT
}

template <class D>
GradFn find_grad(int channels, int taps) {
#define TRIVIUM_GRAD(C, P) grad_entry<D, C, P>()
  static constexpr GradFn table[kMaxTileChannels][kMaxTilePositions] =
      TRIVIUM_TILE_TABLE(TRIVIUM_GRAD);
  return table[channels - 1][taps - 1];
#undef TRIVIUM_GRAD
}
#undef TRIVIUM_TILE_TABLE
#undef TRIVIUM_TILE_ROW

constexpr int kWidth = HWY_LANES(float);  // floats of one vector at this level
template <int kLanes>
using Tag = hn::FixedTag<float, (kLanes < kWidth ? kLanes : kWidth)>;

CorrFn CorrFor(int vector, int channels, int positions, bool border) {
  if (vector >= 16) return find_corr<Tag<16>>(channels, positions, border);
  if (vector >= 8) return find_corr<Tag<8>>(channels, positions, border);
  return find_corr<Tag<4>>(channels, positions, border);
}
ProductFn ProductFor(int vector, int channels, int positions) {
  if (vector >= 16) return find_product<Tag<16>>(channels, positions);
  if (vector >= 8) return find_product<Tag<8>>(channels, positions);
  return find_product<Tag<4>>(channels, positions);
}
GradFn GradFor(int vector, int channels, int taps) {
  if (vector >= 16) return find_grad<Tag<16>>(channels, taps);
  if (vector >= 8) return find_grad<Tag<8>>(channels, taps);
  return find_grad<Tag<4>>(channels, taps);
}
int WidthFor(int lanes) { return lanes < kWidth ? lanes : kWidth; }
int MaxChannelsFor(int positions) { return max_channels(positions); }

#if HWY_TARGET != HWY_SCALAR
// Folds a vector to four partial sums.
template <class D>
HWY_INLINE hn::Vec<hn::FixedTag<float, 4>> fold(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    return fold(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  } else {
    return v;
  }
}
#endif

template <class D>
void sum_lanes_of(const float* acc, int64_t count, float* out) {
  const D d;
  constexpr int64_t lanes = hn::MaxLanes(D());
  int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::FixedTag<float, 4> d4;
  const hn::Repartition<double, decltype(d4)> pairs;
  for (; i + 4 <= count;
       i += 4, acc += 4 * lanes) {  // four vectors at a time, by a transposing sum
    const auto a = fold(d, hn::LoadU(d, acc)), b = fold(d, hn::LoadU(d, acc + lanes));
    const auto c = fold(d, hn::LoadU(d, acc + 2 * lanes)),
               e = fold(d, hn::LoadU(d, acc + 3 * lanes));
    const auto ab =
        hn::BitCast(pairs, hn::Add(hn::InterleaveLower(d4, a, b), hn::InterleaveUpper(d4, a, b)));
    const auto ce =
        hn::BitCast(pairs, hn::Add(hn::InterleaveLower(d4, c, e), hn::InterleaveUpper(d4, c, e)));
    const auto low = hn::BitCast(d4, hn::InterleaveLower(pairs, ab, ce));
    const auto high = hn::BitCast(d4, hn::InterleaveUpper(pairs, ab, ce));
    hn::StoreU(hn::Add(low, high), d4, out + i);
  }
#endif
  for (; i < count; ++i, acc += lanes) out[i] = hn::GetLane(hn::SumOfLanes(d, hn::LoadU(d, acc)));
}
void SumLanes(int vector, const float* acc, int64_t count, float* out) {
  if (vector >= 16) return sum_lanes_of<Tag<16>>(acc, count, out);
  if (vector >= 8) return sum_lanes_of<Tag<8>>(acc, count, out);
  return sum_lanes_of<Tag<4>>(acc, count, out);
}

template <class D>
void sum_positions_of(const float* x, int64_t channels, int64_t channel_stride, int64_t positions,
                      int64_t stride, float* acc) {
  const D d;
  for (int64_t c = 0; c < channels; ++c, x += channel_stride, acc += hn::Lanes(d)) {
    auto a0 = hn::LoadU(d, acc), a1 = hn::Zero(d), a2 = a1, a3 = a1;
    int64_t j = 0;
    for (; j + 4 <= positions; j += 4) {
      const float* p = x + j * stride;
      a0 = hn::Add(a0, hn::LoadU(d, p));
      a1 = hn::Add(a1, hn::LoadU(d, p + stride));
      a2 = hn::Add(a2, hn::LoadU(d, p + 2 * stride));
      a3 = hn::Add(a3, hn::LoadU(d, p + 3 * stride));
    }
    for (; j < positions; ++j) a0 = hn::Add(a0, hn::LoadU(d, x + j * stride));
    hn::StoreU(hn::Add(hn::Add(a0, a1), hn::Add(a2, a3)), d, acc);
  }
}
void SumPositions(int vector, const float* x, int64_t channels, int64_t channel_stride,
                  int64_t positions, int64_t stride, float* acc) {
  if (vector >= 16) {
    return sum_positions_of<Tag<16>>(x, channels, channel_stride, positions, stride, acc);
  }
  if (vector >= 8) {
    return sum_positions_of<Tag<8>>(x, channels, channel_stride, positions, stride, acc);
  }
  return sum_positions_of<Tag<4>>(x, channels, channel_stride, positions, stride, acc);
}

}  // namespace trivium::cpu::nblock::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu::nblock {

HWY_EXPORT(CorrFor);
HWY_EXPORT(GradFor);
HWY_EXPORT(ProductFor);
HWY_EXPORT(WidthFor);
HWY_EXPORT(MaxChannelsFor);
HWY_EXPORT(SumLanes);
HWY_EXPORT(SumPositions);

int vector_lanes(int lanes) { return HWY_DYNAMIC_DISPATCH(WidthFor)(lanes); }
int max_tile_channels(int positions) { return HWY_DYNAMIC_DISPATCH(MaxChannelsFor)(positions); }

CorrFn corr_tile(int vector, int channels, int positions, bool border) {
  const CorrFn fn = HWY_DYNAMIC_DISPATCH(CorrFor)(vector, channels, positions, border);
  if (!fn) internal_error("no convolution tile of {} channels x {} positions", channels, positions);
  return fn;
}

ProductFn product_tile(int vector, int channels, int positions) {
  const ProductFn fn = HWY_DYNAMIC_DISPATCH(ProductFor)(vector, channels, positions);
  if (!fn) internal_error("no product tile of {} channels x {} positions", channels, positions);
  return fn;
}

GradFn grad_tile(int vector, int channels, int taps) {
  const GradFn fn = HWY_DYNAMIC_DISPATCH(GradFor)(vector, channels, taps);
  if (!fn) internal_error("no gradient tile of {} channels x {} taps", channels, taps);
  return fn;
}

void sum_lanes(int vector, const float* acc, int64_t count, float* out) {
  HWY_DYNAMIC_DISPATCH(SumLanes)(vector, acc, count, out);
}

void sum_positions(int vector, const float* x, int64_t channels, int64_t channel_stride,
                   int64_t positions, int64_t position_stride, float* acc) {
  HWY_DYNAMIC_DISPATCH(SumPositions)
  (vector, x, channels, channel_stride, positions, position_stride, acc);
}

}  // namespace trivium::cpu::nblock
#endif  // HWY_ONCE
