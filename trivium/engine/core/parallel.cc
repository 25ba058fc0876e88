// The team: n - 1 sleeping workers and the calling thread. A region is over when all chunks are
// done, not when all workers have come: one that the system keeps off the processor is simply not
// waited for, so a busy machine costs its share and no more. (An OpenMP region waits for every
// thread at both ends; with another program on the same cores that made training thirty times
// slower.) Libraries that bring OpenMP use threads of their own, which sleep while the team works.
#include "trivium/engine/core/parallel.h"

#include <omp.h>
#include <sched.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <thread>

#include "trivium/engine/core/error.h"

namespace trivium {
namespace {

constexpr int kMostThreads = 64;
constexpr int kSpins =
    4000;  // about 20 us of waiting before a worker sleeps: regions follow closely

int default_threads() {
  if (const char* text = std::getenv("TRIVIUM_THREADS")) {
    const int n = std::atoi(text);
    if (n >= 1 && n <= kMostThreads) return n;
  }
  cpu_set_t set;
  const int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return cores < kMostThreads ? cores : kMostThreads;
}

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

std::atomic<int> team_size{0};
thread_local bool inside_region = false;

class Team {
 public:
  /// Runs the chunks on the caller and up to n - 1 workers; false when the team is in use.
  bool run(int64_t chunks, void* context, detail::ChunkFn fn, int n) {
    if (!in_use_.try_lock()) return false;
    std::lock_guard<std::mutex> hold(in_use_, std::adopt_lock);
    while (workers_ < n - 1) {
      std::thread(&Team::work, this, workers_).detach();
      ++workers_;
    }
    context_ = context;
    fn_ = fn;
    chunks_ = chunks;
    helpers_ = n - 1;
    error_ = nullptr;
    next_.store(0, std::memory_order_relaxed);
    const uint32_t region = (state_.load(std::memory_order_relaxed) & ~kInsideMask) + kRegionStep;
    state_.store(region | kOpen, std::memory_order_seq_cst);
    if (sleeping_.load(std::memory_order_seq_cst) > 0) state_.notify_all();
    inside_region = true;
    take_chunks();
    inside_region = false;
    state_.fetch_and(~kOpen, std::memory_order_acq_rel);  // who has not come stays out
    for (int spins = 0; state_.load(std::memory_order_acquire) & kInsideMask; ++spins) {
      if (spins < kSpins)
        pause();
      else
        sched_yield();
    }
    if (error_) std::rethrow_exception(error_);
    return true;
  }

 private:
  // state_: number of the region in the high bits, then whether it takes helpers, then how many are
  // inside.
  static constexpr uint32_t kInsideMask = 0x7f, kOpen = 0x80, kRegionStep = 0x100;

  void take_chunks() {
    for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < chunks_;) {
      try {
        fn_(context_, i);
      } catch (...) {
        std::lock_guard<std::mutex> hold(error_lock_);
        if (!error_) error_ = std::current_exception();
      }
    }
  }

  /// Joins the region `seen` is not; false when it has closed meanwhile.
  bool enter(uint32_t state) {
    while (state & kOpen)
      if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) return true;
    return false;
  }

  uint32_t wait_for_region(uint32_t last) {
    for (int spins = 0;; ++spins) {
      const uint32_t state = state_.load(std::memory_order_acquire);
      if ((state & ~(kInsideMask | kOpen)) != last) return state;
      if (spins < kSpins) {
        pause();
        continue;
      }
      sleeping_.fetch_add(1, std::memory_order_seq_cst);
      state_.wait(state, std::memory_order_seq_cst);
      sleeping_.fetch_sub(1, std::memory_order_seq_cst);
      spins = 0;
    }
  }

  void work(int index) {
    inside_region = true;  // chunks never open regions of their own
    uint32_t last = 0;
    while (true) {
      const uint32_t state = wait_for_region(last);
      last = state & ~(kInsideMask | kOpen);
      if (!enter(state)) continue;
      last = state_.load(std::memory_order_relaxed) & ~(kInsideMask | kOpen);
      if (index < helpers_) take_chunks();
      state_.fetch_sub(1, std::memory_order_acq_rel);
    }
  }

  std::mutex in_use_;  // held by the thread whose region runs
  int workers_ = 0;
  std::atomic<uint32_t> state_{0};
  std::atomic<int> sleeping_{0};
  std::atomic<int64_t> next_{0};
  // The region; written while no worker is inside.
  void* context_ = nullptr;
  detail::ChunkFn fn_ = nullptr;
  int64_t chunks_ = 0;
  int helpers_ = 0;
  std::mutex error_lock_;  // guards error_ while chunks run
  std::exception_ptr error_;
};

/// Lives as long as the process: workers may still wait when other objects are destroyed.
Team& team() {
  static Team* const one = new Team;
  return *one;
}

}  // namespace

int threads() {
  int n = team_size.load(std::memory_order_relaxed);
  if (n == 0) set_threads(n = default_threads());
  return n;
}

void set_threads(int count) {
  if (count < 1 || count > kMostThreads)
    user_error("threads: 1 to {} expected, {} received", kMostThreads, count);
  team_size.store(count);
  omp_set_num_threads(count);  // for libraries
}

namespace detail {

void run_chunks(int64_t chunks, void* context, ChunkFn fn) {
  const int n = threads();
  if (n > 1 && chunks > 1 && !inside_region && team().run(chunks, context, fn, n)) return;
  std::exception_ptr error;
  for (int64_t i = 0; i < chunks; ++i) {
    try {
      fn(context, i);
    } catch (...) {
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace detail
}  // namespace trivium
