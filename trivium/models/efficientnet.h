// EfficientNet ("Rethinking Model Scaling for Convolutional Neural Networks") with torchvision's
// parameter names and initial draws. Input [N, 3, H, W], output logits [N, classes].
#pragma once

#include "trivium/notations/nn/modules.h"

namespace trivium::models {

struct EfficientNetOptions {
  int64_t num_classes = 1000;
  double width_mult = 1, depth_mult = 1;
  double dropout = 0.2;
  double stochastic_depth = 0.2;  // of the last block; earlier ones are dropped less
  double norm_eps = 1e-5, norm_momentum = 0.1;
};

/// In training drops whole examples of x with probability p and scales the rest by 1/(1-p), so
/// that a block is skipped. ValueError outside [0, 1].
class StochasticDepth : public nn::Module {
 public:
  explicit StochasticDepth(double p);
  nn::Tensor forward(const nn::Tensor& x) override;
  std::string extra_repr() const override;
  double p;
};

class EfficientNet : public nn::Module {
 public:
  explicit EfficientNet(const EfficientNetOptions& options = {});
  nn::Tensor forward(const nn::Tensor& x) override;
  nn::Sequential features;
  nn::AdaptiveAvgPool2d avgpool;
  nn::Sequential classifier;
};

/// Widths, depths and dropouts of the paper; `level` 0 to 7, ValueError for another one.
EfficientNet efficientnet_b(int level, EfficientNetOptions options = {});
inline EfficientNet efficientnet_b0(const EfficientNetOptions& o = {}) {
  return efficientnet_b(0, o);
}
inline EfficientNet efficientnet_b1(const EfficientNetOptions& o = {}) {
  return efficientnet_b(1, o);
}

}  // namespace trivium::models
