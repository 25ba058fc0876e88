// What samples cannot say: published values, edge shapes, ties, NaN, messages.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "trivium/engine/core/random.h"
#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/graph/interpret.h"
#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium {
namespace {

using ops::Ints;
using Numbers = std::vector<double>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

class Meaning : public ::testing::Test {
 protected:
  void SetUp() override {
    ops::register_all();
    graph_ = std::make_unique<Graph>();
  }
  /// An input that holds `numbers`.
  Value in(const Numbers& numbers, Shape shape, DType dtype = DType::f64) {
    Array a(shape, dtype);
    for (size_t i = 0; i < numbers.size(); ++i) a.set(static_cast<int64_t>(i), numbers[i]);
    values_.inputs.push_back(a);
    return graph_->input("x", shape, dtype);
  }
  Numbers eval(Value v) { return interpret(*graph_, {v}, values_)[0].data; }
  void expect_near(Value v, const Numbers& expected, double tolerance = 1e-12) {
    const Numbers got = eval(v);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i)
      EXPECT_NEAR(got[i], expected[i], tolerance) << "element " << i;
  }
  template <typename Record>
  std::string message(Record record) {
    try {
      record();
    } catch (const UserError& e) {
      return e.what();
    }
    return "nothing was thrown";
  }
  std::unique_ptr<Graph> graph_;
  InterpretInputs values_;
};

TEST_F(Meaning, SoftmaxOfHugeLogitsStaysFinite) {
  expect_near(ops::softmax(in({1000, 1000, -1000}, {1, 3})), {0.5, 0.5, 0});
  expect_near(ops::log_softmax(in({0, 1e4}, {2}), 0), {-1e4, 0});
}

TEST_F(Meaning, CrossEntropyStopsAtTheFloorAndIgnoresItsLabel) {
  const Value logits = in({0, 200, 5, 5}, {2, 2}), labels = in({0, 1}, {2}, DType::i32);
  const double floor = std::numeric_limits<float>::min();
  const auto ce = ops::softmax_cross_entropy(logits, labels, 1, floor);
  expect_near(ce.loss, {-std::log(floor), std::log(2.0)});
  EXPECT_NEAR(eval(ce.loss)[0], 87.3365, 1e-4);  // what Caffe prints for a diverged loss
  const auto ignoring = ops::softmax_cross_entropy(logits, labels, -1, 0, true, 0);
  expect_near(ignoring.loss, {0, std::log(2.0)});
  const Value dx = gradients({ignoring.loss}, {logits})[0];
  expect_near(dx, {0, 0, 0.5, -0.5});
}

TEST_F(Meaning, LabelsOutsideTheClassesAreErrors) {
  const Value logits = in({0, 1}, {1, 2});
  for (double label : {-1.0, 2.0, kNan}) {
    InterpretInputs values = values_;
    Graph& g = *graph_;
    const Value labels = g.constant(label, DType::f64, {1});
    EXPECT_THROW(interpret(g, {ops::softmax_cross_entropy(logits, labels, 1).loss}, values),
                 UserError);
    EXPECT_THROW(interpret(g, {ops::in_top_k(logits, labels, 1, 1)}, values), UserError);
  }
}

TEST_F(Meaning, EqualScoresCountAgainstTheLabelAndNanIsNoHit) {
  const Value scores = in({1, 1, 0, 3, 2, 1, kNan, 0, 0}, {3, 3}), labels = in({0, 0, 0}, {3});
  expect_near(ops::in_top_k(scores, labels, 1, 1), {0, 1, 0});
  expect_near(ops::in_top_k(scores, labels, 1, 2), {1, 1, 0});
}

TEST_F(Meaning, MaxPoolTakesTheFirstMaximumAndNanOnlyWhenAlone) {
  const ops::PoolAttrs two{{2, 2}, {2, 2}, {}, {}, false};
  const auto pooled = ops::max_pool(in({1, 7, kNan, kNan, 7, 2, kNan, kNan}, {1, 1, 2, 4}), two);
  EXPECT_EQ(eval(pooled.y)[0], 7);
  EXPECT_TRUE(std::isnan(eval(pooled.y)[1]));
  expect_near(pooled.position, {1, 0});
  expect_near(ops::max_pool_plane_index(pooled.position, two, {2, 4}), {1, 2});
  expect_near(ops::max_pool(in({kNan, 3, 2, 1}, {1, 1, 2, 2}), two).y, {3});
}

