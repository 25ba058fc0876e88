// Softmax and losses, biases, normalisation.
#include <algorithm>

#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/windows.h"

namespace trivium::tf {
namespace {

void define_softmax(SpecTable& t) {
  for (const bool log : {false, true})
    t.add({log ? "LogSoftmax" : "Softmax",
           {"logits"},
           [](Infer& c) {
             c.floating(0);
             c.output(c.shape(0), c.dtype(0));
           },
           [log](Translate& c) {
             c.out(0, log ? ops::log_softmax(c.in(0)) : ops::softmax(c.in(0)));
           }});
}

/// -sum(labels * log_softmax(logits)), with the gradients TensorFlow gives it: softmax - labels
/// even where labels do not sum to one, and -log_softmax for the labels.
Value soft_loss(Value logits, Value labels) {
  const Value lse = ops::logsumexp(logits, {1}, true);
  const Value value = ops::sum(labels * (lse - logits), {1});
  const Value slope = ops::reshape(lse, {lse.shape()[0]}) +
                      ops::sum(labels * (ops::stop_gradient(lse) - logits), {1});
  return ops::stop_gradient(value - slope) + slope;
}

void define_losses(SpecTable& t) {
  t.add({"SoftmaxCrossEntropyWithLogits",
         {"features", "labels"},
         [](Infer& c) {
           c.same_dtype(1);
           c.floating(0);
           const auto shape = broadcast(c.shape(0), c.shape(1));
           if (!shape)
             c.fail(fmt::format(
                 "logits and labels must be broadcastable: logits_size={} labels_size={}",
                 c.shape(0).brackets(), c.shape(1).brackets()));
           c.output(shape->known_rank() ? PartialShape{(*shape)[0]} : PartialShape(), c.dtype(0));
           c.output(*shape, c.dtype(0));
         },
         [](Translate& c) {
           if (!broadcast(PartialShape(c.shape(0)), PartialShape(c.shape(1))))
             c.fail(fmt::format(
                 "logits and labels must be broadcastable: logits_size={} labels_size={}",
                 PartialShape(c.shape(0)).brackets(), PartialShape(c.shape(1)).brackets()));
           const Shape shape = broadcast_shapes(c.shape(0), c.shape(1));
           const Value logits = ops::broadcast_to(c.in(0), shape);
           const Value labels = ops::broadcast_to(c.in(1), shape);
           c.out(0, soft_loss(logits, labels));
           c.out(1, ops::softmax(logits) - labels);
         }});
  t.add({"SparseSoftmaxCrossEntropyWithLogits",
         {"features", "labels"},
         [](Infer& c) {
           c.floating(0);
           c.rank(0, 2);
           c.rank(1, 1);
           c.output(c.shape(1), c.dtype(0));
           c.output(c.shape(0), c.dtype(0));
         },
         [](Translate& c) {
           const Value logits = c.in(0), labels = c.in(1);
           const int64_t n = logits.shape()[0], classes = logits.shape()[1];
           if (labels.shape()[0] != n)
             c.fail(fmt::format(
                 "logits and labels must have the same first dimension, got logits shape {} "
                 "and labels shape {}",
                 PartialShape(logits.shape()).brackets(), PartialShape(labels.shape()).brackets()));
           c.out(0, ops::softmax_cross_entropy(logits, labels, 1).loss);
           c.out(1, ops::softmax(logits) - ops::one_hot(labels, classes, logits.dtype()));
         }});
}

void define_choices(SpecTable& t) {
  t.add({"TopKV2",
         {"input", "k"},
         [](Infer& c) {
           const auto k = c.constant(1);
           PartialShape out = c.shape(0);
           if (out.known_rank()) out.set(-1, k ? static_cast<int64_t>(k->item()) : -1);
           c.output(out, c.dtype(0));
           c.output(out, DataType::int32);
         },
         [](Translate& c) {
           const ops::TopK top = ops::top_k(c.in(0), c.known_integers(1).at(0));
           c.out(0, top.values);
           c.out(1, ops::cast(top.indices, DType::i32));
         }});
  t.add({"InTopK",
         {"predictions", "targets"},
         [](Infer& c) { c.output(c.shape(1), DataType::bool_); },
         [](Translate& c) { c.out(0, in_top_k(c.in(0), c.in(1), c.op().attr<int64_t>("k"))); },
         Differentiable::cut});
}

/// A vector along the channel axis of a tensor of this rank.
Value along_channels(Value v, int rank, int axis) {
  std::vector<int64_t> dims(rank, 1);
  dims[axis] = v.shape()[0];
  return ops::reshape(v, Shape(dims));
}

/// The convolution or matrix product that made x, with the bias inside; undefined when x is
/// something else. What made x alone falls away when nobody else uses it.
Value with_bias(Value x, Value bias) {
  const Node& node = x.graph->node(x.node);
  if (!node.op || node.inputs.size() != 2 || bias.shape().rank() != 1) return {};
  const std::string& name = node.op->name();
  if (name != "conv" && name != "matmul") return {};
  const std::vector<Value> inputs{x.graph->value(node.inputs[0]), x.graph->value(node.inputs[1]),
                                  bias};
  const OpDef& op = *node.op;
  const std::shared_ptr<const Attrs> attrs = node.attrs;
  return x.graph->op(op, inputs, *attrs);
}

void define_bias(SpecTable& t) {
  t.add({"BiasAdd",
         {"value", "bias"},
         [](Infer& c) {
           c.same_dtype(1);
           c.rank(1, 1);
           const bool first = c.op().attr_or<std::string>("data_format", "NHWC") == "NCHW";
           if (c.shape(0).known_rank()) {
             const int64_t channels = c.shape(0)[first ? 1 : -1];
             const int64_t bias = c.shape(1).known_rank() ? c.shape(1)[0] : -1;
             if (channels >= 0 && bias >= 0 && channels != bias)
               c.fail(fmt::format("Dimensions must be equal, but are {} and {}", channels, bias),
                      "a bias has one number a channel");
           }
           c.output(c.shape(0), c.dtype(0));
         },
         [](Translate& c) {
           const Value x = c.in(0);
           const bool first = c.op().attr_or<std::string>("data_format", "NHWC") == "NCHW";
           const int rank = x.shape().rank();
           const bool turns = !first && rank > 2 && source_of_permute(x).defined();
           const Value source = first || rank == 2 ? x : turns ? to_channels_first(x) : Value();
           if (source.defined()) {
             const Value whole = with_bias(source, c.in(1));
             if (whole.defined())
               return c.out(0, first || rank == 2 ? whole : to_channels_last(whole));
           }
           if (first) return c.out(0, x + along_channels(c.in(1), rank, 1));
           if (rank < 3 || !source_of_permute(x).defined()) return c.out(0, x + c.in(1));
           c.out(0, to_channels_last(to_channels_first(x) + along_channels(c.in(1), rank, 1)));
         }});
}

/// Batch normalisation of [N, C, …]: y, mean and the variance that feeds the moving average.
void fused_batch_norm(Translate& c) {
  const bool first = c.op().attr_or<std::string>("data_format", "NHWC") == "NCHW";
  const double eps = c.op().attr_or<double>("epsilon", 1e-4);
  const Value x = first ? c.in(0) : to_channels_first(c.in(0));
  const int rank = x.shape().rank();
  const auto back = [&](Value y) { return first ? y : to_channels_last(y); };
  if (!c.op().attr_or<bool>("is_training", true)) {
    const Value scale = c.in(1) * ops::rsqrt(c.in(4) + eps);
    const Value y = (x - along_channels(c.in(3), rank, 1)) * along_channels(scale, rank, 1) +
                    along_channels(c.in(2), rank, 1);
    c.out(0, back(y));
    for (int i : {1, 3}) c.out(i, c.in(3));
    for (int i : {2, 4}) c.out(i, c.in(4));
    return;
  }
  const ops::BatchNorm b = ops::batch_norm(x, eps, c.in(1), c.in(2));
  const double n = double(x.shape().count()) / double(std::max<int64_t>(1, x.shape()[1]));
  c.out(0, back(b.y));
  c.out(1, ops::stop_gradient(b.mean));
  c.out(2, ops::stop_gradient(b.variance) * (n / std::max(1.0, n - 1)));
  c.out(3, ops::stop_gradient(b.mean));
  c.out(4, ops::stop_gradient(b.invstd));
}

void define_norm(SpecTable& t) {
  for (const char* type : {"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"})
    t.add({type,
           {"x", "scale", "offset", "mean", "variance"},
           [](Infer& c) {
             c.floating(0);
             c.rank(0, 4);
             c.output(c.shape(0), c.dtype(0));
             for (int i = 0; i < 4; ++i) c.output(c.shape(1), c.dtype(1));
           },
           fused_batch_norm});
  t.add({"LRN",
         {"input"},
         [](Infer& c) {
           c.floating(0);
           c.rank(0, 4);
           c.output(c.shape(0), c.dtype(0));
         },
         [](Translate& c) {
           const auto size = 2 * c.op().attr_or<int64_t>("depth_radius", 5) + 1;
           const double alpha = c.op().attr_or<double>("alpha", 1.0);  // not divided by the size
           c.out(0, to_channels_last(ops::lrn(
                        to_channels_first(c.in(0)), size, alpha * double(size),
                        c.op().attr_or<double>("beta", 0.5), c.op().attr_or<double>("bias", 1.0))));
         }});
}

}  // namespace

Value in_top_k(Value predictions, Value targets, int64_t k) {
  const int64_t rows = predictions.shape()[0];
  const Value place = ops::reshape(ops::cast(targets, DType::i64), {rows, 1});
  const Value mine = ops::gather_elements(predictions, place, 1);
  const Value larger = ops::cast(ops::greater(predictions, mine), DType::i64);
  const Value few =
      ops::less(ops::sum(larger, {1}), predictions.graph->constant(double(k), DType::i64));
  const Value odd = ops::reshape(ops::logical_or(ops::is_nan(mine), ops::is_inf(mine)), {rows});
  return ops::logical_and(few, ops::logical_not(odd));
}

void define_nn_ops(SpecTable& t) {
  define_softmax(t);
  define_losses(t);
  define_choices(t);
  define_bias(t);
  define_norm(t);
}

}  // namespace trivium::tf
