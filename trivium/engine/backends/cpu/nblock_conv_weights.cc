// Weight gradient of the direct convolution. A task owns some output channels and a range of tap
// tiles (taps of one kernel row of one input channel, or of several); it keeps one vector of
// partial sums for each of its weights, feeds image rows through them while dy sits in L1, and sums
// the lanes at the end. The partial block of the batch goes first: its idle lanes are then cleared,
// whatever they held.
#include <cstring>

#include "trivium/engine/backends/cpu/nblock_conv.h"
#include "trivium/engine/backends/cpu/nblock_fc.h"
#include "trivium/engine/backends/cpu/nblock_plan.h"
#include "trivium/engine/backends/cpu/nblock_weights.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::cpu::nblock {
namespace {

constexpr int64_t kAccumulatorFloats = 32 * 1024;  // of one task, on its stack
constexpr int64_t kMaxTaskBlocks = 12;
constexpr int64_t kDyBytes = 20 * 1024;  // of dy that one sweep over the tap tiles reuses
constexpr int64_t kWantedTasks = 16,
                  kLeastTiles = 5;  // tap tiles of a task, where there are as many

struct TapTile {
  int64_t row = 0;  // of the kernel
  Range taps;       // of [0, in_channels * kernel_w), the taps of that row
  Range rows;       // outputs that this kernel row reaches
  int64_t offset[kMaxTilePositions] = {};
  int lo[kMaxTilePositions] = {}, hi[kMaxTilePositions] = {};
  Range inner;
  std::vector<uint8_t> shape;  // of every position outside `inner`
  GradFn run[kMaxTileChannels + 1] = {};
};

struct Gradient {
  const ConvShape& s;
  int64_t in_channels, out_channels;  // a group
  int vector;
  Axis h, w;
  std::vector<TapTile> tiles;
  std::vector<Range> blocks;  // of output channels
  std::vector<LaneGroup> lanes;
  int64_t in_plane, out_plane;
};

TapTile make_tile(const Gradient& g, int64_t row, Range taps) {
  TapTile tile;
  tile.row = row;
  tile.taps = taps;
  tile.rows = g.h.outputs_of_tap(row);
  tile.inner = {0, g.w.outputs};
  for (int64_t i = 0; i < taps.size(); ++i) {
    const int64_t channel = (taps.begin + i) / g.w.taps, tap = (taps.begin + i) % g.w.taps;
    const Range ok = g.w.outputs_of_tap(tap);
    tile.offset[i] = channel * g.in_plane + tap * g.w.step * g.s.lanes;
    tile.lo[i] = static_cast<int>(ok.begin);
    tile.hi[i] = static_cast<int>(ok.end);
    tile.inner.begin = std::max(tile.inner.begin, ok.begin);
    tile.inner.end = std::min(tile.inner.end, ok.end);
  }
  if (tile.inner.begin >= tile.inner.end) tile.inner = {0, 0};
  const int count = static_cast<int>(taps.size());
  for (int64_t j = 0; j < g.w.outputs; ++j) {
    int first = count, last = 0, valid = 0;
    for (int t = 0; t < count; ++t) {
      if (j < tile.lo[t] || j >= tile.hi[t]) continue;
      first = std::min(first, t), last = t + 1, ++valid;
    }
    const bool contiguous = valid == 0 || valid == last - first;
    tile.shape.push_back(contiguous ? tile_shape(first, last, count) : kShapeGuarded);
  }
  for (const Range& block : g.blocks) {
    GradFn& run = tile.run[block.size()];
    if (!run) run = grad_tile(g.vector, static_cast<int>(block.size()), count);
  }
  return tile;
}

// Limits of (output channels, taps): the fewest cycles, a tile costing the larger of its
// multiply-adds and its loads. Kernel rows of 4 to 6 taps make tiles of exactly those: borders then
// have simple shapes.
std::pair<int64_t, int64_t> choose_limits(int64_t channels, int64_t taps, int64_t kernel_w) {
  std::pair<int64_t, int64_t> best{1, 1};
  double best_cost = 1e300;
  const bool whole_rows =
      kernel_w >= 4 && kernel_w <= kMaxTilePositions && max_tile_channels(int(kernel_w)) > 2;
  for (int64_t t = std::min<int64_t>(taps, kMaxTilePositions); t >= 1; --t) {
    if (whole_rows && t != kernel_w) continue;
    const int64_t a = std::min<int64_t>(channels, max_tile_channels(static_cast<int>(t)));
    const double blocks = double(ceil_div(channels, a)), groups = double(ceil_div(taps, t));
    const double tile_a = channels / blocks, tile_t = taps / groups;
    const double cost =
        blocks * groups * (std::max(tile_a * tile_t, 1.15 * (tile_a + tile_t)) + 1.0);
    if (cost < best_cost * 0.999) best_cost = cost, best = {a, t};
  }
  return best;
}

void clear_idle_lanes(float* acc, int64_t vectors, int64_t vector, int64_t valid) {
  for (int64_t i = 0; i < vectors; ++i) {
    std::memset(acc + i * vector + valid, 0, (vector - valid) * sizeof(float));
  }
}

struct Task {
  int64_t group;
  Range blocks;  // of output channels, in the group
  Range tiles;
};

// Runs the rows of one lane group through every accumulator of the task.
void accumulate(const Gradient& g, const Task& task, const LaneGroup& lane, const float* x,
                const float* dy, float* acc, float* db) {
  const int64_t row_floats = g.s.out_w * g.s.lanes;
  const int64_t block_channels = g.blocks[task.blocks.begin].size();
  const int64_t row_bytes = block_channels * g.s.out_w * g.vector * int64_t(sizeof(float));
  const float* xs =
      x + (lane.block * g.s.groups + task.group) * g.in_channels * g.in_plane + lane.lane;
  const float* dy_group =
      dy + (lane.block * g.s.groups + task.group) * g.out_channels * g.out_plane + lane.lane;
  GradTile tile{};
  tile.dy_channel = g.out_plane;
  tile.dy_row = row_floats;
  tile.dy_position = g.s.lanes;
  tile.x_row = g.h.stride * g.s.in_w * g.s.lanes;
  tile.x_position = g.w.stride * g.s.lanes;
  tile.positions = g.s.out_w;
  for (const Range& rows : even_pieces(g.s.out_h, std::max<int64_t>(1, kDyBytes / row_bytes))) {
    float* tile_acc = acc;
    float* block_db = db;
    for (int64_t b = task.blocks.begin; b < task.blocks.end; ++b) {
      const int64_t a = g.blocks[b].size();
      const float* dys = dy_group + g.blocks[b].begin * g.out_plane;
      if (db) {
        sum_positions(g.vector, dys + rows.begin * row_floats, a, g.out_plane,
                      rows.size() * g.s.out_w, g.s.lanes, block_db);
        block_db += a * g.vector;
      }
      for (int64_t q = task.tiles.begin; q < task.tiles.end; ++q) {
        const TapTile& taps = g.tiles[q];
        const int64_t first = std::max(rows.begin, taps.rows.begin);
        const int64_t last = std::min(rows.end, taps.rows.end);
        if (first < last) {
          tile.rows = last - first;
          tile.dy = dys + first * row_floats;
          tile.x = xs + (g.h.input(first, taps.row) * g.s.in_w + g.w.offset) * g.s.lanes;
          tile.acc = tile_acc;
          tile.inner_begin = taps.inner.begin;
          tile.inner_end = taps.inner.end;
          tile.tap_offset = taps.offset;
          tile.lo = taps.lo;
          tile.hi = taps.hi;
          tile.shape = taps.shape.data();
          taps.run[a](tile);
        }
        tile_acc += a * taps.taps.size() * g.vector;
      }
    }
  }
}

void store(const Gradient& g, const Task& task, const float* acc, float* dw) {
  const int64_t kernel = g.h.taps * g.w.taps;
  float sums[kMaxTileChannels * kMaxTilePositions];
  for (int64_t b = task.blocks.begin; b < task.blocks.end; ++b) {
    const Range channels = g.blocks[b];
    for (int64_t q = task.tiles.begin; q < task.tiles.end; ++q) {
      const TapTile& tile = g.tiles[q];
      const int64_t t = tile.taps.size();
      sum_lanes(g.vector, acc, channels.size() * t, sums);
      acc += channels.size() * t * g.vector;
      for (int64_t c = 0; c < channels.size(); ++c) {
        const int64_t channel = task.group * g.out_channels + channels.begin + c;
        float* out = dw + channel * g.in_channels * kernel + tile.row * g.w.taps;
        for (int64_t i = 0; i < t; ++i) {
          const int64_t f = tile.taps.begin + i;
          out[f / g.w.taps * kernel + f % g.w.taps] = sums[c * t + i];
        }
      }
    }
  }
}

void run_task(const Gradient& g, const Task& task, const float* x, const float* dy, float* dw,
              float* db) {
  alignas(64) float acc[kAccumulatorFloats];
  alignas(64) float db_acc[kMaxTaskBlocks * kMaxTileChannels * 16];
  const int64_t first_channel = g.blocks[task.blocks.begin].begin;
  const int64_t channels = g.blocks[task.blocks.end - 1].end - first_channel;
  int64_t taps = 0;
  for (int64_t q = task.tiles.begin; q < task.tiles.end; ++q) taps += g.tiles[q].taps.size();
  const int64_t vectors = channels * taps;
  std::memset(acc, 0, vectors * g.vector * sizeof(float));
  std::memset(db_acc, 0, channels * g.vector * sizeof(float));
  float* db_or_null = db && task.tiles.begin == 0 ? db_acc : nullptr;
  for (auto lane = g.lanes.rbegin(); lane != g.lanes.rend(); ++lane) {
    accumulate(g, task, *lane, x, dy, acc, db_or_null);
    if (lane->valid == g.vector) continue;
    clear_idle_lanes(acc, vectors, g.vector, lane->valid);
    clear_idle_lanes(db_acc, channels, g.vector, lane->valid);
  }
  store(g, task, acc, dw);
  if (db_or_null) {
    sum_lanes(g.vector, db_acc, channels, db + task.group * g.out_channels + first_channel);
  }
}

// Tasks of `blocks` channel blocks and about tiles / cuts tap tiles: the pair that reads the fewest
// cache lines of x and dy a position, among those that give the threads enough tasks.
struct TaskSize {
  int64_t blocks, cuts;
};
TaskSize choose_tasks(const Gradient& g, int64_t most_channels, int64_t most_taps) {
  const int64_t tiles = static_cast<int64_t>(g.tiles.size()),
                all = static_cast<int64_t>(g.blocks.size());
  const double taps_per_tile = double(g.in_channels * g.h.taps * g.w.taps) / tiles;
  TaskSize best{1, tiles};
  double best_cost = 1e300;
  for (int64_t blocks = 1; blocks <= std::min(all, kMaxTaskBlocks); ++blocks) {
    const int64_t most_tiles = kAccumulatorFloats / (blocks * most_channels * most_taps * g.vector);
    if (most_tiles == 0) break;
    const int64_t columns = g.s.groups * ceil_div(all, blocks);
    const int64_t wanted =
        std::min(ceil_div(kWantedTasks, columns), std::max<int64_t>(1, tiles / kLeastTiles));
    const int64_t cuts = std::min(tiles, std::max(ceil_div(tiles, most_tiles), wanted));
    const double tasks = double(columns) * cuts;
    const double channels =
        std::max(1.0, double(tiles) / cuts * taps_per_tile / (g.h.taps * g.w.taps));
    const double lines =
        tasks * (channels * g.h.stride * g.w.stride + double(blocks * most_channels));
    const double cost =
        lines * (tasks < kWantedTasks ? 1 + 0.5 * (kWantedTasks - tasks) / kWantedTasks : 1);
    if (cost < best_cost) best_cost = cost, best = {blocks, cuts};
  }
  return best;
}

}  // namespace

