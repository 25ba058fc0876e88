// Axes that step together are merged first. The last axis is the one the written side is contiguous
// in; when the read side is contiguous in another axis, the two are walked in square tiles.
#include "trivium/engine/backends/cpu/strided_copy.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "trivium/engine/backends/cpu/nblock_transform.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::cpu {
namespace {

constexpr int64_t kTile = 16;
constexpr int64_t kGrainElements = 16384;

/// Position in the outer axes of a box, moved on row by row.
struct Walk {
  const StridedCopy& c;
  int outer;
  std::array<int64_t, 16> at{};
  int64_t from, to;

  Walk(const StridedCopy& copy, int outer_axes, int64_t row)
      : c(copy), outer(outer_axes), from(copy.from_offset), to(copy.to_offset) {
    for (int d = outer - 1; d >= 0; --d) {
      at[d] = row % c.sizes[d];
      row /= c.sizes[d];
      from += at[d] * c.from_strides[d];
      to += at[d] * c.to_strides[d];
    }
  }
  void next() {
    for (int d = outer - 1; d >= 0; --d) {
      from += c.from_strides[d];
      to += c.to_strides[d];
      if (++at[d] < c.sizes[d]) return;
      from -= c.from_strides[d] * c.sizes[d];
      to -= c.to_strides[d] * c.sizes[d];
      at[d] = 0;
    }
  }
};

/// to[j][i] = from[i][j] for i < rows (stride from_row, to 1), j < columns (stride from 1,
/// to_column). The tile between the two is [columns][kTile].
template <typename T>
void turn(const T* from, int64_t from_row, int64_t rows, int64_t columns, T* to,
          int64_t to_column) {
  constexpr int64_t kColumns = 64;
  T tile[kColumns * kTile];
  for (int64_t j0 = 0; j0 < columns; j0 += kColumns) {
    const int64_t nj = std::min(kColumns, columns - j0);
    for (int64_t i0 = 0; i0 < rows; i0 += kTile) {
      const int64_t ni = std::min(kTile, rows - i0);
      const T* corner = from + i0 * from_row + j0;
      if constexpr (sizeof(T) == sizeof(float)) {  // a move of bits: what they mean does not matter
        nblock::rows_to_block(reinterpret_cast<const float*>(corner), from_row, nj, ni, kTile,
                              reinterpret_cast<float*>(tile));
      } else {
        for (int64_t i = 0; i < ni; ++i)
          for (int64_t j = 0; j < nj; ++j) tile[j * kTile + i] = corner[i * from_row + j];
      }
      for (int64_t j = 0; j < nj; ++j) {
        T* out = to + (j0 + j) * to_column + i0;
        if (ni == kTile)
          std::memcpy(out, tile + j * kTile, kTile * sizeof(T));
        else
          std::memcpy(out, tile + j * kTile, static_cast<size_t>(ni) * sizeof(T));
      }
    }
  }
}

}  // namespace

void StridedCopy::finish() {
  count_ = 1;
  for (int64_t n : sizes) count_ *= n;
  std::vector<int64_t> n, f, t;
  for (size_t d = 0; d < sizes.size(); ++d) {
    if (sizes[d] == 1) continue;
    if (!n.empty() && f.back() == from_strides[d] * sizes[d] &&
        t.back() == to_strides[d] * sizes[d]) {
      n.back() *= sizes[d], f.back() = from_strides[d], t.back() = to_strides[d];
    } else {
      n.push_back(sizes[d]), f.push_back(from_strides[d]), t.push_back(to_strides[d]);
    }
  }
  if (n.empty()) n = {1}, f = {1}, t = {1};
  sizes = n, from_strides = f, to_strides = t;
  if (sizes.size() > 16) internal_error("a strided copy of {} axes", sizes.size());
  const size_t last = sizes.size() - 1;
  inner_ = Inner::strided;
  if (t[last] != 1) return;
  if (f[last] == 1)
    inner_ = Inner::copy;
  else if (f[last] == 0)
    inner_ = Inner::repeat;
  else {
    // The axis in which the read side is contiguous becomes the one before the last.
    for (size_t d = 0; d < last; ++d) {
      if (f[d] != 1 || sizes[d] < 4 || sizes[last] < 4) continue;
      for (auto* list : {&sizes, &from_strides, &to_strides}) {
        const int64_t value = (*list)[d];
        list->erase(list->begin() + static_cast<int64_t>(d));
        list->insert(list->end() - 1, value);
      }
      inner_ = Inner::transpose;
      break;
    }
  }
}

