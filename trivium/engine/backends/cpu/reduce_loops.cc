// Two loop forms: rows (the folded axis is contiguous: 64 running values side by side) and columns
// (the kept axis is contiguous: a tile of running values). float32 sums run in float32 for at most
// 64 steps, then move into double.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/reduce_loops.cc"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "trivium/engine/backends/cpu/reduce_loops.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::HWY_NAMESPACE {

constexpr int64_t kWide = 64;        // running values of a row
constexpr int64_t kTile = 256;       // running values of a column tile
constexpr int64_t kFlush = 64;       // float32 additions before the sum moves into double
constexpr int64_t kSegment = 32768;  // elements of a row that one work item folds

/// Integers wrap: computed without a sign, where that is defined.
template <typename T, typename F>
HWY_INLINE T wrapping(T a, T b, const F& f) {
  if constexpr (std::is_integral_v<T>)
    return static_cast<T>(f(static_cast<uint64_t>(a), static_cast<uint64_t>(b)));
  else
    return f(a, b);
}

struct SumOp {
  template <typename T>
  static T start() {
    return T(0);
  }
  template <typename T>
  static T join(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x + y; });
  }
};
struct ProdOp {
  template <typename T>
  static T start() {
    return T(1);
  }
  template <typename T>
  static T join(T a, T b) {
    return wrapping(a, b, [](auto x, auto y) { return x * y; });
  }
};
template <typename T>
constexpr T lowest() {
  return std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity()
                                     : std::numeric_limits<T>::lowest();
}
template <typename T>
constexpr T highest() {
  return std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity()
                                     : std::numeric_limits<T>::max();
}
// A NaN on either side wins, as in the records.
struct MaxOp {
  template <typename T>
  static T start() {
    return lowest<T>();
  }
  template <typename T>
  static T join(T a, T b) {
    return ((a > b) | (a != a)) ? a : b;
  }
};
struct MinOp {
  template <typename T>
  static T start() {
    return highest<T>();
  }
  template <typename T>
  static T join(T a, T b) {
    return ((a < b) | (a != a)) ? a : b;
  }
};

/// Running type (inside a block of steps) and total type of a fold.
template <typename T, class Op>
struct Types {
  static constexpr bool kOrder = std::is_same_v<Op, MaxOp> || std::is_same_v<Op, MinOp>;
  using Wide = std::conditional_t<std::is_floating_point_v<T>, double, int64_t>;
  using Total = std::conditional_t<kOrder, T, Wide>;
  using Running =
      std::conditional_t<kOrder || (std::is_same_v<Op, SumOp> && std::is_same_v<T, float>), T,
                         Wide>;
};

/// Folds x[0 … n) into `total`, lane i % kWide.
template <class Op, typename T, typename Running, typename Total>
void fold_row(const T* HWY_RESTRICT x, int64_t n, Total* HWY_RESTRICT total) {
  int64_t p = 0;
  while (p + kWide <= n) {
    Running run[kWide];
    for (int64_t i = 0; i < kWide; ++i) run[i] = Op::template start<Running>();
    const int64_t end = std::min(n / kWide * kWide, p + kWide * kFlush);
    for (; p < end; p += kWide)
      for (int64_t i = 0; i < kWide; ++i) run[i] = Op::join(run[i], static_cast<Running>(x[p + i]));
    for (int64_t i = 0; i < kWide; ++i) total[i] = Op::join(total[i], static_cast<Total>(run[i]));
  }
  for (int64_t i = 0; p < n; ++p, ++i) total[i] = Op::join(total[i], static_cast<Total>(x[p]));
}

/// Joins the lanes as a tree; lanes whose place in their group is not valid are left out.
template <class Op, typename Total>
Total join_lanes(Total* total, int64_t group, int64_t valid) {
  if (valid < group)
    for (int64_t i = 0; i < kWide; ++i)
      if (i % group >= valid) total[i] = Op::template start<Total>();
  for (int64_t half = kWide / 2; half > 0; half /= 2)
    for (int64_t i = 0; i < half; ++i) total[i] = Op::join(total[i], total[i + half]);
  return total[0];
}

