// Layers against PyTorch's: seeded construction, output and gradients, as weighted sums
// (tests/golden/torch/make_layers.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "trivium/nn.h"

namespace trivium::nn {
namespace {

struct Golden {
  double out, input_grad, parameter_grad;
};

std::map<std::string, Golden> golden() {
  std::ifstream in(std::string(TRIVIUM_SOURCE_DIR) + "/tests/golden/torch/layers.txt");
  std::map<std::string, Golden> all;
  std::string name;
  for (Golden g; in >> name >> g.out >> g.input_grad >> g.parameter_grad;) all[name] = g;
  return all;
}

double weighted(const Tensors& parts, int64_t at = 0) {
  double sum = 0;
  for (const Tensor& t : parts) {
    const Array a = t.detach().array();
    for (int64_t i = 0; i < a.count(); ++i) sum += a.at(i) * std::sin(static_cast<double>(++at));
  }
  return sum;
}

Tensor weights_like(const Tensor& y) {
  return arange(1.0, static_cast<double>(y.numel()) + 1, 1, {.dtype = float32}).sin().view_as(y);
}

class Layers : public testing::Test {
 protected:
  static void SetUpTestSuite() { start(); }

  void expect(const std::string& name, const Module& layer, const Tensor& y, const Tensors& xs) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(golden_.count(name));
    const Golden& g = golden_[name];
    (y * weights_like(y)).sum().backward();
    Tensors input_grads, grads;
    for (const Tensor& x : xs) input_grads.push_back(x.grad());
    auto named = layer.named_parameters();
    std::sort(named.begin(), named.end(),
              [](const NamedTensor& a, const NamedTensor& b) { return a.first < b.first; });
    for (const NamedTensor& p : named)
      if (p.second.grad().defined()) grads.push_back(p.second.grad());
    // float32 sums of some hundred terms of magnitude one.
    EXPECT_NEAR(weighted({y}), g.out, 2e-5 * (1 + std::abs(g.out)));
    EXPECT_NEAR(weighted(input_grads), g.input_grad, 5e-5 * (1 + std::abs(g.input_grad)));
    EXPECT_NEAR(weighted(grads), g.parameter_grad, 1e-4 * (1 + std::abs(g.parameter_grad)));
  }

  template <typename Make, typename Call>
  void check(const std::string& name, const Dims& shape, const Make& make, const Call& call) {
    manual_seed(0);
    auto layer = make();
    const Tensor x = randn(shape, {.requires_grad = true});
    expect(name, layer, call(layer, x), {x});
  }
  template <typename Make>
  void check(const std::string& name, const Dims& shape, const Make& make) {
    check(name, shape, make, [](auto& layer, const Tensor& x) { return layer(x); });
  }

