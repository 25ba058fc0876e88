// How the batch-blocked kernels cut work: even pieces of a channel or position range, lane groups,
// and the taps of one axis that fall inside the image. Internal to nblock_*.cc.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace trivium::cpu::nblock {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
/// floor and ceiling of a / b for any sign of a; b > 0.
inline int64_t floor_quotient(int64_t a, int64_t b) { return a >= 0 ? a / b : -ceil_div(-a, b); }
inline int64_t ceil_quotient(int64_t a, int64_t b) { return a >= 0 ? ceil_div(a, b) : -(-a / b); }

struct Range {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

/// [0, count) in ceil(count / most) pieces whose sizes differ by at most one.
inline std::vector<Range> even_pieces(int64_t count, int64_t most) {
  const int64_t pieces = ceil_div(count, most);
  std::vector<Range> out(pieces);
  for (int64_t i = 0; i < pieces; ++i) out[i] = {count * i / pieces, count * (i + 1) / pieces};
  return out;
}

/// Piece i of [0, count) cut in `pieces`.
inline Range piece(int64_t count, int64_t pieces, int64_t i) {
  return {count * i / pieces, count * (i + 1) / pieces};
}

/// One spatial axis of a correlation: output j at tap t reads input j * stride + t * step + offset,
/// and is stored at position out_begin + j * out_stride of the output.
struct Axis {
  int64_t outputs, inputs, taps;
  int64_t stride, step, offset;
  int64_t out_begin = 0, out_stride = 1;

  int64_t input(int64_t j, int64_t t) const { return j * stride + t * step + offset; }
  /// Outputs whose tap t lies inside the image.
  Range outputs_of_tap(int64_t t) const {
    const int64_t base = t * step + offset;
    const int64_t lo = std::max<int64_t>(0, ceil_quotient(-base, stride));
    const int64_t hi = std::min(outputs, floor_quotient(inputs - 1 - base, stride) + 1);
    return {lo, std::max(lo, hi)};
  }
  /// Taps of output j inside the image: contiguous, because the input position is monotone in t.
  Range taps_of_output(int64_t j) const {
    Range r{0, taps};
    while (r.begin < r.end && !inside(input(j, r.begin))) ++r.begin;
    while (r.begin < r.end && !inside(input(j, r.end - 1))) --r.end;
    return r;
  }
  bool inside(int64_t i) const { return i >= 0 && i < inputs; }
};

/// A vector's worth of lanes of one block; blocks wider than the CPU's vector have several.
struct LaneGroup {
  int64_t block;
  int64_t lane;   // first lane of the group in its block
  int64_t valid;  // lanes that belong to the batch
};

inline std::vector<LaneGroup> lane_groups(int64_t batch, int lanes, int vector) {
  std::vector<LaneGroup> out;
  for (int64_t first = 0; first < batch; first += vector) {
    out.push_back({first / lanes, first % lanes, std::min<int64_t>(vector, batch - first)});
  }
  return out;
}

}  // namespace trivium::cpu::nblock
