// A lock for what only its own thread touches nearly always: re-entrant, a few nanoseconds when
// nobody else wants it.
#pragma once

#include <atomic>
#include <thread>

namespace trivium::record {

class OwnerLock {
 public:
  void lock() {
    const void* me = &here;
    if (owner_.load(std::memory_order_relaxed) == me) {
      ++depth_;
      return;
    }
    const void* nobody = nullptr;
    while (!owner_.compare_exchange_weak(nobody, me, std::memory_order_acquire)) {
      nobody = nullptr;
      std::this_thread::yield();
    }
    depth_ = 1;
  }
  void unlock() {
    if (--depth_ == 0) owner_.store(nullptr, std::memory_order_release);
  }

 private:
  static inline thread_local char here = 0;  // its address names the thread
  std::atomic<const void*> owner_{nullptr};
  int depth_ = 0;
};

}  // namespace trivium::record
