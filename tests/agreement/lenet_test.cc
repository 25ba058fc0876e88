// LeNet written as a text file and as code: one canonical graph for a whole training step - scores,
// loss, gradients and update - and the same losses for a hundred steps, bit for bit.
#include <gtest/gtest.h>

#include <cfloat>

#include "trivium/engine/compile/compile.h"
#include "trivium/engine/graph/text.h"
#include "trivium/nn.h"
#include "trivium/notations/caffe/prototxt.h"
#include "trivium/notations/caffe/solver.h"

namespace trivium {
namespace {

namespace F = nn::functional;

constexpr int64_t kBatch = 16;

const char* kNet = R"(
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

/// The same net as code. Where the originals really differ the code says which way it goes: a NaN
/// in a pooling window is the maximum in PyTorch and passed over in Caffe; Caffe's loss takes
/// labels as floats and counts a probability as at least FLT_MIN.
struct LeNet {
  std::vector<nn::Tensor> parameters;  // weight and bias of conv1, conv2, ip1, ip2
  bool as_caffe = false;

  nn::Tensor pool(const nn::Tensor& x) const {
    return F::max_pool2d(x, 2, {}, 0, 1, false, !as_caffe);
  }
  nn::Tensor scores(const nn::Tensor& x) const {
    const auto& p = parameters;
    nn::Tensor h = pool(F::conv2d(x, p[0], p[1]));
    h = pool(F::conv2d(h, p[2], p[3]));
    h = F::relu(F::linear(h.flatten(1), p[4], p[5]));
    return F::linear(h, p[6], p[7]);
  }
  nn::Tensor loss(const nn::Tensor& x, const nn::Tensor& labels) const {
    return as_caffe ? F::floored_cross_entropy(scores(x), labels, FLT_MIN)
                    : F::cross_entropy(scores(x), labels);
  }
};

/// What a notation gives to the compiler, as canonical text.
class Seen {
 public:
  std::vector<std::string> texts;

 private:
  compile::Watch watch_{[this](const Graph& graph, const std::vector<Value>& fetches) {
    std::vector<Value> once;
    for (const Value& v : fetches)
      if (std::find(once.begin(), once.end(), v) == once.end()) once.push_back(v);
    texts.push_back(canonical_text(graph, once));
  }};
};

/// The net in a Caffe solver, and as code with the same parameters and batch.
struct Both {
  std::unique_ptr<caffe::Solver> solver;
  float caffe_loss = 0;  // of the last step
  LeNet code;
  nn::Tensor images, labels;  // labels as Caffe has them, floats

  explicit Both(const std::string& settings) {
    start();
    caffe::SolverFile file;
    caffe::parse_prototxt("net_param {" + std::string(kNet) + "} random_seed: 7 base_lr: 0.01 " +
                              "lr_policy: \"fixed\" max_iter: 1000 " + settings,
                          "lenet_solver.prototxt", &file.solver, &file.nets);
    caffe::SolverOptions options;
    options.on_step = [this](const caffe::StepInfo& info) { caffe_loss = info.loss; };
    solver = std::make_unique<caffe::Solver>(file, options);
    for (int p : solver->net().learnable()) {
      nn::Tensor t(solver->net().params()[p].cell->value().clone());
      t.requires_grad_();
      code.parameters.push_back(t);
    }
    images = nn::rand({kBatch, 1, 28, 28});
    Array numbers(Shape{kBatch}, DType::f32);
    for (int64_t i = 0; i < kBatch; ++i) numbers.set(i, static_cast<double>(i * 7 % 10));
    labels = nn::Tensor(numbers);
    solver->net().set_input("data", images.array());
    solver->net().set_input("label", numbers);
  }
};

/// Caffe's SGD: its history holds steps, PyTorch's momentum buffer gradients, so this rule is
/// written out here.
class CaffeDescent {
 public:
  CaffeDescent(std::vector<nn::Tensor> parameters, double rate, double momentum, double decay)
      : parameters_(std::move(parameters)), rate_(rate), momentum_(momentum), decay_(decay) {
    for (const nn::Tensor& p : parameters_) history_.push_back(nn::zeros_like(p.detach()));
  }

