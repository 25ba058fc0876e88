// LeNet-5, and residual nets without parameters in their shortcuts.
#include "trivium/models/lenet.h"

#include "trivium/notations/nn/init.h"

namespace trivium::models {

using namespace nn;  // NOLINT: models are written in its words

namespace {

Conv2d conv3x3(int64_t in, int64_t out, int64_t stride) {
  return Conv2d({.in = in, .out = out, .kernel = 3, .stride = stride, .padding = 1, .bias = false});
}

/// Every second pixel, with zero channels added in equal halves before and after.
Tensor shrunk(const Tensor& x, int64_t channels) {
  const int64_t each = (channels - x.size(1)) / 2;
  const Tensor small = functional::max_pool2d(x, 1, 2);  // a window of one picks the pixel
  return functional::pad(small, {0, 0, 0, 0, each, each});
}

struct BasicBlock : Module {
  BasicBlock(int64_t in, int64_t out, int64_t stride)
      : out(out),
        same(stride == 1 && in == out),
        conv1(add("conv1", conv3x3(in, out, stride))),
        bn1(add("bn1", BatchNorm2d(out))),
        conv2(add("conv2", conv3x3(out, out, 1))),
        bn2(add("bn2", BatchNorm2d(out))) {}
  Tensor forward(const Tensor& x) override {
    const Tensor y = bn2(conv2(bn1(conv1(x)).relu()));
    return (y + (same ? x : shrunk(x, out))).relu();
  }
  int64_t out;
  bool same;
  Conv2d conv1;
  BatchNorm2d bn1;
  Conv2d conv2;
  BatchNorm2d bn2;
};

Sequential stage(int64_t in, int64_t out, int64_t blocks, int64_t stride) {
  Sequential s;
  for (int64_t i = 0; i < blocks; ++i)
    s.append(BasicBlock(i == 0 ? in : out, out, i == 0 ? stride : 1));
  return s;
}

}  // namespace

LeNet5::LeNet5(int64_t num_classes)
    : conv1(add("conv1", Conv2d(1, 6, 5))),
      conv2(add("conv2", Conv2d(6, 16, 5))),
      fc1(add("fc1", Linear(256, 120))),
      fc2(add("fc2", Linear(120, 84))),
      fc3(add("fc3", Linear(84, num_classes))) {}

Tensor LeNet5::forward(const Tensor& x) {
  Tensor y = functional::max_pool2d(conv1(x), 2).relu();
  y = functional::max_pool2d(conv2(y), 2).relu().flatten(1);
  return fc3(fc2(fc1(y).relu()).relu());
}

CifarResNet::CifarResNet(int64_t blocks, int64_t num_classes)
    : conv1(add("conv1", conv3x3(3, 16, 1))),
      bn1(add("bn1", BatchNorm2d(16))),
      layer1(add("layer1", stage(16, 16, blocks, 1))),
      layer2(add("layer2", stage(16, 32, blocks, 2))),
      layer3(add("layer3", stage(32, 64, blocks, 2))),
      linear(add("linear", Linear(64, num_classes))) {
  for (Module* m : modules()) {
    if (auto* c = dynamic_cast<Conv2d*>(m)) init::kaiming_normal_(c->weight);
    if (auto* l = dynamic_cast<Linear*>(m)) init::kaiming_normal_(l->weight);
  }
}

Tensor CifarResNet::forward(const Tensor& x) {
  return linear(layer3(layer2(layer1(bn1(conv1(x)).relu()))).mean({2, 3}));
}

}  // namespace trivium::models
