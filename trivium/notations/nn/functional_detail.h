// What the convolutions, pools and resamplers share.
#pragma once

#include <string>

#include "trivium/notations/nn/functional.h"
#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn::functional {

/// One entry a spatial axis: a single number counts for all.
Dims spread_over(const Dims& d, int spatial, const char* op, const char* what);

/// Adds the batch axis an unbatched input lacks, and takes it off the result.
struct Batched {
  Tensor x;
  bool single = false;
  Tensor back(const Tensor& y) const { return single ? y.squeeze(0) : y; }
};
/// UserError unless x has spatial + 1 or spatial + 2 dims.
Batched batched(const Tensor& x, int spatial, const char* op);

/// x with other elements along one axis, by position.
Tensor picked(const Tensor& x, int axis, const std::vector<int64_t>& at);
/// A [C] tensor shaped to act on the channels of a result with `rank` dims.
Tensor per_channel(const Tensor& v, int rank);
/// Zeros (or `value`) around the last axes: before and after, one entry an axis of x.
Tensor padded(const Tensor& x, const std::vector<int64_t>& before,
              const std::vector<int64_t>& after, double value = 0);

}  // namespace trivium::nn::functional
