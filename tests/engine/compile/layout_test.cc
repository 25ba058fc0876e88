// Which memory formats plans choose: channel blocks for few images, batch blocks for many, and no
// reorders between layers that agree.
#include <gtest/gtest.h>

#include <algorithm>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/backends/cpu/nblock_conv.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/ops/build.h"

namespace trivium::compile {
namespace {

using run::Format;

class Layouts : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ops::register_all();
    cpu::register_backend();
  }
  void SetUp() override {
    if (cpu::nblock::vector_lanes(16) < 8) GTEST_SKIP() << "vectors of eight floats and more only";
  }

  Value parameter(const Shape& shape) {
    Array a(shape, DType::f32);
    for (int64_t i = 0; i < a.count(); ++i) a.set(i, 0.01 * static_cast<double>(i % 7 - 3));
    cells_.push_back(std::make_shared<Cell>("w" + std::to_string(cells_.size()), a));
    return graph_.read(cells_.back());
  }

  Value layer(Value x, int64_t out, int64_t kernel, int64_t stride) {
    const int64_t pad = kernel / 2;
    const ops::ConvAttrs a{{stride, stride}, {pad, pad}, {pad, pad}, {1, 1}, 1};
    const Value w = parameter({out, x.shape()[1], kernel, kernel});
    return ops::batch_norm(ops::conv(x, w, a), 1e-5, parameter({out}), parameter({out})).y;
  }

  /// Picture, two layers, a block with a shortcut, pooling, a fully connected layer.
  Value net(int64_t batch) {
    const Value x = graph_.input("data", {batch, 3, 32, 32});
    const Value a = ops::relu(layer(x, 32, 3, 1));
    const Value b = ops::relu(layer(a, 64, 3, 2));
    const Value c = ops::relu(layer(b, 64, 3, 1) + b);
    const Value pooled = ops::mean(c, {2, 3}, true);
    const Value flat = ops::reshape(pooled, {batch, 64});
    return ops::matmul(flat, parameter({10, 64}), false, true);
  }

  static int count(const run::Plan& plan, const std::string& kernel) {
    return static_cast<int>(std::count_if(
        plan.traces.begin(), plan.traces.end(),
        [&](const run::Trace& t) { return t.kernel.find(kernel) != std::string::npos; }));
  }
  static int buffers_in(const run::Plan& plan, Format::Kind kind) {
    return static_cast<int>(
        std::count_if(plan.buffers.begin(), plan.buffers.end(),
                      [&](const run::BufferInfo& b) { return b.desc.format.kind == kind; }));
  }

  Graph graph_;
  std::vector<CellRef> cells_;
};

TEST_F(Layouts, OneImageStaysInChannelBlocksFromThePictureToTheScores) {
  const Value scores = net(1);
  const Prepared p = prepare(graph_, {}, {scores}, true, {});
  EXPECT_EQ(count(*p.plan, "conv:c"), 3) << plan_text(*p.plan);
  EXPECT_EQ(count(*p.plan, "batch_norm:c"), 3);
  EXPECT_EQ(buffers_in(*p.plan, Format::nblock), 0);
  EXPECT_EQ(count(*p.plan, "reorder"), 0) << plan_text(*p.plan);
}

TEST_F(Layouts, ManyImagesStayInBatchBlocks) {
  const Value scores = net(16);
  const Prepared p = prepare(graph_, {}, {scores}, true, {});
  EXPECT_EQ(buffers_in(*p.plan, Format::channels), 0);
  EXPECT_GT(buffers_in(*p.plan, Format::nblock), 5);
}

TEST_F(Layouts, TrainingOnTwoImagesReordersNothingButWhatLeaves) {
  const Value loss = ops::mean(ops::square(net(2)));
  std::vector<Value> weights;
  for (const CellRef& c : cells_) weights.push_back(graph_.read(c));
  const std::vector<Value> grads = gradients({loss}, weights);
  const Prepared p = prepare(graph_, {}, grads, true, {});
  EXPECT_GE(count(*p.plan, "conv_bwd_weights:c"), 3) << plan_text(*p.plan);
  EXPECT_GE(count(*p.plan, "conv_bwd_data:c"), 2);
  EXPECT_GE(count(*p.plan, "batch_norm_grad:c"), 3);
  EXPECT_LE(count(*p.plan, "reorder"), 2) << plan_text(*p.plan);
}

TEST_F(Layouts, WithoutThePassEverythingIsPlain) {
  const Value scores = net(1);
  Options options;
  options.disable = "layout";
  const Prepared p = prepare(graph_, {}, {scores}, true, options);
  EXPECT_EQ(buffers_in(*p.plan, Format::channels), 0);
}

}  // namespace
}  // namespace trivium::compile
