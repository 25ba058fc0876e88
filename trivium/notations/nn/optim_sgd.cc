// The updates of SGD and its relatives. The order of operations is PyTorch's, so that float32
// training follows it to the last bits.
#include "trivium/notations/nn/optim_sgd.h"

#include <cmath>

namespace trivium::optim {

namespace {

/// Roles of the numbers of one step.
enum Role { kLr, kDecay, kFirst, kSecond, kThird, kEps };

OptionValue none() { return {}; }

}  // namespace

SGD::SGD(const ParamsArg& params, const SGDOptions& o)
    : Optimizer(params, {{"lr", o.lr},
                         {"momentum", o.momentum},
                         {"dampening", o.dampening},
                         {"weight_decay", o.weight_decay},
                         {"nesterov", o.nesterov},
                         {"maximize", o.maximize},
                         {"foreach", none()},
                         {"differentiable", false},
                         {"fused", none()}}) {}

void SGD::update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& s) {
  const double decay = group.number("weight_decay"), momentum = group.number("momentum");
  if (decay != 0) g = g + p * number(kDecay, decay, p);
  if (momentum != 0) {
    const Tensor m = number(kFirst, momentum, p);
    if (s.tensors.empty() || !s.tensors[0].defined()) {
      s.tensors = {nn::empty_like(p.detach())};
      s.tensors[0].assign(g);
    } else {
      const double dampening = group.number("dampening");
      const Tensor fresh = dampening == 0 ? g : g * number(kSecond, 1 - dampening, p);
      s.tensors[0].assign(s.tensors[0] * m + fresh);
    }
    g = group.flag("nesterov") ? g + s.tensors[0] * m : s.tensors[0];
  }
  Tensor(p).assign(p + g * number(kLr, -group.number("lr"), p));
}

Adadelta::Adadelta(const ParamsArg& params, const AdadeltaOptions& o)
    : Optimizer(params, {{"lr", o.lr},
                         {"rho", o.rho},
                         {"eps", o.eps},
                         {"weight_decay", o.weight_decay},
                         {"maximize", o.maximize},
                         {"capturable", false},
                         {"foreach", none()},
                         {"differentiable", false}}) {}

void Adadelta::update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& s) {
  start(s, p, 2);
  ++s.step;
  const double decay = group.number("weight_decay"), rho = group.number("rho");
  if (decay != 0) g = g + p * number(kDecay, decay, p);
  const Tensor keep = number(kFirst, rho, p), add = number(kSecond, 1 - rho, p);
  const Tensor eps = number(kEps, group.number("eps"), p);
  Tensor &square = s.tensors[0], &moved = s.tensors[1];
  square.assign(square * keep + add * g * g);
  const Tensor delta = (moved + eps).sqrt() / (square + eps).sqrt() * g;
  moved.assign(moved * keep + add * delta * delta);
  Tensor(p).assign(p + delta * number(kLr, -group.number("lr"), p));
}

Adagrad::Adagrad(const ParamsArg& params, const AdagradOptions& o)
    : Optimizer(params, {{"lr", o.lr},
                         {"lr_decay", o.lr_decay},
                         {"eps", o.eps},
                         {"weight_decay", o.weight_decay},
                         {"initial_accumulator_value", o.initial_accumulator_value},
                         {"foreach", none()},
                         {"maximize", o.maximize},
                         {"differentiable", false},
                         {"fused", none()}}) {}

void Adagrad::update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& s) {
  if (s.fresh) s.tensors = {nn::full_like(p.detach(), group.number("initial_accumulator_value"))};
  ++s.step;
  const double decay = group.number("weight_decay");
  if (decay != 0) g = g + p * number(kDecay, decay, p);
  const double lr =
      group.number("lr") / (1 + static_cast<double>(s.step - 1) * group.number("lr_decay"));
  Tensor& sum = s.tensors[0];
  sum.assign(sum + g * g);
  const Tensor scale = sum.sqrt() + number(kEps, group.number("eps"), p);
  Tensor(p).assign(p + number(kLr, -lr, p) * g / scale);
}

RMSprop::RMSprop(const ParamsArg& params, const RMSpropOptions& o)
    : Optimizer(params, {{"lr", o.lr},
                         {"momentum", o.momentum},
                         {"alpha", o.alpha},
                         {"eps", o.eps},
                         {"centered", o.centered},
                         {"weight_decay", o.weight_decay},
                         {"capturable", false},
                         {"foreach", none()},
                         {"maximize", o.maximize},
                         {"differentiable", false}}) {}

