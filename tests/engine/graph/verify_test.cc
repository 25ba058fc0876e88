#include "trivium/engine/graph/verify.h"

#include <gtest/gtest.h>

#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"

namespace trivium {
namespace {

/// What the shape rule of the op below gives: changing it after recording makes a recorded node
/// illegal.
struct Rule {
  Shape shape{2};
  int outputs = 1;
  bool refuses = false;
} rule;

const OpDef& fickle() {
  static const OpDef& op = []() -> const OpDef& {
    ops::register_all();
    return OpRegistry::instance().define("fickle").input("x", "anything").infer([](InferCtx& c) {
      if (rule.refuses) c.fail("refused");
      for (int i = 0; i < rule.outputs; ++i) c.output(rule.shape, DType::f32);
    });
  }();
  return op;
}

class Verify : public ::testing::Test {
 protected:
  void SetUp() override {
    rule = {};
    fickle();
    graph_.set_scope("layer7");
    graph_.op("fickle", {graph_.input("x", {2})});
  }
  std::string complaint() {
    try {
      verify(graph_);
    } catch (const InternalError& e) {
      return e.what();
    }
    return "";
  }
  Graph graph_;
};

TEST_F(Verify, LegalGraphsPass) { EXPECT_EQ(complaint(), ""); }

TEST_F(Verify, ShapesMustBeThoseOfTheRule) {
  rule.shape = {3};
  EXPECT_NE(complaint().find("node 1 (fickle, layer \"layer7\") holds float32[2] as output 0; its "
                             "rule gives float32[3]"),
            std::string::npos);
}

TEST_F(Verify, SoMustTheNumberOfOutputs) {
  rule.outputs = 2;
  EXPECT_NE(complaint().find("has 1 outputs, its rule gives 2"), std::string::npos);
}

TEST_F(Verify, NodesTheRuleRefusesAreOurMistake) {
  rule.refuses = true;
  EXPECT_NE(complaint().find("breaks its rule: fickle: refused"), std::string::npos);
}

}  // namespace
}  // namespace trivium
