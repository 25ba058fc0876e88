#include "trivium/notations/tf/gradients.h"

#include <map>
#include <set>
#include <utility>

#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/translator.h"

namespace trivium::tf {
namespace {

/// All tensors whose change reaches ys. Branches and loops are looked into: what only another
/// result of theirs, a predicate or a condition needs is not connected.
class Reaching {
 public:
  explicit Reaching(const std::vector<Tensor>& stops) {
    for (const Tensor& s : stops) stopped_.insert(key_of(s));
  }

  std::set<int64_t> of(const std::vector<Tensor>& ys) {
    for (const Tensor& y : ys) push({y.op(), y.index()});
    while (!stack_.empty()) {
      const Operation::Edge e = stack_.back();
      stack_.pop_back();
      if (!stopped_.count(key_of(e))) look_behind(e);
    }
    return std::move(seen_);
  }

 private:
  void push(const Operation::Edge& e) {
    if (is_floating(e.op->out(e.index).type) && seen_.insert(key_of(e)).second) stack_.push_back(e);
  }

  const Context& context(Operation* op, const char* attribute) const {
    return *op->graph().context_of(op->attr<int64_t>(attribute));
  }

  void look_behind(const Operation::Edge& e) {
    const Differentiable kind = e.op->spec().gradient;
    if (kind == Differentiable::missing)
      raise<LookupError>("No gradient defined for operation '{}' (op type: {})", e.op->name(),
                         e.op->type());
    if (kind == Differentiable::cut) return;
    if (e.op->type() == "If") {
      for (const char* branch : {"then", "otherwise"}) push(context(e.op, branch).results[e.index]);
    } else if (e.op->type() == "While") {
      const Context& body = context(e.op, "body");
      for (size_t i = 0; i < body.variables.size(); ++i) loop_of_[body.variables[i]] = {e.op, i};
      look_behind_variable(e.op, e.index);
    } else if (const auto at = loop_of_.find(e.op); at != loop_of_.end()) {
      look_behind_variable(at->second.first, at->second.second);
    } else {
      for (const auto& in : e.op->edges()) push(in);
    }
  }

  /// What a loop's variable is at the start, and what the body makes of it.
  void look_behind_variable(Operation* loop, size_t i) {
    push(loop->edges()[i]);
    push(context(loop, "body").results[i]);
  }

  std::set<int64_t> seen_, stopped_;
  std::vector<Operation::Edge> stack_;
  std::map<Operation*, std::pair<Operation*, size_t>> loop_of_;  // of a variable of a loop's body
};

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
  const std::set<int64_t> reach = Reaching(options.stop_gradients).of(ys);
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
