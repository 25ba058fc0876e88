#include "trivium/engine/record/pool.h"

#include <new>

namespace trivium::record::pool {
namespace {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TRIVIUM_ADDRESS_SANITIZER
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define TRIVIUM_ADDRESS_SANITIZER
#endif
#ifdef TRIVIUM_ADDRESS_SANITIZER
constexpr uint32_t kKept = 0;  // a block that is used again would hide a use after free
#else
constexpr uint32_t kKept = 16384;  // the objects of one tape
#endif

enum class Stage : uint8_t { unused, open, closed };
constinit thread_local Stage stage = Stage::unused;

/// Gives the thread's blocks back at its end. Objects that go later are freed at once.
struct Closer {
  ~Closer() {
    stage = Stage::closed;
    blocks.most = 0;
    for (Bucket& bucket : blocks.buckets)
      while (void* block = bucket.first) {
        bucket.first = *static_cast<void**>(block);
        ::operator delete(block);
      }
    blocks = {};
  }
};

void open() {
  static thread_local Closer closer;
  (void)closer;
  stage = Stage::open;
  blocks.most = kKept;
}

}  // namespace

void* take_more(size_t bytes) {
  if (stage == Stage::unused) open();
  return ::operator new((bytes + kStep - 1) / kStep * kStep);
}

void give_more(void* block, size_t bytes) noexcept {
  if (stage == Stage::unused) {
    open();
    if (blocks.most > 0) return pool_give(block, bytes);
  }
  ::operator delete(block);
}

}  // namespace trivium::record::pool
