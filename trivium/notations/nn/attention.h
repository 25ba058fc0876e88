// Attention and the Transformer of "Attention Is All You Need". Boolean masks say what to ignore.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "trivium/notations/nn/modules_container.h"
#include "trivium/notations/nn/modules_linear.h"
#include "trivium/notations/nn/modules_norm.h"

namespace trivium::nn {

struct AttentionOptions {
  int64_t embed_dim = 0, num_heads = 1;
  double dropout = 0;
  bool bias = true;
  bool add_bias_kv = false, add_zero_attn = false;
  std::optional<int64_t> kdim{}, vdim{};  // none: embed_dim
  bool batch_first = false;
};

/// How one call attends. Float masks are added to the scores.
struct AttentionMasks {
  Tensor key_padding_mask{};  // [N, S]: keys to ignore
  Tensor attn_mask{};         // [L, S] or [N*heads, L, S]
  bool is_causal = false;     // a hint that attn_mask is the causal one; UserError without it
  bool need_weights = true;
  bool average_attn_weights = true;
};
struct AttentionResult {
  Tensor output;   // as the query
  Tensor weights;  // [N, L, S], or [N, heads, L, S]; undefined unless needed
};

/// query [L, N, E], key [S, N, kdim], value [S, N, vdim] (N first with batch_first, or without N).
class MultiheadAttention : public Module {
 public:
  explicit MultiheadAttention(const AttentionOptions& options);
  MultiheadAttention(int64_t embed_dim, int64_t num_heads, AttentionOptions rest = {});
  AttentionResult operator()(const Tensor& query, const Tensor& key, const Tensor& value,
                             const AttentionMasks& masks = {});
  AttentionOptions options;
  Tensor* in_proj_weight = nullptr;  // [3E, E]: q, k, v; null when kdim or vdim differ
  Tensor* q_proj_weight = nullptr;
  Tensor* k_proj_weight = nullptr;
  Tensor* v_proj_weight = nullptr;
  Tensor& in_proj_bias;
  Linear out_proj;
  Tensor& bias_k;
  Tensor& bias_v;

 private:
  AttentionResult attend(Tensor q, Tensor k, Tensor v, const AttentionMasks& masks) const;
  void project(Tensor& q, Tensor& k, Tensor& v) const;
};

struct TransformerLayerOptions {
  int64_t d_model = 512, nhead = 8, dim_feedforward = 2048;
  double dropout = 0.1;
  std::string activation = "relu";  // or gelu
  double layer_norm_eps = 1e-5;
  bool batch_first = false, norm_first = false, bias = true;
};

class TransformerEncoderLayer : public Module {
 public:
  explicit TransformerEncoderLayer(const TransformerLayerOptions& options);
  TransformerEncoderLayer(int64_t d_model, int64_t nhead, TransformerLayerOptions rest = {});
  Tensor operator()(const Tensor& src, const Tensor& src_mask = {},
                    const Tensor& src_key_padding_mask = {}, bool is_causal = false);
  Tensor forward(const Tensor& src) override { return (*this)(src); }
  /// A layer of its own with the same values; draws nothing.
  TransformerEncoderLayer clone() const;

  TransformerLayerOptions options;
  MultiheadAttention self_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  LayerNorm norm1, norm2;
  Dropout dropout1, dropout2;
};

class TransformerDecoderLayer : public Module {
 public:
  explicit TransformerDecoderLayer(const TransformerLayerOptions& options);
  TransformerDecoderLayer(int64_t d_model, int64_t nhead, TransformerLayerOptions rest = {});
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const Tensor& tgt_mask = {},
                    const Tensor& memory_mask = {}, const Tensor& tgt_key_padding_mask = {},
                    const Tensor& memory_key_padding_mask = {});
  TransformerDecoderLayer clone() const;

  TransformerLayerOptions options;
  MultiheadAttention self_attn, multihead_attn;
  Linear linear1;
  Dropout dropout;
  Linear linear2;
  LayerNorm norm1, norm2, norm3;
  Dropout dropout1, dropout2, dropout3;
};

/// num_layers copies of one layer, which all start with its values.
class TransformerEncoder : public Module {
 public:
  TransformerEncoder(const TransformerEncoderLayer& layer, int64_t num_layers,
                     std::optional<LayerNorm> norm = {});
  Tensor operator()(const Tensor& src, const Tensor& mask = {},
                    const Tensor& src_key_padding_mask = {});
  Tensor forward(const Tensor& src) override { return (*this)(src); }
  ModuleList layers;
  std::optional<LayerNorm> norm;
};
class TransformerDecoder : public Module {
 public:
  TransformerDecoder(const TransformerDecoderLayer& layer, int64_t num_layers,
                     std::optional<LayerNorm> norm = {});
  Tensor operator()(const Tensor& tgt, const Tensor& memory, const Tensor& tgt_mask = {},
                    const Tensor& memory_mask = {}, const Tensor& tgt_key_padding_mask = {},
                    const Tensor& memory_key_padding_mask = {});
  ModuleList layers;
  std::optional<LayerNorm> norm;
};

struct TransformerOptions {
  int64_t d_model = 512, nhead = 8, num_encoder_layers = 6, num_decoder_layers = 6,
          dim_feedforward = 2048;
  double dropout = 0.1;
  std::string activation = "relu";
  double layer_norm_eps = 1e-5;
  bool batch_first = false, norm_first = false, bias = true;
};
class Transformer : public Module {
 public:
  explicit Transformer(const TransformerOptions& options = {});
  Tensor operator()(const Tensor& src, const Tensor& tgt, const Tensor& src_mask = {},
                    const Tensor& tgt_mask = {}, const Tensor& memory_mask = {});
  /// [n, n]: 0 on and below the diagonal, -inf above.
  static Tensor generate_square_subsequent_mask(int64_t n);
  TransformerOptions options;
  TransformerEncoder encoder;
  TransformerDecoder decoder;
};

}  // namespace trivium::nn
