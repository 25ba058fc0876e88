// Multi-head attention and Transformer layers, in the draw order of PyTorch.
#include "trivium/notations/nn/attention.h"

#include <cmath>
#include <limits>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/functional.h"
#include "trivium/notations/nn/init.h"

namespace trivium::nn {

namespace F = functional;

namespace {

AttentionOptions sized(AttentionOptions o, int64_t embed_dim, int64_t num_heads) {
  o.embed_dim = embed_dim;
  o.num_heads = num_heads;
  return o;
}

bool one_width(const AttentionOptions& o) {
  return o.kdim.value_or(o.embed_dim) == o.embed_dim && o.vdim.value_or(o.embed_dim) == o.embed_dim;
}

/// Boolean masks as what is added to the scores.
Tensor as_added(const Tensor& mask, DType dtype) {
  if (!mask.defined()) return mask;
  if (mask.dtype() != DType::bool_) return mask.to(dtype);
  return zeros(mask.shape(), {.dtype = dtype})
      .masked_fill(mask, -std::numeric_limits<double>::infinity());
}

}  // namespace

MultiheadAttention::MultiheadAttention(const AttentionOptions& o)
    : options(o),
      in_proj_weight(one_width(o)
                         ? &parameter("in_proj_weight", empty({3 * o.embed_dim, o.embed_dim}))
                         : nullptr),
      q_proj_weight(one_width(o) ? nullptr
                                 : &parameter("q_proj_weight", empty({o.embed_dim, o.embed_dim}))),
      k_proj_weight(one_width(o) ? nullptr
                                 : &parameter("k_proj_weight",
                                              empty({o.embed_dim, o.kdim.value_or(o.embed_dim)}))),
      v_proj_weight(one_width(o) ? nullptr
                                 : &parameter("v_proj_weight",
                                              empty({o.embed_dim, o.vdim.value_or(o.embed_dim)}))),
      in_proj_bias(parameter("in_proj_bias", o.bias ? zeros({3 * o.embed_dim}) : Tensor())),
      out_proj(add("out_proj", Linear(o.embed_dim, o.embed_dim, o.bias))),
      bias_k(parameter("bias_k", o.add_bias_kv ? empty({1, 1, o.embed_dim}) : Tensor())),
      bias_v(parameter("bias_v", o.add_bias_kv ? empty({1, 1, o.embed_dim}) : Tensor())) {
  if (o.embed_dim <= 0 || o.num_heads <= 0 || o.embed_dim % o.num_heads != 0)
    raise<ValueError>("MultiheadAttention: {} heads can not share embed_dim {}", o.num_heads,
                      o.embed_dim);
  if (in_proj_weight) {
    init::xavier_uniform_(*in_proj_weight);
  } else {
    for (Tensor* w : {q_proj_weight, k_proj_weight, v_proj_weight}) init::xavier_uniform_(*w);
  }
  if (o.bias) init::zeros_(out_proj.bias);
  if (o.add_bias_kv) {
    init::xavier_normal_(bias_k);
    init::xavier_normal_(bias_v);
  }
}

MultiheadAttention::MultiheadAttention(int64_t embed_dim, int64_t num_heads, AttentionOptions rest)
    : MultiheadAttention(sized(rest, embed_dim, num_heads)) {}

AttentionResult MultiheadAttention::operator()(const Tensor& query, const Tensor& key,
                                               const Tensor& value, const AttentionMasks& masks) {
  if (masks.is_causal && !masks.attn_mask.defined())
    user_error("MultiheadAttention: is_causal needs attn_mask, which it describes");
  if (query.dim() != 2 && query.dim() != 3)
    user_error("MultiheadAttention: expected a query of 2 or 3 axes, received {}",
               query.shape().text());
  const Tensors out = run({query, key, value}, [&](const Tensors& a) {
    const bool batched = a[0].dim() == 3;
    const auto time_first = [&](const Tensor& t) {
      return !batched ? t.unsqueeze(1) : options.batch_first ? t.transpose(0, 1) : t;
    };
    AttentionMasks local = masks;
    if (!batched && local.key_padding_mask.defined())
      local.key_padding_mask = local.key_padding_mask.unsqueeze(0);
    const Tensor q = time_first(a[0]);
    const Tensor k = a[1].same_as(a[0]) ? q : time_first(a[1]);
    const Tensor v = a[2].same_as(a[1]) ? k : time_first(a[2]);
    AttentionResult r = attend(q, k, v, local);
    if (!batched) {
      r.output = r.output.squeeze(1);
      if (r.weights.defined()) r.weights = r.weights.squeeze(0);
    } else if (options.batch_first) {
      r.output = r.output.transpose(0, 1);
    }
    return Tensors{r.output, r.weights};
  });
  return {out[0], out[1]};
}

void MultiheadAttention::project(Tensor& q, Tensor& k, Tensor& v) const {
  const int64_t e = options.embed_dim;
  const bool biased = in_proj_bias.defined();
  const auto bias = [&](int64_t i) { return biased ? in_proj_bias.narrow(0, i * e, e) : Tensor(); };
  if (!in_proj_weight) {
    q = F::linear(q, *q_proj_weight, bias(0));
    k = F::linear(k, *k_proj_weight, bias(1));
    v = F::linear(v, *v_proj_weight, bias(2));
    return;
  }
  if (q.same_as(k) && k.same_as(v)) {  // one product for all three
    const Tensor all = F::linear(q, *in_proj_weight, in_proj_bias);
    q = all.narrow(-1, 0, e);
    k = all.narrow(-1, e, e);
    v = all.narrow(-1, 2 * e, e);
    return;
  }
  const auto weight = [&](int64_t i) { return in_proj_weight->narrow(0, i * e, e); };
  q = F::linear(q, weight(0), bias(0));
  k = F::linear(k, weight(1), bias(1));
  v = F::linear(v, weight(2), bias(2));
}

AttentionResult MultiheadAttention::attend(Tensor q, Tensor k, Tensor v,
                                           const AttentionMasks& masks) const {
  const int64_t steps = q.size(0), batch = q.size(1), heads = options.num_heads;
  const int64_t width = options.embed_dim / heads;
  project(q, k, v);
  const auto extend = [&](Tensor& mask) {  // the added key is never ignored
    if (mask.defined()) mask = F::pad(mask, {0, 1});
  };
  Tensor attn_mask = as_added(masks.attn_mask, q.dtype());
  Tensor padding = as_added(masks.key_padding_mask, q.dtype());
  if (bias_k.defined()) {
    k = cat({k, bias_k.expand({1, batch, options.embed_dim})});
    v = cat({v, bias_v.expand({1, batch, options.embed_dim})});
    extend(attn_mask);
    extend(padding);
  }
  const auto split_heads = [&](const Tensor& t) {  // [S, N, E] -> [N, heads, S, width]
    return t.reshape({t.size(0), batch, heads, width}).permute({1, 2, 0, 3});
  };
  q = split_heads(q);
  k = split_heads(k);
  v = split_heads(v);
  if (options.add_zero_attn) {
    k = cat({k, k.new_zeros({batch, heads, 1, width})}, 2);
    v = cat({v, v.new_zeros({batch, heads, 1, width})}, 2);
    extend(attn_mask);
    extend(padding);
  }
  const int64_t keys = k.size(2);
  Tensor added;
  if (attn_mask.defined())
    added = attn_mask.dim() == 3 ? attn_mask.reshape({batch, heads, steps, keys}) : attn_mask;
  if (padding.defined()) {
    const Tensor by_key = padding.reshape({batch, 1, 1, keys});
    added = added.defined() ? added + by_key : by_key;
  }
  const double dropout = is_training() ? options.dropout : 0;
  AttentionResult out;
  Tensor mixed;
  if (masks.need_weights) {
    Tensor scores = (q * std::sqrt(1.0 / static_cast<double>(width))).matmul(k.transpose(-2, -1));
    if (added.defined()) scores = scores + added;
    Tensor weights = scores.softmax(-1);
    if (dropout > 0) weights = F::dropout(weights, dropout, true);
    mixed = weights.matmul(v);
    out.weights = masks.average_attn_weights ? weights.mean({1}) : weights;
  } else {
    mixed = F::scaled_dot_product_attention(q, k, v, added, dropout);
  }
  const Tensor joined = mixed.permute({2, 0, 1, 3}).reshape({steps * batch, options.embed_dim});
  out.output =
      F::linear(joined, out_proj.weight, out_proj.bias).reshape({steps, batch, options.embed_dim});
  return out;
}

// ---- layers

namespace {

TransformerLayerOptions sized(TransformerLayerOptions o, int64_t d_model, int64_t nhead) {
  o.d_model = d_model;
  o.nhead = nhead;
  return o;
}

MultiheadAttention attention_of(const TransformerLayerOptions& o) {
  return MultiheadAttention({.embed_dim = o.d_model,
                             .num_heads = o.nhead,
                             .dropout = o.dropout,
                             .bias = o.bias,
                             .batch_first = o.batch_first});
}

LayerNorm norm_of(const TransformerLayerOptions& o) {
  return LayerNorm(o.d_model, {.eps = o.layer_norm_eps, .bias = o.bias});
}

Tensor activated(const std::string& name, const Tensor& x) {
  if (name == "relu") return x.relu();
  if (name == "gelu") return F::gelu(x);
  user_error("Transformer: activation must be relu or gelu, received '{}'", name);
}

/// Dropout of an attention's output. Its mask is drawn in the order in which attention computes,
/// time first, whatever the layout the caller sees.
Tensor dropped(Dropout& dropout, const Tensor& attended, bool batch_first) {
  if (!batch_first || attended.dim() != 3) return dropout(attended);
  return dropout(attended.transpose(0, 1)).transpose(0, 1);
}

/// Constructs a second layer without moving the sequence of random numbers, and copies the values.
template <typename Layer>
Layer copy_of(const Layer& layer) {
  const TorchGenerator before = random::default_generator();
  Layer out(layer.options);
  random::default_generator() = before;
  out.load_state_dict(layer.state_dict());
  out.train(layer.is_training());
  return out;
}

}  // namespace

TransformerEncoderLayer::TransformerEncoderLayer(const TransformerLayerOptions& o)
    : options(o),
      self_attn(add("self_attn", attention_of(o))),
      linear1(add("linear1", Linear(o.d_model, o.dim_feedforward, o.bias))),
      dropout(add("dropout", Dropout(o.dropout))),
      linear2(add("linear2", Linear(o.dim_feedforward, o.d_model, o.bias))),
      norm1(add("norm1", norm_of(o))),
      norm2(add("norm2", norm_of(o))),
      dropout1(add("dropout1", Dropout(o.dropout))),
      dropout2(add("dropout2", Dropout(o.dropout))) {}

TransformerEncoderLayer::TransformerEncoderLayer(int64_t d_model, int64_t nhead,
                                                 TransformerLayerOptions rest)
    : TransformerEncoderLayer(sized(rest, d_model, nhead)) {}

Tensor TransformerEncoderLayer::operator()(const Tensor& src, const Tensor& src_mask,
                                           const Tensor& src_key_padding_mask, bool is_causal) {
  const auto attend = [&](const Tensor& x) {
    const AttentionMasks masks{.key_padding_mask = src_key_padding_mask,
                               .attn_mask = src_mask,
                               .is_causal = is_causal,
                               .need_weights = false};
    return dropped(dropout1, self_attn(x, x, x, masks).output, options.batch_first);
  };
  const auto feed_forward = [&](const Tensor& x) {
    return dropout2(linear2(dropout(activated(options.activation, linear1(x)))));
  };
  return run({src}, [&](const Tensors& a) {
    Tensor x = a[0];
    if (options.norm_first) {
      x = x + attend(norm1(x));
      return Tensors{x + feed_forward(norm2(x))};
    }
    x = norm1(x + attend(x));
    return Tensors{norm2(x + feed_forward(x))};
  })[0];
}

TransformerEncoderLayer TransformerEncoderLayer::clone() const { return copy_of(*this); }

TransformerDecoderLayer::TransformerDecoderLayer(const TransformerLayerOptions& o)
    : options(o),
      self_attn(add("self_attn", attention_of(o))),
      multihead_attn(add("multihead_attn", attention_of(o))),
      linear1(add("linear1", Linear(o.d_model, o.dim_feedforward, o.bias))),
      dropout(add("dropout", Dropout(o.dropout))),
      linear2(add("linear2", Linear(o.dim_feedforward, o.d_model, o.bias))),
      norm1(add("norm1", norm_of(o))),
      norm2(add("norm2", norm_of(o))),
      norm3(add("norm3", norm_of(o))),
      dropout1(add("dropout1", Dropout(o.dropout))),
      dropout2(add("dropout2", Dropout(o.dropout))),
      dropout3(add("dropout3", Dropout(o.dropout))) {}

TransformerDecoderLayer::TransformerDecoderLayer(int64_t d_model, int64_t nhead,
                                                 TransformerLayerOptions rest)
    : TransformerDecoderLayer(sized(rest, d_model, nhead)) {}

Tensor TransformerDecoderLayer::operator()(const Tensor& tgt, const Tensor& memory,
                                           const Tensor& tgt_mask, const Tensor& memory_mask,
                                           const Tensor& tgt_key_padding_mask,
                                           const Tensor& memory_key_padding_mask) {
  const auto attend = [&](const Tensor& x) {
    const AttentionMasks masks{
        .key_padding_mask = tgt_key_padding_mask, .attn_mask = tgt_mask, .need_weights = false};
    return dropped(dropout1, self_attn(x, x, x, masks).output, options.batch_first);
  };
  const auto look_back = [&](const Tensor& x, const Tensor& seen) {
    const AttentionMasks masks{.key_padding_mask = memory_key_padding_mask,
                               .attn_mask = memory_mask,
                               .need_weights = false};
    return dropped(dropout2, multihead_attn(x, seen, seen, masks).output, options.batch_first);
  };
  const auto feed_forward = [&](const Tensor& x) {
    return dropout3(linear2(dropout(activated(options.activation, linear1(x)))));
  };
  return run({tgt, memory}, [&](const Tensors& a) {
    Tensor x = a[0];
    if (options.norm_first) {
      x = x + attend(norm1(x));
      x = x + look_back(norm2(x), a[1]);
      return Tensors{x + feed_forward(norm3(x))};
    }
    x = norm1(x + attend(x));
    x = norm2(x + look_back(x, a[1]));
    return Tensors{norm3(x + feed_forward(x))};
  })[0];
}

TransformerDecoderLayer TransformerDecoderLayer::clone() const { return copy_of(*this); }

// ---- stacks

namespace {

template <typename Layer>
ModuleList copies_of(const Layer& layer, int64_t count) {
  ModuleList out;
  for (int64_t i = 0; i < count; ++i) out.append(layer.clone());
  return out;
}

template <typename Stack>
std::optional<LayerNorm> added_norm(Stack& stack, const std::optional<LayerNorm>& norm) {
  if (!norm) return norm;
  return stack.add("norm", *norm);
}

}  // namespace

TransformerEncoder::TransformerEncoder(const TransformerEncoderLayer& layer, int64_t num_layers,
                                       std::optional<LayerNorm> last)
    : layers(add("layers", copies_of(layer, num_layers))), norm(added_norm(*this, last)) {}

Tensor TransformerEncoder::operator()(const Tensor& src, const Tensor& mask,
                                      const Tensor& src_key_padding_mask) {
  return run({src}, [&](const Tensors& a) {
    Tensor x = a[0];
    for (int64_t i = 0; i < layers.size(); ++i)
      x = layers.at<TransformerEncoderLayer>(i)(x, mask, src_key_padding_mask);
    return Tensors{norm ? (*norm)(x) : x};
  })[0];
}

TransformerDecoder::TransformerDecoder(const TransformerDecoderLayer& layer, int64_t num_layers,
                                       std::optional<LayerNorm> last)
    : layers(add("layers", copies_of(layer, num_layers))), norm(added_norm(*this, last)) {}

Tensor TransformerDecoder::operator()(const Tensor& tgt, const Tensor& memory,
                                      const Tensor& tgt_mask, const Tensor& memory_mask,
                                      const Tensor& tgt_key_padding_mask,
                                      const Tensor& memory_key_padding_mask) {
  return run({tgt, memory}, [&](const Tensors& a) {
    Tensor x = a[0];
    for (int64_t i = 0; i < layers.size(); ++i)
      x = layers.at<TransformerDecoderLayer>(i)(x, a[1], tgt_mask, memory_mask,
                                                tgt_key_padding_mask, memory_key_padding_mask);
    return Tensors{norm ? (*norm)(x) : x};
  })[0];
}

namespace {

TransformerLayerOptions layer_of(const TransformerOptions& o) {
  return {.d_model = o.d_model,
          .nhead = o.nhead,
          .dim_feedforward = o.dim_feedforward,
          .dropout = o.dropout,
          .activation = o.activation,
          .layer_norm_eps = o.layer_norm_eps,
          .batch_first = o.batch_first,
          .norm_first = o.norm_first,
          .bias = o.bias};
}

LayerNorm last_norm(const TransformerOptions& o) {
  return LayerNorm(o.d_model, {.eps = o.layer_norm_eps, .bias = o.bias});
}

}  // namespace

Transformer::Transformer(const TransformerOptions& o)
    : options(o),
      encoder(add("encoder", TransformerEncoder(TransformerEncoderLayer(layer_of(o)),
                                                o.num_encoder_layers, last_norm(o)))),
      decoder(add("decoder", TransformerDecoder(TransformerDecoderLayer(layer_of(o)),
                                                o.num_decoder_layers, last_norm(o)))) {
  for (const Tensor& p : parameters())
    if (p.dim() > 1) init::xavier_uniform_(p);
}

Tensor Transformer::operator()(const Tensor& src, const Tensor& tgt, const Tensor& src_mask,
                               const Tensor& tgt_mask, const Tensor& memory_mask) {
  return run({src, tgt}, [&](const Tensors& a) {
    return Tensors{decoder(a[1], encoder(a[0], src_mask), tgt_mask, memory_mask)};
  })[0];
}

Tensor Transformer::generate_square_subsequent_mask(int64_t n) {
  return full({n, n}, Scalar(-std::numeric_limits<double>::infinity())).triu(1);
}

}  // namespace trivium::nn
