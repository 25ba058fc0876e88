// Tensors that compute as you write, layers, losses and optimizers: PyTorch's surface in C++.
//
//   trivium::start();
//   auto x = trivium::nn::randn({64, 1000});
//   auto w = trivium::nn::randn({1000, 10}, {.requires_grad = true});
//   (x.matmul(w) - 1).square().sum().backward();
//   std::cout << w.grad();
#pragma once

#include "trivium/engine.h"
#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/functional.h"
#include "trivium/notations/nn/print.h"
#include "trivium/notations/nn/tensor.h"

namespace trivium {
using nn::Tensor;
}  // namespace trivium