  std::map<std::string, Golden> golden_ = golden();
};

TEST_F(Layers, Recurrent) {
  const auto output = [](auto& layer, const Tensor& x) { return layer(x).output; };
  check(
      "lstm", {5, 2, 3}, [] { return LSTM(3, 4, 2, {.dropout = 0.3, .bidirectional = true}); },
      output);
  check(
      "lstm_proj", {2, 4, 3}, [] { return LSTM(3, 5, 2, {.batch_first = true, .proj_size = 2}); },
      output);
  check(
      "lstm_unbatched", {5, 3}, [] { return LSTM(3, 4, 1, {.bias = false}); }, output);
  check(
      "gru", {5, 2, 3}, [] { return GRU(3, 4, 3, {.dropout = 0.5}); }, output);
  check(
      "rnn", {5, 2, 3},
      [] { return RNN(3, 4, 2, {.bidirectional = true, .nonlinearity = "relu"}); }, output);
  check("rnn_cell", {2, 3}, [] { return RNNCell(3, 4); });
  check(
      "lstm_cell", {2, 3}, [] { return LSTMCell(3, 4); },
      [](auto& layer, const Tensor& x) { return layer(x).h; });
}

TEST_F(Layers, Convolutions) {
  check("conv1d_same", {2, 2, 9},
        [] { return Conv1d(2, 4, 4, {.padding = "same", .dilation = 2}); });
  check("conv2d_groups", {2, 4, 7, 6}, [] {
    return Conv2d(4, 6, {3, 2},
                  {.stride = {2, 1}, .padding = Dims{1, 0}, .groups = 2, .bias = false});
  });
  check("conv2d_circular", {2, 2, 5, 5},
        [] { return Conv2d(2, 3, 3, {.padding = 1, .padding_mode = "circular"}); });
  check("conv2d_reflect", {2, 5, 5},
        [] { return Conv2d(2, 3, 3, {.padding = 2, .padding_mode = "reflect"}); });
  check("conv3d", {2, 2, 4, 5, 4}, [] { return Conv3d(2, 3, 2, {.stride = 2}); });
  check("convt1d", {2, 3, 5},
        [] { return ConvTranspose1d(3, 4, 3, {.stride = 2, .output_padding = 1}); });
  check("convt2d", {2, 4, 4, 5}, [] {
    return ConvTranspose2d(
        4, 6, 3, {.stride = 2, .padding = 1, .output_padding = 1, .groups = 2, .dilation = 2});
  });
  check("convt3d", {1, 2, 3, 3, 3},
        [] { return ConvTranspose3d(2, 3, 2, {.stride = 2, .bias = false}); });
  check("unfold", {1, 2, 4, 6}, [] { return Unfold({.kernel = 2, .stride = 2}); });
}

TEST_F(Layers, Pools) {
  check("maxpool_ceil", {2, 3, 6, 7},
        [] { return MaxPool2d(3, 2, {.padding = 1, .ceil_mode = true}); });
  check("maxpool3d", {1, 2, 4, 4, 5}, [] { return MaxPool3d(2); });
  check("avgpool_ceil", {2, 3, 6, 7}, [] {
    return AvgPool2d(3, 2, {.padding = 1, .ceil_mode = true, .count_include_pad = false});
  });
  check("avgpool1d", {2, 3, 8}, [] { return AvgPool1d(3, 2, {.padding = 1}); });
  check("adaptive_avg", {2, 3, 7, 5}, [] { return AdaptiveAvgPool2d({3, 2}); });
  check("adaptive_max", {2, 3, 7, 5}, [] { return AdaptiveMaxPool2d({3, 2}); });
  check("lppool", {2, 3, 4, 6}, [] { return LPPool2d(2.0, 2); });
}

TEST_F(Layers, Normalisations) {
  check("batchnorm_cumulative", {4, 3, 2, 2},
        [] { return BatchNorm2d(3, {.momentum = std::nullopt}); });
  check("instancenorm", {2, 3, 4, 4}, [] { return InstanceNorm2d(3, {.affine = true}); });
  check("groupnorm", {3, 4, 5}, [] { return GroupNorm(2, 4); });
  check("layernorm", {2, 3, 4}, [] { return LayerNorm({3, 4}); });
  check("rmsnorm", {3, 4}, [] { return RMSNorm(4); });
  check("lrn", {2, 5, 3, 3}, [] { return LocalResponseNorm(3, 0.5); });
}

TEST_F(Layers, PointwiseAndShape) {
  check("prelu", {2, 3, 4}, [] { return PReLU(3); });
  check("glu", {3, 4}, [] { return GLU(1); });
  check("mish", {3, 4}, [] { return Mish(); });
  check("dropout2d", {4, 5, 2, 2}, [] { return Dropout2d(0.4); });
  check("alpha_dropout", {4, 5}, [] { return AlphaDropout(0.3); });
  check("rrelu", {4, 5}, [] { return RReLU(); });
  check("upsample", {1, 2, 4, 6},
        [] { return Upsample({.scale_factor = {1.5}, .mode = "bilinear"}); });
  check("pixel_shuffle", {1, 8, 2, 3}, [] { return PixelShuffle(2); });
  check("reflection_pad", {1, 2, 4, 4}, [] { return ReflectionPad2d({1, 2, 0, 1}); });
}

TEST_F(Layers, Reparametrised) {
  check("weight_norm", {2, 3}, [] {
    Linear layer(3, 4);
    utils::weight_norm(layer);
    return layer;
  });
  check("spectral_norm", {2, 2, 4, 4}, [] {
    Conv2d layer(2, 3, 2);
    utils::spectral_norm(layer);
    return layer;
  });
}

TEST_F(Layers, Attention) {
  check("encoder_pre", {2, 5, 8}, [] {
    return TransformerEncoderLayer(
        8, 2,
        {.dim_feedforward = 16, .activation = "gelu", .batch_first = true, .norm_first = true});
  });
  const auto attention = [&](const std::string& name, const AttentionOptions& o) {
    manual_seed(0);
    MultiheadAttention layer(6, 2, o);
    const TensorOptions leaf{.requires_grad = true};
    const Tensor q = randn({3, 2, 6}, leaf), k = randn({4, 2, o.kdim.value_or(6)}, leaf),
                 v = randn({4, 2, o.vdim.value_or(6)}, leaf);
    const Tensor mask = tensor({0, 1, 0, 0, 0, 0, 0, 1}).view(2, 4).to(boolean);
    const auto r = layer(q, k, v, {.key_padding_mask = mask});
    expect(name, layer, cat({r.output.flatten(), r.weights.flatten()}), {q, k, v});
  };
  attention("mha", {});
  attention("mha_dims", {.bias = false, .kdim = 4, .vdim = 5});
  attention("mha_extra", {.add_bias_kv = true, .add_zero_attn = true});
  attention("mha_dropout", {.dropout = 0.4});
  manual_seed(0);
  Transformer layer({.d_model = 8,
                     .nhead = 2,
                     .num_encoder_layers = 2,
                     .num_decoder_layers = 2,
                     .dim_feedforward = 16});
  const Tensor src = randn({4, 2, 8}, {.requires_grad = true}),
               tgt = randn({3, 2, 8}, {.requires_grad = true});
  expect("transformer", layer, layer(src, tgt, {}, Transformer::generate_square_subsequent_mask(3)),
         {src, tgt});
}

}  // namespace
}  // namespace trivium::nn
