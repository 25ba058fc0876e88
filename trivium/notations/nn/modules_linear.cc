// Linear, Bilinear, Embedding: parameters and their draws.
#include "trivium/notations/nn/modules_linear.h"

#include <cmath>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/functional.h"
#include "trivium/notations/nn/init.h"

namespace trivium::nn {

namespace F = functional;

Linear::Linear(const LinearOptions& o)
    : options(o),
      weight(parameter("weight", empty({o.out, o.in}, {.dtype = o.dtype}))),
      bias(parameter("bias", o.bias ? empty({o.out}, {.dtype = o.dtype}) : Tensor())) {
  if (weight.numel() > 0) init::kaiming_uniform_(weight, std::sqrt(5.0));
  const double bound = o.in > 0 ? 1 / std::sqrt(static_cast<double>(o.in)) : 0;
  if (bias.defined()) init::uniform_(bias, -bound, bound);
}

Tensor Linear::forward(const Tensor& x) { return F::linear(x, weight, bias); }

std::string Linear::extra_repr() const {
  return fmt::format("in_features={}, out_features={}, bias={}", options.in, options.out,
                     python_text(options.bias));
}

Bilinear::Bilinear(int64_t in1, int64_t in2, int64_t out, bool with_bias)
    : in1(in1),
      in2(in2),
      out(out),
      weight(parameter("weight", empty({out, in1, in2}))),
      bias(parameter("bias", with_bias ? empty({out}) : Tensor())) {
  if (in1 <= 0) raise<ValueError>("Bilinear: expected in1 > 0, received {}", in1);
  const double bound = 1 / std::sqrt(static_cast<double>(in1));
  init::uniform_(weight, -bound, bound);
  if (bias.defined()) init::uniform_(bias, -bound, bound);
}

Tensor Bilinear::forward(const Tensor& x1, const Tensor& x2) {
  return F::bilinear(x1, x2, weight, bias);
}

Tensor Bilinear::operator()(const Tensor& x1, const Tensor& x2) {
  return run({x1, x2}, [this](const Tensors& a) { return Tensors{forward(a[0], a[1])}; })[0];
}

std::string Bilinear::extra_repr() const {
  return fmt::format("in1_features={}, in2_features={}, out_features={}, bias={}", in1, in2, out,
                     python_text(bias.defined()));
}

namespace {

EmbeddingOptions checked(EmbeddingOptions o) {
  if (!o.padding_idx) return o;
  const int64_t at = *o.padding_idx < 0 ? *o.padding_idx + o.num : *o.padding_idx;
  if (at < 0 || at >= o.num)
    raise<ValueError>("Embedding: padding_idx {} is not one of {} rows", *o.padding_idx, o.num);
  o.padding_idx = at;
  return o;
}

EmbeddingOptions sized(EmbeddingOptions o, int64_t num, int64_t dim) {
  o.num = num;
  o.dim = dim;
  return o;
}

}  // namespace

Embedding::Embedding(const EmbeddingOptions& o)
    : options(checked(o)), weight(parameter("weight", empty({o.num, o.dim}, {.dtype = o.dtype}))) {
  init::normal_(weight);
  NoGradGuard no_grad;
  if (options.padding_idx) weight.select(0, *options.padding_idx).fill_(0);
}

Embedding::Embedding(int64_t num, int64_t dim, EmbeddingOptions rest)
    : Embedding(sized(rest, num, dim)) {}

Embedding::Embedding(const EmbeddingOptions& o, const Tensor& rows)
    : options(checked(o)), weight(parameter("weight", rows)) {}

Embedding Embedding::from_pretrained(const Tensor& weight, bool freeze, EmbeddingOptions rest) {
  if (weight.dim() != 2)
    raise<ValueError>("Embedding: expected rows [num, dim], received {}", weight.shape().text());
  Embedding out(sized(rest, weight.size(0), weight.size(1)), weight.detach());
  out.weight.requires_grad_(!freeze);
  return out;
}

Tensor Embedding::forward(const Tensor& x) {
  return F::embedding(x, weight, options.padding_idx, options.max_norm, options.norm_type,
                      options.scale_grad_by_freq, options.sparse);
}

std::string Embedding::extra_repr() const {
  std::string out = fmt::format("{}, {}", options.num, options.dim);
  if (options.padding_idx) out += fmt::format(", padding_idx={}", *options.padding_idx);
  if (options.max_norm) out += ", max_norm=" + python_text(*options.max_norm);
  if (options.norm_type != 2) out += ", norm_type=" + python_text(options.norm_type);
  if (options.scale_grad_by_freq) out += ", scale_grad_by_freq=True";
  if (options.sparse) out += ", sparse=True";
  return out;
}

EmbeddingBag::EmbeddingBag(const EmbeddingBagOptions& o)
    : options(o), weight(parameter("weight", empty({o.num, o.dim}))) {
  init::normal_(weight);
  NoGradGuard no_grad;
  if (o.padding_idx) weight.select(0, *o.padding_idx).fill_(0);
}

EmbeddingBag::EmbeddingBag(int64_t num, int64_t dim, EmbeddingBagOptions rest)
    : EmbeddingBag(EmbeddingBagOptions{num, dim, rest.mode, rest.padding_idx}) {}

Tensor EmbeddingBag::forward(const Tensor& x) { return forward(x, Tensor()); }

Tensor EmbeddingBag::forward(const Tensor& x, const Tensor& offsets,
                             const Tensor& per_sample_weights) {
  return F::embedding_bag(x, weight, offsets, options.mode, per_sample_weights,
                          options.padding_idx);
}

Tensor EmbeddingBag::operator()(const Tensor& x, const Tensor& offsets,
                                const Tensor& per_sample_weights) {
  return run({x, offsets, per_sample_weights},
             [this](const Tensors& a) { return Tensors{forward(a[0], a[1], a[2])}; })[0];
}

std::string EmbeddingBag::extra_repr() const {
  std::string out = fmt::format("{}, {}, mode='{}'", options.num, options.dim, options.mode);
  if (options.padding_idx) out += fmt::format(", padding_idx={}", *options.padding_idx);
  return out;
}

std::string Flatten::extra_repr() const {
  return fmt::format("start_dim={}, end_dim={}", start, end);
}

std::string Unflatten::extra_repr() const {
  return fmt::format("dim={}, unflattened_size={}", dim, python_text(sizes));
}

}  // namespace trivium::nn
