#include "trivium/engine/compile/memory.h"

#include <gtest/gtest.h>

#include <random>

#include "trivium/engine/core/error.h"

namespace trivium::compile {
namespace {

TEST(Memory, IntervalsThatNeverMeetShareTheirPlace) {
  const MemoryPlan plan = plan_memory({{1000, 0, 1}, {1000, 2, 3}, {1000, 4, 4}});
  EXPECT_EQ(plan.arena_bytes, 1024u);
  EXPECT_EQ(plan.lower_bound, 1024u);
}

TEST(Memory, IntervalsThatMeetDoNot) {
  const MemoryPlan plan = plan_memory({{64, 0, 2}, {64, 2, 3}});
  EXPECT_NE(plan.offsets[0], plan.offsets[1]);
}

TEST(Memory, OffsetsAreAligned) {
  for (size_t offset : plan_memory({{7, 0, 1}, {100, 0, 1}, {65, 1, 1}}).offsets)
    EXPECT_EQ(offset % 64, 0u);
}

TEST(Memory, ABackwardPassFitsTheLowerBound) {
  // Activations of a chain live until their step of the backward pass: the shape of all training.
  std::vector<Interval> intervals;
  for (int i = 0; i < 20; ++i)
    intervals.push_back({static_cast<size_t>(4096 * (i % 5 + 1)), i, 40 - i});
  const MemoryPlan plan = plan_memory(intervals);
  EXPECT_LE(plan.arena_bytes, plan.lower_bound + plan.lower_bound / 50);
}

TEST(Memory, RandomPlansAreLegalAndNearTheLowerBound) {
  std::mt19937 random(7);
  double worst = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<Interval> intervals;
    for (int i = 0; i < 40; ++i) {
      const int first = static_cast<int>(random() % 50);
      intervals.push_back({random() % 5000 + 1, first, first + static_cast<int>(random() % 10)});
    }
    const MemoryPlan plan = plan_memory(intervals);  // verifies itself
    worst = std::max(worst,
                     static_cast<double>(plan.arena_bytes) / static_cast<double>(plan.lower_bound));
  }
  EXPECT_LT(worst, 1.5);
}

TEST(Memory, TheVerifierSeesAnOverlap) {
  const std::vector<Interval> intervals = {{100, 0, 2}, {100, 1, 3}};
  MemoryPlan plan;
  plan.offsets = {0, 64};
  EXPECT_THROW(verify_memory(intervals, plan), InternalError);
}

TEST(Memory, NothingNeedsNothing) { EXPECT_EQ(plan_memory({}).arena_bytes, 0u); }

}  // namespace
}  // namespace trivium::compile
