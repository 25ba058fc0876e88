// Modules: registering, state, modes, hooks, text; and the values layers start with.
#include <gtest/gtest.h>

#include "trivium/nn.h"

namespace trivium::nn {
namespace {

class Modules : public testing::Test {
 protected:
  static void SetUpTestSuite() { start(); }
};

struct Net : Module {
  Linear fc1 = add("fc1", Linear(3, 4));
  BatchNorm1d bn = add("bn", BatchNorm1d(4));
  Linear fc2 = add("fc2", Linear(4, 2, false));
  Tensor& scale = parameter("scale", ones({2}));
  Tensor forward(const Tensor& x) override { return fc2(bn(fc1(x)).relu()) * scale; }
};

std::vector<std::string> names(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> out;
  for (const NamedTensor& t : tensors) out.push_back(t.first);
  return out;
}

void expect_near(const Tensor& t, const std::vector<double>& expected, double limit) {
  const Array a = t.detach().array();
  ASSERT_GE(a.count(), static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(a.at(static_cast<int64_t>(i)), expected[i], limit) << "element " << i;
}

TEST_F(Modules, ListWhatWasRegisteredInOrder) {
  Net net;
  EXPECT_EQ(names(net.named_parameters()),
            (std::vector<std::string>{"scale", "fc1.weight", "fc1.bias", "bn.weight", "bn.bias",
                                      "fc2.weight"}));
  EXPECT_EQ(
      names(net.named_buffers()),
      (std::vector<std::string>{"bn.running_mean", "bn.running_var", "bn.num_batches_tracked"}));
  EXPECT_EQ(net.named_modules().size(), 4u);
  EXPECT_EQ(net.fc1.path(), "fc1");
  std::vector<std::string> order;
  net.apply([&](Module& m) { order.push_back(m.type_name()); });
  EXPECT_EQ(order, (std::vector<std::string>{"Linear", "BatchNorm1d", "Linear", "Net"}));
}

TEST_F(Modules, AreHandles) {
  Net net;
  Net same = net;
  same.fc1.bias.detach().fill_(7);
  EXPECT_EQ(net.get_parameter("fc1.bias").select(0, 0).item(), 7);
  same.eval();
  EXPECT_FALSE(net.is_training());
  EXPECT_FALSE(net.bn.is_training());
}

TEST_F(Modules, ShareTiedParameters) {
  struct Tied : Module {
    Embedding encoder = add("encoder", Embedding(5, 3));
    Linear decoder = add("decoder", Linear(3, 5, false));
  } net;
  net.decoder.weight = net.encoder.weight;
  EXPECT_EQ(net.parameters().size(), 1u);
  EXPECT_EQ(net.state_dict().size(), 2u) << "state dicts list every name";
  net.decoder(ones({1, 3})).sum().backward();
  EXPECT_TRUE(net.encoder.weight.grad().defined());
}

TEST_F(Modules, RefuseBadNames) {
  Module m;
  EXPECT_THROW(m.parameter("", ones({1})), UserError);
  EXPECT_THROW(m.parameter("a.b", ones({1})), UserError);
  m.buffer("x", ones({1}));
  EXPECT_THROW(m.parameter("x", ones({1})), UserError);
  EXPECT_THROW(m.add("x", ReLU()), UserError);
  EXPECT_THROW(m(ones({1})), NotImplementedError);
}

TEST_F(Modules, LoadTheirState) {
  manual_seed(3);
  Net a, b;
  const StateDict state = a.state_dict();
  EXPECT_EQ(state.size(), 9u);
  EXPECT_EQ(state.versions.at("bn"), 2);
  EXPECT_EQ(state.versions.at(""), 1);
  EXPECT_EQ(b.load_state_dict(state).text(), "<All keys matched successfully>");
  EXPECT_EQ(b.fc1.weight.to_vector<float>(), a.fc1.weight.to_vector<float>());
  EXPECT_FALSE(b.fc1.weight.same_as(a.fc1.weight));
}

TEST_F(Modules, ReportEverythingThatDoesNotFitAndChangeNothing) {
  Net net;
  StateDict state;
  state.set("scale", full({2}, 9.0));
  state.set("fc1.weight", ones({2, 2}));
  state.set("typo", ones({1}));
  try {
    net.load_state_dict(state);
    FAIL();
  } catch (const UserError& e) {
    const std::string what = e.what();
    for (const char* part : {"fc1.bias", "typo", "fc1.weight", "bn.running_var"})
      EXPECT_NE(what.find(part), std::string::npos) << part << " in " << what;
  }
  EXPECT_EQ(net.scale.select(0, 0).item(), 1);
  EXPECT_THROW(net.load_state_dict(state, false), UserError) << "sizes always matter";
  StateDict part;
  part.set("scale", full({2}, 9.0));
  EXPECT_EQ(net.load_state_dict(part, false).missing_keys.size(), 7u)
      << "a file without versions may lack num_batches_tracked";
  EXPECT_EQ(net.scale.select(0, 0).item(), 9);
}

TEST_F(Modules, ChangeDtypeKeepingParametersTheSame) {
  Net net;
  const Tensor before = net.fc1.weight;
  optim::SGD sgd(net.parameters(), {.lr = 0.1});
  net.to(float64);
  EXPECT_TRUE(net.fc1.weight.same_as(before));
  EXPECT_EQ(before.dtype(), float64);
  EXPECT_EQ(net.bn.num_batches_tracked.dtype(), int64);
  net(randn({5, 3}, {.dtype = float64})).sum().backward();
  sgd.step();
  EXPECT_THROW(net.to(int32), TypeError);
}

TEST_F(Modules, RunHooks) {
  Linear layer(2, 2);
  std::vector<std::string> order;
  const HookHandle before =
      layer.register_forward_pre_hook([&](Module&, const Tensors& args) -> std::optional<Tensors> {
        order.push_back("before");
        return Tensors{args[0] * 2};
      });
  layer.register_forward_hook(
      [&](Module&, const Tensors&, const Tensors& out) -> std::optional<Tensors> {
        order.push_back("after");
        return Tensors{out[0] + 1};
      });
  layer.register_full_backward_hook(
      [&](Module&, const Tensors& in, const Tensors& out) -> std::optional<Tensors> {
        order.push_back("backward");
        EXPECT_EQ(out[0].shape(), in[0].shape());
        return Tensors{in[0] * 0};
      });
  const Tensor x = ones({1, 2}, {.requires_grad = true});
  const Tensor y = layer(x);
  EXPECT_TRUE(y.allclose(functional::linear(x * 2, layer.weight, layer.bias) + 1));
  y.sum().backward();
  EXPECT_EQ(order, (std::vector<std::string>{"before", "after", "backward"}));
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{0, 0}));
  HookHandle(before).remove();
  EXPECT_TRUE(layer(x).allclose(functional::linear(x, layer.weight, layer.bias) + 1));
}

TEST_F(Modules, NameTheirPathInErrors) {
  struct Outer : Module {
    Sequential body = add("body", Sequential{Linear(2, 3), Linear(4, 5)});
    Tensor forward(const Tensor& x) override { return body(x); }
  } net;
  try {
    net(ones({1, 2})).eval();
    FAIL();
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("body.1"), std::string::npos) << e.what();
  }
}

