// Winograd's F(4x4, 3x3) on channel-blocked activations of 16 lanes: 36 products for 16 results of
// 3x3 instead of 144. Forward and gradient of the data, which is the same with turned weights.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trivium/engine/backends/cpu/finish.h"

namespace trivium::cpu::c16 {

/// x [n][in/16][h][w][16] → y [n][out/16][oh][ow][16]; 3x3, stride 1. For the gradient of the data
/// `turned` is set, in and out are those of this computation, and weights are [in][out][3][3].
struct Winograd {
  int64_t n, in, h, w, out, oh, ow;
  int64_t pad_top, pad_left;
  bool turned = false;
  Finish last;  // what is done to the results
  int threads = 1;

  /// Modelled time on `threads` threads, from arithmetic and traffic; `packed`: without pack().
  double microseconds(double gflops_per_thread, double gbytes_per_second, bool packed) const;
  size_t scratch_bytes() const;
  /// Transforms the weights to `weight_floats()` floats.
  void pack(const float* weights, float* u) const;
  /// u: of pack(); bias and addend may be null. Same bits for any number of threads.
  void run(const float* x, const float* u, const float* bias, const float* addend, float* y,
           void* scratch) const;

  int64_t tiles_down() const { return (oh + 3) / 4; }
  int64_t tiles_across() const { return (ow + 3) / 4; }
  int64_t tiles() const { return n * tiles_down() * tiles_across(); }
  int64_t in_blocks() const { return (in + 15) / 16; }
  int64_t out_blocks() const { return (out + 15) / 16; }
  /// Tiles that go through all three stages together.
  int64_t group() const;
  /// Few tiles: the team shares every stage. Otherwise each thread takes groups of tiles.
  bool shares_stages() const { return tiles() < 2 * threads * group(); }
  int64_t weight_floats() const { return 36 * in_blocks() * out_blocks() * 256; }
  int64_t stage_floats() const {
    const int64_t together = shares_stages() ? tiles() : group() * threads;
    return 36 * (in_blocks() + out_blocks()) * 16 * together;
  }
};

/// Whether the machine has vectors of 16 floats.
bool winograd_available();

}  // namespace trivium::cpu::c16
