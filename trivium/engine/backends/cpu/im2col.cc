// Columns [c * kernel, out positions] of one image, and back. Row r of the columns is one channel
// at one kernel place: a strided copy of the image with zeros where the window leaves it.
#include "trivium/engine/backends/cpu/im2col.h"

#include <algorithm>
#include <array>

#include "trivium/engine/core/parallel.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

constexpr int64_t kMostLanes = 16;
constexpr int64_t kMostScratch = 128 << 20;

size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

/// First and one past the last output position whose input `o * stride + offset` is in [0, in).
struct Span {
  int64_t first, last;
};
Span inside(int64_t in, int64_t out, int64_t stride, int64_t offset) {
  const int64_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
  const int64_t last = in - offset <= 0 ? 0 : (in - offset - 1) / stride + 1;
  return {std::min(first, out), std::clamp(last, std::min(first, out), out)};
}

/// Calls line(image offset or -1, row offset) for each line along the last axis of one columns row.
template <typename Line>
void for_each_line(const ConvGeometry& g, const std::array<int64_t, 8>& place, const Line& line) {
  const int rank = static_cast<int>(g.out.size()), outer = rank - 1;
  std::array<int64_t, 8> at{};
  const int64_t width = g.out.back();
  int64_t lines = 1;
  for (int d = 0; d < outer; ++d) lines *= g.out[d];
  for (int64_t i = 0; i < lines; ++i) {
    int64_t offset = 0;
    bool valid = true;
    for (int d = 0; d < outer; ++d) {
      const int64_t p = at[d] * g.strides[d] + place[d] * g.dilations[d] - g.begin[d];
      valid &= p >= 0 && p < g.in[d];
      offset = offset * g.in[d] + p;
    }
    line(valid ? offset * g.in.back() : -1, i * width);
    for (int d = outer - 1; d >= 0 && ++at[d] == g.out[d]; --d) at[d] = 0;
  }
}

/// Walks all rows of the columns: row(channel, place along each axis, row number).
template <typename Row>
void for_each_row(const ConvGeometry& g, const Row& row) {
  std::array<int64_t, 8> place{};
  const int64_t count = g.kernel_count();
  const int rank = static_cast<int>(g.kernel.size());
  for (int64_t c = 0; c < g.channels(); ++c) {
    for (int64_t k = 0; k < count; ++k) {
      row(c, place, c * count + k);
      for (int d = rank - 1; d >= 0 && ++place[d] == g.kernel[d]; --d) place[d] = 0;
    }
  }
}

template <typename T>
void unroll(const ConvGeometry& g, const T* image, T* columns) {
  const int64_t in = g.in_count(), out = g.out_count(), width = g.out.back();
  for_each_row(g, [&](int64_t c, const std::array<int64_t, 8>& place, int64_t row) {
    const int64_t stride = g.strides.back();
    const int64_t shift = place[g.kernel.size() - 1] * g.dilations.back() - g.begin.back();
    const Span span = inside(g.in.back(), width, stride, shift);
    for_each_line(g, place, [&](int64_t offset, int64_t at) {
      T* to = columns + row * out + at;
      if (offset < 0) return std::fill_n(to, width, T(0)), void();
      const T* from = image + c * in + offset + shift;
      std::fill_n(to, span.first, T(0));
      if (stride == 1)
        std::copy(from + span.first, from + span.last, to + span.first);
      else
        for (int64_t i = span.first; i < span.last; ++i) to[i] = from[i * stride];
      std::fill(to + span.last, to + width, T(0));
    });
  });
}

/// Adds the columns back to where they came from; `image` starts as zeros.
template <typename T>
void roll(const ConvGeometry& g, const T* columns, T* image) {
  const int64_t in = g.in_count(), out = g.out_count(), width = g.out.back();
  std::fill_n(image, g.channels() * in, T(0));
  for_each_row(g, [&](int64_t c, const std::array<int64_t, 8>& place, int64_t row) {
    const int64_t stride = g.strides.back();
    const int64_t shift = place[g.kernel.size() - 1] * g.dilations.back() - g.begin.back();
    const Span span = inside(g.in.back(), width, stride, shift);
    for_each_line(g, place, [&](int64_t offset, int64_t at) {
      if (offset < 0) return;
      const T* from = columns + row * out + at;
      T* to = image + c * in + offset + shift;
      for (int64_t i = span.first; i < span.last; ++i) to[i * stride] += from[i];
    });
  });
}

}  // namespace

int64_t ConvGeometry::in_count() const { return ops::product(in); }
int64_t ConvGeometry::out_count() const { return ops::product(out); }
int64_t ConvGeometry::kernel_count() const { return ops::product(kernel); }

