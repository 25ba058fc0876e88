// Tensor's own behaviour: promotion, views and writes through them, subscripts, errors.
#include "trivium/notations/nn/tensor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/promote.h"

namespace trivium::nn {
namespace {

using Key = std::vector<int64_t>;

Tensor counting(const Dims& sizes) { return arange(sizes.shape().count()).reshape(sizes); }

template <typename T>
std::vector<T> values(const Tensor& x) {
  return x.contiguous().to_vector<T>();
}

TEST(Promotion, TensorsWithDimsDecideThenOthersByCategory) {
  const Tensor i32 = ones({2}, {.dtype = int32}), i64 = tensor(Scalar(1)), f32 = ones({2}),
               f64 = tensor(Scalar(1.0), {.dtype = float64});
  EXPECT_EQ((i32 + i64).dtype(), int32);
  EXPECT_EQ((f32 + f64).dtype(), float32);
  EXPECT_EQ((i32 + f64).dtype(), float64);
  EXPECT_EQ((i32 + 1.5).dtype(), float32);
  EXPECT_EQ((ones({2}, {.dtype = boolean}) + 1).dtype(), int64);
  EXPECT_EQ(promote_types(uint8, int8), int16);
  EXPECT_EQ(promote_types(float16, bfloat16), float32);
  EXPECT_EQ((i32 / i32).dtype(), float32);
  EXPECT_EQ(i32.sum().dtype(), int64);
  EXPECT_EQ((i32 == 1).dtype(), boolean);
}

TEST(Promotion, NarrowIntegersWrap) {
  const Tensor x = full({1}, 250, {.dtype = uint8});
  EXPECT_EQ((x + 10).item<int>(), 4);
  EXPECT_EQ((x + 300).dtype(), uint8);
  EXPECT_EQ((x + 300).item<int>(), 38);
}

TEST(Promotion, WhatHasNoMeaningIsRefused) {
  const Tensor b = ones({2}, {.dtype = boolean}), i = ones({2}, {.dtype = int64});
  EXPECT_THROW(b - b, NotImplementedError);
  EXPECT_THROW(-b, NotImplementedError);
  EXPECT_THROW(i.mean(), NotImplementedError);
  EXPECT_THROW(i.pow(-1), UserError);
  EXPECT_THROW(i.add_(1.5), UserError);
  EXPECT_THROW(i.floor_divide(0), UserError);
  EXPECT_THROW(i.matmul(ones({2})), UserError);
  EXPECT_THROW(ones({2}).add_(ones({3, 2})), UserError);
}

TEST(Views, ShareStorageBothWays) {
  const Tensor x = zeros({3, 4});
  x.index_put_({1}, 5.0);
  x.select(1, 2).add_(1);
  x.t().narrow(0, 3, 1).fill_(7);
  EXPECT_EQ(values<float>(x), (std::vector<float>{0, 0, 1, 7, 5, 5, 6, 7, 0, 0, 1, 7}));
  const Tensor row = x[0];
  x.add_(1);
  EXPECT_EQ(values<float>(row), (std::vector<float>{1, 1, 2, 8}));
}

TEST(Views, ViewNeedsFittingStridesReshapeCopies) {
  const Tensor x = counting({2, 3});
  EXPECT_THROW(x.t().view(6), UserError);
  EXPECT_EQ(values<int64_t>(x.t().reshape({6})), (Key{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(x.t().reshape({3, 2, 1}).shape(), (Shape{3, 2, 1}));
  EXPECT_TRUE(x.t().unsqueeze(0).shares_storage(x));
  EXPECT_FALSE(x.t().reshape({6}).shares_storage(x));
  EXPECT_THROW(x.view(4, -1), UserError);
  EXPECT_THROW(x.view(-1, -1), UserError);
}

TEST(Views, ADimOutOfRangeIsAnIndexError) {
  const Tensor x = zeros({2, 3});
  EXPECT_THROW(x.sum(2), IndexError);
  EXPECT_THROW(x.transpose(0, -3), IndexError);
  EXPECT_THROW(x.select(0, 2), IndexError);
  EXPECT_THROW(x.sum(0).sum()[0], IndexError);
  EXPECT_THROW(x.slice(0, 0, 2, 0), ValueError);
}

TEST(Subscripts, SeparatedIndicesComeFirst) {
  const Tensor x = counting({2, 3, 4, 5});
  EXPECT_EQ(x.index({Slice(), Key{0, 1}, Slice(), Key{1, 2}}).shape(), (Shape{2, 2, 4}));
  EXPECT_EQ(x.index({Slice(), Key{0, 1}, Key{1, 2}}).shape(), (Shape{2, 2, 5}));
  EXPECT_EQ(x.index({Ellipsis, None, 0}).shape(), (Shape{2, 3, 4, 1}));
  EXPECT_EQ(x.index({true}).shape(), (Shape{1, 2, 3, 4, 5}));
}

TEST(Subscripts, RangesAndMasksAreChecked) {
  const Tensor x = counting({3, 4});
  EXPECT_THROW(x.index({Key{0, 3}}), IndexError);
  EXPECT_THROW(x.index({ones({2}, {.dtype = boolean})}), IndexError);
  EXPECT_THROW(x.index({ones({2})}), IndexError);
  EXPECT_THROW(x.index({0, 0, 0}), IndexError);
  EXPECT_EQ(values<int64_t>(x.index({Key{-1}})), (Key{8, 9, 10, 11}));
}

TEST(Subscripts, WritingByTensorsCastsAndBroadcasts) {
  const Tensor x = zeros({3, 4});
  x.index_put_({Key{0, 2}}, tensor({1.0, 2.0, 3.0, 4.0}, {.dtype = float64}));
  x.index_put_({x > 3}, 9.0);
  EXPECT_EQ(values<float>(x), (std::vector<float>{1, 2, 3, 9, 0, 0, 0, 0, 1, 2, 3, 9}));
  x.index_put_({Slice(), 1}, tensor(std::vector<float>{7, 8, 9}, 3));
  EXPECT_EQ(values<float>(x.select(1, 1)), (std::vector<float>{7, 8, 9}));
}

TEST(Gradients, AWriteIntoABufferMakesItRequireOne) {
  const Tensor w = ones({3}, {.requires_grad = true}), b = zeros({2, 3});
  b.index_put_({0}, w);
  EXPECT_TRUE(b.requires_grad());
  (b * tensor({1.0, 2.0, 3.0})).sum().backward();
  EXPECT_EQ(values<float>(w.grad()), (std::vector<float>{1, 2, 3}));
}

TEST(Gradients, ALeafIsWrittenUnderNoGradOnly) {
  const Tensor w = ones({3}, {.requires_grad = true});
  EXPECT_THROW(w.add_(1), UserError);
  {
    NoGradGuard off;
    w.sub_(ones({3}), 0.5);
  }
  EXPECT_EQ(values<float>(w), (std::vector<float>{0.5, 0.5, 0.5}));
  EXPECT_TRUE(w.is_leaf());
}

TEST(Gradients, AccumulateUntilRemoved) {
  const Tensor w = ones({2}, {.requires_grad = true});
  for (int i = 0; i < 3; ++i) (w * 2).sum().backward();
  EXPECT_EQ(values<float>(w.grad()), (std::vector<float>{6, 6}));
}

TEST(Item, NeedsOneElement) {
  EXPECT_EQ(tensor(Scalar(int64_t{1} << 60)).item<int64_t>(), int64_t{1} << 60);
  EXPECT_THROW(zeros({2}).item(), ItemError);
  EXPECT_THROW(zeros({2}).is_nonzero(), UserError);
  EXPECT_TRUE(zeros({1}).eq(0).is_nonzero());
}

TEST(Extremes, NanWinsAndEmptyIsRefused) {
  const Tensor x = tensor({1.0, NAN, 3.0});
  EXPECT_TRUE(std::isnan(x.max().item()));
  EXPECT_TRUE(std::isnan(x.min().item()));
  EXPECT_EQ(x.argmax().item<int>(), 1);
  EXPECT_THROW(zeros({0}).max(), UserError);
  EXPECT_THROW(zeros({0}).argmax(), IndexError);
  EXPECT_EQ(zeros({0}).sum().item(), 0);
  EXPECT_EQ(zeros({0}).prod().item(), 1);
  EXPECT_TRUE(std::isnan(zeros({0}).mean().item()));
  EXPECT_TRUE(zeros({0}).all().is_nonzero());
  EXPECT_FALSE(zeros({0}).any().is_nonzero());
}

TEST(Joining, EmptyListsAndLegacyEmptyTensors) {
  EXPECT_THROW(cat({}), ValueError);
  EXPECT_EQ(cat({zeros({0}), ones({2, 3})}).shape(), (Shape{2, 3}));
  EXPECT_EQ(cat({ones({1}), ones({1}, {.dtype = float64})}).dtype(), float64);
  EXPECT_THROW(cat({ones({2, 3}), ones({3, 2})}), UserError);
}

TEST(Products, ABetaOfZeroLeavesTheInputOut) {
  const Tensor bad = full({2, 2}, NAN), a = ones({2, 3}), b = ones({3, 2});
  EXPECT_EQ(values<float>(bad.addmm(a, b, 0)), (std::vector<float>{3, 3, 3, 3}));
}

TEST(Recording, ANumberThatChangesBuildsNoNewPlan) {
  const Tensor w = ones({4}, {.requires_grad = true}), x = ones({4});
  int64_t built = 0;
  for (int step = 0; step < 6; ++step) {
    (w * x).square().sum().backward();
    {
      NoGradGuard off;
      w.sub_(w.grad() * (0.1 / (step + 1)));
      w.grad().zero_();
    }
    record::submit();
    if (step == 2) built = record::submit_counters().built;
  }
  EXPECT_EQ(record::submit_counters().built, built);
}

TEST(Recording, ABatchAtAnotherPlaceBuildsNoNewPlan) {
  const Tensor data = arange(48).to(float32).view({12, 4});
  int64_t built = 0;
  for (int step = 0; step < 6; ++step) {
    const Tensor batch = data.narrow(0, 2 * step, 2), row = data.select(0, step);
    const Tensor columns = batch.t().select(0, step % 4);
    // 8 elements from 8 step on, 4 from 4 step on, elements 8 step + step % 4 and 4 later.
    EXPECT_EQ((batch * 2).sum().item(), 2 * (64 * step + 28));
    EXPECT_EQ((row.expand({3, 4}) * 1).sum().item(), 3 * (16 * step + 6));
    EXPECT_EQ((columns + 1).sum().item(), 2 * (8 * step + step % 4 + 1) + 4);
    if (step == 1) built = record::submit_counters().built;
  }
  EXPECT_EQ(record::submit_counters().built, built);
}

TEST(Recording, APartIsReadAsItIsWhenItIsUsed) {
  Tensor data = zeros({8, 2});
  const Tensor part = data.narrow(0, 2, 2);
  const Tensor before = part + 1;
  data.add_(10);
  EXPECT_EQ(values<float>(before), (std::vector<float>(4, 1)));
  EXPECT_EQ(values<float>(part + 1), (std::vector<float>(4, 11)));
  Tensor(part).mul_(2);
  EXPECT_EQ(data.sum().item(), 200);
  EXPECT_EQ((part * 1).sum().item(), 80);
  Tensor w = ones({2}, {.requires_grad = true});
  data.mul_(w);  // from now on data has a history, and so has the part
  (part * 1).sum().backward();
  EXPECT_EQ(values<float>(w.grad()), (std::vector<float>(2, 40)));
}

TEST(Creation, RangesAndTypes) {
  EXPECT_EQ(arange(5).dtype(), int64);
  EXPECT_EQ(arange(0, 1, 0.3).count(), 4);
  EXPECT_EQ(full({2}, 3).dtype(), int64);
  EXPECT_EQ(full({2}, true).dtype(), boolean);
  EXPECT_EQ(values<float>(linspace(0, 1, 3)), (std::vector<float>{0, 0.5f, 1}));
  EXPECT_THROW(zeros({2}, {.dtype = int64, .requires_grad = true}), UserError);
  EXPECT_THROW(zeros({2}, {.device = Device("cuda")}), UserError);
  EXPECT_THROW(rand({2}, {.dtype = int64}), NotImplementedError);
}

TEST(Random, DrawsArePyTorchs) {
  manual_seed(0);
  const std::vector<float> r = values<float>(rand({4}));
  EXPECT_FLOAT_EQ(r[0], 0.49625659f);
  EXPECT_FLOAT_EQ(r[3], 0.13203049f);
  manual_seed(0);
  EXPECT_EQ(values<int64_t>(randperm(8)), (Key{4, 0, 7, 3, 2, 5, 1, 6}));
  manual_seed(0);
  EXPECT_FLOAT_EQ(values<float>(zeros({17}).normal_())[15], -0.84367675f);
}

}  // namespace
}  // namespace trivium::nn
