// Register tiles of the batch-blocked fully connected layer. Internal to nblock_fc*.cc.
#pragma once

#include <cstdint>

#include "trivium/engine/backends/cpu/nblock_tiles.h"

namespace trivium::cpu::nblock {

constexpr int kFcMaxGroups = 6;    // lane groups of one tile
constexpr int kFcMaxOutputs = 16;  // outputs of a tile of one lane group

/// out[m][group] (+)= Σ_{k < depth} w[m * w_row + k * w_step] * x[group][k]; one vector per (m,
/// group). Starts from `out` unless `first`, then from bias or zero; applies the activation when
/// `last`.
struct FcTile {
  const float* w;
  const float* bias;  // or null
  const float* const* x;
  float* const* out;
  int64_t w_row, w_step, x_step, out_step, depth;
  int64_t prefetch;  // floats to run ahead of w along a row; 0 for none
  bool first, last;
  Activation activation;
  float slope;
};
using FcFn = void (*)(const FcTile&);

/// Most outputs a tile of `groups` lane groups can have.
int fc_max_outputs(int groups);
FcFn fc_tile(int vector, int outputs, int groups);

/// dw[m][k] = Σ_n dy[m][n] * x[n][k]: x is a panel [items][vectors * V] of plain rows, V =
/// fc_panel_lanes.
struct FcGradTile {
  const float* dy;  // item n of output m at (n / lanes) * dy_block + m * lanes + n % lanes
  const float* panel;
  float* dw;
  int64_t lanes, dy_block, items, panel_row, dw_row;
  int64_t columns;  // of dw that exist, up to vectors * V
  bool stream;      // write around the caches; needs 64-byte aligned full rows
};
using FcGradFn = void (*)(const FcGradTile&);

int fc_panel_lanes();
/// Vectors of a panel row, and most outputs a gradient tile takes with them.
int fc_panel_vectors();
int fc_grad_max_outputs();
FcGradFn fc_grad_tile(int outputs);

}  // namespace trivium::cpu::nblock
