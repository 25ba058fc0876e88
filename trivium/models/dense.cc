// Blocks that concatenate: DenseNet and ShuffleNet V2.
#include "trivium/models/dense.h"

#include "trivium/notations/nn/init.h"

namespace trivium::models {

using namespace nn;  // NOLINT: models are written in its words

namespace {

Conv2d plain_conv(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t groups = 1) {
  return Conv2d({.in = in,
                 .out = out,
                 .kernel = kernel,
                 .stride = stride,
                 .padding = kernel / 2,
                 .groups = groups,
                 .bias = false});
}

struct DenseLayer : Module {
  DenseLayer(int64_t in, int64_t growth, double dropout)
      : norm1(add("norm1", BatchNorm2d(in))),
        relu1(add("relu1", ReLU(true))),
        conv1(add("conv1", plain_conv(in, 4 * growth, 1))),
        norm2(add("norm2", BatchNorm2d(4 * growth))),
        relu2(add("relu2", ReLU(true))),
        conv2(add("conv2", plain_conv(4 * growth, growth, 3))),
        dropout(dropout) {}
  Tensor forward(const Tensor& x) override {
    const Tensor y = conv2(relu2(norm2(conv1(relu1(norm1(x))))));
    return dropout > 0 ? functional::dropout(y, dropout, is_training()) : y;
  }
  BatchNorm2d norm1;
  ReLU relu1;
  Conv2d conv1;
  BatchNorm2d norm2;
  ReLU relu2;
  Conv2d conv2;
  double dropout;
};

struct DenseBlock : Module {
  DenseBlock(int64_t layers, int64_t in, int64_t growth, double dropout) {
    for (int64_t i = 0; i < layers; ++i)
      add(fmt::format("denselayer{}", i + 1), DenseLayer(in + i * growth, growth, dropout));
  }
  Tensor forward(const Tensor& x) override {
    Tensors seen{x};
    for (const ModulePtr& layer : children()) seen.push_back((*layer)(cat(seen, 1)));
    return cat(seen, 1);
  }
};

Sequential dense_features(const DenseNetOptions& o) {
  Sequential out;
  int64_t c = o.first_channels;
  out.add("conv0", plain_conv(3, c, 7, 2));
  out.add("norm0", BatchNorm2d(c));
  out.add("relu0", ReLU(true));
  out.add("pool0", MaxPool2d(3, 2, {.padding = 1}));
  for (size_t i = 0; i < o.blocks.size(); ++i) {
    out.add(fmt::format("denseblock{}", i + 1), DenseBlock(o.blocks[i], c, o.growth, o.dropout));
    c += o.blocks[i] * o.growth;
    if (i + 1 == o.blocks.size()) break;
    Sequential transition;
    transition.add("norm", BatchNorm2d(c));
    transition.add("relu", ReLU(true));
    transition.add("conv", plain_conv(c, c / 2, 1));
    transition.add("pool", AvgPool2d(2, 2));
    out.add(fmt::format("transition{}", i + 1), transition);
    c /= 2;
  }
  out.add("norm5", BatchNorm2d(c));
  return out;
}

int64_t last_channels(const DenseNetOptions& o) {
  int64_t c = o.first_channels;
  for (size_t i = 0; i < o.blocks.size(); ++i)
    c = (c + o.blocks[i] * o.growth) / (i + 1 == o.blocks.size() ? 1 : 2);
  return c;
}

}  // namespace

DenseNet::DenseNet(const DenseNetOptions& o)
    : features(add("features", dense_features(o))),
      classifier(add("classifier", Linear(last_channels(o), o.num_classes))) {
  for (Module* m : modules())
    if (auto* c = dynamic_cast<Conv2d*>(m)) init::kaiming_normal_(c->weight);
  init::zeros_(classifier.bias);
}

Tensor DenseNet::forward(const Tensor& x) { return classifier(features(x).relu().mean({2, 3})); }

DenseNet densenet121(DenseNetOptions o) { return DenseNet(o); }
DenseNet densenet161(DenseNetOptions o) {
  o.growth = 48;
  o.blocks = {6, 12, 36, 24};
  o.first_channels = 96;
  return DenseNet(o);
}
DenseNet densenet169(DenseNetOptions o) {
  o.blocks = {6, 12, 32, 32};
  return DenseNet(o);
}
DenseNet densenet201(DenseNetOptions o) {
  o.blocks = {6, 12, 48, 32};
  return DenseNet(o);
}

// ---- ShuffleNet V2

namespace {

struct ShuffleUnit : Module {
  ShuffleUnit(int64_t in, int64_t out, int64_t stride)
      : stride(stride),
        branch1(add("branch1", side(in, out / 2, stride))),
        branch2(add("branch2", main(stride > 1 ? in : out / 2, out / 2, stride))) {}
  static Sequential side(int64_t in, int64_t half, int64_t stride) {
    if (stride == 1) return Sequential();
    return Sequential{plain_conv(in, in, 3, stride, in), BatchNorm2d(in), plain_conv(in, half, 1),
                      BatchNorm2d(half), ReLU(true)};
  }
  static Sequential main(int64_t in, int64_t half, int64_t stride) {
    return Sequential{plain_conv(in, half, 1),
                      BatchNorm2d(half),
                      ReLU(true),
                      plain_conv(half, half, 3, stride, half),
                      BatchNorm2d(half),
                      plain_conv(half, half, 1),
                      BatchNorm2d(half),
                      ReLU(true)};
  }
  Tensor forward(const Tensor& x) override {
    if (stride > 1) return functional::channel_shuffle(cat({branch1(x), branch2(x)}, 1), 2);
    const Tensors halves = x.chunk(2, 1);
    return functional::channel_shuffle(cat({halves[0], branch2(halves[1])}, 1), 2);
  }
  int64_t stride;
  Sequential branch1, branch2;
};

Sequential shuffle_stage(int64_t in, int64_t out, int64_t repeats) {
  Sequential stage;
  for (int64_t i = 0; i < repeats; ++i)
    stage.append(ShuffleUnit(i == 0 ? in : out, out, i == 0 ? 2 : 1));
  return stage;
}

Sequential conv_bn_relu(int64_t in, int64_t out, int64_t kernel, int64_t stride) {
  return Sequential{plain_conv(in, out, kernel, stride), BatchNorm2d(out), ReLU(true)};
}

ShuffleNetV2 shufflenet(ShuffleNetOptions o, std::vector<int64_t> channels) {
  o.channels = std::move(channels);
  return ShuffleNetV2(o);
}

}  // namespace

ShuffleNetV2::ShuffleNetV2(const ShuffleNetOptions& o)
    : conv1(add("conv1", conv_bn_relu(3, o.channels[0], 3, 2))),
      maxpool(add("maxpool", MaxPool2d(3, 2, {.padding = 1}))),
      stage2(add("stage2", shuffle_stage(o.channels[0], o.channels[1], o.repeats[0]))),
      stage3(add("stage3", shuffle_stage(o.channels[1], o.channels[2], o.repeats[1]))),
      stage4(add("stage4", shuffle_stage(o.channels[2], o.channels[3], o.repeats[2]))),
      conv5(add("conv5", conv_bn_relu(o.channels[3], o.channels[4], 1, 1))),
      fc(add("fc", Linear(o.channels[4], o.num_classes))) {}

Tensor ShuffleNetV2::forward(const Tensor& x) {
  const Tensor y = conv5(stage4(stage3(stage2(maxpool(conv1(x))))));
  return fc(y.mean({2, 3}));
}

ShuffleNetV2 shufflenet_v2_x0_5(ShuffleNetOptions o) {
  return shufflenet(o, {24, 48, 96, 192, 1024});
}
ShuffleNetV2 shufflenet_v2_x1_0(ShuffleNetOptions o) {
  return shufflenet(o, {24, 116, 232, 464, 1024});
}
ShuffleNetV2 shufflenet_v2_x1_5(ShuffleNetOptions o) {
  return shufflenet(o, {24, 176, 352, 704, 1024});
}
ShuffleNetV2 shufflenet_v2_x2_0(ShuffleNetOptions o) {
  return shufflenet(o, {24, 244, 488, 976, 2048});
}

}  // namespace trivium::models
