// Direct convolution on the tiles of nblock_tiles.h. Forward and backward-data are one routine:
// with stride s the input gradient is s*s interleaved stride-1 correlations, one for each phase of
// the position modulo s, each with the taps that meet that phase. Backward-weights gives every task
// its own weights, so nothing is reduced across threads.
#include "trivium/engine/backends/cpu/nblock_conv.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <numeric>

#include "trivium/engine/backends/cpu/nblock_fc.h"
#include "trivium/engine/backends/cpu/nblock_plan.h"
#include "trivium/engine/backends/cpu/nblock_weights.h"
#include "trivium/engine/backends/cpu/nblock_winograd.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::cpu::nblock {
namespace {

// Work below this many vector multiply-adds is not worth a chunk of its own (about 10
// microseconds).
constexpr double kChunkWork = 30e3;
constexpr int64_t kWantedChunks = 32;

int64_t kernel_size(const ConvShape& s) { return s.kernel_h * s.kernel_w; }
int64_t weight_count(const ConvShape& s) {
  return s.out_channels * (s.in_channels / s.groups) * kernel_size(s);
}

void check(const ConvShape& s) {
  const bool positive = s.batch > 0 && s.groups > 0 && s.in_channels > 0 && s.out_channels > 0 &&
                        s.in_h > 0 && s.in_w > 0 && s.out_h > 0 && s.out_w > 0 && s.kernel_h > 0 &&
                        s.kernel_w > 0 && s.stride_h > 0 && s.stride_w > 0 && s.dilation_h > 0 &&
                        s.dilation_w > 0;
  if (!positive) user_error("nblock convolution: every size, stride and dilation must be positive");
  if (s.in_channels % s.groups || s.out_channels % s.groups) {
    user_error("nblock convolution: {} input and {} output channels do not divide into {} groups",
               s.in_channels, s.out_channels, s.groups);
  }
  if (s.lanes != 16 && s.lanes != 8 && s.lanes != 4) {
    user_error("nblock convolution: lanes 16, 8 or 4 expected, {} received", s.lanes);
  }
}

// A kernel that covers the whole unpadded image once is a fully connected layer.
bool is_fc(const ConvShape& s) {
  return s.groups == 1 && s.out_h == 1 && s.out_w == 1 && s.kernel_h == s.in_h &&
         s.kernel_w == s.in_w && s.pad_top == 0 && s.pad_left == 0 &&
         (s.dilation_h == 1 || s.kernel_h == 1) && (s.dilation_w == 1 || s.kernel_w == 1);
}
FcShape as_fc(const ConvShape& s) {
  return {s.batch, s.in_channels * kernel_size(s), s.out_channels, false, s.lanes};
}

// Which (channels, positions) limits make the cheapest tiles: cycles are the larger of
// multiply-adds and loads, plus a fixed cost a tile.
struct TileLimits {
  int64_t channels, positions;
};
TileLimits choose_limits(int64_t channels, int64_t positions) {
  TileLimits best{1, 1};
  double best_cost = 1e300;
  for (int64_t p = std::min<int64_t>(positions, kMaxTilePositions); p >= 1; --p) {
    const int64_t c = std::min<int64_t>(channels, max_tile_channels(static_cast<int>(p)));
    const double n = double(ceil_div(channels, c)) * double(ceil_div(positions, p));
    const double tile_c = double(channels) / ceil_div(channels, c);
    const double tile_p = double(positions) / ceil_div(positions, p);
    const double cost = n * (std::max(tile_c * tile_p, 1.15 * (tile_c + tile_p)) + 1.0);
    if (cost < best_cost * 0.999) best_cost = cost, best = {c, p};
  }
  return best;
}

struct ColumnTile {
  Range at;
  bool border = false;
  std::vector<int> lo, hi;                // per tap, relative to at.begin
  std::vector<uint8_t> shape;             // tile_shape of each tap
  CorrFn run[kMaxTileChannels + 1] = {};  // by channels of the block
};

std::vector<ColumnTile> column_tiles(const Axis& axis, int64_t most) {
  std::vector<ColumnTile> tiles;
  for (const Range& at : even_pieces(axis.outputs, most)) {
    ColumnTile tile{at};
    for (int64_t t = 0; t < axis.taps; ++t) {
      const Range ok = axis.outputs_of_tap(t);
      const int64_t lo = std::clamp<int64_t>(ok.begin - at.begin, 0, at.size());
      const int64_t hi = std::clamp<int64_t>(ok.end - at.begin, lo, at.size());
      tile.border |= lo > 0 || hi < at.size();
      tile.lo.push_back(static_cast<int>(lo));
      tile.hi.push_back(static_cast<int>(hi));
      tile.shape.push_back(tile_shape(tile.lo.back(), tile.hi.back(), static_cast<int>(at.size())));
    }
    tiles.push_back(std::move(tile));
  }
  return tiles;
}

// Where weight (out channel, in channel, row tap, column tap) of a correlation lies in the plain
// weight.
struct WeightView {
  const float* w;
  int64_t group, out, in;             // strides
  int64_t first, row_step, tap_step;  // of the taps
};

struct Correlation {
  int64_t batch, groups, in_channels, out_channels;  // channels a group
  Axis h, w;
  int64_t out_h, out_w;  // planes of the stored output
  int lanes;
  int64_t taps() const { return h.taps * w.taps; }
  int64_t packed_size() const { return groups * out_channels * in_channels * taps(); }
};

// Packs [group][channel block][in][row][tap][channel of the block], the order the tiles read.
void pack_weights(const Correlation& c, const WeightView& view, const std::vector<Range>& blocks,
                  float* packed) {
  const int64_t depth = c.in_channels * c.taps();
  const int64_t jobs = c.groups * static_cast<int64_t>(blocks.size());
  const int64_t block_work = depth * blocks.front().size();
  parallel_for(
      jobs, std::max<int64_t>(1, 16384 / std::max<int64_t>(1, block_work)),
      [&](int64_t begin, int64_t end) {
        for (int64_t job = begin; job < end; ++job) {
          const int64_t group = job / blocks.size();
          const Range block = blocks[job % blocks.size()];
          float* out = packed + (group * c.out_channels + block.begin) * depth;
          const float* base = view.w + group * view.group + block.begin * view.out + view.first;
          for (int64_t in = 0; in < c.in_channels; ++in) {
            for (int64_t row = 0; row < c.h.taps; ++row) {
              for (int64_t tap = 0; tap < c.w.taps; ++tap) {
                const float* w = base + in * view.in + row * view.row_step + tap * view.tap_step;
                for (int64_t i = 0; i < block.size(); ++i) *out++ = w[i * view.out];
              }
            }
          }
        }
      });
}

// How many pieces rows and channel blocks are cut into, so that threads of any number share them
// evenly.
struct Cuts {
  int64_t rows, blocks;
};
Cuts choose_cuts(double work, int64_t units, int64_t rows, int64_t blocks) {
  const int64_t affordable = std::max<int64_t>(1, static_cast<int64_t>(work / kChunkWork));
  const int64_t wanted = std::min(kWantedChunks, affordable);
  Cuts cuts{1, 1};
  cuts.rows = std::clamp<int64_t>(ceil_div(wanted, units), 1, rows);
  cuts.blocks = std::clamp<int64_t>(ceil_div(wanted, units * cuts.rows), 1, blocks);
  return cuts;
}

void correlate(const Correlation& c, const float* x, const WeightView& view, const float* bias,
               Activation activation, float slope, float* y, float* packed) {
  if (c.h.outputs <= 0 || c.w.outputs <= 0) return;
  const int vector = vector_lanes(c.lanes);
  const TileLimits limits = choose_limits(c.out_channels, c.w.outputs);
  const std::vector<Range> blocks = even_pieces(c.out_channels, limits.channels);
  std::vector<ColumnTile> tiles = column_tiles(c.w, limits.positions);
  for (ColumnTile& tile : tiles) {
    for (const Range& block : blocks) {
      CorrFn& run = tile.run[block.size()];
      if (run) continue;
      run = corr_tile(vector, static_cast<int>(block.size()), static_cast<int>(tile.at.size()),
                      tile.border);
    }
  }
  const std::vector<LaneGroup> lanes = lane_groups(c.batch, c.lanes, vector);
  pack_weights(c, view, blocks, packed);

  const int64_t depth = c.in_channels * c.taps();
  const int64_t in_plane = c.h.inputs * c.w.inputs * c.lanes;
  const int64_t out_plane = c.out_h * c.out_w * c.lanes;
  const int64_t units = static_cast<int64_t>(lanes.size()) * c.groups;
  const double work = double(units) * c.h.outputs * c.w.outputs * c.out_channels * (depth + 4);
  const Cuts cuts = choose_cuts(work, units, c.h.outputs, static_cast<int64_t>(blocks.size()));

  CorrTile common{};
  common.x_channel = in_plane;
  common.x_row = c.h.step * c.w.inputs * c.lanes;
  common.x_tap = c.w.step * c.lanes;
  common.x_position = c.w.stride * c.lanes;
  common.y_channel = out_plane;
  common.y_position = c.w.out_stride * c.lanes;
  common.channels = c.in_channels;
  common.taps = c.w.taps;
  common.activation = activation;
  common.slope = slope;

  parallel_chunks(units * cuts.rows * cuts.blocks, [&](int64_t chunk) {
    const Range block_range =
        piece(static_cast<int64_t>(blocks.size()), cuts.blocks, chunk % cuts.blocks);
    chunk /= cuts.blocks;
    const Range rows = piece(c.h.outputs, cuts.rows, chunk % cuts.rows);
    chunk /= cuts.rows;
    const int64_t group = chunk % c.groups;
    const LaneGroup lane = lanes[chunk / c.groups];
    const float* xs = x + (lane.block * c.groups + group) * c.in_channels * in_plane + lane.lane;
    float* ys = y + (lane.block * c.groups + group) * c.out_channels * out_plane + lane.lane;
    CorrTile tile = common;
    for (int64_t j = rows.begin; j < rows.end; ++j) {
      const Range taps = c.h.taps_of_output(j);
      tile.rows = taps.size();
      const float* x_row = xs + c.h.input(j, taps.begin) * c.w.inputs * c.lanes;
      float* y_row = ys + (c.h.out_begin + j * c.h.out_stride) * c.out_w * c.lanes;
      for (const ColumnTile& column : tiles) {
        tile.x = x_row + c.w.input(column.at.begin, 0) * c.lanes;
        tile.lo = column.lo.data();
        tile.hi = column.hi.data();
        tile.shape = column.shape.data();
        float* y_tile = y_row + (c.w.out_begin + column.at.begin * c.w.out_stride) * c.lanes;
        for (int64_t b = block_range.begin; b < block_range.end; ++b) {
          const Range block = blocks[b];
          tile.w = packed + (group * c.out_channels + block.begin) * depth +
                   taps.begin * c.w.taps * block.size();
          tile.w_channel = c.taps() * block.size();
          tile.bias = bias ? bias + group * c.out_channels + block.begin : nullptr;
          tile.y = y_tile + block.begin * out_plane;
          column.run[block.size()](tile);
        }
      }
    }
  });
}

Axis forward_axis(int64_t out, int64_t in, int64_t kernel, int64_t stride, int64_t pad,
                  int64_t dilation) {
  return {out, in, kernel, stride, dilation, -pad};
}

// The taps that reach input positions = phase (mod stride): kernel index first + t * jump.
struct Phase {
  Axis axis;
  int64_t first = 0, jump = 1;
};
Phase backward_phase(int64_t phase, int64_t out, int64_t in, int64_t kernel, int64_t stride,
                     int64_t pad, int64_t dilation) {
  const int64_t common = std::gcd(stride, dilation);
  Phase p;
  p.jump = stride / common;
  while (p.first < p.jump && (phase + pad - p.first * dilation) % stride != 0) ++p.first;
  const int64_t positions = phase < in ? ceil_div(in - phase, stride) : 0;
  const bool reachable = p.first < p.jump && p.first < kernel;
  const int64_t taps = reachable ? ceil_div(kernel - p.first, p.jump) : 0;
  const int64_t offset = reachable ? (phase + pad - p.first * dilation) / stride : 0;
  if (!reachable) p.first = 0;
  p.axis = {positions, out, taps, 1, -(dilation / common), offset, phase, stride};
  return p;
}

// Resolves `automatic`, and refuses what the shape does not have.
Algorithm settle(const ConvShape& s, Pass pass, Algorithm algorithm) {
  check(s);
  if (algorithm == Algorithm::automatic) return best_algorithm(s, pass);
  if (algorithm == Algorithm::winograd && !winograd_possible(s)) {
    user_error(
        "nblock convolution: no winograd for a {}x{} kernel with stride {}x{} and dilation {}x{} "
        "({} to {} channels); use direct",
        s.kernel_h, s.kernel_w, s.stride_h, s.stride_w, s.dilation_h, s.dilation_w, s.in_channels,
        s.out_channels);
  }
  return algorithm;
}

}  // namespace

