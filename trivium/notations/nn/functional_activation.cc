// Activations and dropout.
#include <cmath>
#include <numbers>

#include "trivium/notations/nn/functional.h"
#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn::functional {
namespace {

Tensor kept(const Tensor& x, const Tensor& y, bool inplace, const char* op) {
  return inplace ? write_back(x, y, op) : y;
}

Tensor zero(const Tensor& x) { return number_of(0, x.dtype()); }

/// x where it is not positive, else 0: keeps what is exponentiated from overflowing.
Tensor not_positive(const Tensor& x) { return pick(x.gt(0), zero(x), x); }

void require_probability(double p, const char* op) {
  if (!(p >= 0 && p <= 1))
    raise<ValueError>("{}: a probability from 0 to 1 expected, {} received", op, p);
}

int64_t implied_dim(const Tensor& x) {
  const int rank = x.shape().rank();
  return rank == 0 || rank == 1 || rank == 3 ? 0 : 1;
}

}  // namespace

Tensor relu(const Tensor& x, bool inplace) { return kept(x, x.relu(), inplace, "relu_"); }
Tensor relu6(const Tensor& x, bool inplace) { return hardtanh(x, 0, 6, inplace); }

Tensor leaky_relu(const Tensor& x, double negative_slope, bool inplace) {
  const Tensor y = pick(x.gt(0), x, x * negative_slope);
  return kept(x, reads("leaky_relu", {x}, y, inplace), inplace, "leaky_relu_");
}

Tensor elu(const Tensor& x, double alpha, bool inplace) {
  const Tensor low = not_positive(x).expm1();
  const Tensor y = pick(x.gt(0), x, alpha == 1 ? low : low * alpha);
  return kept(x, reads("elu", {x}, y, inplace), inplace, "elu_");
}

Tensor selu(const Tensor& x, bool inplace) {
  constexpr double kAlpha = 1.6732632423543772848170429916717,
                   kScale = 1.0507009873554804934193349852946;
  const Tensor low = not_positive(x).expm1() * (kAlpha * kScale);
  const Tensor y = pick(x.gt(0), x * kScale, low);
  return kept(x, reads("selu", {x}, y, inplace), inplace, "selu_");
}

Tensor celu(const Tensor& x, double alpha, bool inplace) {
  if (alpha == 0) user_error("celu: alpha cannot be 0");
  const Tensor low = (not_positive(x) / alpha).expm1() * alpha;
  const Tensor y = pick(x.gt(0), x, low);
  return kept(x, reads("celu", {x}, y, inplace), inplace, "celu_");
}

Tensor gelu(const Tensor& x, const std::string& approximate) {
  if (approximate == "none")
    return reads("gelu", {x}, x * 0.5 * ((x * (1 / std::numbers::sqrt2)).erf() + 1));
  if (approximate != "tanh")
    user_error("gelu: approximate \"{}\" received; none or tanh expected", approximate);
  const double scale = std::sqrt(2 / std::numbers::pi);
  const Tensor inner = (x + x * x * x * 0.044715) * scale;
  return reads("gelu", {x}, x * 0.5 * (inner.tanh() + 1));
}

Tensor silu(const Tensor& x, bool inplace) { return kept(x, x * x.sigmoid(), inplace, "silu_"); }

Tensor mish(const Tensor& x, bool inplace) {
  const record::Unwatched own(inplace);
  return kept(x, x * softplus(x).tanh(), inplace, "mish_");
}

Tensor sigmoid(const Tensor& x) { return x.sigmoid(); }
Tensor tanh(const Tensor& x) { return x.tanh(); }

Tensor softplus(const Tensor& x, double beta, double threshold) {
  static const record::Call* const c = plain_call("softplus");
  const Tensor scaled = beta == 1 ? x : x * beta;
  const Tensor y = floating_unary(c, scaled);
  return reads("softplus", {x}, pick(scaled.gt(threshold), x, beta == 1 ? y : y / beta));
}

Tensor softsign(const Tensor& x) { return reads("softsign", {x}, x / (x.abs() + 1)); }

