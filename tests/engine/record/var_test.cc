#include "trivium/engine/record/var.h"

#include <gtest/gtest.h>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/engine/ops/build.h"

namespace trivium::record {
namespace {

class RecordTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ops::register_all();
    cpu::register_backend();
  }
  static Var leaf(std::vector<float> values, Shape shape, bool grad = false) {
    return Var(Array::from(values, shape), grad);
  }
  static Var op(const char* name, std::vector<Var> in, const Attrs& attrs = {}) {
    return record::apply(call(name, attrs), in);
  }
  static Var sum(const Var& x) {
    return op("sum", {x}, {{"axes", ops::Ints{}}, {"keep_dims", false}});
  }
  static std::vector<float> list(const Var& v) {
    const Array a = v.array();
    return {a.data<float>(), a.data<float>() + a.count()};
  }
  using F = std::vector<float>;
};

TEST_F(RecordTest, ComputesWhenLookedAt) {
  const Var a = leaf({1, 2, 3}, {3}), b = leaf({10, 20, 30}, {3});
  const Var c = op("mul", {op("add", {a, b}), number(2.0, DType::f32)});
  EXPECT_EQ(list(c), (F{22, 44, 66}));
  EXPECT_EQ(sum(c).item(), 132);
}

TEST_F(RecordTest, AShapeErrorIsThrownByTheRecordingCall) {
  EXPECT_THROW(op("add", {leaf({1, 2, 3}, {3}), leaf({1, 2}, {2})}), UserError);
}

TEST_F(RecordTest, BackwardFillsLeavesAndAddsUp) {
  Var w = leaf({1, 2, 3}, {3}, true);
  const Var x = leaf({4, 5, 6}, {3});
  backward({sum(op("mul", {w, x}))});
  EXPECT_EQ(list(w.grad()), (F{4, 5, 6}));
  backward({sum(op("mul", {w, w}))});
  EXPECT_EQ(list(w.grad()), (F{6, 9, 12}));
}

TEST_F(RecordTest, LookingBeforeBackwardChangesNothing) {
  Var w = leaf({1, 2, 3}, {3}, true);
  const Var y = op("exp", {op("mul", {w, w})});
  const Var loss = sum(y);
  const double before = loss.item();
  backward({loss});
  EXPECT_EQ(loss.item(), before);
  EXPECT_NEAR(list(w.grad())[0], 2 * std::exp(1.0), 1e-5);
}

TEST_F(RecordTest, HistoryIsConsumedUnlessKept) {
  Var w = leaf({1, 2, 3}, {3}, true);
  const Var loss = sum(op("mul", {w, w}));
  backward({loss}, {}, true);
  backward({loss});
  EXPECT_EQ(list(w.grad()), (F{4, 8, 12}));
  EXPECT_THROW(backward({loss}), UserError);
}

TEST_F(RecordTest, SecondDerivatives) {
  Var x = leaf({2}, {1}, true);
  const Var y = op("mul", {op("mul", {x, x}), x});
  const Var dx = gradients({y}, {x}, {}, true, true)[0];
  EXPECT_FLOAT_EQ(static_cast<float>(dx.item()), 12);
  const Var ddx = gradients({dx}, {x})[0];
  EXPECT_FLOAT_EQ(static_cast<float>(ddx.item()), 12);
}

TEST_F(RecordTest, ViewsShareStorageBothWays) {
  Var x = leaf({1, 2, 3, 4, 5, 6}, {2, 3});
  const int64_t starts[] = {1, 0}, stops[] = {2, 3}, steps[] = {1, 1}, perm[] = {1, 0};
  Var row = view(slice_call(starts, stops, steps), x);
  Var t = view(permute_call(perm), x);
  row.assign(leaf({7, 8, 9}, {1, 3}));
  EXPECT_EQ(list(x), (F{1, 2, 3, 7, 8, 9}));
  EXPECT_EQ(list(t), (F{1, 7, 2, 8, 3, 9}));
  t.assign(leaf({1, 4, 2, 5, 3, 6}, {3, 2}));
  EXPECT_EQ(list(row), (F{4, 5, 6}));
  std::vector<int64_t> s;
  int64_t offset;
  ASSERT_TRUE(t.strides(&s, &offset));
  EXPECT_EQ(s, (std::vector<int64_t>{1, 3}));
  EXPECT_FALSE(t.is_contiguous());
}

TEST_F(RecordTest, GradientsPassThroughAWriteToAView) {
  Var w = leaf({2, 3}, {2}, true);
  Var buffer = leaf({1, 1, 1, 1}, {2, 2});
  const int64_t starts[] = {0, 0}, stops[] = {1, 2}, steps[] = {1, 1}, flat[] = {2};
  Var row = view(reshape_call(flat), view(slice_call(starts, stops, steps), buffer));
  row.assign(op("mul", {w, w}));
  EXPECT_TRUE(buffer.requires_grad());
  backward({sum(op("mul", {buffer, buffer}))});
  EXPECT_EQ(list(w.grad()), (F{32, 108}));  // 4 w^3
}

TEST_F(RecordTest, UpdatesReuseTheMemory) {
  Var w = leaf({1, 2, 3}, {3}, true);
  const void* place = w.array().raw();
  for (int step = 0; step < 3; ++step) {
    backward({sum(op("mul", {w, w}))});
    GradMode off(false);
    w.assign(op("sub", {w, op("mul", {w.grad(), number(0.25, DType::f32)})}));
    w.set_grad({});
    submit();
  }
  EXPECT_EQ(list(w), (F{0.125f, 0.25f, 0.375f}));
  EXPECT_EQ(w.array().raw(), place);
}

