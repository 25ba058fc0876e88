// What a classifying net gets right and wrong: predictions are read from the blobs that its
// Accuracy or SoftmaxWithLoss layer compares, images from its data layer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/report.h"
#include "trivium/notations/caffe/net.h"

namespace trivium::tools {

struct Evaluation {
  int64_t examples = 0, correct = 0;
  std::vector<std::vector<int64_t>> confusion;     ///< [true][predicted]
  std::vector<MisclassifiedSample> misclassified;  ///< the surest mistakes, surest first
  double accuracy() const {
    return examples ? static_cast<double>(correct) / static_cast<double>(examples) : 0;
  }
};

/// Runs `batches` batches. nullopt when the net is no classifier: nothing compares scores [N,
/// classes] with labels [N]. Labels outside the classes are left out.
std::optional<Evaluation> evaluate(caffe::Net& net, int64_t batches, size_t keep_mistakes = 40);

/// Name of the blob that is the net's accuracy, or "".
std::string accuracy_blob(const caffe::Net& net);

}  // namespace trivium::tools
