#include "trivium/notations/caffe/prefetch.h"

#include <gtest/gtest.h>

namespace trivium::caffe {
namespace {

/// Batches of four equal numbers: 0, 1, 2 …; fails at `fail`.
struct Counter : BatchReader {
  int64_t count = 0, fail;
  explicit Counter(int64_t fail_at = -1) : fail(fail_at) {}
  void read(Batch& batch) override {
    if (count == fail) user_error("bad record {}", count);
    float* values = batch_array(batch, 0, Shape{4});
    for (int i = 0; i < 4; ++i) values[i] = static_cast<float>(count);
    ++count;
  }
  int64_t position() const override { return count; }
  void skip_to(int64_t position) override { count = position; }
  std::string save_state() const override { return std::to_string(count); }
  void restore_state(const std::string& state) override { count = std::stoll(state); }
};

TEST(Prefetcher, GivesBatchesInOrderAndReusesTheirMemory) {
  const int64_t before = buffer_allocations();
  Prefetcher source(std::make_unique<Counter>(), 3);
  Array bound;  // as the plan's bindings hold the latest batch
  for (int i = 0; i < 500; ++i) {
    bound = source.next().tops[0];
    ASSERT_EQ(bound.at(2), i);
  }
  // Three waiting, one being read, the current and the previous one: however the threads take
  // turns.
  EXPECT_LE(buffer_allocations() - before, 6);
}

TEST(Prefetcher, PositionCountsWhatWasHandedOutNotWhatWasReadAhead) {
  Prefetcher source(std::make_unique<Counter>(), 4);
  source.next();
  source.next();
  EXPECT_EQ(source.position(), 2);
  const std::string state = source.save_state();
  source.next();
  source.restore_state(state);
  EXPECT_EQ(source.next().tops[0].at(0), 2);
  source.skip_to(7);
  EXPECT_EQ(source.next().tops[0].at(0), 7);
}

TEST(Prefetcher, AnErrorComesInTurnAndStays) {
  Prefetcher source(std::make_unique<Counter>(2), 4);
  source.next();
  source.next();
  EXPECT_THROW(source.next(), UserError);
  EXPECT_THROW(source.next(), UserError);
}

TEST(Prefetcher, EndsWhileItsThreadWaits) {
  for (int i = 0; i < 50; ++i) Prefetcher(std::make_unique<Counter>(), 2);
}

}  // namespace
}  // namespace trivium::caffe
