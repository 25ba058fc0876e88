// For the sources of torch_random only: 16-bit floats, and loops over an Array of any dtype.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>
#include <type_traits>
#include <utility>

#include "trivium/engine/core/torch_random.h"

namespace trivium::random::detail {

using Lock = std::lock_guard<std::mutex>;

/// 16-bit floats by their bits; a double is rounded to float32 first.
struct Half {
  uint16_t bits;
  Half() = default;
  explicit Half(double value) : Half(static_cast<float>(value)) {}
  explicit Half(float value) {
    const uint32_t word = std::bit_cast<uint32_t>(value);
    const uint32_t sign = word >> 16 & 0x8000u;
    const float size = std::fabs(value);
    if (!(size < 65520.f)) {  // rounds to infinity, or is NaN
      bits = static_cast<uint16_t>(sign | (std::isnan(value) ? 0x7e00u : 0x7c00u));
      return;
    }
    // Adding this power of two makes the float unit round where half's last bit is.
    const int exponent = std::max<int>(static_cast<int>(word >> 23 & 0xff) - 127, -14);
    const float magic = std::ldexp(1.f, exponent + 13);
    const float rounded = (size + magic) - magic;
    const float units = std::ldexp(rounded, 24);  // in units of the smallest half
    if (rounded < 0x1p-14f) {
      bits = static_cast<uint16_t>(sign | static_cast<uint32_t>(units));
      return;
    }
    const uint32_t r = std::bit_cast<uint32_t>(rounded);
    bits = static_cast<uint16_t>(sign | ((r - (112u << 23)) >> 13));
  }
  explicit operator float() const {
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    float size = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                               : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    if (exponent == 31)
      size = mantissa ? std::numeric_limits<float>::quiet_NaN()
                      : std::numeric_limits<float>::infinity();
    return bits >> 15 ? -size : size;
  }
};

struct Bfloat {
  uint16_t bits;
  Bfloat() = default;
  explicit Bfloat(double value) : Bfloat(static_cast<float>(value)) {}
  explicit Bfloat(float value) {
    const uint32_t word = std::bit_cast<uint32_t>(value);
    bits = static_cast<uint16_t>(std::isnan(value) ? 0x7fc0u
                                                   : (word + 0x7fffu + (word >> 16 & 1u)) >> 16);
  }
  explicit operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
};

template <typename T>
inline constexpr bool kSmallFloat = std::is_same_v<T, Half> || std::is_same_v<T, Bfloat>;

/// Calls f(elements of `out`) with its type; floating dtypes only.
template <typename F>
void visit_floats(const char* name, const Array& out, const F& f) {
  if (!out.defined()) user_error("{}: the array to fill is undefined", name);
  switch (out.dtype()) {
    case DType::f32:
      return f(static_cast<float*>(out.raw()));
    case DType::f64:
      return f(static_cast<double*>(out.raw()));
    case DType::f16:
      return f(static_cast<Half*>(out.raw()));
    case DType::bf16:
      return f(static_cast<Bfloat*>(out.raw()));
    default:
      user_error("{}: expected a floating dtype, received {}", name, out.text());
  }
}

template <typename F>
void visit_all(const char* name, const Array& out, const F& f) {
  if (!out.defined()) user_error("{}: the array to fill is undefined", name);
  switch (out.dtype()) {
    case DType::i8:
      return f(static_cast<int8_t*>(out.raw()));
    case DType::u8:
      return f(static_cast<uint8_t*>(out.raw()));
    case DType::i16:
      return f(static_cast<int16_t*>(out.raw()));
    case DType::i32:
      return f(static_cast<int32_t*>(out.raw()));
    case DType::i64:
      return f(static_cast<int64_t*>(out.raw()));
    case DType::bool_:
      return f(static_cast<bool*>(out.raw()));
    default:
      return visit_floats(name, out, f);
  }
}

template <typename T, typename V>
T converted(V value) {
  if constexpr (kSmallFloat<T>) {
    return T(static_cast<double>(value));
  } else {
    return static_cast<T>(value);
  }
}

/// out[i] = draw(), for every element of any type in `visit`.
template <typename T, typename Draw>
void fill(T* out, int64_t count, const Draw& draw) {
  for (int64_t i = 0; i < count; ++i) out[i] = converted<T>(draw());
}

inline double largest(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return std::numeric_limits<float>::max();
    case DType::f16:
      return 65504;
    case DType::bf16:
      return 0x1.fep127;
    default:
      return std::numeric_limits<double>::max();
  }
}

/// Ends of the whole numbers a dtype holds.
inline std::pair<double, double> whole_numbers(DType dtype) {
  switch (dtype) {
    case DType::bool_:
      return {0, 1};
    case DType::u8:
      return {0, 255};
    case DType::i8:
      return {-128, 127};
    case DType::i16:
      return {-32768, 32767};
    case DType::i32:
      return {-0x1p31, 0x1p31 - 1};
    case DType::i64:
      return {-0x1p63, 0x1p63};
    default:
      return {-largest(dtype), largest(dtype)};
  }
}

}  // namespace trivium::random::detail
