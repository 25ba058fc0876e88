#include "trivium/engine/graph/text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/graph/op.h"
#include "trivium/engine/graph/verify.h"
#include "trivium/engine/ops/build.h"

namespace trivium {
namespace {

class GraphText : public ::testing::Test {
 protected:
  void SetUp() override { ops::register_all(); }
  std::string error(const std::string& text) {
    try {
      parse_text(text);
    } catch (const UserError& e) {
      return e.what();
    }
    return "no error";
  }
  void round_trip(const Graph& graph) {
    const std::string text = to_text(graph);
    const auto again = parse_text(text);
    verify(*again);
    EXPECT_EQ(to_text(*again), text);
  }
};

CellRef cell(const std::string& name, Shape shape) {
  return std::make_shared<Cell>(name, Array::zeros(shape));
}

/// One step of training a layer: x · w with momentum, the whole of what text must hold.
struct Step {
  Graph graph;
  Value loss;
  Step() {
    const CellRef w = cell("fc.weight", {3, 2}), history = cell("fc.history", {3, 2});
    const Value x = graph.input("data", {4, 3}), lr = graph.scalar("lr");
    graph.set_scope("fc");
    const Value y = ops::matmul(x, graph.read(w));
    graph.set_scope("a loss, with \"quotes\"");
    loss = ops::mean(ops::square(y));
    const Value dw = gradients({loss}, {graph.read(w)})[0];
    graph.set_scope("");
    const Value step = ops::add(ops::mul(graph.read(history), 0.9), ops::mul(dw, lr));
    graph.assign(history, step);
    graph.assign(w, ops::sub(graph.read(w), step));
  }
};

TEST_F(GraphText, OneNodeALine) {
  Graph g;
  const Value x = g.input("data", {1, 1, 4, 4});
  g.set_scope("pool1");
  const auto pooled = ops::max_pool(x, {{2, 2}, {2, 2}, {}, {}, false});
  g.set_scope("");
  ops::cast(pooled.position, DType::f32);
  EXPECT_EQ(to_text(g),
            "%0 = input \"data\" : float32[1, 1, 4, 4]\n"
            "%1 = max_pool(%0) {ceil=false, dilations=[], kernel=[2, 2], nan_wins=false, "
            "pads_begin=[0, 0], pads_end=[0, 0], strides=[2, 2]} : "
            "float32[1, 1, 2, 2], uint8[1, 1, 2, 2]  # pool1\n"
            "%2 = cast(%1.1) {dtype=\"float32\"} : float32[1, 1, 2, 2]\n");
}

TEST_F(GraphText, TrainingStepsRoundTrip) {
  Step step;
  round_trip(step.graph);
  const auto again = parse_text(to_text(step.graph));
  ASSERT_EQ(again->cells().size(), 2u);
  EXPECT_EQ(again->cells()[0].cell->name(), "fc.weight");
  EXPECT_EQ(again->inputs()[0].name, "data");
  EXPECT_EQ(again->scalars()[0].name, "lr");
}

TEST_F(GraphText, ConstantsKeepEveryBit) {
  Graph g;
  g.constant(Array::from<float>({0.1f, -0.0f, 1e-45f, INFINITY, 16777217.0f}, {5}));
  g.constant(Array::from<double>({0.1, -1e308}, {2}));
  g.constant(Array::from<float>({NAN}, {1}));
  g.constant(
      Array::from<int64_t>({std::numeric_limits<int64_t>::min(), (int64_t{1} << 53) + 1}, {2}));
  g.constant(Array::from<bool>({true, false}, {2}));
  g.constant(Array::full({20}, 0.3));
  g.constant(Array({0, 3}, DType::i32));
  round_trip(g);
  const auto again = parse_text(to_text(g));
  for (size_t i = 0; i < g.constants().size(); ++i)
    EXPECT_EQ(
        std::memcmp(g.constants()[i].raw(), again->constants()[i].raw(), g.constants()[i].bytes()),
        0)
        << i;
}

TEST_F(GraphText, NamesMayHoldAnything) {
  Graph g;
  const Value x = g.input("a \"b\"\\\n\t\x01", {2});
  g.set_scope("line\nbreak");
  const CellRef one = cell("same", {2}), two = cell("same", {2});
  g.assign(one, ops::neg(x));
  g.assign(two, ops::add(x, g.read(two)));
  round_trip(g);
}

TEST_F(GraphText, CellsThatAreOnlyAssignedRoundTrip) {
  Graph g;
  const Value x = g.input("x", {2});
  const CellRef only_written = cell("w", {2}), read = cell("r", {2});
  g.assign(only_written, x);
  g.assign(read, ops::add(g.read(read), x));
  round_trip(g);
}

TEST_F(GraphText, ErrorsSayWhere) {
  EXPECT_EQ(error("%0 = input \"x\" : float32[2]\n%1 = relo(%0) : float32[2]\n"),
            "graph text:2:27: unknown op \"relo\"; did you mean \"relu\"?");
  EXPECT_EQ(error("%0 = input \"x\" : float32[2]\n%1 = relu(%7) : float32[2]\n"),
            "graph text:2:13: value %7 is not defined before this line");
  EXPECT_EQ(error("%0 = input \"x\" : float32[2]\n%1 = relu(%0) : float32[3]\n"),
            "graph text:2:15: the op gives float32[2]");
  EXPECT_EQ(error("%1 = input \"x\" : float32[2]\n"),
            "graph text:1:3: node %0 expected: lines are numbered in order");
}

TEST_F(GraphText, HostileTextIsRefused) {
  for (const char* text : {
           "%",
           "%0",
           "%0 =",
           "%0 = input",
           "%0 = input \"x",
           "%0 = input \"\\x",
           "%0 = input \"x\" : float99[2]",
           "%0 = input \"x\" : float32[-1]",
           "%0 = input \"x\" : float32[1,1,1,1,1,1,1,1,1]",
           "%0 = input \"x\" : float32[9999999999999999999]",
           "%0 = input \"x\" : float32[2147483648, 2147483648, 2147483648]",
           "%0 = cell @0 \"w\" : float32[2147483647]",
           "%0 = cell @1 \"w\" : float32[1]",
           "%0 = cell \"w\" : float32[1]",
           "%0 = constant [1, 2] : float32[3]",
           "%0 = constant [1] : float32[2147483648, 1024]",
           "%0 = constant [x] : float32[1]",
           "%0 = constant 0x00 : float32[1]",
           "%0 = constant 0x02 : bool[1]",
           "%0 = constant [256] : uint8[1]",
           "%0 = constant 1 : float32[1]",
           "%0 = scalar \"s\" : float32[2]",
           "assign @0 = %0",
           "assign",
           "nonsense",
           "%0 = relu() : float32[]",
           "%0 = input \"x\" : float32[2] trailing",
           "%0 = input \"x\" : float32[2]\n%1 = sum(%0) {axes=[0, axes=[1]} : float32[]",
           "%0 = input \"x\" : float32[2]\n%1 = sum(%0) {axes=[0], axes=[0]} : float32[]",
           "%0 = input \"x\" : float32[2]\n%1 = sum(%0) {axes=7} : float32[]",
           "%0 = input \"x\" : float32[2]\n%1 = sum(%0.1) : float32[]",
           "%0 = input \"x\" : float32[2]\n%1 = sum(%99999999999999999999) : float32[]",
           "%0 = input \"x\" : float32[1, 1, 1, 1, 1]\n%1 = max_pool(%0) {kernel=[2147483648, "
           "2147483648, 2147483648], "
           "strides=[1, 1, 1], pads_begin=[2147483647, 2147483647, 2147483647], "
           "pads_end=[2147483647, 2147483647, 2147483647]} : float32[1]",
           "%0 = input \"x\" : float32[2]\n%1 = elementwise_group(%0) {code=[99, 0, 0, 0], "
           "constants=<>, inputs=1, "
           "outputs=[0, 0]} : float32[2]",
           "%0 = input \"x\" : float32[2]\n%1 = broadcast_to(%0) {shape=[9223372036854775807, 2]} "
           ": float32[2]",
       })
    EXPECT_EQ(error(text).rfind("graph text:", 0), 0u) << text << "\n" << error(text);
  std::string nul = "%0 = input \"x\" : float32[2]\n%1 = relu(%0) : float32[2]\n";
  for (size_t i = 0; i < nul.size();
       ++i) {  // any one character replaced by any of these: an error or a graph
    for (char c : {'\0', '%', '"', '[', '\n', '\xff', '9', '\\'}) {
      std::string broken = nul;
      broken[i] = c;
      try {
        parse_text(broken);
      } catch (const UserError&) {
      }
    }
    try {
      parse_text(std::string_view(nul).substr(0, i));
    } catch (const UserError&) {
    }
  }
}

TEST_F(GraphText, CanonicalTextForgetsNamesAndOrder) {
  Graph a, b;
  const Value ax = a.input("x", {2}), ay = a.input("y", {2});
  a.set_scope("layer");
  const Value a1 = ops::exp(ax), a2 = ops::log(ay);
  ops::sin(ax);  // not needed
  const Value by = b.input("other", {2}), bx = b.input("data", {2});
  const Value b2 = ops::log(by), b1 = ops::exp(bx);
  const Value fa = ops::mul(a1, a2), fb = ops::mul(b1, b2);
  EXPECT_EQ(canonical_text(a, std::vector{fa}), canonical_text(b, std::vector{fb}));
  EXPECT_EQ(canonical_text(a, std::vector{fa}),
            "%0 = input : float32[2]\n%1 = exp(%0) : float32[2]\n%2 = input : float32[2]\n%3 = "
            "log(%2) : float32[2]\n"
            "%4 = mul(%1, %3) : float32[2]\nfetch %4\n");
}

TEST_F(GraphText, CanonicalTextForgetsNodesThatHandOn) {
  Graph a, b;
  const Value ax = a.input("x", {2, 3}), bx = b.input("x", {2, 3});
  const Value same = ops::cast(ops::reshape(ops::stop_gradient(ax), Shape{2, 3}), DType::f32);
  const Value fa = ops::exp(same), fb = ops::exp(bx);
  EXPECT_EQ(canonical_text(a, std::vector{fa}), canonical_text(b, std::vector{fb}));
  EXPECT_EQ(canonical_text(a, std::vector{same}), "%0 = input : float32[2, 3]\nfetch %0\n");
  EXPECT_NE(canonical_text(a, std::vector{ops::reshape(ax, Shape{3, 2})}),
            canonical_text(a, std::vector{ax}));
}

TEST_F(GraphText, CanonicalTextHoldsAssignments) {
  Step a, b;
  EXPECT_EQ(canonical_text(a.graph, std::vector{a.loss}),
            canonical_text(b.graph, std::vector{b.loss}));
  EXPECT_NE(canonical_text(a.graph, std::vector{a.loss}).find("assign @1 = "), std::string::npos);
}

}  // namespace
}  // namespace trivium
