// LBFGS: quasi-Newton steps from the last gradients; needs a closure that evaluates the loss.
#pragma once

#include <optional>
#include <string>

#include "trivium/notations/nn/optim.h"

namespace trivium::optim {

struct LBFGSOptions {
  double lr = 1;
  int64_t max_iter = 20;
  std::optional<int64_t> max_eval{};  // none: max_iter * 5/4
  double tolerance_grad = 1e-7, tolerance_change = 1e-9;
  int64_t history_size = 100;
  bool strong_wolfe = false;
};
/// One parameter group. step(closure) makes up to max_iter iterations and returns the first loss.
class LBFGS : public Optimizer {
 public:
  explicit LBFGS(const ParamsArg& params, const LBFGSOptions& options = {});
  Tensor step(const Closure& closure = {}) override;
  OptimizerState state_dict() const override;
  void load_state_dict(const OptimizerState& state) override;
  std::string name() const override { return "LBFGS"; }

 protected:
  void update(const ParamGroup&, const Tensor&, Tensor, ParamState&) override {}

 private:
  struct Memory {
    int64_t func_evals = 0, n_iter = 0;
    Tensor d, h_diag, prev_flat_grad;
    double t = 0, prev_loss = 0;
    Tensors old_dirs, old_stps, ro, al;
  };
  struct Point {  // of the line search
    double t = 0, loss = 0, slope = 0;
    Tensor grad;
  };
  struct Found {
    double loss;
    Tensor grad;
    double t;
    int64_t evaluations;
  };
  Tensor flat_grad() const;
  void move(double t, const Tensor& direction);
  Tensors copies() const;
  void restore(const Tensors& values);
  void next_direction(const Tensor& grad);
  Found line_search(const Closure& closure, double t, double loss, const Tensor& grad,
                    double slope);
  Point evaluate_at(const Closure& closure, const Tensors& start, double t);
  const Tensors& params() const { return param_groups().front().params; }

  Memory memory_;
};

}  // namespace trivium::optim
