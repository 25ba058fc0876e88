// MobileNetV2 ("Inverted Residuals and Linear Bottlenecks") with torchvision's parameter names and
// initial draws. Input [N, 3, H, W], output logits [N, classes].
#pragma once

#include "trivium/notations/nn/modules.h"

namespace trivium::models {

struct MobileNetOptions {
  int64_t num_classes = 1000;
  double width_mult = 1;
  double dropout = 0.2;
};

class MobileNetV2 : public nn::Module {
 public:
  explicit MobileNetV2(const MobileNetOptions& options = {});
  nn::Tensor forward(const nn::Tensor& x) override;
  nn::Sequential features, classifier;
};
inline MobileNetV2 mobilenet_v2(const MobileNetOptions& options = {}) {
  return MobileNetV2(options);
}

/// The multiple of `divisor` nearest to v, never below 90% of it.
int64_t rounded_channels(double v, int64_t divisor = 8);

}  // namespace trivium::models
