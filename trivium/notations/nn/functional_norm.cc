// Normalisation, embedding, distances.
#include <bit>
#include <cmath>
#include <limits>

#include "trivium/notations/nn/functional_detail.h"

namespace trivium::nn::functional {

using record::Call;

namespace {

const Call* eps_call(const char* op, double eps) {
  const int64_t key[] = {std::bit_cast<int64_t>(eps)};
  start_engine();
  return record::call_by_key(OpRegistry::instance().get(op), key,
                             [](const OpDef&, std::span<const int64_t> k) {
                               return Attrs{{"eps", std::bit_cast<double>(k[0])}};
                             });
}

const Call* layer_norm_call(int64_t axes, double eps) {
  const int64_t key[] = {axes, std::bit_cast<int64_t>(eps)};
  start_engine();
  static const OpDef& op = OpRegistry::instance().get("layer_norm");
  return record::call_by_key(op, key, [](const OpDef&, std::span<const int64_t> k) {
    return Attrs{{"axes", k[0]}, {"eps", std::bit_cast<double>(k[1])}};
  });
}

/// running = (1 - momentum) * running + momentum * batch, in place.
void follow(const Tensor& running, const Tensor& batch, double momentum) {
  if (!running.defined()) return;
  const NoGradGuard off;
  write_back(running, running * (1 - momentum) + batch * momentum, "batch_norm");
}

/// By given statistics: one multiplication and one addition an element.
Tensor by_statistics(const Tensor& x, const Tensor& mean, const Tensor& var, const Tensor& weight,
                     const Tensor& bias, double eps) {
  const int rank = x.shape().rank();
  Tensor scale = (var + eps).rsqrt();
  if (weight.defined()) scale = scale * weight;
  Tensor shift = mean * scale;
  shift = bias.defined() ? bias - shift : shift.neg();
  return x * per_channel(scale, rank) + per_channel(shift, rank);
}

struct Statistics {
  Tensor y, mean, variance;
};

/// By the batch's own statistics.
Statistics by_batch(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  const Call* c = eps_call("batch_norm", eps);
  std::vector<record::Var> operands{x};
  if (weight.defined() || bias.defined()) {
    const Shape channels{x.shape()[1]};
    operands.push_back(weight.defined() ? weight : broadcast(number_of(1, x.dtype()), channels));
    if (bias.defined()) operands.push_back(bias);
  }
  // Gamma and beta come together or not at all.
  if (operands.size() == 2)
    operands.push_back(broadcast(number_of(0, x.dtype()), Shape{x.shape()[1]}));
  const auto all = record::apply_all(c, operands);
  return {all[0], all[1], all[2]};
}

void require_channels(const Tensor& v, const Tensor& x, const char* op, const char* what) {
  if (v.defined() && v.count() != x.shape()[1])
    user_error("{}: {} has {} elements, the input {} has {} channels", op, what, v.count(),
               x.shape().text(), x.shape()[1]);
}

}  // namespace

Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                  const Tensor& weight, const Tensor& bias, bool training, double momentum,
                  double eps) {
  const char* op = "batch_norm";
  if (x.shape().rank() < 2)
    user_error("{}: [N, C, …] expected, shape {} received", op, x.shape().text());
  require_channels(running_mean, x, op, "running_mean");
  require_channels(running_var, x, op, "running_var");
  require_channels(weight, x, op, "weight");
  require_channels(bias, x, op, "bias");
  if (!training) {
    if (!running_mean.defined() || !running_var.defined())
      user_error("{}: running statistics are needed outside of training", op);
    return by_statistics(x, running_mean, running_var, weight, bias, eps);
  }
  const int64_t n = x.count() / std::max<int64_t>(x.shape()[1], 1);
  if (n == 1)
    raise<ValueError>("{}: more than one value a channel is needed in training, shape {}", op,
                      x.shape().text());
  const Statistics s = by_batch(x, weight, bias, eps);
  follow(running_mean, s.mean.detach(), momentum);
  if (running_var.defined()) {
    const double unbiased = static_cast<double>(n) / static_cast<double>(n - 1);
    follow(running_var, s.variance.detach() * unbiased, momentum);
  }
  return s.y;
}

