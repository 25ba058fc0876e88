#include "trivium/engine/record/slot.h"

#include <mutex>

#include "trivium/engine/record/tape.h"

namespace trivium::record {

Ref<Slot> Slot::ready(Array value) {
  Ref<Slot> slot = make_counted<Slot>(meta_of(value.shape(), value.dtype()));
  slot->value = std::move(value);
  return slot;
}

Ref<Slot> Slot::number(double value, DType dtype) {
  Ref<Slot> slot = make_counted<Slot>(meta_of(Shape{}, dtype));
  slot->is_number = true;
  slot->as_number = value;
  return slot;
}

const Array& Slot::memory() {
  if (is_number && !value.defined()) value = Array::full(Shape{}, as_number, meta->dtype);
  return value;
}

bool Slot::try_retain() {
  int32_t count = count_.load(std::memory_order_relaxed);
  while (count > 0 && !count_.compare_exchange_weak(count, count + 1, std::memory_order_relaxed)) {
  }
  return count > 0;
}

void Slot::drop_only() {
  if (Tape* owner = tape) {
    std::lock_guard<OwnerLock> hold(owner->lock());
    if (count_.load(std::memory_order_acquire) != 1) {  // a submission has taken one since
      if (count_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    }
    owner->forget(*this);
  }
  delete this;
}

void Slot::destroy() {
  if (Tape* owner = tape) {
    std::lock_guard<OwnerLock> hold(owner->lock());
    owner->forget(*this);
  }
  delete this;
}

void Slot::fulfil(Array array) {
  value = std::move(array);
  tape.store(nullptr, std::memory_order_release);
}

void Slot::fail(std::exception_ptr why) {
  error = std::move(why);
  tape.store(nullptr, std::memory_order_release);
}

}  // namespace trivium::record
