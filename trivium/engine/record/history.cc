// Recording an op with its history, and the objects the history is made of.
#include <mutex>

#include "trivium/engine/record/safety.h"
#include "trivium/engine/record/var_impl.h"

namespace trivium::record {
namespace {

constexpr size_t kInline = 8;

/// Operand numbers or metas: on the stack for nearly every op.
template <typename T>
struct Few {
  explicit Few(size_t n) : count(n) {
    if (n > kInline) more.resize(n);
  }
  T* data() { return more.empty() ? near : more.data(); }
  std::span<const T> span() { return {data(), count}; }
  T near[kInline];
  std::vector<T> more;
  size_t count;
};

uint64_t bit(size_t i) { return uint64_t{1} << (i < 63 ? i : 63); }

struct Saved {
  uint64_t operands = 0, results = 0;
};

/// What the derivative will read, whichever results a gradient arrives at.
Saved saved_of(const Call* call, Inference& inference, uint64_t wanted, uint64_t floats) {
  if (!call->op->gradient()) return {};
  const GradRule& all = grad_rule(call, inference, wanted, floats);
  Saved saved{all.saved_operands, all.saved_results};
  if (floats != 1 && floats & 1) {
    const GradRule& first = grad_rule(call, inference, wanted, 1);
    saved.operands |= first.saved_operands;
    saved.results |= first.saved_results;
  }
  return saved;
}

}  // namespace

void count_up(GradNode* p) { p->retain(); }
void count_down(GradNode* p) { p->release(); }

uint64_t next_sequence() {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

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
  return Ref<GradNode>(node);
}

void GradNode::destroy() {
  // A chain of a hundred thousand ops is let go without recursion: nodes whose turn has come wait
  // in a list of the thread.
  static thread_local std::vector<GradNode*>* waiting = nullptr;
  if (waiting) {
    waiting->push_back(this);
    return;
  }
  std::vector<GradNode*> list{this};
  waiting = &list;
  while (!list.empty()) {
    GradNode* node = list.back();
    list.pop_back();
    for (int32_t i = 0; i < node->inputs + node->results; ++i) node->saved()[i].~Ref<Slot>();
    for (int32_t i = 0; i < node->inputs; ++i) node->edges()[i].~Edge();
    if (node->leaf) node->leaf->accumulator = nullptr;
    const size_t bytes = node_bytes(node->inputs, node->results);
    node->~GradNode();
    pool_give(node, bytes);
  }
  waiting = nullptr;
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

void record_call(const Call* call, std::span<const Val> in, std::span<Val> out, bool history) {
  Few<const Meta*> metas(in.size());
  Few<int32_t> ids(in.size());
  uint64_t wanted = 0;
  Tape& tape = Tape::mine();
  for (size_t i = 0; i < in.size(); ++i) {
    const Slot& slot = *in[i].slot;
    metas.data()[i] = slot.meta;
    if (in[i].edge.node && is_floating(slot.meta->dtype)) wanted |= bit(i);
    if (slot.tape && slot.tape != &tape) Tape::submit_of(slot.tape);
  }
  Inference& inference = call->infer(metas.span());
  uint64_t floats = 0;
  for (size_t r = 0; r < inference.results.size(); ++r)
    if (is_floating(inference.results[r]->dtype)) floats |= bit(r);
  const bool keeps = history && wanted && floats && call->op->name() != "stop_gradient";
  Ref<GradNode> node;
  Saved saved;
  if (keeps) {
    node = GradNode::make(static_cast<int32_t>(in.size()),
                          static_cast<int32_t>(inference.results.size()));
    node->call = call;
    node->inference = &inference;
    node->sequence = next_sequence();
    node->wanted = wanted;
    node->floats = floats;
    node->scope = tape.scope();
    if (detect_anomaly()) node->rarely().site = call_site();
    saved = saved_of(call, inference, wanted, floats);
  }
  {
    std::lock_guard<OwnerLock> hold(tape.lock());
    for (size_t i = 0; i < in.size(); ++i) ids.data()[i] = tape.value_of(in[i].slot);
    const int32_t first = tape.append(call, ids.span(), inference);
    for (size_t r = 0; r < out.size(); ++r)
      out[r].slot = tape.promise(first + static_cast<int32_t>(r));
    if (keeps) {
      for (size_t i = 0; i < in.size(); ++i) {
        if (wanted & bit(i)) node->edges()[i] = in[i].edge;
        if (saved.operands & bit(i)) node->saved()[i] = in[i].slot;
      }
      for (size_t r = 0; r < inference.results.size(); ++r)
        if (saved.results & bit(r))
          node->saved()[in.size() + r] = tape.promise(first + static_cast<int32_t>(r));
    }
  }
  for (size_t r = 0; r < out.size(); ++r)
    out[r].edge = keeps && floats & bit(r) ? Edge{node, static_cast<int32_t>(r)} : Edge{};
  tape.after_record();
}

Val filled(double number, const Meta* meta) {
  Tape& tape = Tape::mine();
  const Call* call = broadcast_call(meta->shape.dims());
  const Meta* scalar = meta_of(Shape{}, meta->dtype);
  const Inference& inference = call->infer({&scalar, 1});
  std::lock_guard<OwnerLock> hold(tape.lock());
  const int32_t one = tape.constant(Array::full(Shape{}, number, meta->dtype));
  return {tape.promise(tape.append(call, {&one, 1}, inference)), {}};
}

Var apply(const Call* call, std::span<const Var> operands) {
  Few<Val> in(operands.size());
  for (size_t i = 0; i < operands.size(); ++i) in.data()[i] = val_of(operands[i]);
  Val out;
  record_call(call, in.span(), {&out, 1}, grad_enabled());
  const Ref<GradNode> node = strict_inplace() ? out.edge.node : Ref<GradNode>();
  Var result = Var::of(std::move(out));
  if (node) watch_kept(*node, operands, {&result, 1});
  return result;
}

std::vector<Var> apply_all(const Call* call, std::span<const Var> operands) {
  Few<Val> in(operands.size());
  Few<const Meta*> metas(operands.size());
  for (size_t i = 0; i < operands.size(); ++i) {
    in.data()[i] = val_of(operands[i]);
    metas.data()[i] = in.data()[i].meta();
  }
  std::vector<Val> out(call->infer(metas.span()).results.size());
  record_call(call, in.span(), out, grad_enabled());
  Ref<GradNode> node;
  if (strict_inplace())
    for (const Val& v : out)
      if (v.edge.node) node = v.edge.node;
  std::vector<Var> results;
  for (Val& v : out) results.push_back(Var::of(std::move(v)));
  if (node) watch_kept(*node, operands, results);
  return results;
}

std::vector<Var> attach_rule(const std::string& name, std::span<const Var> inputs,
                             std::span<const Var> outputs, Rule rule) {
  Ref<GradNode> node =
      GradNode::make(static_cast<int32_t>(inputs.size()), static_cast<int32_t>(outputs.size()));
  node->sequence = next_sequence();
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
    if (node->edges()[i].node) node->wanted |= bit(i);
  }
  rare.rule = std::move(rule);
  std::vector<Var> results;
  for (size_t r = 0; r < outputs.size(); ++r) {
    rare.result_metas.push_back(outputs[r].meta());
    const bool floats = is_floating(outputs[r].dtype());
    if (floats) node->floats |= bit(r);
    Val val{val_of(outputs[r]).slot, {}};
    if (any && floats && grad_enabled()) val.edge = {node, static_cast<int32_t>(r)};
    results.push_back(Var::of(std::move(val)));
  }
  return results;
}

}  // namespace trivium::record
