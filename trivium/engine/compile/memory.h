// Memory planning: one arena, fixed offsets, known lifetimes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace trivium::compile {

/// Bytes needed from step `first` to step `last`, both included.
struct Interval {
  size_t bytes = 0;
  int32_t first = 0, last = 0;
};

struct MemoryPlan {
  std::vector<size_t> offsets;  // per interval, aligned to 64 bytes
  size_t arena_bytes = 0;
  size_t lower_bound = 0;  // most bytes alive at one step
};

/// Greedy best fit in three orders (size, size x lifetime, lifetime); the smallest arena wins.
MemoryPlan plan_memory(const std::vector<Interval>& intervals);
/// InternalError when two intervals that are alive together share a byte.
void verify_memory(const std::vector<Interval>& intervals, const MemoryPlan& plan);

}  // namespace trivium::compile
