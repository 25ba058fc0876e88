// Weight gradient by Winograd, the transpose of the forward algorithm:
// dg = Gᵀ [Σ_tiles (A dy Aᵀ) ⊙ (Bᵀ x B)] G. At each of the 36 points the sum over tiles and batch
// is a matrix product. One side stays batch-blocked and is read as scalars; the other is transposed
// to panels whose vectors run over its channels, so nothing is summed across lanes. The image is
// taken in sweeps of tiles that stay in the shared cache.
#include <cstring>

#include "trivium/engine/backends/cpu/nblock_outer_tiles.h"
#include "trivium/engine/backends/cpu/nblock_plan.h"
#include "trivium/engine/backends/cpu/nblock_transform.h"
#include "trivium/engine/backends/cpu/nblock_winograd.h"
#include "trivium/engine/backends/cpu/nblock_winograd_parts.h"
#include "trivium/engine/backends/cpu/nblock_winograd_tiles.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::cpu::nblock {
namespace {

constexpr int64_t kSweepBytes = int64_t{10} << 20;  // of transformed x and dy at a time
constexpr int64_t kPanelBytes = 96 * 1024;          // of a panel, which many rows reuse from L2
constexpr int64_t kLeastItems = 128;                // of a sweep: each re-reads the sums
constexpr int64_t kBatch = 16;                      // channels transformed together
constexpr int64_t kJobTiles = 4;                    // tiles transformed before they are transposed
constexpr int64_t kPad = 16;  // floats; keeps rows and points in different cache sets
static_assert(kBatch == kWinogradPairs);

// A tile of one lane group: the unit that sweeps are made of.
struct Gradient {
  Problem p;
  int vector;
  std::vector<LaneGroup> lanes;
  bool out_vectors;  // vectors run over the output channels, scalars over the input channels
  int64_t row_channels, vector_channels;
  int64_t width;  // vector channels, filled up to whole batches
  std::vector<Range> panels, rows, sweeps;
  int64_t items;                               // of the longest sweep
  int64_t row_step, rows_point, panels_point;  // floats
  int64_t sums_point;
  int64_t units() const { return static_cast<int64_t>(lanes.size()) * p.tiles(); }
};

int64_t filled(int64_t channels) { return ceil_div(channels, kBatch) * kBatch; }

Gradient plan_gradient(const Problem& p, int64_t batch) {
  Gradient g{p, vector_lanes(p.lanes), {}, false, 0, 0, 0, {}, {}, {}, 0, 0, 0, 0, 0};
  g.lanes = lane_groups(batch, p.lanes, g.vector);
  const int64_t in_cost = filled(p.in_channels) * p.out_channels;
  const int64_t out_cost = filled(p.out_channels) * p.in_channels;
  g.out_vectors = out_cost < in_cost || (out_cost == in_cost && p.out_channels < p.in_channels);
  g.row_channels = g.out_vectors ? p.in_channels : p.out_channels;
  g.vector_channels = g.out_vectors ? p.out_channels : p.in_channels;
  g.width = filled(g.vector_channels);
  const int64_t lanes = outer_lanes();
  for (const Range& r : even_pieces(g.width / lanes, outer_max_vectors())) {
    g.panels.push_back({r.begin * lanes, r.end * lanes});
  }
  const int widest = static_cast<int>(g.panels.back().size() / lanes);
  g.rows = even_pieces(g.row_channels, outer_max_rows(widest));
  const int64_t unit_bytes = (g.row_channels + g.width) * kWinogradPoints * g.vector * 4;
  const int64_t panel_unit = g.panels.back().size() * g.vector * 4;
  const int64_t least = ceil_div(kLeastItems, g.vector);
  const int64_t most =
      std::max(least, std::min(kSweepBytes / unit_bytes, kPanelBytes / panel_unit));
  g.sweeps = even_pieces(g.units(), most);
  for (const Range& s : g.sweeps) g.items = std::max(g.items, s.size() * g.vector);
  g.row_step = g.items + kPad;
  g.rows_point = g.row_channels * g.row_step + kPad;
  g.panels_point = g.width * g.items + kPad;
  g.sums_point = g.row_channels * g.width + kPad;
  return g;
}

struct Buffers {
  float *rows, *panels, *sums;
};

InputJob input_job(const Gradient& g, bool is_dy, const float* x, const float* dy, int64_t group) {
  const Problem& p = g.p;
  const LaneGroup& lane = g.lanes[group];
  if (is_dy) {
    return {dy + lane.block * p.out_block + lane.lane,
            p.out_h,
            p.out_w,
            0,
            0,
            static_cast<int>(p.tile()),
            p.tile(),
            p.tiles_w(),
            p.lanes,
            g.vector,
            p.tile() * p.out_w * p.lanes};
  }
  return {x + lane.block * p.in_block + lane.lane,
          p.in_h,
          p.in_w,
          p.pad_top,
          p.pad_left,
          kWinogradTile,
          p.tile(),
          p.tiles_w(),
          p.lanes,
          g.vector,
          p.tile() * p.in_w * p.lanes};
}

// Idle lanes may hold anything; they become items like the others, so they must be zero.
void clear_idle(const Gradient& g, const LaneGroup& lane, int64_t tiles, int64_t point_step,
                float* to) {
  if (lane.valid == g.vector) return;
  for (int64_t point = 0; point < kWinogradPoints; ++point) {
    for (int64_t t = 0; t < tiles; ++t) {
      float* v = to + point * point_step + t * g.vector;
      std::memset(v + lane.valid, 0, (g.vector - lane.valid) * sizeof(float));
    }
  }
}

// Calls body(group, tiles, first item) for the pieces of `units` that lie in one lane group.
template <typename Body>
void for_tiles(const Gradient& g, Range units, int64_t most, Body&& body) {
  for (int64_t at = units.begin; at < units.end;) {
    const int64_t group = at / g.p.tiles(), tile = at % g.p.tiles();
    const int64_t count = std::min({g.p.tiles() - tile, units.end - at, most});
    body(group, Range{tile, tile + count}, (at - units.begin) * g.vector);
    at += count;
  }
}

// rows[point][channel][item]
void transform_rows(const Gradient& g, Range units, Range channels, const float* x, const float* dy,
                    float* rows) {
  const WinogradFns fns = winograd_fns(g.vector, g.p.kernel);
  const bool is_dy = !g.out_vectors;
  for_tiles(g, units, units.size(), [&](int64_t group, Range tiles, int64_t item) {
    const InputJob job = input_job(g, is_dy, x, dy, group);
    float* to = rows + channels.begin * g.row_step + item;
    transform_tiles(job, is_dy ? fns.gradient : fns.input, tiles, channels, to, g.rows_point,
                    g.row_step);
    for (int64_t c = 0; c < channels.size(); ++c) {
      clear_idle(g, g.lanes[group], tiles.size(), g.rows_point, to + c * g.row_step);
    }
  });
}

// panels[point][panel][item][column of the panel], for one batch of channels
void transform_panels(const Gradient& g, Range units, int64_t batch, const float* x,
                      const float* dy, float* panels) {
  alignas(64) float points[kWinogradPoints * (kBatch * kJobTiles * 16 + kPad)];
  const WinogradFns fns = winograd_fns(g.vector, g.p.kernel);
  const Range channels{batch * kBatch, std::min((batch + 1) * kBatch, g.vector_channels)};
  const int64_t channel = kJobTiles * g.vector, point_step = kBatch * channel + kPad;
  if (channels.size() < kBatch) std::memset(points, 0, sizeof points);
  const int64_t items = units.size() * g.vector;
  for_tiles(g, units, kJobTiles, [&](int64_t group, Range tiles, int64_t item) {
    const InputJob job = input_job(g, g.out_vectors, x, dy, group);
    transform_tiles(job, g.out_vectors ? fns.gradient : fns.input, tiles, channels, points,
                    point_step, channel);
    for (int64_t c = 0; c < channels.size(); ++c) {
      clear_idle(g, g.lanes[group], tiles.size(), point_step, points + c * channel);
    }
    for (const Range& panel : g.panels) {
      const int64_t first = std::max(panel.begin, channels.begin);
      const int64_t last = std::min(panel.end, channels.begin + kBatch);
      if (first >= last) continue;
      for (int64_t point = 0; point < kWinogradPoints; ++point) {
        const float* from = points + point * point_step + (first - channels.begin) * channel;
        float* to = panels + point * g.panels_point + panel.begin * items + item * panel.size();
        block_to_rows(from, last - first, tiles.size() * g.vector, static_cast<int>(channel),
                      to + first - panel.begin, panel.size());
      }
    }
  });
}

void transform_sweep(const Gradient& g, Range units, const float* x, const float* dy,
                     const Buffers& b) {
  const int64_t batches = g.width / kBatch, row_batches = ceil_div(g.row_channels, kBatch / 2);
  parallel_chunks(batches + row_batches, [&](int64_t i) {
    if (i < batches) return transform_panels(g, units, i, x, dy, b.panels);
    transform_rows(g, units, piece(g.row_channels, row_batches, i - batches), x, dy, b.rows);
  });
}

// sums[point][row channel][vector channel] (+)= Σ_items rows panels
void multiply_sweep(const Gradient& g, int64_t items, bool first, const Buffers& b) {
  const int64_t row_tiles = static_cast<int64_t>(g.rows.size());
  const int64_t cuts = std::clamp<int64_t>(g.row_channels / 128, 1, row_tiles);
  parallel_chunks(kWinogradPoints * cuts, [&](int64_t chunk) {
    const int64_t point = chunk / cuts;
    const Range mine = piece(row_tiles, cuts, chunk % cuts);
    int64_t a_row[kMaxOuterRows];
    for (int64_t m = 0; m < kMaxOuterRows; ++m) a_row[m] = m * g.row_step;
    OuterTile t{};
    t.a_row = a_row;
    t.block = t.items = items;
    t.out_row = g.width;
    t.accumulate = !first;
    for (const Range& panel : g.panels) {
      t.panel = b.panels + point * g.panels_point + panel.begin * items;
      t.panel_row = t.columns = panel.size();
      const int vectors = static_cast<int>(panel.size() / outer_lanes());
      for (int64_t r = mine.begin; r < mine.end; ++r) {
        t.a = b.rows + point * g.rows_point + g.rows[r].begin * g.row_step;
        t.out = b.sums + point * g.sums_point + g.rows[r].begin * g.width + panel.begin;
        outer_tile(static_cast<int>(g.rows[r].size()), vectors)(t);
      }
    }
  });
}

void store_gradient(const Gradient& g, const float* sums, float* dw) {
  const int64_t taps = int64_t{g.p.kernel} * g.p.kernel, batches = g.width / kBatch;
  const int64_t next = g.out_vectors ? g.p.in_channels * taps : taps;  // of the vector channels
  const int64_t next_row = g.out_vectors ? taps : g.p.in_channels * taps;
  parallel_for(g.row_channels * batches, 64, [&](int64_t begin, int64_t end) {
    alignas(64) float dg[25 * kWinogradPairs];
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / batches, c = i % batches * kBatch;
      winograd_weights_gradient(g.p.kernel, sums + row * g.width + c, g.sums_point, dg);
      block_to_rows(dg, taps, std::min(kBatch, g.vector_channels - c), kWinogradPairs,
                    dw + row * next_row + c * next, next);
    }
  });
}

