// Convolutions and transposed convolutions over 1, 2 or 3 spatial axes.
#pragma once

#include <optional>
#include <string>

#include "trivium/notations/nn/functional.h"
#include "trivium/notations/nn/module.h"

namespace trivium::nn {

struct ConvOptions {
  int64_t in = 0, out = 0;
  Dims kernel{};
  Dims stride = 1;
  functional::Padding padding = 0;  // numbers, "same" or "valid"
  Dims dilation = 1;
  int64_t groups = 1;
  bool bias = true;
  std::string padding_mode = "zeros";  // or reflect, replicate, circular
  std::optional<DType> dtype{};
};

/// x [N, in, spatial…] or [in, spatial…]; weight [out, in/groups, kernel…]; weight and bias
/// U(+-1/sqrt(in/groups * kernel)). ValueError for channels that groups do not divide.
class ConvNd : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;

  int spatial;
  ConvOptions options;
  Tensor& weight;
  Tensor& bias;

 protected:
  ConvNd(int spatial, const ConvOptions& options);
  static ConvOptions sized(ConvOptions o, int64_t in, int64_t out, const Dims& kernel);
};

class Conv1d : public ConvNd {
 public:
  explicit Conv1d(const ConvOptions& options) : ConvNd(1, options) {}
  Conv1d(int64_t in, int64_t out, const Dims& kernel, const ConvOptions& rest = {})
      : ConvNd(1, sized(rest, in, out, kernel)) {}
};
class Conv2d : public ConvNd {
 public:
  explicit Conv2d(const ConvOptions& options) : ConvNd(2, options) {}
  Conv2d(int64_t in, int64_t out, const Dims& kernel, const ConvOptions& rest = {})
      : ConvNd(2, sized(rest, in, out, kernel)) {}
};
class Conv3d : public ConvNd {
 public:
  explicit Conv3d(const ConvOptions& options) : ConvNd(3, options) {}
  Conv3d(int64_t in, int64_t out, const Dims& kernel, const ConvOptions& rest = {})
      : ConvNd(3, sized(rest, in, out, kernel)) {}
};

struct ConvTransposeOptions {
  int64_t in = 0, out = 0;
  Dims kernel{};
  Dims stride = 1;
  Dims padding = 0;
  Dims output_padding = 0;
  int64_t groups = 1;
  bool bias = true;
  Dims dilation = 1;
  std::optional<DType> dtype{};
};

/// weight [in, out/groups, kernel…]; size of an axis: (n-1)*stride - 2*padding +
/// dilation*(kernel-1) + output_padding + 1.
class ConvTransposeNd : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  /// Chooses output_padding so that the spatial axes get these sizes; ValueError when none does.
  Tensor forward(const Tensor& x, const Dims& output_size);
  using Module::operator();
  Tensor operator()(const Tensor& x, const Dims& output_size);
  std::string extra_repr() const override;

  int spatial;
  ConvTransposeOptions options;
  Tensor& weight;
  Tensor& bias;

 protected:
  ConvTransposeNd(int spatial, const ConvTransposeOptions& options);
  static ConvTransposeOptions sized(ConvTransposeOptions o, int64_t in, int64_t out,
                                    const Dims& kernel);
};

class ConvTranspose1d : public ConvTransposeNd {
 public:
  explicit ConvTranspose1d(const ConvTransposeOptions& options) : ConvTransposeNd(1, options) {}
  ConvTranspose1d(int64_t in, int64_t out, const Dims& kernel,
                  const ConvTransposeOptions& rest = {})
      : ConvTransposeNd(1, sized(rest, in, out, kernel)) {}
};
class ConvTranspose2d : public ConvTransposeNd {
 public:
  explicit ConvTranspose2d(const ConvTransposeOptions& options) : ConvTransposeNd(2, options) {}
  ConvTranspose2d(int64_t in, int64_t out, const Dims& kernel,
                  const ConvTransposeOptions& rest = {})
      : ConvTransposeNd(2, sized(rest, in, out, kernel)) {}
};
class ConvTranspose3d : public ConvTransposeNd {
 public:
  explicit ConvTranspose3d(const ConvTransposeOptions& options) : ConvTransposeNd(3, options) {}
  ConvTranspose3d(int64_t in, int64_t out, const Dims& kernel,
                  const ConvTransposeOptions& rest = {})
      : ConvTransposeNd(3, sized(rest, in, out, kernel)) {}
};

/// Columns of sliding windows, and their sum back.
struct UnfoldOptions {
  Dims kernel{};
  Dims dilation = 1;
  Dims padding = 0;
  Dims stride = 1;
};
class Unfold : public Module {
 public:
  explicit Unfold(const UnfoldOptions& options) : options(options) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  UnfoldOptions options;
};
class Fold : public Module {
 public:
  Fold(const Dims& output_size, const UnfoldOptions& options)
      : output_size(output_size), options(options) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  Dims output_size;
  UnfoldOptions options;
};

}  // namespace trivium::nn
