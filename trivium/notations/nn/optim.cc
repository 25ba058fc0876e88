// What all optimizers share: groups, the walk over parameters, state dicts, text.
#include "trivium/notations/nn/optim.h"

#include <algorithm>
#include <set>

#include "trivium/notations/nn/module.h"

namespace trivium::optim {

using nn::raise;
using nn::ValueError;

double OptionValue::number() const {
  if (const bool* b = std::get_if<bool>(&value_)) return *b;
  if (const int64_t* i = std::get_if<int64_t>(&value_)) return static_cast<double>(*i);
  if (const double* d = std::get_if<double>(&value_)) return *d;
  user_error("optimizer setting: expected a number, it is {}", text());
}

std::pair<double, double> OptionValue::pair() const {
  if (const auto* p = std::get_if<std::pair<double, double>>(&value_)) return *p;
  user_error("optimizer setting: expected a pair of numbers, it is {}", text());
}

std::string OptionValue::text() const {
  if (const bool* b = std::get_if<bool>(&value_)) return nn::python_text(*b);
  if (const int64_t* i = std::get_if<int64_t>(&value_)) return std::to_string(*i);
  if (const double* d = std::get_if<double>(&value_)) return nn::python_text(*d);
  if (const auto* p = std::get_if<std::pair<double, double>>(&value_))
    return "(" + nn::python_text(p->first) + ", " + nn::python_text(p->second) + ")";
  return "None";
}

OptionValue& ParamGroup::operator[](const std::string& name) {
  for (auto& option : options_)
    if (option.first == name) return option.second;
  return options_.emplace_back(name, OptionValue()).second;
}

bool ParamGroup::has(const std::string& name) const {
  for (const auto& option : options_)
    if (option.first == name) return true;
  return false;
}

const OptionValue& ParamGroup::at(const std::string& name) const {
  for (const auto& option : options_)
    if (option.first == name) return option.second;
  std::string known;
  for (const auto& option : options_) known += (known.empty() ? "" : ", ") + option.first;
  user_error("parameter group: no setting '{}'; it has {}", name, known);
}

ParamsArg::ParamsArg(const NamedTensors& named) : groups(1) {
  for (const auto& [name, t] : named) {
    groups[0].params.push_back(t);
    groups[0].param_names.push_back(name);
  }
}

Optimizer::Optimizer(const ParamsArg& params, Options defaults) : defaults_(std::move(defaults)) {
  if (params.groups.empty()) raise<ValueError>("optimizer: received no parameters");
  for (const GroupSpec& spec : params.groups) add_param_group(spec);
}

namespace {

/// Refuses settings out of range.
void check(const ParamGroup& group) {
  for (const char* name : {"lr", "weight_decay", "eps", "momentum", "rho", "alpha", "lr_decay",
                           "initial_accumulator_value", "momentum_decay", "lambd"}) {
    if (!group.has(name) || group.at(name).is_none()) continue;
    const double v = group.number(name);
    if (!(v >= 0)) raise<ValueError>("optimizer: {} must not be negative, received {}", name, v);
  }
  if (group.has("betas")) {
    const auto [b1, b2] = group.at("betas").pair();
    if (!(b1 >= 0 && b1 < 1) || !(b2 >= 0 && b2 < 1))
      raise<ValueError>("optimizer: betas must be in [0, 1), received {} and {}", b1, b2);
  }
  if (group.has("nesterov") && group.flag("nesterov") &&
      (group.number("momentum") <= 0 || group.number("dampening") != 0))
    raise<ValueError>("SGD: nesterov needs a momentum and no dampening");
  if (group.has("rho") && group.number("rho") > 1)
    raise<ValueError>("Adadelta: rho must be in [0, 1], received {}", group.number("rho"));
  if (group.has("etas")) {
    const auto [down, up] = group.at("etas").pair();
    if (!(down > 0 && down < 1 && up > 1))
      raise<ValueError>("Rprop: etas must be in (0, 1) and above 1, received {} and {}", down, up);
  }
}

}  // namespace

void Optimizer::add_param_group(const GroupSpec& spec) {
  if (spec.params.empty()) raise<ValueError>("optimizer: received no parameters");
  std::set<const void*> known;
  for (const ParamGroup& group : groups_)
    for (const Tensor& p : group.params) known.insert(p.impl());
  for (const Tensor& p : spec.params) {
    if (!p.defined()) raise<nn::TypeError>("optimizer: a parameter is undefined");
    if (!p.is_leaf())
      raise<ValueError>("optimizer: expected leaf tensors, received the result of {}", p.grad_op());
    if (known.count(p.impl()))
      raise<ValueError>("optimizer: a parameter {} is in two groups", p.shape().text());
  }
  ParamGroup group;
  group.params = spec.params;
  group.param_names = spec.param_names;
  for (const auto& [name, value] : defaults_) group[name] = value;
  for (const auto& [name, value] : spec.options) group[name] = value;
  check(group);
  groups_.push_back(std::move(group));
}

Tensor Optimizer::evaluate(const Closure& closure) const {
  if (!closure) return {};
  record::GradMode with_history(true);
  return closure();
}

Tensor Optimizer::step(const Closure& closure) {
  Tensor loss = evaluate(closure);
  nn::NoGradGuard no_grad;
  numbers_.clear();
  for (ParamGroup& group : groups_) {
    const bool maximize = group.has("maximize") && group.flag("maximize");
    for (const Tensor& p : group.params) {
      const Tensor g = p.grad();
      if (!g.defined()) continue;
      ParamState& state = state_of(p);
      update(group, p, maximize ? g.neg() : g, state);
      state.fresh = false;
    }
  }
  finish_step();
  return loss;
}

void Optimizer::finish_step() {
  numbers_.clear();
  ++steps_taken_;
  record::submit();
}

void Optimizer::zero_grad(bool set_to_none) {
  for (ParamGroup& group : groups_) {
    for (Tensor& p : group.params) {
      const Tensor g = p.grad();
      if (!g.defined()) continue;
      p.set_grad(set_to_none ? record::Var() : record::Var(nn::zeros_like(g.detach())));
    }
  }
}

Tensor Optimizer::number(int role, double value, const Tensor& like) {
  if (static_cast<size_t>(role) >= numbers_.size()) numbers_.resize(role + 1);
  Number& n = numbers_[role];
  if (!n.tensor.defined() || n.value != value || n.dtype != like.dtype())
    n = {value, like.dtype(), record::number(value, like.dtype())};
  return n.tensor;
}

void Optimizer::start(ParamState& state, const Tensor& p, int count) {
  if (!state.fresh) return;
  for (int i = 0; i < count; ++i) state.tensors.push_back(nn::zeros_like(p.detach()));
}

// ---- state dicts

OptimizerState Optimizer::state_dict() const {
  OptimizerState out;
  int64_t next = 0;
  const std::vector<std::string> tensors = tensor_names(), numbers = number_names();
  for (const ParamGroup& group : groups_) {
    OptimizerState::Group packed{group.options(), {}, group.param_names};
    for (const Tensor& p : group.params) {
      const auto at = states_.find(p.impl());
      if (at != states_.end()) {
        auto& entries = out.state[next];
        if (has_step())
          entries.emplace_back(
              "step", nn::tensor(static_cast<double>(at->second.step), {.dtype = DType::f32}));
        for (size_t i = 0; i < at->second.numbers.size(); ++i)
          entries.emplace_back(numbers[i],
                               nn::tensor(at->second.numbers[i], {.dtype = DType::f32}));
        for (size_t i = 0; i < at->second.tensors.size(); ++i)
          if (at->second.tensors[i].defined())
            entries.emplace_back(tensors[i], at->second.tensors[i].detach());
        if (entries.empty()) out.state.erase(next);
      }
      packed.params.push_back(next++);
    }
    out.param_groups.push_back(std::move(packed));
  }
  return out;
}

namespace {

double number_in(const OptimizerState::Value& v) {
  if (const int64_t* i = std::get_if<int64_t>(&v)) return static_cast<double>(*i);
  if (const double* d = std::get_if<double>(&v)) return *d;
  if (const Tensor* t = std::get_if<Tensor>(&v)) return t->item();
  user_error("optimizer state: expected a number");
}

}  // namespace

void Optimizer::load_state_dict(const OptimizerState& from) {
  if (from.param_groups.size() != groups_.size())
    raise<ValueError>("{}.load_state_dict: {} groups here, {} in the state", name(), groups_.size(),
                      from.param_groups.size());
  for (size_t i = 0; i < groups_.size(); ++i)
    if (from.param_groups[i].params.size() != groups_[i].params.size())
      raise<ValueError>("{}.load_state_dict: group {} has {} parameters here, {} in the state",
                        name(), i, groups_[i].params.size(), from.param_groups[i].params.size());
  const std::vector<std::string> tensors = tensor_names(), numbers = number_names();
  std::unordered_map<const void*, ParamState> loaded;
  nn::NoGradGuard no_grad;
  for (size_t i = 0; i < groups_.size(); ++i) {
    for (size_t j = 0; j < groups_[i].params.size(); ++j) {
      const auto at = from.state.find(from.param_groups[i].params[j]);
      if (at == from.state.end()) continue;
      const Tensor& p = groups_[i].params[j];
      ParamState s;
      s.fresh = false;
      s.tensors.resize(tensors.size());
      s.numbers.resize(numbers.size());
      for (const auto& [entry, value] : at->second) {
        if (entry == "step") s.step = static_cast<int64_t>(number_in(value));
        for (size_t k = 0; k < numbers.size(); ++k)
          if (numbers[k] == entry) s.numbers[k] = number_in(value);
        for (size_t k = 0; k < tensors.size(); ++k)
          if (tensors[k] == entry && std::holds_alternative<Tensor>(value))
            s.tensors[k] = std::get<Tensor>(value).detach().to(p.dtype(), true);
      }
      loaded[p.impl()] = std::move(s);
    }
  }
  states_ = std::move(loaded);
  for (size_t i = 0; i < groups_.size(); ++i)
    for (const auto& [option, value] : from.param_groups[i].options) groups_[i][option] = value;
}

std::string Optimizer::repr() const {
  std::string out = name() + " (";
  for (size_t i = 0; i < groups_.size(); ++i) {
    out += fmt::format("\nParameter Group {}\n", i);
    Options sorted = groups_[i].options();
    std::sort(sorted.begin(), sorted.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [option, value] : sorted) out += "    " + option + ": " + value.text() + "\n";
  }
  return out + ")";
}

}  // namespace trivium::optim
