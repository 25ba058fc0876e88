// A graph runs: fetches, feeds, variables, the order of reads and writes, random streams.
#include "trivium/notations/tf/session.h"

#include <gtest/gtest.h>

#include "trivium/tf.h"

namespace trivium::tf {
namespace {

std::vector<double> numbers(const Array& a) {
  std::vector<double> out;
  for (int64_t i = 0; i < a.count(); ++i) out.push_back(a.at(i));
  return out;
}

class SessionTest : public ::testing::Test {
 protected:
  void SetUp() override { reset_default_graph(); }
};

TEST_F(SessionTest, TheTwoLayerNetFallsAsInTheLecture) {
  auto x = placeholder(float32, {64, 100}), y = placeholder(float32, {64, 100});
  auto w1 = Variable(random_normal({100, 50}, 0.0, 1.0, float32, 1));
  auto w2 = Variable(random_normal({50, 100}, 0.0, 1.0, float32, 2));
  auto diff = matmul(maximum(matmul(x, w1), 0.f), w2) - y;
  auto loss = reduce_mean(reduce_sum(square(diff), 1));
  auto updates = train::GradientDescentOptimizer(1e-4).minimize(loss);
  Session session;
  session.run(global_variables_initializer());
  Array xs = session.run(random_normal({64, 100}, 0.0, 1.0, float32, 3));
  Array ys = session.run(random_normal({64, 100}, 0.0, 1.0, float32, 4));
  const double first = session.run(loss, {{x, xs}, {y, ys}}).item();
  double last = 1e30;
  const int64_t before = session.plans_made();
  for (int i = 0; i < 30; ++i) {
    const double now = session.run({loss, updates}, {{x, xs}, {y, ys}})[0].item();
    EXPECT_LT(now, last);
    last = now;
  }
  EXPECT_EQ(session.plans_made(), before + 1);
  EXPECT_LT(last, first / 5);
}

TEST_F(SessionTest, AGraphLivesAsLongAsItsHandles) {
  std::weak_ptr<Graph> graph;
  Variable v;
  {
    const auto own = Graph::make();
    graph = own;
    const AsDefault inside(own);
    v = Variable(1.0f);
    own->add_to_collection("losses", v.value() + 1.0f);
    own->add_to_collection("updates", v.assign(2.0f).operation());
    EXPECT_EQ(variables_of("variables"), std::vector<Variable>{v});
    EXPECT_EQ(own->collection("losses").size(), 1u);
  }
  ASSERT_FALSE(graph.expired());
  EXPECT_EQ(v.value().op()->graph().collection("updates").size(), 1u);
  v = Variable();
  EXPECT_TRUE(graph.expired());
}

TEST_F(SessionTest, AnAssignmentThatIsNotFetchedDoesNotRun) {
  Variable v(1.0f);
  auto add = v.assign_add(2.0f);
  auto never = v.assign(100.0f);
  Session s;
  s.run(global_variables_initializer());
  EXPECT_EQ(s.run(add).item(), 3);
  EXPECT_EQ(s.run(v).item(), 3);
}

TEST_F(SessionTest, ReadsSeeTheStartOfTheRunUnlessTheyWait) {
  Variable v(1.0f);
  auto old = v.value() + 0.0f;
  auto write = v.assign(10.0f);
  Tensor late;
  {
    ControlDependencies wait({write.operation()});
    late = v.read_value();
  }
  Session s;
  s.run(global_variables_initializer());
  auto out = s.run({old, write, late, v.value()});
  EXPECT_EQ(numbers(out[0]), std::vector<double>{1});
  EXPECT_EQ(numbers(out[1]), std::vector<double>{10});
  EXPECT_EQ(numbers(out[2]), std::vector<double>{10});
  EXPECT_EQ(numbers(out[3]), std::vector<double>{1});
  EXPECT_EQ(s.run(v).item(), 10);
}

TEST_F(SessionTest, AnInitialValueMayReadAnotherVariable) {
  Variable a(3.0f);
  Variable b(a.value() * 2.0f);
  Session s;
  s.run(global_variables_initializer());
  EXPECT_EQ(s.run(b).item(), 6);
  s.run(a.assign(5.0f));
  s.run(global_variables_initializer());  // reads the value a had when the run began
  EXPECT_EQ(s.run(b).item(), 10);
}

TEST_F(SessionTest, ErrorsNameTheNode) {
  auto x = placeholder(float32, {-1, 784}, "x");
  Variable v(1.0f, {.name = "v"});
  Session s;
  try {
    s.run(square(x));
    FAIL();
  } catch (const OpError& e) {
    EXPECT_EQ(e.code(), Code::invalid_argument);
    EXPECT_NE(
        std::string(e.what()).find("You must feed a value for placeholder tensor 'x' with dtype "
                                   "float and shape [?,784]"),
        std::string::npos)
        << e.what();
  }
  try {
    s.run(v);
    FAIL();
  } catch (const OpError& e) {
    EXPECT_EQ(e.code(), Code::failed_precondition);
    EXPECT_NE(std::string(e.what()).find("Attempting to use uninitialized value v"),
              std::string::npos);
  }
  EXPECT_THROW(s.run(x, {{x, Array::zeros({2, 3})}}), ValueError);
  try {
    matmul(x, zeros({10, 10}));
    FAIL();
  } catch (const ValueError& e) {
    EXPECT_NE(
        std::string(e.what()).find("Dimensions must be equal, but are 784 and 10 for 'MatMul' (op: "
                                   "'MatMul') with input shapes: [?,784], [10,10]."),
        std::string::npos)
        << e.what();
    EXPECT_NE(std::string(e.what()).find("session_test.cc:"), std::string::npos) << e.what();
  }
}

TEST_F(SessionTest, ShapesComputedInTheGraphFollowTheFeed) {
  auto x = placeholder(float32, {-1, 4});
  auto n = default_graph()->create("Shape", {x}, {})->output();
  auto flat = reshape(x, Input(std::vector<int>{-1}));
  auto twice = reshape(x, n);
  Session s;
  EXPECT_EQ(s.run(flat, {{x, Array::zeros({3, 4})}}).shape(), (Shape{12}));
  EXPECT_EQ(s.run(twice, {{x, Array::zeros({5, 4})}}).shape(), (Shape{5, 4}));
}

TEST_F(SessionTest, SeededNumbersAreTensorFlows) {
  default_graph()->set_seed(1234);
  auto uniform = random_uniform({5}, 0, 1, float32, 42);
  auto normal = random_normal({5}, 0.0, 1.0, float32, 42);
  auto cut = truncated_normal({5}, 0.0, 1.0, float32, 42);
  auto whole = random_uniform({5}, 0, 1000, int32, 42);
  auto order = random_shuffle(std::vector<int>{0, 1, 2, 3, 4}, 42);
  Session s;
  EXPECT_EQ(s.run(uniform).span<float>()[0], 0.81563723f);
  EXPECT_EQ(s.run(uniform).span<float>()[4], 0.0612458f);
  EXPECT_NEAR(s.run(normal).span<float>()[0], -0.56406146f, 1e-7);
  EXPECT_NEAR(s.run(normal).span<float>()[4], 1.7111516f, 3e-7);
  EXPECT_NEAR(s.run(cut).span<float>()[4], -1.4785683f,
              3e-7);  // five: the first four, then the next group
  EXPECT_EQ(numbers(s.run(whole)), (std::vector<double>{733, 489, 694, 667, 459}));
  EXPECT_EQ(numbers(s.run(whole)), (std::vector<double>{932, 112, 398, 603, 415}));
  EXPECT_EQ(numbers(s.run(order)), (std::vector<double>{3, 2, 1, 4, 0}));
}

}  // namespace
}  // namespace trivium::tf
