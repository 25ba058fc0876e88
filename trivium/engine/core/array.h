// Array: memory with a shape, a dtype and a device. Always plain row-major; copying an Array shares
// the memory, clone() copies it.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "trivium/engine/core/dtype.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/shape.h"

namespace trivium {

/// A block of 64-byte aligned memory; given back when the last Array that uses it goes. Larger
/// blocks are kept for the next of their size (at most half of the most bytes that ever lived at
/// once).
class Buffer {
 public:
  /// EnvironmentError with the size when the memory cannot be had.
  static std::shared_ptr<Buffer> allocate(size_t bytes);
  /// Memory owned by somebody else; `keeper` lives as long as the Buffer.
  static std::shared_ptr<Buffer> wrap(void* data, size_t bytes, std::shared_ptr<void> keeper);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  Buffer(void* data, size_t bytes, std::shared_ptr<void> keeper, bool owned)
      : data_(data), bytes_(bytes), keeper_(std::move(keeper)), owned_(owned) {}
  void* data_;
  size_t bytes_;
  std::shared_ptr<void> keeper_;
  bool owned_;
};

/// Number of Buffers allocated so far in this process: tests assert that steady state adds none.
int64_t buffer_allocations();
/// Bytes in living Buffers now, and the most there ever were.
int64_t buffer_bytes_live();
int64_t buffer_bytes_peak();

class Array {
 public:
  Array() = default;
  /// Uninitialised memory.
  Array(Shape shape, DType dtype);
  Array(Shape shape, DType dtype, std::shared_ptr<Buffer> buffer, size_t offset_bytes = 0);

  static Array zeros(Shape shape, DType dtype = DType::f32);
  static Array full(Shape shape, double value, DType dtype = DType::f32);
  template <typename T>
  static Array from(const std::vector<T>& values, Shape shape);
  template <typename T>
  static Array scalar(T value) {
    return from(std::vector<T>{value}, Shape{});
  }

  bool defined() const { return buffer_ != nullptr; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  int64_t count() const { return shape_.count(); }
  size_t bytes() const { return static_cast<size_t>(count()) * size_of(dtype_); }
  void* raw() const { return static_cast<char*>(buffer_->data()) + offset_; }
  /// Typed access; InternalError when T is not the dtype.
  template <typename T>
  T* data() const {
    if (dtype_of<T> != dtype_) wrong_type(dtype_of<T>);
    return static_cast<T*>(raw());
  }
  template <typename T>
  std::span<T> span() const {
    return {data<T>(), static_cast<size_t>(count())};
  }

  /// Same memory under another shape of equal count; UserError otherwise.
  Array reshaped(Shape shape) const;
  Array clone() const;
  /// A copy converted element by element (float to integer truncates towards zero).
  Array cast(DType dtype) const;
  /// Element `index` of the flattened array as a double; `item()` needs exactly one element.
  double at(int64_t index) const;
  void set(int64_t index, double value);
  double item() const;
  /// Copies the bytes of `other`; shapes and dtypes must be equal.
  void copy_from(const Array& other);
  const std::shared_ptr<Buffer>& buffer() const { return buffer_; }
  /// "float32[64, 10]"
  std::string text() const;

 private:
  [[noreturn]] void wrong_type(DType wanted) const;
  Shape shape_;
  DType dtype_ = DType::f32;
  std::shared_ptr<Buffer> buffer_;
  size_t offset_ = 0;
};

template <typename T>
Array Array::from(const std::vector<T>& values, Shape shape) {
  if (static_cast<int64_t>(values.size()) != shape.count())
    user_error("Array::from: {} values given, shape {} holds {}", values.size(), shape.text(),
               shape.count());
  Array a(shape, dtype_of<T>);
  std::copy(values.begin(), values.end(), a.data<T>());
  return a;
}

}  // namespace trivium
