// Adam and its relatives: AdamW, Adamax, NAdam, RAdam. m and v are running means of g and g^2, t
// counts the steps.
#pragma once

#include "trivium/notations/nn/optim.h"

namespace trivium::optim {

struct AdamOptions {
  double lr = 1e-3;
  std::pair<double, double> betas{0.9, 0.999};
  double eps = 1e-8, weight_decay = 0;
  bool amsgrad = false, maximize = false;
  bool decoupled_weight_decay = false;
};
/// p -= L/(1-b1^t) * m / (sqrt(v)/sqrt(1-b2^t) + eps).
class Adam : public Optimizer {
 public:
  explicit Adam(const ParamsArg& params, const AdamOptions& options = {});
  std::string name() const override { return "Adam"; }

 protected:
  void update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& state) override;
  std::vector<std::string> tensor_names() const override {
    return {"exp_avg", "exp_avg_sq", "max_exp_avg_sq"};
  }
};

struct AdamWOptions {
  double lr = 1e-3;
  std::pair<double, double> betas{0.9, 0.999};
  double eps = 1e-8, weight_decay = 1e-2;
  bool amsgrad = false, maximize = false;
};
/// Adam with p *= 1 - L*weight_decay before it.
class AdamW : public Adam {
 public:
  explicit AdamW(const ParamsArg& params, const AdamWOptions& options = {});
  std::string name() const override { return "AdamW"; }
};

struct AdamaxOptions {
  double lr = 2e-3;
  std::pair<double, double> betas{0.9, 0.999};
  double eps = 1e-8, weight_decay = 0;
  bool maximize = false;
};
/// u = max(b2*u, |g|+eps); p -= L/(1-b1^t) * m/u.
class Adamax : public Optimizer {
 public:
  explicit Adamax(const ParamsArg& params, const AdamaxOptions& options = {});
  std::string name() const override { return "Adamax"; }

 protected:
  void update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& state) override;
  std::vector<std::string> tensor_names() const override { return {"exp_avg", "exp_inf"}; }
};

struct NAdamOptions {
  double lr = 2e-3;
  std::pair<double, double> betas{0.9, 0.999};
  double eps = 1e-8, weight_decay = 0, momentum_decay = 4e-3;
  bool decoupled_weight_decay = false, maximize = false;
};
/// Adam with Nesterov momentum.
class NAdam : public Optimizer {
 public:
  explicit NAdam(const ParamsArg& params, const NAdamOptions& options = {});
  std::string name() const override { return "NAdam"; }

 protected:
  void update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& state) override;
  std::vector<std::string> tensor_names() const override { return {"exp_avg", "exp_avg_sq"}; }
  std::vector<std::string> number_names() const override { return {"mu_product"}; }
};

struct RAdamOptions {
  double lr = 1e-3;
  std::pair<double, double> betas{0.9, 0.999};
  double eps = 1e-8, weight_decay = 0;
  bool decoupled_weight_decay = false, maximize = false;
};
/// Adam whose step is rectified while v has seen few gradients.
class RAdam : public Optimizer {
 public:
  explicit RAdam(const ParamsArg& params, const RAdamOptions& options = {});
  std::string name() const override { return "RAdam"; }

 protected:
  void update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& state) override;
  std::vector<std::string> tensor_names() const override { return {"exp_avg", "exp_avg_sq"}; }
};

}  // namespace trivium::optim
