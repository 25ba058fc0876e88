// Training runs followed loss by loss: the recorded values are PyTorch's with the same seed, so
// initial draws, layers, gradients and optimizers all have to agree.
#include <gtest/gtest.h>

#include "trivium/nn.h"

namespace trivium::nn {
namespace {

namespace F = functional;

class Traces : public testing::Test {
 protected:
  static void SetUpTestSuite() { start(); }
};

void expect_close(double value, double expected, double relative, const std::string& where) {
  EXPECT_NEAR(value, expected, relative * std::abs(expected)) << where;
}

/// The two-layer net of the first page: Adam's step, then a plain one with the same gradients.
TEST_F(Traces, TwoLayerNetWithTwoUpdates) {
  struct Golden {
    int seed;
    double losses[6];
  };
  const int steps[6] = {0, 1, 2, 10, 50, 100};
  const Golden golden[] = {
      {0, {628.283936, 570.317444, 520.472168, 274.416168, 6.749297, 0.070048}},
      {1, {691.524231, 625.654846, 569.620300, 297.310242, 4.365288, 0.004783}},
      {2, {698.191711, 626.247070, 566.482666, 292.193451, 6.184448, 0.067340}}};
  for (const Golden& g : golden) {
    manual_seed(g.seed);
    const Tensor x = randn({64, 1000}), y = randn({64, 10});
    auto model = Sequential{Linear(1000, 100), ReLU(), Linear(100, 10)};
    auto adam = optim::Adam(model.parameters(), {.lr = 1e-4});
    int next = 0;
    for (int t = 0; t <= 100; ++t) {
      const Tensor loss = mse_loss(model(x), y, Reduction::sum);
      if (t == steps[next])
        expect_close(loss.item(), g.losses[next++], t <= 10 ? 1e-5 : 1e-3,
                     fmt::format("seed {} step {}", g.seed, t));
      model.zero_grad();
      loss.backward();
      adam.step();
      for (const Tensor& p : model.parameters()) p.data().sub_(p.grad().data() * 1e-4);
    }
  }
}

void follow_two_layers(optim::Optimizer& opt, Module& model, const Tensor& x, const Tensor& y,
                       const std::vector<std::pair<int, double>>& golden) {
  size_t next = 0;
  for (int t = 0; next < golden.size(); ++t) {
    const Tensor loss = mse_loss(model(x), y, Reduction::sum);
    if (t == golden[next].first) {
      expect_close(loss.item(), golden[next].second, t <= 10 ? 1e-5 : 1e-3, std::to_string(t));
      ++next;
    }
    opt.zero_grad();
    loss.backward();
    opt.step();
  }
}

TEST_F(Traces, TwoLayerNetWithSGDAndAdam) {
  manual_seed(0);
  const Tensor x = randn({64, 1000}), y = randn({64, 10});
  const TorchGenerator here = random::default_generator();
  auto a = Sequential{Linear(1000, 100), ReLU(), Linear(100, 10)};
  optim::SGD sgd(a.parameters(), {.lr = 1e-4});
  follow_two_layers(
      sgd, a, x, y,
      {{0, 628.283936}, {1, 584.959229}, {10, 345.386536}, {50, 36.525295}, {100, 3.428789}});
  random::default_generator() = here;
  auto b = Sequential{Linear(1000, 100), ReLU(), Linear(100, 10)};
  optim::Adam adam(b.parameters(), {.lr = 1e-4});
  follow_two_layers(
      adam, b, x, y,
      {{0, 628.283936}, {1, 612.487427}, {10, 487.932922}, {50, 182.725204}, {100, 41.635094}});
}

struct MnistNet : Module {
  Conv2d conv1 = add("conv1", Conv2d(1, 32, 3)), conv2 = add("conv2", Conv2d(32, 64, 3));
  Dropout dropout1 = add("dropout1", Dropout(0.25)), dropout2 = add("dropout2", Dropout(0.5));
  Linear fc1 = add("fc1", Linear(9216, 128)), fc2 = add("fc2", Linear(128, 10));
  Tensor forward(const Tensor& x) override {
    Tensor h = conv2(conv1(x).relu()).relu();
    h = dropout1(F::max_pool2d(h, 2)).flatten(1);
    return fc2(dropout2(fc1(h).relu())).log_softmax(1);
  }
};

TEST_F(Traces, ConvolutionalNet) {
  manual_seed(1);
  MnistNet net;
  const Tensor x = randn({16, 1, 28, 28}), y = randint(0, 10, {16});
  optim::Adadelta opt(net.parameters(), {.lr = 1});
  for (const double golden : {2.343805, 2.793309, 2.216364, 2.045456, 1.792886, 1.452027}) {
    opt.zero_grad();
    const Tensor loss = nll_loss(net(x), y);
    loss.backward();
    opt.step();
    expect_close(loss.item(), golden, 1e-4, "");
  }
  net.eval();
  NoGradGuard off;
  expect_close(nll_loss(net(x), y, {}, -100, Reduction::sum).item(), 20.1432, 1e-4, "eval");
}

void dcgan_weights(Module& m) {
  if (m.type_name().find("Conv") != std::string::npos) {
    init::normal_(m.get_parameter("weight"), 0.0, 0.02);
  } else if (m.type_name().find("BatchNorm") != std::string::npos) {
    init::normal_(m.get_parameter("weight"), 1.0, 0.02);
    init::zeros_(m.get_parameter("bias"));
  }
}

TEST_F(Traces, GenerativeAdversarialNet) {
  manual_seed(1);
  const auto up = [](int64_t in, int64_t out, int64_t stride, int64_t padding) {
    return ConvTranspose2d(
        {.in = in, .out = out, .kernel = 4, .stride = stride, .padding = padding, .bias = false});
  };
  const auto down = [](int64_t in, int64_t out, int64_t stride, int64_t padding) {
    return Conv2d(
        {.in = in, .out = out, .kernel = 4, .stride = stride, .padding = padding, .bias = false});
  };
  auto g = Sequential{up(10, 16, 1, 0), BatchNorm2d(16), ReLU(true),     up(16, 8, 2, 1),
                      BatchNorm2d(8),   ReLU(true),      up(8, 3, 2, 1), Tanh()};
  g.apply(dcgan_weights);
  auto d =
      Sequential{down(3, 8, 2, 1),     LeakyReLU(0.2, true), down(8, 16, 2, 1), BatchNorm2d(16),
                 LeakyReLU(0.2, true), down(16, 1, 1, 0),    Sigmoid()};
  d.apply(dcgan_weights);
  const Tensor real = rand({8, 3, 16, 16}) * 2 - 1;
  optim::Adam opt_d(d.parameters(), {.lr = 2e-3, .betas = {0.5, 0.999}});
  optim::Adam opt_g(g.parameters(), {.lr = 2e-3, .betas = {0.5, 0.999}});
  BCELoss criterion;
  const double err_d[] = {1.51385, 1.3011, 1.230078, 1.196131, 1.157185};
  const double err_g[] = {.7085901, .6707607, .6282655, .6146261, .6383352};
  for (int t = 0; t < 5; ++t) {
    d.zero_grad();
    const Tensor label = full({8}, 1.0);
    const Tensor on_real = criterion(d(real).view({-1}), label);
    on_real.backward();
    const Tensor fake = g(randn({8, 10, 1, 1}));
    label.fill_(0);
    const Tensor on_fake = criterion(d(fake.detach()).view({-1}), label);
    on_fake.backward();
    opt_d.step();
    g.zero_grad();
    label.fill_(1);
    const Tensor fooled = criterion(d(fake).view({-1}), label);
    fooled.backward();
    opt_g.step();
    expect_close((on_real + on_fake).item(), err_d[t], 1e-4, fmt::format("errD {}", t));
    expect_close(fooled.item(), err_g[t], 1e-4, fmt::format("errG {}", t));
  }
}

TEST_F(Traces, LanguageModel) {
  manual_seed(1);
  Embedding emb(20, 8);
  LSTM rnn(8, 8, 2, {.dropout = 0.2});
  Linear dec(8, 20);
  dec.weight = emb.weight;
  init::uniform_(emb.weight, -0.1, 0.1);
  init::zeros_(dec.bias);
  Dropout drop(0.2);
  const Tensor data = randint(0, 20, {6, 4}), target = randint(0, 20, {6, 4});
  LSTMState h{zeros({2, 4, 8}), zeros({2, 4, 8})};
  Tensors params{emb.weight};
  for (const Tensor& p : rnn.parameters()) params.push_back(p);
  params.push_back(dec.bias);
  Tensor norm;
  for (const double golden : {3.000496, 2.611169, 2.821351, 2.729712, 2.844893}) {
    for (Tensor& p : params) p.set_grad({});
    h = {h.h.detach(), h.c.detach()};
    auto [o, next] = rnn(drop(emb(data)), h);
    h = next;
    const Tensor loss = nll_loss(log_softmax(dec(drop(o)).view({-1, 20}), 1), target.view({-1}));
    loss.backward();
    norm = utils::clip_grad_norm_(params, 0.25);
    NoGradGuard off;
    for (const Tensor& p : params) p.add_(p.grad(), -20);
    expect_close(loss.item(), golden, 1e-4, "");
  }
  expect_close(norm.item(), 0.1977402, 1e-4, "norm");
}

TEST_F(Traces, Transformer) {
  manual_seed(1);
  TransformerEncoder tr(TransformerEncoderLayer(16, 2, {.dim_feedforward = 32, .dropout = 0.1}), 2);
  const Tensor x = randn({5, 3, 16});
  optim::AdamW opt(tr.parameters(), {.lr = 1e-2});
  const Tensor mask = Transformer::generate_square_subsequent_mask(5);
  for (const double golden : {.6561731, .5835546, .494656, .4522562, .4229012}) {
    opt.zero_grad();
    const Tensor loss = smooth_l1_loss(tr(x, mask), x.flip(0));
    loss.backward();
    opt.step();
    expect_close(loss.item(), golden, 1e-4, "");
  }
}

}  // namespace
}  // namespace trivium::nn
