// torch.nn.functional in C++: layers and losses as functions of tensors. Names, argument orders and
// defaults are PyTorch's; an undefined Tensor stands for None.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/tensor.h"

namespace trivium::nn::functional {

// ---- linear
/// x [.., in] w^T + b; w [out, in], b [out].
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});
Tensor bilinear(const Tensor& a, const Tensor& b, const Tensor& weight, const Tensor& bias = {});

/// Padding of convolutions: numbers, or "same" or "valid".
class Padding {
 public:
  template <std::integral I>
  Padding(I n) : dims(n) {}
  Padding(const Dims& d) : dims(d) {}
  Padding(std::initializer_list<int64_t> d) : dims(d) {}
  Padding(const char* name) : name(name) {}
  Padding(const std::string& name) : name(name) {}
  Dims dims;
  std::string name;
};

// ---- convolutions: x [N, C, spatial…] or [C, spatial…]; w [O, C/groups, kernel…]
Tensor conv1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Dims& stride = 1, const Padding& padding = 0, const Dims& dilation = 1,
              int64_t groups = 1);
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Dims& stride = 1, const Padding& padding = 0, const Dims& dilation = 1,
              int64_t groups = 1);
Tensor conv3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              const Dims& stride = 1, const Padding& padding = 0, const Dims& dilation = 1,
              int64_t groups = 1);
/// Any number of spatial axes; padding_mode "zeros", "reflect", "replicate" or "circular".
Tensor conv_nd(int spatial, const Tensor& x, const Tensor& weight, const Tensor& bias,
               const Dims& stride, const Padding& padding, const Dims& dilation, int64_t groups,
               const std::string& padding_mode = "zeros");
/// w [C, O/groups, kernel…].
Tensor conv_transpose1d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const Dims& stride = 1, const Dims& padding = 0,
                        const Dims& output_padding = 0, int64_t groups = 1,
                        const Dims& dilation = 1);
Tensor conv_transpose2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const Dims& stride = 1, const Dims& padding = 0,
                        const Dims& output_padding = 0, int64_t groups = 1,
                        const Dims& dilation = 1);
Tensor conv_transpose3d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
                        const Dims& stride = 1, const Dims& padding = 0,
                        const Dims& output_padding = 0, int64_t groups = 1,
                        const Dims& dilation = 1);
Tensor conv_transpose_nd(int spatial, const Tensor& x, const Tensor& weight, const Tensor& bias,
                         const Dims& stride, const Dims& padding, const Dims& output_padding,
                         int64_t groups, const Dims& dilation);
/// Columns of sliding windows of [N, C, H, W]: [N, C*kh*kw, places]; fold sums them back.
Tensor unfold(const Tensor& x, const Dims& kernel_size, const Dims& dilation = 1,
              const Dims& padding = 0, const Dims& stride = 1);
Tensor fold(const Tensor& x, const Dims& output_size, const Dims& kernel_size,
            const Dims& dilation = 1, const Dims& padding = 0, const Dims& stride = 1);

// ---- pooling; an empty stride means the kernel. A NaN in a window is its maximum, as in PyTorch,
// or with nan_wins = false is passed over, as in Caffe
Tensor max_pool1d(const Tensor& x, const Dims& kernel_size, const Dims& stride = {},
                  const Dims& padding = 0, const Dims& dilation = 1, bool ceil_mode = false,
                  bool nan_wins = true);
Tensor max_pool2d(const Tensor& x, const Dims& kernel_size, const Dims& stride = {},
                  const Dims& padding = 0, const Dims& dilation = 1, bool ceil_mode = false,
                  bool nan_wins = true);
Tensor max_pool3d(const Tensor& x, const Dims& kernel_size, const Dims& stride = {},
                  const Dims& padding = 0, const Dims& dilation = 1, bool ceil_mode = false,
                  bool nan_wins = true);
/// values, and indices (int64) into the flattened spatial axes.
ValuesIndices max_pool_with_indices(int spatial, const Tensor& x, const Dims& kernel_size,
                                    const Dims& stride = {}, const Dims& padding = 0,
                                    const Dims& dilation = 1, bool ceil_mode = false);
