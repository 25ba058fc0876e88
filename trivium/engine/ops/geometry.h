// Arithmetic on shapes that records, kernels and notations share: axes, windows, broadcasting.
// Nothing here knows a graph.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "trivium/engine/core/attrs.h"
#include "trivium/engine/core/shape.h"

namespace trivium::ops {

/// Axes as sorted positions in [0, rank); empty means all. nullopt when one is out of range or
/// repeated.
std::optional<std::vector<int64_t>> normal_axes(const std::vector<int64_t>& axes, int rank);
/// `shape` with `axes` (normal ones) removed, or of size 1 when `keep_dims`.
Shape reduced_shape(const Shape& shape, const std::vector<int64_t>& axes, bool keep_dims);

/// A shape seen from one axis: [outer, size, inner].
struct AxisView {
  int64_t outer = 1, size = 1, inner = 1;
};
AxisView view_axis(const Shape& shape, int axis);

/// Whether `small` broadcasts to `big` by NumPy's rule.
bool broadcasts_to(const Shape& small, const Shape& big);
/// Strides with which `small` is read while walking `big` in row-major order: 0 along repeated
/// axes.
std::array<int64_t, Shape::kMaxRank> broadcast_strides(const Shape& small, const Shape& big);

/// floor((in + begin + end - (dilation * (kernel - 1) + 1)) / stride) + 1; 0 or less: the window
/// does not fit.
int64_t conv_size(int64_t in, int64_t kernel, int64_t stride, int64_t begin, int64_t end,
                  int64_t dilation);
/// The same without dilation, rounded down or up; up: the last window must start inside in + begin.
int64_t pool_size(int64_t in, int64_t kernel, int64_t stride, int64_t begin, int64_t end,
                  bool ceil);

/// Spatial geometry of conv and pooling with attributes named as in the records. `in` and `out` are
/// the spatial sizes on the image's and on the result's side.
struct Window {
  std::vector<int64_t> in, out, kernel, strides, begin, dilations;
  int rank() const { return static_cast<int>(in.size()); }
};
/// Sizes after the first two axes.
std::vector<int64_t> spatial_of(const Shape& shape);
int64_t product(std::span<const int64_t> sizes);

/// Calls body(position) for all positions of a box, row-major; `position` has one entry an axis.
template <typename Body>
void for_each_position(std::span<const int64_t> sizes, Body&& body) {
  if (product(sizes) == 0) return;
  std::vector<int64_t> at(sizes.size(), 0);
  for (;;) {
    body(std::span<const int64_t>(at));
    int axis = static_cast<int>(sizes.size()) - 1;
    while (axis >= 0 && ++at[axis] == sizes[axis]) at[axis--] = 0;
    if (axis < 0) return;
  }
}

/// Calls body(i, offsets) for i = 0 … count-1 of `shape`; offsets[k] walks an operand with
/// strides[k].
template <size_t N, typename Body>
void for_each_offset(const Shape& shape,
                     const std::array<std::array<int64_t, Shape::kMaxRank>, N>& strides,
                     Body&& body) {
  const int64_t count = shape.count();
  std::array<int64_t, Shape::kMaxRank> at{};
  std::array<int64_t, N> offsets{};
  for (int64_t i = 0; i < count; ++i) {
    body(i, offsets);
    for (int axis = shape.rank() - 1; axis >= 0; --axis) {
      for (size_t k = 0; k < N; ++k) offsets[k] += strides[k][axis];
      if (++at[axis] < shape[axis]) break;
      for (size_t k = 0; k < N; ++k) offsets[k] -= strides[k][axis] * shape[axis];
      at[axis] = 0;
    }
  }
}

}  // namespace trivium::ops