Tensor softshrink(const Tensor& x, double lambd) {
  if (lambd < 0) user_error("softshrink: lambd of 0 or more expected, {} received", lambd);
  const Tensor y = pick(x.gt(lambd), x - lambd, pick(x.lt(-lambd), x + lambd, zero(x)));
  return reads("softshrink", {x}, y);
}

Tensor hardshrink(const Tensor& x, double lambd) {
  return reads("hardshrink", {x}, pick(x.abs().le(lambd), zero(x), x));
}
Tensor tanhshrink(const Tensor& x) { return x - x.tanh(); }

Tensor hardtanh(const Tensor& x, double min_val, double max_val, bool inplace) {
  if (min_val > max_val)
    raise<ValueError>("hardtanh: min_val {} is above max_val {}", min_val, max_val);
  return kept(x, x.clamp(min_val, max_val), inplace, "hardtanh_");
}

Tensor hardsigmoid(const Tensor& x, bool inplace) {
  const Tensor y = (x + 3).clamp(0, 6) / 6;
  return kept(x, reads("hardsigmoid", {x}, y), inplace, "hardsigmoid_");
}

Tensor hardswish(const Tensor& x, bool inplace) {
  const record::Unwatched own(inplace);
  return kept(x, x * (x + 3).clamp(0, 6) / 6, inplace, "hardswish_");
}

Tensor logsigmoid(const Tensor& x) {
  static const record::Call* const c = plain_call("softplus");
  return reads("logsigmoid", {x}, floating_unary(c, x.neg()).neg());
}

Tensor threshold(const Tensor& x, double threshold, double value, bool inplace) {
  const Tensor y = pick(x.le(threshold), number_of(value, x.dtype()), x);
  return kept(x, reads("threshold", {x}, y), inplace, "threshold_");
}

Tensor glu(const Tensor& x, int64_t dim) {
  const int64_t size = x.size(dim);
  if (size % 2 != 0) user_error("glu: dim {} of an even size expected, {} received", dim, size);
  return x.narrow(dim, 0, size / 2) * x.narrow(dim, size / 2, size / 2).sigmoid();
}

Tensor prelu(const Tensor& x, const Tensor& weight) {
  Tensor slope = weight;
  if (weight.count() != 1) {
    const int rank = x.shape().rank();
    const int64_t channels = rank >= 2 ? x.shape()[1] : 1;
    if (weight.count() != channels)
      user_error("prelu: {} slopes received for {} channels, shape {}", weight.count(), channels,
                 x.shape().text());
    Dims wide;
    for (int i = 0; i < rank; ++i) wide.push_back(i == 1 ? channels : 1);
    slope = weight.view(wide);
  } else if (weight.shape().rank() > 0) {
    slope = weight.view(Dims());
  }
  return reads("prelu", {x, weight}, pick(x.gt(0), x, x * slope));
}

Tensor rrelu(const Tensor& x, double lower, double upper, bool training, bool inplace,
             Generator rng) {
  if (!training) return leaky_relu(x, (lower + upper) / 2, inplace);
  random::TorchGenerator& from = rng ? *rng : random::default_generator();
  const Array values = x.detach().contiguous().array();
  Array slopes(x.shape(), DType::f64);
  const std::lock_guard<std::mutex> hold(from.mutex());
  for (int64_t i = 0; i < x.count(); ++i)
    slopes.data<double>()[i] = values.at(i) <= 0 ? lower + (upper - lower) * from.u53() : 1.0;
  return kept(x, x * Tensor(slopes.cast(x.dtype())), inplace, "rrelu_");
}

Tensor softmax(const Tensor& x, std::optional<int64_t> dim, std::optional<DType> dtype) {
  return x.softmax(dim.value_or(implied_dim(x)), dtype);
}
Tensor softmin(const Tensor& x, std::optional<int64_t> dim, std::optional<DType> dtype) {
  return x.neg().softmax(dim.value_or(implied_dim(x)), dtype);
}
Tensor log_softmax(const Tensor& x, std::optional<int64_t> dim, std::optional<DType> dtype) {
  return x.log_softmax(dim.value_or(implied_dim(x)), dtype);
}

