// The channel-blocked kernels on layers that are cut in several pieces: against the references,
// with the same bits for any number of threads.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/engine/backends/cpu/kernel_case.h"
#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/ops/build.h"

namespace trivium {
namespace {

using run::Format;
using testing::Case;
using Ints = std::vector<int64_t>;

struct Layer {
  const char* op;
  Sample sample;
};

Attrs conv(int64_t stride, int64_t pad, int64_t groups = 1, int64_t dilation = 1) {
  return {{"strides", Ints{stride, stride}},
          {"pads_begin", Ints{pad, pad}},
          {"pads_end", Ints{pad, pad}},
          {"dilations", Ints{dilation, dilation}},
          {"groups", groups}};
}
Attrs window(int64_t kernel, int64_t stride, int64_t pad, bool ceil = false) {
  return {{"kernel", Ints{kernel, kernel}},
          {"strides", Ints{stride, stride}},
          {"pads_begin", Ints{pad, pad}},
          {"pads_end", Ints{pad, pad}},
          {"ceil", ceil}};
}
Attrs with(Attrs attrs, const std::string& name, AttrValue value) {
  attrs.set(name, std::move(value));
  return attrs;
}
Attrs data(Attrs attrs, int64_t h, int64_t w) {
  return with(std::move(attrs), "spatial", Ints{h, w});
}
Attrs weights(Attrs attrs, int64_t k) { return with(std::move(attrs), "kernel", Ints{k, k}); }

std::vector<Layer> layers() {
  const Attrs relu = with(conv(1, 1), "activation", std::string("relu"));
  return {
      // Pictures, whole blocks, a tail of channels on either side, one by one, strides.
      {"conv", {{{2, 3, 23, 21}, {40, 3, 7, 7}, {40}}, conv(2, 3)}},
      {"conv", {{{1, 1, 12, 12}, {16, 1, 5, 5}}, conv(1, 0)}},
      {"conv", {{{3, 32, 9, 11}, {64, 32, 3, 3}, {64}}, relu}},
      {"conv", {{{1, 24, 8, 8}, {40, 24, 3, 3}, {40}}, relu}},
      {"conv", {{{2, 32, 34, 30}, {48, 32, 3, 3}}, conv(1, 0)}},
      {"conv", {{{1, 64, 57, 50}, {32, 64, 3, 3}, {32}}, relu}},
      {"conv_bwd_data", {{{2, 48, 32, 28}, {48, 32, 3, 3}}, data(conv(1, 0), 34, 30)}},
      {"conv_bwd_data", {{{1, 32, 57, 50}, {32, 64, 3, 3}}, data(conv(1, 1), 57, 50)}},
      {"conv", {{{1, 48, 7, 7}, {80, 48, 1, 1}}, conv(1, 0)}},
      {"conv", {{{2, 32, 14, 14}, {16, 32, 1, 1}}, conv(2, 0)}},
      {"conv", {{{8, 256, 14, 14}, {128, 256, 1, 1}}, conv(1, 0)}},
      {"conv", {{{2, 32, 13, 13}, {32, 32, 3, 3}}, conv(1, 2, 1, 2)}},
      {"conv", {{{2, 64, 9, 9}, {64, 16, 3, 3}, {64}}, conv(1, 1, 4)}},
      {"conv", {{{2, 40, 9, 9}, {40, 1, 3, 3}, {40}}, conv(1, 1, 40)}},
      {"conv", {{{1, 96, 9, 9}, {96, 1, 3, 3}}, conv(2, 1, 96)}},
      {"conv_bwd_data", {{{3, 64, 9, 11}, {64, 32, 3, 3}}, data(conv(1, 1), 9, 11)}},
      {"conv_bwd_data", {{{1, 40, 8, 8}, {40, 24, 3, 3}}, data(conv(1, 1), 8, 8)}},
      {"conv_bwd_data", {{{2, 80, 7, 7}, {80, 48, 1, 1}}, data(conv(1, 0), 7, 7)}},
      {"conv_bwd_data", {{{2, 16, 7, 7}, {16, 32, 1, 1}}, data(conv(2, 0), 14, 14)}},
      {"conv_bwd_data", {{{2, 64, 9, 9}, {64, 16, 3, 3}}, data(conv(1, 1, 4), 9, 9)}},
      {"conv_bwd_data", {{{2, 40, 5, 5}, {40, 1, 3, 3}}, data(conv(2, 1, 40), 9, 9)}},
      {"conv_bwd_weights", {{{3, 3, 23, 21}, {3, 40, 12, 11}}, weights(conv(2, 3), 7)}},
      {"conv_bwd_weights", {{{5, 32, 9, 11}, {5, 64, 9, 11}}, weights(conv(1, 1), 3)}},
      {"conv_bwd_weights", {{{1, 24, 8, 8}, {1, 40, 8, 8}}, weights(conv(1, 1), 3)}},
      {"conv_bwd_weights", {{{7, 48, 7, 7}, {7, 80, 7, 7}}, weights(conv(1, 0), 1)}},
      {"conv_bwd_weights", {{{3, 64, 9, 9}, {3, 64, 9, 9}}, weights(conv(1, 1, 4), 3)}},
      {"conv_bwd_weights", {{{3, 40, 9, 9}, {3, 40, 5, 5}}, weights(conv(2, 1, 40), 3)}},
      {"batch_norm", {{{3, 40, 12, 12}, {40}, {40}}, {}}},
      {"batch_norm", {{{8, 16, 60, 60}}, {}}},
      {"batch_norm_grad",
       {{{3, 40, 12, 12}, {3, 40, 12, 12}, {40}, SampleInput({40}, SampleInput::positive), {40}},
        {}}},
      {"batch_norm_grad",
       {{{8, 16, 60, 60}, {8, 16, 60, 60}, {16}, SampleInput({16}, SampleInput::positive)}, {}}},
      {"sum", {{{3, 40, 9, 9}}, {{"axes", Ints{0, 2, 3}}}}},
      {"mean", {{{3, 40, 7, 7}}, {{"axes", Ints{2, 3}}, {"keep_dims", true}}}},
      {"sum_to", {{{3, 40, 9, 9}}, {{"shape", Ints{40, 1, 1}}}}},
      {"max_pool", {{{3, 40, 15, 13}}, window(3, 2, 1)}},
      {"avg_pool", {{{3, 40, 15, 13}}, window(3, 2, 0, true)}},
      {"avg_pool_grad", {{{3, 40, 7, 6}}, data(window(3, 2, 0, true), 15, 13)}},
      {"add", {{{3, 40, 9, 9}, {40, 1, 1}}, {}}},
      {"mul", {{{3, 40, 9, 9}, {3, 40, 1, 1}}, {}}},
      {"sub", {{{3, 32, 9, 9}, {3, 1, 9, 9}}, {}}},
  };
}

/// Calls body(entry, placement, where) for the channel-blocked kernels of a layer; how many took
/// it.
template <typename Body>
int for_each_kernel(const Case& c, const Body& body) {
  int taken = 0;
  for (const run::KernelEntry* entry : run::backend("cpu").kernels().of(c.op->name())) {
    std::string reason;
    const auto placement = entry->place(c.request(), {Format::channels, 16}, reason);
    if (!placement) continue;
    ++taken;
    body(*entry, *placement, fmt::format("{} for {}", entry->name, c.text));
  }
  return taken;
}

double relative_l2(const Array& got, const RefTensor& want) {
  double error = 0, norm = 0;
  for (int64_t i = 0; i < got.count(); ++i) {
    const double w = want.data[static_cast<size_t>(i)];
    error += (got.at(i) - w) * (got.at(i) - w);
    norm += w * w;
  }
  return std::sqrt(error / norm);
}

class ChannelBlocks : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ops::register_all();
    cpu::register_backend();
  }
  void SetUp() override {
    if (run::backend("cpu").machine().name.find("16 float") == std::string::npos)
      GTEST_SKIP() << "blocks of 16 channels are for vectors of 16 floats";
  }
  void TearDown() override { set_threads(2); }
};

