// The transforms of nblock_winograd_tiles.h, compiled once per SIMD level.
#include "trivium/engine/backends/cpu/nblock_winograd_tiles.h"

#include "trivium/engine/backends/cpu/winograd_points.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/nblock_winograd_tiles.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::nblock::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace winograd;  // NOLINT: the constants of the points

// Bᵀ of a column of six.
template <class D, class V>
HWY_INLINE void input_1d(D d, V& a, V& b, V& c, V& e, V& f, V& g) {
  const auto a2 = hn::Set(d, kA2), b2 = hn::Set(d, kB2), sum2 = hn::Set(d, kSum2);
  const auto product2 = hn::Set(d, kProduct2), at_a = hn::Set(d, kA), at_b = hn::Set(d, kB);
  const auto even = hn::NegMulAdd(b2, c, f), odd = hn::NegMulAdd(b2, b, e);
  const auto even2 = hn::NegMulAdd(a2, c, f), odd2 = hn::NegMulAdd(a2, b, e);
  const auto first = hn::MulAdd(product2, a, hn::NegMulAdd(sum2, c, f));
  const auto last = hn::MulAdd(product2, b, hn::NegMulAdd(sum2, e, g));
  a = first;
  b = hn::MulAdd(at_a, odd, even);
  c = hn::NegMulAdd(at_a, odd, even);
  e = hn::MulAdd(at_b, odd2, even2);
  f = hn::NegMulAdd(at_b, odd2, even2);
  g = last;
}

// Aᵀ of six values: kOut = 2 or 4 outputs.
template <int kOut, class D, class V>
HWY_INLINE void output_1d(D d, V m0, V m1, V m2, V m3, V m4, V m5, V (&y)[kOut]) {
  const auto sum1 = hn::Add(m1, m2), dif1 = hn::Sub(m1, m2);
  const auto sum2 = hn::Add(m3, m4), dif2 = hn::Sub(m3, m4);
  y[0] = hn::Add(hn::Add(m0, sum1), sum2);
  const auto linear = hn::MulAdd(hn::Set(d, kB), dif2, hn::Mul(hn::Set(d, kA), dif1));
  if constexpr (kOut == 2) {
    y[1] = hn::Add(linear, m5);
  } else {
    y[1] = linear;
    y[2] = hn::MulAdd(hn::Set(d, kB2), sum2, hn::Mul(hn::Set(d, kA2), sum1));
    y[3] = hn::MulAdd(hn::Set(d, kB3), dif2, hn::MulAdd(hn::Set(d, kA3), dif1, m5));
  }
}

// A of kOut values: six.
template <int kOut, class D, class V>
HWY_INLINE void gradient_1d(D d, const V (&y)[kOut], V (&m)[6]) {
  auto even = y[0], odd = hn::Mul(hn::Set(d, kA), y[1]);
  auto even2 = y[0], odd2 = hn::Mul(hn::Set(d, kB), y[1]);
  if constexpr (kOut == 4) {
    even = hn::MulAdd(hn::Set(d, kA2), y[2], even);
    odd = hn::MulAdd(hn::Set(d, kA3), y[3], odd);
    even2 = hn::MulAdd(hn::Set(d, kB2), y[2], even2);
    odd2 = hn::MulAdd(hn::Set(d, kB3), y[3], odd2);
  }
  m[0] = y[0];
  m[1] = hn::Add(even, odd);
  m[2] = hn::Sub(even, odd);
  m[3] = hn::Add(even2, odd2);
  m[4] = hn::Sub(even2, odd2);
  m[5] = y[kOut - 1];
}

// Rows outside the image read zeros; columns outside it are not read at all. One branch a column,
// none a pixel: borders repeat with every tile row, so those branches predict.
alignas(64) constexpr float kZeroRow[kWinogradTile * 16] = {};

template <int kSize>
struct TileRows {
  const float* row[kSize];
  explicit TileRows(const WinogradTile& t) {
#pragma GCC unroll 6
    for (int i = 0; i < kSize; ++i) {
      const bool inside = i >= t.row_lo && i < t.row_hi;
      row[i] = inside ? t.from + i * t.row_stride : kZeroRow;
    }
  }
};

