// Register tile of a sum of outer products: scalars of one matrix times vectors of another. Weight
// gradients reduce over the batch with it: no lane is ever summed. Internal to nblock_*.cc.
#pragma once

#include <cstdint>

namespace trivium::cpu::nblock {

constexpr int kMaxOuterRows = 8;
constexpr int kMaxOuterVectors = 4;

/// out[m][column] (+)= Σ_i a[m][i] * panel[i][column]. Item i of row m lies at
/// a + a_row[m] + (i / block) * a_block + i % block.
struct OuterTile {
  const float* a;
  const int64_t* a_row;
  int64_t block, a_block;
  const float* panel;
  int64_t panel_row;
  int64_t items;
  float* out;
  int64_t out_row;
  int64_t columns;  // of out that exist: vectors * V, or fewer
  bool accumulate;
  bool stream;  // write around the caches; needs 64-byte aligned full rows
};
using OuterFn = void (*)(const OuterTile&);

/// V: floats of a vector of this CPU.
int outer_lanes();
/// Vectors of the widest tile, and rows of the tallest one of `vectors` vectors.
int outer_max_vectors();
int outer_max_rows(int vectors);
OuterFn outer_tile(int rows, int vectors);

}  // namespace trivium::cpu::nblock
