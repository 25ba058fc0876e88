// The batch-blocked convolution against plain double loops, over shapes no benchmark would pick.
#include "trivium/engine/backends/cpu/nblock_conv.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <string>

#include "nblock_reference.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::cpu::nblock {
namespace {

using testing::Floats;

std::string describe(const ConvShape& s) {
  return "batch " + std::to_string(s.batch) + " groups " + std::to_string(s.groups) + " channels " +
         std::to_string(s.in_channels) + "->" + std::to_string(s.out_channels) + " image " +
         std::to_string(s.in_h) + "x" + std::to_string(s.in_w) + " kernel " +
         std::to_string(s.kernel_h) + "x" + std::to_string(s.kernel_w) + " stride " +
         std::to_string(s.stride_h) + "," + std::to_string(s.stride_w) + " pad " +
         std::to_string(s.pad_top) + "," + std::to_string(s.pad_left) + " dilation " +
         std::to_string(s.dilation_h) + "," + std::to_string(s.dilation_w) + " lanes " +
         std::to_string(s.lanes);
}

struct Results {
  Floats y, dx, dw, db;
};

Results run(const ConvShape& s, const Floats& x, const Floats& w, const Floats& bias,
            const Floats& dy, Algorithm algorithm = Algorithm::direct) {
  Results r{Floats(dy.size(), 7.f), Floats(x.size(), 7.f), Floats(w.size(), 7.f),
            Floats(s.out_channels, 7.f)};
  const auto scratch = [&](Pass pass) {
    return Floats(conv_scratch_bytes(s, pass, algorithm) / 4 + 16);
  };
  Floats a = scratch(Pass::forward), b = scratch(Pass::backward_data),
         c = scratch(Pass::backward_weights);
  conv_forward(s, x.data(), w.data(), bias.empty() ? nullptr : bias.data(), Activation::none, 0.f,
               r.y.data(), a.data(), algorithm);
  conv_backward_data(s, dy.data(), w.data(), r.dx.data(), b.data(), algorithm);
  conv_backward_weights(s, x.data(), dy.data(), r.dw.data(), r.db.data(), c.data(), algorithm);
  return r;
}

void expect_matches_reference(const ConvShape& s, std::mt19937& rng) {
  const int64_t in = s.in_channels * s.in_h * s.in_w, out = s.out_channels * s.out_h * s.out_w;
  const int64_t taps = s.kernel_h * s.kernel_w;
  const Floats x = testing::random_floats(s.batch * in, rng);
  const Floats dy = testing::random_floats(s.batch * out, rng);
  const Floats w = testing::random_floats(s.out_channels * s.in_channels / s.groups * taps, rng);
  const Floats bias = rng() % 2 ? testing::random_floats(s.out_channels, rng) : Floats();
  const Results got = run(s, testing::blocked(x, s.batch, s.lanes), w, bias,
                          testing::blocked(dy, s.batch, s.lanes));
  const testing::ConvReference want = testing::reference(s, x, w, bias, dy);
  const int64_t positions = s.batch * s.out_h * s.out_w;
  SCOPED_TRACE(describe(s));
  EXPECT_LE(testing::worst_error(testing::unblocked(got.y, s.batch, out, s.lanes), want.y),
            testing::rounding_bound(s.in_channels / s.groups * taps + 1));
  EXPECT_LE(testing::worst_error(testing::unblocked(got.dx, s.batch, in, s.lanes), want.dx),
            testing::rounding_bound(s.out_channels / s.groups * taps));
  EXPECT_LE(testing::worst_error(got.dw, want.dw), testing::rounding_bound(positions));
  EXPECT_LE(testing::worst_error(got.db, want.db), testing::rounding_bound(positions));
}

ConvShape make(int64_t batch, int64_t groups, int64_t in, int64_t out, int64_t h, int64_t w,
               int64_t kh, int64_t kw, int64_t stride, int64_t pad, int64_t dilation, int lanes) {
  ConvShape s{batch, groups, in,     out, h,   w,        0,        0,    kh,
              kw,    stride, stride, pad, pad, dilation, dilation, lanes};
  s.out_h = (h + 2 * pad - dilation * (kh - 1) - 1) / stride + 1;
  s.out_w = (w + 2 * pad - dilation * (kw - 1) - 1) / stride + 1;
  return s;
}

TEST(NblockConv, MatchesDoubleLoopsOnRandomShapes) {
  std::mt19937 rng(20260);
  const auto pick = [&](int64_t low, int64_t high) {
    return low + int64_t(rng() % (high - low + 1));
  };
  int done = 0;
  for (int trial = 0; done < 250 && trial < 4000; ++trial) {
    ConvShape s;
    s.batch = pick(1, 37);
    s.groups = pick(0, 3) == 0 ? pick(2, 4) : 1;
    s.in_channels = s.groups * pick(1, 7);
    s.out_channels = s.groups * pick(1, 19);
    s.in_h = pick(1, 13);
    s.in_w = pick(1, 17);
    s.kernel_h = pick(1, 6);
    s.kernel_w = pick(1, 7);
    s.stride_h = pick(1, 5);
    s.stride_w = pick(1, 5);
    if (pick(0, 1)) s.stride_h = s.stride_w = 1;
    s.dilation_h = pick(0, 2) ? 1 : pick(1, 4);
    s.dilation_w = pick(0, 2) ? 1 : pick(1, 4);
    s.pad_top = pick(0, 4);
    s.pad_left = pick(0, 4);
    s.lanes = 4 << pick(0, 2);
    const int64_t after_h = pick(0, 3), after_w = pick(0, 3);
    s.out_h = (s.in_h + s.pad_top + after_h - s.dilation_h * (s.kernel_h - 1) - 1) / s.stride_h + 1;
    s.out_w =
        (s.in_w + s.pad_left + after_w - s.dilation_w * (s.kernel_w - 1) - 1) / s.stride_w + 1;
    if (s.in_h + s.pad_top + after_h < s.dilation_h * (s.kernel_h - 1) + 1) continue;
    if (s.in_w + s.pad_left + after_w < s.dilation_w * (s.kernel_w - 1) + 1) continue;
    expect_matches_reference(s, rng);
    ++done;
  }
  EXPECT_EQ(done, 250);
}

TEST(NblockConv, MatchesDoubleLoopsOnNetworkLayers) {
  std::mt19937 rng(1);
  expect_matches_reference(make(20, 1, 1, 20, 28, 28, 5, 5, 1, 0, 1, 16), rng);
  expect_matches_reference(make(9, 1, 20, 50, 12, 12, 5, 5, 1, 0, 1, 8), rng);
  expect_matches_reference(make(4, 1, 32, 64, 8, 8, 5, 5, 1, 2, 1, 4), rng);
  expect_matches_reference(make(3, 1, 3, 24, 63, 63, 11, 11, 4, 2, 1, 16), rng);
  expect_matches_reference(make(5, 2, 24, 30, 13, 13, 3, 3, 1, 1, 1, 8), rng);
  expect_matches_reference(make(7, 12, 12, 12, 14, 14, 3, 3, 2, 1, 1, 8), rng);  // depthwise
  expect_matches_reference(make(18, 1, 37, 41, 7, 7, 1, 1, 1, 0, 1, 16), rng);   // pointwise
  expect_matches_reference(make(18, 1, 9, 23, 6, 5, 6, 5, 1, 0, 1, 16), rng);    // as a dense layer
  expect_matches_reference(make(2, 1, 40, 70, 15, 15, 5, 5, 1, 2, 1, 4), rng);
}

// Winograd rounds in the transformed domain, so its errors follow the norm of the result, not each
// element.
double relative_l2(const Floats& got, const testing::Sums& want) {
  double error = 0, norm = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    error += (got[i] - want.value[i]) * (got[i] - want.value[i]);
    norm += want.value[i] * want.value[i];
  }
  return std::sqrt(error / norm);
}

