// Convolution layers on channel-blocked activations: a layer is cut into pieces of one image (or a
// few) and some channels, which the library computes on one thread each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/backends/cpu/c16_weights.h"
#include "trivium/engine/backends/cpu/finish.h"
#include "trivium/engine/backends/cpu/onednn_blocked.h"

namespace trivium::cpu::c16 {

/// Sizes of a whole layer; activations [n][C/B][h][w][B], pictures of 1 or 3 channels plain.
struct ConvLayer {
  onednn::Pass pass;
  onednn::ConvSizes sizes;
  int lanes = 16;
  bool bias = false;
  Finish last;  // forward: what is done to the results
};

/// Whether x stays plain.
bool reads_plain_image(const ConvLayer& layer);

/// The order of additions of every element depends on the layer only, never on threads.
class Conv {
 public:
  /// "" when there is such a convolution, else why not.
  static std::string declines(const ConvLayer& layer);
  /// InternalError when `declines` would have said so.
  explicit Conv(const ConvLayer& layer);

  /// Blocks of the weights (forward and backward data).
  size_t packed_bytes() const { return static_cast<size_t>(packed_) * sizeof(float); }
  void pack(const float* weights, float* packed) const;
  size_t scratch_bytes() const;
  /// forward: (x, packed, bias, addend) → y; backward_data: (dy, packed) → dx; backward_weights:
  /// (x, dy) → plain dw.
  void run(const float* a, const float* b, const float* bias, const float* addend, float* out,
           void* scratch) const;

 private:
  /// Channels [x, x + xs) and [y, y + ys) of a layer, and the weights between them.
  struct Slice {
    int64_t x, xs, y, ys;
    int64_t plain, packed;  // where the weights start
    WeightPiece weights;
    std::shared_ptr<const onednn::BlockedConv> whole, rest;  // see chunk_images_
  };
  void cut();
  void add_slice(int64_t x, int64_t xs, int64_t y, int64_t ys, int64_t row, int64_t input);
  std::shared_ptr<const onednn::BlockedConv> piece(const Slice& s, int64_t images) const;
  void run_activations(const float* a, const float* packed, const float* bias, const float* addend,
                       float* out, char* scratch) const;
  void run_weights(const float* x, const float* dy, float* dw, char* scratch) const;

  ConvLayer layer_;
  int64_t x_image_ = 0, y_image_ = 0, x_plane_ = 0, y_plane_ = 0;  // floats
  std::vector<Slice> slices_;
  int64_t packed_ = 0;
  int64_t chunks_ = 1;  // of the batch
  bool images_first_ = true;
  size_t piece_scratch_ = 0;
};

}  // namespace trivium::cpu::c16