template <class D>
void input_transform(const WinogradTile& t) {
  const D d;
  const TileRows<6> rows(t);
  hn::Vec<D> v[6][6];
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    if (j < t.col_lo || j >= t.col_hi) {
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) v[i][j] = hn::Zero(d);
      continue;
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) v[i][j] = hn::LoadU(d, rows.row[i] + j * t.col_stride);
    input_1d(d, v[0][j], v[1][j], v[2][j], v[3][j], v[4][j], v[5][j]);
  }
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) {
    input_1d(d, v[i][0], v[i][1], v[i][2], v[i][3], v[i][4], v[i][5]);
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) hn::StoreU(v[i][j], d, t.to + (i * 6 + j) * t.point_step);
  }
}

template <class D, int kOut>
void output_transform(const WinogradTile& t) {
  const D d;
  using V = hn::Vec<D>;
  V half[kOut][6];
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    const float* m = t.from + j * t.point_step;
    const int64_t row = 6 * t.point_step;
    V column[kOut];
    output_1d<kOut>(d, hn::LoadU(d, m), hn::LoadU(d, m + row), hn::LoadU(d, m + 2 * row),
                    hn::LoadU(d, m + 3 * row), hn::LoadU(d, m + 4 * row), hn::LoadU(d, m + 5 * row),
                    column);
#pragma GCC unroll 4
    for (int i = 0; i < kOut; ++i) half[i][j] = column[i];
  }
  const auto bias = hn::Set(d, t.bias), slope = hn::Set(d, t.slope);
#pragma GCC unroll 4
  for (int i = 0; i < kOut; ++i) {
    if (i >= t.row_hi) break;
    V y[kOut];
    output_1d<kOut>(d, half[i][0], half[i][1], half[i][2], half[i][3], half[i][4], half[i][5], y);
#pragma GCC unroll 4
    for (int j = 0; j < kOut; ++j) {
      if (j >= t.col_hi) break;
      auto v = hn::Add(y[j], bias);
      if (t.activation != Activation::none) {
        const auto negative = hn::Lt(v, hn::Zero(d));
        v = t.activation == Activation::relu ? hn::IfThenZeroElse(negative, v)
                                             : hn::IfThenElse(negative, hn::Mul(v, slope), v);
      }
      hn::StoreU(v, d, t.to + i * t.row_stride + j * t.col_stride);
    }
  }
}

// B of six values.
template <class D, class V>
HWY_INLINE void scatter_1d(D d, V m0, V m1, V m2, V m3, V m4, V m5, V (&y)[6]) {
  const auto a2 = hn::Set(d, kA2), b2 = hn::Set(d, kB2), sum2 = hn::Set(d, kSum2);
  const auto product2 = hn::Set(d, kProduct2);
  const auto even = hn::Add(m1, m2), odd = hn::Mul(hn::Set(d, kA), hn::Sub(m1, m2));
  const auto even2 = hn::Add(m3, m4), odd2 = hn::Mul(hn::Set(d, kB), hn::Sub(m3, m4));
  y[0] = hn::Mul(product2, m0);
  y[1] = hn::NegMulAdd(b2, odd, hn::NegMulAdd(a2, odd2, hn::Mul(product2, m5)));
  y[2] = hn::Neg(hn::MulAdd(sum2, m0, hn::MulAdd(b2, even, hn::Mul(a2, even2))));
  y[3] = hn::NegMulAdd(sum2, m5, hn::Add(odd, odd2));
  y[4] = hn::Add(m0, hn::Add(even, even2));
  y[5] = m5;
}

