// The reverse walk: nodes in falling order of their sequence numbers, each once, when every
// gradient that can arrive at it has. Derivatives are recorded as ops like everything else.
#include <algorithm>
#include <mutex>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "trivium/engine/record/safety.h"
#include "trivium/engine/record/var_impl.h"

namespace trivium::record {
namespace {

uint64_t bit(size_t i) { return uint64_t{1} << (i < 63 ? i : 63); }

const Meta* result_meta(GradNode& node, int32_t r) {
  if (node.leaf) return node.leaf->meta;
  if (node.inference) return node.inference->results[static_cast<size_t>(r)];
  return node.rare->result_metas[static_cast<size_t>(r)];
}

const Meta* operand_meta(GradNode& node, int32_t i) {
  if (node.inference) return node.inference->operands[static_cast<size_t>(i)];
  return node.rare->operand_metas[static_cast<size_t>(i)];
}

class Walk {
 public:
  Walk(bool keep_history, bool create_graph) : keep_(keep_history), create_(create_graph) {}

  void start(const Var& root, const Var& seed) {
    const Val val = val_of(root);
    if (!val.edge.node)
      user_error("backward: the tensor {} does not require a gradient and has no history",
                 root.meta()->text());
    Val gradient;
    if (seed.defined()) {
      if (seed.meta() != root.meta())
        user_error("backward: the gradient given for {} is {}", root.meta()->text(),
                   seed.meta()->text());
      gradient = val_of(seed);
      if (!create_) gradient.edge = {};
    } else {
      if (root.count() != 1)
        user_error("backward: a gradient can be implied only for one element, the tensor is {}",
                   root.meta()->text());
      gradient = filled(1.0, root.meta());
    }
    arrive(val.edge, std::move(gradient));
  }

  /// Gradients for these are collected; other leaves get none.
  void collect(const std::vector<Var>& inputs) {
    collecting_ = true;
    for (const Var& v : inputs) {
      const Edge e = val_of(v).edge;
      if (!e.node)
        user_error("gradients: an input of shape {} does not require a gradient", v.shape().text());
      targets_.push_back(e);
      target_nodes_.insert(e.node.get());
    }
    collected_.resize(inputs.size());
    find_needed();
  }

  void run() {
    while (!queue_.empty()) {
      const Ref<GradNode> node = queue_.top().node;
      queue_.pop();
      visit(*node);
      arrived_.erase(node.get());
    }
  }

  std::vector<Val>& collected() { return collected_; }

 private:
  struct Queued {
    uint64_t sequence;
    Ref<GradNode> node;
    bool operator<(const Queued& other) const { return sequence < other.sequence; }
  };

  void arrive(const Edge& edge, Val gradient) {
    std::vector<std::vector<Val>>& places = arrived_[edge.node.get()];
    if (places.empty()) {
      places.resize(static_cast<size_t>(edge.node->results));
      queue_.push({edge.node->sequence, edge.node});
    }
    places[static_cast<size_t>(edge.output)].push_back(std::move(gradient));
  }

  /// Nodes from which a target can be reached: only they are worth visiting.
  void find_needed() {
    std::vector<GradNode*> order;
    std::unordered_set<GradNode*> seen;
    std::vector<GradNode*> stack;
    for (const auto& [node, places] : arrived_) stack.push_back(node);
    while (!stack.empty()) {
      GradNode* node = stack.back();
      stack.pop_back();
      if (!seen.insert(node).second) continue;
      order.push_back(node);
      for (int32_t i = 0; i < node->inputs; ++i)
        if (node->edges()[i].node) stack.push_back(node->edges()[i].node.get());
    }
    std::sort(order.begin(), order.end(),
              [](GradNode* a, GradNode* b) { return a->sequence < b->sequence; });
    for (GradNode* node : order) {
      bool need = target_nodes_.count(node) > 0;
      for (int32_t i = 0; i < node->inputs && !need; ++i)
        need = node->edges()[i].node && needed_.count(node->edges()[i].node.get());
      if (need) needed_.insert(node);
    }
  }

  Val total(std::vector<Val>& parts) {
    if (parts.empty()) return {};
    if (parts.size() == 1) return parts[0];
    static const Call* add_n = call("add_n");
    Val sum;
    record_call(add_n, parts, {&sum, 1}, create_);
    return sum;
  }

