#include "trivium/engine/record/grad_rule.h"

#include <map>
#include <mutex>

namespace trivium::record {
namespace {

bool bit(uint64_t mask, size_t i) { return mask >> (i < 63 ? i : 63) & 1; }

/// Derives by recording the op and its rule into a small graph of their own.
class Derivation {
 public:
  Derivation(const Call* call, const Inference& inference, GradRule& rule) : rule_(rule) {
    std::vector<Value> inputs;
    for (const Meta* m : inference.operands) {
      inputs.push_back(graph_.input("operand", m->shape, m->dtype));
      known_[inputs.back().node] = {GradRule::Source::operand,
                                    static_cast<int32_t>(inputs.size()) - 1, 0};
    }
    const Value y = graph_.op(*call->op, inputs, *call->attrs);
    op_node_ = y.node;
    std::vector<Value> upstream;
    for (size_t o = 0; o < inference.results.size(); ++o) {
      const Meta* m = inference.results[o];
      upstream.emplace_back();
      if (!bit(rule.upstream, o)) continue;
      upstream.back() = graph_.input("gradient", m->shape, m->dtype);
      known_[upstream.back().node] = {GradRule::Source::upstream, static_cast<int32_t>(o), 0};
    }
    std::vector<bool> wanted;
    for (size_t i = 0; i < inputs.size(); ++i) wanted.push_back(bit(rule.wanted, i));
    GradCtx ctx(graph_, op_node_, std::move(upstream), wanted);
    call->op->gradient()(ctx);
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Value g = ctx.results()[i];
      if (!g.defined() || !wanted[i]) {
        rule.results.emplace_back();
        continue;
      }
      if (g.shape() != inputs[i].shape() || g.dtype() != inputs[i].dtype())
        internal_error("gradient of {} for operand {}: expected {}{}, the rule gave {}{}",
                       call->op->name(), i, name_of(inputs[i].dtype()), inputs[i].shape().text(),
                       name_of(g.dtype()), g.shape().text());
      rule.results.push_back(refer({g.node, g.output}));
    }
    for (GradRule::Step& step : rule.steps)
      for (const GradRule::Reference& r : step.operands) note(r);
    for (const GradRule::Reference& r : rule.results) note(r);
  }

 private:
  void note(const GradRule::Reference& r) {
    if (r.source == GradRule::Source::operand)
      rule_.saved_operands |= uint64_t{1} << (r.index < 63 ? r.index : 63);
    if (r.source == GradRule::Source::result) rule_.saved_results |= uint64_t{1} << r.index;
  }

  GradRule::Reference refer(trivium::Edge e) {
    if (e.node == op_node_) return {GradRule::Source::result, e.output, 0};
    auto at = known_.find(e.node);
    if (at == known_.end()) at = known_.emplace(e.node, add(e.node)).first;
    GradRule::Reference r = at->second;
    if (r.source == GradRule::Source::node) r.output = e.output;
    return r;
  }

  GradRule::Reference add(int32_t n) {
    const Node node = graph_.node(n);
    if (node.op->name() == "constant") {
      rule_.constants.push_back(graph_.constants()[node.literal]);
      return {GradRule::Source::constant, static_cast<int32_t>(rule_.constants.size()) - 1, 0};
    }
    GradRule::Step step;
    step.call = call(*node.op, *node.attrs);
    std::vector<const Meta*> metas;
    for (const trivium::Edge& e : node.inputs) {
      step.operands.push_back(refer(e));
      metas.push_back(meta_of(graph_.meta(e).shape, graph_.meta(e).dtype));
    }
    step.inference = &step.call->infer(metas);
    rule_.steps.push_back(std::move(step));
    return {GradRule::Source::node, static_cast<int32_t>(rule_.steps.size()) - 1, 0};
  }

  Graph graph_;
  GradRule& rule_;
  int32_t op_node_ = -1;
  std::map<int32_t, GradRule::Reference> known_;
};

}  // namespace

const GradRule& grad_rule(const Call* call, Inference& inference, uint64_t wanted,
                          uint64_t upstream) {
  const GradRule* last = inference.last_rule.load(std::memory_order_acquire);
  if (last && last->wanted == wanted && last->upstream == upstream) return *last;
  {
    std::lock_guard<std::mutex> hold(*inference.lock);
    for (const auto& r : inference.rules)
      if (r->wanted == wanted && r->upstream == upstream) {
        inference.last_rule.store(r.get(), std::memory_order_release);
        return *r;
      }
  }
  if (!call->op->gradient())
    user_error("gradient: {} has none ({})", call->op->name(),
               call->op->no_gradient().empty() ? "no rule" : call->op->no_gradient());
  auto made = std::make_unique<GradRule>();
  made->wanted = wanted;
  made->upstream = upstream;
  Derivation(call, inference, *made);  // may infer the same call again: not under its lock
  std::lock_guard<std::mutex> hold(*inference.lock);
  inference.rules.push_back(std::move(made));
  return *inference.rules.back();
}

}  // namespace trivium::record
