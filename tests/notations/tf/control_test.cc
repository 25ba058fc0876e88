// Branches, loops and tensor arrays: what runs, how often, in which order, and what is refused.
#include "trivium/notations/tf/control.h"

#include <gtest/gtest.h>

#include "trivium/tf.h"

namespace trivium::tf {
namespace {

std::vector<double> numbers(const Array& a) {
  std::vector<double> out;
  for (int64_t i = 0; i < a.count(); ++i) out.push_back(a.at(i));
  return out;
}

class ControlTest : public ::testing::Test {
 protected:
  void SetUp() override { reset_default_graph(); }
  Session& session() {
    if (!session_) session_ = std::make_unique<Session>();
    return *session_;
  }
  std::unique_ptr<Session> session_;
};

Feed truth(const Tensor& t, bool value) { return {t, Array::full({}, value, DType::bool_)}; }
Feed whole(const Tensor& t, int value) { return {t, Array::full({}, value, DType::i32)}; }

TEST_F(ControlTest, OnlyTheBranchTakenChangesItsVariable) {
  auto p = placeholder(bool_, {});
  Variable a(1.0f), b(10.0f);
  const Tensor out = cond(
      p, [&] { return a.assign_add(2.0f); }, [&] { return b.assign(a.value()); });
  EXPECT_EQ(out.name(), "cond/Merge:0");
  session().run(global_variables_initializer());
  EXPECT_EQ(session().run(out, {truth(p, true)}).item(), 3);
  EXPECT_EQ(session().run(a).item(), 3);
  EXPECT_EQ(session().run(b).item(), 10);
  EXPECT_EQ(session().run(out, {truth(p, false)}).item(), 3);
  EXPECT_EQ(session().run(b).item(), 3);
}

TEST_F(ControlTest, ALoopWhoseLengthIsFedNeedsOnePlan) {
  auto n = placeholder(int32, {});
  auto x = placeholder(float32, {2});
  const Tensors out = while_loop([&](const Tensors& v) { return less(v[0], n); },
                                 [&](const Tensors& v) {
                                   return Tensors{v[0] + 1, v[1] * 2.0 + x};
                                 },
                                 {constant(0), zeros({2})});
  EXPECT_EQ(out[1].name(), "while/Exit_1:0");
  const Tensor dx = gradients({out[1]}, {x})[0];
  const Array ones = Array::full({2}, 1);
  EXPECT_EQ(numbers(session().run(out[1], {whole(n, 3), {x, ones}})), (std::vector<double>{7, 7}));
  EXPECT_EQ(numbers(session().run(dx, {whole(n, 3), {x, ones}})), (std::vector<double>{7, 7}));
  const int64_t plans = session().plans_made();
  EXPECT_EQ(numbers(session().run(out[1], {whole(n, 0), {x, ones}})), (std::vector<double>{0, 0}));
  EXPECT_EQ(numbers(session().run(dx, {whole(n, 10), {x, ones}})),
            (std::vector<double>{1023, 1023}));
  EXPECT_EQ(session().plans_made(), plans);
}

TEST_F(ControlTest, EveryIterationDrawsItsOwnNumbers) {
  const Tensors out = while_loop(
      [](const Tensors& v) { return less(v[0], 3); },
      [](const Tensors& v) {
        return Tensors{v[0] + 1,
                       TensorArray(v[1]).write(v[0], random_uniform({2}, 0, 1, float32, 7)).flow()};
      },
      {constant(0), TensorArray(float32, 3).flow()});
  const Tensor in_loop = TensorArray(out[1]).stack();
  const std::vector<double> got = numbers(session().run(in_loop));
  const Tensor alone = random_uniform({2}, 0, 1, float32, 7);
  std::vector<double> expected;
  Session other;
  for (int i = 0; i < 3; ++i)
    for (double v : numbers(other.run(alone))) expected.push_back(v);
  EXPECT_EQ(got, expected);
}

TEST_F(ControlTest, AnAssertionInsideALoopStopsTheRun) {
  const auto graph = default_graph();
  auto n = placeholder(int32, {});
  const Tensors out =
      while_loop([&](const Tensors& v) { return less(v[0], n); },
                 [&](const Tensors& v) {
                   auto check = graph->create("Assert", {less(v[0], 3), v[0]}, {}, "check");
                   const ControlDependencies wait({check});
                   return Tensors{v[0] + 1};
                 },
                 {constant(0)});
  EXPECT_EQ(session().run(out[0], {whole(n, 3)}).item(), 3);
  try {
    session().run(out[0], {whole(n, 9)});
    FAIL();
  } catch (const OpError& e) {
    EXPECT_NE(std::string(e.what()).find("assertion failed: [3]"), std::string::npos) << e.what();
    EXPECT_EQ(e.node(), "while/check");
  }
}

TEST_F(ControlTest, ABodyThatGivesAnotherDtypeOrShapeIsRefused) {
  const auto more = [](const Tensors& v) { return less(v[0], 3); };
  EXPECT_THROW(while_loop(more, [](const Tensors& v) { return Tensors{cast(v[0], float32)}; },
                          {constant(0)}),
               TypeError);
  try {
    while_loop(more,
               [](const Tensors& v) {
                 return Tensors{v[0] + 1, concat({v[1], v[1]}, 0)};
               },
               {constant(0), zeros({1})});
    FAIL();
  } catch (const ValueError& e) {
    EXPECT_NE(
        std::string(e.what()).find("enters the loop with shape (1,), but has shape (2,) after "
                                   "one iteration"),
        std::string::npos)
        << e.what();
  }
}

TEST_F(ControlTest, AShapeThatGrowsNeedsAKnownNumberOfIterations) {
  auto n = placeholder(int32, {});
  Variable held(Array::full({}, 3, DType::i32));
  const auto grow = [&](const Input& limit) {
    LoopOptions options;
    options.shape_invariants = {PartialShape(Shape{}), PartialShape({-1})};
    return while_loop([&](const Tensors& v) { return less(v[0], limit); },
                      [](const Tensors& v) {
                        return Tensors{v[0] + 1, concat({v[1], zeros({1})}, 0)};
                      },
                      {constant(0), zeros({1})}, options)[1];
  };
  EXPECT_EQ(session().run(grow(3)).shape(), Shape({4}));
  EXPECT_EQ(session().run(grow(n), {whole(n, 2)}).shape(), Shape({3}));  // a plan a number
  session().run(global_variables_initializer());
  try {
    session().run(grow(held));
    FAIL();
  } catch (const OpError& e) {
    EXPECT_NE(std::string(e.what()).find("has shape (2,) after one iteration"), std::string::npos)
        << e.what();
  }
}

TEST_F(ControlTest, WhatIsInsideStaysInside) {
  Tensor leaked;
  const Tensors out =
      while_loop([](const Tensors& v) { return less(v[0], 3); },
                 [&](const Tensors& v) { return Tensors{leaked = v[0] + 1}; }, {constant(0)});
  try {
    identity(leaked);
    FAIL();
  } catch (const ValueError& e) {
    EXPECT_NE(std::string(e.what()).find("because 'while/add' is in a while loop"),
              std::string::npos)
        << e.what();
  }
  EXPECT_THROW(session().run(leaked), ValueError);
  EXPECT_EQ(session().run(out[0]).item(), 3);
}

TEST_F(ControlTest, AVariableMadeInABodyBelongsToTheGraph) {
  const Tensors out = while_loop([](const Tensors& v) { return less(v[0], 3); },
                                 [](const Tensors& v) {
                                   Variable w(2.0f, {.name = "w"});
                                   return Tensors{v[0] + 1, v[1] * w.value()};
                                 },
                                 {constant(0), constant(1.0f)});
  session().run(global_variables_initializer());
  EXPECT_EQ(session().run(out[1]).item(), 8);
}

TEST_F(ControlTest, DropoutInABranchKeepsItsMaskForTheGradient) {
  auto training = placeholder(bool_, {});
  auto x = placeholder(float32, {1000});
  const Tensor y = cond(
      training, [&] { return nn::dropout(x, 0.5, 3); }, [&] { return x; });
  const Tensor dx = gradients({y}, {x})[0];
  const Array ones = Array::full({1000}, 1);
  const auto kept = session().run({y, dx}, {truth(training, true), {x, ones}});
  EXPECT_EQ(numbers(kept[0]), numbers(kept[1]));  // the same mask, times 2
  EXPECT_NEAR(static_cast<double>(
                  std::count(kept[0].span<float>().begin(), kept[0].span<float>().end(), 2.0f)),
              500, 80);
  EXPECT_EQ(numbers(session().run(dx, {truth(training, false), {x, ones}})), numbers(ones));
}

TEST_F(ControlTest, AWriteOutsideATensorArrayNamesTheIndex) {
  auto i = placeholder(int32, {});
  const Tensor out = TensorArray(float32, 3).write(i, zeros({2})).stack();
  EXPECT_EQ(session().run(out, {whole(i, 2)}).shape(), Shape({3, 2}));
  EXPECT_THROW(session().run(out, {whole(i, 3)}), OpError);
}

TEST_F(ControlTest, APositionOfATensorArrayIsWrittenOnceAndReadOnce) {
  const auto says = [this](const Tensor& t) -> std::string {
    try {
      session().run(t);
    } catch (const OpError& e) {
      return e.what();
    }
    return "";
  };
  const Tensor x = zeros({2});
  const auto index = placeholder(int32, {});
  const TensorArray twice = TensorArray(float32, 3).write(index, x).write(index, x);
  EXPECT_THROW(session().run(twice.stack(), {whole(index, 1)}), OpError);  // known in the run only
  const auto contains = [&](const Tensor& t, const char* text) {
    const std::string said = says(t);
    EXPECT_NE(said.find(text), std::string::npos) << said;
  };
  contains(TensorArray(float32, 3).write(1, x).write(1, x).stack(),
           "TensorArray TensorArray: Could not write to TensorArray index 1 because it has already "
           "been written to.");
  const auto one = TensorArray(float32, 3).write(0, x);
  contains(one.read(0) + one.read(0), "Could not read index 0 twice because it was cleared");
  const auto kept = TensorArray(float32, 3, {.clear_after_read = false}).write(0, x);
  EXPECT_EQ(says(kept.read(0) + kept.read(0)), "");
  const Tensors out = while_loop([](const Tensors& v) { return less(v[0], 3); },
                                 [&](const Tensors& v) {
                                   return Tensors{v[0] + 1, TensorArray(v[1]).write(0, x).flow()};
                                 },
                                 {constant(0), TensorArray(float32, 3).flow()});
  contains(TensorArray(out[1]).stack(), "index 0 because it has already been written to");
}

TEST_F(ControlTest, ADynamicTensorArrayGrowsByWrites) {
  const auto n = placeholder(int32, {});
  const Tensors out = while_loop(
      [&](const Tensors& v) { return less(v[0], n); },
      [](const Tensors& v) {
        return Tensors{v[0] + 1, TensorArray(v[1]).write(v[0], cast(v[0], float32)).flow()};
      },
      {constant(0), TensorArray(float32, 0, {.dynamic_size = true}).flow()});
  const Tensor all = TensorArray(out[1]).stack();
  for (int count : {4, 2}) EXPECT_EQ(session().run(all, {whole(n, count)}).shape(), Shape({count}));
}

}  // namespace
}  // namespace trivium::tf
