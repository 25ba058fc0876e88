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

// One parallel_chunks call.
struct Region {
  void* context;
  detail::ChunkFn fn;
  std::exception_ptr error{};
  std::mutex error_lock{};  // guards `error`
};

// Hands out the chunks of the region this thread leads. Its release and acquire order is also what
// orders memory between the leader and the team for the thread sanitizer, which does not see libgomp's
// barrier. Outside Region, because writing a fresh atomic is no atomic operation.
thread_local constinit std::atomic<int64_t> next_chunk{0};

[[gnu::noinline]] void work(Region* region, std::atomic<int64_t>* next, int64_t chunks) {
  for (int64_t i; (i = next->fetch_add(1, std::memory_order_acq_rel)) < chunks;) {
    try {
      region->fn(region->context, i);
    } catch (...) {
      std::lock_guard<std::mutex> hold(region->error_lock);
      if (!region->error) region->error = std::current_exception();
    }
  }
}

// Nothing but the pragma: how the compiler hands its arguments to the team is not ours to check.
#if defined(__GNUC__) && !defined(__clang__)
[[gnu::no_sanitize_thread]]
#endif
[[gnu::noinline]] void fork_and_join(Region* region, std::atomic<int64_t>* next, int64_t chunks, int n) {
#pragma omp parallel num_threads(n)
  work(region, next, chunks);
}

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
  Region region{context, fn};
  next_chunk.store(0, std::memory_order_release);
  fork_and_join(&region, &next_chunk, chunks, n);
  next_chunk.load(std::memory_order_acquire);
  if (region.error) std::rethrow_exception(region.error);
}

}  // namespace detail
}  // namespace trivium