/// Offset of row-major position `index` of axes with sizes and strides.
inline int64_t offset_of(int64_t index, const std::vector<int64_t>& sizes,
                         const std::vector<int64_t>& strides) {
  int64_t offset = 0;
  for (size_t d = sizes.size(); d-- > 0;) {
    offset += index % sizes[d] * strides[d];
    index /= sizes[d];
  }
  return offset;
}

template <class Op, typename T>
typename Types<T, Op>::Total fold_short(const T* x, int64_t n) {
  using Total = typename Types<T, Op>::Total;
  Total total = Op::template start<Total>();
  for (int64_t i = 0; i < n; ++i) total = Op::join(total, static_cast<Total>(x[i]));
  return total;
}

/// Work items [begin, end) of output `o`: item f is segment f % segments of row f / segments.
template <class Op, typename T>
typename Types<T, Op>::Total fold_rows(const ReducePlan& p, const T* x, int64_t o, int64_t begin,
                                       int64_t end) {
  using Total = typename Types<T, Op>::Total;
  using Running = typename Types<T, Op>::Running;
  const T* base = x + offset_of(o, p.keep_sizes, p.keep_strides);
  if (p.inner < kWide && p.lanes == 0) {
    Total total = Op::template start<Total>();
    for (int64_t f = begin; f < end; ++f)
      total = Op::join(total,
                       fold_short<Op>(base + offset_of(f, p.fold_sizes, p.fold_strides), p.inner));
    return total;
  }
  Total lanes[kWide];
  std::fill_n(lanes, kWide, Op::template start<Total>());
  for (int64_t f = begin; f < end; ++f) {
    const int64_t from = f % p.segments * kSegment;
    fold_row<Op, T, Running>(base + offset_of(f / p.segments, p.fold_sizes, p.fold_strides) + from,
                             std::min(kSegment, p.inner - from), lanes);
  }
  return join_lanes<Op>(lanes, kWide, kWide);
}

/// The rows of the last, partly filled block: fold axis 0 stands still.
template <class Op, typename T>
typename Types<T, Op>::Total fold_tail(const ReducePlan& p, const T* x, int64_t o) {
  using Total = typename Types<T, Op>::Total;
  Total lanes[kWide];
  std::fill_n(lanes, kWide, Op::template start<Total>());
  const T* base = x + p.tail_offset + offset_of(o, p.keep_sizes, p.keep_strides);
  const std::vector<int64_t>&sizes = p.fold_sizes, &strides = p.fold_strides;
  int64_t rows = 1;
  for (size_t d = 1; d < sizes.size(); ++d) rows *= sizes[d];
  for (int64_t f = 0; f < rows; ++f) {
    int64_t offset = 0, index = f;
    for (size_t d = sizes.size(); d-- > 1;) {
      offset += index % sizes[d] * strides[d];
      index /= sizes[d];
    }
    fold_row<Op, T, typename Types<T, Op>::Running>(base + offset, p.inner, lanes);
  }
  return join_lanes<Op>(lanes, p.lanes, p.tail_valid);
}

/// Columns [first, first + n) of output row `o`, rows [begin, end) of the fold.
template <class Op, typename T>
void fold_columns(const ReducePlan& p, const T* x, int64_t o, int64_t first, int64_t n,
                  int64_t begin, int64_t end, typename Types<T, Op>::Total* HWY_RESTRICT total) {
  using Total = typename Types<T, Op>::Total;
  using Running = typename Types<T, Op>::Running;
  const T* base = x + offset_of(o, p.keep_sizes, p.keep_strides) + first;
  std::fill_n(total, n, Op::template start<Total>());
  Running run[kTile];
  for (int64_t f = begin; f < end;) {
    const int64_t stop = std::min(end, f + kFlush);
    for (int64_t i = 0; i < n; ++i) run[i] = Op::template start<Running>();
    for (; f < stop; ++f) {
      const T* HWY_RESTRICT row = base + offset_of(f, p.fold_sizes, p.fold_strides);
      if (n == kTile)
        for (int64_t i = 0; i < kTile; ++i) run[i] = Op::join(run[i], static_cast<Running>(row[i]));
      else
        for (int64_t i = 0; i < n; ++i) run[i] = Op::join(run[i], static_cast<Running>(row[i]));
    }
    for (int64_t i = 0; i < n; ++i) total[i] = Op::join(total[i], static_cast<Total>(run[i]));
  }
}

