// Tape: what a thread has recorded and not yet run. Nodes are packed records in arenas that are
// reused, so recording an op costs no allocation beyond the Slot it returns. submit() turns the
// tape into a plan (once for each structure) and runs it.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "trivium/engine/record/slot.h"
#include "trivium/engine/record/spin_lock.h"

namespace trivium::record {

/// How recorded programs run (unset: not asked yet); `eager` runs every op as it is recorded,
/// `check` compares it with the float64 reference interpreter besides, `nan` stops at the first
/// result that is not finite. TRIVIUM_RECORD=eager|check|nan sets the mode a process starts with.
enum class Mode { unset, lazy, eager, check, nan };
inline std::atomic<Mode> current_mode{Mode::unset};
Mode first_mode();
inline Mode mode() {
  const Mode now = current_mode.load(std::memory_order_relaxed);
  return now == Mode::unset ? first_mode() : now;
}
inline void set_mode(Mode mode) { current_mode.store(mode); }

/// Which value of the tape each leaf is. Emptied by counting up.
class LeafTable {
 public:
  /// The value of `slot`; `fresh`, from now on, when it has none yet.
  int32_t find_or_add(const Slot* slot, int32_t fresh);
  /// -1 when it has none.
  int32_t find(const Slot* slot) const;
  void clear();

 private:
  struct Entry {
    const Slot* slot = nullptr;
    uint32_t round = 0;  // the entry counts while this is the table's
    int32_t value = 0;
  };
  /// Where `slot` is, or would be.
  size_t place(const Slot* slot) const;
  std::vector<Entry> entries_;
  size_t used_ = 0;
  uint32_t round_ = 1;
};

class Tape {
 public:
  /// The calling thread's.
  static Tape& mine();
  /// Keeps the promises that are still held; those of the main thread are dropped.
  void end_of_thread();

  /// Index of a slot's value on this tape; a ready slot becomes a leaf, another tape's promise is
  /// kept first (its tape is submitted).
  int32_t value_of(Slot* slot) {
    return slot->tape.load(std::memory_order_acquire) == this ? slot->index : leaf_value(slot);
  }
  int32_t value_of(const Ref<Slot>& slot) { return value_of(slot.get()); }
  /// A rank-0 number that may differ from run to run.
  int32_t scalar(double value, DType dtype);
  /// A number or small array that is part of the structure.
  int32_t constant(const Array& value);
  /// Appends an op; returns the index of its first result.
  int32_t append(const Call* call, std::span<const int32_t> operands, const Inference& inference);
  /// A promise for a value of this tape.
  Ref<Slot> promise(int32_t value);
  /// Promises the first result of the op that append() has just added: nobody has it yet.
  Ref<Slot> promise_fresh(int32_t value) {
    ValueRecord& record = values_[value];
    Ref<Slot> slot = make_counted<Slot>(record.meta, this, value);
    record.slot = slot.get();
    return slot;
  }
  const Meta* meta(int32_t value) const { return values_[value].meta; }

  /// Called when a storage that held memory gets a promise: its memory may be reused.
  void rebound(Storage& storage, const Ref<Slot>& before);

  /// Runs everything recorded. Afterwards every promise is kept or failed. Throws what failed.
  void submit();
  /// What is recorded and not yet run, as a graph; `values` get the graph's Values of tape values
  /// (undefined where the graph does not need them). Leaves become inputs and scalars in recording
  /// order, updated ones Cells.
  void trace(Graph& graph, std::vector<Value>& values,
             const std::function<Value(int32_t leaf_value)>& leaf = {}) const;
  /// A thread other than the owner may do it too.
  static void submit_of(Tape* tape);
  int nodes() const { return static_cast<int>(nodes_.size()); }
  /// Submits when the tape has grown beyond what one plan should hold, or the mode says so.
  void after_record() {
    if (nodes() >= kMostNodes || leaf_bytes_ > kMostLeafBytes || mode() != Mode::lazy) full();
  }
  /// Nobody waits for the value any more.
  void forget(const Slot& slot);
  OwnerLock& lock() { return lock_; }

  /// Names the layer of what is recorded next, for messages and profiles.
  void set_scope(int32_t scope) { scope_ = scope; }
  int32_t scope() const { return scope_; }

  struct NodeRecord {
    const Call* call;
    int32_t first_value;
    int32_t first_operand;
    int32_t operands;
    int32_t results;
    int32_t scope;
  };
  struct ValueRecord {
    const Meta* meta;
    Slot* slot;  // who waits for it; not owned
  };
  enum class LeafKind : int32_t { array, scalar, constant };
  struct Leaf {
    LeafKind kind;
    int32_t value;
    Ref<Slot> slot;
    double number = 0;
    Array array;
    uint64_t hash = 0;
  };
  struct Rebound {
    Ref<Storage> storage;
    Ref<Slot> before;
  };

 private:
  static constexpr int kMostNodes = 16384;
  static constexpr size_t kMostLeafBytes = size_t{1} << 30;
  struct Compiled;
  struct Job;
  void full();
  int32_t leaf_value(Slot* slot);
  void run(Job& job);
  void write_key(Job& job) const;
  size_t bytes_of_results() const;
  void run_plan(Job& job, const Compiled& plan);
  void run_chunks(Job& job);
  void keep_exported();
  void clear();
  std::shared_ptr<Compiled> compile(const Job& job);

  std::vector<NodeRecord> nodes_;
  std::vector<int32_t> operands_;
  std::vector<ValueRecord> values_;
  std::vector<Leaf> leaves_;
  LeafTable leaf_of_;
  std::vector<Rebound> rebound_;
  size_t leaf_bytes_ = 0;
  uint64_t run_ = 1;  // number of the segment
  int32_t scope_ = 0;
  bool running_ = false;
  OwnerLock lock_;  // guards everything above: other threads may submit, or drop a promise
};

/// Submissions so far, plans built for them, and those that were run in chunks.
struct SubmitCounters {
  int64_t submitted = 0, built = 0, chunked = 0;
};
SubmitCounters submit_counters();

/// Scope names ("layer1.0.conv1") by number.
int32_t scope_id(const std::string& name);
const std::string& scope_name(int32_t id);

}  // namespace trivium::record
