// Pooling over plain planes [planes, depth, height, width] (missing axes have size 1): rows of
// windows side by side, one tap at a time.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "trivium/engine/core/dtype.h"

namespace trivium::cpu {

struct PoolGeometry {
  int64_t planes = 0;
  std::array<int64_t, 3> in{1, 1, 1}, out{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1},
      begin{0, 0, 0}, dilation{1, 1, 1};
  bool nan_wins = false;  // of maxima
  /// Per axis and window: what the sum is divided by (their product), for averages.
  std::array<std::vector<double>, 3> length;

  int64_t in_plane() const { return in[0] * in[1] * in[2]; }
  int64_t out_plane() const { return out[0] * out[1] * out[2]; }
  int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
};

/// Positions are u8 or i32, as `position` says. dtype: f32, f64, i32 or i64; averages: f32 or f64.
void max_pool(const PoolGeometry& g, DType dtype, DType position, const void* x, void* y, void* at);
void max_pool_grad(const PoolGeometry& g, DType dtype, DType position, const void* dy,
                   const void* at, void* dx);
void max_pool_plane_index(const PoolGeometry& g, DType position, const void* at, int32_t* index);
void avg_pool(const PoolGeometry& g, DType dtype, const void* x, void* y);
void avg_pool_grad(const PoolGeometry& g, DType dtype, const void* dy, void* dx);

}  // namespace trivium::cpu
