// Passes as text: a graph in, the lines of the graph that comes out.
#include "trivium/engine/compile/passes/passes.h"

#include <gtest/gtest.h>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/graph/text.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/ops/group.h"

namespace trivium::compile {
namespace {

struct Passes : ::testing::Test {
  void SetUp() override {
    ops::register_all();
    cpu::register_backend();
  }
  Unit unit;
  Graph& g() { return *unit.graph; }
  void fetch(Value v) { unit.fetches.push_back({v.node, v.output}); }
  int count(const std::string& op) {
    const Rewriter rw(unit);
    int n = 0;
    for (int i = 0; i < g().size(); ++i) n += rw.needed(i) && g().node(i).op->name() == op;
    return n;
  }
  const Node& maker(int fetch) { return g().node(unit.fetches[fetch].node); }
};

TEST_F(Passes, MultiplyingByOneDisappears) {
  const Value x = g().input("x", {2, 3});
  fetch(ops::relu(x * 1.0));
  simplify(unit);
  EXPECT_EQ(count("mul"), 0);
  EXPECT_EQ(count("relu"), 1);
}

TEST_F(Passes, AScalarSlotIsNeverLookedAt) {
  const Value x = g().input("x", {2, 3});
  fetch(x * g().scalar("rate"));
  simplify(unit);
  EXPECT_EQ(count("mul"), 1);
}

TEST_F(Passes, ConstantsAreFolded) {
  const Value x = g().input("x", {2});
  const Value c = g().constant(Array::from<float>({1, 4}, {2}));
  fetch(x + ops::sqrt(c) * 2.0);
  simplify(unit);
  EXPECT_EQ(count("sqrt"), 0);
  const Array& folded = g().constants()[g().node(maker(0).inputs[1].node).literal];
  EXPECT_EQ(folded.at(0), 2.0);
  EXPECT_EQ(folded.at(1), 4.0);
}

TEST_F(Passes, ABroadcastOperandIsReadDirectly) {
  const Value x = g().input("x", {4, 3}), b = g().input("b", {3});
  fetch(x + ops::broadcast_to(b, {4, 3}));
  simplify(unit);
  EXPECT_EQ(count("broadcast_to"), 0);
}

TEST_F(Passes, ReshapeChainsJoinAndIdentitiesGo) {
  const Value x = g().input("x", {4, 3});
  fetch(ops::reshape(ops::reshape(x, {12}), {2, 6}));
  fetch(ops::relu(ops::reshape(x, {4, 3})));
  simplify(unit);
  EXPECT_EQ(count("reshape"), 1);
}

TEST_F(Passes, OppositePermutesCancel) {
  const Value x = g().input("x", {2, 3, 4, 5});
  fetch(ops::relu(ops::permute(ops::permute(x, {0, 2, 3, 1}), {0, 3, 1, 2})));
  simplify(unit);
  EXPECT_EQ(count("permute"), 0);
}

TEST_F(Passes, APermuteThatMovesNoElementIsAReshape) {
  const Value x = g().input("x", {2, 1, 4, 5}), y = g().input("y", {2, 4, 1, 5});
  fetch(ops::relu(ops::permute(x, {0, 2, 3, 1})));
  fetch(ops::relu(ops::permute(y, {-4, -2, -1, -3})));  // 4 and 5 change places
  simplify(unit);
  EXPECT_EQ(count("permute"), 1);
  EXPECT_EQ(count("reshape"), 1);
  EXPECT_EQ(g().meta(maker(0).inputs[0]).shape, (Shape{2, 4, 5, 1}));
}

TEST_F(Passes, PermutesThatCountAxesFromTheEndJoin) {
  const Value x = g().input("x", {2, 3, 4});
  fetch(ops::relu(ops::permute(ops::permute(x, {-1, 0, -2}), {-2, -1, -3})));  // x again
  fetch(ops::exp(ops::permute(ops::permute(x, {-1, 0, -2}), {-1, 0, -2})));
  simplify(unit);
  EXPECT_EQ(maker(0).inputs[0].node, 0);
  EXPECT_EQ(g().meta(maker(1).inputs[0]).shape, (Shape{3, 4, 2}));
}

TEST_F(Passes, EqualNodesBecomeOneWhateverTheOrderOfOperands) {
  const Value x = g().input("x", {2}), y = g().input("y", {2});
  fetch((x + y) * (y + x));
  simplify(unit);
  eliminate_common_subexpressions(unit);
  EXPECT_EQ(count("add"), 1);
}

TEST_F(Passes, PaddedPiecesThatFillTheirSumAreAConcat) {
  const Value a = g().input("a", {2, 3}), b = g().input("b", {2, 1}), c = g().input("c", {2, 4});
  fetch(ops::add_n(
      {ops::pad(c, {0, 4}, {0, 0}), ops::pad(a, {0, 0}, {0, 5}), ops::pad(b, {0, 3}, {0, 4})}));
  fetch(ops::pad(a, {0, 0}, {0, 2}) + ops::pad(b, {0, 4}, {0, 0}));  // a gap
  join_pieces(unit);
  EXPECT_EQ(count("add_n"), 0);
  EXPECT_EQ(count("concat"), 1);
  EXPECT_EQ(count("add"), 1);
  std::vector<std::string> order;
  for (const Edge& e : maker(0).inputs)
    order.push_back(g().inputs()[g().node(e.node).literal].name);
  EXPECT_EQ(order, (std::vector<std::string>{"a", "b", "c"}));
}

TEST_F(Passes, PartOfAProductIsTheProductOfAPart) {
  const Value x = g().input("x", {512, 8}), w = g().input("w", {8, 6}), u = g().input("u", {6, 8});
  fetch(ops::slice(ops::matmul(x, w), {0, 2}, {512, 4}));
  fetch(ops::slice(ops::matmul(x, u, false, true), {0, 2}, {512, 4}));
  const Value both = ops::matmul(x, ops::relu(w));
  fetch(ops::slice(both, {0, 2}, {512, 4}));
  fetch(both);  // all of it is wanted too
  join_pieces(unit);
  EXPECT_EQ(maker(0).op->name(), "matmul");
  EXPECT_EQ(maker(1).op->name(), "matmul");
  EXPECT_EQ(g().meta(maker(0).inputs[1]).shape, (Shape{8, 2}));
  EXPECT_EQ(g().meta(maker(1).inputs[1]).shape, (Shape{2, 8}));
  EXPECT_EQ(maker(2).op->name(), "slice");
}

TEST_F(Passes, AxesAreExchangedWhereThereIsLess) {
  const Value x = g().input("x", {9, 4, 5}), y = g().input("y", {4, 1, 5});
  fetch(ops::slice(ops::permute(x, {1, 0, 2}), {0, 8, 1}, {4, 9, 3}));
  fetch(ops::permute(ops::pad(y, {0, 8, 0}, {0, 0, 2}), {1, 2, 0}));
  join_pieces(unit);
  EXPECT_EQ(maker(0).op->name(), "permute");
  EXPECT_EQ(g().meta(maker(0).inputs[0]).shape, (Shape{1, 4, 2}));
  EXPECT_EQ(maker(1).op->name(), "pad");
  EXPECT_EQ(g().meta(maker(1).inputs[0]).shape, (Shape{1, 5, 4}));
  EXPECT_EQ(g().meta(unit.fetches[1]).shape, (Shape{9, 7, 4}));
}

TEST_F(Passes, RandomDrawsStayApart) {
  const auto state = std::make_shared<Cell>("state", Array::zeros({625}, DType::i32));
  const Value s = g().read(state);
  fetch(ops::mt19937_uniform(s, {4}, 0, 1).value);
  fetch(ops::mt19937_uniform(s, {4}, 0, 1).value);
  eliminate_common_subexpressions(unit);
  EXPECT_EQ(count("mt19937_uniform"), 2);
}

TEST_F(Passes, BiasAndReluJoinTheMatmul) {
  const Value x = g().input("x", {8, 16}), w = g().input("w", {4, 16}), b = g().input("b", {4});
  fetch(ops::relu(ops::matmul(x, w, false, true) + b));
  simplify(unit);
  fuse_epilogues(unit);
  EXPECT_EQ(maker(0).op->name(), "matmul");
  EXPECT_EQ(maker(0).inputs.size(), 3u);
  EXPECT_EQ(maker(0).attrs->string("activation"), "relu");
}

TEST_F(Passes, AnEpilogueStaysOutWhenTheRawResultIsReadToo) {
  const Value x = g().input("x", {8, 16}), w = g().input("w", {4, 16}), b = g().input("b", {4});
  const Value y = ops::matmul(x, w, false, true);
  fetch(y + b);
  fetch(y);
  fuse_epilogues(unit);
  EXPECT_EQ(maker(0).op->name(), "add");
}

TEST_F(Passes, SteadyFactorsAndOffsetsGoIntoTheConvolution) {
  const auto parameter = [&](Shape s) {
    return g().read(std::make_shared<Cell>("p", Array::zeros(s)));
  };
  const Value x = g().input("x", {1, 3, 8, 8}), w = parameter({4, 3, 3, 3});
  const Value y = ops::conv(x, w, {{1, 1}, {1, 1}, {1, 1}, {1, 1}, 1});
  fetch((y - parameter({4, 1, 1})) * parameter({1, 4, 1, 1}) + parameter({4, 1, 1}));
  fold_affine(unit);
  EXPECT_EQ(maker(0).op->name(), "conv");
  EXPECT_EQ(maker(0).inputs.size(), 3u);
}

TEST_F(Passes, FactorsStayWhereTheyChangeOrTheRawResultIsRead) {
  const Value x = g().input("x", {1, 3, 8, 8}), moving = g().input("s", {4, 1, 1});
  const CellRef c = std::make_shared<Cell>("w", Array::zeros({4, 3, 3, 3}));
  const CellRef s = std::make_shared<Cell>("s", Array::zeros({4, 1, 1}));
  const auto conv = [&] { return ops::conv(x, g().read(c), {{1, 1}, {1, 1}, {1, 1}, {1, 1}, 1}); };
  fetch(conv() * moving);  // an input
  const Value raw = conv();
  fetch(raw);
  fetch(raw * g().read(s));  // read twice
  g().assign(s, g().read(s) * 2.0);
  fetch(conv() * g().read(s));  // a Cell that the graph writes
  fold_affine(unit);
  EXPECT_EQ(count("mul"), 4);
}

TEST_F(Passes, AnAddendAndAClipJoinTheConvolution) {
  const Value x = g().input("x", {1, 3, 8, 8}), w = g().input("w", {3, 3, 3, 3});
  const Value y = ops::conv(x, w, {{1, 1}, {1, 1}, {1, 1}, {1, 1}, 1});
  fetch(ops::clip(x + y, g().constant(0.0), g().constant(6.0)));
  fuse_epilogues(unit);
  EXPECT_EQ(maker(0).op->name(), "conv");
  EXPECT_EQ(maker(0).inputs.size(), 4u);
  EXPECT_EQ(maker(0).attrs->string("activation"), "clip");
  EXPECT_EQ(maker(0).attrs->real("high"), 6.0);
}

TEST_F(Passes, AClipThatMovesZeroStaysOut) {
  const Value x = g().input("x", {1, 3, 8, 8}), w = g().input("w", {3, 3, 3, 3});
  const Value y = ops::conv(x, w, {{1, 1}, {1, 1}, {1, 1}, {1, 1}, 1});
  fetch(ops::clip(y, g().constant(0.5), g().constant(6.0)));
  fuse_epilogues(unit);
  EXPECT_EQ(maker(0).op->name(), "clip");
}

/// relu(norm(x) * gamma + beta [+ addend]), as a layer and its scale write it, and all gradients.
struct NormedRelu {
  Value x, gamma, beta, addend, y;
  std::vector<Value> gradients;
  NormedRelu(Graph& g, bool adds) {
    x = g.input("x", {2, 4, 5, 5}), addend = g.input("other", {2, 4, 5, 5});
    gamma = g.read(std::make_shared<Cell>("gamma", Array::full({4}, 1.5)));
    beta = g.read(std::make_shared<Cell>("beta", Array::full({4}, 0.5)));
    const auto row = [](Value v) { return ops::reshape(v, {4, 1, 1}); };
    y = ops::batch_norm(x, 1e-3).y * row(gamma) + row(beta);
    y = ops::relu(adds ? addend + y : y);
    gradients = trivium::gradients({ops::sum(ops::square(y))}, {x, gamma, beta, addend});
  }
};

TEST_F(Passes, ANormalisationTakesInWhatStandsAroundIt) {
  const NormedRelu n(g(), false);
  fetch(n.y);
  for (int i = 0; i < 3; ++i) fetch(n.gradients[i]);
  simplify(unit);
  eliminate_common_subexpressions(unit);
  fuse_norms(unit);
  EXPECT_EQ(maker(0).op->name(), "batch_norm");
  EXPECT_EQ(maker(0).inputs.size(), 3u);
  EXPECT_EQ(maker(0).attrs->string("activation"), "relu");
  EXPECT_EQ(count("batch_norm_grad"), 1);
  EXPECT_EQ(maker(1).inputs.size(), 6u);  // reads through the relu
  EXPECT_EQ(count("relu_grad") + count("sum_to") + count("relu"), 0);
}

TEST_F(Passes, WhatTheGradientOfAnAddendNeedsStays) {
  const NormedRelu n(g(), true);
  fetch(n.y);
  for (const Value& v : n.gradients) fetch(v);
  simplify(unit);
  eliminate_common_subexpressions(unit);
  fuse_norms(unit);
  EXPECT_EQ(maker(0).op->name(), "batch_norm");
  EXPECT_EQ(maker(0).inputs.size(), 4u);
  EXPECT_EQ(count("relu_grad"), 1);  // read by the addend's side too
  EXPECT_EQ(maker(1).inputs.size(), 5u);
}

TEST_F(Passes, ANormalisedValueThatIsReadItselfStays) {
  const Value x = g().input("x", {2, 4, 5, 5}), gamma = g().input("gamma", {4, 1, 1}),
              beta = g().input("beta", {4, 1, 1});
  const Value raw = ops::batch_norm(x, 1e-3).y;
  fetch(raw * gamma + beta);
  fetch(raw);
  fuse_norms(unit);
  EXPECT_EQ(maker(0).op->name(), "add");
}

TEST_F(Passes, AChainOfElementwiseOpsIsOneGroup) {
  const Value x = g().input("x", {64}), y = g().input("y", {64});
  fetch(ops::sqrt(ops::exp(x * 2.0 + y)));
  group_elementwise(unit);
  EXPECT_EQ(maker(0).op->name(), "elementwise_group");
  EXPECT_EQ(ops::GroupCode::from_attrs(*maker(0).attrs).code.size(), 4u);
  EXPECT_EQ(maker(0).inputs.size(), 2u);
}

TEST_F(Passes, AGroupGivesEveryValueThatIsReadOutside) {
  const Value x = g().input("x", {64});
  const Value a = ops::exp(x), b = a * 2.0;
  fetch(a);
  fetch(b);
  group_elementwise(unit);
  EXPECT_EQ(unit.fetches[0].node, unit.fetches[1].node);
  EXPECT_EQ(maker(0).outputs, 2);
}

TEST_F(Passes, AGroupNeverSwallowsAPathThroughAnotherOp) {
  const Value x = g().input("x", {8, 8});
  const Value a = ops::exp(x);
  const Value through = ops::softmax(a);  // a → softmax → sum: a and the sum can not be one step
  fetch(a + through);
  group_elementwise(unit);
  EXPECT_EQ(count("exp") + count("elementwise_group"), 1);
  EXPECT_EQ(count("add"), 1);
}

TEST_F(Passes, DifferentSpacesStayApart) {
  const Value x = g().input("x", {8}), y = g().input("y", {4, 8});
  fetch(ops::exp(x) + y);
  group_elementwise(unit);
  EXPECT_EQ(count("exp"), 1);
}

TEST_F(Passes, APassThatIsSwitchedOffIsSkipped) {
  unit.options.disable = "fuse,layout";
  EXPECT_FALSE(unit.enabled("fuse"));
  EXPECT_FALSE(unit.enabled("layout"));
  EXPECT_TRUE(unit.enabled("cse"));
}

}  // namespace
}  // namespace trivium::compile
