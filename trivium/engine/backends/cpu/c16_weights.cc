// Every layout is tiles of at most lanes x lanes x taps weights; a tile is moved element by
// element, in the order of plain memory.
#include "trivium/engine/backends/cpu/c16_weights.h"

#include <algorithm>

namespace trivium::cpu::c16 {

using onednn::WeightBlocks;

namespace {
int64_t blocks_of(int64_t channels, int lanes) { return (channels + lanes - 1) / lanes; }
}  // namespace

/// Where a tile starts on both sides, how much of it is real, and its strides in blocks.
struct WeightPiece::Tile {
  int64_t plain, blocks;
  int64_t outputs, inputs;                          // real ones
  int64_t output_stride, input_stride, tap_stride;  // in blocks
};

int64_t WeightPiece::size() const {
  const int64_t out = blocks_of(outputs, lanes) * lanes;
  switch (blocks) {
    case WeightBlocks::few_inputs:
      return out * inputs * taps;
    case WeightBlocks::depthwise:
      return out * taps;
    default:
      return out * blocks_of(inputs, lanes) * lanes * taps;
  }
}

int64_t WeightPiece::parts() const {
  return blocks_of(blocks == WeightBlocks::inputs_first ? inputs : outputs, lanes);
}

template <typename Move>
void WeightPiece::for_tiles(int64_t part, const Move& move) const {
  const int64_t first = part * lanes, start = part * part_size();
  const auto real = [&](int64_t channels, int64_t from) {
    return std::min<int64_t>(lanes, channels - from);
  };
  switch (blocks) {
    case WeightBlocks::few_inputs:
      move(Tile{first * row, start, real(outputs, first), inputs, 1, lanes, inputs * lanes});
      return;
    case WeightBlocks::depthwise:
      move(Tile{first * row, start, real(outputs, first), 1, 1, 1, lanes});
      return;
    case WeightBlocks::inputs_outputs:
    case WeightBlocks::outputs_inputs: {
      const bool outputs_inside = blocks == WeightBlocks::inputs_outputs;
      for (int64_t i = 0; i < inputs; i += lanes)
        move(Tile{first * row + i * taps, start + i * taps * lanes, real(outputs, first),
                  real(inputs, i), outputs_inside ? 1 : lanes, outputs_inside ? lanes : 1,
                  lanes * lanes});
      return;
    }
    case WeightBlocks::inputs_first:
      for (int64_t o = 0; o < outputs; o += lanes)
        move(Tile{o * row + first * taps, start + o * taps * lanes, real(outputs, o),
                  real(inputs, first), lanes, 1, lanes * lanes});
      return;
  }
}

void WeightPiece::pack(const float* plain, float* blocks_out, int64_t part) const {
  const bool padded =
      outputs % lanes != 0 || (inputs % lanes != 0 && blocks != WeightBlocks::few_inputs &&
                               blocks != WeightBlocks::depthwise);
  if (padded) std::fill_n(blocks_out + part * part_size(), part_size(), 0.0f);
  for_tiles(part, [&](const Tile& t) {
    const float* from = plain + t.plain;
    float* to = blocks_out + t.blocks;
    // Parameters may come from main memory: they are read in the order they lie in.
    for (int64_t o = 0; o < t.outputs; ++o)
      for (int64_t i = 0; i < t.inputs; ++i)
        for (int64_t k = 0; k < taps; ++k)
          to[o * t.output_stride + i * t.input_stride + k * t.tap_stride] =
              from[o * row + i * taps + k];
  });
}

void WeightPiece::unpack_sum(float* blocks_in, int64_t count, int64_t stride, float* plain,
                             int64_t part) const {
  const int64_t size = part_size();
  float* sum = blocks_in + part * size;
  for (int64_t c = 1; c < count; ++c) {
    const float* next = sum + c * stride;
    for (int64_t i = 0; i < size; ++i) sum[i] += next[i];
  }
  for_tiles(part, [&](const Tile& t) {
    const float* from = blocks_in + t.blocks;
    float* to = plain + t.plain;
    for (int64_t o = 0; o < t.outputs; ++o)
      for (int64_t i = 0; i < t.inputs; ++i)
        for (int64_t k = 0; k < taps; ++k)
          to[o * row + i * taps + k] =
              from[o * t.output_stride + i * t.input_stride + k * t.tap_stride];
  });
}

}  // namespace trivium::cpu::c16
