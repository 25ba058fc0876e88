// Tensors that compute as you write, layers, losses and optimizers: PyTorch's surface in C++.
//
//   trivium::start();
//   auto model = trivium::nn::Sequential{trivium::nn::Linear(1000, 100), trivium::nn::ReLU(),
//                                        trivium::nn::Linear(100, 10)};
//   auto adam = trivium::optim::Adam(model.parameters(), {.lr = 1e-4});
//   auto loss = trivium::nn::mse_loss(model(x), y, trivium::nn::Reduction::sum);
//   adam.zero_grad();
//   loss.backward();
//   adam.step();
#pragma once

#include "trivium/engine.h"
#include "trivium/notations/nn/checkpoint.h"
#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/functional.h"
#include "trivium/notations/nn/init.h"
#include "trivium/notations/nn/modules.h"
#include "trivium/notations/nn/print.h"
#include "trivium/notations/nn/tensor.h"
#include "trivium/notations/nn/utils.h"
#include "trivium/optim.h"

namespace trivium {
using nn::bernoulli;
using nn::manual_seed;
using nn::multinomial;
using nn::NoGradGuard;
using nn::normal;
using nn::ones;
using nn::rand;
using nn::randint;
using nn::randn;
using nn::randperm;
using nn::Tensor;
using nn::zeros;

namespace nn {
using functional::binary_cross_entropy;
using functional::binary_cross_entropy_with_logits;
using functional::cross_entropy;
using functional::dropout;
using functional::huber_loss;
using functional::kl_div;
using functional::l1_loss;
using functional::log_softmax;
using functional::max_pool2d;
using functional::mse_loss;
using functional::nll_loss;
using functional::smooth_l1_loss;
using functional::softmax;
}  // namespace nn
}  // namespace trivium
