#include "trivium/notations/tf/saver.h"

#include <algorithm>

#include "trivium/formats/checkpoint_file.h"

namespace trivium::tf::train {
namespace {

Tensor strings_constant(const std::vector<std::string>& values, const std::string& name) {
  return constant(Data(Strings{Shape{static_cast<int64_t>(values.size())}, values}),
                  DataType::string, name);
}

}  // namespace

SaverNodes add_saver_nodes(KeyedVariables variables, const std::string& name) {
  std::sort(variables.begin(), variables.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> keys;
  std::vector<DataType> types;
  for (const auto& [key, variable] : variables) {
    keys.push_back(key);
    types.push_back(variable.dtype());
  }
  const std::vector<std::string> whole(keys.size());  // no slices
  const auto graph = default_graph();
  graph->push_control({}, true);
  const NameScope scope(name);
  const auto add = [&](const char* type, std::vector<Tensor> inputs, AttrMap attrs,
                       const std::string& at) {
    return graph->create(type, std::move(inputs), std::move(attrs), at);
  };
  const AttrMap text{{"dtype", DataType::string}, {"shape", PartialShape(Shape{})}};
  const Tensor model = constant("model", DataType::string, "filename/input");
  const Tensor given = add("PlaceholderWithDefault", {model}, text, "filename")->output();
  SaverNodes nodes;
  nodes.filename = add("PlaceholderWithDefault", {given}, text, "Const")->output();
  std::vector<Tensor> saved{nodes.filename, strings_constant(keys, "SaveV2/tensor_names"),
                            strings_constant(whole, "SaveV2/shape_and_slices")};
  for (const auto& [key, variable] : variables) saved.push_back(variable.ref());
  const auto save = add("SaveV2", saved, {{"dtypes", types}}, "SaveV2");
  {
    const ControlDependencies after({save});
    // Under a scope name that ends in "/", the wait is not dropped.
    nodes.save = add("Identity", {nodes.filename}, {}, "control_dependency")->output();
  }
  const auto restored = add("RestoreV2",
                            {nodes.filename, strings_constant(keys, "RestoreV2/tensor_names"),
                             strings_constant(whole, "RestoreV2/shape_and_slices")},
                            {{"dtypes", types}}, "RestoreV2");
  std::vector<std::shared_ptr<Operation>> assigned;
  for (size_t i = 0; i < variables.size(); ++i)
    assigned.push_back(add("Assign",
                           {variables[i].second.ref(), restored->output(static_cast<int>(i))}, {},
                           "Assign"));
  const ControlDependencies all(assigned);
  nodes.restore = add("NoOp", {}, {}, "restore_all");
  graph->pop_control();
  return nodes;
}

std::vector<std::pair<std::string, std::string>> restored_variables(Operation& restore) {
  std::vector<std::pair<std::string, std::string>> out;
  std::vector<Operation*> stack{&restore};
  while (!stack.empty() && out.size() < 1000000) {
    Operation* op = stack.back();
    stack.pop_back();
    if (op->type() == "NoOp") {
      for (auto c = op->control_inputs().rbegin(); c != op->control_inputs().rend(); ++c)
        stack.push_back(*c);
      continue;
    }
    if (op->type() != "Assign" || op->num_inputs() < 2) continue;
    Operation::Edge value = op->edges()[1];
    while ((value.op->type() == "Identity" || value.op->type() == "Reshape") &&
           value.op->num_inputs() > 0)
      value = value.op->edges()[0];
    if (value.op->type() != "RestoreV2" || value.op->num_inputs() < 2) continue;
    const Operation& names = *value.op->edges()[1].op;
    if (names.type() != "Const") continue;
    const Data& keys = names.attr<Data>("value");
    if (!keys.strings || value.index >= static_cast<int>(keys.strings->values.size())) continue;
    out.emplace_back(keys.strings->values[static_cast<size_t>(value.index)],
                     op->edges()[0].op->name());
  }
  return out;
}

Saver::Saver(std::vector<Variable> variables) {
  if (variables.empty()) variables = global_variables();
  if (variables.empty()) raise<ValueError>("No variables to save");
  for (const Variable& v : variables) variables_.emplace_back(v.op()->name(), v);
  std::sort(variables_.begin(), variables_.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 1; i < variables_.size(); ++i)
    if (variables_[i].first == variables_[i - 1].first)
      raise<ValueError>("At least two variables have the same name: {}", variables_[i].first);
  add_saver_nodes(variables_);
}

std::string Saver::save(Session& session, const std::string& path, std::optional<int64_t> step) {
  const std::string prefix = step ? fmt::format("{}-{}", path, *step) : path;
  formats::CheckpointWriter writer(prefix);
  std::vector<Array> values;
  for (const auto& [key, variable] : variables_) {
    values.push_back(session.value_of(variable));
    if (!values.back().defined())
      throw OpError(Code::failed_precondition,
                    "Attempting to use uninitialized value " + variable.op()->name(),
                    variable.op()->name());
    writer.add(key, values.back());
  }
  writer.finish();
  return prefix;
}

void Saver::restore(Session& session, const std::string& prefix) {
  const formats::CheckpointReader reader(prefix);
  for (const auto& [key, variable] : variables_) {
    const formats::CheckpointTensor* there = reader.find(key);
    if (!there)
      throw OpError(Code::not_found, fmt::format("Key {} not found in checkpoint", key), key);
    if (there->type != static_cast<int>(variable.dtype()) ||
        !variable.shape().compatible(PartialShape(there->shape)))
      throw OpError(
          Code::invalid_argument,
          fmt::format("Assign requires shapes and dtypes of both tensors to match: {} is "
                      "{} {}, the checkpoint has {} {}",
                      key, name_of(variable.dtype()), variable.shape().brackets(),
                      formats::tf_type_name(there->type), PartialShape(there->shape).brackets()),
          key);
  }
  for (const auto& [key, variable] : variables_) session.load(variable, reader.read(key));
}

}  // namespace trivium::tf::train
