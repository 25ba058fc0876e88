// LeNet written as a text file and as code: one canonical graph up to the scores, nearly one
// training.
#include <gtest/gtest.h>

#include <regex>

#include "trivium/engine/graph/text.h"
#include "trivium/nn.h"
#include "trivium/notations/caffe/net.h"
#include "trivium/notations/caffe/prototxt.h"

namespace trivium {
namespace {

constexpr int64_t kBatch = 16;

const char* kPrototxt = R"(
name: "lenet"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 16 dim: 1 dim: 28 dim: 28 } } }
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 16 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 20 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param { num_output: 50 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2" pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1"
  inner_product_param { num_output: 500 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 10 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
)";

/// The same net as code.
struct LeNet {
  std::vector<nn::Tensor> parameters;  // weight and bias of conv1, conv2, ip1, ip2

  nn::Tensor scores(const nn::Tensor& x) const {
    namespace F = nn::functional;
    const auto& p = parameters;
    nn::Tensor h = F::max_pool2d(F::conv2d(x, p[0], p[1]), {2});
    h = F::max_pool2d(F::conv2d(h, p[2], p[3]), {2});
    h = F::relu(F::linear(h.flatten(1), p[4], p[5]));
    return F::linear(h, p[6], p[7]);
  }
};

struct Both {
  std::unique_ptr<caffe::Net> net;
  LeNet code;
  Array images, labels;

  Both() {
    start();
    caffe::proto::NetParameter definition;
    caffe::parse_prototxt(kPrototxt, "lenet.prototxt", &definition);
    caffe::NetOptions options;
    options.phase = caffe::proto::TRAIN;
    options.random = std::make_shared<caffe::RandomState>(7);
    net = std::make_unique<caffe::Net>(definition, options);
    for (int p : net->learnable()) {
      nn::Tensor t(net->params()[p].cell->value().clone());
      t.requires_grad_();
      code.parameters.push_back(t);
    }
    images = nn::rand({kBatch, 1, 28, 28}).array();
    labels = Array(Shape{kBatch}, DType::f32);
    for (int64_t i = 0; i < kBatch; ++i) labels.set(i, static_cast<double>(i % 10));
  }
};

/// Where a notation keeps its parameters, and whether NaN wins in a pooling window (in PyTorch it
/// does, in Caffe never), is a difference of the notations, not of the net.
std::string neutral(std::string text) {
  text = std::regex_replace(text, std::regex("= (cell|input)[^:]*:"), "= leaf :");
  return std::regex_replace(text, std::regex("nan_wins=(true|false)"), "nan_wins=?");
}

TEST(Agreement, ScoresOfLeNetAreTheSameGraph) {
  Both both;
  const Value score = both.net->blob("ip2");
  const std::string text = neutral(canonical_text(both.net->graph(), {&score, 1}));
  const nn::Tensor y = both.code.scores(nn::Tensor(both.images));
  Graph graph;
  const record::Var vars[] = {y};
  const std::vector<Value> traced = record::trace(graph, vars);
  EXPECT_EQ(neutral(canonical_text(graph, traced)), text);
  EXPECT_NE(text.find("conv("), std::string::npos);
}

/// Plain gradient descent, in one order for both: only the nets are compared. The losses are not
/// bit equal (they part in the last digits after six steps, and at a rate of 0.01 by 4e-5 after
/// fifty): the loss and its derivative are recorded differently. The small rate keeps that from
/// growing.
Array stepped(const Array& parameter, const Array& gradient) {
  Array now = parameter.clone();
  for (int64_t k = 0; k < now.count(); ++k)
    now.data<float>()[k] -= 0.001f * gradient.data<float>()[k];
  return now;
}

TEST(Agreement, AHundredStepsGiveTheSameLosses) {
  Both both;
  caffe::Net& net = *both.net;
  net.set_input("data", both.images);
  net.set_input("label", both.labels);
  const Array target = both.labels.cast(DType::i64);
  for (int step = 0; step < 100; ++step) {
    const auto pass = net.forward_backward();
    const nn::Tensor loss = nn::functional::cross_entropy(both.code.scores(nn::Tensor(both.images)),
                                                          nn::Tensor(target));
    ASSERT_NEAR(loss.item(), pass.loss, 1e-5 * pass.loss) << "step " << step;
    loss.backward();
    for (size_t i = 0; i < both.code.parameters.size(); ++i) {
      nn::Tensor& p = both.code.parameters[i];
      p.set_data(nn::Tensor(stepped(p.array(), p.grad().array())));
      p.set_grad({});
      const CellRef& cell = net.params()[net.learnable()[i]].cell;
      cell->set(stepped(cell->value(), pass.gradients[i]));
    }
  }
}

}  // namespace
}  // namespace trivium
