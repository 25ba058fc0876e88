// The draws of torch.nn.init. Distributions that are drawn and then corrected (truncated,
// orthogonal, sparse) are worked out on the host, once, at construction.
#include "trivium/notations/nn/init.h"

#include <cmath>
#include <vector>

namespace trivium::nn::init {

namespace {

void require_axes(const Tensor& t, int64_t least, int64_t most, const char* what) {
  if (t.dim() < least || t.dim() > most)
    raise<ValueError>("{}: expected a tensor of {} to {} axes, received {}", what, least, most,
                      t.shape().text());
}

double fan(const Tensor& t, const std::string& mode) {
  if (mode != "fan_in" && mode != "fan_out")
    raise<ValueError>("kaiming: mode must be 'fan_in' or 'fan_out', received '{}'", mode);
  const Fans fans = fans_of(t);
  return static_cast<double>(mode == "fan_in" ? fans.in : fans.out);
}

/// The content as doubles, and back.
std::vector<double> host(const Tensor& t) {
  const Array a = t.array();
  std::vector<double> out(a.count());
  for (int64_t i = 0; i < a.count(); ++i) out[i] = a.at(i);
  return out;
}

void put(const Tensor& t, const std::vector<double>& values) {
  NoGradGuard no_grad;
  t.copy_(tensor(values, t.shape(), {.dtype = t.dtype()}));
}

double normal_cdf(double x) { return (1 + std::erf(x / std::sqrt(2.0))) / 2; }

/// Draws whole normal tensors until every place has had a value inside [a, b].
void truncate_by_redrawing(const Tensor& t, double mean, double std, double a, double b,
                           Generator rng) {
  draw::normal(t, mean, std, rng);
  std::vector<double> values = host(t);
  const auto outside = [&](double v) { return v < a || v > b; };
  while (true) {
    bool any = false;
    for (const double v : values) any = any || outside(v);
    if (!any) break;
    const Tensor again = empty(t.shape(), {.dtype = t.dtype()});
    draw::normal(again, mean, std, rng);
    const std::vector<double> fresh = host(again);
    for (size_t i = 0; i < values.size(); ++i)
      if (outside(values[i])) values[i] = fresh[i];
  }
  put(t, values);
}

/// Rejection from a uniform proposal: for intervals far from the mean.
void truncate_by_rejecting(const Tensor& t, double mean, double std, double a, double b,
                           Generator rng) {
  const double mode = std::min(std::max(mean, a), b);
  std::vector<double> values(t.numel());
  std::vector<char> pending(t.numel(), 1);
  bool any = t.numel() > 0;
  while (any) {
    const Tensor proposal = empty(t.shape(), {.dtype = t.dtype()});
    draw::uniform(proposal, a, b, rng);
    const Tensor level = empty(t.shape(), {.dtype = t.dtype()});
    draw::uniform(level, 0, 1, rng);
    const std::vector<double> x = host(proposal), u = host(level);
    any = false;
    for (size_t i = 0; i < values.size(); ++i) {
      if (!pending[i]) continue;
      const double from_mode = (mode - mean) * (mode - mean),
                   from_x = (x[i] - mean) * (x[i] - mean);
      values[i] = x[i];
      pending[i] = std::log(u[i]) > (from_mode - from_x) / (2 * std * std);
      any = any || pending[i];
    }
  }
  put(t, values);
}

/// Orthonormalises the columns of a [rows, columns] (rows >= columns) by Householder reflections;
/// the signs are those that make the diagonal of R positive.
std::vector<double> orthonormal_columns(std::vector<double> a, int64_t rows, int64_t columns) {
  std::vector<std::vector<double>> reflections;
  std::vector<double> diagonal(columns);
  for (int64_t k = 0; k < columns; ++k) {
    double norm = 0;
    for (int64_t i = k; i < rows; ++i) norm += a[i * columns + k] * a[i * columns + k];
    norm = std::sqrt(norm);
    const double head = a[k * columns + k];
    diagonal[k] = head > 0 ? -norm : norm;
    std::vector<double> v(rows, 0.0);
    double length = 0;
    for (int64_t i = k; i < rows; ++i) {
      v[i] = a[i * columns + k] - (i == k ? diagonal[k] : 0);
      length += v[i] * v[i];
    }
    if (length > 0)
      for (double& x : v) x /= std::sqrt(length);
    for (int64_t j = k; j < columns; ++j) {
      double dot = 0;
      for (int64_t i = k; i < rows; ++i) dot += v[i] * a[i * columns + j];
      for (int64_t i = k; i < rows; ++i) a[i * columns + j] -= 2 * v[i] * dot;
    }
    reflections.push_back(std::move(v));
  }
  std::vector<double> q(rows * columns, 0.0);
  for (int64_t j = 0; j < columns; ++j) q[j * columns + j] = 1;
  for (int64_t k = columns - 1; k >= 0; --k) {
    const std::vector<double>& v = reflections[k];
    for (int64_t j = 0; j < columns; ++j) {
      double dot = 0;
      for (int64_t i = k; i < rows; ++i) dot += v[i] * q[i * columns + j];
      for (int64_t i = k; i < rows; ++i) q[i * columns + j] -= 2 * v[i] * dot;
    }
  }
  for (int64_t j = 0; j < columns; ++j)
    if (diagonal[j] < 0)
      for (int64_t i = 0; i < rows; ++i) q[i * columns + j] = -q[i * columns + j];
  return q;
}

}  // namespace

Fans fans_of(const Tensor& t) {
  if (t.dim() < 2)
    raise<ValueError>("fan in and fan out: expected a tensor of at least 2 axes, received {}",
                      t.shape().text());
  int64_t field = 1;
  for (int64_t i = 2; i < t.dim(); ++i) field *= t.size(i);
  return {t.size(1) * field, t.size(0) * field};
}

double calculate_gain(const std::string& nonlinearity, double a) {
  if (nonlinearity == "tanh") return 5.0 / 3;
  if (nonlinearity == "relu") return std::sqrt(2.0);
  if (nonlinearity == "leaky_relu") return std::sqrt(2.0 / (1 + a * a));
  if (nonlinearity == "selu") return 3.0 / 4;
  for (const char* linear : {"linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
                             "conv_transpose2d", "conv_transpose3d", "sigmoid"})
    if (nonlinearity == linear) return 1;
  raise<ValueError>(
      "calculate_gain: expected linear, conv1d, …, sigmoid, tanh, relu, leaky_relu or selu, "
      "received '{}'",
      nonlinearity);
}

const Tensor& uniform_(const Tensor& t, double a, double b, Generator rng) {
  NoGradGuard no_grad;
  draw::uniform(t, a, b, rng);
  return t;
}

const Tensor& normal_(const Tensor& t, double mean, double std, Generator rng) {
  NoGradGuard no_grad;
  draw::normal(t, mean, std, rng);
  return t;
}

const Tensor& constant_(const Tensor& t, double value) {
  NoGradGuard no_grad;
  return t.fill_(value);
}

const Tensor& zeros_(const Tensor& t) { return constant_(t, 0); }
const Tensor& ones_(const Tensor& t) { return constant_(t, 1); }

const Tensor& eye_(const Tensor& t) {
  require_axes(t, 2, 2, "eye_");
  NoGradGuard no_grad;
  return t.copy_(eye(t.size(0), t.size(1), {.dtype = t.dtype()}));
}

const Tensor& dirac_(const Tensor& t, int64_t groups) {
  require_axes(t, 3, 5, "dirac_");
  if (groups < 1 || t.size(0) % groups != 0)
    raise<ValueError>("dirac_: {} channels can not be split into {} groups", t.size(0), groups);
  const int64_t out = t.size(0) / groups, in = t.size(1);
  int64_t field = 1, centre = 0;
  for (int64_t i = 2; i < t.dim(); ++i) {
    field *= t.size(i);
    centre = centre * t.size(i) + t.size(i) / 2;
  }
  std::vector<double> values(t.numel(), 0.0);
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t c = 0; c < std::min(out, in); ++c)
      values[((g * out + c) * in + c) * field + centre] = 1;
  put(t, values);
  return t;
}

