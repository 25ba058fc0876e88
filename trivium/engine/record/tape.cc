// Recording appends packed records. Whose tape it is, what becomes of it when its thread ends, and
// the names of scopes.
#include "trivium/engine/record/tape.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <thread>

namespace trivium::record {
namespace {

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

}  // namespace

Mode first_mode() {
  static const Mode at_start = mode_at_start();
  Mode unset = Mode::unset;
  current_mode.compare_exchange_strong(unset, at_start);
  return current_mode.load();
}

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

}  // namespace trivium::record
