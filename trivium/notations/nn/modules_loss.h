// Losses as modules: each is a function of functional.h with its settings.
#pragma once

#include <string>

#include "trivium/notations/nn/functional.h"
#include "trivium/notations/nn/module.h"

namespace trivium::nn {

/// A loss of a prediction and a target.
class Loss : public Module {
 public:
  using Module::forward;
  virtual Tensor forward(const Tensor& input, const Tensor& target) = 0;
  Tensor operator()(const Tensor& input, const Tensor& target);

 protected:
  explicit Loss(Reduction reduction) : reduction(reduction) {}
  Reduction reduction;
};

struct MSELossOptions {
  Reduction reduction = Reduction::mean;
};
class MSELoss : public Loss {
 public:
  explicit MSELoss(const MSELossOptions& options = {});
  explicit MSELoss(Reduction reduction) : Loss(reduction) {}
  Tensor forward(const Tensor& input, const Tensor& target) override;
};

struct L1LossOptions {
  Reduction reduction = Reduction::mean;
};
class L1Loss : public Loss {
 public:
  explicit L1Loss(const L1LossOptions& options = {});
  explicit L1Loss(Reduction reduction) : Loss(reduction) {}
  Tensor forward(const Tensor& input, const Tensor& target) override;
};

struct SmoothL1LossOptions {
  double beta = 1;
  Reduction reduction = Reduction::mean;
};
class SmoothL1Loss : public Loss {
 public:
  explicit SmoothL1Loss(const SmoothL1LossOptions& options = {});
  Tensor forward(const Tensor& input, const Tensor& target) override;
  SmoothL1LossOptions options;
};

struct HuberLossOptions {
  double delta = 1;
  Reduction reduction = Reduction::mean;
};
class HuberLoss : public Loss {
 public:
  explicit HuberLoss(const HuberLossOptions& options = {});
  Tensor forward(const Tensor& input, const Tensor& target) override;
  HuberLossOptions options;
};

struct NLLLossOptions {
  Tensor weight{};
  int64_t ignore_index = -100;
  Reduction reduction = Reduction::mean;
};
class NLLLoss : public Loss {
 public:
  explicit NLLLoss(const NLLLossOptions& options = {});
  Tensor forward(const Tensor& input, const Tensor& target) override;
  NLLLossOptions options;
};

struct CrossEntropyLossOptions {
  Tensor weight{};
  int64_t ignore_index = -100;
  double label_smoothing = 0;
  Reduction reduction = Reduction::mean;
};
class CrossEntropyLoss : public Loss {
 public:
  explicit CrossEntropyLoss(const CrossEntropyLossOptions& options = {});
  Tensor forward(const Tensor& input, const Tensor& target) override;
  CrossEntropyLossOptions options;
};

struct BCELossOptions {
  Tensor weight{};
  Reduction reduction = Reduction::mean;
};
class BCELoss : public Loss {
 public:
  explicit BCELoss(const BCELossOptions& options = {});
  Tensor forward(const Tensor& input, const Tensor& target) override;
  BCELossOptions options;
};

struct BCEWithLogitsLossOptions {
  Tensor weight{};
  Tensor pos_weight{};
  Reduction reduction = Reduction::mean;
};
class BCEWithLogitsLoss : public Loss {
 public:
  explicit BCEWithLogitsLoss(const BCEWithLogitsLossOptions& options = {});
  Tensor forward(const Tensor& input, const Tensor& target) override;
  BCEWithLogitsLossOptions options;
};

struct KLDivLossOptions {
  bool log_target = false;
  Reduction reduction = Reduction::mean;
};
class KLDivLoss : public Loss {
 public:
  explicit KLDivLoss(const KLDivLossOptions& options = {});
  Tensor forward(const Tensor& input, const Tensor& target) override;
  KLDivLossOptions options;
};

struct PoissonNLLLossOptions {
  bool log_input = true;
  bool full = false;
  double eps = 1e-8;
  Reduction reduction = Reduction::mean;
};
class PoissonNLLLoss : public Loss {
 public:
  explicit PoissonNLLLoss(const PoissonNLLLossOptions& options = {});
  Tensor forward(const Tensor& input, const Tensor& target) override;
  PoissonNLLLossOptions options;
};

struct HingeEmbeddingLossOptions {
  double margin = 1;
  Reduction reduction = Reduction::mean;
};
class HingeEmbeddingLoss : public Loss {
 public:
  explicit HingeEmbeddingLoss(const HingeEmbeddingLossOptions& options = {});
  Tensor forward(const Tensor& input, const Tensor& target) override;
  HingeEmbeddingLossOptions options;
};

struct SoftMarginLossOptions {
  Reduction reduction = Reduction::mean;
};
class SoftMarginLoss : public Loss {
 public:
  explicit SoftMarginLoss(const SoftMarginLossOptions& options = {});
  explicit SoftMarginLoss(Reduction reduction) : Loss(reduction) {}
  Tensor forward(const Tensor& input, const Tensor& target) override;
};

struct MultiMarginLossOptions {
  int64_t p = 1;
  double margin = 1;
  Tensor weight{};
  Reduction reduction = Reduction::mean;
};
class MultiMarginLoss : public Loss {
 public:
  explicit MultiMarginLoss(const MultiMarginLossOptions& options = {});
  Tensor forward(const Tensor& input, const Tensor& target) override;
  MultiMarginLossOptions options;
};

struct MultiLabelMarginLossOptions {
  Reduction reduction = Reduction::mean;
};
class MultiLabelMarginLoss : public Loss {
 public:
  explicit MultiLabelMarginLoss(const MultiLabelMarginLossOptions& options = {});
  explicit MultiLabelMarginLoss(Reduction reduction) : Loss(reduction) {}
  Tensor forward(const Tensor& input, const Tensor& target) override;
};

struct MultiLabelSoftMarginLossOptions {
  Tensor weight{};
  Reduction reduction = Reduction::mean;
};
class MultiLabelSoftMarginLoss : public Loss {
 public:
  explicit MultiLabelSoftMarginLoss(const MultiLabelSoftMarginLossOptions& options = {});
  Tensor forward(const Tensor& input, const Tensor& target) override;
  MultiLabelSoftMarginLossOptions options;
};

struct MarginRankingLossOptions {
  double margin = 0;
  Reduction reduction = Reduction::mean;
};
class MarginRankingLoss : public Module {
 public:
  explicit MarginRankingLoss(const MarginRankingLossOptions& options = {}) : options(options) {}
  using Module::forward;
  Tensor forward(const Tensor& input1, const Tensor& input2, const Tensor& target);
  Tensor operator()(const Tensor& input1, const Tensor& input2, const Tensor& target);
  MarginRankingLossOptions options;
};

struct CosineEmbeddingLossOptions {
  double margin = 0;
  Reduction reduction = Reduction::mean;
};
class CosineEmbeddingLoss : public Module {
 public:
  explicit CosineEmbeddingLoss(const CosineEmbeddingLossOptions& options = {}) : options(options) {}
  using Module::forward;
  Tensor forward(const Tensor& input1, const Tensor& input2, const Tensor& target);
  Tensor operator()(const Tensor& input1, const Tensor& input2, const Tensor& target);
  CosineEmbeddingLossOptions options;
};

struct GaussianNLLLossOptions {
  bool full = false;
  double eps = 1e-6;
  Reduction reduction = Reduction::mean;
};
class GaussianNLLLoss : public Module {
 public:
  explicit GaussianNLLLoss(const GaussianNLLLossOptions& options = {}) : options(options) {}
  using Module::forward;
  Tensor forward(const Tensor& input, const Tensor& target, const Tensor& var);
  Tensor operator()(const Tensor& input, const Tensor& target, const Tensor& var);
  GaussianNLLLossOptions options;
};

struct TripletMarginLossOptions {
  double margin = 1;
  double p = 2;
  double eps = 1e-6;
  bool swap = false;
  Reduction reduction = Reduction::mean;
};
class TripletMarginLoss : public Module {
 public:
  explicit TripletMarginLoss(const TripletMarginLossOptions& options = {}) : options(options) {}
  using Module::forward;
  Tensor forward(const Tensor& anchor, const Tensor& positive, const Tensor& negative);
  Tensor operator()(const Tensor& anchor, const Tensor& positive, const Tensor& negative);
  TripletMarginLossOptions options;
};

struct CTCLossOptions {
  int64_t blank = 0;
  bool zero_infinity = false;
  Reduction reduction = Reduction::mean;
};
class CTCLoss : public Module {
 public:
  explicit CTCLoss(const CTCLossOptions& options = {}) : options(options) {}
  using Module::forward;
  Tensor forward(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                 const Tensor& target_lengths);
  Tensor operator()(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                    const Tensor& target_lengths);
  CTCLossOptions options;
};

/// Distances as modules.
class CosineSimilarity : public Module {
 public:
  explicit CosineSimilarity(int64_t dim = 1, double eps = 1e-8) : dim(dim), eps(eps) {}
  using Module::forward;
  Tensor forward(const Tensor& a, const Tensor& b) {
    return functional::cosine_similarity(a, b, dim, eps);
  }
  Tensor operator()(const Tensor& a, const Tensor& b) { return forward(a, b); }
  int64_t dim;
  double eps;
};
class PairwiseDistance : public Module {
 public:
  explicit PairwiseDistance(double p = 2, double eps = 1e-6, bool keepdim = false)
      : p(p), eps(eps), keepdim(keepdim) {}
  using Module::forward;
  Tensor forward(const Tensor& a, const Tensor& b) {
    return functional::pairwise_distance(a, b, p, eps, keepdim);
  }
  Tensor operator()(const Tensor& a, const Tensor& b) { return forward(a, b); }
  double p, eps;
  bool keepdim;
};

}  // namespace trivium::nn
