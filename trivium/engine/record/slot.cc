#include "trivium/engine/record/slot.h"

#include <mutex>

#include "trivium/engine/record/tape.h"

namespace trivium::record {
namespace {

/// Slots come and go with every op: a thread keeps some of those it dropped.
struct SlotPool {
  std::vector<void*> free;
  ~SlotPool() {
    for (void* p : free) ::operator delete(p);
    closed = true;
  }
  static inline thread_local bool closed = false;
};
thread_local SlotPool pool;

void* take() {
  if (SlotPool::closed || pool.free.empty()) return ::operator new(sizeof(Slot));
  void* p = pool.free.back();
  pool.free.pop_back();
  return p;
}

void give(void* p) {
  if (SlotPool::closed || pool.free.size() >= 4096) return ::operator delete(p);
  pool.free.push_back(p);
}

}  // namespace

Ref<Slot> Slot::ready(Array value) {
  Ref<Slot> slot(new (take()) Slot);
  slot->meta = meta_of(value.shape(), value.dtype());
  slot->value = std::move(value);
  return slot;
}

Ref<Slot> Slot::number(double value, DType dtype) {
  Ref<Slot> slot(new (take()) Slot);
  slot->meta = meta_of(Shape{}, dtype);
  slot->is_number = true;
  slot->as_number = value;
  return slot;
}

const Array& Slot::memory() {
  if (is_number && !value.defined()) value = Array::full(Shape{}, as_number, meta->dtype);
  return value;
}

Ref<Slot> Slot::pending(Tape* tape, int32_t index, const Meta* meta) {
  Ref<Slot> slot(new (take()) Slot);
  slot->meta = meta;
  slot->tape = tape;
  slot->index = index;
  return slot;
}

void Slot::destroy() {
  if (tape) tape->forget(index);
  this->~Slot();
  give(this);
}

void Slot::fulfil(Array array) {
  value = std::move(array);
  tape = nullptr;
}

void Slot::fail(std::exception_ptr why) {
  error = std::move(why);
  tape = nullptr;
}

}  // namespace trivium::record
