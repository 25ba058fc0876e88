// GoogLeNet ("Going Deeper with Convolutions") with torchvision's parameter names, batch norms and
// initial draws. Input [N, 3, H, W], output logits [N, classes].
#pragma once

#include <vector>

#include "trivium/notations/nn/modules.h"

namespace trivium::models {

struct GoogLeNetOptions {
  int64_t num_classes = 1000;
  bool aux_logits = true;        // two more classifiers, used in training
  bool transform_input = false;  // for the weights that were trained on [-1, 1]
  bool init_weights = true;      // false leaves the layers' own draws
  double dropout = 0.2, dropout_aux = 0.7;
};
/// aux2 and aux1 are undefined outside training.
struct GoogLeNetResult {
  nn::Tensor logits, aux_logits2, aux_logits1;
};

class GoogLeNet : public nn::Module {
 public:
  explicit GoogLeNet(const GoogLeNetOptions& options = {});
  /// The logits alone.
  nn::Tensor forward(const nn::Tensor& x) override { return compute(x).logits; }
  GoogLeNetResult compute(const nn::Tensor& x);

  GoogLeNetOptions options;
  std::vector<nn::ModulePtr> body;  // every layer up to the pooling, in the order they run
  nn::ModulePtr aux1, aux2;
  nn::AdaptiveAvgPool2d avgpool;
  nn::Dropout dropout;
  nn::Linear fc;
};
inline GoogLeNet googlenet(const GoogLeNetOptions& options = {}) { return GoogLeNet(options); }

}  // namespace trivium::models
