// Optimizers: they add gradients and updates to the graph, under TensorFlow's names.
//
//   auto step = tf::train::GradientDescentOptimizer(0.01).minimize(loss);
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trivium/notations/tf/variables.h"

namespace trivium::tf::train {

struct MinimizeOptions {
  Variable global_step;             // raised by one after the updates
  std::vector<Variable> variables;  // empty: the trainable ones
  std::string name;                 // of the operation; default the optimizer's
  std::vector<Tensor> grad_loss;    // gradient of the loss, when not 1
};

class Optimizer {
 public:
  using GradAndVar = std::pair<Tensor, Variable>;

  virtual ~Optimizer() = default;
  /// compute_gradients, then apply_gradients. ValueError when no variable has a gradient.
  std::shared_ptr<Operation> minimize(const Tensor& loss, const MinimizeOptions& options = {});
  std::vector<GradAndVar> compute_gradients(const Tensor& loss,
                                            const MinimizeOptions& options = {});
  /// An operation that updates every variable whose gradient is defined, all from the values at the
  /// start of the run.
  std::shared_ptr<Operation> apply_gradients(const std::vector<GradAndVar>& grads_and_vars,
                                             const MinimizeOptions& options = {});

  const std::string& name() const { return name_; }
  /// Names of the per-variable state, and the state itself (undefined before the first update).
  std::vector<std::string> slot_names() const;
  Variable slot(const Variable& variable, const std::string& slot_name) const;
  /// All state: slots and the powers of Adam.
  const std::vector<Variable>& variables() const { return state_; }
  /// Put before the names of slots (the variable scope in force).
  void set_slot_prefix(std::string prefix) { prefix_ = std::move(prefix); }

 protected:
  struct Slot {
    std::string name;
    double initial;
  };
  using Number = std::pair<std::string, Input>;
  Optimizer(std::string name, std::vector<Slot> slots, std::vector<Number> numbers)
      : name_(std::move(name)), slots_(std::move(slots)), numbers_(std::move(numbers)) {}
  /// The update of one variable; slot tensors and numbers in the order of the constructor.
  virtual std::shared_ptr<Operation> update(const Variable& variable, const Tensor& gradient,
                                            const std::vector<Tensor>& slots,
                                            const std::vector<Tensor>& numbers) = 0;
  virtual void begin(const std::vector<Variable>&) {}
  /// Further operations after all updates.
  virtual std::vector<std::shared_ptr<Operation>> finish() { return {}; }
  Variable add_state(const Input& initial, const std::string& name);
  const std::vector<Tensor>& prepared() const { return prepared_; }

 private:
  void make_slots(const Variable& variable);

  std::string name_, prefix_;
  std::vector<Slot> slots_;
  std::vector<Number> numbers_;
  std::vector<Tensor> prepared_;
  std::map<std::pair<const VariableParts*, std::string>, Variable> made_;
  std::vector<Variable> state_;
};

using OptimizerPtr = std::shared_ptr<Optimizer>;

class GradientDescentOptimizer : public Optimizer {
 public:
  /// w -= lr g
  explicit GradientDescentOptimizer(const Input& learning_rate,
                                    const std::string& name = "GradientDescent");

 protected:
  std::shared_ptr<Operation> update(const Variable&, const Tensor&, const std::vector<Tensor>&,
                                    const std::vector<Tensor>&) override;
};

class MomentumOptimizer : public Optimizer {
 public:
  /// a = momentum a + g; w -= lr a (nesterov: w -= lr g + lr momentum a)
  MomentumOptimizer(const Input& learning_rate, const Input& momentum, bool use_nesterov = false,
                    const std::string& name = "Momentum");

 protected:
  std::shared_ptr<Operation> update(const Variable&, const Tensor&, const std::vector<Tensor>&,
                                    const std::vector<Tensor>&) override;

 private:
  bool nesterov_;
};

class AdagradOptimizer : public Optimizer {
 public:
  /// a += g²; w -= lr g / √a
  explicit AdagradOptimizer(const Input& learning_rate, double initial_accumulator_value = 0.1,
                            const std::string& name = "Adagrad");

 protected:
  std::shared_ptr<Operation> update(const Variable&, const Tensor&, const std::vector<Tensor>&,
                                    const std::vector<Tensor>&) override;
};

class AdadeltaOptimizer : public Optimizer {
 public:
  explicit AdadeltaOptimizer(const Input& learning_rate = 0.001, const Input& rho = 0.95,
                             const Input& epsilon = 1e-8, const std::string& name = "Adadelta");

 protected:
  std::shared_ptr<Operation> update(const Variable&, const Tensor&, const std::vector<Tensor>&,
                                    const std::vector<Tensor>&) override;
};

class RMSPropOptimizer : public Optimizer {
 public:
  /// s starts at 1: s = decay s + (1 - decay) g²; q = momentum q + lr g / √(s + ε); w -= q
  explicit RMSPropOptimizer(const Input& learning_rate, const Input& decay = 0.9,
                            const Input& momentum = 0.0, const Input& epsilon = 1e-10,
                            bool centered = false, const std::string& name = "RMSProp");

 protected:
  std::shared_ptr<Operation> update(const Variable&, const Tensor&, const std::vector<Tensor>&,
                                    const std::vector<Tensor>&) override;

 private:
  bool centered_;
};

class AdamOptimizer : public Optimizer {
 public:
  /// w -= lr √(1 - β2ᵗ) / (1 - β1ᵗ) m / (√v + ε)
  explicit AdamOptimizer(const Input& learning_rate = 0.001, double beta1 = 0.9,
                         double beta2 = 0.999, const Input& epsilon = 1e-8,
                         const std::string& name = "Adam");

 protected:
  void begin(const std::vector<Variable>&) override;
  std::vector<std::shared_ptr<Operation>> finish() override;
  std::shared_ptr<Operation> update(const Variable&, const Tensor&, const std::vector<Tensor>&,
                                    const std::vector<Tensor>&) override;

 private:
  double beta1_, beta2_;
  Variable power1_, power2_;
};

class FtrlOptimizer : public Optimizer {
 public:
  explicit FtrlOptimizer(const Input& learning_rate, const Input& learning_rate_power = -0.5,
                         double initial_accumulator_value = 0.1, const Input& l1 = 0.0,
                         const Input& l2 = 0.0, double l2_shrinkage = 0.0,
                         const std::string& name = "Ftrl");

 protected:
  std::shared_ptr<Operation> update(const Variable&, const Tensor&, const std::vector<Tensor>&,
                                    const std::vector<Tensor>&) override;

 private:
  bool shrinks_;
};

}  // namespace trivium::tf::train
