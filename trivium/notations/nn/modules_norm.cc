// Normalisation layers: running statistics, checks and text.
#include "trivium/notations/nn/modules_norm.h"

#include "trivium/notations/nn/creation.h"

namespace trivium::nn {

namespace F = functional;

namespace {

Tensor filled(bool wanted, const Dims& sizes, double value, std::optional<DType> dtype = {}) {
  if (!wanted) return {};
  return value == 0 ? zeros(sizes, {.dtype = dtype}) : ones(sizes, {.dtype = dtype});
}

Tensor counter(bool wanted) { return wanted ? zeros(Dims{}, {.dtype = DType::i64}) : Tensor(); }

bool counter_of_old(const std::string& name, std::optional<int64_t> version) {
  return name == "num_batches_tracked" && version.value_or(0) < 2;
}

}  // namespace

BatchNormNd::BatchNormNd(int spatial, int64_t c, const BatchNormOptions& o)
    : spatial(spatial),
      channels(c),
      options(o),
      weight(parameter("weight", filled(o.affine, {c}, 1, o.dtype))),
      bias(parameter("bias", filled(o.affine && o.bias, {c}, 0, o.dtype))),
      running_mean(buffer("running_mean", filled(o.track_running_stats, {c}, 0, o.dtype))),
      running_var(buffer("running_var", filled(o.track_running_stats, {c}, 1, o.dtype))),
      num_batches_tracked(buffer("num_batches_tracked", counter(o.track_running_stats))) {}

void BatchNormNd::reset_running_stats() {
  if (!running_mean.defined()) return;
  NoGradGuard no_grad;
  running_mean.zero_();
  running_var.fill_(1);
  num_batches_tracked.zero_();
}

bool BatchNormNd::may_lack(const std::string& name, std::optional<int64_t> version) const {
  return counter_of_old(name, version);
}

Tensor BatchNormNd::forward(const Tensor& x) {
  const bool fits = spatial == 1 ? x.dim() == 2 || x.dim() == 3 : x.dim() == spatial + 2;
  if (!fits)
    raise<ValueError>("{}: expected {} axes, received {}", type_name(),
                      spatial == 1 ? "2 or 3" : std::to_string(spatial + 2), x.shape().text());
  double factor = options.momentum.value_or(0);
  if (is_training() && num_batches_tracked.defined()) {
    NoGradGuard no_grad;
    num_batches_tracked.add_(1);
    if (!options.momentum) factor = 1 / num_batches_tracked.item();
  }
  const bool use_batch = is_training() || !running_mean.defined();
  const bool track = !is_training() || options.track_running_stats;
  return F::batch_norm(x, track ? running_mean : Tensor(), track ? running_var : Tensor(), weight,
                       bias, use_batch, factor, options.eps);
}

std::string BatchNormNd::extra_repr() const {
  return fmt::format("{}, eps={}, momentum={}, affine={}, bias={}, track_running_stats={}",
                     channels, python_text(options.eps),
                     options.momentum ? python_text(*options.momentum) : "None",
                     python_text(options.affine), python_text(options.bias),
                     python_text(options.track_running_stats));
}

InstanceNormNd::InstanceNormNd(int spatial, int64_t c, const InstanceNormOptions& o)
    : spatial(spatial),
      channels(c),
      options(o),
      weight(parameter("weight", filled(o.affine, {c}, 1))),
      bias(parameter("bias", filled(o.affine && o.bias, {c}, 0))),
      running_mean(buffer("running_mean", filled(o.track_running_stats, {c}, 0))),
      running_var(buffer("running_var", filled(o.track_running_stats, {c}, 1))),
      num_batches_tracked(buffer("num_batches_tracked", counter(o.track_running_stats))) {}

bool InstanceNormNd::may_lack(const std::string& name, std::optional<int64_t> version) const {
  return counter_of_old(name, version);
}

Tensor InstanceNormNd::forward(const Tensor& x) {
  if (x.dim() != spatial + 1 && x.dim() != spatial + 2)
    raise<ValueError>("{}: expected {} or {} axes, received {}", type_name(), spatial + 1,
                      spatial + 2, x.shape().text());
  const bool single = x.dim() == spatial + 1;
  const Tensor batch = single ? x.unsqueeze(0) : x;
  if (options.affine && batch.size(1) != channels)
    raise<ValueError>("{}: expected {} channels, received {}", type_name(), channels,
                      x.shape().text());
  const Tensor y = F::instance_norm(batch, running_mean, running_var, weight, bias,
                                    is_training() || !options.track_running_stats, options.momentum,
                                    options.eps);
  return single ? y.squeeze(0) : y;
}

std::string InstanceNormNd::extra_repr() const {
  return fmt::format("{}, eps={}, momentum={}, affine={}, bias={}, track_running_stats={}",
                     channels, python_text(options.eps), python_text(options.momentum),
                     python_text(options.affine), python_text(options.bias),
                     python_text(options.track_running_stats));
}

LayerNorm::LayerNorm(const Dims& shape, const LayerNormOptions& o)
    : normalized_shape(shape),
      options(o),
      weight(parameter("weight", filled(o.elementwise_affine, shape, 1))),
      bias(parameter("bias", filled(o.elementwise_affine && o.bias, shape, 0))) {}

Tensor LayerNorm::forward(const Tensor& x) {
  return F::layer_norm(x, normalized_shape, weight, bias, options.eps);
}

std::string LayerNorm::extra_repr() const {
  return fmt::format("{}, eps={}, elementwise_affine={}, bias={}", python_text(normalized_shape),
                     python_text(options.eps), python_text(options.elementwise_affine),
                     python_text(options.bias));
}

GroupNorm::GroupNorm(int64_t groups, int64_t c, const GroupNormOptions& o)
    : groups(groups),
      channels(c),
      options(o),
      weight(parameter("weight", filled(o.affine, {c}, 1))),
      bias(parameter("bias", filled(o.affine && o.bias, {c}, 0))) {
  if (groups < 1 || c % groups != 0)
    raise<ValueError>("GroupNorm: {} channels can not be split into {} groups", c, groups);
}

Tensor GroupNorm::forward(const Tensor& x) {
  return F::group_norm(x, groups, weight, bias, options.eps);
}

std::string GroupNorm::extra_repr() const {
  return fmt::format("{}, {}, eps={}, affine={}, bias={}", groups, channels,
                     python_text(options.eps), python_text(options.affine),
                     python_text(options.bias));
}

RMSNorm::RMSNorm(const Dims& shape, std::optional<double> eps, bool affine)
    : normalized_shape(shape), eps(eps), weight(parameter("weight", filled(affine, shape, 1))) {}

Tensor RMSNorm::forward(const Tensor& x) { return F::rms_norm(x, normalized_shape, weight, eps); }

std::string RMSNorm::extra_repr() const {
  return fmt::format("{}, eps={}, elementwise_affine={}", python_text(normalized_shape),
                     eps ? python_text(*eps) : "None", python_text(weight.defined()));
}

Tensor LocalResponseNorm::forward(const Tensor& x) {
  return F::local_response_norm(x, size, alpha, beta, k);
}

std::string LocalResponseNorm::extra_repr() const {
  return fmt::format("{}, alpha={}, beta={}, k={}", size, python_text(alpha), python_text(beta),
                     python_text(k));
}

DropoutBase::DropoutBase(double p, bool inplace) : p(p), inplace(inplace) {
  if (!(p >= 0 && p <= 1))
    raise<ValueError>("dropout: expected a probability in [0, 1], received {}", p);
}

std::string DropoutBase::extra_repr() const {
  return "p=" + python_text(p) + ", inplace=" + python_text(inplace);
}

Tensor Dropout::forward(const Tensor& x) { return F::dropout(x, p, is_training(), inplace); }
Tensor Dropout1d::forward(const Tensor& x) { return F::dropout1d(x, p, is_training(), inplace); }
Tensor Dropout2d::forward(const Tensor& x) { return F::dropout2d(x, p, is_training(), inplace); }
Tensor Dropout3d::forward(const Tensor& x) { return F::dropout3d(x, p, is_training(), inplace); }
Tensor AlphaDropout::forward(const Tensor& x) {
  return F::alpha_dropout(x, p, is_training(), inplace);
}
Tensor FeatureAlphaDropout::forward(const Tensor& x) {
  return F::feature_alpha_dropout(x, p, is_training(), inplace);
}

}  // namespace trivium::nn
