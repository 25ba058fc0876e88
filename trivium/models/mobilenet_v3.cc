// Inverted residual blocks with squeeze and excitation and hard activations.
#include "trivium/models/mobilenet_v3.h"

#include "trivium/models/blocks.h"
#include "trivium/models/mobilenet.h"
#include "trivium/notations/nn/init.h"

namespace trivium::models {

using namespace nn;  // NOLINT: models are written in its words

namespace {

using Row = MobileNetV3::Block;

const BatchNormOptions kNorm{.eps = 1e-3, .momentum = 0.01};

void append_unit(Sequential* to, const ConvUnit& unit, bool hard_swish) {
  if (hard_swish)
    to->append(conv_norm(unit, kNorm, Hardswish(true)));
  else
    to->append(conv_norm(unit, kNorm, ReLU(true)));
}

struct InvertedResidual : Module {
  explicit InvertedResidual(const Row& r)
      : residual(r.stride == 1 && r.in == r.out), block(add("block", layers(r))) {}
  static Sequential layers(const Row& r) {
    Sequential s;
    if (r.expanded != r.in) append_unit(&s, {.in = r.in, .out = r.expanded}, r.hard_swish);
    append_unit(&s,
                {.in = r.expanded,
                 .out = r.expanded,
                 .kernel = r.kernel,
                 .stride = r.dilation > 1 ? 1 : r.stride,
                 .groups = r.expanded,
                 .dilation = r.dilation},
                r.hard_swish);
    if (r.squeeze)
      s.append(SqueezeExcitation(r.expanded, rounded_channels(static_cast<double>(r.expanded / 4)),
                                 ReLU(), Hardsigmoid()));
    s.append(conv_norm({.in = r.expanded, .out = r.out}, kNorm));
    return s;
  }
  Tensor forward(const Tensor& x) override { return residual ? block(x) + x : block(x); }
  bool residual;
  Sequential block;
};

Sequential feature_layers(const std::vector<Row>& rows) {
  Sequential out;
  append_unit(&out, {.in = 3, .out = rows.front().in, .kernel = 3, .stride = 2}, true);
  for (const Row& row : rows) out.append(InvertedResidual(row));
  append_unit(&out, {.in = rows.back().out, .out = 6 * rows.back().out}, true);
  return out;
}

MobileNetV3 widened(std::vector<Row> rows, int64_t last, const MobileNetV3Options& o) {
  const auto wide = [&](int64_t channels) {
    return rounded_channels(static_cast<double>(channels) * o.width_mult);
  };
  for (Row& r : rows) {
    r.in = wide(r.in);
    r.expanded = wide(r.expanded);
    r.out = wide(r.out);
  }
  return {rows, wide(last), o};
}

}  // namespace

MobileNetV3::MobileNetV3(const std::vector<Block>& blocks, int64_t last,
                         const MobileNetV3Options& o)
    : features(add("features", feature_layers(blocks))),
      avgpool(add("avgpool", AdaptiveAvgPool2d({1, 1}))),
      classifier(
          add("classifier", Sequential{Linear(6 * blocks.back().out, last), Hardswish(true),
                                       Dropout(o.dropout, true), Linear(last, o.num_classes)})) {
  for (Module* m : modules()) {
    if (auto* c = dynamic_cast<Conv2d*>(m)) {
      init::kaiming_normal_(c->weight, 0, "fan_out");
      if (c->bias.defined()) init::zeros_(c->bias);
    } else if (auto* l = dynamic_cast<Linear*>(m)) {
      init::normal_(l->weight, 0, 0.01);
      init::zeros_(l->bias);
    }
  }
}

Tensor MobileNetV3::forward(const Tensor& x) { return classifier(avgpool(features(x)).flatten(1)); }

MobileNetV3 mobilenet_v3_small(const MobileNetV3Options& o) {
  const int64_t part = o.reduced_tail ? 2 : 1, dilation = o.dilated ? 2 : 1;
  return widened({{16, 3, 16, 16, true, false, 2},
                  {16, 3, 72, 24, false, false, 2},
                  {24, 3, 88, 24, false, false, 1},
                  {24, 5, 96, 40, true, true, 2},
                  {40, 5, 240, 40, true, true, 1},
                  {40, 5, 240, 40, true, true, 1},
                  {40, 5, 120, 48, true, true, 1},
                  {48, 5, 144, 48, true, true, 1},
                  {48, 5, 288, 96 / part, true, true, 2, dilation},
                  {96 / part, 5, 576 / part, 96 / part, true, true, 1, dilation},
                  {96 / part, 5, 576 / part, 96 / part, true, true, 1, dilation}},
                 1024 / part, o);
}

MobileNetV3 mobilenet_v3_large(const MobileNetV3Options& o) {
  const int64_t part = o.reduced_tail ? 2 : 1, dilation = o.dilated ? 2 : 1;
  return widened({{16, 3, 16, 16, false, false, 1},
                  {16, 3, 64, 24, false, false, 2},
                  {24, 3, 72, 24, false, false, 1},
                  {24, 5, 72, 40, true, false, 2},
                  {40, 5, 120, 40, true, false, 1},
                  {40, 5, 120, 40, true, false, 1},
                  {40, 3, 240, 80, false, true, 2},
                  {80, 3, 200, 80, false, true, 1},
                  {80, 3, 184, 80, false, true, 1},
                  {80, 3, 184, 80, false, true, 1},
                  {80, 3, 480, 112, true, true, 1},
                  {112, 3, 672, 112, true, true, 1},
                  {112, 5, 672, 160 / part, true, true, 2, dilation},
                  {160 / part, 5, 960 / part, 160 / part, true, true, 1, dilation},
                  {160 / part, 5, 960 / part, 160 / part, true, true, 1, dilation}},
                 1280 / part, o);
}

}  // namespace trivium::models