  void visit(GradNode& node) {
    Tape::mine().set_scope(node.scope);
    std::vector<std::vector<Val>>& places = arrived_[&node];
    std::vector<Val> gradients;
    for (std::vector<Val>& parts : places) gradients.push_back(total(parts));
    if (node.rare && !node.rare->hooks.empty()) {
      const auto hooks = node.rare->hooks;
      for (const auto& [result, hook] : hooks)
        call_hook(hook.second, gradients[static_cast<size_t>(result)]);
    }
    if (node.leaf) {
      const auto hooks = node.leaf->hooks;
      for (const auto& [id, hook] : hooks) call_hook(hook, gradients[0]);
    }
    if (node.rare)
      for (const auto& [result, impl] : node.rare->kept)
        if (const Val& g = gradients[static_cast<size_t>(result)]; g.slot) {
          Val val = g;
          impl->grad = Var::of(std::move(val)).ref();
        }
    for (size_t t = 0; t < targets_.size(); ++t)
      if (targets_[t].node.get() == &node)
        collected_[t] = gradients[static_cast<size_t>(targets_[t].output)];
    if (node.leaf) {
      if (!collecting_ && gradients[0].slot) accumulate(*node.leaf, std::move(gradients[0]));
      return;
    }
    uint64_t wanted = node.wanted;
    if (collecting_) {
      if (!needed_.count(&node)) return;
      wanted = 0;
      bool any = false;
      for (int32_t i = 0; i < node.inputs; ++i)
        if (node.edges()[i].node && needed_.count(node.edges()[i].node.get())) {
          wanted |= bit(static_cast<size_t>(i));
          any = true;
        }
      if (!any) return;
    }
    if (node.consumed)
      user_error(
          "backward: the history of {} was consumed by an earlier backward; pass retain_graph=True "
          "there",
          node.name());
    if (strict_inplace()) require_unchanged(node);
    std::vector<Val> results;
    if (node.rare && node.rare->rule)
      results = custom(node, gradients);
    else
      results = replay(node, gradients, wanted);
    std::vector<Edge> edges(node.edges(), node.edges() + node.inputs);
    if (detect_anomaly())
      for (size_t i = 0; i < results.size(); ++i)
        if (results[i].slot && edges[i].node)
          require_numbers(node, static_cast<int32_t>(i), results[i]);
    if (!keep_) node.drop_saved();
    for (size_t i = 0; i < results.size(); ++i)
      if (results[i].slot && edges[i].node && (!collecting_ || needed_.count(edges[i].node.get())))
        arrive(edges[i], std::move(results[i]));
  }

  void call_hook(const Hook& hook, Val& gradient) {
    if (!gradient.slot) return;
    Val copy = gradient;
    const Var result = hook(Var::of(std::move(copy)));
    if (!result.defined()) return;
    if (result.meta() != gradient.meta())
      user_error("hook: a gradient of {} expected, {} returned", gradient.meta()->text(),
                 result.meta()->text());
    gradient = val_of(result);
  }

  void accumulate(VarImpl& leaf, Val gradient) {
    if (!create_) gradient.edge = {};
    if (!leaf.grad) {
      leaf.grad = Var::of(std::move(gradient)).ref();
      return;
    }
    static const Call* add = call("add");
    const Var now(leaf.grad), more = Var::of(std::move(gradient));
    if (create_) {
      leaf.grad = apply(add, {now, more}).ref();
    } else {
      GradMode off(false);
      Var place = now;
      place.assign(apply(add, {now, more}));
    }
  }

  std::vector<Val> custom(GradNode& node, const std::vector<Val>& gradients) {
    std::vector<Var> upstream;
    for (const Val& g : gradients) {
      Val copy = g;
      upstream.push_back(g.slot ? Var::of(std::move(copy)) : Var());
    }
    GradMode mode(create_);
    const Rule rule = node.rare->rule;
    const std::vector<Var> given = rule(upstream);
    if (given.size() != static_cast<size_t>(node.inputs))
      user_error("{}: backward returned {} gradients, the function has {} inputs", node.name(),
                 given.size(), node.inputs);
    std::vector<Val> results(given.size());
    for (int32_t i = 0; i < node.inputs; ++i) {
      const Var& g = given[static_cast<size_t>(i)];
      if (!g.defined() || !(node.wanted & bit(static_cast<size_t>(i)))) continue;
      results[static_cast<size_t>(i)] = fitted(node, i, g);
    }
    return results;
  }

