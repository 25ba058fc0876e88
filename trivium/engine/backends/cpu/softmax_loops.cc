// A tile is up to 64 rows side by side (inner > 1) or one row (inner == 1). The maximum is
// subtracted first; float32 sums gather in double.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/softmax_loops.cc"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"

#include <algorithm>
#include <cmath>

#include "trivium/engine/backends/cpu/softmax_loops.h"
#include "trivium/engine/backends/cpu/vector_math-inl.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::HWY_NAMESPACE {

constexpr int64_t kWidth = 64;

/// p[i] = e^p[i] for n <= kWidth; the buffer holds kWidth elements.
inline void exp_in_place(float* p, int64_t n) {
  const hn::CappedTag<float, 16> d;
  for (int64_t i = 0; i < n; i += static_cast<int64_t>(hn::Lanes(d)))
    hn::StoreU(exp(d, hn::LoadU(d, p + i)), d, p + i);
}
inline void exp_in_place(double* p, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = std::exp(p[i]);
}

/// Largest element and sum of exponentials of one contiguous row; y receives exp(x - largest).
template <typename T>
void row_totals(const T* x, int64_t n, T* y, T& largest, double& total) {
  T best[16];
  for (int64_t i = 0; i < 16; ++i) best[i] = x[0];
  int64_t p = 0;
  for (; p + 16 <= n; p += 16)
    for (int64_t i = 0; i < 16; ++i) best[i] = best[i] < x[p + i] ? x[p + i] : best[i];
  for (; p < n; ++p) best[0] = best[0] < x[p] ? x[p] : best[0];
  largest = best[0];
  for (int64_t i = 1; i < 16; ++i) largest = std::max(largest, best[i]);
  total = 0;
  HWY_ALIGN T part[kWidth] = {};
  for (int64_t q = 0; q < n; q += kWidth) {
    const int64_t count = std::min(kWidth, n - q);
    for (int64_t i = 0; i < count; ++i) part[i] = x[q + i] - largest;
    exp_in_place(part, count);
    double sums[8] = {};
    for (int64_t i = count; i < kWidth; ++i) part[i] = 0;
    for (int64_t i = 0; i < kWidth; i += 8)
      for (int64_t k = 0; k < 8; ++k) sums[k] += part[i + k];
    total +=
        ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7]));
    for (int64_t i = 0; i < count; ++i) y[q + i] = part[i];
  }
}

/// The same for `n` <= kWidth rows whose class k lies at x + k * inner.
template <typename T>
void tile_totals(const T* x, int64_t classes, int64_t inner, int64_t n, T* y, T* largest,
                 double* total) {
  for (int64_t i = 0; i < n; ++i) largest[i] = x[i], total[i] = 0;
  for (int64_t k = 1; k < classes; ++k)
    for (int64_t i = 0; i < n; ++i)
      largest[i] = largest[i] < x[k * inner + i] ? x[k * inner + i] : largest[i];
  HWY_ALIGN T part[kWidth] = {};
  for (int64_t k = 0; k < classes; ++k) {
    for (int64_t i = 0; i < n; ++i) part[i] = x[k * inner + i] - largest[i];
    exp_in_place(part, n);
    for (int64_t i = 0; i < n; ++i) total[i] += part[i];
    for (int64_t i = 0; i < n; ++i) y[k * inner + i] = part[i];
  }
}

int64_t grain_of(const RowView& v, int64_t rows) {
  return std::max<int64_t>(1, 8192 / std::max<int64_t>(1, v.classes * rows));
}

/// Calls tile(o, first, count, &largest, &total) after y holds the exponentials of those rows.
template <typename T, typename Finish>
void for_each_tile(const RowView& v, const T* x, T* y, const Finish& finish) {
  if (v.classes == 0) return;
  if (v.inner == 1) {
    parallel_for(v.outer, grain_of(v, 1), [&](int64_t begin, int64_t end) HWY_ATTR {
      for (int64_t o = begin; o < end; ++o) {
        T largest;
        double total;
        row_totals(x + o * v.classes, v.classes, y + o * v.classes, largest, total);
        finish(o, 0, 1, &largest, &total);
      }
    });
    return;
  }
  const int64_t tiles = (v.inner + kWidth - 1) / kWidth;
  parallel_for(v.outer * tiles, grain_of(v, kWidth), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t o = t / tiles, first = t % tiles * kWidth,
                    n = std::min(kWidth, v.inner - first);
      T largest[kWidth];
      double total[kWidth];
      const int64_t at = o * v.classes * v.inner + first;
      tile_totals(x + at, v.classes, v.inner, n, y + at, largest, total);
      finish(o, first, n, largest, total);
    }
  });
}

