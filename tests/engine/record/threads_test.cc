// Tensors that one thread records and others drop, look at, or build on.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/record/tape.h"
#include "trivium/engine/record/var.h"

namespace trivium::record {
namespace {

class RecordThreadsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ops::register_all();
    cpu::register_backend();
  }
  static Var leaf(std::vector<float> values, bool grad = false) {
    const int64_t count = static_cast<int64_t>(values.size());
    return Var(Array::from(values, Shape{count}), grad);
  }
  static Var op(const char* name, std::initializer_list<Named> in) {
    return record::apply(call(name), in);
  }
  static Var sum(const Var& x) {
    return record::apply(call("sum", {{"axes", ops::Ints{}}, {"keep_dims", false}}), {x});
  }
};

/// Promises handed from thread to thread.
class Box {
 public:
  void put(Var v) {
    const std::lock_guard<std::mutex> hold(lock_);
    all_.push_back(std::move(v));
  }
  std::vector<Var> take() {
    const std::lock_guard<std::mutex> hold(lock_);
    return std::move(all_);
  }

 private:
  std::mutex lock_;
  std::vector<Var> all_;
};

// The last handle of a promise goes in another thread while its tape runs or grows.
TEST_F(RecordThreadsTest, PromisesAreDroppedElsewhere) {
  const Var one = leaf({1, 1});
  Box box;
  std::atomic<bool> done{false};
  std::thread dropper([&] {
    while (!done) box.take();
  });
  Var x = leaf({0, 0});
  for (int i = 1; i <= 4000; ++i) {
    x = op("add", {x, one});
    box.put(op("mul", {x, x}));
    if (i % 5 == 0) {
      ASSERT_EQ(x.array().at(1), i);
    }
  }
  done = true;
  dropper.join();
  EXPECT_EQ(x.array().at(0), 4000);
}

// Looking at another thread's promise runs what that thread has recorded.
TEST_F(RecordThreadsTest, PromisesAreLookedAtElsewhere) {
  const Var one = leaf({1, 1});
  Box box;
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0}, seen{0};
  std::thread looker([&] {
    double last = 0;
    while (!done)
      for (const Var& v : box.take()) {
        const double now = v.array().at(0);
        wrong += now <= last;
        last = now;
        ++seen;
      }
  });
  Var x = leaf({0, 0});
  for (int i = 1; i <= 2000; ++i) {
    x = op("add", {x, one});
    box.put(x);
    if (i % 50 == 0) std::this_thread::yield();
  }
  while (seen < 100) std::this_thread::yield();
  done = true;
  looker.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(x.array().at(1), 2000);
}

// A thread ends before anybody has looked at what it recorded, and its tape serves the next one.
TEST_F(RecordThreadsTest, PromisesOutliveTheirThread) {
  const Var one = leaf({1, 2});
  for (int i = 0; i < 20; ++i) {
    Var left;
    std::thread([&] { left = op("add", {one, one}); }).join();
    std::thread([&] { op("mul", {one, one}); }).join();
    EXPECT_EQ(left.array().at(1), 4);
  }
}

// What the main thread never looked at is not computed when the program ends.
TEST_F(RecordThreadsTest, TheEndOfTheProgramComputesNothing) {
  const auto program = [] {
    static const Var kept = op("add", {leaf({1, 1}), leaf({2, 2})});
    static const int64_t before = submit_counters().submitted;
    std::atexit([] { std::_Exit(submit_counters().submitted == before ? 0 : 3); });
    std::exit(1);
  };
  EXPECT_EXIT(program(), ::testing::ExitedWithCode(0), "");
}

// A new thread's ops come after those of the thread whose results they read, in backward too.
TEST_F(RecordThreadsTest, HistoryCrossesThreads) {
  const Var w = leaf({1, 2}, true);
  Var x = w;
  for (int i = 0; i < 20; ++i) x = op("add", {x, w});  // 21 w
  const Var y = op("mul", {x, w});                     // 21 w^2
  Var loss;
  std::thread([&] { loss = sum(op("add", {op("mul", {y, x}), y})); }).join();
  backward({loss});  // d(441 w^3 + 21 w^2)
  EXPECT_EQ(w.grad().array().at(0), 3 * 441 + 42);
  EXPECT_EQ(w.grad().array().at(1), 3 * 441 * 4 + 42 * 2);
}

}  // namespace
}  // namespace trivium::record