// The partial lane group goes first: its idle lanes are cleared before anything else is added.
void bias_gradient(const Gradient& g, const float* dy, float* db) {
  const int64_t plane = g.p.out_h * g.p.out_w;
  parallel_for(g.p.out_channels, std::max<int64_t>(1, 16384 / plane),
               [&](int64_t begin, int64_t end) {
                 for (int64_t c = begin; c < end; ++c) {
                   alignas(64) float sum[16] = {};
                   for (auto lane = g.lanes.rbegin(); lane != g.lanes.rend(); ++lane) {
                     const float* from =
                         dy + lane->block * g.p.out_block + c * plane * g.p.lanes + lane->lane;
                     sum_positions(g.vector, from, 1, 0, plane, g.p.lanes, sum);
                     std::memset(sum + lane->valid, 0, (g.vector - lane->valid) * sizeof(float));
                   }
                   sum_lanes(g.vector, sum, 1, db + c);
                 }
               });
}

}  // namespace

size_t winograd_gradient_bytes(const ConvShape& s) {
  const Gradient g = plan_gradient(forward_problem(s), s.batch);
  const int64_t point = g.rows_point + g.panels_point + g.sums_point;
  return kWinogradPoints * point * sizeof(float);
}

double winograd_gradient_cost(const ConvShape& s) {
  const Gradient g = plan_gradient(forward_problem(s), s.batch);
  const double units = double(g.units()), sums = double(g.row_channels) * g.width;
  const double vector = g.vector, sweeps = double(g.sweeps.size());
  return units * kWinogradPoints * sums * 1.1 +
         units * (170.0 * g.p.in_channels + 130.0 * g.p.out_channels + 110.0 * g.width) +
         sums * kWinogradPoints * (4 * sweeps + 16) / vector;
}

void winograd_backward_weights(const ConvShape& s, const float* x, const float* dy, float* dw,
                               float* db, void* scratch) {
  const Problem p = forward_problem(s);
  const Gradient g = plan_gradient(p, s.batch);
  Buffers b{};
  b.panels = static_cast<float*>(scratch);
  b.rows = b.panels + kWinogradPoints * g.panels_point;
  b.sums = b.rows + kWinogradPoints * g.rows_point;
  for (int64_t group = 0; group < s.groups; ++group) {
    const float* group_x = x + group * p.in_block / s.groups;
    const float* group_dy = dy + group * p.out_block / s.groups;
    for (const Range& units : g.sweeps) {
      transform_sweep(g, units, group_x, group_dy, b);
      multiply_sweep(g, units.size() * g.vector, units.begin == 0, b);
    }
    store_gradient(g, b.sums,
                   dw + group * p.out_channels * p.in_channels * s.kernel_h * s.kernel_w);
    if (db) bias_gradient(g, group_dy, db + group * p.out_channels);
  }
}

}  // namespace trivium::cpu::nblock