  float step(const nn::Tensor& loss) {
    {
      const std::vector<nn::Tensor> gradients = nn::grad({loss}, parameters_);
      const nn::NoGradGuard off;
      const auto number = [](double v) { return nn::Tensor(record::number(v, DType::f32)); };
      const nn::Tensor rate = number(rate_), momentum = number(momentum_), decay = number(decay_);
      for (size_t i = 0; i < parameters_.size(); ++i) {
        const nn::Tensor g = gradients[i] + decay * parameters_[i];
        const nn::Tensor change = rate * g + momentum * history_[i];
        history_[i].assign(change);
        parameters_[i].assign(parameters_[i] - change);
      }
    }
    record::submit();
    return static_cast<float>(loss.item());
  }

 private:
  std::vector<nn::Tensor> parameters_, history_;
  double rate_, momentum_, decay_;
};

TEST(Agreement, ATrainingStepOfLeNetIsOneGraph) {
  Both both("momentum: 0.9 weight_decay: 0.0005");
  both.code.as_caffe = true;
  Seen seen;
  both.solver->step(1);
  CaffeDescent descent(both.code.parameters, 0.01, 0.9, 0.0005);
  descent.step(both.code.loss(both.images, both.labels));
  ASSERT_EQ(seen.texts.size(), 2u);
  EXPECT_EQ(seen.texts[1], seen.texts[0]);
  EXPECT_NE(seen.texts[0].find("conv_bwd_weights("), std::string::npos);
  EXPECT_NE(seen.texts[0].find("assign @15 = "), std::string::npos);  // 8 parameters, 8 histories
}

TEST(Agreement, AHundredStepsGiveTheSameBits) {
  Both both("momentum: 0.9 weight_decay: 0.0005");
  both.code.as_caffe = true;
  CaffeDescent descent(both.code.parameters, 0.01, 0.9, 0.0005);
  for (int step = 0; step < 100; ++step) {
    both.solver->step(1);
    ASSERT_EQ(descent.step(both.code.loss(both.images, both.labels)), both.caffe_loss)
        << "step " << step;
  }
  EXPECT_LT(both.caffe_loss, 1.0f);
}

/// PyTorch's own loss, pooling and optimizer: without momentum its SGD is Caffe's.
TEST(Agreement, AHundredStepsOfTheOrdinaryProgramGiveTheSameBits) {
  Both both("");
  optim::SGD descent(both.code.parameters, {.lr = 0.01});
  const nn::Tensor labels = both.labels.to(DType::i64);
  for (int step = 0; step < 100; ++step) {
    both.solver->step(1);
    const nn::Tensor loss = both.code.loss(both.images, labels);
    descent.zero_grad();
    loss.backward();
    descent.step();
    ASSERT_EQ(static_cast<float>(loss.item()), both.caffe_loss) << "step " << step;
  }
  EXPECT_LT(both.caffe_loss, 2.0f);
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

/// The ordinary program's scores, loss and gradients differ from Caffe's in what the originals
/// differ in, and in nothing else. (Before an update, nn's parameters are inputs of the graph.)
TEST(Agreement, TheOrdinaryProgramDiffersInThreeFacts) {
  Both both("");
  caffe::Net& net = both.solver->net();
  std::vector<Value> wanted = {net.loss()};
  for (const Value& g : net.param_gradients()) wanted.push_back(g);
  std::string caffe = canonical_text(net.graph(), wanted);
  for (int i = 0; i < 8; ++i) caffe = replaced(caffe, fmt::format("cell @{} ", i), "input ");

  const nn::Tensor labels = both.labels.to(DType::i64);
  labels.array();
  const nn::Tensor loss = both.code.loss(both.images, labels);
  std::vector<record::Var> vars = {loss};
  for (const nn::Tensor& g : nn::grad({loss}, both.code.parameters)) vars.push_back(g);
  Graph graph;
  std::string code = canonical_text(graph, record::trace(graph, vars));
  EXPECT_NE(code, caffe);
  code = replaced(code, "nan_wins=true", "nan_wins=false");
  code = replaced(code, "floor=0.0", fmt::format("floor={}", double{FLT_MIN}));
  code = replaced(code, "input : int64[16]", "input : float32[16]");
  EXPECT_EQ(code, caffe);
}

}  // namespace
}  // namespace trivium
