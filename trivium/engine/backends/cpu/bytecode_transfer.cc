#include "trivium/engine/backends/cpu/bytecode_transfer.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "trivium/engine/core/error.h"
#include "trivium/engine/core/half.h"

namespace trivium::cpu::detail {
namespace {

/// One element. Lanes past the end of a batch block hold any byte, which as a bool is undefined.
template <typename T, typename From>
T element(const From* src) {
  if constexpr (std::is_same_v<From, bool>)
    return static_cast<T>(*reinterpret_cast<const uint8_t*>(src) != 0);
  else
    return static_cast<T>(*src);
}

template <typename From, typename T>
void load_run(const From* src, int64_t stride, int64_t n, T* dst) {
  if (stride == 0) return void(std::fill_n(dst, n, element<T>(src)));
  if (stride == 1) {
    for (int64_t i = 0; i < n; ++i) dst[i] = element<T>(src + i);
    return;
  }
  for (int64_t i = 0; i < n; ++i) dst[i] = element<T>(src + i * stride);
}

/// Position of a walk: an index per axis and the element it stands on.
struct Cursor {
  int64_t index[Shape::kMaxRank];
  int64_t offset = 0;

  Cursor(const Walk& walk, int64_t start) {
    for (int axis = walk.rank - 1; axis >= 0; --axis) {
      index[axis] = start % walk.sizes[axis];
      start /= walk.sizes[axis];
      offset += index[axis] * walk.strides[axis];
    }
  }

  /// Moves along the last axis, which has at least `count` elements left, and carries.
  void advance(const Walk& walk, int64_t count) {
    int axis = walk.rank - 1;
    index[axis] += count;
    offset += count * walk.strides[axis];
    while (index[axis] == walk.sizes[axis]) {
      offset -= walk.sizes[axis] * walk.strides[axis];
      index[axis] = 0;
      if (axis == 0) return;
      --axis;
      ++index[axis];
      offset += walk.strides[axis];
    }
  }
};

constexpr int64_t kShortRun = 64;

/// A walk whose last axis is short and repeats along the one before it (a number for each lane of a
/// block): every run is read once, then copied from what is in the tile.
template <typename From, typename T>
void load_repeated(const Walk& walk, const From* src, int64_t start, int64_t n, T* dst) {
  const int last = walk.rank - 1;
  const int64_t period = walk.sizes[last];
  for (Cursor at(walk, start); n > 0;) {
    const int64_t repeats = walk.sizes[last - 1] - at.index[last - 1];
    const int64_t count = std::min(n, repeats * period - at.index[last]);
    const int64_t first = std::min(count, period - at.index[last]);
    load_run(src + at.offset, walk.strides[last], first, dst);
    const From* row = src + at.offset - at.index[last] * walk.strides[last];
    load_run(row, walk.strides[last], std::min(period, count) - first, dst + first);
    for (int64_t have = period; have < count; have *= 2)
      std::copy_n(dst, std::min(have, count - have), dst + have);
    dst += count;
    n -= count;
    if (n == 0) return;
    at = Cursor(walk, start += count);
  }
}

template <typename From, typename T>
void load(const Walk& walk, const void* base, int64_t start, int64_t n, T* dst) {
  const From* src = static_cast<const From*>(base);
  if (walk.rank == 0) return load_run(src, 0, n, dst);
  const int last = walk.rank - 1;
  if (last > 0 && walk.strides[last - 1] == 0 && walk.sizes[last] < kShortRun)
    return load_repeated(walk, src, start, n, dst);
  for (Cursor at(walk, start); n > 0;) {
    const int64_t run = std::min(n, walk.sizes[last] - at.index[last]);
    load_run(src + at.offset, walk.strides[last], run, dst);
    at.advance(walk, run);
    dst += run;
    n -= run;
  }
}

/// Float to integer as C converts through int64; values int64 cannot hold give 0.
template <typename To, typename T>
To convert(T x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (!std::is_integral_v<To> || std::is_integral_v<T>) {
    return static_cast<To>(x);
  } else {
    return std::abs(x) < T(0x1p63) ? static_cast<To>(static_cast<int64_t>(x)) : To(0);
  }
}

template <typename To, typename T>
void store(const T* src, void* base, int64_t start, int64_t n) {
  To* dst = static_cast<To*>(base) + start;
  for (int64_t i = 0; i < n; ++i) dst[i] = convert<To>(src[i]);
}

}  // namespace

Walk collapse(const Shape& space, const int64_t* strides) {
  Walk walk;
  for (int axis = 0; axis < space.rank(); ++axis) {
    if (space[axis] == 1) continue;
    const int last = walk.rank - 1;
    if (last >= 0 && walk.strides[last] == strides[axis] * space[axis]) {
      walk.sizes[last] *= space[axis];
      walk.strides[last] = strides[axis];
      continue;
    }
    walk.sizes[walk.rank] = space[axis];
    walk.strides[walk.rank++] = strides[axis];
  }
  if (walk.rank == 1 && walk.strides[0] == 0) walk.rank = 0;
  return walk;
}

template <typename T>
void store_walk(const Walk& walk, StoreFunction<T> store, const T* src, void* base, int64_t start,
                int64_t n) {
  const int last = walk.rank - 1;
  for (Cursor at(walk, start); n > 0;) {
    const int64_t run = std::min(n, walk.sizes[last] - at.index[last]);
    store(src, base, at.offset, run);
    at.advance(walk, run);
    src += run;
    n -= run;
  }
}

template <typename T>
LoadFunction<T> load_function(DType from) {
  switch (from) {
    case DType::f32:
      return load<float, T>;
    case DType::f64:
      return load<double, T>;
    case DType::i8:
      return load<int8_t, T>;
    case DType::u8:
      return load<uint8_t, T>;
    case DType::i16:
      return load<int16_t, T>;
    case DType::i32:
      return load<int32_t, T>;
    case DType::i64:
      return load<int64_t, T>;
    case DType::bool_:
      return load<bool, T>;
    case DType::f16:
      return load<Half, T>;
    case DType::bf16:
      return load<BFloat, T>;
    default:
      internal_error("elementwise kernel reads {}", name_of(from));
  }
}

template <typename T>
StoreFunction<T> store_function(DType to) {
  switch (to) {
    case DType::f32:
      return store<float, T>;
    case DType::f64:
      return store<double, T>;
    case DType::i8:
      return store<int8_t, T>;
    case DType::u8:
      return store<uint8_t, T>;
    case DType::i16:
      return store<int16_t, T>;
    case DType::i32:
      return store<int32_t, T>;
    case DType::i64:
      return store<int64_t, T>;
    case DType::bool_:
      return store<bool, T>;
    case DType::f16:
      return store<Half, T>;
    case DType::bf16:
      return store<BFloat, T>;
    default:
      internal_error("elementwise kernel writes {}", name_of(to));
  }
}

template LoadFunction<float> load_function<float>(DType);
template LoadFunction<double> load_function<double>(DType);
template LoadFunction<int64_t> load_function<int64_t>(DType);
template StoreFunction<float> store_function<float>(DType);
template void store_walk<float>(const Walk&, StoreFunction<float>, const float*, void*, int64_t,
                                int64_t);
template StoreFunction<double> store_function<double>(DType);
template void store_walk<double>(const Walk&, StoreFunction<double>, const double*, void*, int64_t,
                                 int64_t);
template StoreFunction<int64_t> store_function<int64_t>(DType);
template void store_walk<int64_t>(const Walk&, StoreFunction<int64_t>, const int64_t*, void*,
                                  int64_t, int64_t);

}  // namespace trivium::cpu::detail
