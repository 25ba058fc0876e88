// Initial values for parameters: torch.nn.init, draw for draw. Every function fills its tensor in
// place, outside the history, and returns it.
#pragma once

#include <string>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/tensor.h"

namespace trivium::nn::init {

/// Inputs and outputs of one output element. ValueError for fewer than 2 axes.
struct Fans {
  int64_t in = 0, out = 0;
};
Fans fans_of(const Tensor& t);
/// linear, conv1d…conv_transpose3d, sigmoid: 1; tanh 5/3; relu sqrt 2; leaky_relu sqrt(2/(1+a^2));
/// selu 3/4. ValueError for another name.
double calculate_gain(const std::string& nonlinearity, double a = 0.01);

const Tensor& uniform_(const Tensor& t, double a = 0, double b = 1, Generator rng = nullptr);
const Tensor& normal_(const Tensor& t, double mean = 0, double std = 1, Generator rng = nullptr);
const Tensor& constant_(const Tensor& t, double value);
const Tensor& zeros_(const Tensor& t);
const Tensor& ones_(const Tensor& t);
/// The identity; t has 2 axes.
const Tensor& eye_(const Tensor& t);
/// Convolution weights that pass channels through; t has 3 to 5 axes.
const Tensor& dirac_(const Tensor& t, int64_t groups = 1);
const Tensor& xavier_uniform_(const Tensor& t, double gain = 1, Generator rng = nullptr);
const Tensor& xavier_normal_(const Tensor& t, double gain = 1, Generator rng = nullptr);
/// mode: "fan_in" or "fan_out"; ValueError otherwise.
const Tensor& kaiming_uniform_(const Tensor& t, double a = 0, const std::string& mode = "fan_in",
                               const std::string& nonlinearity = "leaky_relu",
                               Generator rng = nullptr);
const Tensor& kaiming_normal_(const Tensor& t, double a = 0, const std::string& mode = "fan_in",
                              const std::string& nonlinearity = "leaky_relu",
                              Generator rng = nullptr);
/// N(mean, std) without what falls outside [a, b].
const Tensor& trunc_normal_(const Tensor& t, double mean = 0, double std = 1, double a = -2,
                            double b = 2, Generator rng = nullptr);
/// Rows (or columns) orthonormal, times gain.
const Tensor& orthogonal_(const Tensor& t, double gain = 1, Generator rng = nullptr);
/// N(0, std) with this share of each column zero; t has 2 axes.
const Tensor& sparse_(const Tensor& t, double sparsity, double std = 0.01, Generator rng = nullptr);

}  // namespace trivium::nn::init