template <typename T>
void StridedCopy::run_typed(const T* from, T* to) const {
  const int rank = static_cast<int>(sizes.size());
  const int64_t n = sizes[rank - 1], step_from = from_strides[rank - 1],
                step_to = to_strides[rank - 1];
  if (inner_ == Inner::transpose) {
    const int64_t columns = sizes[rank - 2],
                  stripe = std::max<int64_t>(kTile, kGrainElements / n / kTile * kTile);
    const int64_t stripes = (columns + stripe - 1) / stripe, planes = count_ / (n * columns);
    parallel_for(planes * stripes,
                 std::max<int64_t>(1, kGrainElements / (n * std::min(columns, stripe))),
                 [&](int64_t begin, int64_t end) {
                   Walk walk(*this, rank - 2, begin / stripes);
                   for (int64_t i = begin; i < end; ++i) {
                     const int64_t j = i % stripes * stripe;
                     turn(from + walk.from + j, step_from, n, std::min(stripe, columns - j),
                          to + walk.to + j * to_strides[rank - 2], to_strides[rank - 2]);
                     if (i % stripes == stripes - 1) walk.next();
                   }
                 });
    return;
  }
  if (rank == 1 && inner_ == Inner::copy) {
    parallel_for(n, kGrainElements * 4, [&](int64_t begin, int64_t end) {
      std::memcpy(to + to_offset + begin, from + from_offset + begin,
                  static_cast<size_t>(end - begin) * sizeof(T));
    });
    return;
  }
  if (rank == 1 && inner_ == Inner::repeat) {
    parallel_for(n, kGrainElements * 4, [&](int64_t begin, int64_t end) {
      std::fill(to + to_offset + begin, to + to_offset + end, from[from_offset]);
    });
    return;
  }
  parallel_for(count_ / n, std::max<int64_t>(1, kGrainElements / n),
               [&](int64_t begin, int64_t end) {
                 Walk walk(*this, rank - 1, begin);
                 for (int64_t row = begin; row < end; ++row, walk.next()) {
                   const T* x = from + walk.from;
                   T* y = to + walk.to;
                   switch (inner_) {
                     case Inner::copy:
                       std::memcpy(y, x, static_cast<size_t>(n) * sizeof(T));
                       break;
                     case Inner::repeat:
                       std::fill_n(y, n, *x);
                       break;
                     default:
                       for (int64_t i = 0; i < n; ++i) y[i * step_to] = x[i * step_from];
                   }
                 }
               });
}

void StridedCopy::run(const void* from, void* to) const {
  if (count_ == 0) return;
  switch (element_bytes) {
    case 1:
      return run_typed(static_cast<const uint8_t*>(from), static_cast<uint8_t*>(to));
    case 2:
      return run_typed(static_cast<const uint16_t*>(from), static_cast<uint16_t*>(to));
    case 4:
      return run_typed(static_cast<const uint32_t*>(from), static_cast<uint32_t*>(to));
    case 8:
      return run_typed(static_cast<const uint64_t*>(from), static_cast<uint64_t*>(to));
    default:
      internal_error("elements of {} bytes", element_bytes);
  }
}

namespace {

/// The walk of a channel-blocked result: [N][C/B][rest…][B]. A plain operand may have one channel,
/// which repeats, or all of them.
std::vector<int64_t> walk_channels(const run::TensorDesc& in, const run::TensorDesc& out) {
  std::vector<int64_t> strides(static_cast<size_t>(out.physical().rank()), 0);
  const int rank = in.shape.rank(), missing = out.shape.rank() - rank;
  const bool blocked = in.format.kind == run::Format::channels;
  const auto dense = strides_of(in.physical());
  for (int axis = 0; axis < rank; ++axis)
    if (in.shape[axis] != 1 || (axis == 1 && blocked)) strides[missing + axis] = dense[axis];
  if (blocked) {
    strides.back() = 1;
  } else if (missing <= 1 && rank > 1 - missing && in.shape[1 - missing] != 1) {
    strides.back() = strides[1];
    strides[1] *= out.format.lanes;
  }
  return strides;
}

}  // namespace

std::vector<int64_t> walk_strides(const run::TensorDesc& in, const run::TensorDesc& out) {
  using run::Format;
  std::vector<int64_t> strides(out.physical().rank(), 0);
  const int rank = in.shape.rank(), missing = out.shape.rank() - rank;
  auto dense = strides_of(in.physical());
  std::copy(in.strides.begin(), in.strides.end(), dense.begin());
  if (out.format.kind == Format::channels) return walk_channels(in, out);
  const bool blocked = in.format.kind == Format::nblock;
  for (int axis = 0; axis < rank; ++axis)
    if (in.shape[axis] != 1 || (axis == 0 && blocked)) strides[missing + axis] = dense[axis];
  if (blocked) strides.back() = 1;
  return strides;
}

}  // namespace trivium::cpu
