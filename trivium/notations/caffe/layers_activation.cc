// Elementwise layers: one bottom, one top of its shape.
#include <cmath>

#include "trivium/notations/caffe/layer.h"

namespace trivium::caffe {
namespace {

Value zeros_like(Value x) { return x.graph->constant(0.0); }
Value positive(Value x) { return ops::greater(x, zeros_like(x)); }

void relu(LayerCtx& ctx) {
  const Value x = ctx.bottom();
  const double slope = ctx.param().relu_param().negative_slope();
  // With a slope the gradient at 0 is the slope, as in Caffe: the choice is made by x > 0.
  ctx.top(0, slope == 0 ? ops::relu(x) : ops::select(positive(x), x, x * slope));
}

void prelu(LayerCtx& ctx) {
  const proto::PReLUParameter& p = ctx.param().prelu_param();
  const Value x = ctx.bottom();
  ctx.require(x.shape().rank() >= 2, "bottom",
              "expected at least two axes, received " + x.shape().text());
  proto::FillerParameter filler = p.filler();
  if (!p.has_filler()) {
    filler.set_type("constant");
    filler.set_value(0.25f);
  }
  const int64_t channels = x.shape()[1];
  Value a = ctx.weight(0, p.channel_shared() ? Shape{} : Shape{channels}, filler);
  if (!p.channel_shared()) {
    Shape aligned{channels};
    for (int i = 2; i < x.shape().rank(); ++i) aligned.push_back(1);
    a = ops::reshape(a, aligned);
  }
  ctx.top(0, ops::select(positive(x), x, x * a));
}

void elu(LayerCtx& ctx) {
  const Value x = ctx.bottom(), up = positive(x);
  const Value zero = ops::broadcast_to(zeros_like(x), x.shape());
  const double alpha = ctx.param().elu_param().alpha();
  // exp sees 0 where x is positive, so nothing overflows there.
  const Value below = ops::mul(ops::sub(ops::exp(ops::select(up, zero, x)), 1.0), alpha);
  ctx.top(0, ops::select(up, x, below));
}

void swish(LayerCtx& ctx) {
  const Value x = ctx.bottom();
  const double beta = ctx.param().swish_param().beta();
  ctx.top(0, x * ops::sigmoid(beta == 1 ? x : x * beta));
}

Value affine(Value x, double scale, double shift) {
  if (scale != 1) x = x * scale;
  return shift != 0 ? x + shift : x;
}

void power(LayerCtx& ctx) {
  const proto::PowerParameter& p = ctx.param().power_param();
  const double power = p.power(), scale = p.scale(), shift = p.shift();
  const Value x = ctx.bottom();
  if (power * scale == 0) {
    const double value = power == 0 ? 1.0 : std::pow(shift, power);
    ctx.top(0, ops::broadcast_to(ctx.graph().constant(value), x.shape()));
    return;
  }
  const Value z = affine(x, scale, shift);
  ctx.top(0, power == 1 ? z : power == 2 ? ops::square(z) : ops::pow(z, power));
}

/// ln of the base; base -1 stands for e.
double log_of_base(const LayerCtx& ctx, double base, const char* field) {
  if (base == -1) return 1;
  ctx.require(base > 0, field,
              fmt::format("base must be positive (or -1 for e), received {}", base));
  return std::log(base);
}

void exp(LayerCtx& ctx) {
  const proto::ExpParameter& p = ctx.param().exp_param();
  const double log_base = log_of_base(ctx, p.base(), "exp_param");
  ctx.top(0, ops::exp(affine(ctx.bottom(), p.scale() * log_base, p.shift() * log_base)));
}

void log(LayerCtx& ctx) {
  const proto::LogParameter& p = ctx.param().log_param();
  const double log_base = log_of_base(ctx, p.base(), "log_param");
  ctx.require(log_base != 0, "log_param", "base must not be 1");
  const Value y = ops::log(affine(ctx.bottom(), p.scale(), p.shift()));
  ctx.top(0, log_base == 1 ? y : y * (1 / log_base));
}

void clip(LayerCtx& ctx) {
  const proto::ClipParameter& p = ctx.param().clip_param();
  const Value x = ctx.bottom();
  const Value lo = ctx.graph().constant(p.min()), hi = ctx.graph().constant(p.max());
  ctx.top(0, ops::clip(x, lo, hi));  // the gradient passes where x equals a bound
}

void threshold(LayerCtx& ctx) {
  const Value limit = ctx.graph().constant(ctx.param().threshold_param().threshold());
  ctx.top(0, ops::cast(ops::greater(ctx.bottom(), limit), DType::f32));
}

void dropout(LayerCtx& ctx) {
  const float ratio = ctx.param().dropout_param().dropout_ratio();
  ctx.require(ratio > 0 && ratio < 1, "dropout_param",
              fmt::format("dropout_ratio must lie between 0 and 1, received {}", ratio));
  const Value x = ctx.bottom();
  if (!ctx.training()) return ctx.top(0, x);
  const double keep = 1.0 - static_cast<double>(ratio);
  const Value mask = ops::cast(ctx.bernoulli(x.shape(), keep), DType::f32);
  ctx.top(0, ops::mul(x * mask, static_cast<double>(static_cast<float>(1.0 / keep))));
}

template <Value (*op)(Value)>
void unary(LayerCtx& ctx) {
  ctx.top(0, op(ctx.bottom()));
}

}  // namespace

void add_activation_layers(LayerTable& table) {
  const auto add = [&](const char* type, void (*record)(LayerCtx&)) {
    table.add({type, exactly(1), exactly(1), record});
  };
  add("ReLU", relu);
  add("PReLU", prelu);
  add("ELU", elu);
  add("Sigmoid", unary<ops::sigmoid>);
  add("TanH", unary<ops::tanh>);
  add("BNLL", unary<ops::softplus>);
  add("Swish", swish);
  add("Power", power);
  add("Exp", exp);
  add("Log", log);
  add("Clip", clip);
  add("Dropout", dropout);
  table.add({.type = "AbsVal", .record = unary<ops::abs>, .in_place = false});
  table.add({.type = "Threshold", .record = threshold, .no_gradient = {0}});
}

}  // namespace trivium::caffe