Algorithm best_algorithm(const ConvShape& s, Pass pass) {
  check(s);
  if (is_fc(s) || !winograd_possible(s)) return Algorithm::direct;
  return winograd_advantage(s, pass) < 0.9 ? Algorithm::winograd : Algorithm::direct;
}

int64_t nblock_size(int64_t batch, int64_t per_item, int lanes) {
  return ceil_div(batch, lanes) * per_item * lanes;
}

int best_lanes(int64_t batch) {
  const int widest = vector_lanes(16);
  bool double_pumped = false;  // 512-bit operations take two passes: 16 lanes cost what 2 x 8 do
#if defined(__x86_64__)
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0, &a, &b, &c, &d) && b == signature_AMD_ebx && __get_cpuid(1, &a, &b, &c, &d)) {
    const unsigned family = ((a >> 8) & 15) + ((a >> 20) & 255);
    double_pumped = family == 25;
  }
#endif
  int best = 0;
  double best_cost = 0;
  for (int lanes : {16, 8, 4}) {
    if (lanes > widest && lanes != 4) continue;
    double vector_cost = 1;  // of one multiply-add on `lanes` lanes
    if (lanes == 16 && double_pumped) vector_cost = 2;
    const double cost = double(ceil_div(batch, lanes)) * vector_cost;
    const bool better =
        best == 0 || cost < best_cost || (lanes == 4 && batch <= 4 && cost <= best_cost);
    if (better) best = lanes, best_cost = cost;
  }
  return best;
}