Tensor max_unpool(int spatial, const Tensor& x, const Tensor& indices, const Dims& kernel_size,
                  const Dims& stride = {}, const Dims& padding = 0, const Dims& output_size = {});
Tensor avg_pool1d(const Tensor& x, const Dims& kernel_size, const Dims& stride = {},
                  const Dims& padding = 0, bool ceil_mode = false, bool count_include_pad = true);
Tensor avg_pool2d(const Tensor& x, const Dims& kernel_size, const Dims& stride = {},
                  const Dims& padding = 0, bool ceil_mode = false, bool count_include_pad = true,
                  std::optional<int64_t> divisor_override = {});
Tensor avg_pool3d(const Tensor& x, const Dims& kernel_size, const Dims& stride = {},
                  const Dims& padding = 0, bool ceil_mode = false, bool count_include_pad = true,
                  std::optional<int64_t> divisor_override = {});
Tensor lp_pool1d(const Tensor& x, double norm_type, const Dims& kernel_size,
                 const Dims& stride = {}, bool ceil_mode = false);
Tensor lp_pool2d(const Tensor& x, double norm_type, const Dims& kernel_size,
                 const Dims& stride = {}, bool ceil_mode = false);
/// A size of kKeep keeps the input's.
inline constexpr int64_t kKeep = -1;
Tensor adaptive_avg_pool1d(const Tensor& x, const Dims& output_size);
Tensor adaptive_avg_pool2d(const Tensor& x, const Dims& output_size);
Tensor adaptive_avg_pool3d(const Tensor& x, const Dims& output_size);
Tensor adaptive_max_pool1d(const Tensor& x, const Dims& output_size);
Tensor adaptive_max_pool2d(const Tensor& x, const Dims& output_size);
Tensor adaptive_max_pool3d(const Tensor& x, const Dims& output_size);
ValuesIndices adaptive_max_pool_with_indices(int spatial, const Tensor& x, const Dims& output_size);

