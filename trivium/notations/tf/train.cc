#include "trivium/notations/tf/train.h"

#include <algorithm>

#include "trivium/notations/tf/gradients.h"
#include "trivium/notations/tf/ops.h"

namespace trivium::tf::train {
namespace {

using Tensors = std::vector<Tensor>;
using Op = std::shared_ptr<Operation>;

Op apply(const std::string& type, const Variable& variable, const Tensors& rest,
         AttrMap attrs = {}) {
  Tensors inputs{variable.ref()};
  inputs.insert(inputs.end(), rest.begin(), rest.end());
  return default_graph()->create(type, inputs, std::move(attrs), type);
}

std::string names_of(const std::vector<Variable>& variables) {
  std::string out;
  for (const Variable& v : variables) out += (out.empty() ? "" : ", ") + v.name();
  return out;
}

}  // namespace

std::vector<std::string> Optimizer::slot_names() const {
  std::vector<std::string> names;
  for (const Slot& s : slots_) names.push_back(s.name);
  std::sort(names.begin(), names.end());
  return names;
}

Variable Optimizer::slot(const Variable& variable, const std::string& slot_name) const {
  const auto it = made_.find({variable.parts().get(), slot_name});
  return it == made_.end() ? Variable() : it->second;
}

Variable Optimizer::add_state(const Input& initial, const std::string& name) {
  VariableOptions options;
  options.name = name;
  options.trainable = false;
  state_.emplace_back(initial, options);
  return state_.back();
}

void Optimizer::make_slots(const Variable& variable) {
  const NameScope root("");  // slots are named after their variable, wherever the optimizer is used
  for (const Slot& s : slots_) {
    Variable& slot = made_[{variable.parts().get(), s.name}];
    if (slot.defined()) continue;
    const std::string name = prefix_ + variable.op()->name() + "/" + name_;
    const Array value =
        Array::full(variable.shape().known(), s.initial, engine_type(variable.dtype()));
    VariableOptions options;
    options.name = name;
    options.trainable = false;
    slot = Variable(value, options);
    state_.push_back(slot);
  }
}

Op Optimizer::minimize(const Tensor& loss, const MinimizeOptions& options) {
  const auto pairs = compute_gradients(loss, options);
  std::vector<Variable> all;
  for (const auto& p : pairs) all.push_back(p.second);
  const bool none =
      std::none_of(pairs.begin(), pairs.end(), [](const auto& p) { return p.first.defined(); });
  if (none)
    raise<ValueError>(
        "No gradients provided for any variable, check your graph for ops that do not "
        "support gradients, between variables [{}] and loss {}.",
        names_of(all), loss.name());
  return apply_gradients(pairs, options);
}

std::vector<Optimizer::GradAndVar> Optimizer::compute_gradients(const Tensor& loss,
                                                                const MinimizeOptions& options) {
  const std::vector<Variable> variables =
      options.variables.empty() ? trainable_variables() : options.variables;
  if (variables.empty()) raise<ValueError>("No variables to optimize.");
  if (!is_floating(loss.dtype()))
    raise<ValueError>("Invalid type {} for {}, expected: [tf.float32, tf.float64, tf.float16].",
                      name_of(loss.dtype()), loss.name());
  std::vector<Tensor> xs;
  for (const Variable& v : variables) xs.push_back(v.value());
  GradientOptions how;
  how.grad_ys = options.grad_loss;
  const std::vector<Tensor> gradient = gradients({loss}, xs, how);
  std::vector<GradAndVar> pairs;
  for (size_t i = 0; i < variables.size(); ++i) pairs.emplace_back(gradient[i], variables[i]);
  return pairs;
}

Op Optimizer::apply_gradients(const std::vector<GradAndVar>& grads_and_vars,
                              const MinimizeOptions& options) {
  if (grads_and_vars.empty()) raise<ValueError>("No variables provided.");
  std::vector<Variable> variables, all;
  for (const auto& p : grads_and_vars) {
    all.push_back(p.second);
    if (p.first.defined()) variables.push_back(p.second);
  }
  if (variables.empty())
    raise<ValueError>("No gradients provided for any variable: [{}].", names_of(all));
  begin(variables);
  for (const Variable& v : variables) make_slots(v);
  const NameScope scope(options.name.empty() ? name_ : options.name);
  prepared_.clear();
  for (const Number& n : numbers_) prepared_.push_back(n.second.tensor(n.first, DataType::invalid));
  std::vector<Op> updates;
  for (const auto& p : grads_and_vars) {
    if (!p.first.defined()) continue;
    const NameScope inner("update_" + p.second.op()->name());
    Tensors slots, numbers;
    for (const Slot& s : slots_) slots.push_back(slot(p.second, s.name).ref());
    for (const Tensor& n : prepared_) numbers.push_back(cast(n, p.second.dtype()));
    updates.push_back(update(p.second, p.first, slots, numbers));
  }
  {
    const ControlDependencies wait(updates);
    for (const Op& op : finish()) updates.push_back(op);
  }
  Op done;
  if (options.global_step.defined()) {
    const Op updated = group(updates, "update");
    const ControlDependencies wait({updated});
    done = assign_add(options.global_step.ref(), 1, scope.text()).operation();
  } else {
    done = group(updates, scope.text());
  }
  default_graph()->add_to_collection("train_op", done);
  return done;
}

GradientDescentOptimizer::GradientDescentOptimizer(const Input& learning_rate,
                                                   const std::string& name)
    : Optimizer(name, {}, {{"learning_rate", learning_rate}}) {}
Op GradientDescentOptimizer::update(const Variable& v, const Tensor& g, const Tensors&,
                                    const Tensors& n) {
  return apply("ApplyGradientDescent", v, {n[0], g});
}

MomentumOptimizer::MomentumOptimizer(const Input& learning_rate, const Input& momentum,
                                     bool use_nesterov, const std::string& name)
    : Optimizer(name, {{"momentum", 0}},
                {{"learning_rate", learning_rate}, {"momentum", momentum}}),
      nesterov_(use_nesterov) {}
Op MomentumOptimizer::update(const Variable& v, const Tensor& g, const Tensors& s,
                             const Tensors& n) {
  return apply("ApplyMomentum", v, {s[0], n[0], g, n[1]}, {{"use_nesterov", nesterov_}});
}

AdagradOptimizer::AdagradOptimizer(const Input& learning_rate, double initial,
                                   const std::string& name)
    : Optimizer(name, {{"accumulator", initial}}, {{"learning_rate", learning_rate}}) {
  if (initial <= 0) raise<ValueError>("initial_accumulator_value must be positive: {}", initial);
}
Op AdagradOptimizer::update(const Variable& v, const Tensor& g, const Tensors& s,
                            const Tensors& n) {
  return apply("ApplyAdagrad", v, {s[0], n[0], g});
}

AdadeltaOptimizer::AdadeltaOptimizer(const Input& learning_rate, const Input& rho,
                                     const Input& epsilon, const std::string& name)
    : Optimizer(name, {{"accum", 0}, {"accum_update", 0}},
                {{"lr", learning_rate}, {"rho", rho}, {"epsilon", epsilon}}) {}
Op AdadeltaOptimizer::update(const Variable& v, const Tensor& g, const Tensors& s,
                             const Tensors& n) {
  return apply("ApplyAdadelta", v, {s[0], s[1], n[0], n[1], n[2], g});
}

namespace {

std::vector<std::pair<std::string, double>> rms_slots(bool centered) {
  if (centered) return {{"rms", 1}, {"mg", 0}, {"momentum", 0}};
  return {{"rms", 1}, {"momentum", 0}};
}

template <typename Slot>
std::vector<Slot> as_slots(const std::vector<std::pair<std::string, double>>& list) {
  std::vector<Slot> out;
  for (const auto& item : list) out.push_back({item.first, item.second});
  return out;
}

}  // namespace

RMSPropOptimizer::RMSPropOptimizer(const Input& learning_rate, const Input& decay,
                                   const Input& momentum, const Input& epsilon, bool centered,
                                   const std::string& name)
    : Optimizer(name, as_slots<Slot>(rms_slots(centered)),
                {{"learning_rate", learning_rate},
                 {"decay", decay},
                 {"momentum", momentum},
                 {"epsilon", epsilon}}),
      centered_(centered) {}
Op RMSPropOptimizer::update(const Variable& v, const Tensor& g, const Tensors& s,
                            const Tensors& n) {
  if (centered_)
    return apply("ApplyCenteredRMSProp", v, {s[1], s[0], s[2], n[0], n[1], n[2], n[3], g});
  return apply("ApplyRMSProp", v, {s[0], s[1], n[0], n[1], n[2], n[3], g});
}

AdamOptimizer::AdamOptimizer(const Input& learning_rate, double beta1, double beta2,
                             const Input& epsilon, const std::string& name)
    : Optimizer(name, {{"m", 0}, {"v", 0}},
                {{"learning_rate", learning_rate},
                 {"beta1", beta1},
                 {"beta2", beta2},
                 {"epsilon", epsilon}}),
      beta1_(beta1),
      beta2_(beta2) {}

void AdamOptimizer::begin(const std::vector<Variable>&) {
  if (power1_.defined() && &power1_.op()->graph() == default_graph().get()) return;
  power1_ = add_state(beta1_, "beta1_power");
  power2_ = add_state(beta2_, "beta2_power");
}

Op AdamOptimizer::update(const Variable& v, const Tensor& g, const Tensors& s, const Tensors& n) {
  return apply("ApplyAdam", v,
               {s[0], s[1], cast(power1_.value(), v.dtype()), cast(power2_.value(), v.dtype()),
                n[0], n[1], n[2], n[3], g});
}

std::vector<Op> AdamOptimizer::finish() {
  const Tensor next1 = Build("Mul", "mul").in(power1_.value()).in(prepared()[1]);
  const Op first = power1_.assign(next1).operation();
  const Tensor next2 = Build("Mul", "mul").in(power2_.value()).in(prepared()[2]);
  return {first, power2_.assign(next2).operation()};
}

FtrlOptimizer::FtrlOptimizer(const Input& learning_rate, const Input& learning_rate_power,
                             double initial, const Input& l1, const Input& l2, double l2_shrinkage,
                             const std::string& name)
    : Optimizer(name, {{"accum", initial}, {"linear", 0}},
                {{"learning_rate", learning_rate},
                 {"l1_regularization_strength", l1},
                 {"l2_regularization_strength", l2},
                 {"l2_shrinkage_regularization_strength", l2_shrinkage},
                 {"learning_rate_power", learning_rate_power}}),
      shrinks_(l2_shrinkage > 0) {}
Op FtrlOptimizer::update(const Variable& v, const Tensor& g, const Tensors& s, const Tensors& n) {
  if (shrinks_) return apply("ApplyFtrlV2", v, {s[0], s[1], g, n[0], n[1], n[2], n[3], n[4]});
  return apply("ApplyFtrl", v, {s[0], s[1], g, n[0], n[1], n[2], n[4]});
}

}  // namespace trivium::tf::train
