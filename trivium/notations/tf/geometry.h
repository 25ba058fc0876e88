// Strides, dilations and paddings as the attributes of convolutions and pools give them: in the
// order of data_format, for two or three spatial axes.
#pragma once

#include <string>
#include <vector>

#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/windows.h"

namespace trivium::tf {

struct Geometry {
  std::vector<int64_t> strides, dilations, kernel;  // a number a spatial axis; kernel of pools only
  std::vector<int64_t> before, after;               // explicit paddings, else empty
  bool same = false;                                // "SAME", else no padding (or an explicit one)
  bool first = false;                               // channels before the spatial axes

  int axes() const { return static_cast<int>(strides.size()); }
  /// Where spatial axis i is in an image of this layout.
  int axis(int i) const { return first ? 2 + i : 1 + i; }
  Window window(int i, int64_t in, int64_t kernel_size) const;
  /// Size of the result along spatial axis i, -1 when not known; ValueError when nothing fits.
  int64_t out_size(Infer& c, int i, int64_t in, int64_t kernel_size) const;
  PartialShape image(int64_t n, int64_t channels, const std::vector<int64_t>& plane) const;
  /// Between the layout of the node and the engine's.
  Value in(Value x) const { return first ? x : to_channels_first(x); }
  Value back(Value y) const { return first ? y : to_channels_last(y); }
};

/// ValueError for attributes of wrong lengths or an unknown padding.
Geometry conv_geometry(const Operation& op);
/// With `kernel` from ksize.
Geometry pool_geometry(const Operation& op);
/// The same for ksize and strides that are inputs.
Geometry pool_geometry(const Operation& op, const std::vector<int64_t>& ksize,
                       const std::vector<int64_t>& strides);

}  // namespace trivium::tf
