// Inception blocks of four branches, and the net made of them.
#include "trivium/models/googlenet.h"

#include "trivium/notations/nn/init.h"

namespace trivium::models {

using namespace nn;  // NOLINT: models are written in its words

namespace {

struct BasicConv2d : Module {
  explicit BasicConv2d(ConvOptions o)
      : conv(add("conv", Conv2d((o.bias = false, o)))),
        bn(add("bn", BatchNorm2d(o.out, {.eps = 1e-3}))) {}
  Tensor forward(const Tensor& x) override { return bn(conv(x)).relu(); }
  Conv2d conv;
  BatchNorm2d bn;
};

BasicConv2d unit(int64_t in, int64_t out, int64_t kernel, int64_t padding = 0, int64_t stride = 1) {
  return BasicConv2d(
      {.in = in, .out = out, .kernel = kernel, .stride = stride, .padding = padding});
}

/// Channels of the branches: b1; b2 reduced, out; b3 reduced, out; b4.
struct Widths {
  const char* name;
  int64_t in, b1, b2r, b2, b3r, b3, b4;
};

struct Inception : Module {
  explicit Inception(const Widths& w)
      : branch1(add("branch1", unit(w.in, w.b1, 1))),
        branch2(add("branch2", Sequential{unit(w.in, w.b2r, 1), unit(w.b2r, w.b2, 3, 1)})),
        branch3(add("branch3", Sequential{unit(w.in, w.b3r, 1), unit(w.b3r, w.b3, 3, 1)})),
        branch4(add("branch4", Sequential{MaxPool2d(3, 1, {.padding = 1, .ceil_mode = true}),
                                          unit(w.in, w.b4, 1)})) {}
  Tensor forward(const Tensor& x) override {
    return cat({branch1(x), branch2(x), branch3(x), branch4(x)}, 1);
  }
  BasicConv2d branch1;
  Sequential branch2, branch3, branch4;
};

struct Auxiliary : Module {
  Auxiliary(int64_t in, int64_t classes, double dropout)
      : conv(add("conv", unit(in, 128, 1))),
        fc1(add("fc1", Linear(2048, 1024))),
        fc2(add("fc2", Linear(1024, classes))),
        drop(add("dropout", Dropout(dropout))) {}
  Tensor forward(const Tensor& x) override {
    const Tensor y = conv(functional::adaptive_avg_pool2d(x, {4, 4})).flatten(1);
    return fc2(drop(fc1(y).relu()));
  }
  BasicConv2d conv;
  Linear fc1, fc2;
  Dropout drop;
};

constexpr Widths kBlocks[] = {
    {"inception3a", 192, 64, 96, 128, 16, 32, 32},
    {"inception3b", 256, 128, 128, 192, 32, 96, 64},
    {"maxpool3", 3, 0, 0, 0, 0, 0, 0},  // a pooling of that kernel
    {"inception4a", 480, 192, 96, 208, 16, 48, 64},
    {"inception4b", 512, 160, 112, 224, 24, 64, 64},
    {"inception4c", 512, 128, 128, 256, 24, 64, 64},
    {"inception4d", 512, 112, 144, 288, 32, 64, 64},
    {"inception4e", 528, 256, 160, 320, 32, 128, 128},
    {"maxpool4", 2, 0, 0, 0, 0, 0, 0},
    {"inception5a", 832, 256, 160, 320, 32, 128, 128},
    {"inception5b", 832, 384, 192, 384, 48, 128, 128},
};

/// Registers the layers with the net.
std::vector<ModulePtr> body_of(GoogLeNet& net) {
  std::vector<ModulePtr> body;
  const auto put = [&](const char* name, auto layer) {
    body.push_back(std::make_shared<decltype(layer)>(net.add(name, layer)));
  };
  put("conv1", unit(3, 64, 7, 3, 2));
  put("maxpool1", MaxPool2d(3, 2, {.ceil_mode = true}));
  put("conv2", unit(64, 64, 1));
  put("conv3", unit(64, 192, 3, 1));
  put("maxpool2", MaxPool2d(3, 2, {.ceil_mode = true}));
  for (const Widths& w : kBlocks) {
    if (w.b1 == 0)
      put(w.name, MaxPool2d(w.in, 2, {.ceil_mode = true}));
    else
      put(w.name, Inception(w));
  }
  return body;
}

constexpr size_t k4a = 8, k4d = 11;  // positions in the body

ModulePtr auxiliary(GoogLeNet& net, const char* name, int64_t in) {
  if (!net.options.aux_logits) return nullptr;
  return std::make_shared<Auxiliary>(
      net.add(name, Auxiliary(in, net.options.num_classes, net.options.dropout_aux)));
}

Tensor transformed(const Tensor& x) {
  const Tensor scale = tensor({0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5}).to(x.dtype());
  const Tensor shift =
      tensor({(0.485 - 0.5) / 0.5, (0.456 - 0.5) / 0.5, (0.406 - 0.5) / 0.5}).to(x.dtype());
  return x * scale.view({1, 3, 1, 1}) + shift.view({1, 3, 1, 1});
}

}  // namespace

GoogLeNet::GoogLeNet(const GoogLeNetOptions& o)
    : options(o),
      body(body_of(*this)),
      aux1(auxiliary(*this, "aux1", 512)),
      aux2(auxiliary(*this, "aux2", 528)),
      avgpool(add("avgpool", AdaptiveAvgPool2d({1, 1}))),
      dropout(add("dropout", Dropout(o.dropout))),
      fc(add("fc", Linear(1024, o.num_classes))) {
  if (!o.init_weights) return;
  for (Module* m : modules()) {
    if (auto* c = dynamic_cast<Conv2d*>(m)) init::trunc_normal_(c->weight, 0, 0.01, -2, 2);
    if (auto* l = dynamic_cast<Linear*>(m)) init::trunc_normal_(l->weight, 0, 0.01, -2, 2);
  }
}

GoogLeNetResult GoogLeNet::compute(const Tensor& input) {
  GoogLeNetResult out;
  Tensor x = options.transform_input ? transformed(input) : input;
  for (size_t i = 0; i < body.size(); ++i) {
    x = (*body[i])(x);
    if (!is_training()) continue;
    if (aux1 && i == k4a) out.aux_logits1 = (*aux1)(x);
    if (aux2 && i == k4d) out.aux_logits2 = (*aux2)(x);
  }
  out.logits = fc(dropout(avgpool(x).flatten(1)));
  return out;
}

}  // namespace trivium::models
