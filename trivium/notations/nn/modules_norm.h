// Normalisation layers and dropout.
#pragma once

#include <optional>
#include <string>

#include "trivium/notations/nn/functional.h"
#include "trivium/notations/nn/module.h"

namespace trivium::nn {

struct BatchNormOptions {
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;  // none: the mean over all batches
  bool affine = true;
  bool track_running_stats = true;
  bool bias = true;
  std::optional<DType> dtype{};
};

/// x [N, C, …]: every channel to mean 0 and variance 1 over the batch, in eval over the running
/// statistics. weight 1, bias 0; buffers running_mean 0, running_var 1, num_batches_tracked 0.
/// ValueError for a wrong rank, and in training when a channel has one value.
class BatchNormNd : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  int64_t state_version() const override { return 2; }
  bool may_lack(const std::string& name, std::optional<int64_t> version) const override;
  void reset_running_stats();

  int spatial;
  int64_t channels;
  BatchNormOptions options;
  Tensor& weight;
  Tensor& bias;
  Tensor& running_mean;
  Tensor& running_var;
  Tensor& num_batches_tracked;

 protected:
  BatchNormNd(int spatial, int64_t channels, const BatchNormOptions& options);
};

struct InstanceNormOptions {
  double eps = 1e-5;
  double momentum = 0.1;
  bool affine = false;
  bool track_running_stats = false;
  bool bias = true;
};
/// Every channel of every sample by itself; x [N, C, …] or [C, …].
class InstanceNormNd : public Module {
 public:
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  int64_t state_version() const override { return 2; }
  bool may_lack(const std::string& name, std::optional<int64_t> version) const override;

  int spatial;
  int64_t channels;
  InstanceNormOptions options;
  Tensor& weight;
  Tensor& bias;
  Tensor& running_mean;
  Tensor& running_var;
  Tensor& num_batches_tracked;

 protected:
  InstanceNormNd(int spatial, int64_t channels, const InstanceNormOptions& options);
};

template <int spatial_>
class BatchNorm : public BatchNormNd {
 public:
  explicit BatchNorm(int64_t channels, const BatchNormOptions& options = {})
      : BatchNormNd(spatial_, channels, options) {}
  std::string type_name() const override { return "BatchNorm" + std::to_string(spatial_) + "d"; }
};
template <int spatial_>
class InstanceNorm : public InstanceNormNd {
 public:
  explicit InstanceNorm(int64_t channels, const InstanceNormOptions& options = {})
      : InstanceNormNd(spatial_, channels, options) {}
  std::string type_name() const override { return "InstanceNorm" + std::to_string(spatial_) + "d"; }
};
using BatchNorm1d = BatchNorm<1>;
using BatchNorm2d = BatchNorm<2>;
using BatchNorm3d = BatchNorm<3>;
using InstanceNorm1d = InstanceNorm<1>;
using InstanceNorm2d = InstanceNorm<2>;
using InstanceNorm3d = InstanceNorm<3>;

struct LayerNormOptions {
  double eps = 1e-5;
  bool elementwise_affine = true;
  bool bias = true;
};
/// Over the last axes, whose sizes are normalized_shape.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(const Dims& normalized_shape, const LayerNormOptions& options = {});
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  Dims normalized_shape;
  LayerNormOptions options;
  Tensor& weight;
  Tensor& bias;
};

struct GroupNormOptions {
  double eps = 1e-5;
  bool affine = true;
  bool bias = true;
};
/// ValueError when groups do not divide channels.
class GroupNorm : public Module {
 public:
  GroupNorm(int64_t groups, int64_t channels, const GroupNormOptions& options = {});
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  int64_t groups, channels;
  GroupNormOptions options;
  Tensor& weight;
  Tensor& bias;
};

/// x / sqrt(mean of squares + eps); without an eps the dtype's epsilon.
class RMSNorm : public Module {
 public:
  explicit RMSNorm(const Dims& normalized_shape, std::optional<double> eps = {},
                   bool elementwise_affine = true);
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  Dims normalized_shape;
  std::optional<double> eps;
  Tensor& weight;
};

/// x / (k + alpha/size * sum of squares over neighbouring channels)^beta.
class LocalResponseNorm : public Module {
 public:
  explicit LocalResponseNorm(int64_t size, double alpha = 1e-4, double beta = 0.75, double k = 1)
      : size(size), alpha(alpha), beta(beta), k(k) {}
  Tensor forward(const Tensor& x) override;
  std::string extra_repr() const override;
  int64_t size;
  double alpha, beta, k;
};

/// In training zeroes with probability p and scales the rest by 1/(1-p); ValueError outside [0, 1].
class DropoutBase : public Module {
 public:
  std::string extra_repr() const override;
  double p;
  bool inplace;

 protected:
  DropoutBase(double p, bool inplace);
};
class Dropout : public DropoutBase {
 public:
  explicit Dropout(double p = 0.5, bool inplace = false) : DropoutBase(p, inplace) {}
  Tensor forward(const Tensor& x) override;
};
/// Whole channels of [N, C, …].
class Dropout1d : public DropoutBase {
 public:
  explicit Dropout1d(double p = 0.5, bool inplace = false) : DropoutBase(p, inplace) {}
  Tensor forward(const Tensor& x) override;
};
class Dropout2d : public DropoutBase {
 public:
  explicit Dropout2d(double p = 0.5, bool inplace = false) : DropoutBase(p, inplace) {}
  Tensor forward(const Tensor& x) override;
};
class Dropout3d : public DropoutBase {
 public:
  explicit Dropout3d(double p = 0.5, bool inplace = false) : DropoutBase(p, inplace) {}
  Tensor forward(const Tensor& x) override;
};
class AlphaDropout : public DropoutBase {
 public:
  explicit AlphaDropout(double p = 0.5, bool inplace = false) : DropoutBase(p, inplace) {}
  Tensor forward(const Tensor& x) override;
};
class FeatureAlphaDropout : public DropoutBase {
 public:
  explicit FeatureAlphaDropout(double p = 0.5, bool inplace = false) : DropoutBase(p, inplace) {}
  Tensor forward(const Tensor& x) override;
};

}  // namespace trivium::nn
