// Layers that multiply or add learned values: InnerProduct, Embed, Scale, Bias.
#include "trivium/notations/caffe/layer.h"

namespace trivium::caffe {
namespace {

void inner_product(LayerCtx& ctx) {
  const proto::InnerProductParameter& p = ctx.param().inner_product_param();
  const Value x = ctx.bottom();
  const int axis = ctx.axis(p.axis(), x.shape().rank(), "axis");
  ctx.require(p.num_output() > 0, "inner_product_param", "num_output must be at least 1");
  const int64_t n = p.num_output(), k = x.shape().count(axis), m = x.shape().count(0, axis);
  const Value w = ctx.weight(0, p.transpose() ? Shape{k, n} : Shape{n, k}, p.weight_filler());
  const Value bias = p.bias_term() ? ctx.weight(1, Shape{n}, p.bias_filler()) : Value{};
  const Value y = ops::matmul(ops::reshape(x, Shape{m, k}), w, false, !p.transpose(), bias);
  Shape shape;
  for (int i = 0; i < axis; ++i) shape.push_back(x.shape()[i]);
  shape.push_back(n);
  ctx.top(0, y.shape() == shape ? y : ops::reshape(y, shape));
}

void embed(LayerCtx& ctx) {
  const proto::EmbedParameter& p = ctx.param().embed_param();
  ctx.require(p.num_output() > 0, "embed_param", "num_output must be at least 1");
  ctx.require(p.input_dim() > 0, "embed_param", "input_dim must be at least 1");
  const int64_t n = p.num_output(), k = p.input_dim();
  const Value table = ctx.weight(0, Shape{k, n}, p.weight_filler());
  Value y = ops::gather(table, ops::cast(ctx.bottom(), DType::i32), 0);
  if (p.bias_term()) y = y + ctx.weight(1, Shape{n}, p.bias_filler());
  ctx.top(0, y);
}

/// Shape of a learned scale or bias: axes [axis, axis + num_axes) of the bottom; -1 means to the
/// end.
Shape learned_shape(const LayerCtx& ctx, int axis, int num_axes, const char* field) {
  const Shape& shape = ctx.shape();
  ctx.require(num_axes >= -1, field,
              fmt::format("num_axes must be at least -1, received {}", num_axes));
  const int end = num_axes == -1 ? shape.rank() : axis + num_axes;
  ctx.require(end <= shape.rank(), field,
              fmt::format("axis {} and num_axes {} go past the {} axes of the bottom", axis,
                          num_axes, shape.rank()));
  Shape result;
  for (int i = axis; i < end; ++i) result.push_back(shape[i]);
  return result;
}

/// `s`, whose axes are those of the bottom from `axis` on, with ones behind so that it broadcasts.
Value aligned(const LayerCtx& ctx, Value s, int axis) {
  Shape shape = s.shape();
  for (int i = axis + s.shape().rank(); i < ctx.shape().rank(); ++i) shape.push_back(1);
  return shape == s.shape() ? s : ops::reshape(s, shape);
}

/// Axis of a second bottom, whose sizes must be those of the first from there on.
int second_axis(const LayerCtx& ctx, int axis) {
  const Shape &x = ctx.shape(0), &s = ctx.shape(1);
  if (s.rank() == 0) return 0;
  axis = ctx.axis(axis, x.rank(), "axis");
  bool fits = axis + s.rank() <= x.rank();
  for (int i = 0; fits && i < s.rank(); ++i) fits = x[axis + i] == s[i];
  ctx.require(
      fits, "bottom",
      fmt::format("the second bottom {} must equal the axes of the first {} from axis {} on",
                  s.text(), x.text(), axis));
  return axis;
}

/// The operand of Scale or Bias: the second bottom, or parameter `index`.
Value operand(LayerCtx& ctx, int written_axis, int num_axes, const proto::FillerParameter& filler,
              const char* field) {
  if (ctx.bottoms() == 2) return aligned(ctx, ctx.bottom(1), second_axis(ctx, written_axis));
  const int axis = ctx.axis(written_axis, ctx.shape().rank(), "axis");
  return aligned(ctx, ctx.weight(0, learned_shape(ctx, axis, num_axes, field), filler), axis);
}

void scale(LayerCtx& ctx) {
  const proto::ScaleParameter& p = ctx.param().scale_param();
  proto::FillerParameter filler = p.filler();
  if (!p.has_filler()) {
    filler.set_type("constant");
    filler.set_value(1);
  }
  Value y = ctx.bottom() * operand(ctx, p.axis(), p.num_axes(), filler, "scale_param");
  if (p.bias_term()) {
    ctx.log("Creating layer " + ctx.param().name());  // Caffe makes an inner Bias of that name
    const bool two = ctx.bottoms() == 2;
    const int axis =
        two ? second_axis(ctx, p.axis()) : ctx.axis(p.axis(), ctx.shape().rank(), "axis");
    const Shape shape = two ? ctx.shape(1) : learned_shape(ctx, axis, p.num_axes(), "scale_param");
    y = y + aligned(ctx, ctx.weight(two ? 0 : 1, shape, p.bias_filler()), axis);
  }
  ctx.top(0, y);
}

void bias(LayerCtx& ctx) {
  const proto::BiasParameter& p = ctx.param().bias_param();
  ctx.top(0, ctx.bottom() + operand(ctx, p.axis(), p.num_axes(), p.filler(), "bias_param"));
}

}  // namespace

void add_dense_layers(LayerTable& table) {
  table.add({"InnerProduct", exactly(1), exactly(1), inner_product});
  table.add({.type = "Embed", .record = embed, .no_gradient = {0}});
  table.add({"Scale", between(1, 2), exactly(1), scale});
  table.add({"Bias", between(1, 2), exactly(1), bias});
}

}  // namespace trivium::caffe
