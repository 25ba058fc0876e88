// Losses that compare two blobs of numbers: EuclideanLoss, SigmoidCrossEntropyLoss,
// ContrastiveLoss.
#include "trivium/notations/caffe/layer.h"
#include "trivium/notations/caffe/loss_parts.h"

namespace trivium::caffe {
namespace {

void check_pair(const LayerCtx& ctx, bool same_rest) {
  const Shape &a = ctx.shape(0), &b = ctx.shape(1);
  const bool items = a.rank() > 0 && b.rank() > 0 && a[0] == b[0];
  ctx.require(
      items && (!same_rest || a.count(1) == b.count(1)), "bottom",
      fmt::format("both bottoms need the same number of items and values an item, received {} "
                  "and {}",
                  a.text(), b.text()));
}

Value like_first(const LayerCtx& ctx) {
  const Value b = ctx.bottom(1);
  return b.shape() == ctx.shape(0) ? b : ops::reshape(b, ctx.shape(0));
}

void euclidean_loss(LayerCtx& ctx) {
  check_pair(ctx, true);
  const Value squares = ops::square(ctx.bottom(0) - like_first(ctx));
  ctx.top(0, ops::mul(ops::sum(squares), 0.5 / static_cast<double>(ctx.shape()[0])));
}

void sigmoid_cross_entropy_loss(LayerCtx& ctx) {
  const proto::LossParameter& p = ctx.param().loss_param();
  check_pair(ctx, true);
  const Value x = ctx.bottom(0), target = like_first(ctx);
  const Value kept = kept_labels(target, p.has_ignore_label(), p.ignore_label());
  Value loss = ops::softplus(x) - x * target;
  if (kept.defined()) loss = loss * kept;
  const int64_t outer = ctx.shape()[0];
  // Caffe divides by the batch size unless told otherwise, whatever its schema's default says.
  ctx.top(0, normalize_loss(ctx, loss, p, proto::LossParameter::BATCH_SIZE, outer,
                            ctx.shape().count(1), kept));
}

void contrastive_loss(LayerCtx& ctx) {
  const proto::ContrastiveLossParameter& p = ctx.param().contrastive_loss_param();
  check_pair(ctx, true);
  const int64_t n = ctx.shape()[0], k = ctx.shape().count(1);
  ctx.require(ctx.shape(2).count() == n, "bottom",
              fmt::format("expected one similarity an item, received {} for {} items",
                          ctx.shape(2).text(), n));
  Graph& graph = ctx.graph();
  const Value difference = ops::reshape(ctx.bottom(0) - like_first(ctx), Shape{n, k});
  const Value squared = ops::sum(ops::square(difference), {1});
  const Value flags = ops::cast(ops::reshape(ctx.bottom(2), Shape{n}), DType::i32);
  const Value similar = ops::not_equal(flags, graph.constant(0, DType::i32));
  const double margin = p.margin();
  Value apart;
  if (p.legacy_version()) {
    apart = ops::relu(ops::rsub(margin, squared));
  } else {
    // The distance with Caffe's derivative 1 / (2 (d + 1e-4)) for d^2, finite where the pair is
    // equal.
    const Value d = ops::stop_gradient(ops::sqrt(squared));
    const Value slope = ops::rdiv(0.5, ops::add(d, 1e-4));
    const Value distance = d + (squared - ops::stop_gradient(squared)) * slope;
    apart = ops::square(ops::relu(ops::rsub(margin, distance)));
  }
  const Value loss = ops::select(similar, squared, apart);
  ctx.top(0, ops::mul(ops::sum(loss), 0.5 / static_cast<double>(n)));
}

}  // namespace

void add_regression_layers(LayerTable& table) {
  table.add(
      {.type = "EuclideanLoss", .bottoms = exactly(2), .record = euclidean_loss, .loss = true});
  table.add({.type = "SigmoidCrossEntropyLoss",
             .bottoms = exactly(2),
             .record = sigmoid_cross_entropy_loss,
             .loss = true,
             .no_gradient = {1},
             .refuses_force = {1}});
  table.add({.type = "ContrastiveLoss",
             .bottoms = exactly(3),
             .record = contrastive_loss,
             .loss = true,
             .no_gradient = {2},
             .refuses_force = {2}});
}

}  // namespace trivium::caffe
