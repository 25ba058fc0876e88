// Optimizers that scale the gradient by what they saw of it: SGD, Adadelta, Adagrad, RMSprop, Rprop
// and ASGD. g is the gradient (+ weight_decay * p first), L the learning rate.
#pragma once

#include "trivium/notations/nn/optim.h"

namespace trivium::optim {

struct SGDOptions {
  double lr = 1e-3, momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false, maximize = false;
};
/// b = momentum*b + (1-dampening)*g (b = g at first); p -= L*b, with nesterov L*(g + momentum*b).
class SGD : public Optimizer {
 public:
  explicit SGD(const ParamsArg& params, const SGDOptions& options = {});
  std::string name() const override { return "SGD"; }

 protected:
  void update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& state) override;
  std::vector<std::string> tensor_names() const override { return {"momentum_buffer"}; }
  bool has_step() const override { return false; }
};

struct AdadeltaOptions {
  double lr = 1, rho = 0.9, eps = 1e-6, weight_decay = 0;
  bool maximize = false;
};
/// s = rho*s + (1-rho)*g^2; d = sqrt(a+eps)/sqrt(s+eps)*g; a = rho*a + (1-rho)*d^2; p -= L*d.
class Adadelta : public Optimizer {
 public:
  explicit Adadelta(const ParamsArg& params, const AdadeltaOptions& options = {});
  std::string name() const override { return "Adadelta"; }

 protected:
  void update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& state) override;
  std::vector<std::string> tensor_names() const override { return {"square_avg", "acc_delta"}; }
};

struct AdagradOptions {
  double lr = 1e-2, lr_decay = 0, weight_decay = 0, initial_accumulator_value = 0, eps = 1e-10;
  bool maximize = false;
};
/// s += g^2; p -= L/(1+(t-1)*lr_decay) * g/(sqrt(s)+eps).
class Adagrad : public Optimizer {
 public:
  explicit Adagrad(const ParamsArg& params, const AdagradOptions& options = {});
  std::string name() const override { return "Adagrad"; }

 protected:
  void update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& state) override;
  std::vector<std::string> tensor_names() const override { return {"sum"}; }
};

struct RMSpropOptions {
  double lr = 1e-2, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0;
  bool centered = false, maximize = false;
};
/// s = alpha*s + (1-alpha)*g^2; p -= L*g/(sqrt(s)+eps); centered takes the mean of g off s.
class RMSprop : public Optimizer {
 public:
  explicit RMSprop(const ParamsArg& params, const RMSpropOptions& options = {});
  std::string name() const override { return "RMSprop"; }

 protected:
  void update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& state) override;
  std::vector<std::string> tensor_names() const override {
    return {"square_avg", "momentum_buffer", "grad_avg"};
  }
};

struct RpropOptions {
  double lr = 1e-2;
  std::pair<double, double> etas{0.5, 1.2}, step_sizes{1e-6, 50};
  bool maximize = false;
};
/// A step size an element: larger while the sign of g stays, smaller when it turns.
class Rprop : public Optimizer {
 public:
  explicit Rprop(const ParamsArg& params, const RpropOptions& options = {});
  std::string name() const override { return "Rprop"; }

 protected:
  void update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& state) override;
  std::vector<std::string> tensor_names() const override { return {"prev", "step_size"}; }
};

struct ASGDOptions {
  double lr = 1e-2, lambd = 1e-4, alpha = 0.75, t0 = 1e6, weight_decay = 0;
  bool maximize = false;
};
/// SGD whose state `ax` is the mean of the parameters after t0 steps.
class ASGD : public Optimizer {
 public:
  explicit ASGD(const ParamsArg& params, const ASGDOptions& options = {});
  std::string name() const override { return "ASGD"; }

 protected:
  void update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& state) override;
  std::vector<std::string> tensor_names() const override { return {"ax"}; }
  std::vector<std::string> number_names() const override { return {"eta", "mu"}; }
};

}  // namespace trivium::optim