TEST_F(Modules, PrintAsPyTorchDoes) {
  EXPECT_EQ(Conv2d(3, 64, 7, {.stride = 2, .padding = 3, .bias = false}).repr(),
            "Conv2d(3, 64, kernel_size=(7, 7), stride=(2, 2), padding=(3, 3), bias=False)");
  EXPECT_EQ(BatchNorm2d(64).repr(),
            "BatchNorm2d(64, eps=1e-05, momentum=0.1, affine=True, bias=True, "
            "track_running_stats=True)");
  EXPECT_EQ(GroupNorm(1, 2).repr(), "GroupNorm(1, 2, eps=1e-05, affine=True, bias=True)");
  EXPECT_EQ(LayerNorm(3).repr(), "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)");
  EXPECT_EQ(MaxPool2d(2).repr(),
            "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)");
  EXPECT_EQ(LSTM(2, 3, 2, {.batch_first = true, .dropout = 0.5}).repr(),
            "LSTM(2, 3, num_layers=2, batch_first=True, dropout=0.5)");
  EXPECT_EQ(Embedding(3, 4, {.padding_idx = 0}).repr(), "Embedding(3, 4, padding_idx=0)");
  EXPECT_EQ(Dropout().repr(), "Dropout(p=0.5, inplace=False)");
  EXPECT_EQ(ReLU(true).repr(), "ReLU(inplace=True)");
  EXPECT_EQ(MSELoss().repr(), "MSELoss()");
  EXPECT_EQ(
      (Sequential{Linear(3, 2), ReLU()}).repr(),
      "Sequential(\n  (0): Linear(in_features=3, out_features=2, bias=True)\n  (1): ReLU()\n)");
  EXPECT_EQ((ModuleList{ReLU(), ReLU()}).repr(), "ModuleList(\n  (0-1): 2 x ReLU()\n)");
}

