// What the files behind tensor.h share: finding calls, checking axes, writing results back.
#pragma once

#include <string>
#include <utility>

#include "trivium/engine/record/call.h"
#include "trivium/engine/record/safety.h"
#include "trivium/notations/nn/promote.h"
#include "trivium/notations/nn/tensor.h"

namespace trivium::nn {

/// Fills the op registry and makes the CPU backend known, once.
void start_engine();

/// The Call of an op without attributes; keep it in a static.
const record::Call* plain_call(const char* op);
/// The Call of an op with these attributes; keep it in a static, or use the keyed forms below.
const record::Call* call_with(const char* op, const Attrs& attrs);
/// The Call of an op whose only attribute is an axis.
const record::Call* axis_call(const char* op, int axis);

/// dim in [-rank, rank) as a position; IndexError otherwise. A rank-0 tensor counts as rank 1.
int wrap_dim(int64_t dim, int rank, const char* op);
/// Positions of dims, ascending; all of them for an empty list. IndexError, or UserError when one
/// occurs twice.
Dims wrap_dims(const Dims& dims, int rank, const char* op);
/// The shape with these (wrapped) dims removed, or of size 1.
Shape without_dims(const Shape& shape, const Dims& dims, bool keepdim);

/// x's content becomes `value` by an in-place operation called `op`: the value's shape must be x's
/// and its category not higher.
const Tensor& write_back(const Tensor& x, const Tensor& value, const char* op);

/// One operand op; integers and bool become the default floating dtype first.
Tensor floating_unary(const record::Call* call, const Tensor& x);
/// y, the result of `function`, whose derivative reads these operands in PyTorch (and y, when
/// and_result): strict_inplace looks for writes to them, not to what the ops behind y keep.
inline Tensor reads(const char* function, std::initializer_list<record::Named> operands, Tensor y,
                    bool and_result = false) {
  if (record::strict_inplace()) record::watch_instead(function, y, operands, and_result);
  return y;
}
/// Promotes both operands and records.
Tensor promoted(const record::Call* call, const Tensor& a, const Tensor& b);
Tensor promoted(const record::Call* call, const Tensor& a, const Scalar& b);

/// A view that only changes the shape; sizes must have as many elements.
Tensor reshape_view(const Tensor& x, const Shape& shape);
/// Like reshape(): a view when the strides allow it, else a copy.
Tensor reshaped(const Tensor& x, const Shape& shape);
/// broadcast_to as an op of its own (no view); x itself when it has the shape.
Tensor broadcast(const Tensor& x, const Shape& shape);
/// x cut along one axis (a view).
Tensor cut(const Tensor& x, int axis, int64_t start, int64_t stop, int64_t step = 1);
Tensor concat(const std::vector<Tensor>& xs, int axis);
/// Rows of x along axis (a copy); index int64 of any rank, in range and not negative.
Tensor gather_rows(const Tensor& x, const Tensor& index, int axis);
/// Whether every element is known to be there without running anything.
bool is_ready(const Tensor& x);
/// int64 host vector as a tensor.
Tensor index_tensor(const std::vector<int64_t>& values, const Shape& shape);
Tensor index_tensor(const std::vector<int64_t>& values);
/// Copies the content as int64 (bool: 0, 1).
std::vector<int64_t> host_integers(const Tensor& x);
/// select with operands of one dtype.
Tensor pick(const Tensor& condition, const Tensor& a, const Tensor& b);
/// y, which does not change with x between jumps: x gets a gradient of zeros, not none.
Tensor with_zero_gradient(const Tensor& y, const Tensor& x);
/// The requested mean, sum or elements.
Tensor reduced(const Tensor& x, Reduction reduction);

}  // namespace trivium::nn