TEST_F(RecordTest, AKeptOldContentIsNotOverwritten) {
  Var w = leaf({1, 2, 3}, {3});
  const Var before = Var::of(val_of(w));  // a clone: same value, storage of its own
  w.assign(op("mul", {w, number(2, DType::f32)}));
  EXPECT_EQ(list(w), (F{2, 4, 6}));
  EXPECT_EQ(list(before), (F{1, 2, 3}));
}

TEST_F(RecordTest, ALeafThatRequiresAGradientIsNotWrittenWhileRecording) {
  Var w = leaf({1}, {1}, true);
  EXPECT_THROW(w.assign(leaf({2}, {1})), UserError);
  GradMode off(false);
  w.assign(leaf({2}, {1}));
  EXPECT_EQ(w.item(), 2);
}

TEST_F(RecordTest, DetachSharesContentWithoutHistory) {
  Var w = leaf({1, 2}, {2}, true);
  Var y = op("mul", {w, number(3, DType::f32)});
  Var d = y.detach();
  EXPECT_FALSE(d.requires_grad());
  d.assign(leaf({0, 0}, {2}));
  EXPECT_EQ(list(y), (F{0, 0}));
  backward({sum(y)});
  EXPECT_EQ(list(w.grad()), (F{3, 3}));
}

TEST_F(RecordTest, ALoopBuildsOnePlanWhateverTheNumbers) {
  Var w = leaf({1, 2, 3}, {3}, true);
  int64_t built = 0;
  std::vector<Var> losses;
  for (int step = 0; step < 50; ++step) {
    const Var loss = sum(op("mul", {w, w}));
    backward({loss});
    {
      GradMode off(false);
      w.assign(op("sub", {w, op("mul", {w.grad(), number(0.01 / (step + 1), DType::f32)})}));
    }
    w.set_grad({});
    losses.push_back(loss);
    submit();
    if (step == 1) built = submit_counters().built;
  }
  EXPECT_EQ(submit_counters().built, built);
}

TEST_F(RecordTest, HooksSeeAndReplaceGradients) {
  Var w = leaf({1, 2}, {2}, true);
  Var y = op("mul", {w, w});
  y.add_hook([](const Var& g) { return apply(call("mul"), {g, number(10, DType::f32)}); });
  Var seen;
  w.add_hook([&](const Var& g) {
    seen = g;
    return Var();
  });
  y.retain_grad();
  backward({sum(y)});
  EXPECT_EQ(list(w.grad()), (F{20, 40}));
  EXPECT_EQ(list(seen), (F{20, 40}));
  EXPECT_EQ(list(y.grad()), (F{10, 10}));
}

TEST_F(RecordTest, ACallersRuleIsUsed) {
  Var x = leaf({1, 2, 3}, {3}, true);
  Var y;
  {
    GradMode off(false);
    y = op("mul", {x, x});
  }
  y = attach_rule("twice", {&x, 1}, {&y, 1}, [](const std::vector<Var>& g) {
    return std::vector<Var>{apply(call("mul"), {g[0], number(7, DType::f32)})};
  })[0];
  EXPECT_EQ(y.grad_op(), "twice");
  backward({sum(y)});
  EXPECT_EQ(list(x.grad()), (F{7, 7, 7}));
}

TEST_F(RecordTest, MemoryHandedOutIsCurrentAtOnce) {
  Var x = leaf({1, 2, 3}, {3});
  const Var::Exported memory = x.share();
  const float* p = memory.base.data<float>();
  x.assign(op("mul", {x, number(2, DType::f32)}));
  EXPECT_EQ(p[2], 6);
  const_cast<float*>(p)[0] = 100;
  EXPECT_EQ(list(op("add", {x, number(1, DType::f32)}))[0], 101);
}

TEST_F(RecordTest, DeepChainsDoNotOverflowTheStack) {
  Var x = leaf({0}, {1}, true);
  Var y = x;
  for (int i = 0; i < 100000; ++i) y = op("add", {y, number(1, DType::f32)});
  backward({sum(y)});
  EXPECT_EQ(y.item(), 100000);
  EXPECT_EQ(list(x.grad()), (F{1}));
}

TEST_F(RecordTest, AWeightMayBeUsedAThousandTimes) {
  Var w = leaf({1, 2}, {2}, true);
  std::vector<Var> terms;
  for (int i = 0; i < 1000; ++i) terms.push_back(sum(op("mul", {w, number(1, DType::f32)})));
  backward({op("add_n", terms)});
  EXPECT_EQ(list(w.grad()), (F{1000, 1000}));
}

TEST_F(RecordTest, AnErrorOfTheRunComesBackAtEveryLook) {
  const Var table = leaf({1, 2, 3}, {3});
  const Var index(Array::from(std::vector<int64_t>{5}, {1}));
  const Var y = op("gather", {table, index}, {{"axis", int64_t{0}}});
  EXPECT_THROW(y.array(), UserError);
  EXPECT_THROW(y.array(), UserError);
  EXPECT_EQ(list(op("neg", {table})), (F{-1, -2, -3}));
}

}  // namespace
}  // namespace trivium::record
