// Submitting a tape: what of it is wanted, its structure as a key of words, and its plan: looked
// up, or on the first meeting made from a Graph, or for structures that do not come back, run in
// chunks.
#include <algorithm>
#include <atomic>

#include "trivium/engine/compile/compile.h"
#include "trivium/engine/core/log.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/record/check.h"
#include "trivium/engine/record/chunks.h"
#include "trivium/engine/record/structures.h"
#include "trivium/engine/record/tape.h"
#include "trivium/engine/run/executor.h"

namespace trivium::record {
namespace {

constexpr size_t kMostStructures = 1024;

std::atomic<int64_t> submitted{0}, built{0}, chunked{0};

Reuse& reuse() {
  static Reuse& all = *new Reuse;
  return all;
}

}  // namespace

SubmitCounters submit_counters() { return {submitted.load(), built.load(), chunked.load()}; }

bool Reuse::worth_a_plan(uint64_t hash, size_t nodes, size_t bytes) {
  if (nodes < kSmall || bytes > nodes * kBytesAnOp || mode() != Mode::lazy) return true;
  std::lock_guard<std::mutex> hold(lock_);
  const auto unpaid = std::count_if(latest_.begin(), latest_.end(),
                                    [](const Meetings& m) { return m && *m < kPays; });
  if (static_cast<size_t>(unpaid) < kUnpaid) return true;
  if (met_.size() >= kMostMet) met_.clear();
  if (++met_[hash] < kPays) return false;
  met_.erase(hash);
  return true;
}

void Reuse::planned(size_t nodes, Meetings meetings) {
  if (nodes < kSmall) return;
  std::lock_guard<std::mutex> hold(lock_);
  latest_[next_++ % kLatest] = std::move(meetings);
}

/// What a submission is about, read off the tape.
struct Tape::Job {
  struct Update {
    int32_t leaf;   // index among leaves, -1 when the old content is not read
    int32_t value;  // the new content
    size_t rebound;
  };
  std::vector<int32_t> results;
  std::vector<Ref<Slot>> slots;  // one a result
  std::vector<Update> updates;
  std::vector<Ref<Slot>> update_slots;
  std::vector<uint64_t> key;
  uint64_t hash = 0;
};

/// A structure met before: its plan, and which leaf goes to which slot of it.
struct Tape::Compiled {
  std::vector<uint64_t> key;
  std::shared_ptr<const run::Plan> plan;
  std::vector<int32_t> inputs, scalars;  // leaf of each plan input and scalar
  std::vector<int32_t> cells;            // update of each plan cell
  Reuse::Meetings meetings = std::make_shared<std::atomic<int>>(0);
};

void Tape::submit() {
  std::lock_guard<OwnerLock> hold(lock_);
  if (running_) return;
  if (nodes_.empty()) {
    clear();
    return;
  }
  running_ = true;
  Job job;  // holds its results until the tape has forgotten them: their other holders may let go
  struct Done {
    Tape& tape;
    ~Done() {
      tape.clear();
      tape.running_ = false;
    }
  } done{*this};
  for (size_t r = 0; r < rebound_.size(); ++r) {
    const Rebound& b = rebound_[r];
    Slot* now = b.storage->current.get();
    const bool alive = b.storage->references() > 1;
    if (!alive || now->tape != this || now->meta != b.before->meta) continue;
    const int32_t leaf = leaf_of_.find(b.before.get());
    const bool read = leaf >= 0;
    if (b.before->references() > (read ? 2 : 1)) continue;  // somebody still wants the old content
    const bool twice = std::any_of(job.updates.begin(), job.updates.end(),
                                   [&](const Job::Update& u) { return u.value == now->index; });
    if (twice) continue;
    job.updates.push_back({leaf, now->index, r});
    job.update_slots.push_back(b.storage->current);
  }
  std::vector<char> updated(values_.size(), 0);
  for (const Job::Update& u : job.updates) updated[u.value] = 1;
  for (size_t v = 0; v < values_.size(); ++v) {
    Slot* slot = values_[v].slot;
    if (!slot || updated[v] || !slot->is_held() || !slot->try_retain()) continue;
    job.results.push_back(static_cast<int32_t>(v));
    job.slots.push_back(Ref<Slot>::adopt(slot));
  }
  try {
    run(job);
  } catch (...) {
    for (const Ref<Slot>& s : job.slots) s->fail(std::current_exception());
    for (const Ref<Slot>& s : job.update_slots) s->fail(std::current_exception());
    throw;
  }
}

void Tape::write_key(Job& job) const {
  std::vector<uint64_t>& key = job.key;
  key.reserve(nodes_.size() * 4 + leaves_.size() * 2 + job.results.size() + 16);
  key.push_back(static_cast<uint64_t>(threads()));
  key.push_back(pack(static_cast<int32_t>(nodes_.size()), static_cast<int32_t>(leaves_.size())));
  for (const Leaf& l : leaves_) {
    key.push_back(pack(static_cast<int32_t>(l.kind), l.value));
    key.push_back(pack(static_cast<int32_t>(values_[l.value].meta->id), 0) ^ l.hash);
  }
  for (const NodeRecord& n : nodes_) {
    key.push_back(pack(static_cast<int32_t>(n.call->id), n.operands));
    key.push_back(pack(n.first_value, n.results));
  }
  for (size_t i = 0; i + 1 < operands_.size(); i += 2)
    key.push_back(pack(operands_[i], operands_[i + 1]));
  if (operands_.size() % 2) key.push_back(pack(operands_.back(), -1));
  key.push_back(
      pack(static_cast<int32_t>(job.results.size()), static_cast<int32_t>(job.updates.size())));
  for (int32_t r : job.results) key.push_back(static_cast<uint64_t>(r));
  for (const Job::Update& u : job.updates) key.push_back(pack(u.leaf, u.value));
  job.hash = hash_bytes(key.data(), key.size() * sizeof(uint64_t));
}

void Tape::run(Job& job) {
  write_key(job);
  static StructureTable<Compiled>& table = *new StructureTable<Compiled>(kMostStructures);
  std::shared_ptr<Compiled> compiled = table.find(job.hash, job.key);
  ++submitted;
  log::event(log::Topic::record, "submit: {} nodes, {} leaves, {} results, {} updates in place",
             nodes_.size(), leaves_.size(), job.results.size(), job.updates.size());
  if (compiled) {
    compiled->meetings->fetch_add(1, std::memory_order_relaxed);
  } else if (reuse().worth_a_plan(job.hash, nodes_.size(), bytes_of_results())) {
    ++built;
    compiled = compile(job);
    table.add(job.hash, compiled);
    reuse().planned(nodes_.size(), compiled->meetings);
  }
  if (compiled) {
    run_plan(job, *compiled);
  } else {
    ++chunked;
    run_chunks(job);
  }
  keep_exported();
  if (mode() == Mode::nan || mode() == Mode::check) {
    std::vector<Array> results;
    for (const Ref<Slot>& s : job.slots) results.push_back(s->value);
    for (const Ref<Slot>& s : job.update_slots) results.push_back(s->value);
    if (mode() == Mode::nan)
      require_finite(nodes_.back().call->op->name(), scope_name(nodes_.back().scope), results);
  }
}

size_t Tape::bytes_of_results() const {
  size_t bytes = 0;
  for (const NodeRecord& n : nodes_)
    for (int32_t r = 0; r < n.results; ++r) {
      const Meta* m = values_[n.first_value + r].meta;
      bytes += static_cast<size_t>(m->count) * size_of(m->dtype);
    }
  return bytes;
}

void Tape::run_chunks(Job& job) {
  std::vector<int32_t> wanted = job.results;
  for (const Job::Update& u : job.updates) wanted.push_back(u.value);
  std::vector<Array> made = run_in_chunks({nodes_, operands_, values_, leaves_}, wanted);
  for (size_t i = 0; i < job.slots.size(); ++i) job.slots[i]->fulfil(std::move(made[i]));
  for (size_t i = 0; i < job.update_slots.size(); ++i)
    job.update_slots[i]->fulfil(std::move(made[job.slots.size() + i]));
}

void Tape::run_plan(Job& job, const Compiled& compiled) {
  run::Bindings bindings;
  bindings.inputs.reserve(compiled.inputs.size());
  for (int32_t l : compiled.inputs) bindings.inputs.push_back(leaves_[l].slot->value);
  bindings.scalars.reserve(compiled.scalars.size());
  for (int32_t l : compiled.scalars) bindings.scalars.push_back(leaves_[l].number);
  bindings.cells.reserve(compiled.cells.size());
  for (int32_t c : compiled.cells) {
    const Rebound& b = rebound_[job.updates[c].rebound];
    CellRef& cell = b.storage->cell;
    const Array& memory = b.before->value;
    if (!cell || cell->value().raw() != memory.raw() || cell->shape() != memory.shape() ||
        cell->dtype() != memory.dtype())
      cell = std::make_shared<Cell>("tensor", memory);
    bindings.cells.push_back(cell);
  }
  std::vector<Array> outputs;
  run::execute(*compiled.plan, bindings, outputs);
  for (size_t i = 0; i < job.slots.size(); ++i) job.slots[i]->fulfil(std::move(outputs[i]));
  for (size_t i = 0; i < job.update_slots.size(); ++i)
    job.update_slots[i]->fulfil(rebound_[job.updates[i].rebound].before->value);
}

void Tape::keep_exported() {
  for (const Rebound& b : rebound_) {  // memory handed out stays where it is
    const Ref<Slot>& now = b.storage->current;
    if (b.storage->exports == 0 || !now->is_ready() || now->error) continue;
    if (now->value.raw() == b.before->value.raw() || now->meta != b.before->meta) continue;
    b.before->value.copy_from(now->value);
    b.storage->current = Slot::ready(b.before->value);
  }
}

void Tape::trace(Graph& graph, std::vector<Value>& values,
                 const std::function<Value(int32_t)>& leaf_value) const {
  values.assign(values_.size(), {});
  for (const Leaf& leaf : leaves_) {
    const Meta* m = values_[leaf.value].meta;
    Value& v = values[leaf.value];
    if (leaf.kind == LeafKind::constant) {
      v = graph.constant(leaf.array);
    } else if (leaf.kind == LeafKind::scalar) {
      v = graph.scalar("number", m->dtype);
    } else {
      if (leaf_value) v = leaf_value(leaf.value);
      if (!v.defined()) v = graph.input("leaf", m->shape, m->dtype);
    }
  }
  std::vector<Value> operands;
  int32_t scope = -1;
  for (const NodeRecord& n : nodes_) {
    operands.clear();
    for (int32_t i = 0; i < n.operands; ++i)
      operands.push_back(values[operands_[n.first_operand + i]]);
    if (n.scope != scope) graph.set_scope(scope_name(scope = n.scope));
    const Value v = graph.op(*n.call->op, operands, *n.call->attrs);
    for (int32_t r = 0; r < n.results; ++r) values[n.first_value + r] = graph.output_of(v, r);
  }
}

std::shared_ptr<Tape::Compiled> Tape::compile(const Job& job) {
  auto made = std::make_shared<Compiled>();
  made->key = job.key;
  Graph graph;
  std::vector<Value> values;
  std::vector<int32_t> update_of(values_.size(), -1);  // per leaf value
  std::vector<CellRef> cells;
  for (size_t u = 0; u < job.updates.size(); ++u) {
    const Meta* m = values_[job.updates[u].value].meta;
    // Only the Cell's shape is looked at here; the memory is bound when the plan runs.
    cells.push_back(
        std::make_shared<Cell>("tensor", rebound_[job.updates[u].rebound].before->value));
    if (cells.back()->shape() != m->shape) internal_error("record: an update changes the shape");
    if (job.updates[u].leaf >= 0) update_of[job.updates[u].leaf] = static_cast<int32_t>(u);
  }
  std::vector<int32_t> input_leaf, scalar_leaf;
  for (size_t l = 0; l < leaves_.size(); ++l) {
    const Leaf& leaf = leaves_[l];
    if (leaf.kind == LeafKind::scalar) scalar_leaf.push_back(static_cast<int32_t>(l));
    if (leaf.kind == LeafKind::array && update_of[leaf.value] < 0)
      input_leaf.push_back(static_cast<int32_t>(l));
  }
  trace(graph, values,
        [&](int32_t v) { return update_of[v] >= 0 ? graph.read(cells[update_of[v]]) : Value{}; });
  std::vector<Value> fetches;
  for (int32_t r : job.results) fetches.push_back(values[r]);
  for (size_t u = 0; u < job.updates.size(); ++u)
    graph.assign(cells[u], values[job.updates[u].value]);
  const compile::Prepared prepared = compile::prepare(graph, {}, fetches, true);
  made->plan = prepared.plan;
  for (int i : prepared.inputs) made->inputs.push_back(input_leaf[i]);
  for (int i : prepared.scalars) made->scalars.push_back(scalar_leaf[i]);
  for (const CellRef& c : prepared.cells)
    made->cells.push_back(
        static_cast<int32_t>(std::find(cells.begin(), cells.end(), c) - cells.begin()));
  if (mode() == Mode::check)
    check_against_reference(
        graph, fetches,
        [&] {
          std::vector<Array> in;
          for (int32_t l : input_leaf) in.push_back(leaves_[l].slot->value);
          return in;
        }(),
        [&] {
          std::vector<double> in;
          for (int32_t l : scalar_leaf) in.push_back(leaves_[l].number);
          return in;
        }());
  return made;
}

}  // namespace trivium::record
