// Layers where Trivium is right and Caffe is not: the recorded numbers cannot check these. (All
// others: tools/dev/golden tests/golden/caffe layers.)
#include "tests/notations/caffe/golden.h"
#include "tests/notations/caffe/net_fixture.h"

namespace trivium::caffe {
namespace {

struct Result {
  Array y, dx;
};

/// Runs `type` from blob x to blob `top`, weighted by w, and gives y and d(sum w*y)/dx.
Result run(const std::string& type, const std::string& body, const std::string& top, const Array& x,
           const Array& w, const std::vector<std::string>& more_bottoms = {}) {
  std::vector<int> shape(x.shape().begin(), x.shape().end());
  std::vector<std::string> bottoms = {"x"};
  bottoms.insert(bottoms.end(), more_bottoms.begin(), more_bottoms.end());
  std::string text = "force_backward: true\n" + input_text("x", shape);
  for (const std::string& b : more_bottoms) text += input_text(b, shape);
  const auto net = build_train(text + layer_text("l", type, bottoms, {top}, body));
  net->set_input("x", x);
  for (const std::string& b : more_bottoms) net->set_input(b, w);
  Recording& recording = net->recording();
  const Value out = net->blob(top);
  const std::vector<Value> g = net->gradients(
      recording, {{net->blob_index(top), recording.graph.constant(w)}}, {recording.tops[0][0]});
  const std::vector<Array> results = net->run(recording, {out, g[0]});
  return {results[0], results[1]};
}

Array ramp(const Shape& shape, float from, float step) {
  Array a(shape, DType::f32);
  for (int64_t i = 0; i < a.count(); ++i) a.data<float>()[i] = from + step * static_cast<float>(i);
  return a;
}

void expect_equal(const Array& got, const Array& want) {
  ASSERT_EQ(got.shape(), want.shape());
  for (int64_t i = 0; i < want.count(); ++i) EXPECT_NEAR(got.at(i), want.at(i), 1e-6) << "at " << i;
}

TEST(InPlace, ComputesWhatItComputesElsewhere) {
  const Shape shape{2, 4, 1, 2};
  const Array x = ramp(shape, 0.3f, 0.17f), w = ramp(shape, -1, 0.25f);
  const std::pair<const char*, const char*> layers[] = {
      {"BNLL", ""},
      {"Clip", "clip_param { min: 0.5 max: 1.5 }"},
      {"Power", "power_param { power: 3 scale: 2 shift: 1 }"},
      {"Log", ""},
      {"LRN", "lrn_param { local_size: 3 alpha: 2 }"},
      {"ReLU", "relu_param { negative_slope: -0.5 }"},
      {"ELU", "elu_param { alpha: -2 }"},
      {"MVN", "mvn_param { across_channels: true }"},
  };
  for (const auto& [type, body] : layers) {
    SCOPED_TRACE(type);
    const Result apart = run(type, body, "y", x, w), here = run(type, body, "x", x, w);
    expect_equal(here.y, apart.y);
    expect_equal(here.dx, apart.dx);
  }
}

TEST(InPlace, EltwiseKeepsTheBottomItReplaces) {
  const Shape shape{2, 3};
  const Array x = ramp(shape, -1, 0.7f), w = ramp(shape, 0.5f, -0.3f);
  for (const char* operation : {"SUM", "PROD", "MAX"}) {
    SCOPED_TRACE(operation);
    const std::string body = std::string("eltwise_param { operation: ") + operation + " }";
    const Result apart = run("Eltwise", body, "y", x, w, {"z"}),
                 here = run("Eltwise", body, "x", x, w, {"z"});
    expect_equal(here.y, apart.y);
    expect_equal(here.dx, apart.dx);
  }
}

TEST(Eltwise, AProductWithAZeroHasTheStableGradient) {
  const Array x = Array::from<float>({0, 2}, {1, 2}), w = Array::from<float>({3, 5}, {1, 2});
  const Result r =
      run("Eltwise", "eltwise_param { operation: PROD stable_prod_grad: false }", "y", x, w, {"z"});
  expect_values(r.dx, {9, 25});  // w * z with z = w
}

TEST(Power, TheGradientAtZeroIsItsLimit) {
  const Array x = Array::from<float>({0, 2}, {1, 2}), w = Array::full(Shape{1, 2}, 1);
  expect_values(run("Power", "power_param { power: 3 }", "y", x, w).dx, {0, 12});
}

TEST(Pooling, WindowsThatSeeNoImageAreLeftOut) {
  const Array x = ramp(Shape{1, 1, 5, 5}, 0, 1);
  const auto net = build_train(input_text("x", {1, 1, 5, 5}) +
                               layer_text("p", "Pooling", {"x"}, {"y", "mask"},
                                          "pooling_param { kernel_size: 1 stride: 3 }"));
  net->set_input("x", x);
  const std::vector<Array> got = net->forward({"y", "mask"});
  EXPECT_EQ(got[0].shape(), (Shape{1, 1, 2, 2}));
  expect_values(got[0], {0, 3, 15, 18});
  expect_values(got[1], {0, 3, 15, 18});
}

TEST(Convolution, WithoutSpatialAxesMixesChannels) {
  for (const char* type : {"Convolution", "Deconvolution"}) {
    SCOPED_TRACE(type);
    const auto net =
        build_train(input_text("x", {1, 2}) +
                    layer_text("c", type, {"x"}, {"y"}, "convolution_param { num_output: 2 }"));
    net->params()[0].cell->set(Array::from<float>({1, 2, 3, 4}, {2, 2}));
    net->params()[1].cell->set(Array::from<float>({0, 10}, {2}));
    net->set_input("x", Array::from<float>({1, 2}, {1, 2}));
    const Array y = net->forward({"y"})[0];
    EXPECT_EQ(y.shape(), (Shape{1, 2}));
    // A deconvolution's weights are [in, out].
    expect_values(y, std::string(type) == "Convolution" ? std::vector<float>{5, 21}
                                                        : std::vector<float>{7, 20});
  }
}

TEST(Labels, OutOfRangeIsAnErrorInEveryLayerThatTakesThem) {
  for (const char* type : {"SoftmaxWithLoss", "Accuracy", "HingeLoss", "MultinomialLogisticLoss"}) {
    SCOPED_TRACE(type);
    const auto net = build_train(input_text("x", {2, 3}) + input_text("t", {2}) +
                                 layer_text("l", type, {"x", "t"}, {"y"}));
    net->set_input("t", Array::from<float>({0, 7}, {2}));
    EXPECT_THROW(net->forward({"y"}), UserError);
    net->set_input("t", Array::from<float>({0, -1}, {2}));
    EXPECT_THROW(net->forward({"y"}), UserError);
  }
}

TEST(Embed, AnIndexPastTheTableIsAnError) {
  const auto net =
      build_train(input_text("x", {2}) + layer_text("e", "Embed", {"x"}, {"y"},
                                                    "embed_param { num_output: 2 input_dim: 3 }"));
  net->set_input("x", Array::from<float>({0, 3}, {2}));
  EXPECT_THROW(net->forward({"y"}), UserError);
}

TEST(Parameter, ItsGradientAddsOverReaders) {
  const auto net =
      build_train(layer_text("p", "Parameter", {}, {"w"}, "parameter_param { shape { dim: 2 } }") +
                  layer_text("a", "Reduction", {"w"}, {"s"}, "loss_weight: 1") +
                  layer_text("b", "Reduction", {"w"}, {"t"}, "loss_weight: 2"));
  expect_values(net->forward_backward().gradients[0], {3, 3});
}

TEST(Accuracy, PerClassSharesIgnoredLabels) {
  const auto net = build_train(input_text("x", {4, 2}) + input_text("t", {4}) +
                               layer_text("a", "Accuracy", {"x", "t"}, {"y", "each"},
                                          "accuracy_param { ignore_label: 255 }"));
  net->set_input("x", Array::from<float>({1, 0, 1, 0, 0, 1, 0, 1}, {4, 2}));
  net->set_input("t", Array::from<float>({0, 1, 1, 255}, {4}));
  const std::vector<Array> got = net->forward({"y", "each"});
  expect_values(got[0], {2.0f / 3});
  expect_values(got[1], {1, 0.5f});
}

}  // namespace
}  // namespace trivium::caffe