// ---- activations
Tensor relu(const Tensor& x, bool inplace = false);
Tensor relu6(const Tensor& x, bool inplace = false);
Tensor leaky_relu(const Tensor& x, double negative_slope = 0.01, bool inplace = false);
Tensor elu(const Tensor& x, double alpha = 1.0, bool inplace = false);
Tensor selu(const Tensor& x, bool inplace = false);
Tensor celu(const Tensor& x, double alpha = 1.0, bool inplace = false);
Tensor gelu(const Tensor& x, const std::string& approximate = "none");
Tensor silu(const Tensor& x, bool inplace = false);
Tensor mish(const Tensor& x, bool inplace = false);
Tensor sigmoid(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor softplus(const Tensor& x, double beta = 1, double threshold = 20);
Tensor softsign(const Tensor& x);
Tensor softshrink(const Tensor& x, double lambd = 0.5);
Tensor hardshrink(const Tensor& x, double lambd = 0.5);
Tensor tanhshrink(const Tensor& x);
Tensor hardtanh(const Tensor& x, double min_val = -1, double max_val = 1, bool inplace = false);
Tensor hardsigmoid(const Tensor& x, bool inplace = false);
Tensor hardswish(const Tensor& x, bool inplace = false);
Tensor logsigmoid(const Tensor& x);
Tensor threshold(const Tensor& x, double threshold, double value, bool inplace = false);
Tensor glu(const Tensor& x, int64_t dim = -1);
Tensor prelu(const Tensor& x, const Tensor& weight);
Tensor rrelu(const Tensor& x, double lower = 1.0 / 8, double upper = 1.0 / 3, bool training = false,
             bool inplace = false, Generator rng = nullptr);
/// Without a dim: 0 for 0-D, 1-D and 3-D input, else 1.
Tensor softmax(const Tensor& x, std::optional<int64_t> dim = {}, std::optional<DType> dtype = {});
Tensor softmin(const Tensor& x, std::optional<int64_t> dim = {}, std::optional<DType> dtype = {});
Tensor log_softmax(const Tensor& x, std::optional<int64_t> dim = {},
                   std::optional<DType> dtype = {});
Tensor gumbel_softmax(const Tensor& logits, double tau = 1, bool hard = false, int64_t dim = -1,
                      Generator rng = nullptr);

// ---- dropout: masks are drawn at the call
Tensor dropout(const Tensor& x, double p = 0.5, bool training = true, bool inplace = false,
               Generator rng = nullptr);
/// Whole channels of [N, C, …].
Tensor dropout1d(const Tensor& x, double p = 0.5, bool training = true, bool inplace = false,
                 Generator rng = nullptr);
Tensor dropout2d(const Tensor& x, double p = 0.5, bool training = true, bool inplace = false,
                 Generator rng = nullptr);
Tensor dropout3d(const Tensor& x, double p = 0.5, bool training = true, bool inplace = false,
                 Generator rng = nullptr);
Tensor alpha_dropout(const Tensor& x, double p = 0.5, bool training = false, bool inplace = false,
                     Generator rng = nullptr);
Tensor feature_alpha_dropout(const Tensor& x, double p = 0.5, bool training = false,
                             bool inplace = false, Generator rng = nullptr);

// ---- normalisation
/// In training running_mean and running_var are updated in place (unbiased variance).
Tensor batch_norm(const Tensor& x, const Tensor& running_mean, const Tensor& running_var,
                  const Tensor& weight = {}, const Tensor& bias = {}, bool training = false,
                  double momentum = 0.1, double eps = 1e-5);
Tensor instance_norm(const Tensor& x, const Tensor& running_mean = {},
                     const Tensor& running_var = {}, const Tensor& weight = {},
                     const Tensor& bias = {}, bool use_input_stats = true, double momentum = 0.1,
                     double eps = 1e-5);
Tensor layer_norm(const Tensor& x, const Dims& normalized_shape, const Tensor& weight = {},
                  const Tensor& bias = {}, double eps = 1e-5);
Tensor group_norm(const Tensor& x, int64_t num_groups, const Tensor& weight = {},
                  const Tensor& bias = {}, double eps = 1e-5);
Tensor rms_norm(const Tensor& x, const Dims& normalized_shape, const Tensor& weight = {},
                std::optional<double> eps = {});
Tensor local_response_norm(const Tensor& x, int64_t size, double alpha = 1e-4, double beta = 0.75,
                           double k = 1.0);
Tensor normalize(const Tensor& x, double p = 2, const Dims& dim = 1, double eps = 1e-12);

// ---- embedding and encoding
/// Rows of weight [num, dim]; IndexError for an index out of range. The row padding_idx gets no
/// gradient; rows longer than max_norm are shortened in place first.
Tensor embedding(const Tensor& input, const Tensor& weight, std::optional<int64_t> padding_idx = {},
                 std::optional<double> max_norm = {}, double norm_type = 2,
                 bool scale_grad_by_freq = false, bool sparse = false);
Tensor embedding_bag(const Tensor& input, const Tensor& weight, const Tensor& offsets = {},
                     const std::string& mode = "mean", const Tensor& per_sample_weights = {},
                     std::optional<int64_t> padding_idx = {});
Tensor one_hot(const Tensor& x, int64_t num_classes = -1);

// ---- shape and resampling
/// pad: (left, right, top, bottom, …), last axis first; negative crops. mode "constant",
/// "reflect", "replicate" or "circular".
Tensor pad(const Tensor& x, const Dims& pad, const std::string& mode = "constant",
           double value = 0);
/// mode: nearest, nearest-exact, linear, bilinear, bicubic, trilinear, area. Exactly one of size
/// and scale_factor.
Tensor interpolate(const Tensor& x, const Dims& size = {},
                   const std::vector<double>& scale_factor = {},
                   const std::string& mode = "nearest", std::optional<bool> align_corners = {},
                   bool recompute_scale_factor = false, bool antialias = false);
Tensor upsample(const Tensor& x, const Dims& size = {},
                const std::vector<double>& scale_factor = {}, const std::string& mode = "nearest",
                std::optional<bool> align_corners = {});
Tensor affine_grid(const Tensor& theta, const Dims& size, bool align_corners = false);
Tensor grid_sample(const Tensor& x, const Tensor& grid, const std::string& mode = "bilinear",
                   const std::string& padding_mode = "zeros", bool align_corners = false);
Tensor pixel_shuffle(const Tensor& x, int64_t upscale_factor);
Tensor pixel_unshuffle(const Tensor& x, int64_t downscale_factor);
Tensor channel_shuffle(const Tensor& x, int64_t groups);

// ---- distances
Tensor cosine_similarity(const Tensor& a, const Tensor& b, int64_t dim = 1, double eps = 1e-8);
Tensor pairwise_distance(const Tensor& a, const Tensor& b, double p = 2, double eps = 1e-6,
                         bool keepdim = false);

// ---- attention
/// q [.., L, E], k [.., S, E], v [.., S, Ev]. A bool mask says where to attend, a float mask is
/// added; a row that attends nowhere gives 0.
Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& attn_mask = {}, double dropout_p = 0,
                                    bool is_causal = false, std::optional<double> scale = {},
                                    bool enable_gqa = false, Generator rng = nullptr);

