// Variables of a graph: a named place, its initial value, the operation that assigns it and the
// tensor that reads it. The value itself belongs to a Session.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "trivium/notations/tf/input.h"

namespace trivium::tf {

/// What a Variable consists of; the graph has it.
class VariableParts {
 public:
  Operation *op = nullptr, *initializer = nullptr;              // "<n>" and "<n>/Assign"
  Operation::Edge initial_value{nullptr, 0}, read{nullptr, 0};  // "<n>/read"
  bool trainable = true;
};

struct VariableOptions {
  std::string name = "Variable";
  bool trainable = true;
  DataType dtype = DataType::invalid;  // that of the initial value
  std::optional<PartialShape> shape;   // of the initial value
  std::vector<std::string> collections = {"variables"};
};

class Variable {
 public:
  Variable() = default;
  explicit Variable(std::shared_ptr<VariableParts> parts) : parts_(std::move(parts)) {}
  /// Adds "<n>/initial_value" (unless given a tensor), "<n>", "<n>/Assign" and "<n>/read".
  /// ValueError when the shape of the initial value is not fully known.
  explicit Variable(const Input& initial_value, const VariableOptions& options = {});
  /// A value drawn when it is initialised: normal numbers for floating types, else zeros.
  Variable(DataType dtype, const Shape& shape, VariableOptions options = {});

  bool defined() const { return parts_ != nullptr; }
  std::shared_ptr<Operation> op() const { return handle(parts_->op); }
  /// Null when the file it comes from does not say.
  std::shared_ptr<Operation> initializer() const { return handle(parts_->initializer); }
  /// Undefined when the file it comes from does not say.
  Tensor initial_value() const { return tensor(parts_->initial_value); }
  /// The value as other operations use it.
  Tensor value() const { return tensor(parts_->read); }
  operator Tensor() const { return value(); }
  /// A read of its own, which waits for the control dependencies in force.
  Tensor read_value() const;
  Tensor ref() const { return parts_->op->output(0); }
  std::string name() const { return parts_->op->name() + ":0"; }
  DataType dtype() const { return parts_->op->out(0).type; }
  const PartialShape& shape() const { return parts_->op->out(0).shape; }
  bool trainable() const { return parts_->trainable; }
  const std::shared_ptr<VariableParts>& parts() const { return parts_; }

  // Each gives a tensor that holds the new value.
  Tensor assign(const Input& value, const std::string& name = "") const;
  Tensor assign_add(const Input& value, const std::string& name = "") const;
  Tensor assign_sub(const Input& value, const std::string& name = "") const;

  friend bool operator==(const Variable& a, const Variable& b) { return a.parts_ == b.parts_; }

 private:
  static std::shared_ptr<Operation> handle(Operation* op) { return op ? op->self() : nullptr; }
  static Tensor tensor(Operation::Edge e) { return e.op ? e.op->output(e.index) : Tensor(); }
  std::shared_ptr<VariableParts> parts_;  // keeps the graph alive
};

/// Variables of a collection of the default graph, in order of creation.
std::vector<Variable> variables_of(const std::string& collection);
std::vector<Variable> global_variables();
std::vector<Variable> trainable_variables();

/// One operation that assigns all their initial values.
std::shared_ptr<Operation> variables_initializer(const std::vector<Variable>& variables,
                                                 const std::string& name = "init");
std::shared_ptr<Operation> global_variables_initializer();
std::shared_ptr<Operation> local_variables_initializer();

}  // namespace trivium::tf
