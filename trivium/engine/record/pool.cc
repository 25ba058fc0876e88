#include "trivium/engine/record/pool.h"

#include <new>
#include <vector>

namespace trivium::record {
namespace {

constexpr size_t kStep = 32, kBuckets = 16, kKept = 4096;

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRIVIUM_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define TRIVIUM_ADDRESS_SANITIZER
#endif
#ifdef TRIVIUM_ADDRESS_SANITIZER
constexpr bool kPool = false;  // a block that is used again would hide a use after free
#else
constexpr bool kPool = true;
#endif

struct Pool {
  std::vector<void*> free[kBuckets];
  ~Pool() {
    closed = true;
    for (std::vector<void*>& bucket : free)
      for (void* p : bucket) ::operator delete(p);
  }
  static inline thread_local bool closed = false;
};
thread_local Pool pool;

size_t bucket_of(size_t bytes) { return (bytes + kStep - 1) / kStep - 1; }

}  // namespace

void* pool_take(size_t bytes) {
  const size_t b = bucket_of(bytes);
  if (!kPool || b >= kBuckets) return ::operator new(bytes);
  if (Pool::closed || pool.free[b].empty()) return ::operator new((b + 1) * kStep);
  void* p = pool.free[b].back();
  pool.free[b].pop_back();
  return p;
}

void pool_give(void* block, size_t bytes) noexcept {
  const size_t b = bucket_of(bytes);
  if (!kPool || b >= kBuckets || Pool::closed || pool.free[b].size() >= kKept)
    return ::operator delete(block);
  try {
    pool.free[b].push_back(block);
  } catch (const std::bad_alloc&) {
    ::operator delete(block);
  }
}

}  // namespace trivium::record
