#include "trivium/notations/caffe/lr_policy.h"

#include <cmath>

#include "trivium/engine/core/error.h"

namespace trivium::caffe {
namespace {

void need_step_size(const proto::SolverParameter& s) {
  if (s.stepsize() <= 0)
    user_error("solver: lr_policy \"{}\" needs stepsize > 0, received {}", s.lr_policy(),
               s.stepsize());
}

void need_gamma(const proto::SolverParameter& s) {
  if (!(s.gamma() >= 0))
    user_error("solver: lr_policy \"{}\" needs gamma >= 0, received {}", s.lr_policy(), s.gamma());
}

float multistep(const proto::SolverParameter& s, int iter, int* current_step, LogLines* log) {
  need_gamma(s);
  if (*current_step < s.stepvalue_size() && iter >= s.stepvalue(*current_step)) {
    ++*current_step;
    add_line(log, LogLevel::info,
             fmt::format("MultiStep Status: Iteration {}, step = {}", iter, *current_step));
  }
  return static_cast<float>(s.base_lr() * std::pow(static_cast<double>(s.gamma()), *current_step));
}

}  // namespace

float learning_rate(const proto::SolverParameter& s, int iter, int* current_step, LogLines* log) {
  const double base = s.base_lr(), gamma = s.gamma();
  const std::string& policy = s.lr_policy();
  if (policy == "fixed") return s.base_lr();
  if (policy == "multistep") return multistep(s, iter, current_step, log);
  if (policy == "step") {
    need_step_size(s);
    need_gamma(s);
    *current_step = iter / s.stepsize();
    return static_cast<float>(base * std::pow(gamma, *current_step));
  }
  if (policy == "exp") {
    need_gamma(s);
    return static_cast<float>(base * std::pow(gamma, iter));
  }
  if (policy == "inv") {
    need_gamma(s);
    return static_cast<float>(base * std::pow(1 + gamma * iter, -static_cast<double>(s.power())));
  }
  if (policy == "poly")
    return static_cast<float>(base *
                              std::pow(1 - static_cast<double>(iter) / s.max_iter(), s.power()));
  if (policy == "sigmoid") {
    need_step_size(s);
    need_gamma(s);
    return static_cast<float>(base /
                              (1 + std::exp(-gamma * (iter - static_cast<double>(s.stepsize())))));
  }
  user_error(
      "solver: unknown lr_policy \"{}\"; there are: fixed step exp inv multistep poly sigmoid",
      policy);
}

}  // namespace trivium::caffe
