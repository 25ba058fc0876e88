// The small argument types of the tensor functions: numbers, lists of sizes, index keys, options.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trivium/engine/core/dtype.h"
#include "trivium/engine/core/shape.h"

namespace trivium::nn {

class Tensor;

// PyTorch's names of the dtypes.
inline constexpr DType float32 = DType::f32, float64 = DType::f64, float16 = DType::f16,
                       bfloat16 = DType::bf16, int8 = DType::i8, uint8 = DType::u8,
                       int16 = DType::i16, int32 = DType::i32, int64 = DType::i64,
                       boolean = DType::bool_;

/// A number of the program: a bool, an integer or a real. The kind counts in type promotion.
class Scalar {
 public:
  enum class Kind : uint8_t { boolean, integer, real };
  Scalar() = default;
  Scalar(bool v) : kind_(Kind::boolean), integer_(v), real_(v) {}
  template <std::integral I>
  requires(!std::same_as<I, bool>) Scalar(I v)
      : kind_(Kind::integer), integer_(static_cast<int64_t>(v)), real_(static_cast<double>(v)) {}
  template <std::floating_point F>
  Scalar(F v) : kind_(Kind::real), real_(static_cast<double>(v)) {}

  Kind kind() const { return kind_; }
  bool is_bool() const { return kind_ == Kind::boolean; }
  bool is_integer() const { return kind_ == Kind::integer; }
  bool is_real() const { return kind_ == Kind::real; }
  double real() const { return real_; }
  int64_t integer() const { return is_real() ? static_cast<int64_t>(real_) : integer_; }
  Scalar operator-() const { return is_real() ? Scalar(-real_) : Scalar(-integer_); }

 private:
  Kind kind_ = Kind::integer;
  int64_t integer_ = 0;
  double real_ = 0;
};

/// Sizes or axes: one number or up to 16 of them. Empty often means "all".
class Dims {
 public:
  static constexpr int kMost = 16;
  Dims() = default;
  template <std::integral I>
  requires(!std::same_as<I, bool>) Dims(I one) : count_(1) {
    values_[0] = static_cast<int64_t>(one);
  }
  Dims(std::initializer_list<int64_t> many) : Dims(std::span(many.begin(), many.size())) {}
  Dims(const std::vector<int64_t>& many) : Dims(std::span<const int64_t>(many)) {}
  Dims(const Shape& shape) : Dims(shape.dims()) {}
  /// UserError beyond kMost entries.
  Dims(std::span<const int64_t> many);

  int size() const { return count_; }
  bool empty() const { return count_ == 0; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t& operator[](int i) { return values_[i]; }
  const int64_t* begin() const { return values_.data(); }
  const int64_t* end() const { return values_.data() + count_; }
  std::span<const int64_t> span() const { return {begin(), static_cast<size_t>(count_)}; }
  std::vector<int64_t> vec() const { return {begin(), end()}; }
  void push_back(int64_t v);
  /// UserError when an entry is negative or there are more than Shape::kMaxRank.
  Shape shape() const;
  std::string text() const;

 private:
  std::array<int64_t, kMost> values_{};
  int count_ = 0;
};

/// start:stop:step of a subscript; the step is positive.
struct Slice {
  std::optional<int64_t> start{}, stop{};
  int64_t step = 1;
  Slice() = default;
  Slice(std::optional<int64_t> from, std::optional<int64_t> to = {}, int64_t by = 1)
      : start(from), stop(to), step(by) {}
};
struct NoneKey {};
struct EllipsisKey {};
/// A new axis of size 1, and "all axes not named", in a subscript.
inline constexpr NoneKey None{};
inline constexpr EllipsisKey Ellipsis{};

/// One key of a subscript: x.index({Slice(1, 3), 0, None, Ellipsis, mask}).
class TensorIndex {
 public:
  enum class Kind : uint8_t { none, ellipsis, integer, boolean, slice, tensor };
  TensorIndex(NoneKey) : kind(Kind::none) {}
  TensorIndex(EllipsisKey) : kind(Kind::ellipsis) {}
  template <std::integral I>
  requires(!std::same_as<I, bool>) TensorIndex(I i)
      : kind(Kind::integer), integer(static_cast<int64_t>(i)) {}
  TensorIndex(bool b) : kind(Kind::boolean), integer(b) {}
  TensorIndex(Slice s) : kind(Kind::slice), slice(s) {}
  TensorIndex(const Tensor& t);
  /// A list key, as x[[2, 0]] in Python.
  TensorIndex(const std::vector<int64_t>& list);

  Kind kind;
  int64_t integer = 0;
  Slice slice{};
  std::shared_ptr<Tensor> tensor;  // of Kind::tensor
};

/// Where tensors live. Only the processor exists in this build: naming another device is an error
/// when a tensor is to be put there.
struct Device {
  std::string type = "cpu";
  std::optional<int> index;
  Device() = default;
  /// "cpu", "cuda", "cuda:1"; UserError for an unknown type.
  Device(const std::string& text);
  Device(const char* text) : Device(std::string(text)) {}
  std::string text() const;
  friend bool operator==(const Device& a, const Device& b) {
    return a.type == b.type && a.index == b.index;
  }
};
/// UserError naming the remedy unless tensors can be on `device`.
void require_available(const Device& device);

/// What factories take besides the shape: zeros({2, 3}, {.dtype = float64, .requires_grad = true}).
struct TensorOptions {
  std::optional<DType> dtype{};
  std::optional<Device> device{};
  bool requires_grad = false;
};

enum class Reduction { none, mean, sum, batchmean };
/// "none", "mean", "sum", "batchmean", "elementwise_mean"; ValueError otherwise.
Reduction parse_reduction(const std::string& name);

}  // namespace trivium::nn
