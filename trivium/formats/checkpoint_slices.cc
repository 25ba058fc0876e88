// Boxes are copied run by run along their last axis.
#include "trivium/formats/checkpoint_slices.h"

#include <algorithm>
#include <cstring>

namespace trivium::formats {
namespace {

constexpr size_t kMaxSlices = 4096;

/// The part both have; false when there is none.
bool common(const SliceBox& a, const SliceBox& b, SliceBox* out) {
  out->start.clear();
  out->size = Shape{};
  for (int axis = 0; axis < a.size.rank(); ++axis) {
    const size_t i = static_cast<size_t>(axis);
    const int64_t from = std::max(a.start[i], b.start[i]);
    const int64_t to = std::min(a.start[i] + a.size[axis], b.start[i] + b.size[axis]);
    if (to <= from) return false;
    out->start.push_back(from);
    out->size.push_back(to - from);
  }
  return true;
}

/// Element offset of the position `at` (in the tensor) within the array that holds `box`.
int64_t offset_in(const SliceBox& box, const std::vector<int64_t>& at) {
  int64_t offset = 0;
  for (int axis = 0; axis < box.size.rank(); ++axis) {
    const size_t i = static_cast<size_t>(axis);
    offset = offset * box.size[axis] + at[i] - box.start[i];
  }
  return offset;
}

/// Moves to the next run; false after the last.
bool next_run(const SliceBox& box, std::vector<int64_t>* at) {
  for (int axis = box.size.rank() - 2; axis >= 0; --axis) {
    const size_t i = static_cast<size_t>(axis);
    if (++(*at)[i] < box.start[i] + box.size[axis]) return true;
    (*at)[i] = box.start[i];
  }
  return false;
}

}  // namespace

SliceBox slice_box(const TensorSlice& slice, const Shape& shape, const std::string& where) {
  if (static_cast<int>(slice.size()) != shape.rank())
    user_error("{}: a slice of {} axes of a tensor {}", where, slice.size(), shape.text());
  SliceBox box;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const SliceExtent& extent = slice[static_cast<size_t>(axis)];
    const int64_t length = extent.length.value_or(shape[axis]);
    if (extent.start < 0 || length < 0 || extent.start > shape[axis] ||
        length > shape[axis] - extent.start || (!extent.length && extent.start != 0))
      user_error("{}: axis {}: a slice of {} from {} leaves the tensor {}", where, axis, length,
                 extent.start, shape.text());
    box.start.push_back(extent.start);
    box.size.push_back(length);
  }
  return box;
}

SliceBox whole_box(const Shape& shape) {
  return {std::vector<int64_t>(static_cast<size_t>(shape.rank()), 0), shape};
}

void check_tiling(const std::vector<SliceBox>& boxes, const Shape& shape,
                  const std::string& where) {
  if (boxes.size() > kMaxSlices)
    user_error("{}: at most {} slices expected, it has {}", where, kMaxSlices, boxes.size());
  SliceBox overlap;
  uint64_t total = 0;
  for (size_t i = 0; i < boxes.size(); ++i) {
    total += static_cast<uint64_t>(boxes[i].size.count());
    for (size_t j = 0; j < i; ++j)
      if (boxes[i].size.count() > 0 && common(boxes[i], boxes[j], &overlap))
        user_error("{}: slices {} and {} overlap", where, j, i);
  }
  if (total != static_cast<uint64_t>(shape.count()))
    user_error("{}: the slices hold {} elements, the tensor {} has {}", where, total, shape.text(),
               shape.count());
}

void copy_common(const Array& from, const SliceBox& from_box, Array* to, const SliceBox& to_box) {
  SliceBox box;
  if (!common(from_box, to_box, &box)) return;
  const size_t element = size_of(to->dtype());
  const int rank = box.size.rank();
  const size_t run = static_cast<size_t>(rank ? box.size[rank - 1] : 1) * element;
  std::vector<int64_t> at = box.start;
  do {
    std::memcpy(
        static_cast<char*>(to->raw()) + static_cast<size_t>(offset_in(to_box, at)) * element,
        static_cast<const char*>(from.raw()) +
            static_cast<size_t>(offset_in(from_box, at)) * element,
        run);
  } while (next_run(box, &at));
}

}  // namespace trivium::formats
