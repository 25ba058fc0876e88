// prepare and execute together: what a plan computes, where Cells are written, what is cached.
#include "trivium/engine/compile/compile.h"

#include <gtest/gtest.h>

#include <thread>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/ops/build.h"

namespace trivium::compile {
namespace {

struct Compile : ::testing::Test {
  void SetUp() override {
    ops::register_all();
    cpu::register_backend();
  }
  static std::vector<Array> run(const Prepared& p, std::vector<Array> inputs,
                                std::vector<double> scalars = {}) {
    run::Bindings b;
    for (int i : p.inputs) b.inputs.push_back(inputs.at(i));
    for (int i : p.scalars) b.scalars.push_back(scalars.at(i));
    b.cells = p.cells;
    std::vector<Array> out;
    run::execute(*p.plan, b, out);
    return out;
  }
  static CellRef cell(const std::string& name, std::vector<float> values) {
    const Shape shape{static_cast<int64_t>(values.size())};
    return std::make_shared<Cell>(name, Array::from(values, shape));
  }
};

TEST_F(Compile, APlanComputesWhatWasRecorded) {
  Graph g;
  const Value x = g.input("x", {3}), s = g.scalar("s");
  const Prepared p = prepare(g, {}, {ops::relu(x * s)});
  const auto out = run(p, {Array::from<float>({-1, 0, 2}, {3})}, {3.0});
  EXPECT_EQ(out[0].at(0), 0);
  EXPECT_EQ(out[0].at(2), 6);
}

TEST_F(Compile, ACellIsUpdatedInPlace) {
  Graph g;
  const CellRef w = cell("w", {1, 2}), h = cell("h", {0, 0});
  const Value grad = g.input("g", {2}), rate = g.scalar("rate");
  const Value next = g.read(h) * 0.5 + grad * rate;
  g.assign(h, next);
  g.assign(w, g.read(w) - next);
  const Prepared p = prepare(g, {}, {});
  const void* memory = w->value().raw();
  for (int i = 0; i < 2; ++i) run(p, {Array::from<float>({1, -1}, {2})}, {0.1});
  EXPECT_FLOAT_EQ(w->value().at(0), 1 - 0.1f - 0.15f);
  EXPECT_FLOAT_EQ(h->value().at(1), -0.15f);
  EXPECT_EQ(w->value().raw(), memory);
  EXPECT_EQ(w->version(), 2);
  EXPECT_EQ(p.plan->notes.find("copy at the end"), std::string::npos);
}

TEST_F(Compile, CellsCanExchangeTheirContents) {
  Graph g;
  const CellRef a = cell("a", {1}), b = cell("b", {2});
  const Value old_a = g.read(a), old_b = g.read(b);
  g.assign(a, old_b);
  g.assign(b, old_a);
  run(prepare(g, {}, {}), {});
  EXPECT_EQ(a->value().at(0), 2);
  EXPECT_EQ(b->value().at(0), 1);
}

TEST_F(Compile, AFetchOfAnOldCellSeesTheOldContent) {
  Graph g;
  const CellRef w = cell("w", {5});
  const Value old = g.read(w);
  g.assign(w, old + 1.0);
  const auto out = run(prepare(g, {}, {old, g.read(w)}), {});
  EXPECT_EQ(out[0].at(0), 5);
  EXPECT_EQ(out[1].at(0), 6);
  EXPECT_EQ(w->value().at(0), 6);
}

TEST_F(Compile, LaterReadersOfTheOldContentAreServedFirst) {
  Graph g;
  const CellRef w = cell("w", {1, 2, 3});
  const Value x = g.input("x", {3});
  const Value updated = g.read(w) * 2.0;
  g.assign(w, updated);
  const Value depends_on_both = ops::sum(updated) * ops::sum(x);
  // Reads the old w after a value that needs the new one.
  Graph& graph = g;
  const Value old = graph.value(graph.cells()[0].initial);
  const Value late = old * depends_on_both;
  const auto out = run(prepare(g, {}, {late}), {Array::from<float>({1, 0, 0}, {3})});
  EXPECT_EQ(out[0].at(0), 12);
  EXPECT_EQ(out[0].at(2), 36);
  EXPECT_EQ(w->value().at(2), 6);
}

TEST_F(Compile, WithoutCommitCellsStay) {
  Graph g;
  const CellRef w = cell("w", {1});
  g.assign(w, g.read(w) + 1.0);
  run(prepare(g, {}, {g.read(w)}, false), {});
  EXPECT_EQ(w->value().at(0), 1);
}

TEST_F(Compile, EqualStructureIsOnePlan) {
  const auto build = [](float unused) {
    Graph g;
    const CellRef w = cell("w", {unused, 2});
    const Value x = g.input("any name", {2});
    g.set_scope("any layer");
    g.assign(w, g.read(w) * x);
    return prepare(g, {}, {ops::sum(x)}).plan;
  };
  const auto before = cache_counters();
  const auto first = build(1), second = build(7);
  EXPECT_EQ(first, second);
  EXPECT_EQ(cache_counters().built - before.built, 1);
  EXPECT_EQ(cache_counters().hit - before.hit, 1);
}

TEST_F(Compile, DifferentConstantsShapesFetchesAndThreadsAreDifferentPlans) {
  const auto build = [](double c, int64_t n, bool both, int threads) {
    Graph g;
    const Value x = g.input("x", {n});
    const Value y = x * c;
    Options options;
    options.threads = threads;
    return prepare(g, {}, both ? std::vector<Value>{y, ops::exp(y)} : std::vector<Value>{y}, true,
                   options)
        .plan;
  };
  const auto base = build(2, 3, false, 1);
  EXPECT_EQ(base, build(2, 3, false, 1));
  EXPECT_NE(base, build(3, 3, false, 1));
  EXPECT_NE(base, build(2, 4, false, 1));
  EXPECT_NE(base, build(2, 3, true, 1));
  EXPECT_NE(base, build(2, 3, false, 2));
}

TEST_F(Compile, NodesNobodyAsksForAreNotPlanned) {
  Graph g;
  const Value x = g.input("x", {2}), unused = g.input("unused", {1000, 1000});
  ops::exp(unused);
  const Prepared p = prepare(g, {}, {x + x});
  EXPECT_EQ(p.inputs, std::vector<int>{0});
  EXPECT_EQ(p.plan->steps.size(), 1u);
}

TEST_F(Compile, AnyValueCanBeFed) {
  Graph g;
  const Value x = g.input("x", {2});
  const Value middle = ops::exp(x);
  const Prepared p = prepare(g, {middle}, {middle * 2.0});
  ASSERT_EQ(p.inputs, std::vector<int>{1});
  run::Bindings b;
  b.inputs = {Array::from<float>({3, 4}, {2})};
  std::vector<Array> out;
  run::execute(*p.plan, b, out);
  EXPECT_EQ(out[0].at(1), 8);
}

TEST_F(Compile, SteadyStateAllocatesNothing) {
  Graph g;
  const CellRef w = std::make_shared<Cell>("w", Array::full({10, 32}, 0.1));
  const Value x = g.input("x", {16, 32}), rate = g.scalar("rate");
  const Value loss = ops::mean(ops::square(ops::matmul(x, g.read(w), false, true)));
  const Value grad = gradients({loss}, {g.read(w)})[0];
  g.assign(w, g.read(w) - grad * rate);
  const Prepared p = prepare(g, {}, {loss});
  run::Bindings b;
  b.inputs = {Array::full({16, 32}, 0.5)};
  b.scalars = {0.1};
  b.cells = p.cells;
  std::vector<Array> out;
  run::execute(*p.plan, b, out);
  const double first = out[0].item();
  const int64_t allocations = buffer_allocations();
  const auto plans = cache_counters();
  for (int i = 0; i < 1000; ++i) {
    b.scalars[0] = 0.1 / (i + 1);
    run::execute(*p.plan, b, out);
  }
  EXPECT_EQ(buffer_allocations(), allocations);
  EXPECT_EQ(cache_counters().built, plans.built);
  EXPECT_LT(out[0].item(), first);
}

/// A convolution, normalised by running statistics, on the weights of Cells.
struct Normalised {
  Graph g;
  CellRef w = std::make_shared<Cell>("w", Array::full({32, 16, 3, 3}, 0.25));
  CellRef mean = std::make_shared<Cell>("mean", Array::full({32}, 1.0));
  CellRef factor = std::make_shared<Cell>("factor", Array::full({32}, 2.0));
  Array x = Array::full({1, 16, 8, 8}, 1.0);
  Prepared p;
  Normalised() {
    const Value in = g.input("x", {1, 16, 8, 8});
    const auto channels = [&](const CellRef& c) { return ops::reshape(g.read(c), {32, 1, 1}); };
    const Value y = ops::conv(in, g.read(w), {{1, 1}, {0, 0}, {0, 0}, {1, 1}, 1});
    p = prepare(g, {}, {ops::relu((y - channels(mean)) * channels(factor))});
  }
  double first(std::vector<Array>& out) const {
    run::Bindings b;
    b.inputs = {x};
    b.cells = p.cells;
    run::execute(*p.plan, b, out);
    return out[0].at(0);
  }
  double first() const {
    std::vector<Array> out;
    return first(out);
  }
};

TEST_F(Compile, WhatDependsOnCellsAloneIsMadeOnceAndAgainWhenOneChanges) {
  Normalised n;
  const run::Plan& plan = *n.p.plan;
  int in_every_run = 0;
  for (size_t s = static_cast<size_t>(plan.prologue); s < plan.steps.size(); ++s)
    in_every_run += plan.traces[plan.steps[s].trace].op != "reorder";
  EXPECT_EQ(in_every_run, 1) << plan_text(plan);
  EXPECT_EQ(n.first(), (16 * 9 * 0.25 - 1) * 2);
  n.factor->set(Array::full({32}, 3.0));
  EXPECT_EQ(n.first(), (16 * 9 * 0.25 - 1) * 3);
  n.w->set(Array::full({32, 16, 3, 3}, 0.5));
  EXPECT_EQ(n.first(), (16 * 9 * 0.5 - 1) * 3);
}

TEST_F(Compile, WhatIsKeptIsNotMadeAgainAndNeedsNoMemoryOfItsOwn) {
  Normalised n;
  std::vector<Array> out;
  n.first(out);
  n.w->value().span<float>()[0] = 100;  // without touched(): nobody was told
  const int64_t allocations = buffer_allocations();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(n.first(out), 70);
  EXPECT_EQ(buffer_allocations(), allocations);
  n.w->touched();
  EXPECT_GT(n.first(out), 100);
}

TEST_F(Compile, AMemoryThatSomebodyHoldsIsReadInEveryRun) {
  Normalised n;
  const Array held = n.mean->value();
  EXPECT_EQ(n.first(), 70);
  held.span<float>()[0] = 5;
  EXPECT_EQ(n.first(), (16 * 9 * 0.25 - 5) * 2);
}

TEST_F(Compile, TwoModelsOfOneStructureKeepTheirOwn) {
  Normalised a, b;
  ASSERT_EQ(a.p.plan, b.p.plan);
  b.mean->set(Array::full({32}, 3.0));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(a.first(), 70);
    EXPECT_EQ(b.first(), 66);
  }
}

TEST_F(Compile, WhatIsKeptGoesWithTheCells) {
  const int64_t before = buffer_bytes_live();
  std::shared_ptr<const run::Plan> plan;
  {
    Normalised n;
    plan = n.p.plan;
    n.first();
    EXPECT_GE(buffer_bytes_live(), before + static_cast<int64_t>(plan->kept_bytes));
  }
  clear_plan_cache();
  EXPECT_GT(plan->kept_bytes, 0u);
  const auto arena = static_cast<int64_t>(plan->arena_bytes);
  EXPECT_LE(buffer_bytes_live(), before + arena + 64);
}

TEST_F(Compile, ThreadsMayShareWhatIsKept) {
  Normalised n;
  const Array held = n.mean->value();  // so that every run makes it again
  std::vector<std::thread> team;
  for (int t = 0; t < 3; ++t)
    team.emplace_back([&] {
      for (int i = 0; i < 50; ++i) EXPECT_EQ(n.first(), 70);
    });
  for (std::thread& t : team) t.join();
}

TEST_F(Compile, WhatGrowsFromACellIsNotKept) {
  Graph g;
  const CellRef c = cell("c", {1, 2, 3, 4});
  const Value x = g.input("x", {64, 64, 64, 4});
  const Value wide = ops::broadcast_to(g.read(c), {64, 64, 64, 4});
  const Prepared p = prepare(g, {}, {ops::concat({x, wide}, 0)});
  EXPECT_EQ(p.plan->kept_bytes, 0u) << plan_text(*p.plan);
}

TEST_F(Compile, ABindingThatDoesNotFitSaysWhich) {
  Graph g;
  const Value x = g.input("x", {2, 3});
  const Prepared p = prepare(g, {}, {ops::exp(x)});
  try {
    run(p, {Array::zeros({3, 2})});
    FAIL();
  } catch (const UserError& e) {
    EXPECT_STREQ(e.what(), "run: input 0 expects float32[2, 3], received float32[3, 2]");
  }
}

TEST_F(Compile, ExactNumericsLeaveWinogradOut) {
  Graph g;
  const Value x = g.input("x", {16, 64, 56, 56}), w = g.input("w", {64, 64, 3, 3});
  const Value y = ops::conv(x, w, {{1, 1}, {1, 1}, {1, 1}, {1, 1}, 1});
  Options exact;
  exact.numerics = Numerics::exact;
  EXPECT_NE(plan_text(*prepare(g, {}, {y}).plan).find("winograd"), std::string::npos);
  EXPECT_EQ(plan_text(*prepare(g, {}, {y}, true, exact).plan).find("winograd"), std::string::npos);
}

TEST_F(Compile, ExactNumericsRoundASumOnce) {
  Graph g;
  const Value x = g.input("x", {1, 3}), w = g.input("w", {3, 1});
  Options exact;
  exact.numerics = Numerics::exact;
  const Prepared p = prepare(g, {}, {ops::matmul(x, w), ops::sum(x, {1})}, true, exact);
  const auto out = run(
      p, {Array::from<float>({1e8f, 1.25f, -1e8f}, {1, 3}), Array::from<float>({1, 1, 1}, {3, 1})});
  EXPECT_EQ(out[0].item(), 1.25);
  EXPECT_EQ(out[1].item(), 1.25);
  EXPECT_EQ(out[0].dtype(), DType::f32);
}

TEST_F(Compile, ExplainShowsStepsAndMemory) {
  Graph g;
  const Value x = g.input("x", {2, 3});
  const std::string text = explain(*prepare(g, {}, {ops::softmax(ops::exp(x))}).plan);
  EXPECT_NE(text.find("softmax"), std::string::npos);
  EXPECT_NE(text.find("memory: arena"), std::string::npos);
}

}  // namespace
}  // namespace trivium::compile
