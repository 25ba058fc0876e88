// Sizes and paddings of windows that move over images, and the change between NHWC, which
// TensorFlow prefers, and NCHW, which the engine computes in.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "trivium/engine/graph/graph.h"

namespace trivium::tf {

/// One spatial axis of a window.
struct Window {
  int64_t out = -1, before = 0, after = 0;
};

/// SAME: out = ceil(in / stride), the odd place of padding behind. VALID: no padding. Sizes of -1
/// stay unknown; an `out` below 0 for a known size means that the window does not fit.
Window window_of(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, bool same);

/// [N, spatial…, C] → [N, C, spatial…] and back. What has just been turned one way is not turned
/// back: its source is taken.
Value to_channels_first(Value x);
Value to_channels_last(Value x);

/// Where x is a permuted value, what was permuted; else an undefined Value.
Value source_of_permute(Value x);
/// permute, unless x is what the inverse permutation made of something: then that.
Value turned(Value x, const std::vector<int64_t>& perm);
std::vector<int64_t> inverse_of(const std::vector<int64_t>& perm);
/// A value whose axes were exchanged, and that was then reshaped perhaps, as a flattened image is.
struct Turned {
  Value source;               // before
  std::vector<int64_t> axes;  // of it
  Shape shape;                // of the result
  /// The same done to another value.
  Value again(Value other) const;
  bool alike(const Turned& other) const;
  /// Whether nothing but axes was exchanged.
  bool only_axes() const;
};
std::optional<Turned> turning_of(Value x);
/// fn(x) for an elementwise fn: computed before x was turned when it was, so that images stay
/// in the engine's layout from one convolution to the next.
Value before_permute(Value x, const std::function<Value(Value)>& fn);
/// The same for two values turned alike, and for one beside which the other is broadcast without
/// moving an element: a number, a bias.
Value before_permute(Value a, Value b, const std::function<Value(Value, Value)>& fn);
/// The elements of x in whatever order costs nothing, for what does not depend on it.
Value elements_of(Value x);

/// Whether fewer than k numbers of a row are larger than the target's, which must be finite.
Value in_top_k(Value predictions, Value targets, int64_t k);

}  // namespace trivium::tf
