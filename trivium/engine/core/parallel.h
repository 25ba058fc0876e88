// One team of threads for everything. Work is split into chunks whose bounds do not depend on
// the number of threads, so results do not either.
#pragma once

#include <cstdint>
#include <type_traits>

namespace trivium {

/// Threads used by parallel_for (1..64). Default: the cores this process may run on, or
/// TRIVIUM_THREADS.
int threads();
void set_threads(int count);

namespace detail {
using ChunkFn = void (*)(void* context, int64_t chunk);
void run_chunks(int64_t chunks, void* context, ChunkFn fn);
}  // namespace detail

/// Calls body(chunk) for chunk = 0 … chunks-1, each exactly once, in any order, on the team. Runs
/// in place when there is one chunk or one thread, or when already inside a parallel region. An
/// exception in a chunk is rethrown here after all chunks have ended.
template <typename Body>
void parallel_chunks(int64_t chunks, Body&& body) {
  detail::run_chunks(chunks, &body, [](void* context, int64_t chunk) {
    (*static_cast<std::remove_reference_t<Body>*>(context))(chunk);
  });
}

/// Calls body(begin, end) over [0, count) in chunks of `grain` elements.
template <typename Body>
void parallel_for(int64_t count, int64_t grain, Body&& body) {
  if (count <= 0) return;
  if (count <= grain) return body(int64_t{0}, count);
  parallel_chunks((count + grain - 1) / grain, [&](int64_t chunk) {
    const int64_t begin = chunk * grain;
    body(begin, begin + grain < count ? begin + grain : count);
  });
}

}  // namespace trivium