Tensor gumbel_softmax(const Tensor& logits, double tau, bool hard, int64_t dim, Generator rng) {
  const Tensor noise = empty_like(logits);
  draw::exponential(noise, 1, rng);
  const Tensor soft = ((logits - noise.log()) / tau).softmax(dim);
  if (!hard) return soft;
  const Tensor zeros = broadcast(zero(soft), soft.shape());
  const Tensor chosen = zeros.scatter(dim, soft.argmax(dim, true), 1.0);
  return chosen - soft.detach() + soft;
}

namespace {

/// Place for a mask: one of x's shape lies, and is drawn, as x does.
Tensor mask_for(const Tensor& x, const Shape& shape) {
  return shape == x.shape() ? empty_like(x.detach()) : empty(shape, {.dtype = x.dtype()});
}

/// 0 with probability p, else 1/(1-p), in the shape of `like`.
Tensor dropped(const Tensor& x, const Shape& mask_shape, double p, Generator rng) {
  if (p == 1) return x * 0;
  const Tensor mask = mask_for(x, mask_shape);
  draw::bernoulli(mask, 1 - p, rng);
  return x * (mask / (1 - p));
}

Shape channels_of(const Tensor& x) {
  Shape s;
  for (int i = 0; i < x.shape().rank(); ++i) s.push_back(i < 2 ? x.shape()[i] : 1);
  return s;
}

Tensor channel_dropout(const Tensor& x, double p, bool training, bool inplace, Generator rng,
                       int unbatched_rank, const char* op) {
  require_probability(p, op);
  if (!training || p == 0 || x.count() == 0) return x;
  if (x.shape().rank() < 2)
    user_error("{}: two dims or more expected, shape {} received", op, x.shape().text());
  const bool single = x.shape().rank() == unbatched_rank;
  const Tensor batch = single ? x.unsqueeze(0) : x;
  const Tensor y = dropped(batch, channels_of(batch), p, rng);
  return kept(x, single ? y.squeeze(0) : y, inplace, op);
}

}  // namespace

Tensor dropout(const Tensor& x, double p, bool training, bool inplace, Generator rng) {
  require_probability(p, "dropout");
  if (!training || p == 0 || x.count() == 0) return x;
  return kept(x, dropped(x, x.shape(), p, rng), inplace, "dropout_");
}

Tensor dropout1d(const Tensor& x, double p, bool training, bool inplace, Generator rng) {
  return channel_dropout(x, p, training, inplace, rng, 2, "dropout1d");
}
Tensor dropout2d(const Tensor& x, double p, bool training, bool inplace, Generator rng) {
  return channel_dropout(x, p, training, inplace, rng, -1, "dropout2d");
}
Tensor dropout3d(const Tensor& x, double p, bool training, bool inplace, Generator rng) {
  return channel_dropout(x, p, training, inplace, rng, 4, "dropout3d");
}

namespace {

/// Dropped elements take the value selu saturates at; mean and variance stay.
Tensor alpha_dropped(const Tensor& x, const Shape& mask_shape, double p, Generator rng) {
  if (p == 1) return x * 0;
  constexpr double kAlpha = 1.7580993408473766;
  const double a = 1 / std::sqrt((kAlpha * kAlpha * p + 1) * (1 - p));
  const Tensor mask = mask_for(x, mask_shape);
  draw::bernoulli(mask, 1 - p, rng);
  return x * (mask * a) + ((mask - 1) * (kAlpha * a) + kAlpha * a * p);
}

}  // namespace

Tensor alpha_dropout(const Tensor& x, double p, bool training, bool inplace, Generator rng) {
  require_probability(p, "alpha_dropout");
  if (!training || p == 0 || x.count() == 0) return x;
  return kept(x, alpha_dropped(x, x.shape(), p, rng), inplace, "alpha_dropout_");
}

Tensor feature_alpha_dropout(const Tensor& x, double p, bool training, bool inplace,
                             Generator rng) {
  require_probability(p, "feature_alpha_dropout");
  if (!training || p == 0 || x.count() == 0) return x;
  return kept(x, alpha_dropped(x, channels_of(x), p, rng), inplace, "feature_alpha_dropout_");
}

}  // namespace trivium::nn::functional