TEST_F(Meaning, MaxPoolPositionsCountTheUnclippedWindow) {
  const ops::PoolAttrs padded{{3, 3}, {2, 2}, {1, 1}, {1, 1}, false};
  const auto pooled = ops::max_pool(in({9, 1, 1, 1, 1, 1, 1, 1, 8}, {1, 1, 3, 3}), padded);
  expect_near(pooled.y, {9, 1, 1, 8});
  expect_near(pooled.position, {4, 3, 1, 4});
  expect_near(ops::max_pool_plane_index(pooled.position, padded, {3, 3}), {0, 1, 3, 8});
}

TEST_F(Meaning, CeilPoolingDropsAWindowThatWouldStartOutside) {
  EXPECT_EQ(ops::pool_size(24, 2, 2, 0, 0, true), 12);
  EXPECT_EQ(ops::pool_size(32, 3, 2, 0, 0, true), 16);  // CIFAR-10 quick
  EXPECT_EQ(ops::pool_size(32, 3, 2, 0, 0, false), 15);
  EXPECT_EQ(ops::pool_size(3, 2, 2, 1, 1, true), 2);  // the third would start in the padding behind
  EXPECT_EQ(ops::pool_size(2, 3, 2, 0, 0, true), 1);  // a window larger than the image is clipped
  EXPECT_EQ(ops::pool_size(2, 3, 2, 0, 0, false), 0);
  EXPECT_EQ(ops::conv_size(28, 5, 1, 0, 0, 1), 24);    // LeNet
  EXPECT_EQ(ops::conv_size(227, 11, 4, 0, 0, 1), 55);  // AlexNet
  EXPECT_EQ(ops::conv_size(2, 3, 2, 0, 0, 1), 0);
}

TEST_F(Meaning, AveragePoolingDividesByThePaddedOrTheRealArea) {
  const ops::PoolAttrs a{{3, 3}, {2, 2}, {1, 1}, {1, 1}, true};
  const Value x = in(Numbers(16, 9), {1, 1, 4, 4});
  // Windows begin at -1, 1, 3; the last is cut by the padding's end at 5.
  expect_near(ops::avg_pool(x, a, true), {4, 6, 3, 6, 9, 4.5, 3, 4.5, 2.25});
  expect_near(ops::avg_pool(x, a, false), Numbers(9, 9));
}

TEST_F(Meaning, LrnDividesAlphaByTheWindow) {
  // One place, channels 1 2 3, size 3: s = 1 + 3/3 * (1+4, 1+4+9, 4+9), beta 1.
  expect_near(ops::lrn(in({1, 2, 3}, {1, 3}), 3, 3, 1, 1), {1.0 / 6, 2.0 / 15, 3.0 / 14});
}

TEST_F(Meaning, BatchNormUsesTheBiasedVariance) {
  const Value x = in({1, 3, 10, 14}, {2, 2});  // channels are columns: {1, 10} and {3, 14}
  const auto bn = ops::batch_norm(x, 0.0);
  expect_near(bn.mean, {5.5, 8.5});
  expect_near(bn.variance, {20.25, 30.25});
  expect_near(bn.y, {-1, -1, 1, 1});
}

TEST_F(Meaning, BatchNormStatisticsCarryGradients) {
  const Value x = in({1, 3, 10, 14}, {2, 2});
  const auto bn = ops::batch_norm(x, 0.0);
  expect_near(gradients({bn.mean}, {x})[0], Numbers(4, 0.5));
  expect_near(gradients({bn.variance}, {x})[0], {-4.5, -5.5, 4.5, 5.5});
}

