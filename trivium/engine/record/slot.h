// Slot: one value that was recorded, computed or not. It is a promise while its tape has not run,
// memory afterwards. Slots never change their value; what changes is which Slot a Storage holds.
#pragma once

#include <atomic>
#include <exception>
#include <vector>

#include "trivium/engine/core/cell.h"
#include "trivium/engine/record/call.h"
#include "trivium/engine/record/pool.h"
#include "trivium/engine/record/ref.h"

namespace trivium::record {

class Tape;

class Slot : public Counted<Slot>, public Pooled<Slot> {
 public:
  explicit Slot(const Meta* meta, Tape* tape = nullptr, int32_t index = -1)
      : meta(meta), tape(tape), index(index) {}
  /// A value that is there already.
  static Ref<Slot> ready(Array value);
  /// A rank-0 number: an operand whose value may differ from run to run of the same plan.
  static Ref<Slot> number(double value, DType dtype);

  const Meta* const meta;
  std::atomic<Tape*> tape;  // whose promise it is; null when ready or failed
  const int32_t index;
  bool is_number = false;
  Array value;
  std::exception_ptr error;  // why there will never be a value
  double as_number = 0;
  /// The memory of a ready slot (made now for a number).
  const Array& memory();

  bool is_ready() const { return tape.load(std::memory_order_acquire) == nullptr; }
  void fulfil(Array array);
  void fail(std::exception_ptr why);

  // A tape knows its promises without counting as a holder, and may take one back from a thread
  // that is dropping it. So the last reference of a promise goes under the tape's lock.
  void release() {
    if (count_.load(std::memory_order_acquire) == 1)
      drop_only();
    else if (count_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      destroy();
  }
  /// One more reference, unless the last is gone already. Under the tape's lock.
  bool try_retain();

  // Caches of views hold a slot without making it a result that has to be kept: views_ of the
  // references are theirs.
  void retain_view() {
    views_.fetch_add(1, std::memory_order_relaxed);
    retain();
  }
  void release_view() {
    views_.fetch_sub(1, std::memory_order_relaxed);
    release();
  }
  /// Somebody other than a view's cache holds it.
  bool is_held() const { return references() > views_.load(std::memory_order_relaxed); }

 private:
  void drop_only();
  void destroy();
  std::atomic<int32_t> views_{0};
};

/// Where a tensor's content lives and changes: the Cell of the recording engine. Several tensors
/// (a tensor, its views, its detached copies) share one.
class Storage : public Counted<Storage>, public Pooled<Storage> {
 public:
  explicit Storage(Ref<Slot> value) : current(std::move(value)) {}
  Ref<Slot> current;
  int64_t version = 0;              // goes up with every write
  uint64_t tape_run = 0;            // the tape segment in which it was last rebound
  std::atomic<int32_t> exports{0};  // memory handed out (NumPy, DLPack): its place must stay
  CellRef cell;                     // for plans that update it where it is
  void destroy() { delete this; }
};

}  // namespace trivium::record
