#include "trivium/engine/graph/rewrite.h"

#include <gtest/gtest.h>

#include "trivium/engine/graph/op.h"
#include "trivium/engine/graph/text.h"
#include "trivium/engine/graph/verify.h"
#include "trivium/engine/ops/build.h"

namespace trivium {
namespace {

class Rewriting : public ::testing::Test {
 protected:
  void SetUp() override { ops::register_all(); }
};

TEST_F(Rewriting, ACopyOfEverythingIsTheSameText) {
  Graph g;
  const auto w = std::make_shared<Cell>("w", Array::zeros({3}));
  const Value x = g.input("x", {2, 3}), lr = g.scalar("lr");
  g.set_scope("layer");
  const Value y = ops::mul(x, g.read(w));
  g.assign(w, ops::sub(g.read(w), ops::mul(ops::sum(y, {0}), lr)));
  Rewriter rewriter(g);
  for (int n = 0; n < g.size(); ++n) rewriter.copy(n);
  rewriter.copy_assigns();
  const auto copy = rewriter.take();
  verify(*copy);
  EXPECT_EQ(to_text(*copy), to_text(g));
  EXPECT_EQ(copy->cells()[0].cell, w);
}

TEST_F(Rewriting, PruningKeepsWhatRootsNeedAndSaysWhichLeaves) {
  Graph g;
  g.input("unused", {2});
  const Value x = g.input("x", {2});
  g.scalar("unused");
  const Value s = g.scalar("s");
  const auto counter = std::make_shared<Cell>("counter", Array::zeros({}));
  g.assign(counter, ops::add(g.read(counter), 1.0));
  ops::exp(x);
  const auto top = ops::top_k(ops::mul(x, s), 1);
  std::vector<Value> roots{top.indices}, mapped;
  LeafOrigins origins;
  const auto pruned = clone_pruned(g, roots, false, &mapped, &origins);
  verify(*pruned);
  EXPECT_EQ(to_text(*pruned),
            "%0 = input \"x\" : float32[2]\n%1 = scalar \"s\" : float32[]\n%2 = mul(%0, %1) : "
            "float32[2]\n"
            "%3 = top_k(%2) {axis=0, k=1, nan_wins=false, tie=\"first\"} : float32[1], int64[1]\n");
  EXPECT_EQ(mapped[0].output, 1);
  EXPECT_EQ(origins.inputs, std::vector<int>{1});
  EXPECT_EQ(origins.scalars, std::vector<int>{1});
  EXPECT_EQ(clone_pruned(g, roots, true)->cells().size(), 1u);
}

TEST_F(Rewriting, ReplacedValuesAreUsedByTheirReaders) {
  Graph g;
  const Value x = g.input("x", {2}), y = ops::neg(ops::exp(x));
  Rewriter rewriter(g);
  rewriter.copy(0);
  rewriter.set({1, 0}, ops::sin(rewriter.map({0, 0})));
  rewriter.copy(y.node);
  EXPECT_EQ(
      to_text(rewriter.to()),
      "%0 = input \"x\" : float32[2]\n%1 = sin(%0) : float32[2]\n%2 = neg(%1) : float32[2]\n");
}

TEST_F(Rewriting, UncopiedOperandsAreOurMistake) {
  Graph g;
  const Value x = g.input("x", {2}), y = ops::neg(x);
  Rewriter rewriter(g);
  EXPECT_THROW(rewriter.copy(y.node), InternalError);
  EXPECT_THROW(rewriter.set({0, 0}, x), InternalError);
}

}  // namespace
}  // namespace trivium
