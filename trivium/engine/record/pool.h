// Memory of the small objects that every recorded op makes and drops: each thread keeps what it
// freed, by size, so taking it again is two instructions.
#pragma once

#include <cstddef>

namespace trivium::record {

void* pool_take(size_t bytes);
void pool_give(void* block, size_t bytes) noexcept;

/// Base of classes whose objects come from the pool.
template <typename T>
struct Pooled {
  static void* operator new(size_t bytes) { return pool_take(bytes); }
  static void* operator new(size_t, void* place) { return place; }
  static void operator delete(void* p, size_t bytes) noexcept { pool_give(p, bytes); }
};

}  // namespace trivium::record
