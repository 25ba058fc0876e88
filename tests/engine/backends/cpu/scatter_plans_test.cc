// Scatters, scans, sorts and normalisation inside plans: with their gradients against the
// interpreter, and in place where what they change dies.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/engine/ops/sample_inputs.h"
#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/graph/interpret.h"
#include "trivium/engine/ops/build.h"

namespace trivium {
namespace {

using ops::Ints;

class ScatterPlans : public ::testing::Test {
 protected:
  void SetUp() override {
    ops::register_all();
    cpu::register_backend();
  }
  Value in(SampleInput like) {
    values_.inputs.push_back(
        testing::sample_array(like, 3, static_cast<int>(values_.inputs.size())));
    return graph_.input("x", like.shape, like.dtype);
  }
  Value indices(std::initializer_list<int64_t> dims, int64_t limit) {
    return in(SampleInput(dims, SampleInput::integers, DType::i64, limit));
  }
  compile::Prepared planned(const std::vector<Value>& fetches) {
    return compile::prepare(graph_, {}, fetches);
  }
  /// The plan's results are those of the interpreter.
  void check(const std::vector<Value>& fetches) {
    const std::vector<RefTensor> expected = interpret(graph_, fetches, values_);
    const compile::Prepared p = planned(fetches);
    run::Bindings b;
    for (int i : p.inputs) b.inputs.push_back(values_.inputs[i]);
    std::vector<Array> out;
    run::execute(*p.plan, b, out);
    for (size_t o = 0; o < out.size(); ++o) {
      double scale = 1;
      for (double v : expected[o].data) scale = std::max(scale, std::abs(v));
      for (int64_t i = 0; i < out[o].count(); ++i)
        ASSERT_NEAR(out[o].at(i), expected[o].data[i], 1e-5 * scale)
            << "result " << o << ", element " << i << "\n"
            << compile::plan_text(*p.plan);
    }
  }
  Graph graph_;
  InterpretInputs values_;
};

TEST_F(ScatterPlans, ChainsOfScattersAndTheirGradients) {
  const Value x = in(SampleInput({12, 20}, SampleInput::distinct)),
              part = in(SampleInput({6, 20}, SampleInput::distinct)),
              rows = in(SampleInput({4, 20}, SampleInput::distinct)),
              elements = in(SampleInput({12, 5}, SampleInput::distinct));
  Value y = ops::slice_scatter(x * 2.0, ops::relu(part), {0, 0}, {12, 20}, {2, 1});
  y = ops::index_update(y, indices({4}, 12), rows * 3.0, 0, "add");
  y = ops::scatter_elements(y, indices({12, 5}, 20), elements, 1, "add");
  y = ops::gather_elements(y, indices({9, 20}, 12), 0);
  const Value loss = ops::sum(ops::square(y));
  std::vector<Value> fetches = gradients({loss}, {x, part, rows, elements});
  fetches.push_back(y);
  check(fetches);
}

TEST_F(ScatterPlans, AnOperandThatIsReadAgainStaysAsItWas) {
  const Value x = in(SampleInput({6, 4}, SampleInput::distinct)) * 2.0;
  const Value index = indices({6}, 6);
  // x is the target and the updates: rows must come from the old x.
  const Value y = ops::index_update(x, index, x);
  const Value z = ops::scatter_elements(x, ops::broadcast_to(ops::reshape(index, {6, 1}), {6, 4}),
                                        ops::reshape(ops::reshape(x, {24}), {6, 4}), 0);
  check({y, z, x});
  check({ops::index_update(x, index, ops::reshape(ops::reshape(x, {24}), {6, 4}))});
}

TEST_F(ScatterPlans, AreInPlaceWhereTheTargetDies) {
  const Value x = in(SampleInput({64, 1024})), part = in(SampleInput({2, 1024}));
  Value y = x + 1.0;
  for (int64_t i = 0; i < 8; ++i) y = ops::slice_scatter(y, part, {2 * i, 0}, {2 * i + 2, 1024});
  const size_t one = 64 * 1024 * sizeof(float);
  const compile::Prepared p = planned({ops::sum(y)});
  EXPECT_LT(p.plan->arena_bytes, one + one / 2) << compile::explain(*p.plan);
}

TEST_F(ScatterPlans, SortsScansAndNorms) {
  const Value x = in(SampleInput({4, 6, 10}, SampleInput::distinct)), gamma = in(SampleInput({10})),
              beta = in(SampleInput({10}));
  const auto sorted = ops::sort(x, 1, true);
  const Value running = ops::cumsum(ops::tanh(sorted.values), 2);
  const auto norm = ops::layer_norm(running, 1, 1e-5, gamma, beta);
  const Value grouped = ops::group_norm(norm.y, 3, 1e-5);
  const Value loss = ops::sum(ops::mul(grouped, ops::cummax(x, 2).values)) +
                     ops::sum(ops::square(norm.mean)) +
                     ops::sum(ops::variance(x, {1, 2}, false, 1));
  std::vector<Value> fetches = gradients({loss}, {x, gamma, beta});
  for (const Value& v : {sorted.values, sorted.indices, norm.y, grouped, ops::logsumexp(x, {0})})
    fetches.push_back(v);
  check(fetches);
}

TEST_F(ScatterPlans, IntegersAndTruth) {
  const Value i = indices({5, 7}, 100), j = indices({5, 7}, 9) + 1.0;
  const Value odd =
      ops::equal(ops::mod(i, graph_.constant(2, DType::i64)), graph_.constant(1, DType::i64));
  check({ops::floor_div(i, j), ops::shift_left(i, j), ops::bitwise_xor(i, j), ops::any(odd, {1}),
         ops::all(ops::bitwise_not(odd), {0}), ops::cast(ops::select(odd, i, j), DType::f32),
         ops::sum(ops::cast(odd, DType::i64)), ops::cumsum(i, 0), ops::argmin(i, 1)});
}

TEST_F(ScatterPlans, HalfPrecisionIsMadeConvertedSlicedAndAdded) {
  for (DType half : {DType::f16, DType::bf16}) {
    const Value x = ops::cast(indices({6, 8}, 100), half);
    const Value part = ops::slice(x, {1, 0}, {5, 8}), sum = ops::add(part, part);
    check({ops::cast(sum, DType::f32), ops::cast(ops::concat({sum, x}, 0), DType::f64)});
  }
}

TEST_F(ScatterPlans, HalfPrecisionComputesInFloat32) {
  const auto exact = [&](Value v) { return ops::cast(v, DType::f64); };
  for (DType half : {DType::f16, DType::bf16}) {
    // Integers, whose sums of products both types hold.
    const Value a = ops::cast(indices({4, 6}, 4), half), b = ops::cast(indices({6, 5}, 4), half);
    const Value index = indices({4, 6}, 4);
    check({exact(ops::matmul(a, b)), exact(ops::sum(a, {1})), exact(ops::sort(a, 1).values),
           ops::argmax(a, 1), exact(ops::cumsum(a, 0)), exact(ops::reduce_max(b)),
           exact(ops::scatter_elements(a, index, a, 0, "add")),
           exact(gradients({ops::sum(ops::matmul(a, b))}, {a})[0])});
    // float32 sums 4096 ones; half precision would stop at 2048 or 256.
    const Value ones = ops::broadcast_to(ops::cast(graph_.constant(1), half), {4096});
    check({exact(ops::sum(ones)), exact(ops::mean(ones))});
  }
}

}  // namespace
}  // namespace trivium