Tensor instance_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                     const Tensor& weight, const Tensor& bias, bool use_input_stats,
                     double momentum, double eps) {
  const char* op = "instance_norm";
  const Shape& s = x.shape();
  if (s.rank() < 3) user_error("{}: [N, C, spatial…] expected, shape {} received", op, s.text());
  if (!use_input_stats) {
    if (!running_mean.defined() || !running_var.defined())
      user_error("{}: running statistics are needed without the input's own", op);
    return by_statistics(x, running_mean, running_var, weight, bias, eps);
  }
  const int64_t places = s.count(2);
  if (places <= 1)
    raise<ValueError>("{}: more than one spatial element is needed in training, shape {}", op,
                      s.text());
  const Tensor planes = reshaped(x, Shape{1, s[0] * s[1], places});
  const Statistics st = by_batch(planes, {}, {}, eps);
  const auto over_batch = [&](const Tensor& v) {
    return reshape_view(v.detach(), Shape{s[0], s[1]}).mean(0);
  };
  follow(running_mean, over_batch(st.mean), momentum);
  if (running_var.defined()) {
    const double unbiased = static_cast<double>(places) / static_cast<double>(places - 1);
    follow(running_var, over_batch(st.variance) * unbiased, momentum);
  }
  Tensor y = reshape_view(st.y, s);
  if (weight.defined()) y = y * per_channel(weight, s.rank());
  return bias.defined() ? y + per_channel(bias, s.rank()) : y;
}

Tensor layer_norm(const Tensor& x, const Dims& normalized_shape, const Tensor& weight,
                  const Tensor& bias, double eps) {
  const int n = normalized_shape.size(), rank = x.shape().rank();
  bool fits = n >= 1 && n <= rank;
  for (int i = 0; fits && i < n; ++i) fits = x.shape()[rank - n + i] == normalized_shape[i];
  if (!fits)
    user_error("layer_norm: an input that ends in {} expected, shape {} received",
               normalized_shape.text(), x.shape().text());
  const Call* c = layer_norm_call(n, eps);
  if (!weight.defined()) {
    const Tensor y = record::apply(c, {x});
    return bias.defined() ? y + bias : y;
  }
  if (bias.defined()) return record::apply(c, {x, weight, bias});
  return record::apply(c, {x, weight});
}

Tensor group_norm(const Tensor& x, int64_t num_groups, const Tensor& weight, const Tensor& bias,
                  double eps) {
  const Shape& s = x.shape();
  if (s.rank() < 2) user_error("group_norm: [N, C, …] expected, shape {} received", s.text());
  if (num_groups < 1 || s[1] % num_groups != 0)
    user_error("group_norm: {} channels do not divide into {} groups", s[1], num_groups);
  const Tensor rows = reshaped(x, Shape{s[0], num_groups, s[1] / num_groups * s.count(2)});
  Tensor y = reshape_view(record::apply(layer_norm_call(1, eps), {rows}), s);
  if (weight.defined()) y = y * per_channel(weight, s.rank());
  return bias.defined() ? y + per_channel(bias, s.rank()) : y;
}

Tensor rms_norm(const Tensor& x, const Dims& normalized_shape, const Tensor& weight,
                std::optional<double> eps) {
  Dims dims;
  for (int i = 1; i <= normalized_shape.size(); ++i) dims.push_back(-i);
  const double fallback = x.dtype() == DType::f64 ? std::numeric_limits<double>::epsilon()
                                                  : std::numeric_limits<float>::epsilon();
  const Tensor y = x * (x.square().mean(dims, true) + eps.value_or(fallback)).rsqrt();
  return weight.defined() ? y * weight : y;
}

Tensor local_response_norm(const Tensor& x, int64_t size, double alpha, double beta, double k) {
  const Shape& s = x.shape();
  if (s.rank() < 3)
    user_error("local_response_norm: three dims or more expected, shape {} received", s.text());
  if (size < 1) user_error("local_response_norm: a window of {} channels received", size);
  if (size % 2 == 1) {
    const int64_t key[] = {size, std::bit_cast<int64_t>(alpha), std::bit_cast<int64_t>(beta),
                           std::bit_cast<int64_t>(k)};
    start_engine();
    static const OpDef& op = OpRegistry::instance().get("lrn");
    const Call* c = record::call_by_key(op, key, [](const OpDef&, std::span<const int64_t> a) {
      return Attrs{{"size", a[0]},
                   {"alpha", std::bit_cast<double>(a[1])},
                   {"beta", std::bit_cast<double>(a[2])},
                   {"k", std::bit_cast<double>(a[3])}};
    });
    return record::apply(c, {x});
  }
  const Tensor squares = reshaped(x.square(), Shape{s[0], 1, s[1], s.count(2)});
  const Tensor around = padded(squares, {0, 0, size / 2, 0}, {0, 0, (size - 1) / 2, 0});
  const Tensor mean = avg_pool2d(around, {size, 1}, 1);
  return x / reshape_view((mean * alpha + k).pow(beta), s);
}