TEST_F(Meaning, ConvolutionDoesNotFlipTheKernel) {
  const Value x = in({1, 2, 3, 4}, {1, 1, 4}), w = in({1, 10}, {1, 1, 2});
  expect_near(ops::conv(x, w, {}), {21, 32, 43});
  expect_near(ops::conv(x, w, {{2}, {1}, {0}, {1}, 1}), {10, 32});
  expect_near(ops::conv_bwd_data(in({1, 1}, {1, 1, 2}), w, {{2}, {}, {}, {}, 1}, {4}),
              {1, 10, 1, 10});
}

TEST_F(Meaning, GroupsKeepChannelsApart) {
  const Value x = in({1, 2}, {1, 2, 1}), w = in({3, 5}, {2, 1, 1});
  expect_near(ops::conv(x, w, {{}, {}, {}, {}, 2}), {3, 10});
}

TEST_F(Meaning, EmptyBatchesPass) {
  const Value x = in({}, {0, 3, 4, 4}), w = in(Numbers(27, 1), {1, 3, 3, 3});
  EXPECT_EQ(ops::conv(x, w, {}).shape(), (Shape{0, 1, 2, 2}));
  EXPECT_TRUE(eval(ops::max_pool(x, {{2, 2}, {2, 2}, {}, {}, false}).y).empty());
  expect_near(ops::matmul(in({}, {2, 0}), in({}, {0, 3})), Numbers(6, 0));
  expect_near(ops::sum(x), {0});
}

TEST_F(Meaning, TiesGoToTheFirstOrTheLast) {
  const Value x = in({3, 5, 5, 1}, {4});
  expect_near(ops::argmax(x, 0), {1});
  expect_near(ops::argmax(x, 0, false, "last"), {2});
  expect_near(ops::top_k(x, 3, 0, "last").indices, {2, 1, 0});
  expect_near(gradients({ops::reduce_max(x)}, {x})[0], {0, 1, 0, 0});
  expect_near(ops::argmax(in({kNan, 2, kNan}, {3}), 0), {1});
}

TEST_F(Meaning, ClipMaximumAndReluSendGradientsOneWay) {
  const Value x = in({-2, 0, 1, 2, 5}, {5});
  const Value lo = in({0}, {}), hi = in({2}, {});
  const Value y = ops::clip(x, lo, hi);
  expect_near(gradients({y}, {x})[0], {0, 1, 1, 1, 0});
  expect_near(gradients({y}, {lo})[0], {1});
  expect_near(gradients({y}, {hi})[0], {1});
  expect_near(gradients({ops::maximum(x, x)}, {x})[0], Numbers(5, 1));
  expect_near(gradients({ops::relu(x)}, {x})[0], {0, 0, 1, 1, 1});
}

TEST_F(Meaning, ProductsHaveGradientsAtZeros) {
  const Value x = in({2, 0, 3}, {3}), two_zeros = in({2, 0, 0}, {3});
  expect_near(gradients({ops::prod(x)}, {x})[0], {0, 6, 0});
  expect_near(gradients({ops::prod(two_zeros)}, {two_zeros})[0], {0, 0, 0});
}

TEST_F(Meaning, SelectKeepsNanOfTheOtherBranchOut) {
  const Value x = in({-1, 4}, {2}), positive = ops::greater(x, graph_->constant(0.0, DType::f64));
  const Value y = ops::select(positive, ops::sqrt(ops::maximum(x, 0.0)), x);
  expect_near(y, {-1, 2});
}

TEST_F(Meaning, IndicesAreCheckedAndRepeatsAdd) {
  const Value rows = in({1, 2, 3, 4}, {2, 2});
  expect_near(ops::gather(rows, in({1, 1, 0}, {3}, DType::i64)), {3, 4, 3, 4, 1, 2});
  expect_near(ops::scatter_add(rows, in({2, 2}, {2}, DType::i32), {3, 2}), {0, 0, 0, 0, 4, 6});
  EXPECT_THROW(eval(ops::gather(rows, in({2}, {1}, DType::i64))), UserError);
  EXPECT_THROW(eval(ops::gather(rows, in({-1}, {1}, DType::i64))), UserError);
  expect_near(ops::one_hot(in({1, 5, -1}, {3}), 2), {0, 1, 0, 0, 0, 0});
}

