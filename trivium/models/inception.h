// Inception v3 ("Rethinking the Inception Architecture for Computer Vision") with torchvision's
// parameter names and initial draws. Input [N, 3, H, W] with H and W at least 75 (299 in the
// paper), output logits [N, classes].
#pragma once

#include <vector>

#include "trivium/notations/nn/modules.h"

namespace trivium::models {

struct InceptionOptions {
  int64_t num_classes = 1000;
  bool aux_logits = true;        // a second classifier, used in training
  bool transform_input = false;  // for the weights that were trained on [-1, 1]
  bool init_weights = true;      // false leaves the layers' own draws
  double dropout = 0.5;
};
/// aux_logits is undefined outside training.
struct InceptionResult {
  nn::Tensor logits, aux_logits;
};

class InceptionV3 : public nn::Module {
 public:
  explicit InceptionV3(const InceptionOptions& options = {});
  /// The logits alone.
  nn::Tensor forward(const nn::Tensor& x) override { return compute(x).logits; }
  InceptionResult compute(const nn::Tensor& x);

  InceptionOptions options;
  nn::ModulePtr aux;                // defined with the body, between two of its layers
  std::vector<nn::ModulePtr> body;  // every layer up to the pooling, in the order they run
  nn::AdaptiveAvgPool2d avgpool;
  nn::Dropout dropout;
  nn::Linear fc;
};
inline InceptionV3 inception_v3(const InceptionOptions& options = {}) {
  return InceptionV3(options);
}

}  // namespace trivium::models