Tensor normalize(const Tensor& x, double p, const Dims& dim, double eps) {
  return x / x.norm(p, dim, true).clamp_min(eps);
}

Tensor embedding(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx,
                 std::optional<double> max_norm, double norm_type, bool scale_grad_by_freq, bool) {
  if (input.dtype() != DType::i64 && input.dtype() != DType::i32)
    user_error("embedding: indices of int64 expected, {} received", name_of(input.dtype()));
  if (weight.shape().rank() != 2)
    user_error("embedding: a weight of [num, dim] expected, shape {} received",
               weight.shape().text());
  const int64_t rows = weight.shape()[0];
  if (is_ready(input))
    for (int64_t i : host_integers(input))
      if (i < 0 || i >= rows)
        raise<IndexError>("embedding: index {} is out of range for {} rows", i, rows);
  if (max_norm) {
    const NoGradGuard off;
    const Tensor used = unique(input).values;
    const Tensor vectors = gather_rows(weight.detach(), used, 0);
    const Tensor length = vectors.norm(norm_type, 1, true);
    const Tensor factor =
        pick(length.gt(*max_norm), *max_norm / (length + 1e-7), number_of(1, weight.dtype()));
    weight.index_copy_(0, used, vectors * factor);
  }
  Tensor y = gather_rows(weight, input, 0);
  if (!record::grad_enabled() || !weight.requires_grad()) return y;
  if (padding_idx) {
    const int64_t pad = *padding_idx < 0 ? *padding_idx + rows : *padding_idx;
    y = pick(input.eq(pad).unsqueeze(-1), y.detach(), y);
  }
  if (scale_grad_by_freq) {
    const Tensor flat = reshaped(input, Shape{input.count()});
    const Tensor counts = gather_rows(flat.bincount({}, rows), input, 0);
    const Tensor share = cast_to(counts, weight.dtype()).reciprocal().unsqueeze(-1);
    y = y * share + (y - y * share).detach();
  }
  return y;
}

namespace {

/// Which bag each index belongs to.
std::vector<int64_t> bags_of(const std::vector<int64_t>& offsets, int64_t count) {
  std::vector<int64_t> bag(static_cast<size_t>(count));
  size_t at = 0;
  for (int64_t i = 0; i < count; ++i) {
    while (at + 1 < offsets.size() && offsets[at + 1] <= i) ++at;
    bag[static_cast<size_t>(i)] = static_cast<int64_t>(at);
  }
  return bag;
}

}  // namespace

Tensor embedding_bag(const Tensor& input, const Tensor& weight, const Tensor& offsets,
                     const std::string& mode, const Tensor& per_sample_weights,
                     std::optional<int64_t> padding_idx) {
  if (mode != "sum" && mode != "mean" && mode != "max")
    raise<ValueError>("embedding_bag: mode \"{}\" received; sum, mean or max expected", mode);
  std::vector<int64_t> starts;
  if (input.shape().rank() == 2)
    for (int64_t i = 0; i < input.shape()[0]; ++i) starts.push_back(i * input.shape()[1]);
  else if (input.shape().rank() == 1 && offsets.defined())
    starts = host_integers(offsets);
  else
    raise<ValueError>("embedding_bag: indices [N, L], or [L] with offsets expected, shape {}",
                      input.shape().text());
  const Tensor flat = reshaped(input, Shape{input.count()});
  Tensor rows = embedding(flat, weight, padding_idx);
  if (per_sample_weights.defined()) {
    if (mode != "sum")
      raise<NotImplementedError>("embedding_bag: weights for each index go with mode \"sum\" only");
    rows = rows * reshaped(per_sample_weights, Shape{input.count(), 1});
  }
  const int64_t bags = static_cast<int64_t>(starts.size()), dim = weight.shape()[1];
  Tensor at = index_tensor(bags_of(starts, input.count()));
  if (padding_idx) {
    const Tensor kept = flat.ne(*padding_idx);
    rows = rows.index({kept});
    at = at.index({kept});
  }
  const Tensor zeros = broadcast(number_of(0, weight.dtype()), Shape{bags, dim});
  if (mode == "max")
    return zeros.scatter_reduce(0, broadcast(at.unsqueeze(1), rows.shape()), rows, "amax", false);
  const Tensor sums = zeros.index_add(0, at, rows);
  if (mode == "sum") return sums;
  return sums / cast_to(at.bincount({}, bags), weight.dtype()).clamp_min(1).unsqueeze(1);
}

