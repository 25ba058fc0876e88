// The small nets of MNIST and CIFAR-10 whose weights are around: LeNet-5 and the ResNets of the
// paper's section on CIFAR. Output logits [N, classes].
#pragma once

#include "trivium/notations/nn/modules.h"

namespace trivium::models {

/// Two convolutions, each pooled, and three dense layers; x [N, 1, 28, 28].
class LeNet5 : public nn::Module {
 public:
  explicit LeNet5(int64_t num_classes = 10);
  nn::Tensor forward(const nn::Tensor& x) override;
  nn::Conv2d conv1, conv2;
  nn::Linear fc1, fc2, fc3;
};

/// Three stages of `blocks` basic blocks with 16, 32 and 64 channels; where the size halves, the
/// shortcut takes every second pixel and adds channels of zeros. x [N, 3, H, W].
class CifarResNet : public nn::Module {
 public:
  explicit CifarResNet(int64_t blocks, int64_t num_classes = 10);
  nn::Tensor forward(const nn::Tensor& x) override;
  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::Sequential layer1, layer2, layer3;
  nn::Linear linear;
};
inline CifarResNet resnet20(int64_t classes = 10) { return CifarResNet(3, classes); }
inline CifarResNet resnet32(int64_t classes = 10) { return CifarResNet(5, classes); }
inline CifarResNet resnet44(int64_t classes = 10) { return CifarResNet(7, classes); }
inline CifarResNet resnet56(int64_t classes = 10) { return CifarResNet(9, classes); }
inline CifarResNet resnet110(int64_t classes = 10) { return CifarResNet(18, classes); }

}  // namespace trivium::models