/// Whether outputs lie side by side in the input, one batch block each: [blocks][outputs][lanes].
inline bool side_by_side(const ReducePlan& p) {
  return p.lanes > 0 && p.inner == p.lanes && p.fold_sizes.size() == 1 &&
         p.keep_sizes.size() == 1 && p.keep_strides[0] == p.lanes;
}

/// Outputs [o, o + n) of such a plan, n <= kTile / lanes: all their lanes are folded together.
template <class Op, typename T>
void fold_side_by_side(const ReducePlan& p, const T* x, int64_t o, int64_t n, int64_t begin,
                       int64_t end, bool with_tail, typename Types<T, Op>::Total* out) {
  using Total = typename Types<T, Op>::Total;
  Total total[kTile];
  fold_columns<Op>(p, x, o, 0, n * p.lanes, begin, end, total);
  const T* tail = x + p.tail_offset + o * p.lanes;
  for (int64_t k = 0; k < n; ++k) {
    Total* own = total + k * p.lanes;
    if (with_tail)
      for (int64_t i = 0; i < p.tail_valid; ++i)
        own[i] = Op::join(own[i], static_cast<Total>(tail[k * p.lanes + i]));
    for (int64_t half = p.lanes / 2; half > 0; half /= 2)
      for (int64_t i = 0; i < half; ++i) own[i] = Op::join(own[i], own[i + half]);
    out[k] = own[0];
  }
}

template <typename T, typename Total>
T finished(const ReducePlan& p, Total total) {
  if constexpr (std::is_floating_point_v<T>)
    return static_cast<T>(p.divisor == 1 ? total : total / static_cast<Total>(p.divisor));
  else
    return static_cast<T>(total);
}

template <class Op, typename T>
void reduce_typed(const ReducePlan& p, const T* x, T* y, void* scratch) {
  using Total = typename Types<T, Op>::Total;
  Total* partial = static_cast<Total*>(scratch);
  const int64_t width = p.columns ? p.inner : 1, outputs = p.keep_count * width;
  const int64_t tiles = p.columns ? (p.inner + kTile - 1) / kTile : 1,
                items = p.fold_count * p.segments;
  const int64_t tasks = p.keep_count * tiles,
                cost =
                    std::max<int64_t>(1, items * std::min(p.inner, p.columns ? kTile : kSegment));
  const int64_t grain = std::max<int64_t>(1, 16384 * p.splits / cost);
  const bool together = side_by_side(p);
  parallel_for(tasks * p.splits, grain, [&](int64_t from, int64_t to) {
    for (int64_t t = from; t < to;) {
      const int64_t split = t / tasks, o = t % tasks / tiles, first = t % tiles * kTile;
      const int64_t begin = items * split / p.splits, end = items * (split + 1) / p.splits;
      const bool with_tail = p.tail_valid > 0 && split + 1 == p.splits;
      Total total[kTile];
      int64_t n = 1, done = 1;  // results made, tasks done
      if (p.columns) {
        n = std::min(kTile, p.inner - first);
        fold_columns<Op>(p, x, o, first, n, begin, end, total);
      } else if (together) {
        n = done = std::min({kTile / p.lanes, to - t, tasks - o});
        fold_side_by_side<Op>(p, x, o, n, begin, end, with_tail, total);
      } else {
        total[0] = fold_rows<Op>(p, x, o, begin, end);
        if (with_tail) total[0] = Op::join(total[0], fold_tail<Op>(p, x, o));
      }
      for (int64_t i = 0; i < n; ++i) {
        if (p.splits == 1)
          y[o * width + first + i] = finished<T>(p, total[i]);
        else
          partial[split * outputs + o * width + first + i] = total[i];
      }
      t += done;
    }
  });
  if (p.splits == 1) return;
  for (int64_t o = 0; o < outputs; ++o) {
    Total total = partial[o];
    for (int64_t s = 1; s < p.splits; ++s) total = Op::join(total, partial[s * outputs + o]);
    y[o] = finished<T>(p, total);
  }
}