Tensor one_hot(const Tensor& x, int64_t num_classes) {
  if (x.dtype() != DType::i64)
    user_error("one_hot: int64 expected, {} received", name_of(x.dtype()));
  if (x.count() == 0 && num_classes <= 0)
    user_error("one_hot: the number of classes of nothing is unknown; pass num_classes");
  int64_t most = -1;
  if (num_classes == -1 || is_ready(x))
    for (int64_t v : host_integers(x)) {
      if (v < 0) user_error("one_hot: class {} received, classes start at 0", v);
      most = std::max(most, v);
    }
  const int64_t depth = num_classes == -1 ? most + 1 : num_classes;
  if (depth < 1 || most >= depth)
    user_error("one_hot: class {} received, {} classes expected", most, depth);
  const int64_t key[] = {depth};
  start_engine();
  static const OpDef& op = OpRegistry::instance().get("one_hot");
  return record::apply(
      record::call_by_key(op, key,
                          [](const OpDef&, std::span<const int64_t> k) {
                            return Attrs{{"depth", k[0]}, {"dtype", std::string("int64")}};
                          }),
      {x});
}

Tensor cosine_similarity(const Tensor& a, const Tensor& b, int64_t dim, double eps) {
  const std::vector<Tensor> both = broadcast_tensors({a, b});
  const Tensor x = both[0] / both[0].norm(2, dim, true).clamp_min(eps),
               y = both[1] / both[1].norm(2, dim, true).clamp_min(eps);
  return (x * y).sum(dim);
}

Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p, double eps, bool keepdim) {
  return (a - b + eps).norm(p, -1, keepdim);
}

Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& given_key,
                                    const Tensor& given_value, const Tensor& attn_mask,
                                    double dropout_p, bool is_causal, std::optional<double> scale,
                                    bool enable_gqa, Generator rng) {
  const char* op = "scaled_dot_product_attention";
  if (is_causal && attn_mask.defined())
    user_error("{}: either attn_mask or is_causal, not both", op);
  Tensor key = given_key, value = given_value;
  if (enable_gqa) {
    const int64_t heads = query.size(-3), shared = key.size(-3);
    if (shared == 0 || heads % shared != 0)
      user_error("{}: {} query heads do not share {} key heads", op, heads, shared);
    key = key.repeat_interleave(heads / shared, -3);
    value = value.repeat_interleave(heads / value.size(-3), -3);
  }
  const double factor = scale.value_or(1 / std::sqrt(static_cast<double>(query.size(-1))));
  Tensor scores = query.matmul(key.transpose(-2, -1)) * factor;
  Tensor mask = attn_mask;
  if (is_causal) mask = ones({query.size(-2), key.size(-2)}, {.dtype = boolean}).tril();
  const Tensor nowhere = number_of(-std::numeric_limits<double>::infinity(), query.dtype());
  Tensor dead;  // rows that attend nowhere
  if (mask.defined()) {
    scores = mask.dtype() == DType::bool_ ? pick(mask, scores, nowhere) : scores + mask;
    dead = scores.detach().eq(nowhere).all(-1, true);
    scores = pick(dead, number_of(0, query.dtype()), scores);
  }
  Tensor weights = scores.softmax(-1);
  if (dead.defined()) weights = pick(dead, number_of(0, query.dtype()), weights);
  if (dropout_p > 0) weights = dropout(weights, dropout_p, true, false, rng);
  return weights.matmul(value);
}

}  // namespace trivium::nn::functional
