// Layers with plain matrices: Linear, Bilinear, Embedding; and the ones that only reshape.
#pragma once

#include <optional>
#include <string>

#include "trivium/notations/nn/module.h"

namespace trivium::nn {

struct LinearOptions {
  int64_t in = 0, out = 0;
  bool bias = true;
  std::optional<DType> dtype{};
};
/// [.., in] -> [.., out]; weight [out, in], bias [out], both U(+-1/sqrt(in)).
class Linear : public Module {
 public:
  explicit Linear(const LinearOptions& options);
  Linear(int64_t in, int64_t out, bool bias = true)
      : Linear(LinearOptions{.in = in, .out = out, .bias = bias}) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

  LinearOptions options;
  Tensor& weight;
  Tensor& bias;
};

/// x1 [.., in1], x2 [.., in2] -> [.., out]; weight [out, in1, in2], all U(+-1/sqrt(in1)).
class Bilinear : public Module {
 public:
  Bilinear(int64_t in1, int64_t in2, int64_t out, bool bias = true);
  using Module::forward;
  Tensor forward(const Tensor& x1, const Tensor& x2);
  Tensor operator()(const Tensor& x1, const Tensor& x2);
  std::string extra_repr() const override;

  int64_t in1, in2, out;
  Tensor& weight;
  Tensor& bias;
};

struct EmbeddingOptions {
  int64_t num = 0, dim = 0;
  std::optional<int64_t> padding_idx{};
  std::optional<double> max_norm{};
  double norm_type = 2;
  bool scale_grad_by_freq = false;
  bool sparse = false;
  std::optional<DType> dtype{};
};
/// integers [..] -> [.., dim]: rows of weight [num, dim], N(0, 1). IndexError out of range.
class Embedding : public Module {
 public:
  explicit Embedding(const EmbeddingOptions& options);
  Embedding(int64_t num, int64_t dim, EmbeddingOptions rest = {});
  /// Rows from a tensor; frozen rows get no gradient.
  static Embedding from_pretrained(const Tensor& weight, bool freeze = true,
                                   EmbeddingOptions rest = {});
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

  EmbeddingOptions options;
  Tensor& weight;

 private:
  Embedding(const EmbeddingOptions& options, const Tensor& weight);
};

struct EmbeddingBagOptions {
  int64_t num = 0, dim = 0;
  std::string mode = "mean";
  std::optional<int64_t> padding_idx{};
};
/// Bags of rows, reduced by "sum", "mean" or "max": x [bags, n], or x [n] with offsets [bags].
class EmbeddingBag : public Module {
 public:
  explicit EmbeddingBag(const EmbeddingBagOptions& options);
  EmbeddingBag(int64_t num, int64_t dim, EmbeddingBagOptions rest = {});
  Tensor forward(const Tensor& x) override;
  Tensor forward(const Tensor& x, const Tensor& offsets, const Tensor& per_sample_weights = {});
  using Module::operator();
  Tensor operator()(const Tensor& x, const Tensor& offsets, const Tensor& per_sample_weights = {});
  std::string extra_repr() const override;

  EmbeddingBagOptions options;
  Tensor& weight;
};

/// Gives back its argument; takes (and ignores) any constructor arguments.
class Identity : public Module {
 public:
  Identity() = default;
  Tensor forward(const Tensor& x) override { return x; }
};

class Flatten : public Module {
 public:
  explicit Flatten(int64_t start_dim = 1, int64_t end_dim = -1) : start(start_dim), end(end_dim) {}
  Tensor forward(const Tensor& x) override { return x.flatten(start, end); }
  std::string extra_repr() const override;
  int64_t start, end;
};

class Unflatten : public Module {
 public:
  Unflatten(int64_t dim, const Dims& sizes) : dim(dim), sizes(sizes) {}
  Tensor forward(const Tensor& x) override { return x.unflatten(dim, sizes); }
  std::string extra_repr() const override;
  int64_t dim;
  Dims sizes;
};

}  // namespace trivium::nn
