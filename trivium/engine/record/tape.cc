// Recording appends packed records; submit() writes the structure as a key of words, looks the key
// up, and on the first meeting only records a Graph and prepares a plan.
#include "trivium/engine/record/tape.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "trivium/engine/compile/compile.h"
#include "trivium/engine/core/log.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/record/check.h"
#include "trivium/engine/run/executor.h"

namespace trivium::record {
namespace {

constexpr size_t kMostStructures = 1024;

Mode mode_at_start() {
  const char* name = std::getenv("TRIVIUM_RECORD");
  const std::string text = name ? name : "";
  if (text == "eager") return Mode::eager;
  if (text == "check") return Mode::check;
  if (text == "nan") return Mode::nan;
  if (!text.empty() && text != "lazy")
    user_error("TRIVIUM_RECORD is \"{}\": expected lazy, eager, check or nan", text);
  return Mode::lazy;
}

struct Scopes {
  std::mutex lock;  // guards the rest
  std::map<std::string, int32_t> ids{{"", 0}};
  std::vector<const std::string*> names{&ids.begin()->first};
};
Scopes& scopes() {
  static Scopes& all = *new Scopes;
  return all;
}

std::atomic<int64_t> submitted{0}, built{0};

uint64_t pack(int32_t a, int32_t b) {
  return static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 | static_cast<uint32_t>(b);
}

}  // namespace

Mode first_mode() {
  static const Mode at_start = mode_at_start();
  Mode unset = Mode::unset;
  current_mode.compare_exchange_strong(unset, at_start);
  return current_mode.load();
}

SubmitCounters submit_counters() { return {submitted.load(), built.load()}; }

int32_t scope_id(const std::string& name) {
  Scopes& s = scopes();
  std::lock_guard<std::mutex> hold(s.lock);
  auto [at, fresh] = s.ids.emplace(name, static_cast<int32_t>(s.names.size()));
  if (fresh) s.names.push_back(&at->first);
  return at->second;
}

const std::string& scope_name(int32_t id) {
  Scopes& s = scopes();
  std::lock_guard<std::mutex> hold(s.lock);
  return *s.names[id];
}

namespace {

/// Tapes whose threads have ended, for the next ones. They are never freed: a promise names its
/// tape, and another thread may just be reading that name.
struct FreeTapes {
  std::mutex lock;  // guards the rest
  std::vector<Tape*> tapes;
};
FreeTapes& free_tapes() {
  static FreeTapes& all = *new FreeTapes;
  return all;
}

/// A thread's tape while it lives.
struct TapeLease {
  TapeLease() {
    FreeTapes& f = free_tapes();
    std::lock_guard<std::mutex> hold(f.lock);
    if (f.tapes.empty()) {
      tape = new Tape;
    } else {
      tape = f.tapes.back();
      f.tapes.pop_back();
    }
  }
  ~TapeLease() {
    tape->end_of_thread();
    FreeTapes& f = free_tapes();
    std::lock_guard<std::mutex> hold(f.lock);
    f.tapes.push_back(tape);
  }
  Tape* tape;
};

bool on_main_thread() { return ::syscall(SYS_gettid) == ::getpid(); }

}  // namespace

Tape& Tape::mine() {
  static thread_local TapeLease lease;
  return *lease.tape;
}

void Tape::end_of_thread() {
  {
    std::lock_guard<OwnerLock> hold(lock_);
    scope_ = 0;
    const bool wanted = std::any_of(values_.begin(), values_.end(), [](const ValueRecord& v) {
      return v.slot && v.slot->is_held();
    });
    // What the main thread leaves behind nobody will read: the program is over, and libraries that
    // plans stand on have begun to take themselves down.
    if (!wanted || on_main_thread()) return clear();
  }
  // Another thread may read these. This one's thread-local variables are going one by one.
  std::thread([this] {
    try {
      submit();
    } catch (const std::exception&) {
      // The promises have failed and say so to whoever looks at them.
    }
  }).join();
}

size_t LeafTable::place(const Slot* slot) const {
  const size_t mask = entries_.size() - 1;
  const auto address = reinterpret_cast<uintptr_t>(slot);
  for (size_t at = (address >> 5) * 0x9e3779b97f4a7c15ull >> 20;; ++at) {
    const Entry& e = entries_[at & mask];
    if (e.round != round_ || e.slot == slot) return at & mask;
  }
}

int32_t LeafTable::find_or_add(const Slot* slot, int32_t fresh) {
  if (used_ * 2 >= entries_.size()) {
    std::vector<Entry> before(std::max<size_t>(64, entries_.size() * 2));
    before.swap(entries_);
    for (const Entry& e : before)
      if (e.round == round_) entries_[place(e.slot)] = e;
  }
  Entry& e = entries_[place(slot)];
  if (e.round == round_) return e.value;
  e = {slot, round_, fresh};
  ++used_;
  return fresh;
}

int32_t LeafTable::find(const Slot* slot) const {
  if (used_ == 0) return -1;
  const Entry& e = entries_[place(slot)];
  return e.round == round_ ? e.value : -1;
}

void LeafTable::clear() {
  used_ = 0;
  if (++round_ != 0) return;
  entries_.clear();
  round_ = 1;
}

void Tape::forget(const Slot& slot) {
  if (slot.tape != this) return;  // kept or failed since
  if (slot.index >= static_cast<int32_t>(values_.size())) return;
  ValueRecord& record = values_[slot.index];
  if (record.slot == &slot) record.slot = nullptr;
}

int32_t Tape::leaf_value(Slot* slot) {
  if (!slot->is_ready()) submit_of(slot->tape);
  if (slot->error) std::rethrow_exception(slot->error);
  const int32_t fresh = static_cast<int32_t>(values_.size());
  const int32_t value = leaf_of_.find_or_add(slot, fresh);
  if (value == fresh) {
    leaves_.push_back({slot->is_number ? LeafKind::scalar : LeafKind::array,
                       value,
                       Ref<Slot>(slot),
                       slot->as_number,
                       {},
                       0});
    values_.push_back({slot->meta, nullptr});
    if (!slot->is_number) leaf_bytes_ += slot->value.bytes();
  }
  return value;
}

int32_t Tape::scalar(double value, DType dtype) {
  const int32_t index = static_cast<int32_t>(values_.size());
  leaves_.push_back({LeafKind::scalar, index, {}, value, {}, 0});
  values_.push_back({meta_of(Shape{}, dtype), nullptr});
  return index;
}

int32_t Tape::constant(const Array& value) {
  const int32_t index = static_cast<int32_t>(values_.size());
  leaves_.push_back({LeafKind::constant,
                     index,
                     {},
                     0,
                     value,
                     hash_bytes(value.raw(), value.bytes(), value.bytes())});
  values_.push_back({meta_of(value.shape(), value.dtype()), nullptr});
  return index;
}

int32_t Tape::append(const Call* call, std::span<const int32_t> operands,
                     const Inference& inference) {
  const int32_t first = static_cast<int32_t>(values_.size());
  nodes_.push_back({call, first, static_cast<int32_t>(operands_.size()),
                    static_cast<int32_t>(operands.size()),
                    static_cast<int32_t>(inference.results.size()), scope_});
  for (int32_t o : operands) operands_.push_back(o);
  for (const Meta* m : inference.results) values_.push_back({m, nullptr});
  return first;
}

Ref<Slot> Tape::promise(int32_t value) {
  ValueRecord& record = values_[value];
  if (record.slot && record.slot->try_retain()) return Ref<Slot>::adopt(record.slot);
  return promise_fresh(value);
}

void Tape::rebound(Storage& storage, const Ref<Slot>& before) {
  if (storage.tape_run == run_ || !before->is_ready() || before->error || before->is_number) return;
  storage.tape_run = run_;
  rebound_.push_back({Ref<Storage>(&storage), before});
}

void Tape::full() {
  if (!running_) submit();
}

void Tape::submit_of(Tape* tape) {
  if (tape) tape->submit();
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
};

namespace {

/// Structures by hash; when there are too many the oldest half goes.
template <typename T>
struct StructureTable {
  std::mutex lock;  // guards the rest
  std::unordered_map<uint64_t, std::list<std::shared_ptr<T>>> by_hash;
  std::list<uint64_t> order;