  /// A gradient of the shape its input broadcasts to is summed down to the input's.
  Val fitted(GradNode& node, int32_t i, const Var& g) {
    const Meta* meta = operand_meta(node, i);
    if (g.meta() == meta) return val_of(g);
    bool fits = g.dtype() == meta->dtype;
    try {
      fits = fits && broadcast_shapes(g.shape(), meta->shape) == g.shape();
    } catch (const UserError&) {
      fits = false;
    }
    if (!fits)
      user_error("{}: backward returned {} for input {}, which is {}", node.name(),
                 g.meta()->text(), i, meta->text());
    return val_of(apply(call("sum_to", {{"shape", meta->shape.vec()}}), {g}));
  }

  std::vector<Val> replay(GradNode& node, std::vector<Val>& gradients, uint64_t wanted) {
    uint64_t mask = 0;
    for (size_t r = 0; r < gradients.size(); ++r)
      if (gradients[r].slot) mask |= bit(r);
    const GradRule* rule = &grad_rule(node.call, *node.inference, wanted, mask);
    if (!has_saved(node, *rule)) {  // the rule of fewer gradients reads something else
      for (size_t r = 0; r < gradients.size(); ++r)
        if (!gradients[r].slot && node.floats & bit(r))
          gradients[r] = filled(0.0, result_meta(node, static_cast<int32_t>(r)));
      rule = &grad_rule(node.call, *node.inference, wanted, node.floats);
    }
    return create_ ? with_history(node, *rule, gradients) : plainly(node, *rule, gradients);
  }

  static bool has_saved(GradNode& node, const GradRule& rule) {
    for (int32_t i = 0; i < node.inputs; ++i)
      if (rule.saved_operands & bit(static_cast<size_t>(i)) && !node.saved()[i]) {
        // Operands beyond the mask share its last bit: those the rule does not read may be absent.
        if (i < 63) return false;
      }
    for (int32_t r = 0; r < node.results; ++r)
      if (rule.saved_results & bit(static_cast<size_t>(r)) && !node.saved()[node.inputs + r])
        return false;
    return true;
  }

  std::vector<Val> plainly(GradNode& node, const GradRule& rule, std::vector<Val>& gradients) {
    Tape& tape = Tape::mine();
    const auto elsewhere = [&](const Ref<Slot>& s) {
      if (s && s->tape && s->tape != &tape) Tape::submit_of(s->tape);
    };
    for (int32_t i = 0; i < node.inputs + node.results; ++i) elsewhere(node.saved()[i]);
    for (const Val& g : gradients) elsewhere(g.slot);
    std::vector<Val> results(rule.results.size());
    {
      std::lock_guard<OwnerLock> hold(tape.lock());
      std::vector<int32_t> first, operands, constants(rule.constants.size(), -1);
      first.reserve(rule.steps.size());
      const auto id = [&](const GradRule::Reference& r) -> int32_t {
        switch (r.source) {
          case GradRule::Source::operand:
            return tape.value_of(node.saved()[r.index]);
          case GradRule::Source::result:
            return tape.value_of(node.saved()[node.inputs + r.index]);
          case GradRule::Source::upstream:
            return tape.value_of(gradients[static_cast<size_t>(r.index)].slot);
          case GradRule::Source::constant: {
            int32_t& c = constants[static_cast<size_t>(r.index)];
            if (c < 0) c = tape.constant(rule.constants[static_cast<size_t>(r.index)]);
            return c;
          }
          case GradRule::Source::node:
            return first[static_cast<size_t>(r.index)] + r.output;
          case GradRule::Source::none:
            break;
        }
        internal_error("backward: a derivative refers to nothing");
      };
      for (const GradRule::Step& step : rule.steps) {
        operands.clear();
        for (const GradRule::Reference& r : step.operands) operands.push_back(id(r));
        first.push_back(tape.append(step.call, operands, *step.inference));
      }
      for (size_t i = 0; i < rule.results.size(); ++i) {
        const GradRule::Reference& r = rule.results[i];
        if (r.source == GradRule::Source::none) continue;
        if (r.source == GradRule::Source::node) {
          results[i].slot = tape.promise(id(r));
        } else if (r.source == GradRule::Source::upstream) {
          results[i].slot = gradients[static_cast<size_t>(r.index)].slot;
        } else if (r.source == GradRule::Source::operand) {
          results[i].slot = node.saved()[r.index];
        } else if (r.source == GradRule::Source::result) {
          results[i].slot = node.saved()[node.inputs + r.index];
        } else {
          results[i].slot = Slot::ready(rule.constants[static_cast<size_t>(r.index)].clone());
        }
      }
    }
    tape.after_record();
    return results;
  }