void direct_backward_weights(const ConvShape& s, const float* x, const float* dy, float* dw,
                             float* db) {
  Gradient g{s};
  g.in_channels = s.in_channels / s.groups;
  g.out_channels = s.out_channels / s.groups;
  g.vector = vector_lanes(s.lanes);
  g.h = {s.out_h, s.in_h, s.kernel_h, s.stride_h, s.dilation_h, -s.pad_top};
  g.w = {s.out_w, s.in_w, s.kernel_w, s.stride_w, s.dilation_w, -s.pad_left};
  g.in_plane = s.in_h * s.in_w * s.lanes;
  g.out_plane = s.out_h * s.out_w * s.lanes;
  g.lanes = lane_groups(s.batch, s.lanes, g.vector);
  const int64_t row_taps = g.in_channels * s.kernel_w;
  const auto [most_channels, most_taps] = choose_limits(g.out_channels, row_taps, s.kernel_w);
  g.blocks = even_pieces(g.out_channels, most_channels);
  for (const Range& taps : even_pieces(row_taps, most_taps)) {
    for (int64_t row = 0; row < s.kernel_h; ++row) g.tiles.push_back(make_tile(g, row, taps));
  }
  const int64_t tiles = static_cast<int64_t>(g.tiles.size());
  const TaskSize size = choose_tasks(g, most_channels, most_taps);
  const int64_t columns = ceil_div(static_cast<int64_t>(g.blocks.size()), size.blocks);
  parallel_chunks(s.groups * columns * size.cuts, [&](int64_t chunk) {
    const int64_t column = chunk / size.cuts;
    const Task task{column / columns,
                    piece(static_cast<int64_t>(g.blocks.size()), columns, column % columns),
                    piece(tiles, size.cuts, chunk % size.cuts)};
    run_task(g, task, x, dy, dw, db);
  });
}

}  // namespace trivium::cpu::nblock
