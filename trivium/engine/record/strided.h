// How a chain of views lies in its storage's row-major memory, said with strides.
#pragma once

#include <vector>

#include "trivium/engine/record/var.h"

namespace trivium::record {

struct Layout {
  std::vector<int64_t> shape, strides;  // in elements
  int64_t offset = 0;
  static Layout row_major(const Shape& shape);
  /// Follows one view op; false when strides cannot say the result (a reshape that would copy).
  bool apply(const Call& view);
};

bool is_row_major(const Shape& shape, const std::vector<int64_t>& strides);
/// The strided elements as row-major memory of their own.
Array contiguous_copy(const Var::Exported& memory);

}  // namespace trivium::record
