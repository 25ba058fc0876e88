// The networks against torchvision's: numbers of parameters and entries, and with a seed the draw
// after construction and the first logits of a fixed image.
#include "trivium/models.h"

#include <gtest/gtest.h>

namespace trivium::models {
namespace {

using nn::Tensor;

class Models : public testing::Test {
 protected:
  static void SetUpTestSuite() { start(); }
};

int64_t parameters_of(const nn::Module& m) {
  int64_t out = 0;
  for (const Tensor& p : m.parameters()) out += p.numel();
  return out;
}

/// The image is 64x64: every global pooling takes it.
Tensor ramp() { return nn::arange(12288, {.dtype = nn::float32}).view(1, 3, 64, 64) / 12288.0; }

template <typename Make>
void expect_seeded(const char* name, const Make& make, double next_draw,
                   const std::vector<double>& logits) {
  SCOPED_TRACE(name);
  nn::manual_seed(0);
  auto net = make();
  EXPECT_NEAR(nn::rand({1}).item(), next_draw, 5e-8) << "draws of the construction";
  net.eval();
  nn::NoGradGuard no_grad;
  const std::vector<float> y = net(ramp()).template to_vector<float>();
  double scale = 0;
  for (const double v : logits) scale = std::max(scale, std::abs(v));
  for (size_t i = 0; i < logits.size(); ++i) EXPECT_NEAR(y[i], logits[i], 1e-4 * scale) << i;
}

TEST_F(Models, HaveTorchvisionsParameters) {
  EXPECT_EQ(parameters_of(alexnet()), 61100840);
  EXPECT_EQ(parameters_of(vgg11()), 132863336);
  EXPECT_EQ(parameters_of(squeezenet1_0()), 1248424);
  EXPECT_EQ(parameters_of(squeezenet1_1()), 1235496);
  EXPECT_EQ(parameters_of(googlenet()), 13004888);
  EXPECT_EQ(parameters_of(googlenet({.aux_logits = false})), 6624904);
  EXPECT_EQ(parameters_of(mobilenet_v2()), 3504872);
  EXPECT_EQ(parameters_of(resnet18()), 11689512);
  EXPECT_EQ(parameters_of(resnet34()), 21797672);
  EXPECT_EQ(parameters_of(resnet50()), 25557032);
  EXPECT_EQ(parameters_of(resnet101()), 44549160);
  EXPECT_EQ(parameters_of(resnet152()), 60192808);
  EXPECT_EQ(parameters_of(resnext50_32x4d()), 25028904);
  EXPECT_EQ(parameters_of(wide_resnet50_2()), 68883240);
  EXPECT_EQ(parameters_of(densenet121()), 7978856);
  EXPECT_EQ(parameters_of(shufflenet_v2_x1_0()), 2278604);
}

TEST_F(Models, HaveTorchvisionsNames) {
  const nn::StateDict resnet = resnet18().state_dict();
  EXPECT_EQ(resnet.size(), 122u);
  EXPECT_TRUE(resnet.find("layer2.0.downsample.1.running_var"));
  EXPECT_EQ(resnet50().state_dict().size(), 320u);
  EXPECT_EQ(densenet121().state_dict().size(), 727u);
  EXPECT_EQ(shufflenet_v2_x1_0().state_dict().size(), 338u);
  const nn::StateDict vgg = vgg16_bn().state_dict();
  EXPECT_EQ(vgg.size(), 97u);
  EXPECT_TRUE(vgg.find("classifier.6.bias"));
  EXPECT_TRUE(vgg.find("features.1.running_mean"));
  const nn::StateDict google = googlenet().state_dict();
  EXPECT_EQ(google.size(), 364u);
  EXPECT_TRUE(google.find("aux1.conv.conv.weight"));
  EXPECT_TRUE(google.find("inception4e.branch3.1.conv.weight"));
  const nn::StateDict mobile = mobilenet_v2().state_dict();
  EXPECT_EQ(mobile.size(), 314u);
  EXPECT_EQ(mobile["features.2.conv.1.0.weight"].shape(), (Shape{96, 1, 3, 3}));
}

TEST_F(Models, GiveTorchvisionsLogits) {
  expect_seeded("alexnet", [] { return alexnet(); }, .7509142,
                {.006772864, -.009464886, -.003983277});
  expect_seeded("vgg11", [] { return vgg11(); }, .1883596, {.01627792, -.004628113, .01969093});
  expect_seeded("resnet18", [] { return resnet18(); }, .8865256, {.1651253, .2268504, -.1463701});
  expect_seeded("resnet50", [] { return resnet50(); }, .6515359, {-.4537271, -1.750947, .6836901});
  expect_seeded("squeezenet1_1", [] { return squeezenet1_1(); }, .6170944,
                {.04212167, .03533047, .03676336});
  expect_seeded("mobilenet_v2", [] { return mobilenet_v2(); }, .1144972, {});
  expect_seeded("googlenet", [] { return googlenet(); }, .2659105,
                {.02815418, -.02672741, -.007831749});
  expect_seeded("densenet121", [] { return densenet121(); }, .83297706,
                {.016960628, -.052316792, -.18117259});
  expect_seeded("shufflenet", [] { return shufflenet_v2_x1_0(); }, .064194918,
                {.025105866, -.020414822, .020211862});
}

TEST_F(Models, Train) {
  nn::manual_seed(0);
  SqueezeNet net(true, {.num_classes = 3});
  optim::SGD sgd(net.parameters(), {.lr = 0.05});
  const Tensor y = nn::tensor({1, 2}).to(nn::int64);
  const Tensor x = nn::rand({2, 3, 64, 64});
  double first = 0, last = 0;
  for (int i = 0; i < 8; ++i) {
    sgd.zero_grad();
    const Tensor loss = nn::cross_entropy(net(x), y);
    loss.backward();
    sgd.step();
    (i == 0 ? first : last) = loss.item();
  }
  EXPECT_LT(last, first);
  GoogLeNet google({.num_classes = 4});
  const auto [logits, aux2, aux1] = google.compute(nn::rand({2, 3, 64, 64}));
  EXPECT_EQ(logits.shape(), (Shape{2, 4}));
  EXPECT_EQ(aux1.shape(), (Shape{2, 4}));
  EXPECT_EQ(aux2.shape(), (Shape{2, 4}));
}

}  // namespace
}  // namespace trivium::models
