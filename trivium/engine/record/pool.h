// Memory of the small objects that every recorded op makes and drops: each thread keeps what it
// freed, by size, so taking it again is a few instructions.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trivium::record {

namespace pool {

constexpr size_t kStep = 32, kSizes = 16;

/// Freed blocks of one size, the next one's address in each.
struct Bucket {
  void* first = nullptr;
  uint32_t count = 0;
};
struct Blocks {
  Bucket buckets[kSizes];
  uint32_t most = 0;  // kept of a size; 0 before the thread's first use, and at its end
};
inline constinit thread_local Blocks blocks;

void* take_more(size_t bytes);
void give_more(void* block, size_t bytes) noexcept;

}  // namespace pool

inline void* pool_take(size_t bytes) {
  const size_t size = (bytes + pool::kStep - 1) / pool::kStep - 1;
  if (size >= pool::kSizes) return pool::take_more(bytes);
  pool::Bucket& bucket = pool::blocks.buckets[size];
  void* const block = bucket.first;
  if (!block) return pool::take_more(bytes);
  bucket.first = *static_cast<void**>(block);
  --bucket.count;
  return block;
}

inline void pool_give(void* block, size_t bytes) noexcept {
  const size_t size = (bytes + pool::kStep - 1) / pool::kStep - 1;
  pool::Blocks& blocks = pool::blocks;
  if (size >= pool::kSizes || blocks.buckets[size].count >= blocks.most)
    return pool::give_more(block, bytes);
  pool::Bucket& bucket = blocks.buckets[size];
  *static_cast<void**>(block) = bucket.first;
  bucket.first = block;
  ++bucket.count;
}

/// Base of classes whose objects come from the pool.
template <typename T>
struct Pooled {
  static void* operator new(size_t bytes) { return pool_take(bytes); }
  static void* operator new(size_t, void* place) { return place; }
  static void operator delete(void* p, size_t bytes) noexcept { pool_give(p, bytes); }
};

}  // namespace trivium::record
