// What several loss layers share: which labels count, and what the sum is divided by.
#pragma once

#include "trivium/notations/caffe/layer.h"

namespace trivium::caffe {

/// 1 where the label (truncated) is not the one to ignore, else 0; undefined when none is ignored.
Value kept_labels(Value labels, bool has_ignore, int ignore);

/// The sum of `losses` divided by outer * inner (FULL), the number of kept labels (VALID), outer
/// (BATCH_SIZE) or 1 (NONE), each at least 1.
Value normalize_loss(const LayerCtx& ctx, Value losses, const proto::LossParameter& p,
                     proto::LossParameter::NormalizationMode fallback, int64_t outer, int64_t inner,
                     Value kept);

}  // namespace trivium::caffe
