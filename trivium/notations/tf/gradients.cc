#include "trivium/notations/tf/gradients.h"

#include <set>

#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/translator.h"

namespace trivium::tf {
namespace {

/// All tensors whose change reaches ys.
std::set<int64_t> reaching(const std::vector<Tensor>& ys, const std::vector<Tensor>& stops) {
  std::set<int64_t> seen, stopped;
  for (const Tensor& s : stops) stopped.insert(key_of(s));
  std::vector<Operation::Edge> stack;
  for (const Tensor& y : ys)
    if (is_floating(y.dtype()) && seen.insert(key_of(y)).second)
      stack.push_back({y.op(), y.index()});
  while (!stack.empty()) {
    const Operation::Edge e = stack.back();
    stack.pop_back();
    if (stopped.count(key_of(e))) continue;
    const Differentiable kind = e.op->spec().gradient;
    if (kind == Differentiable::missing)
      raise<LookupError>("No gradient defined for operation '{}' (op type: {})", e.op->name(),
                         e.op->type());
    if (kind == Differentiable::cut) continue;
    for (const auto& in : e.op->edges())
      if (is_floating(in.op->out(in.index).type) && seen.insert(key_of(in)).second)
        stack.push_back(in);
  }
  return seen;
}

/// "<first operation that uses x on the way>_grad/<x>".
std::string gradient_name(const Tensor& x, const std::set<int64_t>& reach) {
  const std::string& whole = x.op()->name();
  const std::string base = whole.substr(whole.rfind('/') + 1);
  for (Operation* user : x.op()->out(x.index()).consumers)
    for (int i = 0; i < user->num_outputs(); ++i)
      if (reach.count(key_of(user, i))) return user->name() + "_grad/" + base;
  return base + "_grad";
}

}  // namespace

std::vector<Tensor> gradients(const std::vector<Tensor>& ys, const std::vector<Tensor>& xs,
                              const GradientOptions& options) {
  if (!options.grad_ys.empty() && options.grad_ys.size() != ys.size())
    raise<ValueError>("Passed {} grad_ys for {} ys", options.grad_ys.size(), ys.size());
  const auto graph = default_graph();
  const NameScope scope(options.name);
  const std::set<int64_t> reach = reaching(ys, options.stop_gradients);
  std::vector<Tensor> inputs, connected, seeds;
  for (const Tensor& y : ys)
    if (is_floating(y.dtype())) inputs.push_back(y);
  const auto used_ys = static_cast<int64_t>(inputs.size());
  for (const Tensor& x : xs)
    if (reach.count(key_of(x))) {
      if (x.op()->type() == "Identity" && x.op()->edges()[0].op->type() != "VariableV2")
        x.op()->set_attr("_distinct", true);
      connected.push_back(x);
    }
  for (size_t i = 0; i < options.grad_ys.size(); ++i) {
    if (!is_floating(ys[i].dtype())) continue;
    const Tensor& given = options.grad_ys[i];
    seeds.push_back(given.defined() ? given : Tensor(Build("OnesLike", "ones_like").in(ys[i])));
    if (!seeds.back().shape().compatible(ys[i].shape()))
      raise<ValueError>("grad_ys[{}] has shape {}, its y has {}", i, seeds.back().shape().text(),
                        ys[i].shape().text());
  }
  std::shared_ptr<Operation> op;
  if (!connected.empty()) {
    inputs.insert(inputs.end(), connected.begin(), connected.end());
    inputs.insert(inputs.end(), seeds.begin(), seeds.end());
    inputs.insert(inputs.end(), options.stop_gradients.begin(), options.stop_gradients.end());
    op = graph->create("Gradients", inputs,
                       {{"ys", used_ys},
                        {"xs", static_cast<int64_t>(connected.size())},
                        {"seeds", static_cast<int64_t>(seeds.size())},
                        {"stops", static_cast<int64_t>(options.stop_gradients.size())}},
                       "grad");
  }
  std::vector<Tensor> result;
  int next = 0;
  for (const Tensor& x : xs) {
    if (reach.count(key_of(x)))
      result.push_back(
          graph->create("Identity", {op->output(next++)}, {}, gradient_name(x, reach))->output());
    else if (options.zeros_for_unconnected)
      result.push_back(Build("ZerosLike", "zeros_like").in(x));
    else
      result.emplace_back();
  }
  return result;
}

}  // namespace trivium::tf
