// Half-precision elements: IEEE binary16 and bfloat16 as storage, read and written as float.
#pragma once

#include <bit>
#include <cstdint>

#include "trivium/engine/core/dtype.h"

namespace trivium {

/// A float in 16 bits with 5 bits of exponent; rounds to nearest even, too large becomes infinite.
struct Half {
  uint16_t bits = 0;
  Half() = default;
  explicit Half(float value);
  operator float() const;
};

/// The upper half of a float; rounds to nearest even.
struct BFloat {
  uint16_t bits = 0;
  BFloat() = default;
  explicit BFloat(float value) {
    const uint32_t wide = std::bit_cast<uint32_t>(value);
    const bool nan = (wide & 0x7fffffffu) > 0x7f800000u;
    bits = nan ? static_cast<uint16_t>(wide >> 16 | 0x40)
               : static_cast<uint16_t>((wide + 0x7fffu + (wide >> 16 & 1)) >> 16);
  }
  operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
};

inline Half::Half(float value) {
  const uint32_t wide = std::bit_cast<uint32_t>(value);
  const uint32_t sign = wide >> 16 & 0x8000u, size = wide & 0x7fffffffu;
  if (size > 0x7f800000u) {  // NaN
    bits = static_cast<uint16_t>(sign | 0x7e00u | (size >> 13 & 0x3ffu));
  } else if (size >= 0x477ff000u) {  // rounds to 2^16 or more
    bits = static_cast<uint16_t>(sign | 0x7c00u);
  } else if (size >= 0x38800000u) {  // normal: rebias the exponent, round off 13 bits
    bits = static_cast<uint16_t>(sign | (size - 0x38000000u + 0xfffu + (size >> 13 & 1)) >> 13);
  } else {  // a multiple of 2^-24: the sum with 0.5 rounds there
    const float shifted = std::bit_cast<float>(size) + 0.5f;
    bits = static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u));
  }
}

inline Half::operator float() const {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16, size = bits & 0x7fffu;
  if (size >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (size & 0x3ffu) << 13);
  if (size >= 0x400u) return std::bit_cast<float>(sign | ((size << 13) + 0x38000000u));
  const float small = static_cast<float>(size) * 0x1p-24f;
  return sign ? -small : small;
}

template <>
struct DTypeOf<Half> {
  static constexpr DType value = DType::f16;
};
template <>
struct DTypeOf<BFloat> {
  static constexpr DType value = DType::bf16;
};

}  // namespace trivium
