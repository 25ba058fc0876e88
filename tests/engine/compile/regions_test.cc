// Loops and choices as they run: the plan of a region op against the reference, the gradients
// against both, and what an iteration may not cost.
#include "trivium/engine/run/regions.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/graph/interpret.h"
#include "trivium/engine/graph/text.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/ops/control.h"
#include "trivium/engine/run/tape.h"

namespace trivium {
namespace {

using ops::Ints;

Array numbers(const Shape& shape, DType dtype, int salt) {
  Array a(shape, dtype);
  for (int64_t i = 0; i < a.count(); ++i)
    a.set(i, is_floating(dtype) ? std::sin(0.7 * static_cast<double>(i + 1) + salt) * 0.8 : 1);
  return a;
}

class RegionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ops::register_all();
    cpu::register_backend();
  }

  Value input(const Shape& shape, DType dtype = DType::f32) {
    values.inputs.push_back(numbers(shape, dtype, static_cast<int>(values.inputs.size())));
    return graph.input("x", shape, dtype);
  }

  std::vector<Array> run(const std::vector<Value>& fetches) {
    const compile::Prepared p = compile::prepare(graph, {}, fetches, false);
    run::Bindings bindings;
    for (int i : p.inputs) bindings.inputs.push_back(values.inputs[i]);
    std::vector<Array> outputs;
    run::execute(*p.plan, bindings, outputs);
    return outputs;
  }

  /// The plan gives what the reference gives.
  void check(const std::vector<Value>& fetches, double tolerance) {
    const std::vector<Array> got = run(fetches);
    const std::vector<RefTensor> expected = interpret(graph, fetches, values);
    for (size_t f = 0; f < fetches.size(); ++f)
      for (int64_t i = 0; i < got[f].count(); ++i)
        ASSERT_NEAR(got[f].at(i), expected[f].data[i],
                    tolerance * std::max(1.0, std::abs(expected[f].data[i])))
            << "fetch " << f << ", element " << i;
  }

  /// Gradients of a weighted sum of ys: plan against reference, reference against differences.
  void check_gradients(const std::vector<Value>& ys, const std::vector<Value>& xs,
                       double tolerance) {
    Value loss;
    for (const Value& y : ys) {
      const Value part = ops::sum(ops::mul(y, graph.constant(numbers(y.shape(), y.dtype(), 50))));
      loss = loss.defined() ? ops::add(loss, part) : part;
    }
    const std::vector<Value> dx = gradients({loss}, xs, {}, Unconnected::zeros);
    check(dx, tolerance);
    for (size_t k = 0; k < xs.size(); ++k) {
      const RefTensor g = interpret(graph, {dx[k]}, values)[0];
      Array& x = values.inputs[graph.node(xs[k].node).literal];
      const Array kept = x;
      for (int64_t i = 0; i < x.count(); i += 1 + x.count() / 12) {
        const auto loss_at = [&](double shift) {
          x = kept.cast(DType::f64);
          x.set(i, x.at(i) + shift);
          return interpret(graph, {loss}, values)[0].data[0];
        };
        const double numeric = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5;
        EXPECT_NEAR(g.data[i], numeric, 1e-6 * std::max(1.0, std::abs(numeric)))
            << "operand " << k << ", element " << i;
      }
      x = kept;
    }
  }

  Graph graph;
  InterpretInputs values;
};

Value literal(Graph& g, double value, DType dtype) { return g.constant(value, dtype); }

/// h = tanh(h w + x[i]) while i < limit, rows of h collected.
struct Recurrence {
  std::vector<Value> out;  // i, h, collected
  Recurrence(Value h, Value w, Value x, Value collected, Value limit) {
    Graph& g = *h.graph;
    const Value start = literal(g, 0, DType::i32);
    RegionDraft condition, body;
    for (RegionDraft* d : {&condition, &body})
      for (const Value& v : {start, h, collected}) d->input("carry", {v.shape(), v.dtype()});
    condition.results = {ops::less(condition.inputs[0], condition.capture(limit))};
    const Value i = body.inputs[0], at = ops::reshape(i, {1});
    const Value row = ops::reshape(ops::gather(body.capture(x), at), h.shape());
    const Value next = ops::tanh(ops::add(ops::matmul(body.inputs[1], body.capture(w)), row));
    std::vector<int64_t> dims = h.shape().vec();
    dims.insert(dims.begin(), 1);
    body.results = {ops::add(i, literal(*body.graph, 1, DType::i32)), next,
                    ops::index_update(body.inputs[2], at, ops::reshape(next, Shape(dims)))};
    out = ops::while_loop({start, h, collected}, std::move(condition), std::move(body));
  }
};

