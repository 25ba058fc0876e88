// Inception v3, MobileNetV3 and EfficientNet against torchvision's: numbers of parameters and
// entries, names, and with a seed the draw after construction and the logits of a fixed image.
#include <gtest/gtest.h>

#include "trivium/models.h"

namespace trivium::models {
namespace {

using nn::Tensor;

class MobileModels : public testing::Test {
 protected:
  static void SetUpTestSuite() { start(); }
};

struct Expected {
  int64_t parameters, entries;
  double next_draw;
  std::vector<double> logits;
  double scale;    ///< the largest of all logits
  double allowed;  ///< of it
};

/// Each of a hundred layers adds its rounding, so a fresh net agrees to about four digits.
void expect_seeded(nn::Module& net, int64_t side, const Expected& expected) {
  EXPECT_NEAR(nn::rand({1}).item(), expected.next_draw, 5e-8) << "draws of the construction";
  int64_t parameters = 0;
  for (const Tensor& p : net.parameters()) parameters += p.numel();
  EXPECT_EQ(parameters, expected.parameters);
  EXPECT_EQ(static_cast<int64_t>(net.state_dict().size()), expected.entries);
  net.eval();
  nn::NoGradGuard no_grad;
  const auto pixels = 3 * side * side;
  const Tensor image = nn::arange(pixels, {.dtype = nn::float32}).view({1, 3, side, side}) /
                       static_cast<double>(pixels);
  const std::vector<float> y = net(image).to_vector<float>();
  for (size_t i = 0; i < expected.logits.size(); ++i)
    EXPECT_NEAR(y[i], expected.logits[i], expected.allowed * expected.scale) << i;
}

TEST_F(MobileModels, InceptionV3) {
  nn::manual_seed(0);
  InceptionV3 drawn;
  expect_seeded(drawn, 96,
                {27161264, 580, .445178747, {-86840168, -11428392, -67381632}, 249306896, 1e-4});
  const nn::StateDict state = drawn.state_dict();
  EXPECT_TRUE(state.find("AuxLogits.conv1.bn.running_var"));
  EXPECT_EQ(state["Mixed_6c.branch7x7dbl_4.conv.weight"].shape(), (Shape{160, 160, 7, 1}));
  EXPECT_TRUE(state.find("Mixed_7c.branch3x3dbl_3b.bn.weight"));
  nn::manual_seed(0);
  InceptionV3 plain({.init_weights = false});
  expect_seeded(
      plain, 96,
      {27161264, 580, .505970418, {.017744107, -.00048409533, -.0059742532}, .022096356, 1e-4});
}

TEST_F(MobileModels, MobileNetV3) {
  nn::manual_seed(0);
  MobileNetV3 small = mobilenet_v3_small();
  expect_seeded(small, 64,
                {2542856,
                 244,
                 .330503464,
                 {-1.383519e-10, -1.0298281e-11, 1.6251051e-10},
                 2.634949e-10,
                 1e-4});
  EXPECT_TRUE(small.state_dict().find("features.1.block.1.fc1.weight"));
  nn::manual_seed(0);
  MobileNetV3 large = mobilenet_v3_large();
  expect_seeded(
      large, 64,
      {5483032, 312, .432024658, {-3.052239e-12, -1.3155582e-10, 7.764546e-11}, 2.92569e-10, 1e-4});
  EXPECT_TRUE(large.state_dict().find("features.2.block.2.1.running_mean"));
}

TEST_F(MobileModels, EfficientNet) {
  nn::manual_seed(0);
  EfficientNet b0 = efficientnet_b0();
  expect_seeded(b0, 64,
                {5288548,
                 360,
                 .785713911,
                 {6.2003087e-16, 2.5791482e-15, -4.9389081e-15},
                 1.175092e-14,
                 1e-4});
  EXPECT_TRUE(b0.state_dict().find("features.2.0.block.1.1.num_batches_tracked"));
  nn::manual_seed(0);
  EfficientNet b1 = efficientnet_b1();
  expect_seeded(b1, 64,
                {7794184,
                 508,
                 .372423649,
                 {-8.0669969e-15, -5.7690863e-15, 6.1089761e-15},
                 1.9545309e-14,
                 1e-4});
  EXPECT_THROW(efficientnet_b(8), UserError);
}

/// A fresh net's logits nearly vanish; with norms that measure their own batch signals keep their
/// size. PyTorch's own results in float32 and float64 differ by 1.3e-7 and 9.2e-6.
TEST_F(MobileModels, ComputeAsTorchvisionWithStatisticsOfTheBatch) {
  const Tensor images =
      (nn::arange(2 * 3 * 64 * 64, {.dtype = nn::float32}).view({2, 3, 64, 64}) * 0.37).sin();
  const auto first = [&](nn::Module& net) {
    net.train();
    nn::NoGradGuard no_grad;
    return net(images).to_vector<float>();
  };
  nn::manual_seed(0);
  MobileNetV3 small = mobilenet_v3_small({.dropout = 0});
  const std::vector<float> a = first(small);
  nn::manual_seed(0);
  EfficientNet b0({.dropout = 0, .stochastic_depth = 0});
  const std::vector<float> b = first(b0);
  const std::vector<double> of_a = {-.013051602, .017019579, -.012271511, -.0016152663},
                            of_b = {-.064206094, .16654494, .11927319, .18281549};
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(a[i], of_a[i], 2e-6) << i;
    EXPECT_NEAR(b[i], of_b[i], 1e-4) << i;
  }
}

TEST_F(MobileModels, StochasticDepthDropsWholeExamples) {
  nn::manual_seed(3);
  StochasticDepth drop(0.25);
  const Tensor x = nn::ones({64, 2, 3, 3});
  const std::vector<float> y = drop(x).to_vector<float>();
  int64_t kept = 0;
  for (size_t n = 0; n < 64; ++n) {
    kept += y[n * 18] != 0;
    for (size_t i = 0; i < 18; ++i)
      EXPECT_FLOAT_EQ(y[n * 18 + i], y[n * 18] != 0 ? 1 / 0.75f : 0.0f);
  }
  EXPECT_GT(kept, 36);
  EXPECT_LT(kept, 60);
  drop.eval();
  EXPECT_EQ(drop(x).to_vector<float>(), x.to_vector<float>());
  EXPECT_THROW(StochasticDepth(1.5), UserError);
}

}  // namespace
}  // namespace trivium::models
