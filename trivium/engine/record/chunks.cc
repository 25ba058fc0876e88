// Values are numbered anew inside a chunk, in the order in which it reads and makes them: that
// numbering is its key. Parts of memory that is there are not computed but pointed
// to, and many parts are joined where they lie.
#include "trivium/engine/record/chunks.h"

#include <algorithm>
#include <climits>
#include <cstring>

#include "trivium/engine/compile/compile.h"
#include "trivium/engine/core/log.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/record/strided.h"
#include "trivium/engine/record/structures.h"
#include "trivium/engine/run/executor.h"

namespace trivium::record {
namespace {

constexpr size_t kMostChunks = 4096;
// A chunk has kFewest to kMost ops; between, it ends after every kUsual-th on average.
constexpr int kFewest = 4, kUsual = 8, kMost = 24;
constexpr int32_t kTerms = 16;  // of a sum
constexpr int kMany = 9;        // operands of an op that is a chunk of its own

struct Chunk {
  std::vector<uint64_t> key;
  std::shared_ptr<const run::Plan> plan;
  std::vector<int32_t> inputs, scalars;  // which of the values read each plan input and scalar is
};

StructureTable<Chunk>& table() {
  static StructureTable<Chunk>& all = *new StructureTable<Chunk>(kMostChunks);
  return all;
}

/// Does a chunk end between two ops? The same two always say the same.
bool ends_between(const Call* a, const Call* b) {
  uint64_t h = pack(static_cast<int32_t>(a->id), static_cast<int32_t>(b->id));
  h = (h ^ h >> 31) * 0x9e3779b97f4a7c15ull;
  return (h >> 40) % kUsual == 0;
}

class ChunkRun {
 public:
  ChunkRun(const Recording& recording, std::span<const int32_t> wanted)
      : leaves_(recording.leaves) {
    split_sums(recording);
    last_use_.assign(metas_.size(), -1);
    memory_.resize(metas_.size());
    leaf_.assign(metas_.size(), -1);
    local_.assign(metas_.size(), -1);
    for (size_t l = 0; l < leaves_.size(); ++l) {
      const Tape::Leaf& leaf = leaves_[l];
      leaf_[leaf.value] = static_cast<int32_t>(l);
      if (leaf.kind == Tape::LeafKind::array) memory_[leaf.value] = leaf.slot->value;
    }
    for (int32_t v : wanted) last_use_[v] = INT_MAX;
  }

  std::vector<Array> run(std::span<const int32_t> wanted) {
    find_needed();
    for (size_t i = needed_.size(); i-- > 0;) {
      const int32_t n = needed_[i];
      if (point_to_part(n) || join_parts(n)) continue;
      const bool alone = nodes_[n].operands >= kMany;
      if (alone && !chunk_.empty()) run_chunk();
      chunk_.push_back(n);
      if (alone || i == 0 || ends_after(n, needed_[i - 1])) run_chunk();
    }
    if (!chunk_.empty()) run_chunk();
    std::vector<Array> results;
    for (int32_t v : wanted) results.push_back(std::move(memory_[v]));
    return results;
  }

 private:
  std::span<const int32_t> operands_of(const Tape::NodeRecord& n) const {
    return std::span(operands_).subspan(static_cast<size_t>(n.first_operand),
                                        static_cast<size_t>(n.operands));
  }

  /// The tape's ops, with a sum of many values (the gradient of what all steps share) written as
  /// short sums that add in the same order.
  void split_sums(const Recording& r) {
    static const OpDef* const add_n = call("add_n")->op;
    metas_.reserve(r.values.size());
    for (const Tape::ValueRecord& v : r.values) metas_.push_back(v.meta);
    operands_.assign(r.operands.begin(), r.operands.end());
    nodes_.reserve(r.nodes.size());
    for (const Tape::NodeRecord& n : r.nodes) {
      if (n.call->op != add_n || n.operands <= kTerms) {
        nodes_.push_back(n);
        continue;
      }
      int32_t sum = r.operands[n.first_operand];
      for (int32_t from = 1; from < n.operands; from += kTerms - 1) {
        const int32_t to = std::min(n.operands, from + kTerms - 1);
        Tape::NodeRecord part = n;
        part.first_operand = static_cast<int32_t>(operands_.size());
        part.operands = to - from + 1;
        operands_.push_back(sum);
        for (int32_t i = from; i < to; ++i) operands_.push_back(r.operands[n.first_operand + i]);
        if (to < n.operands) {
          part.first_value = static_cast<int32_t>(metas_.size());
          metas_.push_back(metas_[n.first_value]);
        }
        sum = part.first_value;
        nodes_.push_back(part);
      }
    }
  }

