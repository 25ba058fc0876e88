// Errors that only data can cause: the message names value, position and what is allowed. And
// reorders, which have no op record.
#include <gtest/gtest.h>

#include "tests/engine/backends/cpu/kernel_case.h"
#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/ops/build.h"

namespace trivium {
namespace {

using run::Format;

const run::KernelTable& kernels() {
  ops::register_all();
  cpu::register_backend();
  return run::backend("cpu").kernels();
}

std::string error_of(const char* op, const Sample& sample, Array bad, size_t operand) {
  kernels();
  testing::Case c(OpRegistry::instance().get(op), sample, false);
  c.in[operand] = std::move(bad);
  std::string reason;
  const run::KernelEntry& entry = *kernels().of(op).front();
  try {
    testing::run_entry(entry, c, entry.place(c.request(), {}, reason).value());
  } catch (const UserError& e) {
    return e.what();
  }
  return "no error";
}

TEST(DataErrors, ALabelOutsideTheClassesIsNamedWithItsPosition) {
  const Sample sample{{{3, 4}, SampleInput({3}, SampleInput::integers, DType::i32, 4)}, {}};
  const std::string text =
      error_of("softmax_cross_entropy", sample, Array::from<int32_t>({0, 7, 1}, {3}), 1);
  EXPECT_EQ(text,
            "softmax_cross_entropy: label 7 at position 1 of 3, a class from 0 to 3 expected");
}

TEST(DataErrors, AnIgnoredLabelIsNamedAsAllowed) {
  const Sample sample{{{2, 4}, SampleInput({2}, SampleInput::integers, DType::i32, 4)},
                      {{"has_ignore", true}, {"ignore_label", int64_t{255}}}};
  const std::string text =
      error_of("softmax_cross_entropy", sample, Array::from<int32_t>({255, -1}, {2}), 1);
  EXPECT_NE(text.find("label -1 at position 1"), std::string::npos) << text;
  EXPECT_NE(text.find("255, which is ignored"), std::string::npos) << text;
}

TEST(DataErrors, AnIndexOutsideTheAxisIsNamedWithItsPosition) {
  const Sample sample{{{3, 2}, SampleInput({2}, SampleInput::integers, DType::i64, 3)}, {}};
  EXPECT_EQ(error_of("gather", sample, Array::from<int64_t>({2, 3}, {2}), 1),
            "gather: index 3 at position 1 of 2, 0 to 2 expected");
}

TEST(DataErrors, ALabelThatIsNaNIsAnError) {
  const Sample sample{{{1, 4}, SampleInput({1}, SampleInput::integers, DType::f32, 4)}, {}};
  EXPECT_NE(error_of("in_top_k", sample, Array::from<float>({NAN}, {1}), 1).find("label nan"),
            std::string::npos);
}

TEST(FusedRelu, KeepsNaN) {
  kernels();
  const Attrs conv{{"strides", std::vector<int64_t>{1, 1}},
                   {"pads_begin", std::vector<int64_t>{0, 0}},
                   {"pads_end", std::vector<int64_t>{0, 0}},
                   {"dilations", std::vector<int64_t>{1, 1}},
                   {"activation", std::string("relu")}};
  const Sample samples[] = {
      {{{5, 2, 6, 6}, {4, 2, 3, 3}, {4}}, conv},
      {{{5, 40}, {40, 30}, {30}}, {{"activation", std::string("relu")}}},
      {{{3, 40}, {30, 40}, {30}}, {{"activation", std::string("relu")}, {"transpose_b", true}}}};
  for (const Sample& sample : samples) {
    testing::Case c(
        OpRegistry::instance().get(sample.inputs[0].shape.rank() == 4 ? "conv" : "matmul"), sample,
        false);
    for (int64_t i = 0; i < c.in[0].count() / c.in[0].shape()[0]; ++i) c.in[0].set(i, NAN);
    for (const run::KernelEntry* entry : kernels().of(c.op->name()))
      for (const Format family : {Format{}, Format{Format::nblock, 16}}) {
        std::string reason;
        const auto placement = entry->place(c.request(), family, reason);
        if (!placement) continue;
        const Array y = testing::run_entry(*entry, c, *placement).out[0];
        EXPECT_TRUE(std::isnan(y.at(0))) << entry->name << " " << family.text() << " " << c.text;
        for (int64_t i = y.count() / y.shape()[0]; i < y.count(); ++i)
          EXPECT_GE(y.at(i), 0) << entry->name << " " << family.text() << " " << c.text;
      }
  }
}

/// Plain → format → plain gives the same bytes, and the format's elements lie where `place_of`
/// says.
void check_reorder(Shape shape, DType dtype, Format format) {
  const run::KernelEntry& entry = *kernels().of("reorder").front();
  const Attrs none;
  Array x(shape, dtype);
  for (int64_t i = 0; i < x.count(); ++i) x.set(i, static_cast<double>(i % 251));
  const run::TensorDesc plain{shape, dtype, {}}, blocked{shape, dtype, format};
  const auto run = [&](const run::TensorDesc& from, const run::TensorDesc& to, const char* in) {
    run::KernelRequest r{"reorder", &none, {from}, {to}, threads()};
    const run::Kernel kernel = entry.build(r);
    testing::Block out(to.bytes()), scratch(kernel.scratch_bytes);
    const void* in_at = in;
    void* out_at = out.data();
    kernel.fn({&in_at, &out_at, scratch.data(), kernel.state.get()});
    EXPECT_TRUE(out.guard_intact()) << kernel.name << " of " << shape.text();
    return out;
  };
  const testing::Block there = run(plain, blocked, static_cast<const char*>(x.raw()));
  const Array moved = testing::gather(blocked, there);
  EXPECT_EQ(std::memcmp(moved.raw(), x.raw(), x.bytes()), 0) << format.text() << " " << x.text();
  const testing::Block back = run(blocked, plain, there.data());
  EXPECT_EQ(std::memcmp(back.data(), x.raw(), x.bytes()), 0)
      << format.text() << " " << x.text() << " back";
}

TEST(Reorder, GoesThereAndBackForEveryElementSize) {
  for (const DType dtype : {DType::f32, DType::u8, DType::i32, DType::f64, DType::i16})
    for (const Format format :
         {Format{Format::nblock, 16}, Format{Format::nblock, 8}, Format{Format::nblock, 4},
          Format{Format::channels, 16}, Format{Format::channels, 8}})
      for (const Shape& shape :
           {Shape{37, 5, 6, 7}, Shape{16, 32, 3, 3}, Shape{3, 17, 9}, Shape{70, 40, 11, 2}})
        check_reorder(shape, dtype, format);
}

TEST(Reorder, ChannelsPastTheLastAreZero) {
  const run::KernelEntry& entry = *kernels().of("reorder").front();
  const Attrs none;
  const Array x = Array::full({2, 3, 4}, 5.0);
  run::KernelRequest r{"reorder",
                       &none,
                       {{x.shape(), x.dtype(), {}}},
                       {{x.shape(), x.dtype(), {Format::channels, 8}}},
                       1};
  const run::Kernel kernel = entry.build(r);
  testing::Block out(r.out[0].bytes());
  const void* in_at = x.raw();
  void* out_at = out.data();
  kernel.fn({&in_at, &out_at, nullptr, kernel.state.get()});
  const float* y = reinterpret_cast<const float*>(out.data());
  for (int64_t i = 0; i < 2 * 4 * 8; ++i) EXPECT_EQ(y[i], i % 8 < 3 ? 5.0f : 0.0f) << i;
}

}  // namespace
}  // namespace trivium