TEST_F(Meaning, DrawsAreFunctionsOfStateOrSeed) {
  const Value seed = in({7}, {}, DType::i64), stream = in({3}, {}, DType::i64);
  const Value a = ops::philox_uniform(seed, stream, {6}),
              b = ops::philox_uniform(seed, stream, {2, 2});
  const Numbers longer = eval(a), shorter = eval(b);
  EXPECT_TRUE(std::equal(shorter.begin(), shorter.end(), longer.begin()));
  random::Mt19937 seeded;
  seeded.seed(1701);
  std::vector<int32_t> words(625);
  std::memcpy(words.data(), &seeded, sizeof seeded);
  const Numbers state(words.begin(), words.end());
  const auto first = ops::mt19937_uniform(in(state, {625}, DType::i32), {4}, 0, 1);
  const auto second = ops::mt19937_uniform(first.state, {4}, 0, 1);
  EXPECT_NE(eval(first.value), eval(second.value));
  const auto both = ops::mt19937_uniform(in(state, {625}, DType::i32), {8}, 0, 1);
  Numbers joined = eval(first.value);
  for (double v : eval(second.value)) joined.push_back(v);
  EXPECT_EQ(eval(both.value), joined);
  EXPECT_EQ(eval(both.state), eval(second.state));
}

TEST_F(Meaning, MessagesNameOperandsSizesAndRule) {
  graph_->set_scope("features.0");
  const Value x = in({}, {8, 3, 32, 32}, DType::f32), w = in({}, {16, 4, 3, 3}, DType::f32);
  EXPECT_EQ(message([&] { ops::conv(x, w, {}); }),
            "conv: w expects 4 input channels, x has 3\n"
            "  x float32[8, 3, 32, 32]   w float32[16, 4, 3, 3]   dilations "
            "[1, 1]   groups 1   "
            "pads_begin [0, 0]   pads_end [0, 0]   strides [1, 1]     rule: x.shape[1] == "
            "w.shape[1] * groups\n"
            "  at layer \"features.0\"");
  EXPECT_NE(
      message([&] { ops::add(x, in({}, {31}, DType::f32)); }).find("axis -1 has sizes 32 and 31"),
      std::string::npos);
  EXPECT_NE(message([&] {
              ops::add(x, in({}, {}, DType::i32));
            }).find("operand 0 is float32, operand 1 is int32"),
            std::string::npos);
  EXPECT_NE(message([&] {
              ops::max_pool(x, {{2, 2}, {2, 2}, {2, 2}, {}, false});
            }).find("padding < kernel"),
            std::string::npos);
  EXPECT_NE(message([&] {
              ops::conv(x, in({}, {16, 3, 33, 3}, DType::f32), {});
            }).find("a kernel of 33 does not fit into 32"),
            std::string::npos);
  EXPECT_NE(message([&] { ops::sum(x, {4}); }).find("axes are out of range or repeated for rank 4"),
            std::string::npos);
  EXPECT_NE(message([&] { ops::relu({}); }).find("relu: operand 0 is undefined"),
            std::string::npos);
  EXPECT_NE(message([&] {
              graph_->op("conv2d", {x, w});
            }).find("did you mean \"conv\""),
            std::string::npos);
  EXPECT_NE(message([&] { graph_->op("input", {}); }).find("Graph::input"), std::string::npos);
}

TEST_F(Meaning, EqualShapesRecordNothing) {
  const Value x = in({1, 2}, {2});
  EXPECT_EQ(ops::reshape(x, {2}), x);
  EXPECT_EQ(ops::sum_to(x, {2}), x);
  EXPECT_EQ(ops::broadcast_to(x, {2}), x);
  EXPECT_EQ(ops::permute(x, {0}), x);
  EXPECT_EQ(ops::cast(x, DType::f64), x);
}

}  // namespace
}  // namespace trivium
