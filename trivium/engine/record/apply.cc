// Recording an op, with its history when gradients are wanted. This is the path every op of a
// program takes: operands are borrowed, not copied, and all of it happens under one lock.
#include <mutex>

#include "trivium/engine/record/safety.h"
#include "trivium/engine/record/var_impl.h"

namespace trivium::record {
namespace {

/// An operand while its op is recorded; somebody else holds what it points to.
struct Operand {
  Slot* slot;
  GradNode* node;  // null: no history
  int32_t output;
};

/// Operands and what belongs to them: on the stack for nearly every op.
template <typename T>
class Few {
 public:
  explicit Few(size_t n) : count_(n) {
    if (n > kInline) more_ = std::make_unique<T[]>(n);
  }
  T* data() { return more_ ? more_.get() : near_; }
  T& operator[](size_t i) { return data()[i]; }
  std::span<T> span() { return {data(), count_}; }

 private:
  static constexpr size_t kInline = 8;
  T near_[kInline];
  std::unique_ptr<T[]> more_;
  size_t count_;
};

struct Saved {
  uint64_t operands = 0, results = 0;
};

/// What the derivative will read, whichever results a gradient arrives at.
Saved saved_of(const Call* call, Inference& inference, uint64_t wanted) {
  const uint64_t floats = inference.floating_results;
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

/// The shape rule's answer, which is mostly that of the time before.
Inference& infer(const Call* call, std::span<const Operand> in) {
  Inference* const last = call->last.load(std::memory_order_acquire);
  if (last && last->operands.size() == in.size()) {
    size_t same = 0;
    while (same < in.size() && last->operands[same] == in[same].slot->meta) ++same;
    if (same == in.size()) return *last;
  }
  Few<const Meta*> metas(in.size());
  for (size_t i = 0; i < in.size(); ++i) metas[i] = in[i].slot->meta;
  return call->infer(metas.span());
}

Ref<GradNode> history_node(const Call* call, std::span<const Operand> in, Inference& inference,
                           uint64_t wanted, const Saved& saved) {
  Ref<GradNode> node = GradNode::make(static_cast<int32_t>(in.size()),
                                      static_cast<int32_t>(inference.results.size()));
  node->call = call;
  node->inference = &inference;
  node->wanted = wanted;
  node->floats = inference.floating_results;
  Edge* const edges = node->edges();
  for (size_t i = 0; i < in.size(); ++i) {
    if (wanted & mask_bit(i)) edges[i] = {Ref<GradNode>(in[i].node), in[i].output};
    if (saved.operands & mask_bit(i)) node->saved()[i] = Ref<Slot>(in[i].slot);
  }
  node->sequence = next_sequence(*node);
  return node;
}

struct Recorded {
  int32_t first;       // value of the first result
  Ref<GradNode> node;  // null: no history
};

/// The op on the tape, which is locked; every operand is ready or this tape's promise.
Recorded record_locked(Tape& tape, const Call* call, std::span<const Operand> in,
                       Inference& inference, bool history) {
  Recorded made;
  Saved saved;
  uint64_t wanted = 0;
  if (history) {
    for (size_t i = 0; i < in.size(); ++i)
      if (in[i].node) wanted |= mask_bit(i);
    wanted &= inference.floating_operands;
    if (wanted && inference.floating_results && !call->cuts_history) {
      saved = saved_of(call, inference, wanted);
    } else {
      wanted = 0;
    }
  }
  Few<int32_t> ids(in.size());
  for (size_t i = 0; i < in.size(); ++i) ids[i] = tape.value_of(in[i].slot);
  made.first = tape.append(call, ids.span(), inference);
  if (wanted == 0) return made;
  made.node = history_node(call, in, inference, wanted, saved);
  made.node->scope = tape.scope();
  for (size_t r = 0; saved.results != 0 && r < inference.results.size(); ++r)
    if (saved.results & mask_bit(r))
      made.node->saved()[in.size() + r] = tape.promise(made.first + static_cast<int32_t>(r));
  return made;
}

/// What `v` is at the moment, when that can be said without recording, running or counting
/// anything. The tape is locked.
bool borrow(const Var& v, const Tape& tape, Operand& operand) {
  VarImpl* const x = v.impl();
  if (!x) return false;
  const Storage& storage = *x->storage;
  if (x->foreign || storage.exports.load(std::memory_order_relaxed) > 0) return false;
  Slot* slot = storage.current.get();
  if (x->is_view()) {
    slot = x->cached;
    if (!slot || x->cached_version != storage.version || slot->error) return false;
  }
  const Tape* const owner = slot->tape.load(std::memory_order_acquire);
  if (owner && owner != &tape) return false;
  operand.slot = slot;
  operand.node = x->edge.node.get();
  operand.output = x->edge.output;
  if (operand.node || !x->wants_grad) return true;
  operand.node = x->accumulator;
  operand.output = 0;
  return operand.node != nullptr;
}

/// The way of operands that have to be derived or copied first, and of watched programs.
Var apply_values(const Call* call, std::span<const Var> operands) {
  std::vector<Val> in;
  in.reserve(operands.size());
  for (const Var& v : operands) in.push_back(val_of(v));
  Val out;
  record_call(call, in, {&out, 1}, grad_enabled());
  const Ref<GradNode> node = strict_inplace() ? out.edge.node : Ref<GradNode>();
  Var result = Var::of(std::move(out));
  if (node) watch_kept(*node, operands, {&result, 1});
  return result;
}

/// `at(i)` is operand i of n. Undefined when an operand cannot be borrowed.
template <typename At>
Var apply_borrowed(const Call* call, size_t n, const At& at) {
  Tape& tape = Tape::mine();
  Few<Operand> in(n);
  Var result;
  {
    std::lock_guard<OwnerLock> hold(tape.lock());
    for (size_t i = 0; i < n; ++i)
      if (!borrow(at(i), tape, in[i])) return result;
    Inference& inference = infer(call, in.span());
    Recorded made = record_locked(tape, call, in.span(), inference, grad_enabled());
    const bool saved = made.node && made.node->saved()[n];
    Edge edge;
    if (made.node && inference.floating_results & 1) edge.node = std::move(made.node);
    result = Var(make_counted<VarImpl>(
        saved ? tape.promise(made.first) : tape.promise_fresh(made.first), std::move(edge)));
  }
  tape.after_record();
  return result;
}

}  // namespace

void record_call(const Call* call, std::span<const Val> in, std::span<Val> out, bool history) {
  Tape& tape = Tape::mine();
  Few<Operand> operands(in.size());
  for (size_t i = 0; i < in.size(); ++i) {
    Slot* const slot = in[i].slot.get();
    operands[i] = {slot, in[i].edge.node.get(), in[i].edge.output};
    if (Tape* owner = slot->tape; owner && owner != &tape) Tape::submit_of(owner);
  }
  Inference& inference = infer(call, operands.span());
  Recorded made;
  {
    std::lock_guard<OwnerLock> hold(tape.lock());
    made = record_locked(tape, call, operands.span(), inference, history);
    for (size_t r = 0; r < out.size(); ++r)
      out[r].slot = tape.promise(made.first + static_cast<int32_t>(r));
  }
  if (made.node && detect_anomaly()) made.node->rarely().site = call_site();
  for (size_t r = 0; r < out.size(); ++r)
    out[r].edge = made.node && inference.floating_results & mask_bit(r)
                      ? Edge{made.node, static_cast<int32_t>(r)}
                      : Edge{};
  tape.after_record();
}

Var apply(const Call* call, std::span<const Var> operands) {
  if (!watching())
    if (Var result = apply_borrowed(call, operands.size(),
                                    [&](size_t i) -> const Var& { return operands[i]; });
        result.defined())
      return result;
  return apply_values(call, operands);
}

Var apply(const Call* call, std::initializer_list<Named> operands) {
  if (!watching())
    if (Var result =
            apply_borrowed(call, operands.size(),
                           [&](size_t i) -> const Var& { return operands.begin()[i].var(); });
        result.defined())
      return result;
  std::vector<Var> copies;
  copies.reserve(operands.size());
  for (const Named& o : operands) copies.push_back(o.var());
  return apply_values(call, copies);
}

std::vector<Var> apply_all(const Call* call, std::span<const Var> operands) {
  std::vector<Val> in;
  in.reserve(operands.size());
  Few<const Meta*> metas(operands.size());
  for (size_t i = 0; i < operands.size(); ++i) {
    in.push_back(val_of(operands[i]));
    metas[i] = in[i].meta();
  }
  std::vector<Val> out(call->infer(metas.span()).results.size());
  record_call(call, in, out, grad_enabled());
  Ref<GradNode> node;
  if (strict_inplace())
    for (const Val& v : out)
      if (v.edge.node) node = v.edge.node;
  std::vector<Var> results;
  for (Val& v : out) results.push_back(Var::of(std::move(v)));
  if (node) watch_kept(*node, operands, results);
  return results;
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

}  // namespace trivium::record
