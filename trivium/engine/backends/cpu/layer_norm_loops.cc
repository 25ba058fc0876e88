// Loops the compiler vectorises for each SIMD level: sixteen running sums a row, in double.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/layer_norm_loops.cc"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"

#include <algorithm>
#include <cmath>

#include "trivium/engine/backends/cpu/layer_norm.h"
#include "trivium/engine/core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::HWY_NAMESPACE {

constexpr int64_t kSums = 16;      // running sums of a row
constexpr int64_t kColumns = 64;   // of a tile of sums over rows
constexpr int64_t kChunk = 16384;  // elements a thread takes at a time

/// Sum of term(i) for i < n. The order of additions depends on n only.
template <typename Term>
HWY_INLINE double sum_of(int64_t n, const Term& term) {
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums)
    for (int64_t k = 0; k < kSums; ++k) sums[k] += term(i + k);
  for (int64_t k = 0; i < n; ++i, ++k) sums[k] += term(i);
  for (int64_t half = kSums / 2; half > 0; half /= 2)
    for (int64_t k = 0; k < half; ++k) sums[k] += sums[k + half];
  return sums[0];
}

int64_t rows_per_chunk(const RowNormShape& s) { return std::max<int64_t>(1, kChunk / s.size); }

template <typename T>
void forward(const RowNormShape& s, const RowNormForward& a) {
  const T *x = static_cast<const T*>(a.x), *gamma = static_cast<const T*>(a.gamma),
          *beta = static_cast<const T*>(a.beta);
  T *y = static_cast<T*>(a.y), *means = static_cast<T*>(a.mean),
    *invstds = static_cast<T*>(a.invstd);
  const double n = static_cast<double>(s.size);
  parallel_for(s.rows, rows_per_chunk(s), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t row = begin; row < end; ++row) {
      const T* in = x + row * s.size;
      T* out = y + row * s.size;
      const double mean =
          sum_of(s.size, [&](int64_t i) HWY_ATTR { return static_cast<double>(in[i]); }) / n;
      const double variance = sum_of(s.size,
                                     [&](int64_t i) HWY_ATTR {
                                       const double d = static_cast<double>(in[i]) - mean;
                                       return d * d;
                                     }) /
                              n;
      const double invstd = 1 / std::sqrt(variance + a.eps);
      means[row] = static_cast<T>(mean);
      invstds[row] = static_cast<T>(invstd);
      const T m = static_cast<T>(mean), scale = static_cast<T>(invstd);
      if (gamma && beta)
        for (int64_t i = 0; i < s.size; ++i) out[i] = (in[i] - m) * scale * gamma[i] + beta[i];
      else if (gamma)
        for (int64_t i = 0; i < s.size; ++i) out[i] = (in[i] - m) * scale * gamma[i];
      else
        for (int64_t i = 0; i < s.size; ++i) out[i] = (in[i] - m) * scale;
    }
  });
}

/// Sums over rows for tiles of columns, before dx may overwrite dy.
template <typename T>
void parameter_sums(const RowNormShape& s, const RowNormBackward& a) {
  const T *dy = static_cast<const T*>(a.dy), *x = static_cast<const T*>(a.x),
          *means = static_cast<const T*>(a.mean), *invstds = static_cast<const T*>(a.invstd);
  T *dgamma = static_cast<T*>(a.dgamma), *dbeta = static_cast<T*>(a.dbeta);
  const int64_t tiles = (s.size + kColumns - 1) / kColumns;
  const int64_t grain = std::max<int64_t>(1, kChunk / std::max<int64_t>(1, s.rows * kColumns));
  parallel_for(tiles, grain, [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t first = tile * kColumns, n = std::min(kColumns, s.size - first);
      double gammas[kColumns] = {}, betas[kColumns] = {};
      for (int64_t row = 0; row < s.rows; ++row) {
        const T *g = dy + row * s.size + first, *in = x + row * s.size + first;
        const T mean = means[row], invstd = invstds[row];
        for (int64_t i = 0; i < n; ++i) {
          gammas[i] += static_cast<double>(g[i] * ((in[i] - mean) * invstd));
          betas[i] += static_cast<double>(g[i]);
        }
      }
      for (int64_t i = 0; i < n; ++i) {
        dgamma[first + i] = static_cast<T>(gammas[i]);
        dbeta[first + i] = static_cast<T>(betas[i]);
      }
    }
  });
}

template <typename T, bool kScaled>
void input_gradient(const RowNormShape& s, const RowNormBackward& a) {
  const T *dy = static_cast<const T*>(a.dy), *x = static_cast<const T*>(a.x),
          *gamma = static_cast<const T*>(a.gamma), *means = static_cast<const T*>(a.mean),
          *invstds = static_cast<const T*>(a.invstd);
  T* dx = static_cast<T*>(a.dx);
  const double n = static_cast<double>(s.size);
  parallel_for(s.rows, rows_per_chunk(s), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t row = begin; row < end; ++row) {
      const T *up = dy + row * s.size, *in = x + row * s.size;
      T* out = dx + row * s.size;
      const T mean = means[row], invstd = invstds[row];
      const auto g = [&](int64_t i) HWY_ATTR { return kScaled ? up[i] * gamma[i] : up[i]; };
      const double sum =
          sum_of(s.size, [&](int64_t i) HWY_ATTR { return static_cast<double>(g(i)); });
      const double product = sum_of(s.size, [&](int64_t i) HWY_ATTR {
        return static_cast<double>(g(i)) * static_cast<double>((in[i] - mean) * invstd);
      });
      const T offset = static_cast<T>(sum / n), slope = static_cast<T>(product / n);
      for (int64_t i = 0; i < s.size; ++i)
        out[i] = invstd * (g(i) - offset - (in[i] - mean) * invstd * slope);
    }
  });
}

template <typename T>
void backward(const RowNormShape& s, const RowNormBackward& a) {
  if (!a.gamma) return input_gradient<T, false>(s, a);
  parameter_sums<T>(s, a);
  input_gradient<T, true>(s, a);
}

void forward_f32(const RowNormShape& s, const RowNormForward& a) { forward<float>(s, a); }
void forward_f64(const RowNormShape& s, const RowNormForward& a) { forward<double>(s, a); }
void backward_f32(const RowNormShape& s, const RowNormBackward& a) { backward<float>(s, a); }
void backward_f64(const RowNormShape& s, const RowNormBackward& a) { backward<double>(s, a); }

}  // namespace trivium::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu {

HWY_EXPORT(forward_f32);
HWY_EXPORT(forward_f64);
HWY_EXPORT(backward_f32);
HWY_EXPORT(backward_f64);

void layer_norm(const RowNormShape& shape, const RowNormForward& a) {
  if (shape.dtype == DType::f64)
    HWY_DYNAMIC_DISPATCH(forward_f64)(shape, a);
  else
    HWY_DYNAMIC_DISPATCH(forward_f32)(shape, a);
}

void layer_norm_grad(const RowNormShape& shape, const RowNormBackward& a) {
  if (shape.dtype == DType::f64)
    HWY_DYNAMIC_DISPATCH(backward_f64)(shape, a);
  else
    HWY_DYNAMIC_DISPATCH(backward_f32)(shape, a);
}

}  // namespace trivium::cpu
#endif
