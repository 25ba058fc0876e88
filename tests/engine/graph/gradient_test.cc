#include "trivium/engine/graph/gradient.h"

#include <gtest/gtest.h>

#include "trivium/engine/graph/interpret.h"
#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"

namespace trivium {
namespace {

class Gradients : public ::testing::Test {
 protected:
  void SetUp() override { ops::register_all(); }
  double at(const Graph& g, Value v, double x) {
    return interpret(g, {v}, {{Array::full({}, x, DType::f64)}, {}})[0].data[0];
  }
};

TEST_F(Gradients, OfAnyOrder) {
  Graph g;
  const Value x = g.input("x", {}, DType::f64);
  Value d = ops::exp(ops::mul(x, 2.0));
  for (int order = 1; order <= 5; ++order) {
    d = gradients({d}, {x})[0];
    EXPECT_NEAR(at(g, d, 0.3), std::pow(2, order) * std::exp(0.6), 1e-12);
  }
}

TEST_F(Gradients, SeveralConsumersAddUp) {
  Graph g;
  const Value x = g.input("x", {}, DType::f64);
  const Value y = ops::add(ops::add(ops::square(x), ops::mul(x, x)), x);
  EXPECT_NEAR(at(g, gradients({y}, {x})[0], 3), 13, 1e-12);
}

TEST_F(Gradients, StopGradientStopsThem) {
  Graph g;
  const Value x = g.input("x", {}, DType::f64);
  const Value y = ops::mul(x, ops::stop_gradient(x));
  EXPECT_NEAR(at(g, gradients({y}, {x})[0], 3), 3, 1e-12);
}

TEST_F(Gradients, UnconnectedValuesAreNoneZerosOrErrors) {
  Graph g;
  const Value x = g.input("x", {2}), y = ops::exp(g.input("z", {2}));
  EXPECT_FALSE(gradients({y}, {x})[0].defined());
  EXPECT_EQ(gradients({y}, {x}, {}, Unconnected::zeros)[0].shape(), (Shape{2}));
  EXPECT_THROW(gradients({y}, {x}, {}, Unconnected::error), UserError);
}

TEST_F(Gradients, OpsWithoutOneSayWhy) {
  Graph g;
  const Value x = g.input("x", {2, 3}), labels = g.input("labels", {2});
  g.set_scope("accuracy");
  const Value hit = ops::in_top_k(x, labels, 1, 1);
  try {
    gradients({hit}, {x});
    FAIL();
  } catch (const UserError& e) {
    EXPECT_STREQ(e.what(),
                 "gradient: in_top_k has none (it is a count of comparisons); layer \"accuracy\"");
  }
}

TEST_F(Gradients, TheScopeOfTheForwardIsThatOfItsGradient) {
  Graph g;
  const Value x = g.input("x", {2});
  g.set_scope("fc");
  const Value y = ops::exp(x);
  g.set_scope("after");
  const Value dx = gradients({y}, {x})[0];
  EXPECT_EQ(g.scope_name(g.node(dx.node).scope), "fc");
  EXPECT_EQ(g.scope_name(g.current_scope()), "after");
}

}  // namespace
}  // namespace trivium