// ---- losses
Tensor mse_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);
Tensor l1_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean);
Tensor smooth_l1_loss(const Tensor& input, const Tensor& target,
                      Reduction reduction = Reduction::mean, double beta = 1);
Tensor huber_loss(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean,
                  double delta = 1);
/// input [N, C, …] or [C], target integers [N, …].
Tensor nll_loss(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                int64_t ignore_index = -100, Reduction reduction = Reduction::mean);
Tensor cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                     int64_t ignore_index = -100, Reduction reduction = Reduction::mean,
                     double label_smoothing = 0);
/// Mean cross entropy of labels of any dtype (numbers are truncated, none is ignored) in which a
/// probability counts as at least `floor`: Caffe's SoftmaxWithLoss, which has the smallest normal
/// float there. The derivative is that without the floor.
Tensor floored_cross_entropy(const Tensor& input, const Tensor& labels, double floor);
Tensor binary_cross_entropy(const Tensor& input, const Tensor& target, const Tensor& weight = {},
                            Reduction reduction = Reduction::mean);
Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                        const Tensor& weight = {},
                                        Reduction reduction = Reduction::mean,
                                        const Tensor& pos_weight = {});
Tensor kl_div(const Tensor& input, const Tensor& target, Reduction reduction = Reduction::mean,
              bool log_target = false);
Tensor poisson_nll_loss(const Tensor& input, const Tensor& target, bool log_input = true,
                        bool full = false, double eps = 1e-8,
                        Reduction reduction = Reduction::mean);
Tensor gaussian_nll_loss(const Tensor& input, const Tensor& target, const Tensor& var,
                         bool full = false, double eps = 1e-6,
                         Reduction reduction = Reduction::mean);
Tensor hinge_embedding_loss(const Tensor& input, const Tensor& target, double margin = 1,
                            Reduction reduction = Reduction::mean);
Tensor margin_ranking_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                           double margin = 0, Reduction reduction = Reduction::mean);
Tensor cosine_embedding_loss(const Tensor& input1, const Tensor& input2, const Tensor& target,
                             double margin = 0, Reduction reduction = Reduction::mean);
Tensor soft_margin_loss(const Tensor& input, const Tensor& target,
                        Reduction reduction = Reduction::mean);
Tensor multi_margin_loss(const Tensor& input, const Tensor& target, int64_t p = 1,
                         double margin = 1, const Tensor& weight = {},
                         Reduction reduction = Reduction::mean);
Tensor multilabel_margin_loss(const Tensor& input, const Tensor& target,
                              Reduction reduction = Reduction::mean);
Tensor multilabel_soft_margin_loss(const Tensor& input, const Tensor& target,
                                   const Tensor& weight = {},
                                   Reduction reduction = Reduction::mean);
Tensor triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                           double margin = 1, double p = 2, double eps = 1e-6, bool swap = false,
                           Reduction reduction = Reduction::mean);
/// log_probs [T, N, C] (or [T, C]); targets [N, S] or all behind one another; lengths int64.
Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, int64_t blank = 0,
                Reduction reduction = Reduction::mean, bool zero_infinity = false);

}  // namespace trivium::nn::functional
