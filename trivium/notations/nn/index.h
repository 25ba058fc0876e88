// Subscripts: x.index({…}) and x.index_put_({…}, value). Integers, slices, None and Ellipsis are a
// chain of views; tensors, lists and masks are then one gather or one scatter over the axes left.
#pragma once

#include <vector>

#include "trivium/notations/nn/tensor.h"

namespace trivium::nn {

/// What a subscript means: a view, and the axes of that view which tensors index.
struct Subscript {
  Tensor view;
  std::vector<Tensor> indices;  // int64, one an axis of the view; undefined: the whole axis
  bool advanced() const {
    for (const Tensor& t : indices)
      if (t.defined()) return true;
    return false;
  }
};
/// IndexError or ValueError for keys that do not fit.
Subscript resolve(const Tensor& x, const std::vector<TensorIndex>& keys);

}  // namespace trivium::nn
