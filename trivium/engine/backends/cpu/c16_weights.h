// Weights between the plain memory of parameters and the blocks that channel-blocked convolutions
// read and write.
#pragma once

#include <cstdint>

#include "trivium/engine/backends/cpu/onednn_blocked.h"

namespace trivium::cpu::c16 {

/// The weights of a piece of a layer: outputs x inputs x taps floats, cut out of plain memory whose
/// outputs lie `row` floats apart. For depthwise blocks, `outputs` counts channels and inputs is 1.
struct WeightPiece {
  onednn::WeightBlocks blocks;
  int lanes = 16;
  int64_t outputs = 0, inputs = 0, taps = 1, row = 0;

  /// Floats in blocks, padding included.
  int64_t size() const;
  /// Parts that can be moved at the same time: outermost blocks.
  int64_t parts() const;
  /// Writes part `part` of the blocks; channels past the end become zero.
  void pack(const float* plain, float* blocks_out, int64_t part) const;
  /// plain = sum of `count` sets of blocks, `stride` floats apart, in order; padding is dropped.
  /// `blocks_in` is changed: the sum of the part is left in its first set.
  void unpack_sum(float* blocks_in, int64_t count, int64_t stride, float* plain,
                  int64_t part) const;

 private:
  struct Tile;
  template <typename Move>
  void for_tiles(int64_t part, const Move& move) const;
  int64_t part_size() const { return size() / parts(); }
};

}  // namespace trivium::cpu::c16