  std::vector<Val> with_history(GradNode& node, const GradRule& rule, std::vector<Val>& gradients) {
    const Ref<GradNode> self(&node);
    std::vector<std::vector<Val>> made;
    const auto val = [&](const GradRule::Reference& r) -> Val {
      switch (r.source) {
        case GradRule::Source::operand:
          return {node.saved()[r.index], node.edges()[r.index]};
        case GradRule::Source::result: {
          const bool floats = node.floats & bit(static_cast<size_t>(r.index));
          return {node.saved()[node.inputs + r.index], floats ? Edge{self, r.index} : Edge{}};
        }
        case GradRule::Source::upstream:
          return gradients[static_cast<size_t>(r.index)];
        case GradRule::Source::constant:
          return {Slot::ready(rule.constants[static_cast<size_t>(r.index)]), {}};
        case GradRule::Source::node:
          return made[static_cast<size_t>(r.index)][static_cast<size_t>(r.output)];
        case GradRule::Source::none:
          break;
      }
      internal_error("backward: a derivative refers to nothing");
    };
    for (const GradRule::Step& step : rule.steps) {
      std::vector<Val> in, out(step.inference->results.size());
      for (const GradRule::Reference& r : step.operands) in.push_back(val(r));
      record_call(step.call, in, out, true);
      made.push_back(std::move(out));
    }
    std::vector<Val> results(rule.results.size());
    for (size_t i = 0; i < rule.results.size(); ++i)
      if (rule.results[i].source != GradRule::Source::none) results[i] = val(rule.results[i]);
    return results;
  }

  bool keep_, create_, collecting_ = false;
  std::priority_queue<Queued> queue_;
  std::unordered_map<GradNode*, std::vector<std::vector<Val>>> arrived_;
  std::vector<Edge> targets_;
  std::unordered_set<GradNode*> target_nodes_, needed_;
  std::vector<Val> collected_;
};

struct KeepScope {
  int32_t before = Tape::mine().scope();
  ~KeepScope() { Tape::mine().set_scope(before); }
};

void start_all(Walk& walk, const std::vector<Var>& roots, const std::vector<Var>& seeds) {
  if (!seeds.empty() && seeds.size() != roots.size())
    user_error("backward: {} gradients given for {} tensors", seeds.size(), roots.size());
  for (size_t i = 0; i < roots.size(); ++i) walk.start(roots[i], seeds.empty() ? Var() : seeds[i]);
}

}  // namespace

void backward(const std::vector<Var>& roots, const std::vector<Var>& seeds, bool keep_history,
              bool create_graph, const std::vector<Var>* inputs) {
  KeepScope scope;
  Walk walk(keep_history || create_graph, create_graph);
  start_all(walk, roots, seeds);
  if (inputs) walk.collect(*inputs);
  walk.run();
  if (!inputs) return;
  for (size_t i = 0; i < inputs->size(); ++i) {
    Val& g = walk.collected()[i];
    if (!g.slot) continue;
    const Var more = Var::of(std::move(g));
    VarImpl& x = *(*inputs)[i].impl();
    if (!x.grad) {
      x.grad = more.ref();
    } else {
      GradMode off(create_graph);
      x.grad = apply(call("add"), {Var(x.grad), more}).ref();
    }
  }
}

std::vector<Var> gradients(const std::vector<Var>& roots, const std::vector<Var>& inputs,
                           const std::vector<Var>& seeds, bool keep_history, bool create_graph) {
  KeepScope scope;
  Walk walk(keep_history || create_graph, create_graph);
  start_all(walk, roots, seeds);
  walk.collect(inputs);
  walk.run();
  std::vector<Var> results;
  for (Val& g : walk.collected()) results.push_back(g.slot ? Var::of(std::move(g)) : Var());
  return results;
}

}  // namespace trivium::record
