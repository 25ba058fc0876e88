// Parts of tensors: where a slice lies in its tensor, and copying what two parts have in common.
#pragma once

#include <string>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/formats/table_coding.h"

namespace trivium::formats {

/// A box of a tensor: on each axis `size` elements from `start`.
struct SliceBox {
  std::vector<int64_t> start;
  Shape size;
};

/// UserError naming `where` when the slice has another rank or leaves the shape.
SliceBox slice_box(const TensorSlice& slice, const Shape& shape, const std::string& where);
SliceBox whole_box(const Shape& shape);

/// Checks that the boxes fill the shape without overlap. UserError otherwise, and for more than
/// 4096 boxes.
void check_tiling(const std::vector<SliceBox>& boxes, const Shape& shape, const std::string& where);

/// Copies the elements that both boxes have. `from` holds `from_box`, `to` holds `to_box`; dtypes
/// are equal.
void copy_common(const Array& from, const SliceBox& from_box, Array* to, const SliceBox& to_box);

}  // namespace trivium::formats
