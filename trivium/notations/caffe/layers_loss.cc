// Softmax and the layers that compare scores with class labels: SoftmaxWithLoss, Accuracy,
// MultinomialLogisticLoss, InfogainLoss, HingeLoss.
#include <cfloat>
#include <cmath>

#include "trivium/formats/caffemodel.h"
#include "trivium/notations/caffe/layer.h"
#include "trivium/notations/caffe/loss_parts.h"

namespace trivium::caffe {

Value kept_labels(Value labels, bool has_ignore, int ignore) {
  if (!has_ignore) return {};
  const Value whole = ops::cast(labels, DType::i32);
  return ops::cast(ops::not_equal(whole, labels.graph->constant(ignore, DType::i32)), DType::f32);
}

Value normalize_loss(const LayerCtx& ctx, Value losses, const proto::LossParameter& p,
                     proto::LossParameter::NormalizationMode fallback, int64_t outer, int64_t inner,
                     Value kept) {
  using Loss = proto::LossParameter;
  Loss::NormalizationMode mode = fallback;
  if (p.has_normalization())
    mode = p.normalization();
  else if (p.has_normalize())
    mode = p.normalize() ? Loss::VALID : Loss::BATCH_SIZE;
  if (mode == Loss::VALID && kept.defined())
    return ops::sum(losses) / ops::maximum(ops::stop_gradient(ops::sum(kept)), 1.0);
  const int64_t z = mode == Loss::NONE ? 1 : mode == Loss::BATCH_SIZE ? outer : outer * inner;
  if (z == losses.shape().count() && z > 0) return ops::mean(losses);
  return ops::div(ops::sum(losses), static_cast<double>(std::max<int64_t>(z, 1)));
}

namespace {

/// Scores [outer…, classes at axis, inner…] and what their labels look like.
struct Classes {
  int axis = 1;
  int64_t count = 0, outer = 0, inner = 0;
  Shape labels;  // shape of the scores without the axis
};

Classes classes(const LayerCtx& ctx, int written_axis) {
  Classes c;
  const Shape& shape = ctx.shape(0);
  c.axis = ctx.axis(written_axis, shape.rank(), "axis");
  c.count = shape[c.axis];
  c.outer = shape.count(0, c.axis);
  c.inner = shape.count(c.axis + 1);
  for (int i = 0; i < shape.rank(); ++i)
    if (i != c.axis) c.labels.push_back(shape[i]);
  ctx.require(ctx.shape(1).count() == c.outer * c.inner, "bottom",
              fmt::format("the scores {} with their classes on axis {} need {} labels, the second "
                          "bottom {} holds {}",
                          shape.text(), c.axis, c.outer * c.inner, ctx.shape(1).text(),
                          ctx.shape(1).count()));
  return c;
}

/// Both bottoms of a loss hold the same number of items.
void check_items(const LayerCtx& ctx) {
  const Shape &a = ctx.shape(0), &b = ctx.shape(1);
  ctx.require(a.rank() > 0 && b.rank() > 0 && a[0] == b[0], "bottom",
              fmt::format("data and labels need the same first size, received {} and {}", a.text(),
                          b.text()));
}

void softmax(LayerCtx& ctx) {
  const int axis = ctx.axis(ctx.param().softmax_param().axis(), ctx.shape().rank(), "axis");
  ctx.top(0, ops::softmax(ctx.bottom(), axis));
}

void softmax_loss(LayerCtx& ctx) {
  const proto::LossParameter& p = ctx.param().loss_param();
  ctx.log("Creating layer " + ctx.param().name());  // Caffe makes an inner Softmax of that name
  check_items(ctx);
  const Classes c = classes(ctx, ctx.param().softmax_param().axis());
  const Value labels = ops::reshape(ctx.bottom(1), c.labels);
  const ops::CrossEntropy entropy = ops::softmax_cross_entropy(
      ctx.bottom(0), labels, c.axis, FLT_MIN, p.has_ignore_label(), p.ignore_label());
  const Value kept = kept_labels(labels, p.has_ignore_label(), p.ignore_label());
  ctx.top(
      0, normalize_loss(ctx, entropy.loss, p, proto::LossParameter::VALID, c.outer, c.inner, kept));
  if (ctx.tops() == 2) ctx.top(1, entropy.probability);
}

/// Labels as whole numbers, checked at run time to lie in [0, classes); ignored ones become class
/// 0.
Value checked_labels(LayerCtx& ctx, Value labels, int64_t count, Value kept = {}) {
  Graph& graph = ctx.graph();
  Value whole = ops::cast(labels, DType::i32);
  if (kept.defined())
    whole = ops::select(ops::greater(kept, graph.constant(0.0)), whole,
                        ops::broadcast_to(graph.constant(0, DType::i32), whole.shape()));
  Array all(Shape{count}, DType::i32);
  for (int64_t i = 0; i < count; ++i) all.data<int32_t>()[i] = static_cast<int32_t>(i);
  return ops::gather(graph.constant(all), whole, 0);
}

void accuracy(LayerCtx& ctx) {
  const proto::AccuracyParameter& p = ctx.param().accuracy_param();
  Graph& graph = ctx.graph();
  const Classes c = classes(ctx, p.axis());
  ctx.require(
      p.top_k() >= 1 && p.top_k() <= c.count, "accuracy_param",
      fmt::format("top_k must lie between 1 and the {} classes, received {}", c.count, p.top_k()));
  const Value written = ops::reshape(ctx.bottom(1), c.labels);
  const Value kept = kept_labels(written, p.has_ignore_label(), p.ignore_label());
  const Value labels = kept.defined() || ctx.tops() == 2
                           ? checked_labels(ctx, written, c.count, kept)
                           : ops::cast(written, DType::i32);
  Value correct = ops::in_top_k(ctx.bottom(0), labels, c.axis, p.top_k());
  if (kept.defined()) correct = correct * kept;
  const Value total =
      kept.defined() ? ops::maximum(ops::sum(kept), 1.0)
                     : graph.constant(static_cast<double>(std::max<int64_t>(c.outer * c.inner, 1)));
  ctx.top(0, ops::sum(correct) / total);
  if (ctx.tops() < 2) return;
  // Per class: the labels' one-hot rows [places, classes] select what is counted where.
  const int64_t places = c.outer * c.inner;
  Value rows = ops::one_hot(ops::reshape(labels, Shape{places}), c.count);
  if (kept.defined()) rows = rows * ops::reshape(kept, Shape{places, 1});
  const Value hits = ops::sum(rows * ops::reshape(correct, Shape{places, 1}), {0});
  ctx.top(1, hits / ops::maximum(ops::sum(rows, {0}), 1.0));
}

/// max(x, floor) that passes the gradient on even where the floor holds, as Caffe's losses do.
Value floored(Value x, double floor) { return x + ops::stop_gradient(ops::maximum(x, floor) - x); }

/// Scores of two axes [items, classes] and their checked labels.
struct Rows {
  Value x, hot;
  double items;
};

Rows rows_of(LayerCtx& ctx) {
  check_items(ctx);
  const Shape& shape = ctx.shape(0);
  const int64_t n = shape[0], k = shape.count(1);
  ctx.require(
      ctx.shape(1).count() == n, "bottom",
      fmt::format("expected one label an item, received {} for {} items", ctx.shape(1).text(), n));
  const Value labels = ops::reshape(ctx.bottom(1), Shape{n});
  return {ops::reshape(ctx.bottom(0), Shape{n, k}), ops::one_hot(checked_labels(ctx, labels, k), k),
          static_cast<double>(n)};
}

void multinomial_logistic_loss(LayerCtx& ctx) {
  const Rows r = rows_of(ctx);
  const Value p = ops::sum(r.x * r.hot, {1});
  ctx.top(0, ops::mul(ops::sum(ops::log(floored(p, 1e-20))), -1 / r.items));
}

void hinge_loss(LayerCtx& ctx) {
  const Rows r = rows_of(ctx);
  // One class against all others: the label's score counts with a minus.
  const Value margin = ops::relu(ops::add(r.x * ops::rsub(1, ops::mul(r.hot, 2.0)), 1.0));
  const bool squared = ctx.param().hinge_loss_param().norm() == proto::HingeLossParameter::L2;
  ctx.top(0, ops::mul(ops::sum(squared ? ops::square(margin) : margin), 1 / r.items));
}

/// The matrix H [classes, classes]: the third bottom, or a file.
Value infogain_matrix(LayerCtx& ctx, int64_t count) {
  const std::string& source = ctx.param().infogain_loss_param().source();
  const Shape square{count, count};
  if (ctx.bottoms() == 3) {
    ctx.require(ctx.shape(2).count() == count * count, "bottom",
                fmt::format("{} classes need a matrix of {}, received {}", count, square.text(),
                            ctx.shape(2).text()));
    return ops::reshape(ctx.bottom(2), square);
  }
  ctx.require(!source.empty(), "infogain_loss_param", "expected a third bottom or a source file");
  Array matrix = formats::read_blob_file(ctx.path(source));
  if (matrix.dtype() != DType::f32) matrix = matrix.cast(DType::f32);
  ctx.require(matrix.count() == count * count, "infogain_loss_param",
              fmt::format("{} classes need a matrix of {}, \"{}\" holds {} values", count,
                          square.text(), source, matrix.count()));
  return ctx.graph().constant(matrix.reshaped(square));
}

/// Bottom 0 are scores: -sum over l of H[label, l] log p_l, with p their softmax.
void infogain_loss(LayerCtx& ctx) {
  const proto::LossParameter& p = ctx.param().loss_param();
  ctx.require(!p.has_normalize(), "loss_param", "write normalization instead of normalize");
  ctx.log("Creating layer " + ctx.param().name());
  check_items(ctx);
  const Classes c = classes(ctx, ctx.param().infogain_loss_param().axis());
  const int64_t places = c.outer * c.inner;
  const Value matrix = infogain_matrix(ctx, c.count);
  const Value labels = ops::reshape(ctx.bottom(1), Shape{places});
  const Value kept = kept_labels(labels, p.has_ignore_label(), p.ignore_label());
  const Value log_p =
      ops::log_softmax(ops::reshape(ctx.bottom(0), Shape{c.outer, c.count, c.inner}), 1);
  const Value flat = ops::reshape(ops::permute(floored(log_p, std::log(1e-20)), {0, 2, 1}),
                                  Shape{places, c.count});
  const Value rows = ops::gather(matrix, checked_labels(ctx, labels, c.count, kept), 0);
  Value loss = ops::sum(flat * rows, {1});
  if (kept.defined()) loss = loss * kept;
  ctx.top(0, normalize_loss(ctx, ops::neg(loss), p, proto::LossParameter::VALID, c.outer, c.inner,
                            kept));
  if (ctx.tops() == 2) ctx.top(1, ops::softmax(ctx.bottom(0), c.axis));
}

}  // namespace

void add_loss_layers(LayerTable& table) {
  const auto loss = [&](const char* type, Count bottoms, Count tops, void (*record)(LayerCtx&),
                        std::vector<int> no_gradient) {
    table.add({.type = type,
               .bottoms = bottoms,
               .tops = tops,
               .record = record,
               .loss = true,
               .no_gradient = std::move(no_gradient),
               .refuses_force = {1}});
  };
  table.add({"Softmax", exactly(1), exactly(1), softmax});
  table.add({.type = "Accuracy",
             .bottoms = exactly(2),
             .tops = between(1, 2),
             .record = accuracy,
             .no_gradient = {0, 1}});
  loss("SoftmaxWithLoss", exactly(2), between(1, 2), softmax_loss, {1});
  loss("MultinomialLogisticLoss", exactly(2), exactly(1), multinomial_logistic_loss, {1});
  loss("HingeLoss", exactly(2), exactly(1), hinge_loss, {1});
  loss("InfogainLoss", between(2, 3), between(1, 2), infogain_loss, {1, 2});
}

}  // namespace trivium::caffe
