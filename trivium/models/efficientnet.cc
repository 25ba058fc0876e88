// Inverted residual blocks, scaled together in width and depth, and skipped at random in training.
#include "trivium/models/efficientnet.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "trivium/models/blocks.h"
#include "trivium/models/mobilenet.h"
#include "trivium/notations/nn/errors.h"
#include "trivium/notations/nn/init.h"

namespace trivium::models {

using namespace nn;  // NOLINT: models are written in its words

namespace {

struct Stage {
  int64_t expand, kernel, stride, in, out, count;
};
constexpr Stage kStages[] = {{1, 3, 1, 32, 16, 1},  {6, 3, 2, 16, 24, 2},  {6, 5, 2, 24, 40, 2},
                             {6, 3, 2, 40, 80, 3},  {6, 5, 1, 80, 112, 3}, {6, 5, 2, 112, 192, 4},
                             {6, 3, 1, 192, 320, 1}};

BatchNormOptions norm_of(const EfficientNetOptions& o) {
  return {.eps = o.norm_eps, .momentum = o.norm_momentum};
}

struct Block : Module {
  Block(const Stage& s, double drop, const BatchNormOptions& norm)
      : residual(s.stride == 1 && s.in == s.out),
        block(add("block", layers(s, norm))),
        stochastic_depth(add("stochastic_depth", StochasticDepth(drop))) {}
  static Sequential layers(const Stage& s, const BatchNormOptions& norm) {
    const int64_t hidden = rounded_channels(static_cast<double>(s.in * s.expand));
    Sequential out;
    if (hidden != s.in) out.append(conv_norm({.in = s.in, .out = hidden}, norm, SiLU(true)));
    out.append(conv_norm(
        {.in = hidden, .out = hidden, .kernel = s.kernel, .stride = s.stride, .groups = hidden},
        norm, SiLU(true)));
    out.append(SqueezeExcitation(hidden, std::max<int64_t>(1, s.in / 4), SiLU(true), Sigmoid()));
    out.append(conv_norm({.in = hidden, .out = s.out}, norm));
    return out;
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = block(x);
    return residual ? stochastic_depth(y) + x : y;
  }
  bool residual;
  Sequential block;
  StochasticDepth stochastic_depth;
};

int64_t wide(int64_t channels, const EfficientNetOptions& o) {
  return rounded_channels(static_cast<double>(channels) * o.width_mult);
}

int64_t deep(int64_t count, const EfficientNetOptions& o) {
  return static_cast<int64_t>(std::ceil(static_cast<double>(count) * o.depth_mult));
}

Sequential feature_layers(const EfficientNetOptions& o) {
  const BatchNormOptions norm = norm_of(o);
  int64_t total = 0, done = 0;
  for (const Stage& s : kStages) total += deep(s.count, o);
  Sequential out;
  out.append(conv_norm({.in = 3, .out = wide(32, o), .kernel = 3, .stride = 2}, norm, SiLU(true)));
  for (Stage s : kStages) {
    s.in = wide(s.in, o);
    s.out = wide(s.out, o);
    Sequential stage;
    for (int64_t i = 0; i < deep(s.count, o); ++i, ++done) {
      const double drop =
          o.stochastic_depth * static_cast<double>(done) / static_cast<double>(total);
      stage.append(Block(s, drop, norm));
      s.in = s.out;
      s.stride = 1;
    }
    out.append(stage);
  }
  out.append(conv_norm({.in = wide(320, o), .out = 4 * wide(320, o)}, norm, SiLU(true)));
  return out;
}

}  // namespace

StochasticDepth::StochasticDepth(double p) : p(p) {
  if (!(p >= 0 && p <= 1))
    throw ValueError(fmt::format("StochasticDepth: p must lie in [0, 1], but it is {}", p));
}

Tensor StochasticDepth::forward(const Tensor& x) {
  if (!is_training() || p == 0) return x;
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = x.size(0);
  Tensor noise = zeros(Shape(shape), {.dtype = x.dtype()});
  noise.bernoulli_(1 - p);
  return x * (p < 1 ? noise / (1 - p) : noise);
}

std::string StochasticDepth::extra_repr() const { return fmt::format("p={}, mode=row", p); }

EfficientNet::EfficientNet(const EfficientNetOptions& o)
    : features(add("features", feature_layers(o))),
      avgpool(add("avgpool", AdaptiveAvgPool2d({1, 1}))),
      classifier(add("classifier", Sequential{Dropout(o.dropout, true),
                                              Linear(4 * wide(320, o), o.num_classes)})) {
  for (Module* m : modules()) {
    if (auto* c = dynamic_cast<Conv2d*>(m)) {
      init::kaiming_normal_(c->weight, 0, "fan_out");
      if (c->bias.defined()) init::zeros_(c->bias);
    } else if (auto* l = dynamic_cast<Linear*>(m)) {
      const double range = 1 / std::sqrt(static_cast<double>(o.num_classes));
      init::uniform_(l->weight, -range, range);
      init::zeros_(l->bias);
    }
  }
}

Tensor EfficientNet::forward(const Tensor& x) {
  return classifier(avgpool(features(x)).flatten(1));
}

EfficientNet efficientnet_b(int level, EfficientNetOptions o) {
  struct Scale {
    double width, depth, dropout;
  };
  constexpr Scale kScales[] = {{1, 1, .2},     {1, 1.1, .2},   {1.1, 1.2, .3}, {1.2, 1.4, .3},
                               {1.4, 1.8, .4}, {1.6, 2.2, .4}, {1.8, 2.6, .5}, {2, 3.1, .5}};
  if (level < 0 || level > 7)
    throw ValueError(fmt::format("efficientnet_b: expected a level from 0 to 7, got {}", level));
  const Scale& scale = kScales[level];
  o.width_mult = scale.width;
  o.depth_mult = scale.depth;
  o.dropout = scale.dropout;
  if (level >= 5) {
    o.norm_eps = 1e-3;
    o.norm_momentum = 0.01;
  }
  return EfficientNet(o);
}

}  // namespace trivium::models
