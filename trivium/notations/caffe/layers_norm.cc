// Normalising layers: BatchNorm with its running statistics, MVN.
#include "trivium/notations/caffe/layer.h"

namespace trivium::caffe {
namespace {

/// The blobs hold sums that decay, and their weight: mean = blob 0 / blob 2. A net that never
/// trained has weight 0 and uses mean 0, variance 0.
void batch_norm(LayerCtx& ctx) {
  const proto::BatchNormParameter& p = ctx.param().batch_norm_param();
  const bool global = p.has_use_global_stats() ? p.use_global_stats() : !ctx.training();
  const Shape& shape = ctx.shape();
  ctx.require(shape.rank() >= 1, "bottom", "expected at least one axis, received a scalar");
  const int64_t channels = shape.rank() == 1 ? 1 : shape[1];
  const auto& zero = proto::FillerParameter::default_instance();
  const Value sum_mean = ctx.weight(0, Shape{channels}, zero);
  const Value sum_variance = ctx.weight(1, Shape{channels}, zero);
  const Value weight = ctx.weight(2, Shape{1}, zero);
  const Value x = shape.rank() == 1 ? ops::reshape(ctx.bottom(), Shape{shape[0], 1}) : ctx.bottom();
  const double eps = p.eps();
  Graph& graph = ctx.graph();
  Value y;
  if (global) {
    const Value none = ops::equal(weight, graph.constant(0.0));
    const Value one = ops::broadcast_to(graph.constant(1.0), Shape{1});
    const Value factor = ops::select(none, ops::broadcast_to(graph.constant(0.0), Shape{1}),
                                     one / ops::select(none, one, weight));
    Shape aligned{channels};
    for (int i = 2; i < x.shape().rank(); ++i) aligned.push_back(1);
    const Value mean = ops::reshape(sum_mean * factor, aligned);
    const Value invstd = ops::reshape(ops::rsqrt(ops::add(sum_variance * factor, eps)), aligned);
    y = (x - mean) * invstd;
  } else {
    const ops::BatchNorm norm = ops::batch_norm(x, eps);
    y = norm.y;
    const double keep = p.moving_average_fraction();
    const double m = static_cast<double>(x.shape().count() / channels);
    const double correction = m > 1 ? m / (m - 1) : 1;
    graph.assign(ctx.cell(0), ops::stop_gradient(sum_mean * keep + norm.mean));
    graph.assign(ctx.cell(1), ops::stop_gradient(sum_variance * keep + norm.variance * correction));
    graph.assign(ctx.cell(2), ops::stop_gradient(weight * keep + 1.0));
  }
  ctx.top(0, shape.rank() == 1 ? ops::reshape(y, shape) : y);
}

/// Mean and, if asked, variance normalisation of each plane or each item; eps is added to the
/// deviation.
void mvn(LayerCtx& ctx) {
  const proto::MVNParameter& p = ctx.param().mvn_param();
  ctx.require(ctx.shape().rank() <= 4, "bottom",
              "expected at most four axes, received " + ctx.shape().text());
  Shape four = ctx.shape();
  while (four.rank() < 4) four.push_back(1);
  const Value x = four == ctx.shape() ? ctx.bottom() : ops::reshape(ctx.bottom(), four);
  const ops::Ints axes = p.across_channels() ? ops::Ints{1, 2, 3} : ops::Ints{2, 3};
  Value y = x - ops::mean(x, axes, true);
  if (p.normalize_variance()) {
    const Value variance = ops::mean(ops::square(y), axes, true);
    const Value divisor =
        ops::stop_gradient(ops::add(ops::sqrt(variance), static_cast<double>(p.eps())));
    // Caffe's derivative takes the divisor d for the deviation: dd = dvariance / (2 d), finite
    // where a plane is constant.
    const Value change = variance - ops::stop_gradient(variance);
    y = y / (divisor + change * ops::rdiv(0.5, divisor));
  }
  ctx.top(0, y);
}

}  // namespace

void add_norm_layers(LayerTable& table) {
  table.add({.type = "BatchNorm", .record = batch_norm, .fixed_params = true});
  table.add({"MVN", exactly(1), exactly(1), mvn});
}

}  // namespace trivium::caffe