TEST_F(Modules, ContainersBehaveLikeLists) {
  Sequential s{ReLU(), Tanh(), Sigmoid()};
  EXPECT_EQ(s[-1].type_name(), "Sigmoid");
  EXPECT_EQ(s.slice(1, 3).size(), 2);
  s.insert(1, Softplus());
  EXPECT_EQ(s[1].type_name(), "Softplus");
  EXPECT_EQ(s.pop(0)->type_name(), "ReLU");
  EXPECT_EQ(s.size(), 3);
  EXPECT_EQ((s + s).size(), 6);
  EXPECT_THROW(s[5], IndexError);
  EXPECT_THROW(s.at<ReLU>(0), TypeError);
}

TEST_F(Modules, StartWithPyTorchsValues) {
  manual_seed(0);
  const Linear linear(3, 2);
  expect_near(linear.weight, {-.00432252, .30971584, -.47518533, -.42489460, -.22236897, .15482073},
              5e-9);
  expect_near(linear.bias, {-.01143914, .45777494}, 5e-9);
  manual_seed(0);
  expect_near(Conv2d(1, 1, 2).weight, {-.00374341, .26822180, -.41152257, -.36796951}, 2e-8);
  manual_seed(0);
  expect_near(LSTM(1, 1).get_parameter("weight_ih_l0"),
              {-.00748682, .53644359, -.82304513, -.73593903}, 4e-8);
  manual_seed(0);
  const Tensor t = empty({4, 4});
  init::trunc_normal_(t, 0, 0.02);
  expect_near(t, {-.02251680, -.02304720, -.00501157, -.00867758}, 5e-9);
}

TEST_F(Modules, RecurrentLayersAgreeWithPyTorch) {
  const Tensor x = arange(6, {.dtype = float32}).view(3, 1, 2) / 10.0;
  manual_seed(0);
  expect_near(LSTM(2, 2)(x).output,
              {-.19026873, .04952681, -.24512480, .01338900, -.24792317, -.00981562}, 2e-7);
  manual_seed(0);
  expect_near(GRU(2, 2)(x).output,
              {-.25123331, -.39746082, -.46700406, -.56036800, -.61343908, -.63541532}, 2e-7);
  manual_seed(0);
  expect_near(RNN(2, 2)(x).output,
              {-.23409370, -.00392210, -.10036074, -.21967545, -.10286068, -.51287711}, 2e-7);
}

TEST_F(Modules, PackedSequencesRunLikeEachAlone) {
  manual_seed(4);
  LSTM lstm(3, 4, 2, {.bidirectional = true, .proj_size = 2});
  const Tensor x = randn({5, 3, 3});
  const std::vector<int64_t> lengths{2, 5, 3};
  const auto packed = utils::rnn::pack_padded_sequence(x, lengths, false, false);
  EXPECT_EQ(packed.batch_sizes, (std::vector<int64_t>{3, 3, 2, 1, 1}));
  const auto [out, state] = lstm(packed);
  const auto padded = utils::rnn::pad_packed_sequence(out);
  EXPECT_EQ(padded.lengths, lengths);
  for (int64_t i = 0; i < 3; ++i) {
    const auto alone = lstm(x.slice(0, 0, lengths[i]).select(1, i).unsqueeze(1));
    EXPECT_TRUE(padded.data.slice(0, 0, lengths[i])
                    .select(1, i)
                    .allclose(alone.output.squeeze(1), 1e-5, 1e-6));
    EXPECT_TRUE(state.h.select(1, i).allclose(alone.state.h.squeeze(1), 1e-5, 1e-6));
    EXPECT_TRUE(state.c.select(1, i).allclose(alone.state.c.squeeze(1), 1e-5, 1e-6));
  }
}

