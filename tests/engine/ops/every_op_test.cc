// Every op of the registry against its own record. An op that is registered is tested; nothing is
// listed here. One parameter an op: --gtest_filter=*EveryOp*/conv repeats one, TRIVIUM_TEST_SEED
// another draw.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "sample_inputs.h"
#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/graph/interpret.h"
#include "trivium/engine/graph/text.h"
#include "trivium/engine/graph/verify.h"
#include "trivium/engine/ops/build.h"

namespace trivium {
namespace {

uint64_t seed() {
  const char* text = std::getenv("TRIVIUM_TEST_SEED");
  return text ? std::strtoull(text, nullptr, 10) : 1;
}

std::vector<std::string> op_names() {
  ops::register_all();
  std::vector<std::string> names;
  for (const auto& op : OpRegistry::instance().all()) names.push_back(op->name());
  return names;
}

/// Leaves get their value from outside: there is nothing to sample or run.
bool is_leaf(const OpDef& op) {
  return op.name() == "input" || op.name() == "scalar" || op.name() == "constant" ||
         op.name() == "cell";
}

/// A graph of one op over inputs made from a sample.
struct Recorded {
  Graph graph;
  std::vector<Value> inputs, outputs;
  InterpretInputs values;

  Recorded(const OpDef& op, const Sample& sample, bool wide) {
    for (size_t i = 0; i < sample.inputs.size(); ++i) {
      values.inputs.push_back(
          testing::sample_array(sample.inputs[i], seed(), static_cast<int>(i), wide));
      inputs.push_back(graph.input("x" + std::to_string(i), sample.inputs[i].shape,
                                   values.inputs.back().dtype()));
    }
    const Value first = graph.op(op, inputs, sample.attrs);
    for (int o = 0; o < graph.node(first.node).outputs; ++o)
      outputs.push_back(graph.output_of(first, o));
  }

