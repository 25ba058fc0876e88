#include "trivium/engine/core/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

#include "trivium/engine/core/error.h"

namespace trivium {
namespace {

struct Parallel : ::testing::Test {
  int before = threads();
  void TearDown() override { set_threads(before); }
};

TEST_F(Parallel, EveryChunkRunsExactlyOnce) {
  for (int n : {1, 2, 3, 8}) {
    set_threads(n);
    for (int round = 0; round < 200; ++round) {
      std::vector<std::atomic<int>> counts(round % 50);
      parallel_chunks(static_cast<int64_t>(counts.size()), [&](int64_t i) { ++counts[i]; });
      for (const auto& c : counts) EXPECT_EQ(c.load(), 1);
    }
  }
}

TEST_F(Parallel, WhatChunksWroteIsSeenAfterwards) {
  set_threads(4);
  std::vector<int64_t> values(1000);
  for (int round = 1; round <= 500; ++round) {
    parallel_for(1000, 7, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) values[i] = round;  // plain writes
    });
    EXPECT_EQ(std::accumulate(values.begin(), values.end(), int64_t{0}), 1000 * round);
  }
}

TEST_F(Parallel, AnExceptionComesBackAfterAllChunksEnded) {
  set_threads(2);
  std::atomic<int> done{0};
  EXPECT_THROW(parallel_chunks(20,
                               [&](int64_t i) {
                                 ++done;
                                 if (i == 3) user_error("chunk {}", i);
                               }),
               UserError);
  EXPECT_EQ(done.load(), 20);
  parallel_chunks(4, [&](int64_t) { ++done; });
  EXPECT_EQ(done.load(), 24);
}

TEST_F(Parallel, ARegionInsideAChunkRunsInPlace) {
  set_threads(3);
  std::atomic<int> sum{0};
  parallel_chunks(6, [&](int64_t) { parallel_chunks(5, [&](int64_t) { ++sum; }); });
  EXPECT_EQ(sum.load(), 30);
}

TEST_F(Parallel, SeveralThreadsMayCompute) {
  set_threads(2);
  std::atomic<int> sum{0};
  std::vector<std::thread> users;
  for (int u = 0; u < 4; ++u)
    users.emplace_back([&] {
      for (int round = 0; round < 200; ++round) parallel_chunks(10, [&](int64_t) { ++sum; });
    });
  for (std::thread& u : users) u.join();
  EXPECT_EQ(sum.load(), 4 * 200 * 10);
}

TEST_F(Parallel, WorkersThatSleptComeBack) {
  set_threads(2);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    std::atomic<int> sum{0};
    parallel_chunks(10, [&](int64_t) { ++sum; });
    EXPECT_EQ(sum.load(), 10);
  }
}

TEST_F(Parallel, OneTo64ThreadsAreAccepted) {
  EXPECT_THROW(set_threads(0), UserError);
  EXPECT_THROW(set_threads(65), UserError);
}

}  // namespace
}  // namespace trivium
