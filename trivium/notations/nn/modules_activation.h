// Activations as modules: each is a function of functional.h with its settings.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "trivium/notations/nn/functional.h"
#include "trivium/notations/nn/module.h"

namespace trivium::nn {

/// A module without parameters: a function and its settings as text.
class FunctionModule : public Module {
 public:
  Tensor forward(const Tensor& x) override { return function_(x); }
  std::string extra_repr() const override { return settings_; }

 protected:
  FunctionModule(std::string settings, std::function<Tensor(const Tensor&)> function)
      : settings_(std::move(settings)), function_(std::move(function)) {}

 private:
  std::string settings_;
  std::function<Tensor(const Tensor&)> function_;
};

class ReLU : public FunctionModule {
 public:
  explicit ReLU(bool inplace = false);
};
class ReLU6 : public FunctionModule {
 public:
  explicit ReLU6(bool inplace = false);
};
class LeakyReLU : public FunctionModule {
 public:
  explicit LeakyReLU(double negative_slope = 0.01, bool inplace = false);
};
class ELU : public FunctionModule {
 public:
  explicit ELU(double alpha = 1, bool inplace = false);
};
class SELU : public FunctionModule {
 public:
  explicit SELU(bool inplace = false);
};
class CELU : public FunctionModule {
 public:
  explicit CELU(double alpha = 1, bool inplace = false);
};
/// approximate: "none" or "tanh".
class GELU : public FunctionModule {
 public:
  explicit GELU(const std::string& approximate = "none");
};
class SiLU : public FunctionModule {
 public:
  explicit SiLU(bool inplace = false);
};
class Mish : public FunctionModule {
 public:
  explicit Mish(bool inplace = false);
};
class Sigmoid : public FunctionModule {
 public:
  Sigmoid();
};
class Tanh : public FunctionModule {
 public:
  Tanh();
};
class Softplus : public FunctionModule {
 public:
  explicit Softplus(double beta = 1, double threshold = 20);
};
class Softsign : public FunctionModule {
 public:
  Softsign();
};
class Softshrink : public FunctionModule {
 public:
  explicit Softshrink(double lambd = 0.5);
};
class Hardshrink : public FunctionModule {
 public:
  explicit Hardshrink(double lambd = 0.5);
};
class Tanhshrink : public FunctionModule {
 public:
  Tanhshrink();
};
class Hardtanh : public FunctionModule {
 public:
  explicit Hardtanh(double min_val = -1, double max_val = 1, bool inplace = false);
};
class Hardsigmoid : public FunctionModule {
 public:
  explicit Hardsigmoid(bool inplace = false);
};
class Hardswish : public FunctionModule {
 public:
  explicit Hardswish(bool inplace = false);
};
class LogSigmoid : public FunctionModule {
 public:
  LogSigmoid();
};
class Threshold : public FunctionModule {
 public:
  Threshold(double threshold, double value, bool inplace = false);
};
class GLU : public FunctionModule {
 public:
  explicit GLU(int64_t dim = -1);
};
/// Without a dim: 0 for input of 0, 1 or 3 axes, else 1.
class Softmax : public FunctionModule {
 public:
  explicit Softmax(std::optional<int64_t> dim = {});
};
class LogSoftmax : public FunctionModule {
 public:
  explicit LogSoftmax(std::optional<int64_t> dim = {});
};
class Softmin : public FunctionModule {
 public:
  explicit Softmin(std::optional<int64_t> dim = {});
};
/// Over the channels of [N, C, H, W] or [C, H, W].
class Softmax2d : public FunctionModule {
 public:
  Softmax2d();
};
/// A learnt slope for negative input: one, or one a channel; weight [n] starts at init.
class PReLU : public Module {
 public:
  explicit PReLU(int64_t num_parameters = 1, double init = 0.25);
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  Tensor& weight;
};
/// In training the slope of each negative element is drawn from U[lower, upper).
class RReLU : public Module {
 public:
  explicit RReLU(double lower = 1.0 / 8, double upper = 1.0 / 3, bool inplace = false)
      : lower(lower), upper(upper), inplace(inplace) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  double lower, upper;
  bool inplace;
};

}  // namespace trivium::nn
