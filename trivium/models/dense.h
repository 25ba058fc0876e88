// DenseNet ("Densely Connected Convolutional Networks") and ShuffleNet V2 with torchvision's
// parameter names and initial draws. Input [N, 3, H, W], output logits [N, classes].
#pragma once

#include <vector>

#include "trivium/notations/nn/modules.h"

namespace trivium::models {

struct DenseNetOptions {
  int64_t num_classes = 1000;
  int64_t growth = 32;
  std::vector<int64_t> blocks{6, 12, 24, 16};
  int64_t first_channels = 64;
  double dropout = 0;
};
/// Every layer of a block sees the outputs of all before it.
class DenseNet : public nn::Module {
 public:
  explicit DenseNet(const DenseNetOptions& options = {});
  nn::Tensor forward(const nn::Tensor& x) override;
  nn::Sequential features;
  nn::Linear classifier;
};
DenseNet densenet121(DenseNetOptions options = {});
DenseNet densenet161(DenseNetOptions options = {});
DenseNet densenet169(DenseNetOptions options = {});
DenseNet densenet201(DenseNetOptions options = {});

struct ShuffleNetOptions {
  int64_t num_classes = 1000;
  std::vector<int64_t> repeats{4, 8, 4};
  std::vector<int64_t> channels{24, 116, 232, 464, 1024};
};
/// Half of the channels passes by, then the halves are shuffled.
class ShuffleNetV2 : public nn::Module {
 public:
  explicit ShuffleNetV2(const ShuffleNetOptions& options = {});
  nn::Tensor forward(const nn::Tensor& x) override;
  nn::Sequential conv1;
  nn::MaxPool2d maxpool;
  nn::Sequential stage2, stage3, stage4, conv5;
  nn::Linear fc;
};
ShuffleNetV2 shufflenet_v2_x0_5(ShuffleNetOptions options = {});
ShuffleNetV2 shufflenet_v2_x1_0(ShuffleNetOptions options = {});
ShuffleNetV2 shufflenet_v2_x1_5(ShuffleNetOptions options = {});
ShuffleNetV2 shufflenet_v2_x2_0(ShuffleNetOptions options = {});

}  // namespace trivium::models
