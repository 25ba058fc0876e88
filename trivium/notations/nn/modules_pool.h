// Pooling layers. Sizes are one number or one for each spatial axis; an empty stride means the
// kernel.
#pragma once

#include <optional>
#include <string>

#include "trivium/notations/nn/functional.h"
#include "trivium/notations/nn/module.h"

namespace trivium::nn {

struct MaxPoolOptions {
  Dims kernel{};
  Dims stride{};
  Dims padding = 0;
  Dims dilation = 1;
  bool ceil_mode = false;
};
class MaxPoolNd : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  /// The values, and where in each plane they were.
  ValuesIndices with_indices(const Tensor& x);
  std::string extra_repr() const override;
  int spatial;
  MaxPoolOptions options;

 protected:
  MaxPoolNd(int spatial, MaxPoolOptions o);
  static MaxPoolOptions sized(MaxPoolOptions o, const Dims& kernel, const Dims& stride);
};

struct AvgPoolOptions {
  Dims kernel{};
  Dims stride{};
  Dims padding = 0;
  bool ceil_mode = false;
  bool count_include_pad = true;
  std::optional<int64_t> divisor_override{};  // 2 and 3 axes
};
class AvgPoolNd : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  int spatial;
  AvgPoolOptions options;

 protected:
  AvgPoolNd(int spatial, AvgPoolOptions o);
  static AvgPoolOptions sized(AvgPoolOptions o, const Dims& kernel, const Dims& stride);
};

/// Window i of n: [floor(i*in/n), ceil((i+1)*in/n)). A size of functional::kKeep keeps the axis.
class AdaptivePoolNd : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  int spatial;
  bool largest;
  Dims output_size;

 protected:
  AdaptivePoolNd(int spatial, bool largest, const Dims& output_size)
      : spatial(spatial), largest(largest), output_size(output_size) {}
};

// The number of axes is a parameter named apart from the members above, which would hide it.
template <int axes>
class MaxPool : public MaxPoolNd {
 public:
  explicit MaxPool(const MaxPoolOptions& options) : MaxPoolNd(axes, options) {}
  explicit MaxPool(const Dims& kernel, const Dims& stride = {}, const MaxPoolOptions& rest = {})
      : MaxPoolNd(axes, sized(rest, kernel, stride)) {}
  std::string type_name() const override { return "MaxPool" + std::to_string(axes) + "d"; }
};
template <int axes>
class AvgPool : public AvgPoolNd {
 public:
  explicit AvgPool(const AvgPoolOptions& options) : AvgPoolNd(axes, options) {}
  explicit AvgPool(const Dims& kernel, const Dims& stride = {}, const AvgPoolOptions& rest = {})
      : AvgPoolNd(axes, sized(rest, kernel, stride)) {}
  std::string type_name() const override { return "AvgPool" + std::to_string(axes) + "d"; }
};
template <int axes>
class AdaptiveAvgPool : public AdaptivePoolNd {
 public:
  explicit AdaptiveAvgPool(const Dims& output_size) : AdaptivePoolNd(axes, false, output_size) {}
  std::string type_name() const override { return "AdaptiveAvgPool" + std::to_string(axes) + "d"; }
};
template <int axes>
class AdaptiveMaxPool : public AdaptivePoolNd {
 public:
  explicit AdaptiveMaxPool(const Dims& output_size) : AdaptivePoolNd(axes, true, output_size) {}
  std::string type_name() const override { return "AdaptiveMaxPool" + std::to_string(axes) + "d"; }
};
using MaxPool1d = MaxPool<1>;
using MaxPool2d = MaxPool<2>;
using MaxPool3d = MaxPool<3>;
using AvgPool1d = AvgPool<1>;
using AvgPool2d = AvgPool<2>;
using AvgPool3d = AvgPool<3>;
using AdaptiveAvgPool1d = AdaptiveAvgPool<1>;
using AdaptiveAvgPool2d = AdaptiveAvgPool<2>;
using AdaptiveAvgPool3d = AdaptiveAvgPool<3>;
using AdaptiveMaxPool1d = AdaptiveMaxPool<1>;
using AdaptiveMaxPool2d = AdaptiveMaxPool<2>;
using AdaptiveMaxPool3d = AdaptiveMaxPool<3>;

/// Puts pooled values back where their indices say; zeros elsewhere.
template <int axes>
class MaxUnpool : public Module {
 public:
  explicit MaxUnpool(const Dims& kernel, const Dims& stride = {}, const Dims& padding = 0)
      : kernel(kernel), stride(stride), padding(padding) {}
  using Module::forward;
  Tensor forward(const Tensor& x, const Tensor& indices, const Dims& output_size = {}) {
    return functional::max_unpool(axes, x, indices, kernel, stride, padding, output_size);
  }
  Tensor operator()(const Tensor& x, const Tensor& indices, const Dims& output_size = {}) {
    return run({x, indices},
               [&](const Tensors& a) { return Tensors{forward(a[0], a[1], output_size)}; })[0];
  }
  std::string type_name() const override { return "MaxUnpool" + std::to_string(axes) + "d"; }
  Dims kernel, stride, padding;
};
using MaxUnpool1d = MaxUnpool<1>;
using MaxUnpool2d = MaxUnpool<2>;
using MaxUnpool3d = MaxUnpool<3>;

/// (sum of x^p over the window)^(1/p).
template <int axes>
class LPPool : public Module {
 public:
  LPPool(double norm_type, const Dims& kernel, const Dims& stride = {}, bool ceil_mode = false)
      : norm_type(norm_type), kernel(kernel), stride(stride), ceil_mode(ceil_mode) {}
  Tensor forward(const Tensor& x) override {
    if constexpr (axes == 1)
      return functional::lp_pool1d(x, norm_type, kernel, stride, ceil_mode);
    else
      return functional::lp_pool2d(x, norm_type, kernel, stride, ceil_mode);
  }
  std::string type_name() const override { return "LPPool" + std::to_string(axes) + "d"; }
  double norm_type;
  Dims kernel, stride;
  bool ceil_mode;
};
using LPPool1d = LPPool<1>;
using LPPool2d = LPPool<2>;

}  // namespace trivium::nn