// Rounding errors of `terms` additions grow like the root of their number. The transforms amplify
// them; the factor 4 is empirical: 2.4 is the largest seen, and 4.9 with the points ±1 and ±2.
double winograd_bound(int64_t terms) {
  return 4 * std::ldexp(1.0, -24) * std::sqrt(double(terms) + 8);
}

void expect_winograd_is_accurate(const ConvShape& s, std::mt19937& rng) {
  SCOPED_TRACE(describe(s));
  const int64_t in = s.in_channels * s.in_h * s.in_w, out = s.out_channels * s.out_h * s.out_w;
  const int64_t in_group = s.in_channels / s.groups, out_group = s.out_channels / s.groups;
  const Floats x = testing::random_floats(s.batch * in, rng),
               dy = testing::random_floats(s.batch * out, rng);
  const Floats w = testing::random_floats(s.out_channels * in_group * s.kernel_h * s.kernel_w, rng);
  const Floats bias = testing::random_floats(s.out_channels, rng);
  const Results got = run(s, testing::blocked(x, s.batch, s.lanes), w, bias,
                          testing::blocked(dy, s.batch, s.lanes), Algorithm::winograd);
  const testing::ConvReference want = testing::reference(s, x, w, bias, dy);
  EXPECT_LT(relative_l2(testing::unblocked(got.y, s.batch, out, s.lanes), want.y),
            winograd_bound(in_group));
  EXPECT_LT(relative_l2(testing::unblocked(got.dx, s.batch, in, s.lanes), want.dx),
            winograd_bound(out_group));
  EXPECT_LT(relative_l2(got.dw, want.dw), winograd_bound(s.batch * s.out_h * s.out_w));
  EXPECT_LE(testing::worst_error(got.db, want.db),
            testing::rounding_bound(s.batch * s.out_h * s.out_w));
}

