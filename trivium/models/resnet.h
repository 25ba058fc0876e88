// ResNet, ResNeXt and wide ResNet ("Deep Residual Learning for Image Recognition"), with
// torchvision's parameter names and initial draws. Input [N, 3, H, W], output logits [N, classes].
#pragma once

#include <vector>

#include "trivium/notations/nn/modules.h"

namespace trivium::models {

struct ResNetOptions {
  int64_t num_classes = 1000;
  bool zero_init_residual = false;  // blocks start as the identity
  int64_t groups = 1, width_per_group = 64;
};

class ResNet : public nn::Module {
  // First, because the stages are built from them.
  bool bottleneck_;
  ResNetOptions options_;
  int64_t channels_ = 64;  // into the next block

 public:
  /// Blocks of each of the four stages; bottleneck blocks have three convolutions.
  ResNet(bool bottleneck, const std::vector<int64_t>& blocks, const ResNetOptions& options = {});
  nn::Tensor forward(const nn::Tensor& x) override;
  nn::Conv2d conv1;
  nn::BatchNorm2d bn1;
  nn::ReLU relu;
  nn::MaxPool2d maxpool;
  nn::Sequential layer1, layer2, layer3, layer4;
  nn::AdaptiveAvgPool2d avgpool;
  nn::Linear fc;

 private:
  nn::Sequential stage(int64_t planes, int64_t blocks, int64_t stride);
};

ResNet resnet18(const ResNetOptions& options = {});
ResNet resnet34(const ResNetOptions& options = {});
ResNet resnet50(const ResNetOptions& options = {});
ResNet resnet101(const ResNetOptions& options = {});
ResNet resnet152(const ResNetOptions& options = {});
ResNet resnext50_32x4d(ResNetOptions options = {});
ResNet resnext101_32x8d(ResNetOptions options = {});
ResNet wide_resnet50_2(ResNetOptions options = {});
ResNet wide_resnet101_2(ResNetOptions options = {});

}  // namespace trivium::models
