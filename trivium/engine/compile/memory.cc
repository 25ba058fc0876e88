#include "trivium/engine/compile/memory.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "trivium/engine/core/error.h"

namespace trivium::compile {
namespace {

constexpr size_t kAlignment = 64;

size_t aligned(size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

bool together(const Interval& a, const Interval& b) {
  return a.first <= b.last && b.first <= a.last;
}

MemoryPlan place(const std::vector<Interval>& intervals, const std::vector<int>& order) {
  MemoryPlan plan;
  plan.offsets.assign(intervals.size(), 0);
  std::vector<int> placed;  // sorted by offset
  for (int i : order) {
    const size_t bytes = aligned(intervals[i].bytes);
    if (bytes == 0) continue;
    size_t best = SIZE_MAX, best_gap = SIZE_MAX, end = 0;
    for (int p : placed) {
      if (!together(intervals[i], intervals[p])) continue;
      const size_t at = plan.offsets[p];
      if (at >= end + bytes && at - end < best_gap) best = end, best_gap = at - end;
      end = std::max(end, at + aligned(intervals[p].bytes));
    }
    plan.offsets[i] = best == SIZE_MAX ? end : best;
    plan.arena_bytes = std::max(plan.arena_bytes, plan.offsets[i] + bytes);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](int a, int b) { return plan.offsets[a] < plan.offsets[b]; }),
                  i);
  }
  return plan;
}

size_t most_alive(const std::vector<Interval>& intervals) {
  int32_t steps = 0;
  for (const Interval& i : intervals) steps = std::max(steps, i.last + 1);
  std::vector<size_t> alive(steps, 0);
  for (const Interval& i : intervals)
    for (int32_t s = i.first; s <= i.last; ++s) alive[s] += aligned(i.bytes);
  return alive.empty() ? 0 : *std::max_element(alive.begin(), alive.end());
}

}  // namespace

MemoryPlan plan_memory(const std::vector<Interval>& intervals) {
  using Score = std::function<double(const Interval&)>;
  const Score scores[] = {
      [](const Interval& i) { return static_cast<double>(i.bytes); },
      [](const Interval& i) { return static_cast<double>(i.bytes) * (i.last - i.first + 1); },
      [](const Interval& i) {
        return static_cast<double>(i.last - i.first) * 1e12 + static_cast<double>(i.bytes);
      }};
  MemoryPlan best;
  for (const Score& score : scores) {
    std::vector<int> order(intervals.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return score(intervals[a]) > score(intervals[b]); });
    MemoryPlan plan = place(intervals, order);
    if (best.offsets.empty() || plan.arena_bytes < best.arena_bytes) best = std::move(plan);
  }
  best.lower_bound = most_alive(intervals);
  verify_memory(intervals, best);
  return best;
}

void verify_memory(const std::vector<Interval>& intervals, const MemoryPlan& plan) {
  for (size_t a = 0; a < intervals.size(); ++a)
    for (size_t b = a + 1; b < intervals.size(); ++b) {
      if (!together(intervals[a], intervals[b]) || !intervals[a].bytes || !intervals[b].bytes)
        continue;
      const size_t a0 = plan.offsets[a], b0 = plan.offsets[b];
      if (a0 < b0 + intervals[b].bytes && b0 < a0 + intervals[a].bytes)
        internal_error("memory plan: intervals {} and {} overlap at bytes {} and {}", a, b, a0, b0);
    }
}

}  // namespace trivium::compile
