#include "trivium/notations/caffe/net.h"

#include <filesystem>

#include "tests/notations/caffe/golden.h"
#include "tests/notations/caffe/net_fixture.h"

namespace trivium::caffe {
namespace {

std::string ip(const std::string& name, const std::string& bottom, const std::string& top,
               int outputs, const std::string& more = "") {
  return layer_text(name, "InnerProduct", {bottom}, {top},
                    "inner_product_param { num_output: " + std::to_string(outputs) +
                        " weight_filler { type: \"uniform\" min: -1 max: 1 } }\n  " + more);
}

TEST(Net, ErrorsNameFileLineAndLayer) {
  const std::string text =
      input_text("x", {2, 3, 5, 5}) +
      "layer {\n  name: \"c\"\n  type: \"Convolution\"\n"
      "  bottom: \"x\"\n  top: \"y\"\n  convolution_param { num_output: 2 }\n}\n";
  const std::string message = user_error_of([&] { build(text); });
  EXPECT_NE(message.find("net.prototxt:"), std::string::npos) << message;
  EXPECT_NE(message.find("layer \"c\" (Convolution)"), std::string::npos) << message;
  EXPECT_NE(message.find("kernel_size is missing"), std::string::npos) << message;
}

TEST(Net, UnknownTypesSuggestTheNearestAndUnsupportedOnesSayThatCaffeHasThem) {
  const std::string typo = user_error_of(
      [] { build(input_text("x", {2}) + layer_text("l", "Convolutoin", {"x"}, {"y"})); });
  EXPECT_NE(typo.find("did you mean \"Convolution\"?"), std::string::npos) << typo;
  const std::string python =
      user_error_of([] { build(input_text("x", {2}) + layer_text("l", "Python", {"x"}, {"y"})); });
  EXPECT_NE(python.find("Caffe has this layer; Trivium does not support it yet"), std::string::npos)
      << python;
}

TEST(Net, CountsOfBottomsTopsAndLossWeightsAreChecked) {
  EXPECT_NE(user_error_of([] {
              build(input_text("x", {2}) + layer_text("e", "Eltwise", {"x"}, {"y"}));
            }).find("expected at least 2 bottoms, received 1"),
            std::string::npos);
  EXPECT_NE(user_error_of([] {
              build(input_text("x", {2, 4}) +
                    layer_text("s", "Slice", {"x"}, {"a", "b"}, "loss_weight: 1"));
            }).find("loss_weight takes no entry or one for each of the 2 tops"),
            std::string::npos);
}

TEST(Net, AnOpThatRefusesShapesNamesTheLayer) {
  const std::string message = user_error_of([] {
    build(input_text("x", {4, 3}) + input_text("label", {5}) +
          layer_text("loss", "SoftmaxWithLoss", {"x", "label"}, {"l"}));
  });
  EXPECT_NE(message.find("layer \"loss\" (SoftmaxWithLoss)"), std::string::npos) << message;
}

TEST(Net, ComputesAnInnerProduct) {
  const auto net = build_train(input_text("x", {2, 2}) + ip("a", "x", "y", 1));
  net->params()[0].cell->set(Array::from<float>({2, 3}, {1, 2}));
  net->params()[1].cell->set(Array::from<float>({10}, {1}));
  net->set_input("x", Array::from<float>({1, 1, 2, -1}, {2, 2}));
  expect_values(net->forward({"y"})[0], {15, 11});
}

TEST(Net, FollowsANewInputShapeWithTheSameWeights) {
  const auto net = build_train(input_text("x", {2, 2}) + ip("a", "x", "y", 1));
  net->params()[0].cell->set(Array::from<float>({2, 3}, {1, 2}));
  const int64_t before = net->generation();
  net->set_input("x", Array::from<float>({1, 0, 0, 1, 1, 1}, {3, 2}));
  EXPECT_EQ(net->generation(), before + 1);
  expect_values(net->forward({"y"})[0], {2, 3, 5});
  const std::string message = user_error_of([&] {
    net->set_input("x", Array::zeros(Shape{2, 3}));
  });
  EXPECT_NE(message.find("parameter 0 has the shape [1, 2] since the net was built"),
            std::string::npos)
      << message;
  expect_values(net->forward({"y"})[0],
                {2, 3, 5});  // the net is as it was before the refused shape
}

TEST(Net, RunsAgainWithoutPlanningAgain) {
  const auto net = build_train(input_text("x", {2, 2}) + ip("a", "x", "y", 3));
  net->forward({"y"});
  const int64_t built = compile::cache_counters().built;
  for (int i = 0; i < 3; ++i) net->forward({"y"});
  EXPECT_EQ(compile::cache_counters().built, built);
}

TEST(Net, SharedParametersAreOneCellAndTheirGradientsAdd) {
  const std::string share = "param { name: \"w\" } param { name: \"b\" }";
  const auto net = build_train(input_text("x", {1, 1}) + ip("a", "x", "p", 1, share) +
                               ip("b", "p", "q", 1, share) +
                               layer_text("sum", "Reduction", {"q"}, {"loss"}, "loss_weight: 1"));
  ASSERT_EQ(net->params().size(), 4u);
  EXPECT_EQ(net->learnable().size(), 2u);
  EXPECT_EQ(net->params()[2].cell, net->params()[0].cell);
  net->params()[0].cell->set(Array::from<float>({3}, {1, 1}));
  net->params()[1].cell->set(Array::from<float>({0}, {1}));
  net->set_input("x", Array::from<float>({2}, {1, 1}));
  const Net::Pass pass = net->forward_backward({"q"});
  EXPECT_FLOAT_EQ(pass.loss, 18);                 // w (w x)
  expect_values(pass.gradients[0], {2 * 3 * 2});  // 2 w x
  expect_values(pass.gradients[1], {1 + 3});
}

TEST(Net, ASharerAloneDecidesTheLearningRateWhenTheOwnerIsSilent) {
  const auto net =
      build_train(input_text("x", {1, 2}) + ip("a", "x", "p", 2, "param { name: \"w\" }") +
                  ip("b", "p", "q", 2, "param { name: \"w\" lr_mult: 3 decay_mult: 0 }"));
  EXPECT_FLOAT_EQ(net->params()[0].lr_mult, 3);
  EXPECT_FLOAT_EQ(net->params()[0].decay_mult, 0);
}

TEST(Net, ParametersWithoutRateHaveNoGradientAndUnusedOnesHaveZero) {
  const auto net =
      build_train(input_text("x", {2, 2}) +
                  ip("fixed", "x", "p", 2, "param { lr_mult: 0 } param { lr_mult: 1 }") +
                  ip("unused", "x", "u", 2) +
                  layer_text("sum", "Reduction", {"p"}, {"loss"}, "loss_weight: 1"));
  const Net::Pass pass = net->forward_backward();
  ASSERT_EQ(pass.gradients.size(), 4u);
  EXPECT_FALSE(pass.gradients[0].defined());
  expect_values(pass.gradients[1], {2, 2});
  expect_values(pass.gradients[2], {0, 0, 0, 0});
}

TEST(Net, PropagateDownFalseStopsGradientsBelow) {
  const std::string top = layer_text("sum", "Reduction", {"q"}, {"loss"}, "loss_weight: 1");
  const auto net = build_train(input_text("x", {1, 2}) + ip("a", "x", "p", 2) +
                               ip("b", "p", "q", 1, "propagate_down: false") + top);
  EXPECT_FALSE(net->layers()[1].needs_backward);
  net->set_input("x", Array::from<float>({1, 1}, {1, 2}));
  const Net::Pass pass = net->forward_backward();
  expect_values(pass.gradients[0], {0, 0, 0, 0});
  expect_values(pass.gradients[3], {1});
}

TEST(Net, AskingForAGradientThroughALabelIsRefused) {
  const auto net =
      build_train(input_text("x", {2, 3}) + ip("a", "x", "p", 3) + ip("b", "x", "t", 1) +
                  layer_text("loss", "SoftmaxWithLoss", {"p", "t"}, {"l"}));
  const std::string message = user_error_of([&] { net->param_gradients(); });
  EXPECT_NE(message.find("bottom 1 \"t\""), std::string::npos) << message;
  EXPECT_NE(message.find("layer \"loss\""), std::string::npos) << message;
}

TEST(Net, ALabelOutOfRangeNamesTheLayer) {
  const auto net = build_train(input_text("x", {2, 3}) + input_text("label", {2}) +
                               layer_text("loss", "SoftmaxWithLoss", {"x", "label"}, {"l"}));
  net->set_input("label", Array::from<float>({1, 3}, {2}));
  const std::string message = user_error_of([&] { net->forward({"l"}); });
  EXPECT_NE(message.find("loss"), std::string::npos) << message;
  EXPECT_NE(message.find("3"), std::string::npos) << message;
}

TEST(Net, SoftmaxWithLossGivesProbabilitiesAsItsSecondTop) {
  const auto net = build_train(input_text("x", {1, 2}) + input_text("label", {1}) +
                               layer_text("loss", "SoftmaxWithLoss", {"x", "label"}, {"l", "p"}));
  EXPECT_EQ(net->layers()[2].loss_weights, (std::vector<float>{1, 0}));
  expect_values(net->forward({"p"})[0], {0.5f, 0.5f});
}

TEST(Net, ATestNetUsesTheCellsOfItsTrainNetButItsFillersStillDraw) {
  const std::string text = input_text("x", {1, 2}) + ip("a", "x", "y", 1);
  const auto train = build_train(text, 7);
  NetOptions options;
  options.phase = proto::TEST;
  options.random = train->random();
  options.share_with = train.get();
  const auto test = build(text, options);
  EXPECT_EQ(test->params()[0].cell, train->params()[0].cell);
  RandomState alone(7);
  for (int i = 0; i < 4; ++i) alone.word();  // two weights each
  EXPECT_EQ(train->random()->word(), alone.word());
}

TEST(Net, DropoutDrawsAnewAtEveryForwardAndRestoresWithTheGenerator) {
  const auto net = build_train(input_text("x", {1, 64}) + layer_text("d", "Dropout", {"x"}, {"y"}));
  net->set_input("x", Array::full(Shape{1, 64}, 1));
  const std::string state = net->random()->save();
  const Array first = net->forward({"y"})[0].clone(), second = net->forward({"y"})[0].clone();
  EXPECT_NE(std::memcmp(first.raw(), second.raw(), first.bytes()), 0);
  net->random()->restore(state);
  const Array again = net->forward({"y"})[0];
  EXPECT_EQ(std::memcmp(first.raw(), again.raw(), first.bytes()), 0);
}

TEST(Net, WeightsGoOutAndComeBackByLayerName) {
  const std::string text = input_text("x", {1, 2}) + ip("a", "x", "p", 2) + ip("b", "p", "q", 1);
  const auto from = build_train(text, 1), to = build_train(text, 2);
  const formats::WeightsFile file = formats::weights_of(from->to_weights());
  to->copy_trained_from(file, "memory");
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(
        std::memcmp(from->params()[i].cell->value().raw(), to->params()[i].cell->value().raw(),
                    from->params()[i].cell->value().bytes()),
        0);
  const auto other = build_train(input_text("x", {1, 3}) + ip("a", "x", "p", 2));
  const std::string message =
      user_error_of([&] { other->copy_trained_from(file, "w.caffemodel"); });
  EXPECT_NE(
      message.find(
          "w.caffemodel: layer \"a\": parameter 0 has the shape [2, 2], the net needs [2, 3]"),
      std::string::npos)
      << message;
  EXPECT_NE(message.find("rename the layer"), std::string::npos) << message;
}

TEST(Net, Hdf5WeightsLeaveSharersToTheirOwner) {
  const std::string share = "param { name: \"w\" } param { name: \"b\" }";
  const std::string text =
      input_text("x", {1, 2}) + ip("a", "x", "p", 2, share) + ip("b", "p", "q", 2, share);
  const auto from = build_train(text, 1), to = build_train(text, 2);
  const std::string path =
      std::filesystem::temp_directory_path() / "trivium_net_test.caffemodel.h5";
  formats::save_weights_hdf5(path, from->weights());
  to->copy_trained_from(path);
  std::filesystem::remove(path);
  EXPECT_EQ(
      std::memcmp(from->params()[0].cell->value().raw(), to->params()[0].cell->value().raw(), 16),
      0);
}

TEST(Net, SnapshotsHoldWhatSetupAdds) {
  const auto net = build_train(input_text("x", {2, 3}) + input_text("t", {2}) +
                               layer_text("bn", "BatchNorm", {"x"}, {"y"}) +
                               layer_text("loss", "SoftmaxWithLoss", {"y", "t"}, {"l"}));
  const proto::NetParameter weights = net->to_weights();
  ASSERT_EQ(weights.layer_size(), 4);
  EXPECT_EQ(weights.layer(0).phase(), proto::TRAIN);
  ASSERT_EQ(weights.layer(2).param_size(), 3);
  EXPECT_EQ(weights.layer(2).param(0).lr_mult(), 0);
  EXPECT_EQ(weights.layer(2).blobs_size(), 3);
  ASSERT_EQ(weights.layer(3).loss_weight_size(), 1);
  EXPECT_EQ(weights.layer(3).loss_weight(0), 1);
}

TEST(Net, BatchNormNormalisesARankOneBottomAsOneChannel) {
  const auto net = build_train(input_text("x", {2}) + layer_text("bn", "BatchNorm", {"x"}, {"y"}));
  net->set_input("x", Array::from<float>({1, 3}, {2}));
  expect_values(net->forward({"y"})[0], {-1, 1}, 1e-4f);
  expect_values(net->params()[0].cell->value(), {2});
  expect_values(net->params()[1].cell->value(), {2});  // unbiased: 1 * 2 / (2 - 1)
  expect_values(net->params()[2].cell->value(), {1});
}

TEST(Net, AccuracyCountsNotANumberAsWrong) {
  const auto net = build_train(input_text("x", {2, 2}) + input_text("t", {2}) +
                               layer_text("a", "Accuracy", {"x", "t"}, {"y"}));
  net->set_input("x", Array::from<float>({NAN, NAN, 1, 0}, {2, 2}));
  expect_values(net->forward({"y"})[0], {0.5f});
}

}  // namespace
}  // namespace trivium::caffe