  /// The ops that lead to something wanted, last first, and who reads each value last.
  void find_needed() {
    for (size_t i = nodes_.size(); i-- > 0;) {
      const Tape::NodeRecord& n = nodes_[i];
      bool needed = false;
      for (int32_t k = 0; k < n.results; ++k) needed |= last_use_[n.first_value + k] >= 0;
      if (!needed) continue;
      needed_.push_back(static_cast<int32_t>(i));
      for (int32_t v : operands_of(n))
        if (last_use_[v] < 0) last_use_[v] = static_cast<int32_t>(i);
    }
  }

  bool ends_after(int32_t node, int32_t next) const {
    const int size = static_cast<int>(chunk_.size());
    if (size < kFewest) return false;
    return size >= kMost || ends_between(nodes_[node].call, nodes_[next].call);
  }

  /// A slice or reshape that lies row by row in memory that is there: its place differs from op to
  /// op, so that a plan for it would be met once. False when it has to be computed.
  bool point_to_part(int32_t index) {
    const Tape::NodeRecord& n = nodes_[index];
    const std::string& name = n.call->op->name();
    if ((name != "slice" && name != "reshape") || last_use_[n.first_value] == INT_MAX) return false;
    const int32_t from = operands_of(n)[0];
    if (leaf_[from] >= 0 && leaves_[leaf_[from]].kind != Tape::LeafKind::array) return false;
    Layout part = Layout::row_major(metas_[from]->shape);
    if (!part.apply(*n.call) || !is_row_major(Shape(part.shape), part.strides)) return false;
    if (name == "slice" && !memory_[from].defined() && !chunk_.empty()) run_chunk();
    const Array& whole = memory_[from];
    if (!whole.defined()) return false;
    const auto before =
        static_cast<const char*>(whole.raw()) - static_cast<const char*>(whole.buffer()->data());
    const int64_t offset = before + part.offset * static_cast<int64_t>(size_of(whole.dtype()));
    memory_[n.first_value] =
        Array(Shape(part.shape), whole.dtype(), whole.buffer(), static_cast<size_t>(offset));
    drop_after(from, index);
    return true;
  }

  /// Many values one after the other in memory: how many there are differs from tape to tape.
  bool join_parts(int32_t index) {
    const Tape::NodeRecord& n = nodes_[index];
    if (n.operands < kMany || n.call->op->name() != "concat") return false;
    const Meta* m = metas_[n.first_value];
    const int axis = m->shape.axis(static_cast<int>(n.call->attrs->integer("axis")));
    for (int i = 0; i < axis; ++i)
      if (m->shape[i] != 1) return false;
    bool there = true;
    for (int32_t v : operands_of(n)) {
      if (leaf_[v] >= 0 && leaves_[leaf_[v]].kind != Tape::LeafKind::array) return false;
      there &= memory_[v].defined();
    }
    if (!there) run_chunk();
    Array joined(m->shape, m->dtype);
    auto* to = static_cast<char*>(joined.raw());
    for (int32_t v : operands_of(n)) {
      const Array& part = memory_[v];
      if (part.bytes() > 0) std::memcpy(to, part.raw(), part.bytes());
      to += part.bytes();
    }
    for (int32_t v : operands_of(n)) drop_after(v, index);
    memory_[n.first_value] = std::move(joined);
    return true;
  }

  /// `node` has read the value; ops of the chunk at hand may still have to.
  void drop_after(int32_t value, int32_t node) {
    if (last_use_[value] > node) return;
    if (chunk_.empty())
      memory_[value] = {};
    else
      read_early_.push_back(value);
  }

  /// Numbers the values of the chunk and writes its key.
  void describe() {
    key_.assign(1, pack(threads(), static_cast<int32_t>(chunk_.size())));
    const int32_t last = chunk_.back();
    for (int32_t i : chunk_) {
      const Tape::NodeRecord& n = nodes_[i];
      key_.push_back(pack(static_cast<int32_t>(n.call->id), n.operands));
      key_.push_back(pack(n.scope, n.results));
      for (int32_t v : operands_of(n)) {
        if (local_[v] >= 0) {
          key_.push_back(static_cast<uint64_t>(local_[v]));
          continue;
        }
        local_[v] = next_local_++;
        read_.push_back(v);
        const Tape::Leaf* leaf = leaf_[v] >= 0 ? &leaves_[leaf_[v]] : nullptr;
        const Tape::LeafKind kind = leaf ? leaf->kind : Tape::LeafKind::array;
        key_.push_back(pack(local_[v], 1 + static_cast<int32_t>(kind)));
        key_.push_back(pack(static_cast<int32_t>(metas_[v]->id), 0) ^ (leaf ? leaf->hash : 0));
      }
      for (int32_t k = 0; k < n.results; ++k) {
        const int32_t v = n.first_value + k;
        local_[v] = next_local_++;
        if (last_use_[v] > last) made_.push_back(v);
      }
    }
    for (int32_t v : made_) key_.push_back(pack(-1, local_[v]));
  }

