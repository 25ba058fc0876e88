// NaN, infinities and ties through kernels: what the reference says holds for every kernel, plain,
// batch-blocked or channel-blocked; and what is the maximum of a window with NaN in it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/engine/backends/cpu/kernel_case.h"
#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/ops/build.h"

namespace trivium {
namespace {

using Ints = std::vector<int64_t>;
using run::Format;
using testing::Case;
using testing::Splitmix;

/// Small integers, so that many are equal, with NaN and infinities among them.
Array troubled(Shape shape, DType dtype, uint64_t seed) {
  const double inf = std::numeric_limits<double>::infinity();
  Splitmix random(seed);
  Array a(shape, dtype);
  for (int64_t i = 0; i < a.count(); ++i) {
    const int64_t kind = random.below(12);
    const double number = static_cast<double>(random.below(5)) - 2;
    a.set(i, kind == 0 ? std::nan("") : kind == 1 ? inf : kind == 2 ? -inf : number);
  }
  return a;
}

struct Row {
  const char* op;
  std::vector<Shape> in;
  Attrs attrs;
};

std::vector<Row> rows() {
  const Attrs pool{{"kernel", Ints{3, 3}},
                   {"strides", Ints{2, 2}},
                   {"pads_begin", Ints{1, 1}},
                   {"pads_end", Ints{1, 1}}};
  Attrs small = pool, nan_pool = pool, nan_small, holes = pool;
  small.set("kernel", Ints{2, 2});
  nan_pool.set("nan_wins", true);
  nan_small = small;
  nan_small.set("nan_wins", true);
  holes.set("nan_wins", true);
  holes.set("dilations", Ints{2, 1});
  Attrs oblong = pool, nan_oblong;
  oblong.set("kernel", Ints{2, 5});
  nan_oblong = oblong;
  nan_oblong.set("nan_wins", true);
  const Attrs axis{{"axis", int64_t{1}}};
  std::vector<Row> out = {{"max_pool", {{19, 2, 9, 8}}, pool},
                          {"max_pool", {{19, 2, 9, 8}}, nan_pool},
                          {"max_pool", {{19, 2, 9, 8}}, small},
                          {"max_pool", {{19, 2, 9, 8}}, nan_small},
                          {"max_pool", {{19, 2, 9, 8}}, holes},
                          {"max_pool", {{19, 18, 9, 8}}, oblong},
                          {"max_pool", {{19, 18, 9, 8}}, nan_oblong},
                          {"sort", {{7, 33}}, {}},
                          {"sort", {{7, 33}}, {{"descending", true}}},
                          {"cummax", {{7, 33}}, axis},
                          {"cummin", {{7, 33, 3}}, axis},
                          {"reduce_max", {{7, 33}}, {{"axes", Ints{1}}}},
                          {"reduce_max", {{7, 33}}, {{"axes", Ints{0}}}},
                          {"reduce_min", {{70, 33}}, {}},
                          {"maximum", {{7, 33}, {7, 33}}, {}},
                          {"minimum", {{7, 33}, {33}}, {}},
                          {"clip", {{7, 33}, {33}, {33}}, {}},
                          {"sign", {{7, 33}}, {}},
                          {"is_inf", {{7, 33}}, {}},
                          {"is_nan", {{7, 33}}, {}},
                          {"floor_div", {{7, 33}, {7, 33}}, {}},
                          {"fmod", {{7, 33}, {7, 33}}, {}},
                          {"mod", {{7, 33}, {7, 33}}, {}},
                          {"pow", {{7, 33}, {7, 33}}, {}},
                          {"trunc", {{7, 33}}, {}},
                          {"round", {{7, 33}}, {}}};
  for (const char* op : {"argmax", "argmin"})
    for (bool wins : {false, true})
      for (const char* tie : {"first", "last"})
        out.push_back(
            {op, {{7, 33}}, {{"axis", int64_t{1}}, {"nan_wins", wins}, {"tie", std::string(tie)}}});
  out.push_back({"top_k", {{7, 33}}, {{"k", int64_t{9}}, {"nan_wins", true}}});
  return out;
}

constexpr Format kFamilies[] = {
    {}, {Format::nblock, 16}, {Format::nblock, 4}, {Format::channels, 16}};

TEST(NaNInKernels, GoesWhereTheReferenceSays) {
  ops::register_all();
  cpu::register_backend();
  for (const Row& row : rows())
    for (DType dtype : {DType::f32, DType::f64}) {
      const OpDef& op = OpRegistry::instance().get(row.op);
      Sample sample{{}, row.attrs};
      for (const Shape& s : row.in) {
        sample.inputs.push_back(SampleInput({}, SampleInput::any, dtype));
        sample.inputs.back().shape = s;
      }
      Case c(op, sample, false);
      for (size_t i = 0; i < c.in.size(); ++i) c.in[i] = troubled(row.in[i], dtype, 5 + i);
      c.compute_reference();
      int accepted = 0;
      for (const run::KernelEntry* entry : run::backend("cpu").kernels().of(row.op))
        for (const Format family : kFamilies) {
          std::string reason;
          const auto placement = entry->place(c.request(), family, reason);
          if (!placement) continue;
          ++accepted;
          const auto got = testing::run_entry(*entry, c, *placement);
          for (size_t i = 0; i < c.out.size(); ++i)
            EXPECT_EQ(testing::difference(got.out[i], c.expected[i], 2), "")
                << entry->name << " " << family.text() << " for " << c.text << ", output " << i;
        }
      EXPECT_GT(accepted, 0) << c.text;
    }
}

/// A plane of 2x2 windows with NaN in them, in every one of 19 x 18 planes; positions as max_pool
/// counts them, inside the window.
void expect_maxima(bool nan_wins, const std::vector<float>& maxima,
                   const std::vector<int>& places) {
  constexpr float n = std::numeric_limits<float>::quiet_NaN(),
                  inf = std::numeric_limits<float>::infinity();
  const std::vector<float> plane = {n, 1, n,    n,  //
                                    2, n, n,    n,  //
                                    5, 5, -inf, n,  //
                                    n, 4, n,    -inf};
  const OpDef& op = OpRegistry::instance().get("max_pool");
  Sample sample{{SampleInput({}, SampleInput::any, DType::f32)},
                {{"kernel", Ints{2, 2}},
                 {"strides", Ints{2, 2}},
                 {"pads_begin", Ints{0, 0}},
                 {"pads_end", Ints{0, 0}},
                 {"nan_wins", nan_wins}}};
  sample.inputs[0].shape = {19, 18, 4, 4};
  Case c(op, sample, false);
  for (int64_t i = 0; i < c.in[0].count(); ++i) c.in[0].set(i, plane[static_cast<size_t>(i % 16)]);
  std::vector<std::string> paths;
  for (const run::KernelEntry* entry : run::backend("cpu").kernels().of("max_pool"))
    for (const Format family : kFamilies) {
      std::string reason;
      const auto placement = entry->place(c.request(), family, reason);
      if (!placement) continue;
      paths.push_back(entry->name + " " + family.text());
      const auto got = testing::run_entry(*entry, c, *placement);
      for (int64_t i = 0; i < got.out[0].count(); ++i) {
        const double y = got.out[0].at(i), want = maxima[static_cast<size_t>(i % 4)];
        ASSERT_TRUE(y == want || (std::isnan(y) && std::isnan(want)))
            << paths.back() << ": " << y << " at " << i << ", " << want << " expected";
        ASSERT_EQ(got.out[1].at(i), places[static_cast<size_t>(i % 4)])
            << paths.back() << " at " << i;
      }
    }
  std::sort(paths.begin(), paths.end());
  EXPECT_EQ(paths, (std::vector<std::string>{"max_pool:c16 c16", "max_pool:nblock n16",
                                             "max_pool:nblock n4", "max_pool:plain plain"}));
}

// Caffe compares with >, which no NaN passes: numbers win. A window of NaN alone is NaN.
TEST(MaxPoolOfNaN, NumbersWinWithoutNaNWins) {
  ops::register_all();
  cpu::register_backend();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(),
                  inf = std::numeric_limits<float>::infinity();
  expect_maxima(false, {2, nan, 5, -inf}, {2, 0, 0, 0});
}

// The last NaN of the window, as PyTorch's max_pool2d(return_indices=True) says of this plane.
TEST(MaxPoolOfNaN, TheLastNaNWinsWithNaNWins) {
  ops::register_all();
  cpu::register_backend();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  expect_maxima(true, {nan, nan, nan, nan}, {3, 3, 2, 2});
}

}  // namespace
}  // namespace trivium
