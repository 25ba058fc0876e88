// Residual blocks and the nets made of them.
#include "trivium/models/resnet.h"

#include <optional>

#include "trivium/notations/nn/init.h"

namespace trivium::models {

using namespace nn;  // NOLINT: models are written in its words

namespace {

Conv2d conv3x3(int64_t in, int64_t out, int64_t stride = 1, int64_t groups = 1) {
  return Conv2d({.in = in,
                 .out = out,
                 .kernel = 3,
                 .stride = stride,
                 .padding = 1,
                 .groups = groups,
                 .bias = false});
}

Conv2d conv1x1(int64_t in, int64_t out, int64_t stride = 1) {
  return Conv2d({.in = in, .out = out, .kernel = 1, .stride = stride, .bias = false});
}

using Shortcut = std::optional<Sequential>;

struct BasicBlock : Module {
  BasicBlock(int64_t in, int64_t planes, int64_t stride, const Shortcut& shortcut)
      : conv1(add("conv1", conv3x3(in, planes, stride))),
        bn1(add("bn1", BatchNorm2d(planes))),
        relu(add("relu", ReLU(true))),
        conv2(add("conv2", conv3x3(planes, planes))),
        bn2(add("bn2", BatchNorm2d(planes))),
        downsample(shortcut) {
    if (downsample) add("downsample", *downsample);
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = bn2(conv2(relu(bn1(conv1(x)))));
    return relu(y + (downsample ? (*downsample)(x) : x));
  }
  Conv2d conv1;
  BatchNorm2d bn1;
  ReLU relu;
  Conv2d conv2;
  BatchNorm2d bn2;
  Shortcut downsample;
};

struct Bottleneck : Module {
  Bottleneck(int64_t in, int64_t planes, int64_t stride, const Shortcut& shortcut, int64_t groups,
             int64_t width)
      : conv1(add("conv1", conv1x1(in, width))),
        bn1(add("bn1", BatchNorm2d(width))),
        conv2(add("conv2", conv3x3(width, width, stride, groups))),
        bn2(add("bn2", BatchNorm2d(width))),
        conv3(add("conv3", conv1x1(width, planes * 4))),
        bn3(add("bn3", BatchNorm2d(planes * 4))),
        relu(add("relu", ReLU(true))),
        downsample(shortcut) {
    if (downsample) add("downsample", *downsample);
  }
  Tensor forward(const Tensor& x) override {
    const Tensor y = bn3(conv3(relu(bn2(conv2(relu(bn1(conv1(x))))))));
    return relu(y + (downsample ? (*downsample)(x) : x));
  }
  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
  Conv2d conv3;
  BatchNorm2d bn3;
  ReLU relu;
  Shortcut downsample;
};

}  // namespace

ResNet::ResNet(bool bottleneck, const std::vector<int64_t>& blocks, const ResNetOptions& o)
    : bottleneck_(bottleneck),
      options_(o),
      conv1(
          add("conv1",
              Conv2d({.in = 3, .out = 64, .kernel = 7, .stride = 2, .padding = 3, .bias = false}))),
      bn1(add("bn1", BatchNorm2d(64))),
      relu(add("relu", ReLU(true))),
      maxpool(add("maxpool", MaxPool2d(3, 2, {.padding = 1}))),
      layer1(add("layer1", stage(64, blocks[0], 1))),
      layer2(add("layer2", stage(128, blocks[1], 2))),
      layer3(add("layer3", stage(256, blocks[2], 2))),
      layer4(add("layer4", stage(512, blocks[3], 2))),
      avgpool(add("avgpool", AdaptiveAvgPool2d({1, 1}))),
      fc(add("fc", Linear(512 * (bottleneck ? 4 : 1), o.num_classes))) {
  for (Module* m : modules()) {
    if (auto* conv = dynamic_cast<Conv2d*>(m))
      init::kaiming_normal_(conv->weight, 0, "fan_out", "relu");
  }
  if (!o.zero_init_residual) return;
  for (Module* m : modules()) {
    if (auto* block = dynamic_cast<Bottleneck*>(m)) init::zeros_(block->bn3.weight);
    if (auto* block = dynamic_cast<BasicBlock*>(m)) init::zeros_(block->bn2.weight);
  }
}

Sequential ResNet::stage(int64_t planes, int64_t blocks, int64_t stride) {
  const int64_t out = planes * (bottleneck_ ? 4 : 1);
  Sequential stage;
  for (int64_t i = 0; i < blocks; ++i) {
    const int64_t step = i == 0 ? stride : 1;
    Shortcut shortcut;
    if (step != 1 || channels_ != out)
      shortcut.emplace(conv1x1(channels_, out, step), BatchNorm2d(out));
    if (bottleneck_) {
      const int64_t width = planes * options_.width_per_group / 64 * options_.groups;
      stage.append(Bottleneck(channels_, planes, step, shortcut, options_.groups, width));
    } else {
      stage.append(BasicBlock(channels_, planes, step, shortcut));
    }
    channels_ = out;
  }
  return stage;
}

Tensor ResNet::forward(const Tensor& x) {
  Tensor y = maxpool(relu(bn1(conv1(x))));
  y = layer4(layer3(layer2(layer1(y))));
  return fc(avgpool(y).flatten(1));
}

ResNet resnet18(const ResNetOptions& o) { return ResNet(false, {2, 2, 2, 2}, o); }
ResNet resnet34(const ResNetOptions& o) { return ResNet(false, {3, 4, 6, 3}, o); }
ResNet resnet50(const ResNetOptions& o) { return ResNet(true, {3, 4, 6, 3}, o); }
ResNet resnet101(const ResNetOptions& o) { return ResNet(true, {3, 4, 23, 3}, o); }
ResNet resnet152(const ResNetOptions& o) { return ResNet(true, {3, 8, 36, 3}, o); }

ResNet resnext50_32x4d(ResNetOptions o) {
  o.groups = 32;
  o.width_per_group = 4;
  return resnet50(o);
}
ResNet resnext101_32x8d(ResNetOptions o) {
  o.groups = 32;
  o.width_per_group = 8;
  return resnet101(o);
}
ResNet wide_resnet50_2(ResNetOptions o) {
  o.width_per_group = 128;
  return resnet50(o);
}
ResNet wide_resnet101_2(ResNetOptions o) {
  o.width_per_group = 128;
  return resnet101(o);
}

}  // namespace trivium::models