template <typename T>
void reduce_any(const ReducePlan& p, const void* x, void* y, void* scratch) {
  const T* in = static_cast<const T*>(x);
  T* out = static_cast<T*>(y);
  switch (p.fold) {
    case Fold::sum:
      return reduce_typed<SumOp>(p, in, out, scratch);
    case Fold::prod:
      return reduce_typed<ProdOp>(p, in, out, scratch);
    case Fold::max:
      return reduce_typed<MaxOp>(p, in, out, scratch);
    case Fold::min:
      return reduce_typed<MinOp>(p, in, out, scratch);
  }
}

void reduce_f32(const ReducePlan& p, const void* x, void* y, void* s) {
  reduce_any<float>(p, x, y, s);
}
void reduce_f64(const ReducePlan& p, const void* x, void* y, void* s) {
  reduce_any<double>(p, x, y, s);
}

#if HWY_ONCE
/// Integers, at the portable level: sums of labels and counts are never long.
void reduce_integers(const ReducePlan& p, const void* x, void* y, void* s) {
  switch (p.dtype) {
    case DType::i8:
      return reduce_any<int8_t>(p, x, y, s);
    case DType::u8:
      return reduce_any<uint8_t>(p, x, y, s);
    case DType::i16:
      return reduce_any<int16_t>(p, x, y, s);
    case DType::i32:
      return reduce_any<int32_t>(p, x, y, s);
    case DType::i64:
      return reduce_any<int64_t>(p, x, y, s);
    default:
      internal_error("reduction of {}", name_of(p.dtype));
  }
}
#endif

}  // namespace trivium::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu {

HWY_EXPORT(reduce_f32);
HWY_EXPORT(reduce_f64);

void ReducePlan::finish() {
  keep_count = fold_count = 1;
  for (int64_t n : keep_sizes) keep_count *= n;
  for (int64_t n : fold_sizes) fold_count *= n;
  constexpr int64_t kSegment = 32768, kTile = 256, kMostSplits = 32, kSmall = 65536;
  segments = columns ? 1 : std::max<int64_t>(1, (inner + kSegment - 1) / kSegment);
  const int64_t tasks = keep_count * (columns ? (inner + kTile - 1) / kTile : 1);
  const int64_t items = fold_count * segments, elements = keep_count * fold_count * inner;
  splits = 1;
  if (tasks > 0 && tasks < kMostSplits / 2 && elements > kSmall)
    splits = std::clamp<int64_t>(std::min(items, elements / (kSmall / 4)), 1, kMostSplits / tasks);
}

size_t ReducePlan::scratch_bytes() const {
  if (splits == 1) return 0;
  return static_cast<size_t>(splits * keep_count * (columns ? inner : 1)) * sizeof(double);
}

void run_reduce(const ReducePlan& p, const void* x, void* y, void* scratch) {
  if (p.keep_count == 0 || (p.columns && p.inner == 0)) return;
  switch (p.dtype) {
    case DType::f32:
      return HWY_DYNAMIC_DISPATCH(reduce_f32)(p, x, y, scratch);
    case DType::f64:
      return HWY_DYNAMIC_DISPATCH(reduce_f64)(p, x, y, scratch);
    default:
      return HWY_STATIC_DISPATCH(reduce_integers)(p, x, y, scratch);
  }
}

}  // namespace trivium::cpu
#endif
