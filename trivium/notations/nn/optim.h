// Optimizer: changes parameters by their gradients. step() records the update as part of the
// running program, with every setting as a number that may differ from step to step, and then runs
// everything that was recorded: it is where a training step ends.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/tensor.h"

namespace trivium::optim {

using nn::Tensor;
using Tensors = std::vector<Tensor>;
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// One setting of a parameter group: None, a flag, a number or a pair of numbers.
class OptionValue {
 public:
  OptionValue() = default;
  OptionValue(bool v) : value_(v) {}
  template <std::integral I>
  requires(!std::same_as<I, bool>) OptionValue(I v) : value_(static_cast<int64_t>(v)) {}
  OptionValue(double v) : value_(v) {}
  OptionValue(std::pair<double, double> v) : value_(v) {}

  bool is_none() const { return value_.index() == 0; }
  double number() const;  ///< UserError unless a number or a flag
  bool flag() const { return number() != 0; }
  std::pair<double, double> pair() const;  ///< UserError unless a pair
  operator double() const { return number(); }
  const auto& value() const { return value_; }
  std::string text() const;  ///< as Python prints it

 private:
  std::variant<std::monostate, bool, int64_t, double, std::pair<double, double>> value_;
};
using Options = std::vector<std::pair<std::string, OptionValue>>;

/// Parameters with settings of their own: group["lr"] = 0.01.
class ParamGroup {
 public:
  Tensors params;
  std::vector<std::string> param_names;  // when they were given with names

  /// Adds the setting when it is new.
  OptionValue& operator[](const std::string& name);
  /// UserError naming the group's settings when there is none.
  const OptionValue& at(const std::string& name) const;
  bool has(const std::string& name) const;
  double number(const std::string& name) const { return at(name).number(); }
  bool flag(const std::string& name) const { return at(name).flag(); }
  const Options& options() const { return options_; }

 private:
  Options options_;
};

/// What optimizers are constructed from: parameters, named parameters, or groups of them.
struct GroupSpec {
  Tensors params{};
  Options options{};  // others than the defaults
  std::vector<std::string> param_names{};
};
class ParamsArg {
 public:
  ParamsArg(const Tensors& params) : groups{GroupSpec{params, {}, {}}} {}
  ParamsArg(const NamedTensors& named);
  ParamsArg(const std::vector<GroupSpec>& groups) : groups(groups) {}
  std::vector<GroupSpec> groups;
};

/// state_dict() of an optimizer: PyTorch's layout, parameters by number in the order of the groups.
struct OptimizerState {
  using Value = std::variant<std::monostate, Tensor, int64_t, double, Tensors>;
  struct Group {
    Options options;
    std::vector<int64_t> params;
    std::vector<std::string> param_names;
  };
  std::map<int64_t, std::vector<std::pair<std::string, Value>>> state;
  std::vector<Group> param_groups;
};

class Optimizer {
 public:
  using Closure = std::function<Tensor()>;
  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// One update of every parameter that has a gradient. A closure is evaluated first, with history,
  /// and its loss returned (undefined without one).
  virtual Tensor step(const Closure& closure = {});
  void zero_grad(bool set_to_none = true);

  std::vector<ParamGroup>& param_groups() { return groups_; }
  const std::vector<ParamGroup>& param_groups() const { return groups_; }
  /// ValueError for no parameters, a result of an op, or a parameter that is in a group already.
  void add_param_group(const GroupSpec& spec);

  virtual OptimizerState state_dict() const;
  /// ValueError when the groups do not match in number and size; nothing changes then. Floating
  /// state takes the parameter's dtype; `step` may be an integer or a tensor.
  virtual void load_state_dict(const OptimizerState& state);

  virtual std::string name() const = 0;
  /// "SGD (\nParameter Group 0\n    dampening: 0 …)", settings by name.
  std::string repr() const;
  /// How many step() calls ended; schedulers look whether there was one.
  int64_t steps_taken() const { return steps_taken_; }

 protected:
  /// What an optimizer keeps for a parameter. Which slots there are is the optimizer's business:
  /// tensor_names() and number_names() give them names.
  struct ParamState {
    bool fresh = true;
    int64_t step = 0;
    Tensors tensors;
    std::vector<double> numbers;
  };

  /// `defaults` in PyTorch's order.
  Optimizer(const ParamsArg& params, Options defaults);

  /// One parameter; under no_grad. g has the sign to descend.
  virtual void update(const ParamGroup& group, const Tensor& p, Tensor g, ParamState& state) = 0;
  virtual std::vector<std::string> tensor_names() const { return {}; }
  virtual std::vector<std::string> number_names() const { return {}; }
  virtual bool has_step() const { return true; }
  /// A number of the step. Calls with one `role` and one value share it.
  Tensor number(int role, double value, const Tensor& like);
  /// `count` zero tensors shaped as p, when the state is fresh.
  static void start(ParamState& state, const Tensor& p, int count);
  Tensor evaluate(const Closure& closure) const;
  void finish_step();
  ParamState& state_of(const Tensor& p) { return states_[p.impl()]; }

 private:
  struct Number {
    double value = 0;
    DType dtype = DType::f32;
    Tensor tensor;
  };
  Options defaults_;
  std::vector<ParamGroup> groups_;
  std::unordered_map<const void*, ParamState> states_;
  std::vector<Number> numbers_;
  int64_t steps_taken_ = 0;
};

}  // namespace trivium::optim
