// Shape: up to eight sizes, stored inline. Every shape in Trivium is static and row-major.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

namespace trivium {

class Shape {
 public:
  static constexpr int kMaxRank = 8;

  Shape() = default;
  Shape(std::initializer_list<int64_t> dims);
  explicit Shape(std::span<const int64_t> dims);
  explicit Shape(const std::vector<int64_t>& dims) : Shape(std::span<const int64_t>(dims)) {}

  int rank() const { return rank_; }
  bool is_scalar() const { return rank_ == 0; }
  /// Size of an axis; a negative axis counts from the end. UserError when out of range.
  int64_t operator[](int axis) const { return dims_[checked(axis)]; }
  void set(int axis, int64_t size) { dims_[checked(axis)] = size; }
  void push_back(int64_t size);
  /// Product of all sizes; 1 for a scalar.
  int64_t count() const { return count(0, rank_); }
  /// Product of the sizes of axes [from, to).
  int64_t count(int from, int to) const;
  int64_t count(int from) const { return count(from, rank_); }
  /// Maps a negative axis to its position; UserError when out of [-rank, rank).
  int axis(int axis) const { return checked(axis); }

  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }
  std::span<const int64_t> dims() const { return {dims_.data(), static_cast<size_t>(rank_)}; }
  std::vector<int64_t> vec() const { return {begin(), end()}; }
  /// "[64, 1, 28, 28]"
  std::string text() const;

  friend bool operator==(const Shape& a, const Shape& b);

 private:
  int checked(int axis) const;
  std::array<int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

/// NumPy broadcasting of two shapes; UserError naming both when they do not fit.
Shape broadcast_shapes(const Shape& a, const Shape& b);
/// Row-major strides in elements.
std::array<int64_t, Shape::kMaxRank> strides_of(const Shape& shape);

}  // namespace trivium
