// AlexNet, VGG, SqueezeNet.
#include "trivium/models/classic.h"

#include <vector>

#include "trivium/notations/nn/init.h"

namespace trivium::models {

using namespace nn;  // NOLINT: models are written in its words

namespace {

Conv2d conv(int64_t in, int64_t out, int64_t kernel, int64_t padding = 0, int64_t stride = 1) {
  return Conv2d({.in = in, .out = out, .kernel = kernel, .stride = stride, .padding = padding});
}

Sequential alexnet_features() {
  return Sequential{conv(3, 64, 11, 2, 4),
                    ReLU(true),
                    MaxPool2d(3, 2),
                    conv(64, 192, 5, 2),
                    ReLU(true),
                    MaxPool2d(3, 2),
                    conv(192, 384, 3, 1),
                    ReLU(true),
                    conv(384, 256, 3, 1),
                    ReLU(true),
                    conv(256, 256, 3, 1),
                    ReLU(true),
                    MaxPool2d(3, 2)};
}

/// Channels of the convolutions, 0 for a pooling.
std::vector<int64_t> vgg_plan(int depth) {
  const int64_t repeats = depth == 16 ? 3 : depth == 19 ? 4 : 2;
  if (depth != 11 && depth != 13 && depth != 16 && depth != 19)
    raise<ValueError>("VGG: depth must be 11, 13, 16 or 19, received {}", depth);
  std::vector<int64_t> plan;
  for (const int64_t channels : {64, 128, 256, 512, 512}) {
    const int64_t count = channels >= 256 ? repeats : depth == 11 ? 1 : 2;
    plan.insert(plan.end(), count, channels);
    plan.push_back(0);
  }
  return plan;
}

Sequential vgg_features(int depth, bool batch_norm) {
  Sequential out;
  int64_t in = 3;
  for (const int64_t channels : vgg_plan(depth)) {
    if (channels == 0) {
      out.append(MaxPool2d(2, 2));
      continue;
    }
    out.append(conv(in, channels, 3, 1));
    if (batch_norm) out.append(BatchNorm2d(channels));
    out.append(ReLU(true));
    in = channels;
  }
  return out;
}

struct Fire : Module {
  Fire(int64_t in, int64_t squeezed, int64_t expanded)
      : squeeze(add("squeeze", conv(in, squeezed, 1))),
        squeeze_activation(add("squeeze_activation", ReLU(true))),
        expand1x1(add("expand1x1", conv(squeezed, expanded, 1))),
        expand1x1_activation(add("expand1x1_activation", ReLU(true))),
        expand3x3(add("expand3x3", conv(squeezed, expanded, 3, 1))),
        expand3x3_activation(add("expand3x3_activation", ReLU(true))) {}
  Tensor forward(const Tensor& x) override {
    const Tensor y = squeeze_activation(squeeze(x));
    return cat({expand1x1_activation(expand1x1(y)), expand3x3_activation(expand3x3(y))}, 1);
  }
  Conv2d squeeze;
  ReLU squeeze_activation;
  Conv2d expand1x1;
  ReLU expand1x1_activation;
  Conv2d expand3x3;
  ReLU expand3x3_activation;
};

Sequential squeezenet_features(bool small) {
  const MaxPool2d pool(3, 2, {.ceil_mode = true});
  if (small)
    return Sequential{conv(3, 64, 3, 0, 2), ReLU(true),         MaxPool2d(pool.options),
                      Fire(64, 16, 64),     Fire(128, 16, 64),  MaxPool2d(pool.options),
                      Fire(128, 32, 128),   Fire(256, 32, 128), MaxPool2d(pool.options),
                      Fire(256, 48, 192),   Fire(384, 48, 192), Fire(384, 64, 256),
                      Fire(512, 64, 256)};
  return Sequential{conv(3, 96, 7, 0, 2),    ReLU(true),         MaxPool2d(pool.options),
                    Fire(96, 16, 64),        Fire(128, 16, 64),  Fire(128, 32, 128),
                    MaxPool2d(pool.options), Fire(256, 32, 128), Fire(256, 48, 192),
                    Fire(384, 48, 192),      Fire(384, 64, 256), MaxPool2d(pool.options),
                    Fire(512, 64, 256)};
}

}  // namespace

AlexNet::AlexNet(const ClassifierOptions& o)
    : features(add("features", alexnet_features())),
      avgpool(add("avgpool", AdaptiveAvgPool2d({6, 6}))),
      classifier(add("classifier", Sequential({{"0", Dropout(o.dropout)},
                                               {"1", Linear(256 * 6 * 6, 4096)},
                                               {"2", ReLU(true)},
                                               {"3", Dropout(o.dropout)},
                                               {"4", Linear(4096, 4096)},
                                               {"5", ReLU(true)},
                                               {"6", Linear(4096, o.num_classes)}}))) {}

Tensor AlexNet::forward(const Tensor& x) { return classifier(avgpool(features(x)).flatten(1)); }

VGG::VGG(int depth, bool batch_norm, const ClassifierOptions& o)
    : features(add("features", vgg_features(depth, batch_norm))),
      avgpool(add("avgpool", AdaptiveAvgPool2d({7, 7}))),
      classifier(add("classifier", Sequential({{"0", Linear(512 * 7 * 7, 4096)},
                                               {"1", ReLU(true)},
                                               {"2", Dropout(o.dropout)},
                                               {"3", Linear(4096, 4096)},
                                               {"4", ReLU(true)},
                                               {"5", Dropout(o.dropout)},
                                               {"6", Linear(4096, o.num_classes)}}))) {
  for (Module* m : modules()) {
    if (auto* c = dynamic_cast<Conv2d*>(m)) {
      init::kaiming_normal_(c->weight, 0, "fan_out", "relu");
      init::zeros_(c->bias);
    } else if (auto* l = dynamic_cast<Linear*>(m)) {
      init::normal_(l->weight, 0, 0.01);
      init::zeros_(l->bias);
    }
  }
}

Tensor VGG::forward(const Tensor& x) { return classifier(avgpool(features(x)).flatten(1)); }

namespace {

/// Braces: draws happen in the order written.
Sequential squeezenet_classifier(const ClassifierOptions& o) {
  return Sequential({{"0", Dropout(o.dropout)},
                     {"1", conv(512, o.num_classes, 1)},
                     {"2", ReLU(true)},
                     {"3", AdaptiveAvgPool2d({1, 1})}});
}

}  // namespace

SqueezeNet::SqueezeNet(bool small, const ClassifierOptions& o)
    : features(add("features", squeezenet_features(small))),
      classifier(add("classifier", squeezenet_classifier(o))) {
  for (Module* m : modules()) {
    auto* c = dynamic_cast<Conv2d*>(m);
    if (!c) continue;
    if (c->options.out == o.num_classes && c->options.in == 512)
      init::normal_(c->weight, 0, 0.01);
    else
      init::kaiming_uniform_(c->weight);
    init::zeros_(c->bias);
  }
}

Tensor SqueezeNet::forward(const Tensor& x) { return classifier(features(x)).flatten(1); }

}  // namespace trivium::models