TEST(NblockConv, WinogradIsAccurateOnRandomShapes) {
  std::mt19937 rng(77);
  const auto pick = [&](int64_t low, int64_t high) {
    return low + int64_t(rng() % (high - low + 1));
  };
  for (int trial = 0; trial < 100; ++trial) {
    const int64_t kernel = pick(0, 1) ? 3 : 5, groups = pick(0, 4) ? 1 : 2;
    ConvShape s =
        make(pick(1, 35), groups, groups * pick(1, 15), groups * pick(1, 15), pick(kernel, 15),
             pick(kernel, 15), kernel, kernel, 1, pick(0, kernel), 1, 4 << pick(0, 2));
    s.out_h -= s.out_h > 1 && pick(0, 1);  // less padding at the end than at the beginning
    expect_winograd_is_accurate(s, rng);
  }
}

TEST(NblockConv, WinogradIsAccurateOnNetworkLayers) {
  std::mt19937 rng(78);
  expect_winograd_is_accurate(make(20, 1, 20, 50, 12, 12, 5, 5, 1, 0, 1, 16), rng);
  expect_winograd_is_accurate(make(9, 1, 32, 32, 16, 16, 5, 5, 1, 2, 1, 8), rng);
  expect_winograd_is_accurate(make(6, 1, 130, 70, 13, 13, 3, 3, 1, 1, 1, 16), rng);
}

TEST(NblockConv, WinogradIsRefusedWhereItDoesNotExist) {
  EXPECT_THROW(conv_scratch_bytes(make(2, 1, 8, 8, 9, 9, 3, 3, 2, 1, 1, 8), Pass::forward,
                                  Algorithm::winograd),
               UserError);
  EXPECT_EQ(best_algorithm(make(2, 1, 8, 8, 9, 9, 3, 3, 1, 1, 2, 8), Pass::forward),
            Algorithm::direct);
  EXPECT_EQ(best_algorithm(make(64, 1, 64, 64, 16, 16, 3, 3, 1, 1, 1, 8), Pass::forward),
            Algorithm::winograd);
}

