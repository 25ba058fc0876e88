// What samples cannot say about sorting, running results, scatters, special functions and the
// composed functions: ties, NaN, zeros, published values (those of PyTorch 2, closed forms
// where it is less exact), messages.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/graph/interpret.h"
#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"

namespace trivium {
namespace {

using ops::Ints;
using Numbers = std::vector<double>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

class MoreMeaning : public ::testing::Test {
 protected:
  void SetUp() override { ops::register_all(); }
  Value in(const Numbers& numbers, Shape shape, DType dtype = DType::f64) {
    Array a(shape, dtype);
    for (size_t i = 0; i < numbers.size(); ++i) a.set(static_cast<int64_t>(i), numbers[i]);
    values_.inputs.push_back(a);
    return graph_.input("x", shape, dtype);
  }
  Value row(const Numbers& numbers, DType dtype = DType::f64) {
    return in(numbers, {static_cast<int64_t>(numbers.size())}, dtype);
  }
  Numbers eval(Value v) { return interpret(graph_, {v}, values_)[0].data; }
  void expect(Value v, const Numbers& expected, double relative = 1e-14) {
    const Numbers got = eval(v);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      if (std::isnan(expected[i]) || std::isinf(expected[i]) || std::isnan(got[i]))
        EXPECT_TRUE(got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i])))
            << "element " << i << ": " << got[i] << ", expected " << expected[i];
      else
        EXPECT_NEAR(got[i], expected[i], relative * std::max(1.0, std::abs(expected[i])))
            << "element " << i;
    }
  }
  Value gradient(Value y, Value x, const Numbers& weights) {
    return gradients({ops::sum(ops::mul(y, row(weights)))}, {x})[0];
  }
  std::string message(Value v) {
    try {
      eval(v);
    } catch (const UserError& e) {
      return e.what();
    }
    return "nothing was thrown";
  }
  Graph graph_;
  InterpretInputs values_;
};

TEST_F(MoreMeaning, SortIsStableAndPutsNaNAboveAll) {
  const Value x = row({3, kNan, 1, 3, -1});
  const auto up = ops::sort(x), down = ops::sort(x, 0, true);
  expect(up.values, {-1, 1, 3, 3, kNan});
  expect(up.indices, {4, 2, 0, 3, 1});
  expect(down.values, {kNan, 3, 3, 1, -1});
  expect(down.indices, {1, 0, 3, 2, 4});
}

TEST_F(MoreMeaning, NaNIsChosenWhereItWins) {
  const Value x = row({1, kNan, kNan, 0});
  expect(ops::argmax(x, 0, false, "first", true), {1});
  expect(ops::argmin(x, 0, false, "first", true), {1});
  expect(ops::argmax(x, 0), {0});
  expect(ops::argmin(x, 0), {3});
  expect(ops::top_k(x, 3, 0, "first", true).indices, {1, 2, 0});
  expect(ops::reduce_max(x), {kNan});
  expect(gradients({ops::reduce_max(x)}, {x})[0], {0, 1, 0, 0});
}

TEST_F(MoreMeaning, RunningMaximaNameTheLastOfEqualsAndKeepNaN) {
  const auto max = ops::cummax(row({1, 3, 3, 2, kNan, 5}), 0);
  expect(max.values, {1, 3, 3, 3, kNan, kNan});
  expect(max.indices, {0, 1, 2, 2, 4, 4});
  const auto min = ops::cummin(row({2, 2, 1, 1, 3}, DType::i64), 0);
  expect(min.values, {2, 2, 1, 1, 1});
  expect(min.indices, {0, 1, 2, 3, 3});
}

TEST_F(MoreMeaning, RunningProductHasAGradientAtItsZeros) {
  const Value zeros = row({2, 0, 3, 0, 5}), plain = row({2, -1, 3});
  expect(gradient(ops::cumprod(zeros, 0), zeros, {1, 2, 3, 4, 5}), {1, 22, 0, 0, 0});
  expect(gradient(ops::cumprod(plain, 0), plain, {1, 2, 3}), {-10, 22, -6});
}