/// y = exponentials → probabilities.
template <typename T>
void divide(const RowView& v, T* y, int64_t o, int64_t first, int64_t n, const double* total) {
  T* p = y + o * v.classes * v.inner + first;
  T scale[kWidth];
  for (int64_t i = 0; i < n; ++i) scale[i] = static_cast<T>(1.0 / total[i]);
  if (v.inner == 1) {
    for (int64_t k = 0; k < v.classes; ++k) p[k] *= scale[0];
    return;
  }
  for (int64_t k = 0; k < v.classes; ++k)
    for (int64_t i = 0; i < n; ++i) p[k * v.inner + i] *= scale[i];
}

template <typename T>
void log_rows(const RowView& v, const T* x, T* y) {
  // Two sweeps when y is not x: exponentials go where the result will be, then are written over.
  parallel_for(v.outer * v.inner, grain_of(v, 1), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t at = t / v.inner * v.classes * v.inner + t % v.inner;
      const T* from = x + at;
      T* to = y + at;
      T largest = from[0];
      for (int64_t k = 1; k < v.classes; ++k)
        largest = largest < from[k * v.inner] ? from[k * v.inner] : largest;
      double total = 0;
      HWY_ALIGN T part[kWidth] = {};
      for (int64_t q = 0; q < v.classes; q += kWidth) {
        const int64_t count = std::min(kWidth, v.classes - q);
        for (int64_t i = 0; i < count; ++i) part[i] = from[(q + i) * v.inner] - largest;
        exp_in_place(part, count);
        for (int64_t i = 0; i < count; ++i) total += part[i];
      }
      const T shift = static_cast<T>(std::log(total));
      for (int64_t k = 0; k < v.classes; ++k)
        to[k * v.inner] = (from[k * v.inner] - largest) - shift;
    }
  });
}

template <typename T>
void softmax_typed(const RowView& v, bool logarithm, const void* x, void* y) {
  const T* in = static_cast<const T*>(x);
  T* out = static_cast<T*>(y);
  if (v.classes == 0) return;
  if (logarithm) return log_rows(v, in, out);
  for_each_tile(v, in, out,
                [&](int64_t o, int64_t first, int64_t n, const T*, const double* total) {
                  divide(v, out, o, first, n, total);
                });
}

template <typename T>
void loss_typed(const RowView& v, const Labels& labels, double log_floor, const void* x, void* loss,
                void* probability) {
  const T* in = static_cast<const T*>(x);
  T* p = static_cast<T*>(probability);
  T* out = static_cast<T*>(loss);
  for_each_tile(
      v, in, p, [&](int64_t o, int64_t first, int64_t n, const T* largest, const double* total) {
        for (int64_t i = 0; i < n; ++i) {
          const int64_t row = v.row(o, first + i);
          if (row < 0) continue;
          const int64_t label = labels.at(row, v.classes);
          out[row] = 0;
          if (label == Labels::kIgnored) continue;
          const double score = in[(o * v.classes + label) * v.inner + first + i];
          const double log_p = (score - static_cast<double>(largest[i])) - std::log(total[i]);
          out[row] = static_cast<T>(-std::max(log_p, log_floor));
        }
        divide(v, p, o, first, n, total);
      });
}

template <typename T>
void loss_grad_typed(const RowView& v, const Labels& labels, const void* dloss,
                     const void* probability, void* dx) {
  const T *dl = static_cast<const T*>(dloss), *p = static_cast<const T*>(probability);
  T* out = static_cast<T*>(dx);
  const int64_t tiles = (v.inner + kWidth - 1) / kWidth;
  parallel_for(v.outer * tiles, grain_of(v, std::min(kWidth, v.inner)),
               [&](int64_t begin, int64_t end) HWY_ATTR {
                 for (int64_t t = begin; t < end; ++t) {
                   const int64_t o = t / tiles, first = t % tiles * kWidth,
                                 n = std::min(kWidth, v.inner - first);
                   T scale[kWidth];
                   int64_t label[kWidth];
                   for (int64_t i = 0; i < n; ++i) {
                     const int64_t row = v.row(o, first + i);
                     label[i] = row < 0 ? Labels::kIgnored : labels.at(row, v.classes);
                     scale[i] = label[i] == Labels::kIgnored ? T(0) : dl[row];
                   }
                   const T* from = p + o * v.classes * v.inner + first;
                   T* to = out + o * v.classes * v.inner + first;
                   if (v.inner == 1) {
                     if (label[0] == Labels::kIgnored) {
                       std::fill_n(to, v.classes, T(0));
                       continue;
                     }
                     const T own = (from[label[0]] - T(1)) * scale[0];
                     for (int64_t k = 0; k < v.classes; ++k) to[k] = from[k] * scale[0];
                     to[label[0]] = own;
                     continue;
                   }
                   for (int64_t k = 0; k < v.classes; ++k)
                     for (int64_t i = 0; i < n; ++i)
                       to[k * v.inner + i] =
                           label[i] < 0 ? T(0)
                                        : (from[k * v.inner + i] - T(label[i] == k)) * scale[i];
                 }
               });
}