size_t conv_scratch_bytes(const ConvShape& shape, Pass pass, Algorithm algorithm) {
  if (settle(shape, pass, algorithm) == Algorithm::winograd)
    return winograd_scratch_bytes(shape, pass);
  if (is_fc(shape)) return fc_scratch_bytes(as_fc(shape));
  return pass == Pass::backward_weights ? 0 : weight_count(shape) * sizeof(float);
}

void conv_forward(const ConvShape& s, const float* x, const float* w, const float* bias,
                  Activation activation, float slope, float* y, void* scratch,
                  Algorithm algorithm) {
  if (settle(s, Pass::forward, algorithm) == Algorithm::winograd) {
    return winograd_forward(s, x, w, bias, activation, slope, y, scratch);
  }
  if (is_fc(s)) return fc_forward(as_fc(s), x, w, bias, activation, slope, y);
  Correlation c;
  c.batch = s.batch;
  c.groups = s.groups;
  c.in_channels = s.in_channels / s.groups;
  c.out_channels = s.out_channels / s.groups;
  c.h = forward_axis(s.out_h, s.in_h, s.kernel_h, s.stride_h, s.pad_top, s.dilation_h);
  c.w = forward_axis(s.out_w, s.in_w, s.kernel_w, s.stride_w, s.pad_left, s.dilation_w);
  c.out_h = s.out_h;
  c.out_w = s.out_w;
  c.lanes = s.lanes;
  const int64_t depth = c.in_channels * kernel_size(s);
  const WeightView view{w, c.out_channels * depth, depth, kernel_size(s), 0, s.kernel_w, 1};
  correlate(c, x, view, bias, activation, slope, y, static_cast<float*>(scratch));
}