TEST_F(ChannelBlocks, AgreeWithTheReferenceOnAnyNumberOfThreads) {
  for (const Layer& layer : layers()) {
    Case c(OpRegistry::instance().get(layer.op), layer.sample, false);
    c.compute_reference();
    const int taken =
        for_each_kernel(c, [&](const auto& entry, const auto& placement, const std::string& where) {
          constexpr double steps = 256;  // sums of up to 30000 terms of size one
          std::vector<Array> first;
          for (const int n : {1, 2, 3}) {
            set_threads(n);
            const auto got = testing::run_entry(entry, c, placement);
            EXPECT_TRUE(got.guards_intact) << where;
            EXPECT_TRUE(got.idle_zero) << where;
            for (size_t i = 0; i < c.out.size(); ++i) {
              if (entry.name.ends_with(":winograd"))  // rounds in the transformed domain: at most
                // 7.6e-7 seen, and 1.7e-6 with the points ±1 and ±2
                EXPECT_LT(relative_l2(got.out[i], c.expected[i]), 1.2e-6) << where;
              else
                EXPECT_EQ(testing::difference(got.out[i], c.expected[i], steps), "") << where;
            }
            if (first.empty()) first = got.out;
            for (size_t i = 0; i < c.out.size(); ++i)
              EXPECT_EQ(std::memcmp(first[i].raw(), got.out[i].raw(), first[i].bytes()), 0)
                  << where << ": other bits with " << n << " threads";
          }
        });
    EXPECT_GT(taken, 0) << c.text << ": no channel-blocked kernel";
  }
}

TEST_F(ChannelBlocks, RefuseWhatWouldFillChannelsPastTheEnd) {
  const auto taken = [](const char* op, const Sample& sample) {
    return for_each_kernel(Case(OpRegistry::instance().get(op), sample, false),
                           [](const auto&...) {});
  };
  EXPECT_EQ(taken("exp", {{{1, 24, 5, 5}}, {}}), 0);
  EXPECT_EQ(taken("exp", {{{1, 32, 5, 5}}, {}}), 1);
  EXPECT_EQ(taken("relu", {{{1, 24, 5, 5}}, {}}), 1);
  EXPECT_EQ(taken("add", {{{1, 24, 5, 5}, {}}, {}}), 0);
  EXPECT_EQ(taken("add", {{{1, 32, 5, 5}, {}}, {}}), 1);
}

TEST_F(ChannelBlocks, ConvolutionsKeepNaN) {
  Case c(OpRegistry::instance().get("conv"),
         {{{1, 16, 4, 4}, {16, 16, 1, 1}}, with(conv(1, 0), "activation", std::string("relu"))},
         false);
  c.in[0].set(0, std::nan(""));
  for_each_kernel(c, [&](const auto& entry, const auto& placement, const std::string& where) {
    const auto got = testing::run_entry(entry, c, placement);
    EXPECT_TRUE(std::isnan(got.out[0].at(0))) << where;
  });
}

}  // namespace
}  // namespace trivium
