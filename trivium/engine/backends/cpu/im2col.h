// Convolution of any spatial rank in float32 and float64 by unrolled columns and the packed
// product.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "trivium/engine/backends/cpu/gemm.h"

namespace trivium::cpu {

/// x [n, c, in…], w [o, c/groups, kernel…], y [n, o, out…].
struct ConvGeometry {
  int64_t n = 0, c = 0, o = 0, groups = 1;
  std::vector<int64_t> in, out, kernel, strides, begin, dilations;

  int64_t in_count() const;
  int64_t out_count() const;
  int64_t kernel_count() const;
  int64_t channels() const { return c / groups; }               // of a group, on the image's side
  int64_t filters() const { return o / groups; }                // of a group
  int64_t rows() const { return channels() * kernel_count(); }  // of the columns matrix
};

/// Scratch is cut in `lanes` parts: that many images are worked on at once (chosen by shape only).
template <typename T>
class ColumnConv {
 public:
  enum class Pass { forward, backward_data, backward_weights };
  ColumnConv(Pass pass, ConvGeometry geometry, bool relu);
  size_t scratch_bytes() const;
  /// forward: (x, w, bias or null) → y; backward_data: (dy, w) → dx; backward_weights: (x, dy) →
  /// dw.
  void run(const T* a, const T* b, const T* bias, T* out, void* scratch) const;

 private:
  void forward(const T* x, const T* w, const T* bias, T* y, int64_t n, T* columns,
               void* gemm_scratch) const;
  void backward_data(const T* dy, const T* w, T* dx, int64_t n, T* columns,
                     void* gemm_scratch) const;
  void backward_weights(const T* x, const T* dy, T* dw, int64_t n, bool first, T* columns,
                        void* gemm_scratch) const;

  Pass pass_;
  ConvGeometry g_;
  GemmShape gemm_;
  int64_t lanes_ = 1;
  size_t columns_bytes_ = 0, gemm_bytes_ = 0, partial_bytes_ = 0;
};

}  // namespace trivium::cpu
