// The objects a history is made of, and rules of the caller's own.
#include "trivium/engine/record/safety.h"
#include "trivium/engine/record/var_impl.h"

namespace trivium::record {

void count_up(GradNode* p) { p->retain(); }
void count_down(GradNode* p) { p->release(); }

namespace {

size_t node_bytes(int32_t inputs, int32_t results) {
  return sizeof(GradNode) + sizeof(Edge) * static_cast<size_t>(inputs) +
         sizeof(Ref<Slot>) * static_cast<size_t>(inputs + results);
}

}  // namespace

Ref<GradNode> GradNode::make(int32_t inputs, int32_t results) {
  auto* node = new (pool_take(node_bytes(inputs, results))) GradNode;
  node->inputs = inputs;
  node->results = results;
  for (int32_t i = 0; i < inputs; ++i) new (node->edges() + i) Edge;
  for (int32_t i = 0; i < inputs + results; ++i) new (node->saved() + i) Ref<Slot>;
  return Ref<GradNode>::adopt(node);
}

void GradNode::destroy() {
  // A chain of a hundred thousand ops is let go without recursion: nodes whose turn has come wait
  // in a list of the thread.
  static constinit thread_local GradNode* waiting = nullptr;
  static constinit thread_local bool walking = false;
  next_gone = waiting;
  waiting = this;
  if (walking) return;
  walking = true;
  while (waiting) {
    GradNode* const node = waiting;
    waiting = node->next_gone;
    for (int32_t i = 0; i < node->inputs + node->results; ++i) node->saved()[i].~Ref<Slot>();
    for (int32_t i = 0; i < node->inputs; ++i) node->edges()[i].~Edge();
    if (node->leaf) node->leaf->accumulator = nullptr;
    const size_t bytes = node_bytes(node->inputs, node->results);
    node->~GradNode();
    pool_give(node, bytes);
  }
  walking = false;
}

const char* GradNode::name() const {
  if (rare && !rare->name.empty()) return rare->name.c_str();
  return call ? call->op->name().c_str() : "accumulate";
}

void GradNode::drop_saved() {
  bool any = rare && rare->rule;
  for (int32_t i = 0; i < inputs + results; ++i) {
    any |= static_cast<bool>(saved()[i]);
    saved()[i].reset();
  }
  if (!any) return;
  consumed = true;
  if (rare) {
    rare->rule = nullptr;
    rare->kept_tensors.clear();
  }
  for (int32_t i = 0; i < inputs; ++i) edges()[i].node.reset();
}

Edge edge_for(VarImpl& x) {
  if (x.edge.node) return x.edge;
  if (!x.wants_grad) return {};
  if (x.accumulator) return {Ref<GradNode>(x.accumulator), 0};
  Ref<GradNode> node = GradNode::make(0, 1);
  node->floats = 1;
  node->leaf = Ref<VarImpl>(&x);
  x.accumulator = node.get();
  return {node, 0};
}

std::vector<Var> attach_rule(const std::string& name, std::span<const Var> inputs,
                             std::span<const Var> outputs, Rule rule) {
  Ref<GradNode> node =
      GradNode::make(static_cast<int32_t>(inputs.size()), static_cast<int32_t>(outputs.size()));
  node->scope = Tape::mine().scope();
  GradNode::Rare& rare = node->rarely();
  rare.name = name;
  if (detect_anomaly()) rare.site = call_site();
  bool any = false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Meta* meta = inputs[i].defined() ? inputs[i].meta() : nullptr;
    rare.operand_metas.push_back(meta);
    if (!meta || !is_floating(meta->dtype)) continue;
    node->edges()[i] = val_of(inputs[i]).edge;
    any |= static_cast<bool>(node->edges()[i].node);
    if (node->edges()[i].node) node->wanted |= mask_bit(i);
  }
  node->sequence = next_sequence(*node);
  rare.rule = std::move(rule);
  std::vector<Var> results;
  for (size_t r = 0; r < outputs.size(); ++r) {
    rare.result_metas.push_back(outputs[r].meta());
    const bool floats = is_floating(outputs[r].dtype());
    if (floats) node->floats |= mask_bit(r);
    Val val{val_of(outputs[r]).slot, {}};
    if (any && floats && grad_enabled()) val.edge = {node, static_cast<int32_t>(r)};
    results.push_back(Var::of(std::move(val)));
  }
  return results;
}

}  // namespace trivium::record
