// MobileNetV3 ("Searching for MobileNetV3") with torchvision's parameter names and initial draws.
// Input [N, 3, H, W], output logits [N, classes].
#pragma once

#include <vector>

#include "trivium/notations/nn/modules.h"

namespace trivium::models {

struct MobileNetV3Options {
  int64_t num_classes = 1000;
  double width_mult = 1;
  double dropout = 0.2;
  bool reduced_tail = false;  // half the channels in the last stage
  bool dilated = false;       // the last stage keeps its size
};

class MobileNetV3 : public nn::Module {
 public:
  /// One row of the paper's tables.
  struct Block {
    int64_t in, kernel, expanded, out;
    bool squeeze, hard_swish;
    int64_t stride, dilation = 1;
  };
  /// `last` is the width of the classifier's hidden layer.
  MobileNetV3(const std::vector<Block>& blocks, int64_t last, const MobileNetV3Options& options);
  nn::Tensor forward(const nn::Tensor& x) override;
  nn::Sequential features;
  nn::AdaptiveAvgPool2d avgpool;
  nn::Sequential classifier;
};
MobileNetV3 mobilenet_v3_small(const MobileNetV3Options& options = {});
MobileNetV3 mobilenet_v3_large(const MobileNetV3Options& options = {});

}  // namespace trivium::models