TEST_F(RegionsTest, ALoopOfKnownLengthGivesWhatTheReferenceGives) {
  const Value h = input({4, 6}), w = input({6, 6}), x = input({5, 4, 6}), kept = input({5, 4, 6});
  const Recurrence r(h, w, x, kept, literal(graph, 5, DType::i32));
  EXPECT_EQ(graph.node(r.out[1].node).attrs->integer("trips"), 5);
  check(r.out, 1e-6);
  check_gradients({r.out[1], r.out[2]}, {h, w, x, kept}, 2e-6);
}

TEST_F(RegionsTest, WhatALoopReadsAndWritesAtItsCounterAreRows) {
  const Value h = input({4, 6}), w = input({6, 6}), x = input({5, 4, 6}), kept = input({5, 4, 6});
  const Recurrence r(h, w, x, kept, literal(graph, 5, DType::i32));
  const ops::Loop loop(*graph.node(r.out[1].node).attrs,
                       static_cast<int>(graph.node(r.out[1].node).inputs.size()));
  EXPECT_EQ(loop.carries, 2);
  EXPECT_EQ(loop.rows, 1);
  EXPECT_EQ(loop.saves, 1);
  EXPECT_EQ(loop.body->text.find("gather"), std::string::npos);
  EXPECT_EQ(loop.body->text.find("index_update"), std::string::npos);
}

TEST_F(RegionsTest, StacksThatTheLoopDoesNotGoThroughStayWhole) {
  const Value h = input({4, 6}), w = input({6, 6}), x = input({6, 4, 6}), kept = input({7, 4, 6});
  const Recurrence r(h, w, x, kept, literal(graph, 5, DType::i32));  // longer than the loop
  const Node& node = graph.node(r.out[1].node);
  EXPECT_EQ(node.attrs->integer("rows"), 0);
  EXPECT_EQ(node.attrs->integer("carries"), 3);
  check(r.out, 1e-6);
  check_gradients({r.out[1], r.out[2]}, {h, w, x, kept}, 2e-6);
}

TEST_F(RegionsTest, WhatNoIterationChangesIsMadeOnceInARun) {
  const Value h = input({32, 48}), w = input({48, 48}), x = input({5, 32, 48}),
              kept = input({5, 32, 48});
  const Recurrence r(h, w, x, kept, literal(graph, 5, DType::i32));
  const std::string text = compile::plan_text(*compile::prepare(graph, {}, r.out, false).plan);
  EXPECT_NE(text.find("pack:matmul"), std::string::npos) << text;
  check(r.out, 1e-5);
  for (int64_t i = 0; i < 48 * 48; ++i) values.inputs[1].set(i, 0.01 * static_cast<double>(i % 7));
  check(r.out, 1e-5);  // and again in the next one
}

