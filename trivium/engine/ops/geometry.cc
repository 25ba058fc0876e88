#include "trivium/engine/ops/geometry.h"

#include <algorithm>

#include "trivium/engine/core/error.h"

namespace trivium::ops {
namespace {

int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

}  // namespace

std::optional<std::vector<int64_t>> normal_axes(const std::vector<int64_t>& axes, int rank) {
  std::vector<int64_t> out;
  for (int64_t axis : axes) {
    if (axis < -rank || axis >= rank) return std::nullopt;
    out.push_back(axis < 0 ? axis + rank : axis);
  }
  if (axes.empty())
    for (int i = 0; i < rank; ++i) out.push_back(i);
  std::sort(out.begin(), out.end());
  if (std::adjacent_find(out.begin(), out.end()) != out.end()) return std::nullopt;
  return out;
}

Shape reduced_shape(const Shape& shape, const std::vector<int64_t>& axes, bool keep_dims) {
  Shape out;
  for (int i = 0; i < shape.rank(); ++i) {
    const bool reduced = std::binary_search(axes.begin(), axes.end(), i);
    if (!reduced || keep_dims) out.push_back(reduced ? 1 : shape[i]);
  }
  return out;
}

AxisView view_axis(const Shape& shape, int axis) {
  const int at = shape.axis(axis);
  return {shape.count(0, at), shape[at], shape.count(at + 1)};
}

bool broadcasts_to(const Shape& small, const Shape& big) {
  if (small.rank() > big.rank()) return false;
  for (int i = 1; i <= small.rank(); ++i)
    if (small[-i] != 1 && small[-i] != big[-i]) return false;
  return true;
}

std::array<int64_t, Shape::kMaxRank> broadcast_strides(const Shape& small, const Shape& big) {
  if (!broadcasts_to(small, big))
    internal_error("broadcast_strides: {} does not broadcast to {}", small.text(), big.text());
  const auto own = strides_of(small);
  std::array<int64_t, Shape::kMaxRank> out{};
  const int shift = big.rank() - small.rank();
  for (int i = 0; i < small.rank(); ++i) out[i + shift] = small[i] == 1 ? 0 : own[i];
  return out;
}

int64_t conv_size(int64_t in, int64_t kernel, int64_t stride, int64_t begin, int64_t end,
                  int64_t dilation) {
  return floor_div(in + begin + end - (dilation * (kernel - 1) + 1), stride) + 1;
}

int64_t pool_size(int64_t in, int64_t kernel, int64_t stride, int64_t begin, int64_t end,
                  bool ceil) {
  const int64_t free = in + begin + end - kernel;
  if (!ceil) return floor_div(free, stride) + 1;
  const int64_t out = -floor_div(-free, stride) + 1;
  return out > 1 && (out - 1) * stride >= in + begin ? out - 1 : out;
}

std::vector<int64_t> spatial_of(const Shape& shape) {
  if (shape.rank() < 2) return {};
  return {shape.begin() + 2, shape.end()};
}

int64_t product(std::span<const int64_t> sizes) {
  int64_t result = 1;
  for (int64_t s : sizes)
    if (__builtin_mul_overflow(result, s, &result))
      user_error("a product of sizes does not fit in 64 bits");
  return result;
}

}  // namespace trivium::ops