const Tensor& xavier_uniform_(const Tensor& t, double gain, Generator rng) {
  const Fans fans = fans_of(t);
  const double std = gain * std::sqrt(2.0 / static_cast<double>(fans.in + fans.out));
  const double bound = std::sqrt(3.0) * std;
  return uniform_(t, -bound, bound, rng);
}

const Tensor& xavier_normal_(const Tensor& t, double gain, Generator rng) {
  const Fans fans = fans_of(t);
  return normal_(t, 0, gain * std::sqrt(2.0 / static_cast<double>(fans.in + fans.out)), rng);
}

const Tensor& kaiming_uniform_(const Tensor& t, double a, const std::string& mode,
                               const std::string& nonlinearity, Generator rng) {
  const double std = calculate_gain(nonlinearity, a) / std::sqrt(fan(t, mode));
  const double bound = std::sqrt(3.0) * std;
  return uniform_(t, -bound, bound, rng);
}

const Tensor& kaiming_normal_(const Tensor& t, double a, const std::string& mode,
                              const std::string& nonlinearity, Generator rng) {
  return normal_(t, 0, calculate_gain(nonlinearity, a) / std::sqrt(fan(t, mode)), rng);
}

const Tensor& trunc_normal_(const Tensor& t, double mean, double std, double a, double b,
                            Generator rng) {
  if (!(a < b)) raise<ValueError>("trunc_normal_: expected a < b, received {} and {}", a, b);
  if (!(std > 0)) raise<ValueError>("trunc_normal_: expected std > 0, received {}", std);
  NoGradGuard no_grad;
  if (normal_cdf((b - mean) / std) - normal_cdf((a - mean) / std) > 0.3)
    truncate_by_redrawing(t, mean, std, a, b, rng);
  else
    truncate_by_rejecting(t, mean, std, a, b, rng);
  return t;
}