  double at(Value v) const { return interpret(graph, {v}, values)[0].data[0]; }
};

/// sum of values[i] * numbers: one number that depends on every element with its own weight.
Value projection(Graph& graph, const std::vector<Value>& values, uint64_t salt) {
  Value total;
  for (size_t i = 0; i < values.size(); ++i) {
    const SampleInput like = [&] {
      SampleInput in({});
      in.shape = values[i].shape();
      return in;
    }();
    Array weights =
        testing::sample_array(like, seed() + salt, static_cast<int>(i)).cast(values[i].dtype());
    const Value part =
        ops::cast(ops::sum(ops::mul(values[i], graph.constant(weights))), DType::f64);
    total = total.defined() ? ops::add(total, part) : part;
  }
  return total;
}

class EveryOp : public ::testing::TestWithParam<std::string> {
 protected:
  const OpDef& op() const { return OpRegistry::instance().get(GetParam()); }
  std::string repeat(const Sample& sample) const {
    return fmt::format(
        "{}\n  seed {}; repeat: TRIVIUM_TEST_SEED={} engine_ops_every_op_test "
        "--gtest_filter='*/{}'",
        testing::sample_text(op(), sample), seed(), seed(), op().name());
  }
};

TEST_P(EveryOp, HasDocumentsAndSamples) {
  EXPECT_FALSE(op().summary().empty());
  EXPECT_FALSE(op().outputs().empty());
  if (!is_leaf(op())) {
    EXPECT_FALSE(op().formula().empty());
    EXPECT_FALSE(op().samples().empty());
  }
  for (const auto& in : op().inputs()) EXPECT_FALSE(in.doc.empty()) << in.name;
  for (const auto& out : op().outputs()) EXPECT_FALSE(out.doc.empty()) << out.name;
  for (const auto& attr : op().attrs()) EXPECT_FALSE(attr.doc.empty()) << attr.name;
  EXPECT_TRUE(op().infer() && op().reference());
  EXPECT_NE(static_cast<bool>(op().gradient()), !op().no_gradient().empty())
      << "a gradient, or a reason why there is none";
}

/// What an element of this dtype may be.
bool representable(double v, DType dtype) {
  if (is_floating(dtype)) return true;
  if (dtype == DType::bool_) return v == 0 || v == 1;
  if (dtype == DType::u8 && (v < 0 || v > 255)) return false;
  return v == std::trunc(v);
}

TEST_P(EveryOp, ReferenceFillsTheShapesOfTheRule) {
  for (const Sample& sample : op().samples()) {
    SCOPED_TRACE(repeat(sample));
    Recorded r(op(), sample, false);
    verify(r.graph);
    for (const Value& out : r.outputs) {
      const RefTensor t = interpret(r.graph, {out}, r.values)[0];
      EXPECT_EQ(static_cast<int64_t>(t.data.size()), out.shape().count());
      for (double v : t.data)
        ASSERT_TRUE(representable(v, out.dtype())) << v << " as " << name_of(out.dtype());
    }
    if (op().cost()) {
      std::vector<ValueMeta> in, out;
      for (const Value& v : r.inputs) in.push_back({v.shape(), v.dtype()});
      for (const Value& v : r.outputs) out.push_back({v.shape(), v.dtype()});
      EXPECT_GE(op().cost()(in, out, *r.graph.node(r.outputs[0].node).attrs).flops, 0);
    }
    for (auto [in, out] : op().in_place()) {
      EXPECT_LT(in, static_cast<int>(op().inputs().size()));
      EXPECT_LT(out, static_cast<int>(r.outputs.size()));
    }
  }
}

TEST_P(EveryOp, RoundTripsThroughText) {
  for (const Sample& sample : op().samples()) {
    SCOPED_TRACE(repeat(sample));
    Recorded r(op(), sample, false);
    const std::string text = to_text(r.graph);
    const auto again = parse_text(text);
    EXPECT_EQ(to_text(*again), text);
    EXPECT_EQ(again->node(r.outputs[0].node).op, &op());
    EXPECT_EQ(*again->node(r.outputs[0].node).attrs, *r.graph.node(r.outputs[0].node).attrs);
  }
}

TEST_P(EveryOp, DecompositionGivesTheSameNumbers) {
  if (!op().decompose()) return;
  for (const Sample& sample : op().samples()) {
    SCOPED_TRACE(repeat(sample));
    Recorded r(op(), sample, true);
    const auto parts = op().decompose()(r.graph, r.inputs, *r.graph.node(r.outputs[0].node).attrs);
    ASSERT_EQ(parts.size(), r.outputs.size());
    for (size_t o = 0; o < parts.size(); ++o) {
      const RefTensor whole = interpret(r.graph, {r.outputs[o]}, r.values)[0];
      const RefTensor composed = interpret(r.graph, {parts[o]}, r.values)[0];
      ASSERT_EQ(whole.shape, composed.shape);
      for (size_t i = 0; i < whole.data.size(); ++i)
        EXPECT_NEAR(whole.data[i], composed.data[i], 1e-12);
    }
  }
}

/// Central differences of `loss` for the elements of input `i` against `gradient`.
void compare_with_differences(Recorded& r, Value loss, size_t i, Value gradient) {
  constexpr double kStep = 1e-5;
  constexpr int64_t kMostElements = 48;  // of a big operand, these many are enough
  const RefTensor analytic = interpret(r.graph, {gradient}, r.values)[0];
  const Array x = r.values.inputs[i];
  const int64_t stride = std::max<int64_t>(1, x.count() / kMostElements);
  for (int64_t k = 0; k < x.count(); k += stride) {
    const double at = x.at(k);
    r.values.inputs[i] = x.clone();
    r.values.inputs[i].set(k, at + kStep);
    const double above = r.at(loss);
    r.values.inputs[i].set(k, at - kStep);
    const double below = r.at(loss);
    r.values.inputs[i] = x;
    const double numeric = (above - below) / (2 * kStep);
    // The difference's own error: kStep^2 times a third derivative, and rounding of the loss /
    // kStep.
    EXPECT_NEAR(analytic.data[k], numeric,
                1e-6 * std::max({1.0, std::abs(numeric), std::abs(above)}))
        << "operand " << i << ", element " << k;
  }
}

/// Inputs derivatives are taken of, and outputs that have some.
struct Continuous {
  std::vector<Value> xs, ys;
  std::vector<size_t> index;
  Continuous(const Recorded& r, const Sample& sample) {
    for (size_t i = 0; i < r.inputs.size(); ++i) {
      if (!testing::is_continuous(sample.inputs[i])) continue;
      xs.push_back(r.inputs[i]);
      index.push_back(i);
    }
    for (const Value& y : r.outputs)
      if (is_floating(y.dtype())) ys.push_back(y);
  }
};

TEST_P(EveryOp, GradientIsThatOfDifferences) {
  for (const Sample& sample : op().samples()) {
    SCOPED_TRACE(repeat(sample));
    Recorded r(op(), sample, true);
    const Continuous c(r, sample);
    if (c.xs.empty() || c.ys.empty()) continue;
    const Value loss = projection(r.graph, c.ys, 77);
    if (!op().gradient()) {
      EXPECT_THROW(gradients({loss}, c.xs), UserError);
      continue;
    }
    const std::vector<Value> dx = gradients({loss}, c.xs, {}, Unconnected::zeros);
    verify(r.graph);
    if (!op().no_difference().empty()) continue;
    for (size_t k = 0; k < dx.size(); ++k) compare_with_differences(r, loss, c.index[k], dx[k]);
  }
}

TEST_P(EveryOp, GradientOfGradientIsThatOfDifferences) {
  if (!op().gradient() || !op().no_difference().empty()) return;
  for (const Sample& sample : op().samples()) {
    SCOPED_TRACE(repeat(sample));
    Recorded r(op(), sample, true);
    const Continuous c(r, sample);
    if (c.xs.empty() || c.ys.empty()) continue;
    const Value loss = projection(r.graph, c.ys, 77);
    const std::vector<Value> dx = gradients({loss}, c.xs, {}, Unconnected::zeros);
    const Value second_loss = projection(r.graph, dx, 78);
    const std::vector<Value> ddx = gradients({second_loss}, c.xs, {}, Unconnected::zeros);
    verify(r.graph);
    for (size_t k = 0; k < ddx.size(); ++k)
      compare_with_differences(r, second_loss, c.index[k], ddx[k]);
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, EveryOp, ::testing::ValuesIn(op_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace trivium
