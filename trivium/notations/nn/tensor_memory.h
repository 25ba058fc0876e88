// The memory of a tensor under another dtype.
#pragma once

#include "trivium/notations/nn/tensor.h"

namespace trivium::nn {

/// The same bytes under another dtype, sharing memory: the last dim grows or shrinks with the size
/// of an element. UserError where that does not come out even, for elements that do not lie in
/// order, and while history is recorded of a tensor that requires a gradient.
Tensor view_bytes(const Tensor& x, DType dtype);

}  // namespace trivium::nn
