#include <numeric>

#include "trivium/notations/tf/ops.h"

namespace trivium::tf::nn {
namespace {

std::string or_else(const std::string& name, const char* fallback) {
  return name.empty() ? fallback : name;
}

Tensor shape_of(const Tensor& x) { return Build("Shape", "").in(x); }

/// TensorFlow folds the rank of a tensor of known rank at once.
Tensor rank_of(const Tensor& x) {
  if (x.shape().known_rank()) return constant(x.shape().rank(), DataType::int32, "Rank");
  return Build("Rank", "").in(x);
}

/// Sizes [from, from + count) of a shape vector.
Tensor part_of(const Tensor& shape, const Tensor& from, const Input& count) {
  Build build("Slice", "");
  build.in(shape);
  {
    const NameScope inside(build.scope());
    build.in(Build("Pack", "begin").in(from).attr("axis", int64_t{0}));
  }
  return build.in(count, "size");
}

/// The first `count` sizes of a shape vector.
Tensor leading(const Tensor& shape, const Tensor& count) {
  Build part("Slice", "Slice");
  part.in(shape).in(std::vector<int>{0}, "begin");
  {
    const NameScope inside(part.scope());
    part.in(Build("Pack", "size").in(count).attr("axis", int64_t{0}));
  }
  return part;
}

/// [-1, size].
Tensor minus_one_and(const Tensor& size) {
  Build concat("ConcatV2", "concat");
  return concat.in(std::vector<int>{-1}, "values_0").in(size).in(0, "axis");
}

/// [.., n] → [product, n], under the names TensorFlow gives the steps.
Tensor flatten_outer(const Tensor& x) {
  const Tensor rank = rank_of(x), shape = shape_of(x);
  const Tensor last = binary("Sub", rank, 1);
  const Tensor size = part_of(shape, last, std::vector<int>{1});
  const Tensor flat = reshape(x, minus_one_and(size));
  if (x.shape().known_rank()) flat.set_shape(PartialShape{-1, x.shape()[-1]});
  return flat;
}

}  // namespace

Tensor relu(const Input& x, const std::string& name) {
  return Build("Relu", name).in(x, "features");
}
Tensor softmax(const Input& logits, const std::string& name) {
  return Build("Softmax", name).in(logits, "logits");
}
Tensor log_softmax(const Input& logits, const std::string& name) {
  return Build("LogSoftmax", name).in(logits, "logits");
}

Tensor bias_add(const Input& value, const Input& bias, const std::string& data_format,
                const std::string& name) {
  return Build("BiasAdd", name)
      .in(value, "value")
      .in(bias, "bias")
      .attr("data_format", data_format);
}

Tensor conv2d(const Input& input, const Input& filter, const std::vector<int64_t>& strides,
              const std::string& padding, const std::string& data_format,
              const std::vector<int64_t>& dilations, const std::string& name) {
  return Build("Conv2D", name)
      .in(input, "input")
      .in(filter, "filter")
      .attr("strides", strides)
      .attr("padding", padding)
      .attr("data_format", data_format)
      .attr("dilations", dilations);
}

namespace {

Tensor pool(const char* type, const Input& value, const std::vector<int64_t>& ksize,
            const std::vector<int64_t>& strides, const std::string& padding,
            const std::string& format, const std::string& name) {
  return Build(type, name)
      .in(value, "value")
      .attr("ksize", ksize)
      .attr("strides", strides)
      .attr("padding", padding)
      .attr("data_format", format);
}

}  // namespace

Tensor max_pool(const Input& value, const std::vector<int64_t>& ksize,
                const std::vector<int64_t>& strides, const std::string& padding,
                const std::string& data_format, const std::string& name) {
  return pool("MaxPool", value, ksize, strides, padding, data_format, name);
}

Tensor avg_pool(const Input& value, const std::vector<int64_t>& ksize,
                const std::vector<int64_t>& strides, const std::string& padding,
                const std::string& data_format, const std::string& name) {
  return pool("AvgPool", value, ksize, strides, padding, data_format, name);
}

Tensor dropout(const Input& x, const Input& keep_prob, Seed seed, const std::string& name) {
  const NameScope scope(or_else(name, "dropout"));
  const Tensor value = x.tensor("x"), keep = keep_prob.tensor("keep_prob", value.dtype());
  if (!is_floating(value.dtype()))
    raise<ValueError>(
        "x has to be a floating point tensor since it's going to be scaled. Got a {} tensor "
        "instead.",
        name_of(value.dtype()));
  const Tensor noise = random_uniform(shape_of(value), 0, 1, value.dtype(), seed);
  const Tensor mask = unary("Floor", Tensor(Build("Add", "add").in(keep).in(noise)));
  const Tensor scaled = Build("RealDiv", "div").in(value).in(keep);
  const Tensor out = Build("Mul", "mul").in(scaled).in(mask);
  out.set_shape(value.shape());
  return out;
}

namespace {

/// The loss of logits x against labels y, in the scope that is open; `scope` is its text.
Tensor soft_loss(const Tensor& x, const Tensor& labels, const std::string& scope) {
  const Tensor y = cast(labels, x.dtype());
  const Tensor rank = rank_of(x), shape = shape_of(x);
  const Tensor flat_x = flatten_outer(x), flat_y = flatten_outer(y);
  const Tensor loss = Build("SoftmaxCrossEntropyWithLogits", scope).in(flat_x).in(flat_y);
  const Tensor outer = Build("Sub", "Sub").in(rank).in(1, "y");
  const Tensor out = reshape(loss, leading(shape, outer));
  if (x.shape().known_rank())
    out.set_shape(
        PartialShape(std::vector<int64_t>(x.shape().dims().begin(), x.shape().dims().end() - 1)));
  return out;
}

}  // namespace

Tensor softmax_cross_entropy_with_logits(const Input& labels, const Input& logits,
                                         const std::string& name) {
  const NameScope scope(or_else(name, "softmax_cross_entropy_with_logits_sg"));
  const Tensor x = logits.tensor("logits");
  const Tensor held = Build("StopGradient", "labels_stop_gradient")
                          .in(labels, "labels", labels.is_tensor() ? DataType::invalid : x.dtype());
  return soft_loss(x, held, scope.text());
}

Tensor softmax_cross_entropy_with_logits_v2(const Input& labels, const Input& logits,
                                            const std::string& name) {
  const NameScope scope(or_else(name, "softmax_cross_entropy_with_logits"));
  const Tensor x = logits.tensor("logits");
  return soft_loss(x, labels.tensor("labels", labels.is_tensor() ? DataType::invalid : x.dtype()),
                   scope.text());
}

Tensor sparse_softmax_cross_entropy_with_logits(const Input& labels, const Input& logits,
                                                const std::string& name) {
  const NameScope scope(or_else(name, "SparseSoftmaxCrossEntropyWithLogits"));
  const Tensor y = labels.tensor("labels"), x = logits.tensor("logits");
  if (y.dtype() != DataType::int32 && y.dtype() != DataType::int64)
    raise<TypeError>("labels of dtype {}; int32 or int64 expected", name_of(y.dtype()));
  if (x.shape().known_rank() && y.shape().known_rank() && x.shape().rank() != y.shape().rank() + 1)
    raise<ValueError>(
        "Rank mismatch: Rank of labels (received {}) should equal rank of logits minus 1 "
        "(received {}).",
        y.shape().rank(), x.shape().rank());
  const Tensor shape = shape_of(y);
  if (x.shape().known_rank() && x.shape().rank() == 2)
    return Build("SparseSoftmaxCrossEntropyWithLogits", "").in(x).in(y);
  const Tensor flat_x = flatten_outer(x), flat_y = reshape(y, std::vector<int>{-1});
  const Tensor loss = Build("SparseSoftmaxCrossEntropyWithLogits", "").in(flat_x).in(flat_y);
  const Tensor out = reshape(loss, shape);
  out.set_shape(y.shape());
  return out;
}

Tensor sigmoid_cross_entropy_with_logits(const Input& labels, const Input& logits,
                                         const std::string& name) {
  const NameScope scope(or_else(name, "logistic_loss"));
  const Tensor x = logits.tensor("logits"), z = labels.tensor("labels", x.dtype());
  if (!x.shape().compatible(z.shape()))
    raise<ValueError>("logits and labels must have the same shape ({} vs {})", x.shape().text(),
                      z.shape().text());
  const Tensor none = Build("ZerosLike", "zeros_like").in(x);
  const Tensor positive = Build("GreaterEqual", "").in(x).in(none);
  const Tensor relu_x = Build("Select", "").in(positive).in(x).in(none);
  const Tensor less = unary("Neg", x);
  const Tensor minus_abs = Build("Select", "").in(positive).in(less).in(x);
  const Tensor first = Build("Sub", "sub").in(relu_x).in(Build("Mul", "mul").in(x).in(z));
  return Build("Add", scope.text()).in(first).in(unary("Log1p", unary("Exp", minus_abs)));
}

}  // namespace trivium::tf::nn
