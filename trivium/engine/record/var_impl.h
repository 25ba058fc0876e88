// Behind Var: the tensor's identity, and GradNode, one recorded op as the reverse walk sees it.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "trivium/engine/record/grad_rule.h"
#include "trivium/engine/record/var.h"

namespace trivium::record {

using Hook = std::function<Var(const Var&)>;
using Hooks = std::vector<std::pair<int64_t, Hook>>;
using Rule = std::function<std::vector<Var>(const std::vector<Var>&)>;

/// One op in the history. Inputs and saved values lie behind the object, in one allocation.
struct GradNode : Counted<GradNode> {
  static Ref<GradNode> make(int32_t inputs, int32_t results);
  void destroy();

  const Call* call = nullptr;  // null: a leaf, or a rule of the caller's
  Inference* inference = nullptr;
  union {
    uint64_t sequence = 0;  // larger than those of the nodes it leads to
    GradNode* next_gone;    // while a history is let go
  };
  uint64_t wanted = 0;
  uint64_t floats = 0;  // results that can have a gradient
  int32_t inputs = 0, results = 0;
  int32_t scope = 0;
  bool consumed = false;  // a backward pass took its saved values

  Edge* edges() { return reinterpret_cast<Edge*>(this + 1); }
  /// Operands, then results; null where the rule does not read them.
  Ref<Slot>* saved() { return reinterpret_cast<Ref<Slot>*>(edges() + inputs); }

  /// A tensor whose content the node keeps, under strict_inplace.
  struct Kept {
    const char* function;  // of which it is an operand or result
    bool result;
    int32_t index;
    const Meta* meta;
    Ref<Storage> storage;
    int64_t version;  // less the uncounted ones
  };
  /// What only few nodes have.
  struct Rare {
    std::vector<Kept> kept_tensors;
    std::string site;  // where the program called, under detect_anomaly
    std::string name;
    Rule rule;  // of attach_rule
    std::vector<const Meta*> operand_metas, result_metas;
    std::vector<std::pair<int32_t, VarImpl*>>
        kept;  // results that retain their gradient; not owned
    std::vector<std::pair<int32_t, std::pair<int64_t, Hook>>> hooks;
  };
  std::unique_ptr<Rare> rare;
  Rare& rarely() {
    if (!rare) rare = std::make_unique<Rare>();
    return *rare;
  }
  Ref<VarImpl> leaf;  // of an accumulating node
  const char* name() const;
  void drop_saved();
};

struct VarImpl : Counted<VarImpl>, Pooled<VarImpl> {
  VarImpl() = default;
  VarImpl(Ref<Slot> slot, Edge made)
      : storage(make_counted<Storage>(std::move(slot))),
        meta(storage->current->meta),
        edge(std::move(made)) {}

  Ref<Storage> storage;
  const Meta* meta = nullptr;
  bool wants_grad = false;  // a leaf that collects a gradient
  bool detached = false;    // a view made without history
  bool foreign = false;     // somebody outside may write the memory
  bool uncounted = false;   // made by uncounted(): writes are not seen by strict_inplace
  Edge edge;                // how it was made
  Ref<VarImpl> grad;
  GradNode* accumulator = nullptr;  // of a leaf; owned by the history that ends in it
  // Views.
  Ref<VarImpl> base;               // whose history it continues
  std::vector<const Call*> chain;  // from the storage's value to this one
  Slot* cached = nullptr;          // view_retained
  int64_t cached_version = -1;
  // Rare.
  Hooks hooks;
  int64_t next_hook = 1;
  bool keeps_grad = false;
  void* companion = nullptr;
  void (*drop_companion)(void*) = nullptr;

  ~VarImpl();
  void destroy() { delete this; }
  bool is_view() const { return !chain.empty(); }
  void cache(const Ref<Slot>& slot);
};

/// The edge under which gradients for `impl` arrive: how it was made, or its accumulator.
Edge edge_for(VarImpl& impl);
/// A number for a node whose edges are set: larger than those of its inputs and of all nodes the
/// thread has made.
inline uint64_t next_sequence(GradNode& node) {
  static constinit thread_local uint64_t last = 0;
  for (int32_t i = 0; i < node.inputs; ++i)
    if (GradNode* input = node.edges()[i].node.get(); input && input->sequence > last)
      last = input->sequence;
  return ++last;
}

/// Records one op; with history when any input has an edge, history is wanted and the result
/// floats.
void record_call(const Call* call, std::span<const Val> in, std::span<Val> out, bool history);
/// A value that is part of the structure: `number` at every place of `meta`.
Val filled(double number, const Meta* meta);

}  // namespace trivium::record