TEST_F(RegionsTest, GatesAreReadAndTheirGradientsWrittenWhereTheyLie) {
  const Value h = input({8, 16}), w = input({24, 64}), x = input({6, 8, 8});
  RegionDraft body;
  const Value before = body.input("h", {h.shape(), h.dtype()});
  const Value row = body.input("x", {Shape{8, 8}, x.dtype()});
  const Value z = ops::matmul(ops::concat({row, before}, 1), body.capture(w));
  std::vector<Value> gate;
  for (int64_t k = 0; k < 4; ++k) gate.push_back(ops::slice(z, {0, 16 * k}, {8, 16 * (k + 1)}));
  const Value c = ops::add(ops::mul(ops::sigmoid(gate[0]), before),
                           ops::mul(ops::sigmoid(gate[1]), ops::tanh(gate[2])));
  body.results = {ops::mul(ops::tanh(c), ops::sigmoid(gate[3]))};
  const std::vector<Value> out = ops::repeat(6, {h}, {x}, std::move(body));
  check(out, 1e-5);
  check_gradients(out, {h, w}, 2e-5);
  const std::vector<Value> dw = gradients({ops::sum(out[0])}, {w, h}, {}, Unconnected::zeros);
  const std::string text = compile::plan_text(*compile::prepare(graph, {}, dw, false).plan);
  for (const char* step : {" slice (b", " pad (", " concat (b", " reorder:plain->n"})
    EXPECT_EQ(text.find(step), std::string::npos) << step << "\n" << text;
}

TEST_F(RegionsTest, ALoopOfUnknownLengthKeepsWhatItsGradientReadsOnATape) {
  const Value h = input({4, 6}), w = input({6, 6}), x = input({5, 4, 6}), kept = input({5, 4, 6});
  const Value limit = input({}, DType::i32);
  values.inputs.back().set(0, 4);
  const Recurrence r(h, w, x, kept, limit);
  EXPECT_EQ(graph.node(r.out[1].node).attrs->integer("trips"), -1);
  check(r.out, 1e-6);
  check_gradients({r.out[1], r.out[2]}, {h, w, x, kept}, 2e-6);
  for (int64_t n : {0, 1, 5}) {
    values.inputs.back().set(0, static_cast<double>(n));
    check(r.out, 1e-6);
  }
}

TEST_F(RegionsTest, TheSecondDerivativeOfALoopOfUnknownLengthIsRefused) {
  const Value h = input({4, 6}), w = input({6, 6}), x = input({5, 4, 6}), kept = input({5, 4, 6});
  const Value limit = input({}, DType::i32);
  const Recurrence r(h, w, x, kept, limit);
  const Value dw = gradients({ops::sum(r.out[1])}, {w})[0];
  try {
    gradients({ops::sum(ops::square(dw))}, {w});
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("second derivative of a loop"), std::string::npos);
  }
}

TEST_F(RegionsTest, CarriesMayExchangePlaces) {
  const Value a = input({3}), b = input({3}), n = input({}, DType::i64);
  values.inputs.back().set(0, 7);
  const Value zero = literal(graph, 0, DType::i64);
  RegionDraft condition, body;
  for (RegionDraft* d : {&condition, &body})
    for (const Value& v : {zero, a, b}) d->input("carry", {v.shape(), v.dtype()});
  condition.results = {ops::less(condition.inputs[0], condition.capture(n))};
  body.results = {ops::add(body.inputs[0], literal(*body.graph, 1, DType::i64)), body.inputs[2],
                  ops::add(body.inputs[1], body.inputs[2])};
  const auto out = ops::while_loop({zero, a, b}, std::move(condition), std::move(body));
  check(out, 1e-6);
  check_gradients({out[1], out[2]}, {a, b}, 1e-6);
}

TEST_F(RegionsTest, WhatNeverChangesLeavesTheLoop) {
  const Value a = input({3}), b = input({3}), n = input({}, DType::i64);
  const Value zero = literal(graph, 0, DType::i64);
  RegionDraft condition, body;
  for (RegionDraft* d : {&condition, &body})
    for (const Value& v : {zero, a, b}) d->input("carry", {v.shape(), v.dtype()});
  condition.results = {ops::less(condition.inputs[0], condition.capture(n))};
  body.results = {ops::add(body.inputs[0], literal(*body.graph, 1, DType::i64)),
                  ops::add(body.inputs[1], body.inputs[2]), body.inputs[2]};
  const auto out = ops::while_loop({zero, a, b}, std::move(condition), std::move(body));
  EXPECT_EQ(out[2], b);
  EXPECT_EQ(graph.node(out[1].node).attrs->integer("carries"), 2);
  check(out, 1e-6);
}

