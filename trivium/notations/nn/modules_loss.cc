// Loss modules.
#include "trivium/notations/nn/modules_loss.h"

namespace trivium::nn {

namespace F = functional;

Tensor Loss::operator()(const Tensor& input, const Tensor& target) {
  return run({input, target}, [this](const Tensors& a) { return Tensors{forward(a[0], a[1])}; })[0];
}

MSELoss::MSELoss(const MSELossOptions& o) : Loss(o.reduction) {}
Tensor MSELoss::forward(const Tensor& input, const Tensor& target) {
  return F::mse_loss(input, target, reduction);
}

L1Loss::L1Loss(const L1LossOptions& o) : Loss(o.reduction) {}
Tensor L1Loss::forward(const Tensor& input, const Tensor& target) {
  return F::l1_loss(input, target, reduction);
}

SmoothL1Loss::SmoothL1Loss(const SmoothL1LossOptions& o) : Loss(o.reduction), options(o) {}
Tensor SmoothL1Loss::forward(const Tensor& input, const Tensor& target) {
  return F::smooth_l1_loss(input, target, reduction, options.beta);
}

HuberLoss::HuberLoss(const HuberLossOptions& o) : Loss(o.reduction), options(o) {}
Tensor HuberLoss::forward(const Tensor& input, const Tensor& target) {
  return F::huber_loss(input, target, reduction, options.delta);
}

NLLLoss::NLLLoss(const NLLLossOptions& o) : Loss(o.reduction), options(o) {}
Tensor NLLLoss::forward(const Tensor& input, const Tensor& target) {
  return F::nll_loss(input, target, options.weight, options.ignore_index, reduction);
}

CrossEntropyLoss::CrossEntropyLoss(const CrossEntropyLossOptions& o)
    : Loss(o.reduction), options(o) {}
Tensor CrossEntropyLoss::forward(const Tensor& input, const Tensor& target) {
  return F::cross_entropy(input, target, options.weight, options.ignore_index, reduction,
                          options.label_smoothing);
}

BCELoss::BCELoss(const BCELossOptions& o) : Loss(o.reduction), options(o) {}
Tensor BCELoss::forward(const Tensor& input, const Tensor& target) {
  return F::binary_cross_entropy(input, target, options.weight, reduction);
}

BCEWithLogitsLoss::BCEWithLogitsLoss(const BCEWithLogitsLossOptions& o)
    : Loss(o.reduction), options(o) {}
Tensor BCEWithLogitsLoss::forward(const Tensor& input, const Tensor& target) {
  return F::binary_cross_entropy_with_logits(input, target, options.weight, reduction,
                                             options.pos_weight);
}

KLDivLoss::KLDivLoss(const KLDivLossOptions& o) : Loss(o.reduction), options(o) {}
Tensor KLDivLoss::forward(const Tensor& input, const Tensor& target) {
  return F::kl_div(input, target, reduction, options.log_target);
}

PoissonNLLLoss::PoissonNLLLoss(const PoissonNLLLossOptions& o) : Loss(o.reduction), options(o) {}
Tensor PoissonNLLLoss::forward(const Tensor& input, const Tensor& target) {
  return F::poisson_nll_loss(input, target, options.log_input, options.full, options.eps,
                             reduction);
}

HingeEmbeddingLoss::HingeEmbeddingLoss(const HingeEmbeddingLossOptions& o)
    : Loss(o.reduction), options(o) {}
Tensor HingeEmbeddingLoss::forward(const Tensor& input, const Tensor& target) {
  return F::hinge_embedding_loss(input, target, options.margin, reduction);
}

SoftMarginLoss::SoftMarginLoss(const SoftMarginLossOptions& o) : Loss(o.reduction) {}
Tensor SoftMarginLoss::forward(const Tensor& input, const Tensor& target) {
  return F::soft_margin_loss(input, target, reduction);
}

MultiMarginLoss::MultiMarginLoss(const MultiMarginLossOptions& o) : Loss(o.reduction), options(o) {}
Tensor MultiMarginLoss::forward(const Tensor& input, const Tensor& target) {
  return F::multi_margin_loss(input, target, options.p, options.margin, options.weight, reduction);
}

MultiLabelMarginLoss::MultiLabelMarginLoss(const MultiLabelMarginLossOptions& o)
    : Loss(o.reduction) {}
Tensor MultiLabelMarginLoss::forward(const Tensor& input, const Tensor& target) {
  return F::multilabel_margin_loss(input, target, reduction);
}

MultiLabelSoftMarginLoss::MultiLabelSoftMarginLoss(const MultiLabelSoftMarginLossOptions& o)
    : Loss(o.reduction), options(o) {}
Tensor MultiLabelSoftMarginLoss::forward(const Tensor& input, const Tensor& target) {
  return F::multilabel_soft_margin_loss(input, target, options.weight, reduction);
}

Tensor MarginRankingLoss::forward(const Tensor& input1, const Tensor& input2,
                                  const Tensor& target) {
  return F::margin_ranking_loss(input1, input2, target, options.margin, options.reduction);
}
Tensor MarginRankingLoss::operator()(const Tensor& input1, const Tensor& input2,
                                     const Tensor& target) {
  return run({input1, input2, target},
             [this](const Tensors& a) { return Tensors{forward(a[0], a[1], a[2])}; })[0];
}

Tensor CosineEmbeddingLoss::forward(const Tensor& input1, const Tensor& input2,
                                    const Tensor& target) {
  return F::cosine_embedding_loss(input1, input2, target, options.margin, options.reduction);
}
Tensor CosineEmbeddingLoss::operator()(const Tensor& input1, const Tensor& input2,
                                       const Tensor& target) {
  return run({input1, input2, target},
             [this](const Tensors& a) { return Tensors{forward(a[0], a[1], a[2])}; })[0];
}

Tensor GaussianNLLLoss::forward(const Tensor& input, const Tensor& target, const Tensor& var) {
  return F::gaussian_nll_loss(input, target, var, options.full, options.eps, options.reduction);
}
Tensor GaussianNLLLoss::operator()(const Tensor& input, const Tensor& target, const Tensor& var) {
  return run({input, target, var},
             [this](const Tensors& a) { return Tensors{forward(a[0], a[1], a[2])}; })[0];
}

Tensor TripletMarginLoss::forward(const Tensor& anchor, const Tensor& positive,
                                  const Tensor& negative) {
  return F::triplet_margin_loss(anchor, positive, negative, options.margin, options.p, options.eps,
                                options.swap, options.reduction);
}
Tensor TripletMarginLoss::operator()(const Tensor& anchor, const Tensor& positive,
                                     const Tensor& negative) {
  return run({anchor, positive, negative},
             [this](const Tensors& a) { return Tensors{forward(a[0], a[1], a[2])}; })[0];
}

Tensor CTCLoss::forward(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                        const Tensor& target_lengths) {
  return F::ctc_loss(log_probs, targets, input_lengths, target_lengths, options.blank,
                     options.reduction, options.zero_infinity);
}
Tensor CTCLoss::operator()(const Tensor& log_probs, const Tensor& targets,
                           const Tensor& input_lengths, const Tensor& target_lengths) {
  return run({log_probs, targets, input_lengths, target_lengths},
             [this](const Tensors& a) { return Tensors{forward(a[0], a[1], a[2], a[3])}; })[0];
}

}  // namespace trivium::nn
