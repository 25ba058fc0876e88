// Layers that combine values: Eltwise over several bottoms, Reduction and ArgMax over axes.
#include "trivium/notations/caffe/layer.h"

namespace trivium::caffe {
namespace {

Value eltwise_sum(LayerCtx& ctx, const proto::EltwiseParameter& p) {
  std::vector<Value> terms;
  for (int i = 0; i < ctx.bottoms(); ++i) {
    const double c = p.coeff_size() > 0 ? p.coeff(i) : 1.0;
    terms.push_back(c == 1 ? ctx.bottom(i) : ctx.bottom(i) * c);
  }
  Value sum = terms[0];
  for (size_t i = 1; i < terms.size(); ++i) sum = sum + terms[i];
  return sum;
}

void eltwise(LayerCtx& ctx) {
  const proto::EltwiseParameter& p = ctx.param().eltwise_param();
  const bool product = p.operation() == proto::EltwiseParameter::PROD;
  ctx.require(p.coeff_size() == 0 || p.coeff_size() == ctx.bottoms(), "eltwise_param",
              fmt::format("expected no coeff or one for each of the {} bottoms, received {}",
                          ctx.bottoms(), p.coeff_size()));
  ctx.require(!(product && p.coeff_size() > 0), "eltwise_param", "PROD takes no coeff");
  for (int i = 1; i < ctx.bottoms(); ++i)
    ctx.require(ctx.shape(i) == ctx.shape(), "bottom",
                fmt::format("all bottoms need one shape, received {} and {}", ctx.shape().text(),
                            ctx.shape(i).text()));
  if (p.operation() == proto::EltwiseParameter::SUM) return ctx.top(0, eltwise_sum(ctx, p));
  Value y = ctx.bottom(0);
  for (int i = 1; i < ctx.bottoms(); ++i) {
    const Value x = ctx.bottom(i);
    // Of two equal maxima the second wins among the first pair, the earlier one after that.
    y = product  ? y * x
        : i == 1 ? ops::select(ops::greater(y, x), y, x)
                 : ops::select(ops::greater(x, y), x, y);
  }
  ctx.top(0, y);
}

void reduction(LayerCtx& ctx) {
  const proto::ReductionParameter& p = ctx.param().reduction_param();
  const Shape& shape = ctx.shape();
  const int axis =
      shape.rank() == 0 && p.axis() == 0 ? 0 : ctx.axis(p.axis(), shape.rank(), "axis");
  Value x = ctx.bottom();
  if (p.operation() == proto::ReductionParameter::ASUM) x = ops::abs(x);
  if (p.operation() == proto::ReductionParameter::SUMSQ) x = ops::square(x);
  if (shape.rank() > 0) {
    ops::Ints axes;
    for (int i = axis; i < shape.rank(); ++i) axes.push_back(i);
    x = ops::sum(x, axes);
  }
  double coeff = p.coeff();
  if (p.operation() == proto::ReductionParameter::MEAN)
    coeff /= static_cast<double>(shape.count(axis));
  ctx.top(0, coeff == 1 ? x : x * coeff);
}

/// The k largest with their indices; of equal ones the later comes first.
void argmax(LayerCtx& ctx) {
  const proto::ArgMaxParameter& p = ctx.param().argmax_param();
  const Shape& shape = ctx.shape();
  const bool flat = !p.has_axis();
  const int axis = flat ? 1 : ctx.axis(p.axis(), shape.rank(), "axis");
  ctx.require(shape.rank() >= 1, "bottom", "expected at least one axis, received a scalar");
  const Value x = flat ? ops::reshape(ctx.bottom(), Shape{shape[0], shape.count(1)}) : ctx.bottom();
  const int64_t k = p.top_k();
  ctx.require(k >= 1, "argmax_param", "top_k must be at least 1");
  ctx.require(
      k <= x.shape()[axis], "argmax_param",
      fmt::format("top_k {} is more than the {} values to choose from", k, x.shape()[axis]));
  const ops::TopK top = ops::top_k(x, k, axis, "last");
  const Value indices = ops::cast(top.indices, DType::f32);
  if (!flat) return ctx.top(0, p.out_max_val() ? top.values : indices);
  Shape single{shape[0], 1, k};
  for (int i = 3; i < shape.rank(); ++i) single.push_back(1);
  const Value rows = ops::reshape(indices, single);
  ctx.top(0, p.out_max_val() ? ops::concat({rows, ops::reshape(top.values, single)}, 1) : rows);
}

}  // namespace

void add_reduce_layers(LayerTable& table) {
  table.add({"Eltwise", at_least(2), exactly(1), eltwise});
  table.add({"Reduction", exactly(1), exactly(1), reduction});
  table.add({.type = "ArgMax", .record = argmax, .no_gradient = {0}});
}

}  // namespace trivium::caffe
