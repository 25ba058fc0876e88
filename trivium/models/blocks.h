// Parts that several networks share: a convolution with its norm and activation, and squeeze and
// excitation. Not part of the public models.
#pragma once

#include <utility>

#include "trivium/notations/nn/modules.h"

namespace trivium::models {

/// A square convolution without bias, padded to keep the size at stride 1.
struct ConvUnit {
  int64_t in, out, kernel = 1, stride = 1, groups = 1, dilation = 1;
};

/// Convolution, batch norm and, where there are some, further layers: "0", "1", "2" as torchvision
/// numbers them.
template <typename... Activation>
nn::Sequential conv_norm(const ConvUnit& u, const nn::BatchNormOptions& norm,
                         Activation... activation) {
  return nn::Sequential{nn::Conv2d({.in = u.in,
                                    .out = u.out,
                                    .kernel = u.kernel,
                                    .stride = u.stride,
                                    .padding = (u.kernel - 1) / 2 * u.dilation,
                                    .dilation = u.dilation,
                                    .groups = u.groups,
                                    .bias = false}),
                        nn::BatchNorm2d(u.out, norm), std::move(activation)...};
}

/// Weighs each channel of x by what two 1x1 convolutions make of all channels' means.
class SqueezeExcitation : public nn::Module {
 public:
  template <typename Activation, typename Scale>
  SqueezeExcitation(int64_t channels, int64_t squeezed, Activation inner, Scale outer)
      : nn::Module(),  // named, because clang warns of templates that leave it out
        avgpool(add("avgpool", nn::AdaptiveAvgPool2d({1, 1}))),
        fc1(add("fc1", nn::Conv2d({.in = channels, .out = squeezed, .kernel = 1}))),
        fc2(add("fc2", nn::Conv2d({.in = squeezed, .out = channels, .kernel = 1}))),
        activation(std::make_shared<Activation>(add("activation", std::move(inner)))),
        scale_activation(std::make_shared<Scale>(add("scale_activation", std::move(outer)))) {}
  nn::Tensor forward(const nn::Tensor& x) override {
    return x * (*scale_activation)(fc2((*activation)(fc1(avgpool(x)))));
  }
  nn::AdaptiveAvgPool2d avgpool;
  nn::Conv2d fc1, fc2;
  nn::ModulePtr activation, scale_activation;
};

}  // namespace trivium::models
