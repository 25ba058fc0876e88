#include "trivium/engine/core/shape.h"

#include <algorithm>

#include "trivium/engine/core/error.h"

namespace trivium {

Shape::Shape(std::initializer_list<int64_t> dims)
    : Shape(std::span<const int64_t>(dims.begin(), dims.size())) {}

Shape::Shape(std::span<const int64_t> dims) {
  for (int64_t d : dims) push_back(d);
}

void Shape::push_back(int64_t size) {
  if (rank_ == kMaxRank)
    user_error("shape: rank {} expected, at most {} supported", rank_ + 1, kMaxRank);
  if (size < 0) user_error("shape: size {} of axis {} is negative", size, rank_);
  dims_[rank_++] = size;
}

int64_t Shape::count(int from, int to) const {
  int64_t product = 1;
  for (int i = from; i < to; ++i)
    if (__builtin_mul_overflow(product, dims_[i], &product))
      user_error("shape {}: the number of elements does not fit in 64 bits", text());
  return product;
}

int Shape::checked(int axis) const {
  const int at = axis < 0 ? axis + rank_ : axis;
  if (at < 0 || at >= rank_)
    user_error("axis {} is out of range for shape {} of rank {}; expected {} to {}", axis, text(),
               rank_, -rank_, rank_ - 1);
  return at;
}

std::string Shape::text() const { return fmt::format("[{}]", fmt::join(begin(), end(), ", ")); }

bool operator==(const Shape& a, const Shape& b) {
  return a.rank_ == b.rank_ && std::equal(a.begin(), a.end(), b.begin());
}

Shape broadcast_shapes(const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  std::vector<int64_t> out(rank);
  for (int i = 1; i <= rank; ++i) {
    const int64_t da = i <= a.rank() ? a[-i] : 1, db = i <= b.rank() ? b[-i] : 1;
    if (da != db && da != 1 && db != 1)
      user_error("shapes {} and {} do not broadcast: axis -{} has sizes {} and {}", a.text(),
                 b.text(), i, da, db);
    out[rank - i] = da == 1 ? db : da;
  }
  return Shape(out);
}

std::array<int64_t, Shape::kMaxRank> strides_of(const Shape& shape) {
  std::array<int64_t, Shape::kMaxRank> strides{};
  int64_t stride = 1;
  for (int i = shape.rank() - 1; i >= 0; --i) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

}  // namespace trivium