template <class D>
void scatter_transform(const WinogradTile& t) {
  const D d;
  using V = hn::Vec<D>;
  V half[6][6];
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j) {
    const float* m = t.from + j * t.point_step;
    const int64_t row = 6 * t.point_step;
    V column[6];
    scatter_1d(d, hn::LoadU(d, m), hn::LoadU(d, m + row), hn::LoadU(d, m + 2 * row),
               hn::LoadU(d, m + 3 * row), hn::LoadU(d, m + 4 * row), hn::LoadU(d, m + 5 * row),
               column);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) half[i][j] = column[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) {
    if (i < t.row_lo || i >= t.row_hi) continue;
    V y[6];
    scatter_1d(d, half[i][0], half[i][1], half[i][2], half[i][3], half[i][4], half[i][5], y);
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) {
      if (j < t.col_lo || j >= t.col_hi) continue;
      float* to = t.to + i * t.row_stride + j * t.col_stride;
      hn::StoreU(hn::Add(hn::LoadU(d, to), y[j]), d, to);
    }
  }
}

template <class D, int kOut>
void gradient_transform(const WinogradTile& t) {
  const D d;
  using V = hn::Vec<D>;
  const TileRows<kOut> rows(t);
  V half[6][kOut];
#pragma GCC unroll 4
  for (int j = 0; j < kOut; ++j) {
    V y[kOut], m[6];
    const bool inside = j >= t.col_lo && j < t.col_hi;
#pragma GCC unroll 4
    for (int i = 0; i < kOut; ++i) {
      y[i] = inside ? hn::LoadU(d, rows.row[i] + j * t.col_stride) : hn::Zero(d);
    }
    gradient_1d<kOut>(d, y, m);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) half[i][j] = m[i];
  }
#pragma GCC unroll 6
  for (int i = 0; i < 6; ++i) {
    V m[6];
    gradient_1d<kOut>(d, half[i], m);
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) hn::StoreU(m[j], d, t.to + (i * 6 + j) * t.point_step);
  }
}

constexpr int kWinogradWidth = HWY_LANES(float);
template <int kLanes>
using WinogradTag = hn::FixedTag<float, (kLanes < kWinogradWidth ? kLanes : kWinogradWidth)>;

template <class D>
WinogradFns fns_of(int kernel) {
  if (kernel == 3)
    return {&input_transform<D>, &output_transform<D, 4>, &gradient_transform<D, 4>,
            &scatter_transform<D>};
  return {&input_transform<D>, &output_transform<D, 2>, &gradient_transform<D, 2>,
          &scatter_transform<D>};
}
WinogradFns FnsFor(int vector, int kernel) {
  if (vector >= 16) return fns_of<WinogradTag<16>>(kernel);
  if (vector >= 8) return fns_of<WinogradTag<8>>(kernel);
  return fns_of<WinogradTag<4>>(kernel);
}

// G: row i is scale_i * (1, a, a², …) for the point a; the last row picks the highest coefficient.
template <int K, class D, class V>
HWY_INLINE void weights_1d(D d, const V (&g)[K], V (&u)[6]) {
  auto even1 = hn::MulAdd(hn::Set(d, kA2), g[2], g[0]);
  auto even2 = hn::MulAdd(hn::Set(d, kB2), g[2], g[0]);
  auto odd1 = hn::Mul(hn::Set(d, kA), g[1]), odd2 = hn::Mul(hn::Set(d, kB), g[1]);
  if constexpr (K == 5) {
    even1 = hn::MulAdd(hn::Set(d, kA4), g[4], even1);
    even2 = hn::MulAdd(hn::Set(d, kB4), g[4], even2);
    odd1 = hn::MulAdd(hn::Set(d, kA3), g[3], odd1);
    odd2 = hn::MulAdd(hn::Set(d, kB3), g[3], odd2);
  }
  const auto scale_a = hn::Set(d, kScaleA), scale_b = hn::Set(d, kScaleB);
  u[0] = hn::Mul(hn::Set(d, kScale0), g[0]);
  u[1] = hn::Mul(scale_a, hn::Add(even1, odd1));
  u[2] = hn::Mul(scale_a, hn::Sub(even1, odd1));
  u[3] = hn::Mul(scale_b, hn::Add(even2, odd2));
  u[4] = hn::Mul(scale_b, hn::Sub(even2, odd2));
  u[5] = g[K - 1];
}

