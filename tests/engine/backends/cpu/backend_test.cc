// The backend as the compiler sees it: registered once, with formats that fit the batch and
// predictions that rank them.
#include "trivium/engine/backends/cpu/backend.h"

#include <gtest/gtest.h>

#include "trivium/engine/backends/cpu/nblock_conv.h"
#include "trivium/engine/run/backend.h"

namespace trivium {
namespace {

using run::Format;

run::Backend& cpu_backend() {
  cpu::register_backend();
  return run::backend("cpu");
}

TEST(CpuBackend, RegistersAsOftenAsOneLikes) {
  run::Backend* first = &cpu_backend();
  cpu::register_backend();
  EXPECT_EQ(&run::backend("cpu"), first);
  EXPECT_EQ(first->name(), "cpu");
}

TEST(CpuBackend, BlocksBatchesOfFourAndMoreAndChannelsOfFewImages) {
  const bool vectors = cpu::nblock::vector_lanes(16) >= 8;
  for (const int64_t batch : {1, 2, 3, 4, 8, 15, 16, 32, 100}) {
    const auto formats = cpu_backend().formats(batch);
    std::vector<Format> expected;
    if (batch >= 4)
      expected.push_back({Format::nblock, static_cast<uint8_t>(cpu::nblock::best_lanes(batch))});
    if (batch < 16 && vectors)
      expected.push_back({Format::channels, static_cast<uint8_t>(cpu::nblock::vector_lanes(16))});
    EXPECT_EQ(formats, expected) << batch;
  }
}

/// Cheapest predicted time of a convolution of `batch` images in a family.
double predicted(int64_t batch, Format family) {
  using Ints = std::vector<int64_t>;
  const Attrs attrs{{"strides", Ints{1, 1}},
                    {"pads_begin", Ints{1, 1}},
                    {"pads_end", Ints{1, 1}},
                    {"dilations", Ints{1, 1}},
                    {"groups", int64_t{1}}};
  const run::KernelRequest r{
      "conv",
      &attrs,
      {{{batch, 32, 28, 28}, DType::f32, {}}, {{32, 32, 3, 3}, DType::f32, {}}},
      {{{batch, 32, 28, 28}, DType::f32, {}}},
      1};
  double best = 1e30;
  for (const run::KernelEntry* entry : cpu_backend().kernels().of("conv")) {
    std::string reason;
    if (const auto p = entry->place(r, family, reason)) best = std::min(best, p->microseconds);
  }
  return best;
}

TEST(CpuBackend, PredictsThatLargeBatchesRunFasterBlockedAndSingleImagesPlain) {
  const Format blocked{Format::nblock, 16};
  EXPECT_LT(predicted(64, blocked), predicted(64, {}));
  EXPECT_LT(predicted(1, {}), predicted(1, blocked));
}

TEST(CpuBackend, PredictionsAreTheSameAtEveryCall) {
  EXPECT_EQ(predicted(64, {}), predicted(64, {}));
  EXPECT_EQ(cpu_backend().machine().gflops_per_thread, cpu_backend().machine().gflops_per_thread);
}

TEST(CpuBackend, KernelsThatDeclineSayWhy) {
  const Attrs attrs{{"axis", int64_t{0}}};
  const run::KernelRequest r{
      "softmax", &attrs, {{{8, 4}, DType::f16, {}}}, {{{8, 4}, DType::f16, {}}}, 1};
  std::string reason;
  EXPECT_FALSE(cpu_backend().kernels().of("softmax").front()->place(r, {}, reason));
  EXPECT_NE(reason.find("float16"), std::string::npos) << reason;
}

}  // namespace
}  // namespace trivium
