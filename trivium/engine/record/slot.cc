#include "trivium/engine/record/slot.h"

#include <mutex>

#include "trivium/engine/record/tape.h"

namespace trivium::record {
Ref<Slot> Slot::ready(Array value) {
  Ref<Slot> slot(new Slot);
  slot->meta = meta_of(value.shape(), value.dtype());
  slot->value = std::move(value);
  return slot;
}

Ref<Slot> Slot::number(double value, DType dtype) {
  Ref<Slot> slot(new Slot);
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
  Ref<Slot> slot(new Slot);
  slot->meta = meta;
  slot->tape = tape;
  slot->index = index;
  return slot;
}

void Slot::destroy() {
  if (tape) tape->forget(index);
  delete this;
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