template <typename T>
ColumnConv<T>::ColumnConv(Pass pass, ConvGeometry geometry, bool relu)
    : pass_(pass), g_(std::move(geometry)) {
  const int64_t rows = g_.rows(), out = g_.out_count(), filters = g_.filters();
  if (pass == Pass::forward) {  // y [filters, out] = w [filters, rows] * columns [rows, out]
    gemm_ = {.m = filters, .n = out, .k = rows, .lda = rows, .ldb = out, .ldc = out};
    gemm_.bias_per_row = true;
    gemm_.relu = relu;
  } else if (pass == Pass::backward_data) {  // columns = wᵀ * dy
    gemm_ = {.m = rows,
             .n = out,
             .k = filters,
             .transpose_a = true,
             .lda = rows,
             .ldb = out,
             .ldc = out};
  } else {  // dw [filters, rows] += dy [filters, out] * columnsᵀ
    gemm_ = {.m = filters,
             .n = rows,
             .k = out,
             .transpose_b = true,
             .lda = out,
             .ldb = out,
             .ldc = rows};
  }
  columns_bytes_ = rounded(static_cast<size_t>(rows * out) * sizeof(T));
  gemm_bytes_ = rounded(gemm_scratch_bytes(gemm_, sizeof(T)));
  if (pass == Pass::backward_weights)
    partial_bytes_ = rounded(static_cast<size_t>(g_.o * rows) * sizeof(T));
  const int64_t one = static_cast<int64_t>(columns_bytes_ + gemm_bytes_ + partial_bytes_);
  lanes_ = std::clamp<int64_t>(kMostScratch / std::max<int64_t>(1, one), 1, kMostLanes);
  lanes_ = std::max<int64_t>(1, std::min(lanes_, g_.n));
}

template <typename T>
size_t ColumnConv<T>::scratch_bytes() const {
  return (columns_bytes_ + gemm_bytes_ + partial_bytes_) * static_cast<size_t>(lanes_);
}

template <typename T>
void ColumnConv<T>::forward(const T* x, const T* w, const T* bias, T* y, int64_t n, T* columns,
                            void* gemm_scratch) const {
  for (int64_t q = 0; q < g_.groups; ++q) {
    unroll(g_, x + (n * g_.groups + q) * g_.channels() * g_.in_count(), columns);
    gemm(gemm_, w + q * g_.filters() * g_.rows(), columns, bias ? bias + q * g_.filters() : nullptr,
         y + (n * g_.groups + q) * g_.filters() * g_.out_count(), gemm_scratch, lanes_ == 1);
  }
}

template <typename T>
void ColumnConv<T>::backward_data(const T* dy, const T* w, T* dx, int64_t n, T* columns,
                                  void* gemm_scratch) const {
  for (int64_t q = 0; q < g_.groups; ++q) {
    gemm(gemm_, w + q * g_.filters() * g_.rows(),
         dy + (n * g_.groups + q) * g_.filters() * g_.out_count(), static_cast<const T*>(nullptr),
         columns, gemm_scratch, lanes_ == 1);
    roll(g_, columns, dx + (n * g_.groups + q) * g_.channels() * g_.in_count());
  }
}

template <typename T>
void ColumnConv<T>::backward_weights(const T* x, const T* dy, T* dw, int64_t n, bool first,
                                     T* columns, void* gemm_scratch) const {
  GemmShape shape = gemm_;
  shape.accumulate = !first;
  for (int64_t q = 0; q < g_.groups; ++q) {
    unroll(g_, x + (n * g_.groups + q) * g_.channels() * g_.in_count(), columns);
    gemm(shape, dy + (n * g_.groups + q) * g_.filters() * g_.out_count(), columns,
         static_cast<const T*>(nullptr), dw + q * g_.filters() * g_.rows(), gemm_scratch,
         lanes_ == 1);
  }
}

template <typename T>
void ColumnConv<T>::run(const T* a, const T* b, const T* bias, T* out, void* scratch) const {
  const size_t part = columns_bytes_ + gemm_bytes_ + partial_bytes_;
  const auto base = [&](int64_t lane) {
    return static_cast<char*>(scratch) + static_cast<size_t>(lane) * part;
  };
  const auto partial = [&](int64_t lane) {
    return reinterpret_cast<T*>(base(lane) + columns_bytes_ + gemm_bytes_);
  };
  const int64_t weights = g_.o * g_.rows();
  if (g_.n == 0 && pass_ == Pass::backward_weights) std::fill_n(out, weights, T(0));
  parallel_chunks(g_.n == 0 ? 0 : lanes_, [&](int64_t lane) {
    T* columns = reinterpret_cast<T*>(base(lane));
    void* gemm_scratch = base(lane) + columns_bytes_;
    const int64_t begin = g_.n * lane / lanes_, end = g_.n * (lane + 1) / lanes_;
    for (int64_t n = begin; n < end; ++n) {
      if (pass_ == Pass::forward)
        forward(a, b, bias, out, n, columns, gemm_scratch);
      else if (pass_ == Pass::backward_data)
        backward_data(a, b, out, n, columns, gemm_scratch);
      else
        backward_weights(a, b, lane == 0 ? out : partial(lane), n, n == begin, columns,
                         gemm_scratch);
    }
  });
  if (pass_ != Pass::backward_weights) return;
  for (int64_t lane = 1; lane < lanes_; ++lane) {  // a fixed order, whatever the number of threads
    const T* p = partial(lane);
    for (int64_t i = 0; i < weights; ++i) out[i] += p[i];
  }
}

template class ColumnConv<float>;
template class ColumnConv<double>;

}  // namespace trivium::cpu