TEST_F(MoreMeaning, EqualExtremesShareTheGradientWhenAsked) {
  const Value x = in({1, 3, 3, 3, 0, 2}, {2, 3});
  const double third = 1.0 / 3;
  expect(gradients({ops::reduce_max(x, {}, false, "even")}, {x})[0],
         {0, third, third, third, 0, 0});
  expect(gradients({ops::reduce_max(x)}, {x})[0], {0, 1, 0, 0, 0, 0});
}

TEST_F(MoreMeaning, ComposedReductions) {
  expect(ops::logsumexp(row({-kInf, -kInf})), {-kInf});
  expect(ops::logsumexp(row({kInf, 1})), {kInf});
  expect(ops::logsumexp(in({1000, 1000, -5, -5}, {2, 2}), {1}),
         {1000 + std::log(2), -5 + std::log(2)});
  const Value x = row({1, 2, 4});
  expect(ops::variance(x, {}, false, 1), {7.0 / 3});
  expect(ops::variance(x), {14.0 / 9});
  expect(ops::variance(row({1e9, 1e9 + 1})), {0.25});
  const Value huge = row({1000, 1000});
  expect(gradients({ops::logsumexp(huge)}, {huge})[0], {0.5, 0.5});
}

TEST_F(MoreMeaning, AnyAndAll) {
  const Value x = in({0, 2, 0, 0}, {2, 2});
  expect(ops::any(x, {1}), {1, 0});
  expect(ops::all(x, {0}), {0, 0});
  expect(ops::all(row({kNan, -1})), {1});
  const Value nothing = in({}, {2, 0});
  expect(ops::any(nothing, {1}), {0, 0});
  expect(ops::all(nothing, {1}, true), {1, 1});
  EXPECT_EQ(ops::all(nothing, {1}, true).shape(), Shape({2, 1}));
}

TEST_F(MoreMeaning, PowersRemaindersAndRounding) {
  expect(ops::pow(row({-2, -2, -8, 0, 0}), row({3, -2, 1.0 / 3, 0, -1})),
         {-8, 0.25, kNan, 1, kInf});
  expect(ops::floor_div(row({7, -7, 7, -7, 5, 1, kInf}), row({2, 2, -2, -2, 0, 0.1, 2})),
         {3, -4, -4, 3, kInf, 9, kNan});
  expect(ops::fmod(row({7, -7, 7}), row({3, 3, -3})), {1, -1, 1});
  expect(ops::mod(row({7, -7, 7}), row({3, 3, -3})), {1, 2, -2});
  expect(ops::round(row({0.5, 1.5, 2.5, -0.5, -1.5})), {0, 2, 2, 0, -2});
  expect(ops::trunc(row({1.7, -1.7})), {1, -1});
  expect(ops::frac(row({1.75, -1.75})), {0.75, -0.75});
}

TEST_F(MoreMeaning, SpecialFunctions) {
  expect(ops::erfinv(row({0.5, -0.9, 0.999999, 1, 1e-10, 2})),
         {0.4769362762044699, -1.1630871536766743, 3.458910737275499, kInf, 8.862269254527581e-11,
          kNan});
  expect(ops::digamma(row({0.5, -1.5, 10, 1e-3, 0, -1})),
         {-1.9635100260214229, 0.7031566406452433, 2.251752589066721, -1000.5755719318104, -kInf,
          kNan});
  expect(ops::lgamma(row({0.5, -1.5, 10, 171})),
         {0.5723649429247001, 0.860047015376481, 12.801827480081469, 706.5730622457874});
  // Closed forms: pi^2/2 at 1/2, pi^2/6 - (1 + 1/4 + … 1/81) at 10.
  const double half_square = std::numbers::pi * std::numbers::pi / 2;
  double squares = 0;
  for (int k = 9; k > 0; --k) squares += 1.0 / (k * k);
  expect(graph_.op("trigamma", {row({0.5, -1.5, 10, 0.001})}),
         {half_square, half_square + 4 + 4.0 / 9, half_square / 3 - squares, 1000001.6425331949});
}

