// Programs whose structures do not come back are run in chunks: the same numbers, few new plans.
#include "trivium/engine/record/chunks.h"

#include <gtest/gtest.h>

#include <cstring>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/record/var.h"

namespace trivium::record {
namespace {

Var op(const char* name, const std::vector<Var>& in, const Attrs& attrs = {}) {
  return record::apply(call(name, attrs), in);
}

Var ramp(Shape shape, double step, bool grad = false) {
  Array a(shape, DType::f32);
  for (int64_t i = 0; i < a.count(); ++i) a.set(i, step * static_cast<double>(i % 17 - 8));
  return Var(a, grad);
}

/// An episode of `steps` steps with shared weights and its update: what a structure of its own is.
class Episodes {
 public:
  Episodes() {
    for (int i = 0; i < 90; ++i) inputs_.push_back(ramp({1, 4}, 0.01 * (i + 1)));
  }

  double run(int steps) {
    std::vector<Var> parts;
    for (int i = 0; i < steps; ++i) {
      const Var h = op("tanh", {op("matmul", {inputs_[static_cast<size_t>(i)], w_})});
      const Var y = op("matmul", {h, v_});
      parts.push_back(op("mul", {y, number(0.5 + 0.01 * i, DType::f32)}));
    }
    const Var all = op("concat", parts, {{"axis", int64_t{0}}});
    const Var centred = op("sub", {all, op("mean", {all}, whole())});
    const Var loss = op("mean", {op("mul", {centred, centred})}, whole());
    backward({loss});
    {
      GradMode off(false);
      for (Var* p : {&w_, &v_}) {
        p->assign(op("sub", {*p, op("mul", {p->grad(), number(0.1, DType::f32)})}));
        p->set_grad({});
      }
    }
    submit();
    return loss.item();
  }

  std::vector<double> weights() const {
    std::vector<double> all;
    for (const Var& p : {w_, v_})
      for (int64_t i = 0; i < p.array().count(); ++i) all.push_back(p.array().at(i));
    return all;
  }

 private:
  static Attrs whole() { return {{"axes", ops::Ints{}}, {"keep_dims", false}}; }
  std::vector<Var> inputs_;
  Var w_ = ramp({4, 8}, 0.05, true), v_ = ramp({8, 1}, 0.03, true);
};

class ChunksTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ops::register_all();
    cpu::register_backend();
  }
  void TearDown() override { set_mode(Mode::lazy); }
  /// Makes the process one whose structures do not come back.
  static void meet_many() {
    Episodes e;
    for (int steps = 20; steps < 60; ++steps) e.run(steps);
  }
};

TEST_F(ChunksTest, EpisodesOfAllLengthsMakeFewPlansAndEagersNumbers) {
  meet_many();
  Episodes lazy;
  std::vector<double> losses;
  const SubmitCounters before = submit_counters();
  const int64_t plans = compile::cache_counters().built;
  for (int steps = 61; steps < 90; ++steps) losses.push_back(lazy.run(steps));
  EXPECT_EQ(submit_counters().built, before.built);
  EXPECT_EQ(submit_counters().chunked, before.chunked + 29);
  // What hangs on the length: the mean, its gradient, and the sum of what is left over.
  EXPECT_LT(compile::cache_counters().built - plans, 29 * 8);

  set_mode(Mode::eager);
  Episodes eager;
  for (int steps = 61; steps < 90; ++steps)
    EXPECT_EQ(eager.run(steps), losses[static_cast<size_t>(steps - 61)]) << steps;
  EXPECT_EQ(eager.weights(), lazy.weights());
}

TEST_F(ChunksTest, WhatComesBackOftenGetsAPlan) {
  meet_many();
  Episodes e;
  const SubmitCounters before = submit_counters();
  for (int i = 0; i < 40; ++i) e.run(19);
  const SubmitCounters after = submit_counters();
  EXPECT_GT(after.chunked, before.chunked);
  EXPECT_EQ(after.built - before.built, 1);
  for (int i = 0; i < 10; ++i) e.run(19);
  EXPECT_EQ(submit_counters().built, after.built);
  EXPECT_EQ(submit_counters().chunked, after.chunked);
}

TEST_F(ChunksTest, PartsOfValuesAreNotResultsThatShareMemory) {
  meet_many();
  Var data = ramp({40, 3}, 0.5);
  std::vector<Var> rows;
  const Var doubled = op("add", {data, data});
  for (int64_t i = 0; i < 40; ++i)
    rows.push_back(op(
        "slice", {doubled},
        {{"starts", ops::Ints{i, 0}}, {"stops", ops::Ints{i + 1, 3}}, {"steps", ops::Ints{1, 1}}}));
  const Var twice = op("mul", {rows[7], rows[7]});
  const int64_t chunked = submit_counters().chunked;
  submit();
  EXPECT_EQ(submit_counters().chunked, chunked + 1);
  EXPECT_NE(rows[7].array().buffer(), doubled.array().buffer());
  for (int64_t k = 0; k < 3; ++k) {
    EXPECT_EQ(rows[7].array().at(k), doubled.array().at(21 + k));
    EXPECT_EQ(twice.array().at(k), rows[7].array().at(k) * rows[7].array().at(k));
  }
}

TEST_F(ChunksTest, WhatAReshapeReadsLastIsThereForTheOpsBeforeIt) {
  meet_many();
  std::vector<Var> all;
  for (int64_t i = 0; i < 30; ++i) {
    const Var x = ramp({2, 3 + i}, 0.25);
    const Var squares = op("mul", {x, x});
    all.push_back(op("add", {op("reshape", {x}, {{"shape", ops::Ints{6 + 2 * i}}}),
                             op("reshape", {squares}, {{"shape", ops::Ints{6 + 2 * i}}})}));
  }
  const int64_t chunked = submit_counters().chunked;
  submit();
  EXPECT_EQ(submit_counters().chunked, chunked + 1);
  for (int64_t i = 0; i < 30; ++i) {
    const Array x = ramp({2, 3 + i}, 0.25).array(), y = all[static_cast<size_t>(i)].array();
    for (int64_t k = 0; k < x.count(); ++k) EXPECT_EQ(y.at(k), x.at(k) * x.at(k) + x.at(k));
  }
}

}  // namespace
}  // namespace trivium::record