  std::shared_ptr<Chunk> compile() {
    auto chunk = std::make_shared<Chunk>();
    chunk->key = key_;
    Graph graph;
    std::vector<Value> values(static_cast<size_t>(next_local_));
    std::vector<int32_t> inputs, scalars;  // index into read_ of each graph input and scalar
    for (size_t i = 0; i < read_.size(); ++i) {
      const int32_t v = read_[i];
      const Meta* m = metas_[v];
      const Tape::Leaf* leaf = leaf_[v] >= 0 ? &leaves_[leaf_[v]] : nullptr;
      Value& value = values[local_[v]];
      if (leaf && leaf->kind == Tape::LeafKind::constant) {
        value = graph.constant(leaf->array);
      } else if (leaf && leaf->kind == Tape::LeafKind::scalar) {
        value = graph.scalar("number", m->dtype);
        scalars.push_back(static_cast<int32_t>(i));
      } else {
        value = graph.input("leaf", m->shape, m->dtype);
        inputs.push_back(static_cast<int32_t>(i));
      }
    }
    std::vector<Value> operands, fetches;
    for (int32_t i : chunk_) {
      const Tape::NodeRecord& n = nodes_[i];
      operands.clear();
      for (int32_t v : operands_of(n)) operands.push_back(values[local_[v]]);
      graph.set_scope(scope_name(n.scope));
      const Value v = graph.op(*n.call->op, operands, *n.call->attrs);
      for (int32_t k = 0; k < n.results; ++k)
        values[local_[n.first_value + k]] = graph.output_of(v, k);
    }
    for (int32_t v : made_) fetches.push_back(values[local_[v]]);
    const compile::Prepared prepared = compile::prepare(graph, {}, fetches, true);
    chunk->plan = prepared.plan;
    for (int i : prepared.inputs) chunk->inputs.push_back(inputs[i]);
    for (int i : prepared.scalars) chunk->scalars.push_back(scalars[i]);
    return chunk;
  }

  void run_chunk() {
    describe();
    const uint64_t hash = hash_bytes(key_.data(), key_.size() * sizeof(uint64_t));
    std::shared_ptr<Chunk> chunk = table().find(hash, key_);
    if (!chunk) {
      chunk = compile();
      table().add(hash, chunk);
    }
    bindings_.inputs.clear();
    bindings_.scalars.clear();
    for (int32_t i : chunk->inputs) bindings_.inputs.push_back(memory_[read_[i]]);
    for (int32_t i : chunk->scalars) bindings_.scalars.push_back(leaves_[leaf_[read_[i]]].number);
    outputs_.clear();
    run::execute(*chunk->plan, bindings_, outputs_);
    for (size_t i = 0; i < made_.size(); ++i) memory_[made_[i]] = std::move(outputs_[i]);
    for (int32_t i : chunk_)
      for (int32_t k = 0; k < nodes_[i].results; ++k) local_[nodes_[i].first_value + k] = -1;
    const int32_t last = chunk_.back();
    chunk_.clear();
    for (int32_t v : read_) {
      local_[v] = -1;
      drop_after(v, last);
    }
    for (int32_t v : read_early_) memory_[v] = {};
    read_early_.clear();
    read_.clear();
    made_.clear();
    next_local_ = 0;
  }

  std::vector<Tape::NodeRecord> nodes_;
  std::vector<int32_t> operands_;
  std::vector<const Meta*> metas_;  // of values
  std::span<const Tape::Leaf> leaves_;
  std::vector<int32_t> needed_;    // last first
  std::vector<int32_t> last_use_;  // the last node that reads a value; INT_MAX: wanted; -1: nobody
  std::vector<Array> memory_;      // of values
  std::vector<int32_t> leaf_;      // of values; -1: made by a node
  // Of the chunk at hand.
  std::vector<int32_t> chunk_, read_, made_;
  std::vector<int32_t> read_early_;  // last read by what was not part of it
  std::vector<int32_t> local_;       // of values; -1: not met in it (or made by an earlier one)
  int32_t next_local_ = 0;
  std::vector<uint64_t> key_;
  run::Bindings bindings_;
  std::vector<Array> outputs_;
};

}  // namespace

std::vector<Array> run_in_chunks(const Recording& recording, std::span<const int32_t> wanted) {
  return ChunkRun(recording, wanted).run(wanted);
}

}  // namespace trivium::record