template <int K, class D, class V>
HWY_INLINE void weights_gradient_1d(D d, const V (&u)[6], V (&g)[K]) {
  const auto scale_a = hn::Set(d, kScaleA), scale_b = hn::Set(d, kScaleB);
  const auto sum1 = hn::Mul(scale_a, hn::Add(u[1], u[2]));
  const auto dif1 = hn::Mul(scale_a, hn::Sub(u[1], u[2]));
  const auto sum2 = hn::Mul(scale_b, hn::Add(u[3], u[4]));
  const auto dif2 = hn::Mul(scale_b, hn::Sub(u[3], u[4]));
  g[0] = hn::MulAdd(hn::Set(d, kScale0), u[0], hn::Add(sum1, sum2));
  g[1] = hn::MulAdd(hn::Set(d, kB), dif2, hn::Mul(hn::Set(d, kA), dif1));
  g[2] = hn::MulAdd(hn::Set(d, kB2), sum2, hn::Mul(hn::Set(d, kA2), sum1));
  if constexpr (K == 5) {
    g[3] = hn::MulAdd(hn::Set(d, kB3), dif2, hn::Mul(hn::Set(d, kA3), dif1));
    g[4] = hn::MulAdd(hn::Set(d, kB4), sum2, hn::Mul(hn::Set(d, kA4), sum1));
  }
  g[K - 1] = hn::Add(g[K - 1], u[5]);
}

template <int K>
void weights_of(const float* g, float* u) {
  const WinogradTag<16> d;
  using V = hn::Vec<decltype(d)>;
  for (size_t lane = 0; lane < kWinogradPairs; lane += hn::Lanes(d)) {
    V half[6][K];
    for (int j = 0; j < K; ++j) {
      V column[K], out[6];
      for (int i = 0; i < K; ++i) column[i] = hn::LoadU(d, g + (i * K + j) * kWinogradPairs + lane);
      weights_1d<K>(d, column, out);
      for (int i = 0; i < 6; ++i) half[i][j] = out[i];
    }
    for (int i = 0; i < 6; ++i) {
      V out[6];
      weights_1d<K>(d, half[i], out);
      for (int j = 0; j < 6; ++j) hn::StoreU(out[j], d, u + (i * 6 + j) * kWinogradPairs + lane);
    }
  }
}

template <int K>
void weights_gradient_of(const float* du, int64_t du_step, float* dg) {
  const WinogradTag<16> d;
  using V = hn::Vec<decltype(d)>;
  for (size_t lane = 0; lane < kWinogradPairs; lane += hn::Lanes(d)) {
    V half[K][6];
    for (int j = 0; j < 6; ++j) {
      V column[6], out[K];
      for (int i = 0; i < 6; ++i) column[i] = hn::LoadU(d, du + (i * 6 + j) * du_step + lane);
      weights_gradient_1d<K>(d, column, out);
      for (int i = 0; i < K; ++i) half[i][j] = out[i];
    }
    for (int i = 0; i < K; ++i) {
      V out[K];
      weights_gradient_1d<K>(d, half[i], out);
      for (int j = 0; j < K; ++j) hn::StoreU(out[j], d, dg + (i * K + j) * kWinogradPairs + lane);
    }
  }
}

void Weights(int kernel, const float* g, float* u) {
  kernel == 3 ? weights_of<3>(g, u) : weights_of<5>(g, u);
}
void WeightsGradient(int kernel, const float* du, int64_t du_step, float* dg) {
  kernel == 3 ? weights_gradient_of<3>(du, du_step, dg) : weights_gradient_of<5>(du, du_step, dg);
}

}  // namespace trivium::cpu::nblock::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu::nblock {

HWY_EXPORT(FnsFor);
HWY_EXPORT(Weights);
HWY_EXPORT(WeightsGradient);

WinogradFns winograd_fns(int vector, int kernel) {
  return HWY_DYNAMIC_DISPATCH(FnsFor)(vector, kernel);
}
void winograd_weights(int kernel, const float* g, float* u) {
  HWY_DYNAMIC_DISPATCH(Weights)(kernel, g, u);
}
void winograd_weights_gradient(int kernel, const float* du, int64_t du_step, float* dg) {
  HWY_DYNAMIC_DISPATCH(WeightsGradient)(kernel, du, du_step, dg);
}

}  // namespace trivium::cpu::nblock
#endif  // HWY_ONCE
