#include "trivium/notations/tf/home.h"

#include <set>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/windows.h"

namespace trivium::tf {
namespace {

using Ints = ops::Ints;

/// [spatial.., in, out] → [out, in, spatial..]
Ints filter_order(int rank) {
  Ints order{rank - 1, rank - 2};
  for (int i = 0; i + 2 < rank; ++i) order.push_back(i);
  return order;
}

/// Whether the operation gives an image [N, spatial.., C] that the engine computes channels first:
/// a convolution or the like, with at most single elements changed since.
bool is_turned_image(const Operation* op) {
  static const std::set<std::string> kWindows{"Conv2D",
                                              "Conv3D",
                                              "DepthwiseConv2dNative",
                                              "MaxPool",
                                              "MaxPoolV2",
                                              "MaxPool3D",
                                              "AvgPool",
                                              "AvgPool3D",
                                              "Conv2DBackpropInput",
                                              "LRN",
                                              "FusedBatchNorm",
                                              "FusedBatchNormV2",
                                              "FusedBatchNormV3"};
  static const std::set<std::string> kElements{"Identity", "BiasAdd",   "Add", "AddV2", "Relu",
                                               "Relu6",    "LeakyRelu", "Elu", "Selu",  "Softplus",
                                               "Softsign", "Sigmoid",   "Tanh"};
  while (kElements.count(op->type()) && op->num_inputs() > 0) op = op->edges()[0].op;
  return kWindows.count(op->type()) &&
         op->attr_or<std::string>("data_format", "NHWC").substr(0, 2) != "NC";
}

/// [spatial.., C, out] of a weight [spatial·C, out] that a flattened image is multiplied with;
/// empty where a is no such image.
Ints filter_shape(const Operation::Edge& a, const PartialShape& weight) {
  if (a.op->type() != "Reshape" || weight.rank() != 2) return {};
  const Operation::Edge& image = a.op->edges()[0];
  const PartialShape& shape = image.op->out(image.index).shape;
  if (!shape.known_rank() || shape.rank() < 4 || !is_turned_image(image.op)) return {};
  Ints split(shape.dims().begin() + 1, shape.dims().end());
  int64_t rows = 1;
  for (const int64_t size : split) rows *= size > 0 ? size : 0;
  if (rows == 0 || rows != weight[0] || weight[1] <= 0) return {};
  split.push_back(weight[1]);
  return split;
}

}  // namespace

Home home_of(Operation* variable) {
  const PartialShape& shape = variable->out(0).shape;
  for (Operation* user : variable->out(0).consumers) {
    const std::string& type = user->type();
    if (type.rfind("Apply", 0) == 0 && user->edges()[0].op != variable &&
        user->edges()[0].op->out(0).shape == shape)
      return home_of(user->edges()[0].op);
    if (type.rfind("Scatter", 0) == 0 || type.rfind("SparseApply", 0) == 0) return {};  // rows
    if (type != "Identity" || user->out(0).consumers.empty()) continue;
    for (Operation* reader : user->out(0).consumers) {
      if (reader->num_inputs() < 2 || reader->edges()[1].op != user) continue;
      if (reader->type() == "Conv2D") return {filter_order(4), {}};
      if (reader->type() != "MatMul" || reader->attr_or<bool>("transpose_b", false)) continue;
      const bool turns = reader->attr_or<bool>("transpose_a", false);
      const Ints split = turns ? Ints{} : filter_shape(reader->edges()[0], shape);
      if (split.empty()) return {{1, 0}, {}};
      return {filter_order(static_cast<int>(split.size())), split};
    }
  }
  return {};
}

Value Home::logical(Value stored) const {
  if (order.empty()) return stored;
  const Value value = ops::permute(stored, inverse_of(order));
  if (split.empty()) return value;
  const int64_t columns = split.back();
  return ops::reshape(value, {value.shape().count() / columns, columns});
}

Value Home::stored(Value logical) const {
  if (order.empty()) return logical;
  if (split.empty()) return turned(logical, order);
  const auto t = turning_of(logical);
  Ints sizes;
  for (const int64_t axis : order) sizes.push_back(split[static_cast<size_t>(axis)]);
  if (t && t->axes == inverse_of(order) && t->source.shape() == Shape(sizes)) return t->source;
  return ops::permute(ops::reshape(logical, Shape(split)), order);
}

Value product_at_home(Value a, Value b, bool transpose_a, bool transpose_b) {
  if (const Value kept = source_of_permute(b); kept.defined() && kept.shape().rank() == 2)
    return ops::matmul(a, kept, transpose_a, !transpose_b);
  const auto image = turning_of(a), weight = turning_of(b);
  if (!image || !weight || transpose_a || transpose_b) return {};
  Ints order = image->axes;  // of the image without its first axis, then of the columns
  order.erase(order.begin());
  order.push_back(0);
  Ints sizes = image->source.shape().vec(), kept = weight->source.shape().vec();
  const int64_t rows = sizes[0], columns = kept[0];
  sizes[0] = columns;
  if (image->axes[0] != 0 || weight->axes != order || sizes != kept) return {};
  const int64_t depth = b.shape()[0];
  if (a.shape() != Shape{rows, depth} || b.shape() != Shape{depth, columns}) return {};
  return ops::matmul(ops::reshape(image->source, {rows, depth}),
                     ops::reshape(weight->source, {columns, depth}), false, true);
}

}  // namespace trivium::tf