void conv_backward_data(const ConvShape& s, const float* dy, const float* w, float* dx,
                        void* scratch, Algorithm algorithm) {
  if (settle(s, Pass::backward_data, algorithm) == Algorithm::winograd) {
    return winograd_backward_data(s, dy, w, dx, scratch);
  }
  if (is_fc(s)) return fc_backward_data(as_fc(s), dy, w, dx);
  Correlation c;
  c.batch = s.batch;
  c.groups = s.groups;
  c.in_channels = s.out_channels / s.groups;
  c.out_channels = s.in_channels / s.groups;
  c.out_h = s.in_h;
  c.out_w = s.in_w;
  c.lanes = s.lanes;
  const int64_t depth = c.out_channels * kernel_size(s);
  for (int64_t py = 0; py < s.stride_h; ++py) {
    for (int64_t px = 0; px < s.stride_w; ++px) {
      const Phase h =
          backward_phase(py, s.out_h, s.in_h, s.kernel_h, s.stride_h, s.pad_top, s.dilation_h);
      const Phase v =
          backward_phase(px, s.out_w, s.in_w, s.kernel_w, s.stride_w, s.pad_left, s.dilation_w);
      c.h = h.axis;
      c.w = v.axis;
      const WeightView view{w,     c.in_channels * depth,          kernel_size(s),
                            depth, h.first * s.kernel_w + v.first, h.jump * s.kernel_w,
                            v.jump};
      correlate(c, dy, view, nullptr, Activation::none, 0.f, dx, static_cast<float*>(scratch));
    }
  }
}

void conv_backward_weights(const ConvShape& s, const float* x, const float* dy, float* dw,
                           float* db, void* scratch, Algorithm algorithm) {
  if (settle(s, Pass::backward_weights, algorithm) == Algorithm::winograd) {
    return winograd_backward_weights(s, x, dy, dw, db, scratch);
  }
  if (is_fc(s)) return fc_backward_weights(as_fc(s), x, dy, dw, db, scratch);
  direct_backward_weights(s, x, dy, dw, db);
}

}  // namespace trivium::cpu::nblock
