// Inverted residual blocks: widen, filter each channel by itself, narrow without activation.
#include "trivium/models/mobilenet.h"

#include <algorithm>

#include "trivium/notations/nn/init.h"

namespace trivium::models {

using namespace nn;  // NOLINT: models are written in its words

namespace {

Sequential conv_bn_relu6(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t groups) {
  return Sequential{Conv2d({.in = in,
                            .out = out,
                            .kernel = kernel,
                            .stride = stride,
                            .padding = (kernel - 1) / 2,
                            .groups = groups,
                            .bias = false}),
                    BatchNorm2d(out), ReLU6(true)};
}

struct InvertedResidual : Module {
  InvertedResidual(int64_t in, int64_t out, int64_t stride, int64_t expand)
      : residual(stride == 1 && in == out), conv(add("conv", layers(in, out, stride, expand))) {}
  static Sequential layers(int64_t in, int64_t out, int64_t stride, int64_t expand) {
    const int64_t hidden = in * expand;
    Sequential s;
    if (expand != 1) s.append(conv_bn_relu6(in, hidden, 1, 1, 1));
    s.append(conv_bn_relu6(hidden, hidden, 3, stride, hidden));
    s.append(Conv2d({.in = hidden, .out = out, .kernel = 1, .bias = false}));
    s.append(BatchNorm2d(out));
    return s;
  }
  Tensor forward(const Tensor& x) override { return residual ? x + conv(x) : conv(x); }
  bool residual;
  Sequential conv;
};

Sequential feature_layers(double width, int64_t last) {
  struct Stage {
    int64_t expand, channels, count, stride;
  };
  constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                               {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  int64_t in = rounded_channels(32 * width);
  Sequential out;
  out.append(conv_bn_relu6(3, in, 3, 2, 1));
  for (const Stage& stage : kStages) {
    const int64_t channels = rounded_channels(static_cast<double>(stage.channels) * width);
    for (int64_t i = 0; i < stage.count; ++i) {
      out.append(InvertedResidual(in, channels, i == 0 ? stage.stride : 1, stage.expand));
      in = channels;
    }
  }
  out.append(conv_bn_relu6(in, last, 1, 1, 1));
  return out;
}

}  // namespace

int64_t rounded_channels(double v, int64_t divisor) {
  const auto half = static_cast<double>(divisor) / 2;
  const int64_t near = std::max(divisor, static_cast<int64_t>(v + half) / divisor * divisor);
  return static_cast<double>(near) < 0.9 * v ? near + divisor : near;
}

MobileNetV2::MobileNetV2(const MobileNetOptions& o)
    : features(
          add("features",
              feature_layers(o.width_mult, rounded_channels(1280 * std::max(1.0, o.width_mult))))),
      classifier(
          add("classifier", Sequential{Dropout(o.dropout),
                                       Linear(rounded_channels(1280 * std::max(1.0, o.width_mult)),
                                              o.num_classes)})) {
  for (Module* m : modules()) {
    if (auto* c = dynamic_cast<Conv2d*>(m)) {
      init::kaiming_normal_(c->weight, 0, "fan_out");
    } else if (auto* l = dynamic_cast<Linear*>(m)) {
      init::normal_(l->weight, 0, 0.01);
      init::zeros_(l->bias);
    }
  }
}

Tensor MobileNetV2::forward(const Tensor& x) { return classifier(features(x).mean({2, 3})); }

}  // namespace trivium::models
