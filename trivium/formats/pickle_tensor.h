// Tensors as files describe them: a window (offset, sizes, strides) on a storage that several
// tensors may share. array_of() turns one into an Array, without a copy where the window is plain.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"

namespace trivium::formats {

/// Element types that occur in files. The first ten are those of DType, in its order; unsigned ones
/// are widened by array_of(), the others can be listed and copied from file to file only.
enum class ElementType : uint8_t {
  f32,
  f64,
  f16,
  bf16,
  i8,
  u8,
  i16,
  i32,
  i64,
  bool_,
  u16,
  u32,
  u64,
  c64,
  c128,
  f8_e4m3fn,
  f8_e5m2,
  f8_e4m3fnuz,
  f8_e5m2fnuz,
  f8_e8m0fnu,
};

/// "float32", "complex64", …: PyTorch's name without "torch.".
const char* name_of(ElementType type);
size_t size_of(ElementType type);
/// Inverse of name_of; false for an unknown name.
bool find_element_type(std::string_view name, ElementType* type);
/// The type that keeps `dtype` unchanged.
ElementType element_type_of(DType dtype);

/// One block of elements in a file. After loading, `buffer` holds it from `offset_bytes` on.
struct TorchStorage {
  std::string key;               ///< its name in the file; empty for one made here
  std::string location = "cpu";  ///< where it lived when it was saved: "cpu", "cuda:0", …
  ElementType type = ElementType::f32;
  bool untyped = false;  ///< `count` are bytes whatever the tensors on it hold
  int64_t count = 0;     ///< elements
  std::shared_ptr<Buffer> buffer;
  uint64_t offset_bytes = 0;

  uint64_t bytes() const { return static_cast<uint64_t>(count) * size_of(type); }
};

struct TorchTensor {
  std::shared_ptr<TorchStorage> storage;
  ElementType type = ElementType::f32;
  int64_t offset = 0;  ///< elements from the start of the storage
  std::vector<int64_t> size, stride;
  bool requires_grad = false;
  bool parameter = false;

  /// Number of elements; the loader has checked that it fits.
  int64_t count() const;
  bool contiguous() const;
  /// "float32[64, 10]"
  std::string text() const;
};

/// UserError (naming `where`) unless sizes and strides are of equal length and not negative and
/// every element lies inside the storage; all arithmetic is checked.
void check_window(const TorchTensor& tensor, const std::string& where);

inline constexpr uint64_t kMaxCopiedBytes = uint64_t{1} << 32;

/// The elements in row-major order. A contiguous tensor shares the storage's Buffer; any other is
/// copied, at most `max_bytes` (an expanded tensor can claim far more than the file holds).
/// uint16 becomes int32, uint32 and uint64 become int64 (UserError when a value does not fit).
/// UserError for complex and float8 elements and for more than Shape::kMaxRank axes.
Array array_of(const TorchTensor& tensor, uint64_t max_bytes = kMaxCopiedBytes);
/// True when array_of() copies.
bool needs_copy(const TorchTensor& tensor);

/// A tensor that shares the memory of `array`.
TorchTensor tensor_of(const Array& array);

}  // namespace trivium::formats
