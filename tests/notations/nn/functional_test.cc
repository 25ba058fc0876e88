// What the functional layer refuses, draws and changes in place.
#include "trivium/notations/nn/functional.h"

#include <gtest/gtest.h>

#include <cmath>

namespace trivium::nn {
namespace {

namespace F = functional;

template <typename T>
std::vector<T> values(const Tensor& x) {
  return x.contiguous().to_vector<T>();
}

TEST(Dropout, DrawsPyTorchsMaskAndScales) {
  manual_seed(0);
  const Tensor expected = bernoulli(full({8}, 1.0), 0.5) * 2;
  manual_seed(0);
  EXPECT_EQ(values<float>(F::dropout(ones({8}))), values<float>(expected));
  const Tensor x = ones({3});
  EXPECT_TRUE(F::dropout(x, 0.5, false).same_as(x));
  EXPECT_TRUE(F::dropout(x, 0).same_as(x));
  EXPECT_EQ(values<float>(F::dropout(x, 1)), (std::vector<float>{0, 0, 0}));
  EXPECT_THROW(F::dropout(x, 1.5), ValueError);
  const std::vector<float> y = values<float>(F::dropout2d(ones({2, 3, 4, 4})));
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], y[i / 16 * 16]);
}

TEST(BatchNorm, RunningStatisticsFollowTheBatch) {
  const Tensor mean = zeros({1}), var = ones({1}), x = tensor({1.0, 2.0, 6.0}).view(3, 1);
  const std::vector<float> y = values<float>(F::batch_norm(x, mean, var, {}, {}, true));
  EXPECT_NEAR(y[0], -0.9258f, 1e-4);
  EXPECT_NEAR(mean.item(), 0.3, 1e-6);
  EXPECT_NEAR(var.item(), 1.6, 1e-6);
  EXPECT_THROW(F::batch_norm(ones({1, 3}), {}, {}, {}, {}, true), ValueError);
  EXPECT_THROW(F::batch_norm(ones({2, 3}), {}, {}), UserError);
}

TEST(Pooling, CeilModeCountsWhatIsInsideThePadding) {
  const Tensor y = F::avg_pool2d(ones({1, 1, 4, 4}), 3, 2, 1, true);
  const std::vector<float> v = values<float>(y);
  EXPECT_NEAR(v[0], 0.4444f, 1e-4);
  EXPECT_NEAR(v[3], 0.6667f, 1e-4);
  EXPECT_NEAR(v[5], 0.5f, 1e-4);
  EXPECT_THROW(F::max_pool2d(ones({1, 1, 4, 4}), 2, 2, 2), UserError);
}

TEST(Labels, AreChecked) {
  const Tensor x = ones({2, 3});
  const auto labels = [](std::vector<int64_t> v) {
    return tensor(v, static_cast<int64_t>(v.size()));
  };
  EXPECT_THROW(F::nll_loss(x, labels({0, 3})), IndexError);
  EXPECT_THROW(F::cross_entropy(x, labels({0, 3})), IndexError);
  EXPECT_NO_THROW(F::cross_entropy(x, labels({0, -100})));
  EXPECT_THROW(F::nll_loss(x, labels({0, 1, 2})), ValueError);
  EXPECT_THROW(F::nll_loss(x, ones({2})), UserError);
  EXPECT_TRUE(std::isnan(F::nll_loss(x, labels({-100, -100})).item()));
  EXPECT_EQ(F::nll_loss(x, labels({-100, -100}), {}, -100, Reduction::sum).item(), 0);
  EXPECT_THROW(F::cross_entropy(x, labels({0, 1}), {}, -100, Reduction::mean, 1.5), UserError);
  EXPECT_THROW(F::binary_cross_entropy(full({2}, 1.5), ones({2})), UserError);
  EXPECT_THROW(F::binary_cross_entropy(ones({2}), ones({3})), ValueError);
  EXPECT_THROW(F::smooth_l1_loss(x, x, Reduction::mean, -1), UserError);
  EXPECT_THROW(parse_reduction("average"), ValueError);
}

TEST(Embedding, IndicesAreCheckedAndPaddingLearnsNothing) {
  const Tensor w = ones({3, 2}, {.requires_grad = true});
  const Tensor at = tensor(std::vector<int64_t>{0, 1, 1}, 3);
  EXPECT_THROW(F::embedding(at + 2, w).array(), UserError);
  EXPECT_THROW(F::embedding(tensor(std::vector<int64_t>{3}, 1), w), IndexError);
  EXPECT_THROW(F::embedding(ones({2}), w), UserError);
  F::embedding(at, w, 1).sum().backward();
  EXPECT_EQ(values<float>(w.grad()), (std::vector<float>{1, 1, 0, 0, 0, 0}));
}

TEST(Attention, ARowThatAttendsNowhereGivesZeros) {
  const Tensor q = ones({2, 3}, {.requires_grad = true}), k = ones({2, 3}), v = ones({2, 3});
  const Tensor mask = tensor(std::vector<int64_t>{1, 1, 0, 0}, {2, 2}).to(boolean);
  const Tensor y = F::scaled_dot_product_attention(q, k, v, mask);
  EXPECT_EQ(values<float>(y), (std::vector<float>{1, 1, 1, 0, 0, 0}));
  y.sum().backward();
  for (float g : values<float>(q.grad())) EXPECT_EQ(g, 0);
  EXPECT_THROW(F::scaled_dot_product_attention(q, k, v, mask, 0, true), UserError);
}

TEST(Interpolate, ArgumentsAreChecked) {
  const Tensor x = ones({1, 1, 3});
  EXPECT_THROW(F::interpolate(x), ValueError);
  EXPECT_THROW(F::interpolate(x, 3, {2.0}), ValueError);
  EXPECT_THROW(F::interpolate(x, 3, {}, "bilinear"), NotImplementedError);
  EXPECT_THROW(F::interpolate(x, 3, {}, "nearest", true), ValueError);
}

TEST(Convolution, ShapesAreChecked) {
  const Tensor x = ones({1, 3, 5, 5}), w = ones({4, 3, 3, 3});
  EXPECT_THROW(F::conv2d(x, ones({4, 2, 3, 3})), UserError);
  EXPECT_THROW(F::conv2d(ones({5, 5}), w), UserError);
  EXPECT_THROW(F::conv2d(x, w, {}, 2, "same"), UserError);
  EXPECT_THROW(F::conv2d(x, w, {}, 1, "full"), ValueError);
  EXPECT_THROW(F::linear(ones({2, 3}), ones({4, 2})), UserError);
}

TEST(Activations, HardsigmoidIsFlatAtItsCorners) {
  const Tensor x = tensor({-3.0, 0.0, 3.0}).requires_grad_();
  F::hardsigmoid(x).sum().backward();
  const std::vector<float> g = values<float>(x.grad());
  EXPECT_EQ(g[0], 0);
  EXPECT_FLOAT_EQ(g[1], 1.0f / 6);
  EXPECT_EQ(g[2], 0);
}

TEST(Inplace, ActivationsMayOverwriteTheirInput) {
  const Tensor w = tensor({-1.0, 2.0}).requires_grad_();
  const Tensor x = w * 3;
  const Tensor y = F::relu(x, true);
  EXPECT_TRUE(y.same_as(x));
  y.sum().backward();
  EXPECT_EQ(values<float>(w.grad()), (std::vector<float>{0, 3}));
}

}  // namespace
}  // namespace trivium::nn
