// Derivatives as operations of the graph. One Gradients operation stands for a whole reverse walk,
// which the engine records when a session translates it.
#pragma once

#include <string>
#include <vector>

#include "trivium/notations/tf/input.h"

namespace trivium::tf {

struct GradientOptions {
  std::vector<Tensor> grad_ys;  // empty, or one per y (undefined: ones)
  std::vector<Tensor> stop_gradients;
  std::string name = "gradients";
  bool zeros_for_unconnected = false;
};

/// d sum(ys * grad_ys) / dx for each x; an undefined Tensor where ys do not depend on x through
/// differentiable operations on floating tensors. Gradients of gradients work.
std::vector<Tensor> gradients(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                              const GradientOptions& options = {});

}  // namespace trivium::tf
