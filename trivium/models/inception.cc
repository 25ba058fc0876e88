// The five kinds of inception block are tables: branches of convolutions one after another, of
// which two may part at the end, and a pooling.
#include "trivium/models/inception.h"

#include "trivium/notations/nn/init.h"

namespace trivium::models {

using namespace nn;  // NOLINT: models are written in its words

namespace {

/// A convolution of a table; at stride 1 it is padded to keep the size unless `pad` says no.
struct Unit {
  const char* name;
  int64_t out, high = 1, wide = 1, stride = 1;
  bool pad = true;
};

struct BasicConv2d : Module {
  BasicConv2d(int64_t in, const Unit& u)
      : conv(add("conv", Conv2d({.in = in,
                                 .out = u.out,
                                 .kernel = Dims{u.high, u.wide},
                                 .stride = u.stride,
                                 .padding = padding(u),
                                 .bias = false}))),
        bn(add("bn", BatchNorm2d(u.out, {.eps = 1e-3}))) {}
  static Dims padding(const Unit& u) {
    return u.pad && u.stride == 1 ? Dims{(u.high - 1) / 2, (u.wide - 1) / 2} : Dims{0, 0};
  }
  Tensor forward(const Tensor& x) override { return bn(conv(x)).relu(); }
  Conv2d conv;
  BatchNorm2d bn;
};

/// fork: the last two units both read what comes before them.
struct Branch {
  std::vector<Unit> units;
  bool fork = false;
};

struct Inception : Module {
  /// pool_out 0: the maximum at stride 2; else the mean at stride 1 and a convolution.
  Inception(int64_t in, const std::vector<Branch>& branches, int64_t pool_out) {
    for (const Branch& branch : branches) {
      std::vector<BasicConv2d> row;
      int64_t channels = in, before = in;
      for (size_t i = 0; i < branch.units.size(); ++i) {
        const bool second = branch.fork && i + 1 == branch.units.size();
        const Unit& unit = branch.units[i];
        row.push_back(add(unit.name, BasicConv2d(second ? before : channels, unit)));
        before = channels;
        channels = unit.out;
      }
      rows.push_back(row);
      forks.push_back(branch.fork);
    }
    if (pool_out > 0)
      pool = std::make_shared<BasicConv2d>(
          add("branch_pool", BasicConv2d(in, {"branch_pool", pool_out})));
  }
  Tensor forward(const Tensor& x) override {
    std::vector<Tensor> parts;
    for (size_t r = 0; r < rows.size(); ++r) {
      Tensor y = x;
      const size_t plain = rows[r].size() - (forks[r] ? 2 : 0);
      for (size_t i = 0; i < plain; ++i) y = rows[r][i](y);
      if (forks[r])
        for (size_t i = plain; i < rows[r].size(); ++i) parts.push_back(rows[r][i](y));
      else
        parts.push_back(y);
    }
    parts.push_back(pool ? (*pool)(functional::avg_pool2d(x, 3, 1, 1))
                         : functional::max_pool2d(x, 3, 2));
    return cat(parts, 1);
  }
  std::vector<std::vector<BasicConv2d>> rows;
  std::vector<bool> forks;
  ModulePtr pool;
};

Inception block_a(int64_t in, int64_t pool) {
  return {in,
          {{{{"branch1x1", 64}}},
           {{{"branch5x5_1", 48}, {"branch5x5_2", 64, 5, 5}}},
           {{{"branch3x3dbl_1", 64}, {"branch3x3dbl_2", 96, 3, 3}, {"branch3x3dbl_3", 96, 3, 3}}}},
          pool};
}

Inception block_b(int64_t in) {
  return {
      in,
      {{{{"branch3x3", 384, 3, 3, 2}}},
       {{{"branch3x3dbl_1", 64}, {"branch3x3dbl_2", 96, 3, 3}, {"branch3x3dbl_3", 96, 3, 3, 2}}}},
      0};
}

Inception block_c(int64_t in, int64_t c7) {
  return {in,
          {{{{"branch1x1", 192}}},
           {{{"branch7x7_1", c7}, {"branch7x7_2", c7, 1, 7}, {"branch7x7_3", 192, 7, 1}}},
           {{{"branch7x7dbl_1", c7},
             {"branch7x7dbl_2", c7, 7, 1},
             {"branch7x7dbl_3", c7, 1, 7},
             {"branch7x7dbl_4", c7, 7, 1},
             {"branch7x7dbl_5", 192, 1, 7}}}},
          192};
}

Inception block_d(int64_t in) {
  return {in,
          {{{{"branch3x3_1", 192}, {"branch3x3_2", 320, 3, 3, 2}}},
           {{{"branch7x7x3_1", 192},
             {"branch7x7x3_2", 192, 1, 7},
             {"branch7x7x3_3", 192, 7, 1},
             {"branch7x7x3_4", 192, 3, 3, 2}}}},
          0};
}

Inception block_e(int64_t in) {
  return {in,
          {{{{"branch1x1", 320}}},
           {{{"branch3x3_1", 384}, {"branch3x3_2a", 384, 1, 3}, {"branch3x3_2b", 384, 3, 1}}, true},
           {{{"branch3x3dbl_1", 448},
             {"branch3x3dbl_2", 384, 3, 3},
             {"branch3x3dbl_3a", 384, 1, 3},
             {"branch3x3dbl_3b", 384, 3, 1}},
            true}},
          192};
}

struct Auxiliary : Module {
  Auxiliary(int64_t in, int64_t classes)
      : conv0(add("conv0", BasicConv2d(in, {"conv0", 128}))),
        conv1(add("conv1", BasicConv2d(128, {"conv1", 768, 5, 5, 1, false}))),
        fc(add("fc", Linear(768, classes))) {}
  Tensor forward(const Tensor& x) override {
    const Tensor y = conv1(conv0(functional::avg_pool2d(x, 5, 3)));
    return fc(functional::adaptive_avg_pool2d(y, {1, 1}).flatten(1));
  }
  BasicConv2d conv0, conv1;
  Linear fc;
};

constexpr size_t kMixed6e = 14;  // position in the body; the second classifier reads it

/// Registers the layers with the net; the second classifier comes where torchvision draws it.
std::vector<ModulePtr> body_of(InceptionV3& net) {
  std::vector<ModulePtr> body;
  const auto put = [&](const char* name, auto layer) {
    body.push_back(std::make_shared<decltype(layer)>(net.add(name, layer)));
  };
  const auto stem = [&](int64_t in, const Unit& u) { put(u.name, BasicConv2d(in, u)); };
  stem(3, {"Conv2d_1a_3x3", 32, 3, 3, 2});
  stem(32, {"Conv2d_2a_3x3", 32, 3, 3, 1, false});
  stem(32, {"Conv2d_2b_3x3", 64, 3, 3});
  put("maxpool1", MaxPool2d(3, 2));
  stem(64, {"Conv2d_3b_1x1", 80});
  stem(80, {"Conv2d_4a_3x3", 192, 3, 3, 1, false});
  put("maxpool2", MaxPool2d(3, 2));
  put("Mixed_5b", block_a(192, 32));
  put("Mixed_5c", block_a(256, 64));
  put("Mixed_5d", block_a(288, 64));
  put("Mixed_6a", block_b(288));
  put("Mixed_6b", block_c(768, 128));
  put("Mixed_6c", block_c(768, 160));
  put("Mixed_6d", block_c(768, 160));
  put("Mixed_6e", block_c(768, 192));
  if (net.options.aux_logits)
    net.aux =
        std::make_shared<Auxiliary>(net.add("AuxLogits", Auxiliary(768, net.options.num_classes)));
  put("Mixed_7a", block_d(768));
  put("Mixed_7b", block_e(1280));
  put("Mixed_7c", block_e(2048));
  return body;
}

Tensor transformed(const Tensor& x) {
  const Tensor scale = tensor({0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5}).to(x.dtype());
  const Tensor shift =
      tensor({(0.485 - 0.5) / 0.5, (0.456 - 0.5) / 0.5, (0.406 - 0.5) / 0.5}).to(x.dtype());
  return x * scale.view({1, 3, 1, 1}) + shift.view({1, 3, 1, 1});
}

}  // namespace

InceptionV3::InceptionV3(const InceptionOptions& o)
    : options(o),
      body(body_of(*this)),
      avgpool(add("avgpool", AdaptiveAvgPool2d({1, 1}))),
      dropout(add("dropout", Dropout(o.dropout))),
      fc(add("fc", Linear(2048, o.num_classes))) {
  if (!o.init_weights) return;
  for (const auto& [name, m] : named_modules()) {
    if (auto* c = dynamic_cast<Conv2d*>(m)) init::trunc_normal_(c->weight, 0, 0.1, -2, 2);
    if (auto* l = dynamic_cast<Linear*>(m))
      init::trunc_normal_(l->weight, 0, name == "AuxLogits.fc" ? 0.001 : 0.1, -2, 2);
  }
}

InceptionResult InceptionV3::compute(const Tensor& input) {
  InceptionResult out;
  Tensor x = options.transform_input ? transformed(input) : input;
  for (size_t i = 0; i < body.size(); ++i) {
    x = (*body[i])(x);
    if (i == kMixed6e && aux && is_training()) out.aux_logits = (*aux)(x);
  }
  out.logits = fc(dropout(avgpool(x).flatten(1)));
  return out;
}

}  // namespace trivium::models
