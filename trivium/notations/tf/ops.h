// The functions that describe a graph: each adds the operations TensorFlow's function of the same
// name adds, under the same names, to the default graph. `name` empty: TensorFlow's default name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trivium/notations/tf/input.h"

namespace trivium::tf {

using Axes = std::optional<std::vector<int64_t>>;  // nothing: all axes
using Seed = std::optional<int64_t>;

// ---- inputs and structure
Tensor placeholder(DataType dtype, const PartialShape& shape = {}, const std::string& name = "");
Tensor placeholder_with_default(const Input& input, const PartialShape& shape,
                                const std::string& name = "");
Tensor identity(const Input& x, const std::string& name = "");
Tensor stop_gradient(const Input& x, const std::string& name = "");
std::shared_ptr<Operation> no_op(const std::string& name = "");
/// A NoOp that waits for all of them.
std::shared_ptr<Operation> group(const std::vector<std::shared_ptr<Operation>>& ops,
                                 const std::string& name = "");
Tensor assign(const Tensor& ref, const Input& value, const std::string& name = "");
Tensor assign_add(const Tensor& ref, const Input& value, const std::string& name = "");
Tensor assign_sub(const Tensor& ref, const Input& value, const std::string& name = "");

// ---- one or two tensors, element by element; `type` is TensorFlow's ("Sqrt", "Maximum", …)
Tensor unary(const std::string& type, const Input& x, const std::string& name = "");
/// A number takes the dtype of the tensor beside it. `fallback`: the default name.
Tensor binary(const std::string& type, const Input& x, const Input& y, const std::string& name = "",
              const std::string& fallback = "");
Tensor add(const Input&x, const Input&y), subtract(const Input&x, const Input&y),
    multiply(const Input&x, const Input&y), divide(const Input&x, const Input&y),
    pow(const Input&x, const Input&y), maximum(const Input&x, const Input&y),
    minimum(const Input&x, const Input&y), equal(const Input&x, const Input&y),
    less(const Input&x, const Input&y), greater(const Input&x, const Input&y);
Tensor negative(const Input&x), abs(const Input&x), square(const Input&x), sqrt(const Input&x),
    exp(const Input&x), log(const Input&x), sigmoid(const Input&x), tanh(const Input&x);
Tensor cast(const Input& x, DataType dtype, const std::string& name = "");
Tensor add_n(const std::vector<Input>& inputs, const std::string& name = "");

// ---- reductions, products
/// `type`: Sum, Mean, Prod, Max, Min, All or Any.
Tensor reduce(const std::string& type, const Input& x, const Axes& axes = {},
              bool keep_dims = false, const std::string& name = "");
Tensor reduce_sum(const Input& x, const Axes& axes = {}, bool keep_dims = false);
Tensor reduce_sum(const Input& x, int axis);
Tensor reduce_mean(const Input& x, const Axes& axes = {}, bool keep_dims = false);
Tensor reduce_mean(const Input& x, int axis);
Tensor argmax(const Input& x, int64_t axis = 0, DataType output_type = int64,
              const std::string& name = "");
Tensor matmul(const Input& a, const Input& b, bool transpose_a = false, bool transpose_b = false,
              const std::string& name = "");

// ---- arrays
Tensor reshape(const Input& x, const Input& shape, const std::string& name = "");
Tensor transpose(const Input& x, const std::optional<std::vector<int64_t>>& perm = {},
                 const std::string& name = "");
Tensor concat(const std::vector<Input>& values, int64_t axis, const std::string& name = "");
Tensor stack(const std::vector<Input>& values, int64_t axis = 0, const std::string& name = "");
Tensor one_hot(const Input& indices, int64_t depth, const std::string& name = "");
Tensor gather(const Input& params, const Input& indices, const std::string& name = "");
Tensor zeros(const Input& shape, DataType dtype = float32, const std::string& name = "");
Tensor ones(const Input& shape, DataType dtype = float32, const std::string& name = "");

// ---- random numbers
Tensor random_normal(const Input& shape, const Input& mean = 0.0, const Input& stddev = 1.0,
                     DataType dtype = float32, Seed seed = {}, const std::string& name = "");
Tensor truncated_normal(const Input& shape, const Input& mean = 0.0, const Input& stddev = 1.0,
                        DataType dtype = float32, Seed seed = {}, const std::string& name = "");
/// [minval, maxval); integers draw whole numbers.
Tensor random_uniform(const Input& shape, const Input& minval = 0, const Input& maxval = 1,
                      DataType dtype = float32, Seed seed = {}, const std::string& name = "");
Tensor random_shuffle(const Input& value, Seed seed = {}, const std::string& name = "");

namespace nn {

Tensor relu(const Input& x, const std::string& name = "");
Tensor softmax(const Input& logits, const std::string& name = "");
Tensor log_softmax(const Input& logits, const std::string& name = "");
Tensor bias_add(const Input& value, const Input& bias, const std::string& data_format = "NHWC",
                const std::string& name = "");
/// input [N, H, W, C] (or NCHW), filter [h, w, in, out]; strides in the order of data_format;
/// padding "SAME" or "VALID".
Tensor conv2d(const Input& input, const Input& filter, const std::vector<int64_t>& strides,
              const std::string& padding, const std::string& data_format = "NHWC",
              const std::vector<int64_t>& dilations = {1, 1, 1, 1}, const std::string& name = "");
Tensor max_pool(const Input& value, const std::vector<int64_t>& ksize,
                const std::vector<int64_t>& strides, const std::string& padding,
                const std::string& data_format = "NHWC", const std::string& name = "");
Tensor avg_pool(const Input& value, const std::vector<int64_t>& ksize,
                const std::vector<int64_t>& strides, const std::string& padding,
                const std::string& data_format = "NHWC", const std::string& name = "");
/// Keeps each element with this probability, scaled by its inverse.
Tensor dropout(const Input& x, const Input& keep_prob, Seed seed = {},
               const std::string& name = "");
/// -sum(labels * log_softmax(logits)) over the last axis; labels are constants to the gradient.
Tensor softmax_cross_entropy_with_logits(const Input& labels, const Input& logits,
                                         const std::string& name = "");
/// The same, but the labels have a gradient too: -log_softmax(logits).
Tensor softmax_cross_entropy_with_logits_v2(const Input& labels, const Input& logits,
                                            const std::string& name = "");
/// labels: int32 or int64 classes.
Tensor sparse_softmax_cross_entropy_with_logits(const Input& labels, const Input& logits,
                                                const std::string& name = "");
Tensor sigmoid_cross_entropy_with_logits(const Input& labels, const Input& logits,
                                         const std::string& name = "");

}  // namespace nn

inline Tensor operator+(const Tensor& a, const Input& b) { return binary("Add", a, b, "", "add"); }
inline Tensor operator-(const Tensor& a, const Input& b) { return binary("Sub", a, b, "", "sub"); }
inline Tensor operator*(const Tensor& a, const Input& b) { return binary("Mul", a, b, "", "mul"); }
inline Tensor operator/(const Tensor& a, const Input& b) {
  return binary("RealDiv", a, b, "", "truediv");
}
inline Tensor operator-(const Tensor& a) { return unary("Neg", a); }

}  // namespace trivium::tf
