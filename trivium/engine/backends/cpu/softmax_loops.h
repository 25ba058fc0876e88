// Softmax rows and the losses on them. A tensor is seen as [outer, classes, inner]; in a
// batch-blocked one the lanes end `inner`, so one set of loops serves both formats.
#pragma once

#include <cstdint>

#include "trivium/engine/core/dtype.h"
#include "trivium/engine/run/kernel.h"

namespace trivium::cpu {

/// How scores lie, and where the label of each row is. Labels and losses are plain [batch, rest].
struct RowView {
  int64_t outer = 1, classes = 1, inner = 1;
  int64_t lanes = 0, batch = 0;  // lanes 0: plain
  /// View of `x` along `axis` (>= 1 when batch-blocked).
  static RowView of(const run::TensorDesc& x, int axis);

  /// Place of row (o, t) in the plain labels, or -1 for a lane past the batch.
  int64_t row(int64_t o, int64_t t) const {
    if (lanes == 0) return o * inner + t;
    const int64_t n = o * lanes + t % lanes;
    return n < batch ? n * (inner / lanes) + t / lanes : -1;
  }
};

/// y = softmax(x), or its logarithm. y may be x.
void softmax(const RowView& view, DType dtype, bool logarithm, const void* x, void* y);

/// max and log(sum of exponentials) of the row are all that a loss needs besides the scores.
struct Labels {
  const void* data;
  DType dtype;
  bool has_ignore;
  int64_t ignore;
  int64_t rows;  // for messages
  const char* op;

  static constexpr int64_t kIgnored = -1;
  /// The class of row `i`, kIgnored, or UserError.
  int64_t at(int64_t i, int64_t classes) const;
};

/// probability = softmax(x); loss[row] = -max(log p[label], log_floor).
void softmax_loss(const RowView& view, DType dtype, const Labels& labels, double log_floor,
                  const void* x, void* loss, void* probability);
/// dx = (probability - onehot(label)) * dloss, 0 in ignored rows. dx may be probability.
void softmax_loss_grad(const RowView& view, DType dtype, const Labels& labels, const void* dloss,
                       const void* probability, void* dx);
/// 1 where fewer than k other classes score at least what the label's class does.
void in_top_k(const RowView& view, DType dtype, const Labels& labels, int64_t k, const void* x,
              float* y);

}  // namespace trivium::cpu