TEST_F(MoreMeaning, ErfinvInvertsErfOverItsRange) {
  Numbers x;
  for (int i = 1; i < 50; ++i) {
    x.push_back(1 - std::ldexp(1.0, -i));
    x.push_back(std::ldexp(-1.0, -i));
    x.push_back(i / 50.0);
  }
  expect(ops::erf(ops::erfinv(row(x))), x, 4e-16);
}

TEST_F(MoreMeaning, Bits) {
  expect(ops::shift_left(row({1, -1, 5}, DType::i64), row({3, 2, 64}, DType::i64)), {8, -4, 0});
  expect(ops::shift_right(row({-8, 8, -1}, DType::i64), row({1, 2, 70}, DType::i64)), {-4, 2, -1});
  expect(ops::bitwise_not(row({0, 5}, DType::i32)), {-1, -6});
  expect(ops::bitwise_not(row({0, 1}, DType::bool_)), {1, 0});
  expect(ops::bitwise_xor(row({0, 1}, DType::bool_), row({1, 1}, DType::bool_)), {1, 0});
  EXPECT_THROW(ops::bitwise_and(row({1}), row({1})), UserError);
  EXPECT_THROW(ops::shift_left(row({1}, DType::bool_), row({1}, DType::bool_)), UserError);
}

TEST_F(MoreMeaning, TheLastOfEqualIndicesStays) {
  const Value index = row({0, 0, 2}, DType::i64), updates = row({5, 6, -1}), x = row({1, 2, 3});
  expect(ops::scatter_elements(x, index, updates, 0), {6, 2, -1});
  expect(ops::index_update(x, index, updates), {6, 2, -1});
  expect(ops::index_update(x, index, updates, 0, "add"), {12, 2, 2});
  expect(ops::scatter_elements(x, index, row({5, kNan, -1}), 0, "amax"), {kNan, 2, 3});
}

TEST_F(MoreMeaning, IndicesOutsideAreNamed) {
  const Value x = in({1, 2, 3, 4, 5, 6}, {2, 3}), outside = in({0, 3}, {2, 1}, DType::i64);
  const std::string expected = "index 3 received, 0 to 2 expected along axis 1 of size 3";
  EXPECT_NE(message(ops::gather_elements(x, outside, 1)).find(expected), std::string::npos);
  EXPECT_NE(message(ops::scatter_elements(x, outside, in({0, 0}, {2, 1}), 1)).find(expected),
            std::string::npos);
  EXPECT_NE(
      message(ops::index_update(x, row({3}, DType::i64), in({0, 0}, {2, 1}), 1)).find(expected),
      std::string::npos);
  EXPECT_THROW(ops::gather_elements(x, in({0, 0, 0}, {3, 1}, DType::i64), 1), UserError);
  EXPECT_THROW(ops::scatter_elements(x, in({0, 0}, {2, 1}, DType::i64), x, 1), UserError);
}

TEST_F(MoreMeaning, GroupNorm) {
  const Value x = in({0, 1, 2, 3, 4, 5, 6, 7}, {1, 4, 2});
  expect(ops::group_norm(x, 2, 1e-5, row({1, 2, 3, 4}), row({0, 1, 0, -1})),
         {-1.3416354199689269, -0.4472118066563089, 1.894423613312618, 3.6832708399378538,
          -4.02490625990678, -1.3416354199689264, 0.7888472266252347, 4.366541679875707});
  EXPECT_THROW(ops::group_norm(x, 3, 1e-5), UserError);
}

TEST_F(MoreMeaning, DilatedMaximaWithNaN) {
  const Value x = in({1, kNan, 3, 2, 5, 4, 0}, {1, 1, 7});
  ops::PoolAttrs pool{{3}, {2}, {1}, {1}};
  pool.dilations = {2};
  pool.nan_wins = true;
  const auto wins = ops::max_pool(x, pool);
  expect(wins.y, {kNan, kNan, 4});
  expect(ops::max_pool_plane_index(wins.position, pool, {7}), {1, 1, 5});
  pool.nan_wins = false;
  expect(ops::max_pool(x, pool).y, {2, 4, 4});
}

}  // namespace
}  // namespace trivium