TEST_F(Modules, CellsAreOneStep) {
  manual_seed(5);
  GRU gru(3, 4);
  GRUCell cell(3, 4);
  cell.weight_ih = gru.get_parameter("weight_ih_l0");
  cell.weight_hh = gru.get_parameter("weight_hh_l0");
  cell.bias_ih = gru.get_parameter("bias_ih_l0");
  cell.bias_hh = gru.get_parameter("bias_hh_l0");
  const Tensor x = randn({1, 2, 3});
  EXPECT_TRUE(gru(x).h.squeeze(0).allclose(cell(x.squeeze(0)), 1e-5, 1e-6));
  EXPECT_THROW(gru(x, zeros({1, 3, 4})), UserError);
}

TEST_F(Modules, BatchNormKeepsStatistics) {
  BatchNorm1d bn(1);
  const Tensor y = bn(tensor({1, 2, 6}).view(3, 1).to(float32));
  EXPECT_NEAR(bn.running_mean.item(), 0.3, 1e-7);
  EXPECT_NEAR(bn.running_var.item(), 1.6, 1e-6);
  EXPECT_EQ(bn.num_batches_tracked.item(), 1);
  expect_near(y, {-.9258, -.4629, 1.3887}, 1e-4);
  EXPECT_THROW(bn(ones({1, 1})), ValueError);
  EXPECT_THROW(bn(ones({2})), ValueError);
}

TEST_F(Modules, AttentionWithAndWithoutWeightsAgree) {
  manual_seed(6);
  MultiheadAttention mha(8, 2);
  const Tensor x = randn({4, 3, 8}), y = randn({5, 3, 8});
  const auto with = mha(x, y, y);
  const auto without = mha(x, y, y, {.need_weights = false});
  EXPECT_EQ(with.weights.shape(), (Dims{3, 4, 5}.shape()));
  EXPECT_FALSE(without.weights.defined());
  EXPECT_TRUE(with.output.allclose(without.output, 1e-5, 1e-6));
  EXPECT_TRUE(with.weights.sum(-1).allclose(ones({3, 4}), 1e-5, 1e-6));
  EXPECT_THROW(mha(x, y, y, {.is_causal = true}), UserError);
}

TEST_F(Modules, WeightNormKeepsTheWeight) {
  manual_seed(7);
  Linear layer(3, 2);
  const Tensor x = randn({4, 3});
  const Tensor before = layer(x).detach();
  utils::weight_norm(layer);
  EXPECT_EQ(names(layer.named_parameters()),
            (std::vector<std::string>{"bias", "weight_g", "weight_v"}));
  EXPECT_TRUE(layer(x).allclose(before, 1e-5, 1e-6));
  layer(x).sum().backward();
  EXPECT_TRUE(layer.get_parameter("weight_g").grad().defined());
  utils::remove_weight_norm(layer);
  EXPECT_EQ(layer.parameters().size(), 2u);
  EXPECT_TRUE(layer(x).allclose(before, 1e-5, 1e-6));
}

TEST_F(Modules, CheckpointsComeBack) {
  manual_seed(8);
  Net net;
  optim::Adam adam(net.parameters());
  net(randn({4, 3})).sum().backward();
  adam.step();
  const std::string base = testing::TempDir() + "/trivium_module_test";
  for (const char* end : {".pth", ".safetensors"}) {
    save(net.state_dict(), base + end);
    Net other;
    const StateDict loaded = load_state_dict(base + end);
    EXPECT_EQ(other.load_state_dict(loaded).text(), "<All keys matched successfully>");
    EXPECT_EQ(other.fc1.weight.to_vector<float>(), net.fc1.weight.to_vector<float>());
    EXPECT_EQ(other.bn.num_batches_tracked.item(), 1);
    if (std::string(end) == ".pth") {
      EXPECT_EQ(loaded.versions.at("bn"), 2);
    }
  }
  save(adam.state_dict(), base + ".opt.pth");
  const optim::OptimizerState state = load_optimizer_state(base + ".opt.pth");
  ASSERT_EQ(state.param_groups.size(), 1u);
  EXPECT_EQ(state.state.size(), 6u);
  EXPECT_EQ(state.state.at(0)[0].first, "step");
  optim::Adam other(net.parameters());
  other.load_state_dict(state);
  EXPECT_EQ(other.param_groups()[0].at("betas").pair().second, 0.999);
}

}  // namespace
}  // namespace trivium::nn
