#include "trivium/notations/caffe/update_rule.h"

#include <cmath>

#include "trivium/engine/core/error.h"
#include "trivium/engine/ops/build.h"

namespace trivium::caffe {
namespace {

const std::vector<std::string> kTypes = {"AdaDelta", "AdaGrad", "Adam",
                                         "Nesterov", "RMSProp", "SGD"};

}  // namespace

/// The scalar slots of one recording.
struct UpdateRule::Slots {
  Value rate, momentum, momentum_rest, momentum2, momentum2_rest, momentum_next, decay, delta,
      correction, normalise;
};

UpdateRule::UpdateRule(const proto::SolverParameter& solver) : solver_(solver) {
  const std::string& type = solver.type();
  if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end()) {
    const std::string near = closest_match(type, kTypes);
    user_error("solver: unknown type \"{}\"{}; there are: {}", type,
               near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near),
               fmt::join(kTypes, " "));
  }
  if ((type == "AdaGrad" || type == "RMSProp") && solver.momentum() != 0)
    user_error("solver: {} takes no momentum, received {}; remove the field", type,
               solver.momentum());
  if (type == "RMSProp" && !(solver.rms_decay() >= 0 && solver.rms_decay() < 1))
    user_error("solver: rms_decay: expected at least 0 and less than 1, received {}",
               solver.rms_decay());
  const std::string& reg = solver.regularization_type();
  if (solver.weight_decay() != 0 && reg != "L1" && reg != "L2")
    user_error("solver: unknown regularization_type \"{}\"; there are: L1 L2", reg);
  slots_ = type == "Adam" || type == "AdaDelta" ? 2 : 1;
}

double UpdateRule::scalar(const std::string& name, const UpdateScalars& now) const {
  const double m = solver_.type() == "RMSProp" ? solver_.rms_decay() : solver_.momentum(),
               m2 = solver_.momentum2();
  if (name == "rate") return now.rate;
  if (name == "momentum") return m;
  if (name == "momentum_rest") return static_cast<float>(1) - static_cast<float>(m);
  if (name == "momentum_next") return static_cast<float>(1) + static_cast<float>(m);
  if (name == "momentum2") return m2;
  if (name == "momentum2_rest") return static_cast<float>(1) - static_cast<float>(m2);
  if (name == "weight_decay") return solver_.weight_decay();
  if (name == "delta") return solver_.delta();
  if (name == "clip") return solver_.clip_gradients();
  if (name == "normalise") return 1.0 / solver_.iter_size();
  if (name == "correction") {
    const double t = now.iter + 1;
    return std::sqrt(1 - std::pow(m2, t)) /
           (1 - std::pow(static_cast<double>(solver_.momentum()), t));
  }
  internal_error("solver: no scalar \"{}\"", name);
}

Value UpdateRule::regularised(const Slots& s, const UpdateParam& p, Value g) const {
  if (solver_.weight_decay() * p.decay_mult == 0) return g;
  const Value w = g.graph->read(p.cell);
  const Value decay = p.decay_mult == 1 ? s.decay : s.decay * static_cast<double>(p.decay_mult);
  return g + decay * (solver_.regularization_type() == "L1" ? ops::sign(w) : w);
}

/// What is subtracted from the parameter; histories are assigned on the way.
Value UpdateRule::step_of(Graph& graph, const Slots& s, const UpdateParam& p, Value g) const {
  const std::string& type = solver_.type();
  const Value rate = p.lr_mult == 1 ? s.rate : s.rate * static_cast<double>(p.lr_mult);
  const Value h = graph.read(p.history[0]);
  if (type == "SGD" || type == "Nesterov") {
    const Value next = rate * g + s.momentum * h;
    graph.assign(p.history[0], next);
    return type == "SGD" ? next : s.momentum_next * next - s.momentum * h;
  }
  if (type == "AdaGrad") {
    const Value next = g * g + h;
    graph.assign(p.history[0], next);
    return rate * (g / (ops::sqrt(next) + s.delta));
  }
  const Value mean = s.momentum_rest * (type == "Adam" ? g : g * g) + s.momentum * h;
  graph.assign(p.history[0], mean);
  if (type == "RMSProp") return rate * (g / (ops::sqrt(mean) + s.delta));
  const Value h2 = graph.read(p.history[1]);
  if (type == "AdaDelta") {
    const Value step = g * ops::sqrt((h2 + s.delta) / (mean + s.delta));
    graph.assign(p.history[1], s.momentum_rest * (step * step) + s.momentum * h2);
    return rate * step;
  }
  const Value square = s.momentum2_rest * (g * g) + s.momentum2 * h2;
  graph.assign(p.history[1], square);
  return (rate * s.correction) * (mean / (ops::sqrt(square) + s.delta));
}

/// A parameter without a gradient (lr_mult 0) does not move, but in Caffe its weight decay still
/// enters the histories of the adaptive solvers, which count when the parameter is trained later.
void UpdateRule::keep_frozen_history(Graph& graph, const Slots& s, const UpdateParam& p) const {
  const bool scaled_by_rate = solver_.type() == "SGD" || solver_.type() == "Nesterov";
  if (scaled_by_rate || solver_.weight_decay() * p.decay_mult == 0) return;
  const Value zeros = ops::broadcast_to(graph.constant(0.0), p.cell->shape());
  step_of(graph, s, p, regularised(s, p, zeros));
}

Value UpdateRule::record(Graph& graph, const std::vector<UpdateParam>& params) const {
  graph.set_scope("update");
  Slots s;
  s.rate = graph.scalar("rate");
  s.momentum = graph.scalar("momentum");
  s.momentum_rest = graph.scalar("momentum_rest");
  s.momentum_next = graph.scalar("momentum_next");
  s.momentum2 = graph.scalar("momentum2");
  s.momentum2_rest = graph.scalar("momentum2_rest");
  s.decay = graph.scalar("weight_decay");
  s.delta = graph.scalar("delta");
  s.correction = graph.scalar("correction");
  Value norm, scale;
  if (solver_.clip_gradients() >= 0) {
    std::vector<Value> squares;
    for (const UpdateParam& p : params)
      if (p.gradient.defined()) squares.push_back(ops::sum(p.gradient * p.gradient));
    if (!squares.empty()) {
      const Value clip = graph.scalar("clip");
      norm = ops::sqrt(ops::add_n(squares));
      scale = ops::select(ops::greater(norm, clip), clip / norm, graph.constant(1.0));
    }
  }
  const Value normalise = solver_.iter_size() > 1 ? graph.scalar("normalise") : Value{};
  for (const UpdateParam& p : params) {
    if (!p.gradient.defined()) {
      keep_frozen_history(graph, s, p);
      continue;
    }
    Value g = scale.defined() ? p.gradient * scale : p.gradient;
    if (normalise.defined()) g = g * normalise;
    const Value step = step_of(graph, s, p, regularised(s, p, g));
    graph.assign(p.cell, graph.read(p.cell) - step);
    if (p.applied) graph.assign(p.applied, step);
  }
  return norm;
}

}  // namespace trivium::caffe
