// The updates of Adam and its relatives, in PyTorch's order of operations.
#include "trivium/notations/nn/optim_adam.h"

#include <cmath>

namespace trivium::optim {

namespace {

enum Role { kLr, kDecay, kBeta1, kBeta2, kFresh2, kEps, kRoot, kSecondLr };

OptionValue none() { return {}; }

Options adam_options(const AdamOptions& o, bool decoupled) {
  return {{"lr", o.lr},
          {"betas", o.betas},
          {"eps", o.eps},
          {"weight_decay", o.weight_decay},
          {"amsgrad", o.amsgrad},
          {"maximize", o.maximize},
          {"foreach", none()},
          {"capturable", false},
          {"differentiable", false},
          {"fused", none()},
          {"decoupled_weight_decay", decoupled}};
}

AdamOptions of(const AdamWOptions& o) {
  return {o.lr, o.betas, o.eps, o.weight_decay, o.amsgrad, o.maximize, true};
}

/// from + (to - from) * weight, rounded as lerp does on either side of one half.
Tensor mixed(const Tensor& from, const Tensor& to, double weight, const Tensor& w,
             const Tensor& one_minus_w) {
  return weight < 0.5 ? from + w * (to - from) : to - (to - from) * one_minus_w;
}

}  // namespace

Adam::Adam(const ParamsArg& params, const AdamOptions& o)
    : Optimizer(params, adam_options(o, o.decoupled_weight_decay)) {}

AdamW::AdamW(const ParamsArg& params, const AdamWOptions& o) : Adam(params, of(o)) {}

void Adam::update(const ParamGroup& group, const Tensor& param, Tensor g, ParamState& s) {
  start(s, param, group.flag("amsgrad") ? 3 : 2);
  ++s.step;
  Tensor p = param;
  const double decay = group.number("weight_decay"), lr = group.number("lr");
  const auto [b1, b2] = group.at("betas").pair();
  if (decay != 0) {
    if (group.flag("decoupled_weight_decay"))
      p = param * number(kDecay, 1 - lr * decay, param);
    else
      g = g + param * number(kDecay, decay, param);
  }
  Tensor &m = s.tensors[0], &v = s.tensors[1];
  m.assign(mixed(m, g, 1 - b1, number(kBeta1, b1 > 0.5 ? 1 - b1 : b1, p),
                 number(kBeta1, b1 > 0.5 ? 1 - b1 : b1, p)));
  v.assign(v * number(kBeta2, b2, p) + number(kFresh2, 1 - b2, p) * g * g);
  const auto t = static_cast<double>(s.step);
  const double first = 1 - std::pow(b1, t), second = 1 - std::pow(b2, t);
  Tensor variance = v;
  if (group.flag("amsgrad")) {
    s.tensors[2].assign(s.tensors[2].maximum(v));
    variance = s.tensors[2];
  }
  const Tensor scale =
      variance.sqrt() / number(kRoot, std::sqrt(second), p) + number(kEps, group.number("eps"), p);
  Tensor(param).assign(p + number(kLr, -(lr / first), p) * m / scale);
}

Adamax::Adamax(const ParamsArg& params, const AdamaxOptions& o)
    : Optimizer(params, {{"lr", o.lr},
                         {"betas", o.betas},
                         {"eps", o.eps},
                         {"weight_decay", o.weight_decay},
                         {"foreach", none()},
                         {"maximize", o.maximize},
                         {"differentiable", false},
                         {"capturable", false}}) {}

void Adamax::update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& s) {
  start(s, p, 2);
  ++s.step;
  const double decay = group.number("weight_decay");
  const auto [b1, b2] = group.at("betas").pair();
  if (decay != 0) g = g + p * number(kDecay, decay, p);
  Tensor &m = s.tensors[0], &largest = s.tensors[1];
  const Tensor w = number(kBeta1, b1 > 0.5 ? 1 - b1 : b1, p);
  m.assign(mixed(m, g, 1 - b1, w, w));
  largest.assign(
      (largest * number(kBeta2, b2, p)).maximum(g.abs() + number(kEps, group.number("eps"), p)));
  const double lr = group.number("lr") / (1 - std::pow(b1, static_cast<double>(s.step)));
  Tensor(p).assign(p + number(kLr, -lr, p) * m / largest);
}

