#include "trivium/notations/tf/variables.h"

#include "trivium/notations/tf/ops.h"

namespace trivium::tf {
namespace {

/// "<n>" ,"<n>/Assign" and "<n>/read" for a value; the scope `scope` ("n/") is open.
std::shared_ptr<VariableParts> make_parts(const Tensor& initial, const std::string& scope,
                                          const VariableOptions& options) {
  const auto graph = default_graph();
  auto parts = std::make_shared<VariableParts>();
  parts->initial_value = {initial.op(), initial.index()};
  parts->trainable = options.trainable;
  const AttrMap attrs = {{"shape", initial.shape()}, {"dtype", initial.dtype()}};
  parts->op = graph->create("VariableV2", {}, attrs, scope).get();
  const Tensor ref = parts->op->output();
  parts->initializer = graph->create("Assign", {ref, initial}, {}, "Assign").get();
  parts->read = {graph->create("Identity", {ref}, {}, "read").get(), 0};
  return graph->own(std::move(parts));
}

}  // namespace

Variable::Variable(const Input& initial_value, const VariableOptions& options) {
  const auto graph = default_graph();
  graph->push_control({}, true);  // a variable waits for nothing
  const std::string scope = graph->push_scope(options.name);
  try {
    Tensor initial = initial_value.tensor("initial_value", options.dtype);
    if (options.shape && !initial.shape().compatible(*options.shape))
      raise<ValueError>(
          "The initial value's shape ({}) is not compatible with the explicitly supplied "
          "`shape` argument ({}).",
          initial.shape().text(), options.shape->text());
    if (!initial.shape().fully_known())
      raise<ValueError>("initial_value must have a shape specified: {} {}", initial.name(),
                        initial.shape().text());
    parts_ = make_parts(initial, scope, options);
  } catch (...) {
    graph->pop_scope();
    graph->pop_control();
    throw;
  }
  graph->pop_scope();
  graph->pop_control();
  for (const std::string& key : options.collections) graph->add_to_collection(key, parts_);
  if (options.trainable) graph->add_to_collection("trainable_variables", parts_);
}

Variable::Variable(DataType dtype, const Shape& shape, VariableOptions options) {
  const Tensor initial =
      is_floating(dtype) ? random_normal(shape.vec(), 0, 1, dtype) : zeros(shape.vec(), dtype);
  *this = Variable(initial, options);
}

Tensor Variable::read_value() const {
  return default_graph()->create("Identity", {ref()}, {}, "read_value")->output();
}

Tensor Variable::assign(const Input& value, const std::string& name) const {
  return tf::assign(ref(), value, name);
}
Tensor Variable::assign_add(const Input& value, const std::string& name) const {
  return tf::assign_add(ref(), value, name);
}
Tensor Variable::assign_sub(const Input& value, const std::string& name) const {
  return tf::assign_sub(ref(), value, name);
}

std::vector<Variable> variables_of(const std::string& collection) {
  std::vector<Variable> out;
  for (const CollectionItem& item : default_graph()->collection(collection))
    if (const auto* parts = std::get_if<std::shared_ptr<VariableParts>>(&item))
      out.emplace_back(*parts);
  return out;
}

std::vector<Variable> global_variables() { return variables_of("variables"); }
std::vector<Variable> trainable_variables() { return variables_of("trainable_variables"); }

std::shared_ptr<Operation> variables_initializer(const std::vector<Variable>& variables,
                                                 const std::string& name) {
  std::vector<std::shared_ptr<Operation>> ops;
  for (const Variable& v : variables) ops.push_back(v.initializer());
  return group(ops, name);
}

std::shared_ptr<Operation> global_variables_initializer() {
  return variables_initializer(global_variables());
}
std::shared_ptr<Operation> local_variables_initializer() {
  return variables_initializer(variables_of("local_variables"));
}

}  // namespace trivium::tf
