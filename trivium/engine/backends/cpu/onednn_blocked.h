// One convolution of oneDNN on channel-blocked operands, computed by the calling thread alone. The
// caller cuts a layer into such pieces and spreads them over its own team, so no OpenMP region is
// ever opened and results do not depend on threads.
#pragma once

#include <memory>
#include <string>

#include "trivium/engine/backends/cpu/onednn.h"

namespace trivium::cpu::onednn {

/// How the weights [O, I, kh, kw] of a piece lie in memory; B lanes.
enum class WeightBlocks : uint8_t {
  inputs_outputs,  // [O/B][I/B][kh][kw][B i][B o]: forward, gradient of the weights
  outputs_inputs,  // [O/B][I/B][kh][kw][B o][B i]: gradient of the data
  inputs_first,    // [I/B][O/B][kh][kw][B o][B i]: the same for 1x1
  few_inputs,      // [O/B][kh][kw][I][B o]: pictures, whose data stay plain
  depthwise,       // [C/B][kh][kw][B c]
};

/// x [n, c, h, w] as [n][c/B][h][w][B], plain for `few_inputs`; y alike. Channels past c and o are
/// zero in what is read (weights too) and in what is written.
struct BlockedSizes {
  ConvSizes conv;  // groups is 1, or c for a depthwise piece
  int lanes = 16;
  bool bias = false;
};

WeightBlocks weight_blocks(Pass pass, const BlockedSizes& sizes);

class BlockedConv {
 public:
  /// Null with `reason` set when the library has no vector code for the piece.
  static std::shared_ptr<const BlockedConv> make(Pass pass, const BlockedSizes& sizes,
                                                 std::string& reason);
  /// The same without building it.
  static std::string declines(Pass pass, const BlockedSizes& sizes);
  virtual ~BlockedConv() = default;
  virtual size_t scratch_bytes() const = 0;
  /// forward: (x, w, bias) → y; backward_data: (dy, w) → dx; backward_weights: (x, dy) → dw.
  virtual void run(const float* a, const float* b, const float* bias, float* out,
                   void* scratch) const = 0;
};

}  // namespace trivium::cpu::onednn
