// Element types. Adding one means one row in dtype.cc and the kernels that take it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace trivium {

enum class DType : uint8_t { f32, f64, f16, bf16, i8, u8, i16, i32, i64, bool_ };

size_t size_of(DType dtype);
/// "float32", "int64", "bool", …: the names of NumPy.
const char* name_of(DType dtype);
/// Inverse of name_of; UserError for an unknown name.
DType parse_dtype(const std::string& name);
inline bool is_floating(DType d) { return d <= DType::bf16; }
inline bool is_integer(DType d) { return d >= DType::i8 && d <= DType::i64; }

template <typename T>
struct DTypeOf;
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
template <>
struct DTypeOf<int8_t> {
  static constexpr DType value = DType::i8;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct DTypeOf<int16_t> {
  static constexpr DType value = DType::i16;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::bool_;
};
template <typename T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

}  // namespace trivium
