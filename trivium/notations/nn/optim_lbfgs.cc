// LBFGS with and without a line search that meets the strong Wolfe conditions (Nocedal and Wright,
// Numerical Optimization, algorithms 3.5, 3.6 and 7.4). Decisions need numbers, so every iteration
// looks at a few of them.
#include "trivium/notations/nn/optim_lbfgs.h"

#include <algorithm>
#include <cmath>

namespace trivium::optim {

using nn::NoGradGuard;

LBFGS::LBFGS(const ParamsArg& params, const LBFGSOptions& o)
    : Optimizer(params, {{"lr", o.lr},
                         {"max_iter", o.max_iter},
                         {"max_eval", o.max_eval.value_or(o.max_iter * 5 / 4)},
                         {"tolerance_grad", o.tolerance_grad},
                         {"tolerance_change", o.tolerance_change},
                         {"history_size", o.history_size},
                         {"line_search_fn", o.strong_wolfe ? OptionValue(true) : OptionValue()}}) {
  if (param_groups().size() != 1)
    nn::raise<nn::ValueError>("LBFGS: expected one parameter group, received {}",
                              param_groups().size());
}

Tensor LBFGS::flat_grad() const {
  Tensors parts;
  for (const Tensor& p : params()) {
    const Tensor g = p.grad();
    parts.push_back(g.defined() ? g.detach().reshape({-1})
                                : nn::zeros({p.numel()}, {.dtype = p.dtype()}));
  }
  return parts.size() == 1 ? parts[0].clone() : nn::cat(parts);
}

void LBFGS::move(double t, const Tensor& direction) {
  int64_t offset = 0;
  for (const Tensor& p : params()) {
    const Tensor part = direction.narrow(0, offset, p.numel()).view_as(p);
    Tensor(p).assign(p + part * record::number(t, p.dtype()));
    offset += p.numel();
  }
}

Tensors LBFGS::copies() const {
  Tensors out;
  for (const Tensor& p : params()) out.push_back(p.detach().clone());
  return out;
}

void LBFGS::restore(const Tensors& values) {
  for (size_t i = 0; i < values.size(); ++i) Tensor(params()[i]).assign(values[i]);
}

/// The two loops over the remembered steps: d = -H * gradient.
void LBFGS::next_direction(const Tensor& grad) {
  Memory& m = memory_;
  const auto history = static_cast<size_t>(param_groups()[0].number("history_size"));
  const Tensor y = grad - m.prev_flat_grad;
  const Tensor s = m.d * record::number(m.t, m.d.dtype());
  const Tensor ys = y.dot(s);
  if (ys.item() > 1e-10) {
    if (m.old_dirs.size() == history) {
      m.old_dirs.erase(m.old_dirs.begin());
      m.old_stps.erase(m.old_stps.begin());
      m.ro.erase(m.ro.begin());
    }
    m.old_dirs.push_back(y);
    m.old_stps.push_back(s);
    m.ro.push_back(ys.reciprocal());
    m.h_diag = ys / y.dot(y);
  }
  const size_t count = m.old_dirs.size();
  m.al.assign(count, Tensor());
  Tensor q = grad.neg();
  for (size_t i = count; i-- > 0;) {
    m.al[i] = m.old_stps[i].dot(q) * m.ro[i];
    q = q - m.old_dirs[i] * m.al[i];
  }
  Tensor d = q * m.h_diag;
  for (size_t i = 0; i < count; ++i) {
    const Tensor b = m.old_dirs[i].dot(d) * m.ro[i];
    d = d + m.old_stps[i] * (m.al[i] - b);
  }
  m.d = d;
}

Tensor LBFGS::step(const Closure& closure) {
  if (!closure) nn::raise<nn::TypeError>("LBFGS.step: expected a closure that evaluates the loss");
  const ParamGroup& group = param_groups()[0];
  const double lr = group.number("lr"), change = group.number("tolerance_change");
  const double grad_limit = group.number("tolerance_grad");
  const auto max_iter = static_cast<int64_t>(group.number("max_iter"));
  const auto max_eval = static_cast<int64_t>(group.number("max_eval"));
  const bool search = !group.at("line_search_fn").is_none();
  NoGradGuard no_grad;
  Memory& m = memory_;
  const auto largest = [](const Tensor& v) { return v.abs().max().item(); };

  const Tensor first_loss = evaluate(closure);
  double loss = first_loss.item();
  int64_t evaluations = 1;
  ++m.func_evals;
  Tensor grad = flat_grad();
  bool flat = largest(grad) <= grad_limit;
  for (int64_t n = 1; !flat; ++n) {
    ++m.n_iter;
    if (m.n_iter == 1) {
      m.d = grad.neg();
      m.h_diag = nn::ones(nn::Dims{}, {.dtype = grad.dtype()});
    } else {
      next_direction(grad);
    }
    m.prev_flat_grad = grad;
    m.prev_loss = loss;
    m.t = m.n_iter == 1 ? std::min(1.0, 1 / grad.abs().sum().item()) * lr : lr;
    const double slope = grad.dot(m.d).item();
    if (slope > -change) break;
    int64_t spent = 0;
    if (search) {
      const Found found = line_search(closure, m.t, loss, grad, slope);
      loss = found.loss;
      grad = found.grad;
      m.t = found.t;
      spent = found.evaluations;
      move(m.t, m.d);
      flat = largest(grad) <= grad_limit;
    } else {
      move(m.t, m.d);
      if (n != max_iter) {
        loss = evaluate(closure).item();
        grad = flat_grad();
        flat = largest(grad) <= grad_limit;
        spent = 1;
      }
    }
    evaluations += spent;
    m.func_evals += spent;
    if (n >= max_iter || evaluations >= max_eval || flat) break;
    if (largest(m.d) * std::abs(m.t) <= change) break;
    if (std::abs(loss - m.prev_loss) < change) break;
  }
  finish_step();
  return first_loss;
}

// ---- line search

namespace {

/// The minimum of the cubic through two points with slopes, kept between `low` and `high`.
double cubic_minimum(double x1, double f1, double g1, double x2, double f2, double g2, double low,
                     double high) {
  const double d1 = g1 + g2 - 3 * (f1 - f2) / (x1 - x2);
  const double square = d1 * d1 - g1 * g2;
  if (!(square >= 0)) return (low + high) / 2;
  const double d2 = std::sqrt(square);
  const double at = x1 <= x2 ? x2 - (x2 - x1) * ((g2 + d2 - d1) / (g2 - g1 + 2 * d2))
                             : x1 - (x1 - x2) * ((g1 + d2 - d1) / (g1 - g2 + 2 * d2));
  return std::min(std::max(at, low), high);
}

}  // namespace

LBFGS::Point LBFGS::evaluate_at(const Closure& closure, const Tensors& start, double t) {
  move(t, memory_.d);
  Point p;
  p.t = t;
  p.loss = evaluate(closure).item();
  p.grad = flat_grad();
  p.slope = p.grad.dot(memory_.d).item();
  restore(start);
  return p;
}

LBFGS::Found LBFGS::line_search(const Closure& closure, double t, double loss, const Tensor& grad,
                                double slope) {
  constexpr double kDecrease = 1e-4, kCurvature = 0.9;
  constexpr int kMost = 25;
  const double change = param_groups()[0].number("tolerance_change");
  const double d_norm = memory_.d.abs().max().item();
  const Tensors start = copies();
  const auto enough = [&](const Point& p) { return p.loss <= loss + kDecrease * p.t * slope; };
  const auto flat = [&](const Point& p) { return std::abs(p.slope) <= -kCurvature * slope; };

  Point before{0, loss, slope, grad};
  Point now = evaluate_at(closure, start, t);
  int64_t evaluations = 1;
  Point low, high;
  bool done = false;
  int steps = 0;
  // An interval that holds a good step: grow until the loss or its slope turns.
  for (;; ++steps) {
    if (steps >= kMost) {
      low = {0, loss, slope, grad};
      high = now;
      break;
    }
    if (!enough(now) || (steps > 1 && now.loss >= before.loss) || now.slope >= 0) {
      if (enough(now) && !(steps > 1 && now.loss >= before.loss) && flat(now)) {
        low = high = now;
        done = true;
        break;
      }
      low = before;
      high = now;
      break;
    }
    if (flat(now)) {
      low = high = now;
      done = true;
      break;
    }
    const double least = now.t + 0.01 * (now.t - before.t), most = now.t * 10;
    const double next =
        cubic_minimum(before.t, before.loss, before.slope, now.t, now.loss, now.slope, least, most);
    before = now;
    now = evaluate_at(closure, start, next);
    ++evaluations;
  }
  // Narrow it.
  bool slow = false;
  if (high.loss < low.loss) std::swap(low, high);
  while (!done && steps < kMost) {
    if (std::abs(high.t - low.t) * d_norm < change) break;
    const double left = std::min(low.t, high.t), right = std::max(low.t, high.t);
    double at =
        cubic_minimum(low.t, low.loss, low.slope, high.t, high.loss, high.slope, left, right);
    const double margin = 0.1 * (right - left);
    if (std::min(right - at, at - left) < margin) {
      if (slow || at >= right || at <= left) {
        at = std::abs(at - right) < std::abs(at - left) ? right - margin : left + margin;
        slow = false;
      } else {
        slow = true;
      }
    } else {
      slow = false;
    }
    const Point p = evaluate_at(closure, start, at);
    ++evaluations;
    ++steps;
    if (!enough(p) || p.loss >= low.loss) {
      high = p;
      if (high.loss < low.loss) std::swap(low, high);
    } else {
      if (flat(p))
        done = true;
      else if (p.slope * (high.t - low.t) >= 0)
        high = low;
      low = p;
    }
  }
  return {low.loss, low.grad, low.t, evaluations};
}

// ---- state

OptimizerState LBFGS::state_dict() const {
  OptimizerState out;
  OptimizerState::Group group{param_groups()[0].options(), {}, param_groups()[0].param_names};
  for (size_t i = 0; i < params().size(); ++i) group.params.push_back(static_cast<int64_t>(i));
  out.param_groups.push_back(group);
  if (memory_.func_evals == 0) return out;
  const Memory& m = memory_;
  auto& s = out.state[0];
  s.emplace_back("func_evals", m.func_evals);
  s.emplace_back("n_iter", m.n_iter);
  if (!m.d.defined()) return out;
  s.emplace_back("d", m.d);
  s.emplace_back("t", m.t);
  s.emplace_back("old_dirs", m.old_dirs);
  s.emplace_back("old_stps", m.old_stps);
  s.emplace_back("ro", m.ro);
  s.emplace_back("H_diag", m.h_diag);
  s.emplace_back("prev_flat_grad", m.prev_flat_grad);
  s.emplace_back("prev_loss", m.prev_loss);
  return out;
}

void LBFGS::load_state_dict(const OptimizerState& from) {
  if (from.param_groups.size() != 1 || from.param_groups[0].params.size() != params().size())
    nn::raise<nn::ValueError>("LBFGS.load_state_dict: expected one group of {} parameters",
                              params().size());
  Memory m;
  const auto at = from.state.find(0);
  if (at != from.state.end()) {
    for (const auto& [name, value] : at->second) {
      const auto real = [&v = value] {
        if (const int64_t* i = std::get_if<int64_t>(&v)) return static_cast<double>(*i);
        if (const double* d = std::get_if<double>(&v)) return *d;
        return std::get<Tensor>(v).item();
      };
      if (name == "func_evals") m.func_evals = static_cast<int64_t>(real());
      if (name == "n_iter") m.n_iter = static_cast<int64_t>(real());
      if (name == "t") m.t = real();
      if (name == "prev_loss") m.prev_loss = real();
      if (const Tensor* t = std::get_if<Tensor>(&value)) {
        if (name == "d") m.d = *t;
        if (name == "H_diag") m.h_diag = *t;
        if (name == "prev_flat_grad") m.prev_flat_grad = *t;
      }
      if (const Tensors* list = std::get_if<Tensors>(&value)) {
        if (name == "old_dirs") m.old_dirs = *list;
        if (name == "old_stps") m.old_stps = *list;
        if (name == "ro") m.ro = *list;
      }
    }
  }
  memory_ = std::move(m);
  for (const auto& [option, value] : from.param_groups[0].options)
    param_groups()[0][option] = value;
}

}  // namespace trivium::optim
