// Which dtype an operation on several tensors and numbers computes in: PyTorch's rules. Tensors
// with axes decide, then rank-0 tensors, then the program's numbers, each only by a higher
// category.
#pragma once

#include <initializer_list>
#include <span>
#include <vector>

#include "trivium/notations/nn/tensor.h"

namespace trivium::nn {

/// The dtype of floating results when nothing else decides; float32 unless changed.
DType default_dtype();
/// TypeError unless floating.
void set_default_dtype(DType dtype);

/// The narrowest dtype both fit in, as PyTorch orders them.
DType promote_types(DType a, DType b);
/// Category of a dtype: bool 0, integers 1, floating 2.
int category_of(DType dtype);
/// The dtype in which tensor and number meet; of several tensors.
DType result_type(const Tensor& a, const Tensor& b);
DType result_type(const Tensor& a, const Scalar& b);
DType result_type(const Scalar& a, const Scalar& b);
DType result_type(std::span<const Tensor> tensors);
/// The dtype a number alone gets: bool, int64, or the default dtype.
DType dtype_of_scalar(const Scalar& number);
/// The dtype itself when floating, else the default.
DType floating_type(DType dtype);
bool can_cast(DType from, DType to);

/// x in `dtype`: x itself when it has it already, else a recorded cast.
Tensor cast_to(const Tensor& x, DType dtype);
/// A recorded rank-0 number that may differ from step to step. Integers beyond 2^53 stay exact.
Tensor number_of(const Scalar& value, DType dtype);

}  // namespace trivium::nn
