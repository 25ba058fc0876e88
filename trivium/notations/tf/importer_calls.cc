// Functions: the body of one is written out in place of the node that calls it, and followed by its
// derivative where SymbolicGradient asks for that.
#include "trivium/notations/tf/importer.h"

#include <algorithm>

#include "trivium/notations/tf/translator.h"

namespace trivium::tf {

namespace {

constexpr int kMaxCalls = 32;           // functions inside functions
constexpr int64_t kMaxNodes = 1 << 20;  // of functions, written out

}  // namespace

/// Writes out the body of a function in place of a node that calls it.
ImportedNode Importer::call(NodeToImport wanted) {
  const proto::AttrValue* f = formats::find_attr(wanted.node, "f");
  const std::string name = f ? f->func().name() : "";
  const auto it = std::find_if(library_.function().begin(), library_.function().end(),
                               [&](const auto& d) { return d.signature().name() == name; });
  if (it == library_.function().end())
    raise<ValueError>("Node '{}' ({}) calls the function \"{}\", which is not in the library",
                      wanted.node.name(), wanted.node.op(), name);
  if (depth_ >= kMaxCalls)
    raise<ValueError>("Node '{}' calls functions inside functions more than {} deep",
                      wanted.node.name(), kMaxCalls);
  const int inputs = it->signature().input_arg_size();
  const bool gradient = wanted.node.op() == "SymbolicGradient";
  const int expected = inputs + (gradient ? it->signature().output_arg_size() : 0);
  if (static_cast<int>(wanted.inputs.size()) != expected)
    raise<ValueError>("Node '{}' ({}) has {} inputs, its function \"{}\" needs {}",
                      wanted.node.name(), wanted.node.op(), wanted.inputs.size(), name, expected);
  if (context_.graph.size() + it->node_def_size() > kMaxNodes)
    raise<ValueError>(
        "Node '{}': the graph has more than {} operations once its functions are "
        "written out",
        wanted.node.name(), kMaxNodes);
  Importer body(context_, library_, out_, depth_ + 1);
  const std::string scope = context_.graph.push_scope(wanted.node.name());
  context_.graph.push_control(wanted.controls, true);
  ImportedNode result;
  try {
    if (gradient) make_independent(&wanted.inputs, inputs, used_ports_[wanted.node.name()]);
    for (int i = 0; i < inputs; ++i)
      body.argument(it->signature().input_arg(i).name(), wanted.inputs[static_cast<size_t>(i)]);
    body.add_all(it->node_def());
    for (const auto& out : it->signature().output_arg()) {
      const auto ret = it->ret().find(out.name());
      const Tensor value = ret == it->ret().end() ? Tensor() : body.tensor(ret->second);
      if (!value.defined())
        raise<ValueError>("function \"{}\" does not say what its result {} is", name, out.name());
      result.outputs.push_back(value);
    }
    if (gradient) result = derivative(wanted, result.outputs, scope);
  } catch (...) {
    context_.graph.pop_control();
    context_.graph.pop_scope();
    throw;
  }
  context_.graph.pop_control();
  context_.graph.pop_scope();
  if (!result.op && !result.outputs.empty()) result.op = result.outputs[0].operation();
  return result;
}

/// The arguments of a function that is differentiated do not depend on each other: those that do
/// are passed through operations that keep them apart.
void Importer::make_independent(std::vector<Tensor>* arguments, int count,
                                const std::set<int>& used) {
  std::set<int64_t> by;  // what is differentiated by
  for (int i : used)
    if (i < count) by.insert(key_of((*arguments)[static_cast<size_t>(i)]));
  for (int i = 0; i < count; ++i) {
    Tensor& argument = (*arguments)[static_cast<size_t>(i)];
    if (!is_floating(argument.dtype()) || !depends_on(argument, by)) continue;
    const bool differentiated = used.count(i) != 0;
    const auto apart = context_.graph.create(differentiated ? "Identity" : "StopGradient",
                                             {argument}, {}, fmt::format("argument_{}", i));
    if (differentiated) apart->set_attr("_distinct", true);
    argument = apart->output();
  }
}

/// Whether a tensor is computed from one of `keys` (and is not itself one).
bool Importer::depends_on(const Tensor& tensor, const std::set<int64_t>& keys) {
  std::unordered_set<Operation*> seen{tensor.op()};
  std::vector<Operation*> stack{tensor.op()};
  while (!stack.empty()) {
    Operation* op = stack.back();
    stack.pop_back();
    for (const auto& e : op->edges()) {
      if (keys.count(key_of(e))) return true;
      if (seen.insert(e.op).second) stack.push_back(e.op);
    }
  }
  return false;
}

/// The Gradients operation of a function that has been written out, under the node's own name.
ImportedNode Importer::derivative(const NodeToImport& wanted, const std::vector<Tensor>& ys,
                                  const std::string& scope) {
  const size_t total = wanted.inputs.size() - ys.size();
  std::vector<Tensor> inputs = ys, xs;
  std::vector<size_t> place(total, 0);
  for (size_t i = 0; i < total; ++i)
    if (is_floating(wanted.inputs[i].dtype())) {
      place[i] = xs.size();
      xs.push_back(wanted.inputs[i]);
    }
  inputs.insert(inputs.end(), xs.begin(), xs.end());
  for (size_t i = total; i < wanted.inputs.size(); ++i) inputs.push_back(wanted.inputs[i]);
  ImportedNode result;
  if (xs.empty()) return result;
  for (const Tensor& x : xs)
    if (x.op()->type() == "Identity" && x.op()->edges()[0].op->type() != "VariableV2")
      x.op()->set_attr("_distinct", true);
  result.op = context_.graph.create("Gradients", inputs,
                                    {{"ys", static_cast<int64_t>(ys.size())},
                                     {"xs", static_cast<int64_t>(xs.size())},
                                     {"seeds", static_cast<int64_t>(ys.size())},
                                     {"stops", int64_t{0}}},
                                    scope);
  for (size_t i = 0; i < total; ++i)
    result.outputs.push_back(result.op->output(static_cast<int>(place[i])));
  return result;
}

}  // namespace trivium::tf