template <typename T>
void top_k_typed(const RowView& v, const Labels& labels, int64_t k, const void* x, float* y) {
  const T* in = static_cast<const T*>(x);
  parallel_for(v.outer * v.inner, grain_of(v, 1), [&](int64_t begin, int64_t end) HWY_ATTR {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t row = v.row(t / v.inner, t % v.inner);
      if (row < 0) continue;
      const T* scores = in + t / v.inner * v.classes * v.inner + t % v.inner;
      const int64_t label = labels.at(row, v.classes);
      const T own = scores[label * v.inner];
      int64_t reached = 0;  // the label's own class included, unless it is NaN
      for (int64_t c = 0; c < v.classes; ++c) reached += scores[c * v.inner] >= own;
      y[row] = own == own && reached - 1 < k ? 1.0f : 0.0f;
    }
  });
}

void softmax_any(const RowView& v, DType d, bool logarithm, const void* x, void* y) {
  d == DType::f32 ? softmax_typed<float>(v, logarithm, x, y)
                  : softmax_typed<double>(v, logarithm, x, y);
}
void loss_any(const RowView& v, DType d, const Labels& labels, double log_floor, const void* x,
              void* loss, void* p) {
  d == DType::f32 ? loss_typed<float>(v, labels, log_floor, x, loss, p)
                  : loss_typed<double>(v, labels, log_floor, x, loss, p);
}
void loss_grad_any(const RowView& v, DType d, const Labels& labels, const void* dloss,
                   const void* p, void* dx) {
  d == DType::f32 ? loss_grad_typed<float>(v, labels, dloss, p, dx)
                  : loss_grad_typed<double>(v, labels, dloss, p, dx);
}
void top_k_any(const RowView& v, DType d, const Labels& labels, int64_t k, const void* x,
               float* y) {
  d == DType::f32 ? top_k_typed<float>(v, labels, k, x, y)
                  : top_k_typed<double>(v, labels, k, x, y);
}

}  // namespace trivium::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu {

HWY_EXPORT(softmax_any);
HWY_EXPORT(loss_any);
HWY_EXPORT(loss_grad_any);
HWY_EXPORT(top_k_any);

RowView RowView::of(const run::TensorDesc& x, int axis) {
  const Shape memory = x.physical();
  RowView v;
  v.outer = memory.count(0, axis), v.classes = memory[axis], v.inner = memory.count(axis + 1);
  if (x.format.kind == run::Format::nblock) v.lanes = x.format.lanes, v.batch = x.shape[0];
  return v;
}

int64_t Labels::at(int64_t i, int64_t classes) const {
  double given = 0;
  switch (dtype) {
    case DType::f32:
      given = static_cast<const float*>(data)[i];
      break;
    case DType::f64:
      given = static_cast<const double*>(data)[i];
      break;
    case DType::i32:
      given = static_cast<const int32_t*>(data)[i];
      break;
    case DType::i64:
      given = static_cast<double>(static_cast<const int64_t*>(data)[i]);
      break;
    default:
      internal_error("labels of {}", name_of(dtype));
  }
  const double label = std::trunc(given);
  if (has_ignore && label == static_cast<double>(ignore)) return kIgnored;
  if (!(label >= 0 && label < static_cast<double>(classes)))
    user_error("{}: label {} at position {} of {}, a class from 0 to {} expected{}", op, given, i,
               rows, classes - 1,
               has_ignore ? fmt::format(" (or {}, which is ignored)", ignore) : "");
  return static_cast<int64_t>(label);
}

void softmax(const RowView& v, DType d, bool logarithm, const void* x, void* y) {
  HWY_DYNAMIC_DISPATCH(softmax_any)(v, d, logarithm, x, y);
}
void softmax_loss(const RowView& v, DType d, const Labels& labels, double log_floor, const void* x,
                  void* loss, void* p) {
  HWY_DYNAMIC_DISPATCH(loss_any)(v, d, labels, log_floor, x, loss, p);
}
void softmax_loss_grad(const RowView& v, DType d, const Labels& labels, const void* dloss,
                       const void* p, void* dx) {
  HWY_DYNAMIC_DISPATCH(loss_grad_any)(v, d, labels, dloss, p, dx);
}
void in_top_k(const RowView& v, DType d, const Labels& labels, int64_t k, const void* x, float* y) {
  HWY_DYNAMIC_DISPATCH(top_k_any)(v, d, labels, k, x, y);
}

}  // namespace trivium::cpu
#endif