/// Where x > 0: x * y and y; else sin(y) and x.
std::vector<Value> chosen(Value predicate, Value x, Value y) {
  RegionDraft then, otherwise;
  then.results = {ops::mul(then.capture(x), then.capture(y)), then.capture(y)};
  otherwise.results = {ops::sin(otherwise.capture(y)), otherwise.capture(x)};
  return ops::choose(predicate, std::move(then), std::move(otherwise));
}

TEST_F(RegionsTest, AChoiceAndItsFirstAndSecondGradients) {
  const Value p = input({}, DType::bool_), x = input({5}), y = input({5});
  const auto out = chosen(p, x, y);
  const Value loss = ops::sum(ops::mul(out[0], out[1]));
  const std::vector<Value> first = gradients({loss}, {x, y}, {}, Unconnected::zeros);
  for (double taken : {1.0, 0.0}) {
    values.inputs[0].set(0, taken);
    check(out, 1e-6);
    check_gradients(out, {x, y}, 2e-6);
    check_gradients(first, {x, y}, 2e-6);
  }
}

TEST_F(RegionsTest, OnlyTheRegionTakenRuns) {
  const Value p = input({}, DType::bool_), x = input({2});
  const Value index = input({1}, DType::i32);
  values.inputs.back().set(0, 9);  // out of range
  RegionDraft then, otherwise;
  then.results = {ops::gather(then.capture(x), then.capture(index))};
  otherwise.results = {ops::slice(otherwise.capture(x), {0}, {1})};
  const auto out = ops::choose(p, std::move(then), std::move(otherwise));
  values.inputs[0].set(0, 0);
  EXPECT_EQ(run(out)[0].at(0), values.inputs[1].at(0));
  values.inputs[0].set(0, 1);
  EXPECT_THROW(run(out), UserError);
}

TEST_F(RegionsTest, LoopsNest) {
  const Value x = input({2, 3}), rows = input({}, DType::i32), columns = input({}, DType::i32);
  values.inputs[1].set(0, 3);
  values.inputs[2].set(0, 2);
  const auto times = [](Graph& g, Value start, Value count, auto step) {
    const Value zero = g.constant(0.0, DType::i32);
    RegionDraft condition, body;
    for (RegionDraft* d : {&condition, &body})
      for (const Value& v : {zero, start}) d->input("carry", {v.shape(), v.dtype()});
    condition.results = {ops::less(condition.inputs[0], condition.capture(count))};
    body.results = {ops::add(body.inputs[0], body.graph->constant(1.0, DType::i32)),
                    step(body, body.inputs[1])};
    return ops::while_loop({zero, start}, std::move(condition), std::move(body))[1];
  };
  const Value out = times(graph, x, rows, [&](RegionDraft& outer, Value v) {
    const Value w = outer.capture(x), n = outer.capture(columns);
    return times(*outer.graph, v, n, [&](RegionDraft& inner, Value u) {
      return ops::sin(ops::add(ops::mul(u, inner.capture(w)), u));
    });
  });
  check({out}, 1e-6);
  check_gradients({out}, {x}, 3e-6);
}

TEST_F(RegionsTest, AnEmptyBodyCostsLittleAndARunAllocatesNothing) {
  const Value n = input({}, DType::i64), x = input({8});
  const int64_t trips = 100000;
  values.inputs[0].set(0, static_cast<double>(trips));
  const Value zero = literal(graph, 0, DType::i64);
  RegionDraft condition, body;
  for (RegionDraft* d : {&condition, &body})
    for (const Value& v : {zero, x}) d->input("carry", {v.shape(), v.dtype()});
  condition.results = {ops::less(condition.inputs[0], condition.capture(n))};
  body.results = {ops::add(body.inputs[0], literal(*body.graph, 1, DType::i64)),
                  ops::mul(body.inputs[1], body.graph->constant(0.5, DType::f32))};
  const auto out = ops::while_loop({zero, x}, std::move(condition), std::move(body));
  const compile::Prepared p = compile::prepare(graph, {}, out, false);
  run::Bindings bindings;
  for (int i : p.inputs) bindings.inputs.push_back(values.inputs[i]);
  std::vector<Array> outputs;
  run::execute(*p.plan, bindings, outputs);
  const int64_t before = buffer_allocations();
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    const auto start = std::chrono::steady_clock::now();
    run::execute(*p.plan, bindings, outputs);
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count() / static_cast<double>(trips));
  }
  EXPECT_EQ(buffer_allocations(), before);
  EXPECT_EQ(outputs[0].at(0), static_cast<double>(trips));
  RecordProperty("microseconds_per_iteration", std::to_string(best));
  std::printf("%.3f microseconds an iteration, three kernels in it\n", best);
}

