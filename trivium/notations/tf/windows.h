// Sizes and paddings of windows that move over images, and the change between NHWC, which
// TensorFlow prefers, and NCHW, which the engine computes in.
#pragma once

#include "trivium/engine/graph/graph.h"

namespace trivium::tf {

/// One spatial axis of a window.
struct Window {
  int64_t out = -1, before = 0, after = 0;
};

/// SAME: out = ceil(in / stride), the odd place of padding behind. VALID: no padding. Sizes of -1
/// stay unknown; an `out` below 0 for a known size means that the window does not fit.
Window window_of(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, bool same);

/// [N, spatial…, C] → [N, C, spatial…] and back.
Value to_channels_first(Value x);
Value to_channels_last(Value x);

}  // namespace trivium::tf
