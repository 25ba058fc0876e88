// AlexNet, VGG and SqueezeNet with torchvision's parameter names and initial draws. Input
// [N, 3, H, W], output logits [N, classes].
#pragma once

#include "trivium/notations/nn/modules.h"

namespace trivium::models {

struct ClassifierOptions {
  int64_t num_classes = 1000;
  double dropout = 0.5;
};

/// Krizhevsky's net in its one-tower form, without groups and normalisation.
class AlexNet : public nn::Module {
 public:
  explicit AlexNet(const ClassifierOptions& options = {});
  nn::Tensor forward(const nn::Tensor& x) override;
  nn::Sequential features;
  nn::AdaptiveAvgPool2d avgpool;
  nn::Sequential classifier;
};
inline AlexNet alexnet(const ClassifierOptions& options = {}) { return AlexNet(options); }

/// Stacks of 3x3 convolutions; `depth` 11, 13, 16 or 19 counts the layers with weights. ValueError
/// for another depth.
class VGG : public nn::Module {
 public:
  VGG(int depth, bool batch_norm, const ClassifierOptions& options = {});
  nn::Tensor forward(const nn::Tensor& x) override;
  nn::Sequential features;
  nn::AdaptiveAvgPool2d avgpool;
  nn::Sequential classifier;
};
inline VGG vgg11(const ClassifierOptions& o = {}) { return VGG(11, false, o); }
inline VGG vgg13(const ClassifierOptions& o = {}) { return VGG(13, false, o); }
inline VGG vgg16(const ClassifierOptions& o = {}) { return VGG(16, false, o); }
inline VGG vgg19(const ClassifierOptions& o = {}) { return VGG(19, false, o); }
inline VGG vgg11_bn(const ClassifierOptions& o = {}) { return VGG(11, true, o); }
inline VGG vgg13_bn(const ClassifierOptions& o = {}) { return VGG(13, true, o); }
inline VGG vgg16_bn(const ClassifierOptions& o = {}) { return VGG(16, true, o); }
inline VGG vgg19_bn(const ClassifierOptions& o = {}) { return VGG(19, true, o); }

/// Fire modules: squeeze to few channels, expand by 1x1 and 3x3. small: version 1.1.
class SqueezeNet : public nn::Module {
 public:
  explicit SqueezeNet(bool small, const ClassifierOptions& options = {});
  nn::Tensor forward(const nn::Tensor& x) override;
  nn::Sequential features, classifier;
};
inline SqueezeNet squeezenet1_0(const ClassifierOptions& o = {}) { return SqueezeNet(false, o); }
inline SqueezeNet squeezenet1_1(const ClassifierOptions& o = {}) { return SqueezeNet(true, o); }

}  // namespace trivium::models