  std::shared_ptr<T> find(uint64_t hash, const std::vector<uint64_t>& key) {
    std::lock_guard<std::mutex> hold(lock);
    const auto at = by_hash.find(hash);
    if (at == by_hash.end()) return nullptr;
    for (const std::shared_ptr<T>& c : at->second)
      if (c->key == key) return c;
    return nullptr;
  }
  void add(uint64_t hash, std::shared_ptr<T> made) {
    std::lock_guard<std::mutex> hold(lock);
    by_hash[hash].push_back(std::move(made));
    order.push_back(hash);
    for (size_t extra = order.size() > kMostStructures ? kMostStructures / 2 : 0; extra > 0;
         --extra) {
      by_hash.erase(order.front());
      order.pop_front();
    }
  }
};

}  // namespace

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

void Tape::clear() {
  // Promises that only a view's cache held are kept by reading the view again.
  const auto lost = std::make_exception_ptr(InternalError("a view's cached value was not kept"));
  for (ValueRecord& v : values_)
    if (v.slot && v.slot->tape == this) v.slot->fail(lost);
  nodes_.clear();
  operands_.clear();
  values_.clear();
  leaf_of_.clear();
  leaf_bytes_ = 0;
  ++run_;
  // Dropping these may drop other things: not while the vectors are being walked.
  std::vector<Leaf> leaves;
  std::vector<Rebound> rebound;
  leaves.swap(leaves_);
  rebound.swap(rebound_);
  leaves.clear();
  rebound.clear();
  if (leaves_.empty()) leaves_.swap(leaves);
  if (rebound_.empty()) rebound_.swap(rebound);
}

void Tape::run(Job& job) {
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

  static StructureTable<Compiled>& table = *new StructureTable<Compiled>;
  std::shared_ptr<Compiled> compiled = table.find(job.hash, key);
  ++submitted;
  if (!compiled) {
    ++built;
    compiled = compile(job);
    table.add(job.hash, compiled);
  }
  log::event(log::Topic::record, "submit: {} nodes, {} leaves, {} results, {} updates in place",
             nodes_.size(), leaves_.size(), job.results.size(), job.updates.size());

  run::Bindings bindings;
  bindings.inputs.reserve(compiled->inputs.size());
  for (int32_t l : compiled->inputs) bindings.inputs.push_back(leaves_[l].slot->value);
  bindings.scalars.reserve(compiled->scalars.size());
  for (int32_t l : compiled->scalars) bindings.scalars.push_back(leaves_[l].number);
  bindings.cells.reserve(compiled->cells.size());
  for (int32_t c : compiled->cells) {
    const Rebound& b = rebound_[job.updates[c].rebound];
    CellRef& cell = b.storage->cell;
    const Array& memory = b.before->value;
    if (!cell || cell->value().raw() != memory.raw() || cell->shape() != memory.shape() ||
        cell->dtype() != memory.dtype())
      cell = std::make_shared<Cell>("tensor", memory);
    bindings.cells.push_back(cell);
  }
  std::vector<Array> outputs;
  run::execute(*compiled->plan, bindings, outputs);
  for (size_t i = 0; i < job.slots.size(); ++i) job.slots[i]->fulfil(std::move(outputs[i]));
  for (size_t i = 0; i < job.update_slots.size(); ++i)
    job.update_slots[i]->fulfil(rebound_[job.updates[i].rebound].before->value);
  for (const Rebound& b : rebound_) {  // memory handed out stays where it is
    const Ref<Slot>& now = b.storage->current;
    if (b.storage->exports == 0 || !now->is_ready() || now->error) continue;
    if (now->value.raw() == b.before->value.raw() || now->meta != b.before->meta) continue;
    b.before->value.copy_from(now->value);
    b.storage->current = Slot::ready(b.before->value);
  }
  if (mode() == Mode::nan || mode() == Mode::check) {
    std::vector<Array> results;
    for (const Ref<Slot>& s : job.slots) results.push_back(s->value);
    for (const Ref<Slot>& s : job.update_slots) results.push_back(s->value);
    if (mode() == Mode::nan)
      require_finite(nodes_.back().call->op->name(), scope_name(nodes_.back().scope), results);
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