NAdam::NAdam(const ParamsArg& params, const NAdamOptions& o)
    : Optimizer(params, {{"lr", o.lr},
                         {"betas", o.betas},
                         {"eps", o.eps},
                         {"weight_decay", o.weight_decay},
                         {"momentum_decay", o.momentum_decay},
                         {"decoupled_weight_decay", o.decoupled_weight_decay},
                         {"maximize", o.maximize},
                         {"foreach", none()},
                         {"capturable", false},
                         {"differentiable", false}}) {}

void NAdam::update(const ParamGroup& group, const Tensor& param, Tensor g, ParamState& s) {
  start(s, param, 2);
  if (s.fresh) s.numbers = {1};
  ++s.step;
  Tensor p = param;
  const double decay = group.number("weight_decay"), lr = group.number("lr");
  const auto [b1, b2] = group.at("betas").pair();
  if (decay != 0) {
    if (group.flag("decoupled_weight_decay"))
      p = param * number(kDecay, 1 - lr * decay, param);
    else
      g = g + param * number(kDecay, decay, param);
  }
  const auto t = static_cast<double>(s.step);
  const double slowing = group.number("momentum_decay");
  const double mu = b1 * (1 - 0.5 * std::pow(0.96, t * slowing));
  const double mu_next = b1 * (1 - 0.5 * std::pow(0.96, (t + 1) * slowing));
  // The product is kept in single precision, as the file format has it.
  s.numbers[0] = static_cast<float>(s.numbers[0]) * static_cast<float>(mu);
  const double product = s.numbers[0];
  Tensor &m = s.tensors[0], &v = s.tensors[1];
  const Tensor w = number(kBeta1, b1 > 0.5 ? 1 - b1 : b1, p);
  m.assign(mixed(m, g, 1 - b1, w, w));
  v.assign(v * number(kBeta2, b2, p) + number(kFresh2, 1 - b2, p) * g * g);
  const Tensor scale =
      (v / number(kRoot, 1 - std::pow(b2, t), p)).sqrt() + number(kEps, group.number("eps"), p);
  const double first = -lr * (1 - mu) / (1 - product);
  const double second = -lr * mu_next / (1 - product * mu_next);
  Tensor(param).assign(p + number(kLr, first, p) * g / scale +
                       number(kSecondLr, second, p) * m / scale);
}

RAdam::RAdam(const ParamsArg& params, const RAdamOptions& o)
    : Optimizer(params, {{"lr", o.lr},
                         {"betas", o.betas},
                         {"eps", o.eps},
                         {"weight_decay", o.weight_decay},
                         {"maximize", o.maximize},
                         {"foreach", none()},
                         {"capturable", false},
                         {"differentiable", false},
                         {"decoupled_weight_decay", o.decoupled_weight_decay}}) {}

void RAdam::update(const ParamGroup& group, const Tensor& param, Tensor g, ParamState& s) {
  start(s, param, 2);
  ++s.step;
  Tensor p = param;
  const double decay = group.number("weight_decay"), lr = group.number("lr");
  const auto [b1, b2] = group.at("betas").pair();
  if (decay != 0) {
    if (group.flag("decoupled_weight_decay"))
      p = param * number(kDecay, 1 - lr * decay, param);
    else
      g = g + param * number(kDecay, decay, param);
  }
  Tensor &m = s.tensors[0], &v = s.tensors[1];
  const Tensor w = number(kBeta1, b1 > 0.5 ? 1 - b1 : b1, p);
  m.assign(mixed(m, g, 1 - b1, w, w));
  v.assign(v * number(kBeta2, b2, p) + number(kFresh2, 1 - b2, p) * g * g);
  const auto t = static_cast<double>(s.step);
  const double first = 1 - std::pow(b1, t), second = 1 - std::pow(b2, t);
  const double limit = 2 / (1 - b2) - 1;
  const double rho = limit - 2 * t * std::pow(b2, t) / second;
  Tensor moved = m / number(kRoot, first, p) * number(kLr, lr, p);
  if (rho > 5) {
    const double rectified =
        std::sqrt((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho));
    const Tensor scale = v.sqrt() + number(kEps, group.number("eps"), p);
    moved = moved * (number(kSecondLr, std::sqrt(second), p) / scale) *
            number(kSecondLr + 1, rectified, p);
  }
  Tensor(param).assign(p - moved);
}

}  // namespace trivium::optim