const Tensor& orthogonal_(const Tensor& t, double gain, Generator rng) {
  require_axes(t, 2, Shape::kMaxRank, "orthogonal_");
  if (t.numel() == 0) return t;
  const int64_t rows = t.size(0), columns = t.numel() / rows;
  const Tensor flat = empty({rows, columns}, {.dtype = t.dtype()});
  normal_(flat, 0, 1, rng);
  std::vector<double> a = host(flat);
  const bool wide = rows < columns;
  const int64_t tall = wide ? columns : rows, narrow = wide ? rows : columns;
  const auto transposed = [](const std::vector<double>& x, int64_t r, int64_t c) {
    std::vector<double> y(x.size());
    for (int64_t i = 0; i < r; ++i)
      for (int64_t j = 0; j < c; ++j) y[j * r + i] = x[i * c + j];
    return y;
  };
  if (wide) a = transposed(a, rows, columns);
  a = orthonormal_columns(std::move(a), tall, narrow);
  if (wide) a = transposed(a, tall, narrow);
  for (double& v : a) v *= gain;
  put(t, a);
  return t;
}

const Tensor& sparse_(const Tensor& t, double sparsity, double std, Generator rng) {
  require_axes(t, 2, 2, "sparse_");
  const int64_t rows = t.size(0), columns = t.size(1);
  const auto zeros = static_cast<int64_t>(std::ceil(sparsity * static_cast<double>(rows)));
  normal_(t, 0, std, rng);
  std::vector<double> values = host(t);
  for (int64_t c = 0; c < columns; ++c) {
    const Array order = randperm(rows, {}, rng).array();
    for (int64_t i = 0; i < zeros; ++i) values[static_cast<int64_t>(order.at(i)) * columns + c] = 0;
  }
  put(t, values);
  return t;
}

}  // namespace trivium::nn::init