TEST(NblockConv, AppliesActivationAfterBias) {
  std::mt19937 rng(3);
  const ConvShape s = make(5, 1, 3, 7, 6, 6, 3, 3, 1, 1, 1, 8);
  const Floats x = testing::blocked(testing::random_floats(5 * 3 * 36, rng), 5, 8);
  const Floats w = testing::random_floats(7 * 27, rng), bias = testing::random_floats(7, rng);
  for (Algorithm algorithm : {Algorithm::direct, Algorithm::winograd}) {
    const auto forward = [&](Activation act, float slope) {
      Floats y(nblock_size(5, 7 * 36, 8)),
          scratch(conv_scratch_bytes(s, Pass::forward, algorithm) / 4 + 1);
      conv_forward(s, x.data(), w.data(), bias.data(), act, slope, y.data(), scratch.data(),
                   algorithm);
      return testing::unblocked(y, 5, 7 * 36, 8);
    };
    const Floats plain = forward(Activation::none, 0.f), relu = forward(Activation::relu, 0.f);
    const Floats leaky = forward(Activation::leaky, 0.25f);
    for (size_t i = 0; i < plain.size(); ++i) {
      EXPECT_EQ(relu[i], plain[i] > 0 ? plain[i] : 0.f);
      EXPECT_EQ(leaky[i], plain[i] > 0 ? plain[i] : plain[i] * 0.25f);
    }
  }
}

TEST(NblockConv, GivesTheSameBitsForAnyThreadCount) {
  std::mt19937 rng(4);
  const ConvShape s = make(21, 1, 6, 11, 14, 14, 3, 3, 1, 1, 1, 8);
  const Floats x = testing::blocked(testing::random_floats(21 * 6 * 196, rng), 21, 8);
  const Floats dy = testing::blocked(testing::random_floats(21 * 11 * 196, rng), 21, 8);
  const Floats w = testing::random_floats(11 * 54, rng);
  const int before = threads();
  for (Algorithm algorithm : {Algorithm::direct, Algorithm::winograd}) {
    set_threads(1);
    const Results one = run(s, x, w, {}, dy, algorithm);
    set_threads(3);
    const Results three = run(s, x, w, {}, dy, algorithm);
    EXPECT_EQ(testing::unblocked(one.y, 21, 11 * 196, 8),
              testing::unblocked(three.y, 21, 11 * 196, 8));
    EXPECT_EQ(testing::unblocked(one.dx, 21, 6 * 196, 8),
              testing::unblocked(three.dx, 21, 6 * 196, 8));
    EXPECT_EQ(one.dw, three.dw);
    EXPECT_EQ(one.db, three.db);
  }
  set_threads(before);
}

// Makes every kernel run at one SIMD level; 0 restores what the CPU has.
void use_level(int64_t level) {
  hwy::SetSupportedTargetsForTest(level);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

TEST(NblockConv, NarrowerSimdLevelsMatchToo) {
  std::mt19937 rng(79);
  for (int64_t level : {HWY_AVX2, HWY_SCALAR}) {
    if (level == HWY_AVX2 && !(hwy::SupportedTargets() & HWY_TARGETS & HWY_AVX2)) continue;
    use_level(level);
    EXPECT_EQ(vector_lanes(16), level == HWY_AVX2 ? 8 : 1);
    expect_matches_reference(make(19, 1, 5, 14, 9, 10, 5, 5, 1, 2, 1, 16), rng);
    expect_matches_reference(make(3, 2, 6, 8, 12, 9, 3, 3, 2, 1, 1, 4), rng);
    expect_winograd_is_accurate(make(11, 1, 9, 13, 10, 9, 5, 5, 1, 0, 1, 16), rng);
    expect_winograd_is_accurate(make(5, 1, 9, 13, 7, 9, 3, 3, 1, 1, 1, 8), rng);
    use_level(0);
  }
}

TEST(NblockConv, RefusesInconsistentShapes) {
  ConvShape s = make(2, 1, 3, 4, 5, 5, 3, 3, 1, 1, 1, 8);
  s.lanes = 5;
  EXPECT_THROW(conv_scratch_bytes(s, Pass::forward), UserError);
  s.lanes = 8;
  s.groups = 2;
  EXPECT_THROW(conv_scratch_bytes(s, Pass::forward), UserError);
}

TEST(NblockConv, BestLanesWasteLittle) {
  for (int64_t batch : {1, 2, 4, 5, 8, 9, 16, 24, 32, 64, 100, 128}) {
    const int lanes = best_lanes(batch);
    EXPECT_TRUE(lanes == 4 || lanes == 8 || lanes == 16);
    EXPECT_LE(nblock_size(batch, 1, lanes), nblock_size(batch, 1, 16));
  }
  EXPECT_EQ(best_lanes(1), 4);
}

}  // namespace
}  // namespace trivium::cpu::nblock