TEST_F(RegionsTest, WritingARowDoesNotCopyTheBuffer) {
  const Value h = input({1, 2}), w = input({2, 2}), n = input({}, DType::i32);
  values.inputs.push_back(Array::zeros({4000, 1, 2}));
  const Value x = graph.input("x", {4000, 1, 2}), kept = graph.input("kept", {4000, 1, 2});
  values.inputs.push_back(Array::zeros({4000, 1, 2}));
  values.inputs[2].set(0, 4000);
  const Recurrence r(h, w, x, kept, n);
  const compile::Prepared p = compile::prepare(graph, {}, r.out, false);
  const std::shared_ptr<const run::Plan> body = [&] {
    for (const auto& trace : p.plan->traces)
      for (const auto& [name, plan] : trace.regions)
        if (name == "body") return plan;
    return std::shared_ptr<const run::Plan>();
  }();
  ASSERT_TRUE(body);
  EXPECT_EQ(body->output_stays[2], 1) << compile::plan_text(*body);
  check(r.out, 1e-6);
}

TEST_F(RegionsTest, HostCallsHappenInTheOrderOfTheirTokens) {
  std::vector<double> seen;
  values.inputs.push_back(
      run::HostFunction::bound([&](const std::vector<Array>& in, const std::vector<Array>& out) {
        seen.push_back(in[0].item());
        Array(out[0]).set(0, in[0].item() * 10);
      }));
  const Value function = graph.input("function", {}, DType::i64);
  const Value n = input({}, DType::i64);
  values.inputs[1].set(0, 3);
  const Value zero = literal(graph, 0, DType::i64);
  RegionDraft condition, body;
  for (RegionDraft* d : {&condition, &body})
    for (const Value& v : {zero, zero, zero}) d->input("carry", {v.shape(), v.dtype()});
  condition.results = {ops::less(condition.inputs[0], condition.capture(n))};
  const std::vector<Value> arguments = {body.capture(function), body.inputs[1], body.inputs[0]};
  const Value call = body.graph->op("host_call", arguments, {{"results", std::string("int64[]")}});
  body.results = {ops::add(body.inputs[0], literal(*body.graph, 1, DType::i64)), call,
                  ops::add(body.inputs[2], body.graph->output_of(call, 1))};
  const auto out = ops::while_loop({zero, zero, zero}, std::move(condition), std::move(body));
  const std::vector<Array> got = run(out);
  EXPECT_EQ(seen, (std::vector<double>{0, 1, 2}));
  EXPECT_EQ(got[1].item(), 3);
  EXPECT_EQ(got[2].item(), 30);
}

TEST_F(RegionsTest, AShapeThatChangesIsAnError) {
  const Value x = input({2});
  RegionDraft condition, body;
  condition.input("carry", {x.shape(), x.dtype()});
  body.input("carry", {x.shape(), x.dtype()});
  condition.results = {
      ops::less(ops::sum(condition.inputs[0]), condition.graph->constant(1.0, DType::f32))};
  body.results = {ops::concat({body.inputs[0], body.inputs[0]}, 0)};
  try {
    ops::while_loop({x}, std::move(condition), std::move(body));
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("result of the body 0 is float32[4], float32[2] expected"),
              std::string::npos)
        << e.what();
  }
}

TEST_F(RegionsTest, RegionsPrintAndParse) {
  const Value p = input({}, DType::bool_), x = input({5}), y = input({5});
  chosen(p, x, y);
  const std::string text = to_text(graph);
  EXPECT_EQ(to_text(*parse_text(text)), text);
}

}  // namespace
}  // namespace trivium