void RMSprop::update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& s) {
  const bool centered = group.flag("centered");
  const double decay = group.number("weight_decay"), alpha = group.number("alpha"),
               momentum = group.number("momentum");
  s.tensors.resize(3);
  const auto started = [&](int i, bool wanted) {
    if (wanted && !s.tensors[i].defined()) s.tensors[i] = nn::zeros_like(p.detach());
  };
  started(0, true);
  started(1, momentum > 0);
  started(2, centered);
  ++s.step;
  if (decay != 0) g = g + p * number(kDecay, decay, p);
  const Tensor fresh = number(kSecond, 1 - alpha, p);
  Tensor &square = s.tensors[0], &buffer = s.tensors[1], &mean = s.tensors[2];
  square.assign(square * number(kFirst, alpha, p) + fresh * g * g);
  Tensor scale = square;
  if (centered) {
    mean.assign(mean + fresh * (g - mean));
    scale = square - mean * mean;
  }
  scale = scale.sqrt() + number(kEps, group.number("eps"), p);
  const Tensor lr = number(kLr, -group.number("lr"), p);
  if (momentum > 0) {
    buffer.assign(buffer * number(kThird, momentum, p) + g / scale);
    Tensor(p).assign(p + buffer * lr);
  } else {
    Tensor(p).assign(p + lr * g / scale);
  }
}

Rprop::Rprop(const ParamsArg& params, const RpropOptions& o)
    : Optimizer(params, {{"lr", o.lr},
                         {"etas", o.etas},
                         {"step_sizes", o.step_sizes},
                         {"foreach", none()},
                         {"maximize", o.maximize},
                         {"differentiable", false},
                         {"capturable", false}}) {}

void Rprop::update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& s) {
  if (s.fresh)
    s.tensors = {nn::zeros_like(p.detach()), nn::full_like(p.detach(), group.number("lr"))};
  ++s.step;
  const auto [down, up] = group.at("etas").pair();
  const auto [least, most] = group.at("step_sizes").pair();
  Tensor &before = s.tensors[0], &size = s.tensors[1];
  const Tensor zero = number(kThird, 0, p);
  const Tensor agreement = g * before;
  const Tensor turned = agreement.lt(zero);
  const Tensor factor = nn::where(agreement.gt(zero), number(kFirst, up, p),
                                  nn::where(turned, number(kSecond, down, p), number(kEps, 1, p)));
  size.assign((size * factor).maximum(number(kDecay, least, p)).minimum(number(kLr, most, p)));
  g = nn::where(turned, zero, g);
  Tensor(p).assign(p - g.sign() * size);
  before.assign(g);
}

ASGD::ASGD(const ParamsArg& params, const ASGDOptions& o)
    : Optimizer(params, {{"lr", o.lr},
                         {"lambd", o.lambd},
                         {"alpha", o.alpha},
                         {"t0", o.t0},
                         {"weight_decay", o.weight_decay},
                         {"foreach", none()},
                         {"maximize", o.maximize},
                         {"differentiable", false},
                         {"capturable", false}}) {}

void ASGD::update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& s) {
  const double lr = group.number("lr"), lambd = group.number("lambd");
  start(s, p, 1);
  const auto rounded = [](double v) { return static_cast<double>(static_cast<float>(v)); };
  if (s.fresh) s.numbers = {rounded(lr), 1};
  ++s.step;
  const double decay = group.number("weight_decay"), eta = s.numbers[0], mu = s.numbers[1];
  if (decay != 0) g = g + p * number(kDecay, decay, p);
  Tensor(p).assign(p * number(kFirst, 1 - lambd * eta, p) + number(kLr, -eta, p) * g);
  Tensor& mean = s.tensors[0];
  if (mu == 1)
    mean.assign(Tensor(p) * number(kSecond, 1, p));
  else
    mean.assign(mean + (p - mean) * number(kThird, mu, p));
  const auto t = static_cast<double>(s.step);
  s.numbers[0] = rounded(lr / std::pow(1 + lambd * lr * t, group.number("alpha")));
  s.numbers[1] = rounded(1 / std::max(1.0, t - group.number("t0")));
}

}  // namespace trivium::optim
