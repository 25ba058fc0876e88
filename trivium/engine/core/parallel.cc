#include "trivium/engine/core/parallel.h"

#include <omp.h>
#include <sched.h>

#include <atomic>
#include <cstdlib>
#include <exception>
#include <mutex>

#include "trivium/engine/core/error.h"

namespace trivium {
namespace {

int default_threads() {
  if (const char* text = std::getenv("TRIVIUM_THREADS")) {
    const int n = std::atoi(text);
    if (n >= 1 && n <= 64) return n;
  }
  cpu_set_t set;
  const int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return cores < 64 ? cores : 64;
}

std::atomic<int> team{0};

}  // namespace

int threads() {
  int n = team.load(std::memory_order_relaxed);
  if (n == 0) {
    n = default_threads();
    team.store(n, std::memory_order_relaxed);
    omp_set_num_threads(n);
  }
  return n;
}

void set_threads(int count) {
  if (count < 1 || count > 64) user_error("threads: 1 to 64 expected, {} received", count);
  team.store(count);
  omp_set_num_threads(count);
}

namespace detail {

void run_chunks(int64_t chunks, void* context, ChunkFn fn) {
  const int n = threads();
  if (n == 1 || chunks <= 1 || omp_in_parallel()) {
    for (int64_t i = 0; i < chunks; ++i) fn(context, i);
    return;
  }
  std::exception_ptr error;
  std::mutex error_lock;  // guards `error`
  std::atomic<int64_t> next{0};
#pragma omp parallel num_threads(n)
  {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < chunks;) {
      try {
        fn(context, i);
      } catch (...) {
        std::lock_guard<std::mutex> hold(error_lock);
        if (!error) error = std::current_exception();
      }
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace detail
}  // namespace trivium
