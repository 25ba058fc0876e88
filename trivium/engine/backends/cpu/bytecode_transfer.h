// How tiles enter and leave the interpreter: broadcast, strided and converted operands are expanded
// into a tile, results are converted to the dtype of their array.
#pragma once

#include <cstdint>

#include "trivium/engine/core/dtype.h"
#include "trivium/engine/core/shape.h"

namespace trivium::cpu::detail {

/// An operand as a walk over the row-major iteration space, with axes joined where the walk is
/// uniform.
struct Walk {
  int rank = 0;  // 0: the same element everywhere
  int64_t sizes[Shape::kMaxRank];
  int64_t strides[Shape::kMaxRank];

  bool is_uniform() const { return rank == 0; }
  bool is_contiguous() const { return rank == 1 && strides[0] == 1; }
};

/// Drops axes of size 1 and joins neighbours whose strides continue each other.
Walk collapse(const Shape& space, const int64_t* strides);

/// dst[i] = element start + i of the walk, for i < n.
template <typename T>
using LoadFunction = void (*)(const Walk& walk, const void* base, int64_t start, int64_t n, T* dst);
/// base[start + i] = src[i] converted, for i < n.
template <typename T>
using StoreFunction = void (*)(const T* src, void* base, int64_t start, int64_t n);

/// base[element start + i of the walk] = src[i] converted, for i < n; the walk's last stride is 1.
template <typename T>
void store_walk(const Walk& walk, StoreFunction<T> store, const T* src, void* base, int64_t start,
                int64_t n);

template <typename T>
LoadFunction<T> load_function(DType from);
template <typename T>
StoreFunction<T> store_function(DType to);

}  // namespace trivium::cpu::detail
