// Winograd convolution on batch-blocked activations. The transforms act lane by lane, and the
// products in between are 36 small matrix multiplications of register tiles. A chunk of work is a
// few image tiles: their transformed inputs stay in L2 while all output channels pass.
#include "trivium/engine/backends/cpu/nblock_winograd.h"

#include <cstring>
#include <memory>
#include <new>

#include "trivium/engine/backends/cpu/nblock_plan.h"
#include "trivium/engine/backends/cpu/nblock_transform.h"
#include "trivium/engine/backends/cpu/nblock_winograd_parts.h"
#include "trivium/engine/backends/cpu/nblock_winograd_tiles.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::cpu::nblock {
namespace {

constexpr int64_t kInputBytes = 320 * 1024;    // of transformed inputs a chunk keeps in L2
constexpr int64_t kProductBytes = 160 * 1024;  // of products before their output transform
constexpr int64_t kLeastChunks = 8;
constexpr int64_t kStepPad = 16;  // floats; keeps the 36 planes of a tile in different cache sets

// Grows to what the largest chunk of this thread needed; 64-byte aligned.
class ThreadBuffer {
 public:
  float* get(int64_t floats) {
    if (floats > size_) {
      data_.reset();
      data_.reset(
          static_cast<float*>(::operator new (floats * sizeof(float), std::align_val_t{64})));
      size_ = floats;
    }
    return data_.get();
  }

 private:
  struct Free {
    void operator()(float* p) const { ::operator delete (p, std::align_val_t{64}); }
  };
  std::unique_ptr<float, Free> data_;
  int64_t size_ = 0;
};
thread_local ThreadBuffer thread_buffer;

Problem backward_problem(const ConvShape& s) {
  const Problem p = forward_problem(s);
  return {p.batch,
          p.out_channels,
          p.in_channels,
          p.out_h,
          p.out_w,
          p.in_h,
          p.in_w,
          p.kernel - 1 - p.pad_top,
          p.kernel - 1 - p.pad_left,
          p.kernel,
          p.lanes,
          p.out_block,
          p.in_block};
}
// The input gradient as an adjoint: output tile i of the forward pass began at input i * tile -
// pad.
Problem scatter_problem(const ConvShape& s) {
  Problem p = backward_problem(s);
  p.pad_top = s.pad_top;
  p.pad_left = s.pad_left;
  p.scatter = true;
  return p;
}
bool prefers_scatter(const ConvShape& s) {
  return scatter_problem(s).tiles() * 5 < backward_problem(s).tiles() * 4;
}

// Where kernel (out, in) lies in the plain weight, and whether its taps are taken in reverse.
struct Kernels {
  const float* w;
  int64_t out, in;
  bool reversed;
};

// u[point][channel block][in][channel of the block]
void transform_weights(const Problem& p, const Kernels& k, const std::vector<Range>& blocks,
                       float* u) {
  const int64_t taps = int64_t{p.kernel} * p.kernel, plane = p.out_channels * p.in_channels;
  const int64_t grain = std::max<int64_t>(1, 512 / (p.in_channels * blocks.front().size()));
  parallel_for(static_cast<int64_t>(blocks.size()), grain, [&](int64_t begin, int64_t end) {
    alignas(64) float rows[kWinogradPairs * 25], g[25 * kWinogradPairs],
        points[kWinogradPoints * kWinogradPairs];
    for (int64_t b = begin; b < end; ++b) {
      const int64_t width = blocks[b].size();
      for (int64_t out = blocks[b].begin; out < blocks[b].end; ++out) {
        for (int64_t in = 0; in < p.in_channels; in += kWinogradPairs) {
          const int64_t count = std::min<int64_t>(kWinogradPairs, p.in_channels - in);
          for (int64_t i = 0; i < count; ++i) {
            const float* from = k.w + out * k.out + (in + i) * k.in;
            for (int64_t t = 0; t < taps; ++t)
              rows[i * taps + t] = from[k.reversed ? taps - 1 - t : t];
          }
          rows_to_block(rows, taps, taps, count, kWinogradPairs, g);
          winograd_weights(p.kernel, g, points);
          float* to = u + blocks[b].begin * p.in_channels + in * width + out - blocks[b].begin;
          for (int64_t point = 0; point < kWinogradPoints; ++point, to += plane) {
            for (int64_t i = 0; i < count; ++i) to[i * width] = points[point * kWinogradPairs + i];
          }
        }
      }
    }
  });
}

struct Blocking {
  std::vector<Range> blocks;     // of output channels, a register tile each
  std::vector<Range> tile_sets;  // of image tiles
  int64_t positions;             // of a register tile
  int64_t parts;                 // output channels are cut in so many chunks
  int64_t together;              // blocks whose products are kept at a time
};
Blocking choose_blocking(const Problem& p, int vector, int64_t lane_groups) {
  Blocking b;
  const int64_t tile_bytes = p.in_channels * kWinogradPoints * vector * int64_t(sizeof(float));
  int64_t most = std::clamp<int64_t>(kInputBytes / tile_bytes, 4, 24) / 4 * 4;
  while (!p.scatter && most > 4 && lane_groups * ceil_div(p.tiles(), most) < kLeastChunks)
    most -= 4;
  b.tile_sets = even_pieces(p.tiles(), most);
  const int64_t set = b.tile_sets.back().size();
  b.positions = ceil_div(set, ceil_div(set, 4));
  const int64_t channels = max_tile_channels(static_cast<int>(b.positions));
  b.blocks = even_pieces(p.out_channels, channels);
  const int64_t count = static_cast<int64_t>(b.blocks.size());
  const int64_t chunks = lane_groups * (p.scatter ? 1 : static_cast<int64_t>(b.tile_sets.size()));
  b.parts = std::clamp<int64_t>(ceil_div(kLeastChunks, chunks), 1,
                                std::max<int64_t>(1, p.out_channels / 96));
  const int64_t block_bytes = channels * set * kWinogradPoints * vector * int64_t(sizeof(float));
  b.together = std::clamp<int64_t>(kProductBytes / block_bytes, 1, count);
  return b;
}

struct Call {
  const Problem& p;
  const Blocking& plan;
  WinogradFns fns;
  int vector;
  ProductFn run[kMaxTileChannels + 1][kMaxTilePositions + 1];
  const float* x;
  const float* u;
  const float* bias;
  Activation activation;
  float slope;
  float* y;
};

// products[point][channel of blocks][tile] = u v for every point.
void multiply(const Call& c, Range blocks, const float* v, int64_t in_step, float* products,
              int64_t out_step, int64_t tiles) {
  const int64_t first_channel = c.plan.blocks[blocks.begin].begin;
  const std::vector<Range> positions = even_pieces(tiles, c.plan.positions);
  ProductTile t{};
  t.x_channel = t.y_channel = tiles * c.vector;
  t.channels = c.p.in_channels;
  for (int64_t point = 0; point < kWinogradPoints; ++point) {
    for (int64_t b = blocks.begin; b < blocks.end; ++b) {
      const Range block = c.plan.blocks[b];
      t.w = c.u + (point * c.p.out_channels + block.begin) * c.p.in_channels;
      for (const Range& at : positions) {
        t.x = v + point * in_step + at.begin * c.vector;
        t.y = products + point * out_step + (block.begin - first_channel) * t.y_channel +
              at.begin * c.vector;
        c.run[block.size()][at.size()](t);
      }
    }
  }
}

// Output transforms of the tiles, for all channels of the product buffer.
void store(const Call& c, const LaneGroup& lane, Range channels, Range tiles, const float* products,
           int64_t out_step) {
  const Problem& p = c.p;
  WinogradTile t{};
  t.row_stride = p.out_w * p.lanes;
  t.col_stride = p.lanes;
  t.point_step = out_step;
  t.activation = c.activation;
  t.slope = c.slope;
  const int size = p.scatter ? kWinogradTile : static_cast<int>(p.tile());
  const int64_t pad_top = p.scatter ? p.pad_top : 0, pad_left = p.scatter ? p.pad_left : 0;
  for (int64_t i = channels.begin; i < channels.end; ++i) {
    t.bias = c.bias ? c.bias[i] : 0.f;
    float* plane = c.y + lane.block * p.out_block + i * p.out_h * p.out_w * p.lanes + lane.lane;
    for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
      const int64_t row = tile / p.tiles_w() * p.tile() - pad_top;
      const int64_t col = tile % p.tiles_w() * p.tile() - pad_left;
      clip(row, p.out_h, size, t.row_lo, t.row_hi);
      clip(col, p.out_w, size, t.col_lo, t.col_hi);
      t.from = products + ((i - channels.begin) * tiles.size() + tile - tiles.begin) * c.vector;
      t.to = plane + (row * p.out_w + col) * p.lanes;
      (p.scatter ? c.fns.scatter : c.fns.output)(t);
    }
  }
}

// One set of tiles of one lane group through the channel blocks `part`.
void run_tiles(const Call& c, const LaneGroup& lane, Range part, Range tiles) {
  const Problem& p = c.p;
  const int64_t row = tiles.size() * c.vector;  // a channel's vectors at one point
  const int64_t in_step = p.in_channels * row + kStepPad;
  const int64_t most_step = c.plan.together * kMaxTileChannels * row + kStepPad;
  float* v = thread_buffer.get(kWinogradPoints * (in_step + most_step));
  float* products = v + kWinogradPoints * in_step;
  const int size = p.scatter ? static_cast<int>(p.tile()) : kWinogradTile;
  const InputJob job{c.x + lane.block * p.in_block + lane.lane,
                     p.in_h,
                     p.in_w,
                     p.scatter ? 0 : p.pad_top,
                     p.scatter ? 0 : p.pad_left,
                     size,
                     p.tile(),
                     p.tiles_w(),
                     p.lanes,
                     c.vector,
                     p.in_h * p.in_w * p.lanes};
  transform_tiles(job, p.scatter ? c.fns.gradient : c.fns.input, tiles, {0, p.in_channels}, v,
                  in_step, row);
  for (int64_t first = part.begin; first < part.end; first += c.plan.together) {
    const Range blocks{first, std::min(first + c.plan.together, part.end)};
    const Range channels{c.plan.blocks[first].begin, c.plan.blocks[blocks.end - 1].end};
    const int64_t out_step = channels.size() * row + kStepPad;
    multiply(c, blocks, v, in_step, products, out_step, tiles.size());
    store(c, lane, channels, tiles, products, out_step);
  }
}

void clear(const Call& c, const LaneGroup& lane, Range channels) {
  const int64_t positions = c.p.out_h * c.p.out_w;
  float* y = c.y + lane.block * c.p.out_block + channels.begin * positions * c.p.lanes + lane.lane;
  for (int64_t i = 0; i < channels.size() * positions; ++i) {
    std::memset(y + i * c.p.lanes, 0, c.vector * sizeof(float));
  }
}

void correlate(const Problem& p, const float* x, const Kernels& kernels, const float* bias,
               Activation activation, float slope, float* y, float* u) {
  const int vector = vector_lanes(p.lanes);
  const std::vector<LaneGroup> lanes = lane_groups(p.batch, p.lanes, vector);
  const Blocking plan = choose_blocking(p, vector, static_cast<int64_t>(lanes.size()));
  transform_weights(p, kernels, plan.blocks, u);
  Call call{p, plan, winograd_fns(vector, p.kernel), vector, {}, x, u, bias, activation, slope, y};
  for (const Range& block : plan.blocks) {
    for (int positions = 1; positions <= plan.positions; ++positions) {
      ProductFn& fn = call.run[block.size()][positions];
      if (!fn) fn = product_tile(vector, static_cast<int>(block.size()), positions);
    }
  }
  // Scattered tiles overlap, so one chunk takes all tiles of its lanes and channels, in order.
  const int64_t sets = p.scatter ? 1 : static_cast<int64_t>(plan.tile_sets.size());
  parallel_chunks(static_cast<int64_t>(lanes.size()) * sets * plan.parts, [&](int64_t chunk) {
    const Range part =
        piece(static_cast<int64_t>(plan.blocks.size()), plan.parts, chunk % plan.parts);
    chunk /= plan.parts;
    const LaneGroup& lane = lanes[chunk / sets];
    if (!p.scatter) return run_tiles(call, lane, part, plan.tile_sets[chunk % sets]);
    clear(call, lane, {plan.blocks[part.begin].begin, plan.blocks[part.end - 1].end});
    for (const Range& tiles : plan.tile_sets) run_tiles(call, lane, part, tiles);
  });
}

}  // namespace

void winograd_forward(const ConvShape& s, const float* x, const float* w, const float* bias,
                      Activation activation, float slope, float* y, void* scratch) {
  const Problem p = forward_problem(s);
  const int64_t taps = s.kernel_h * s.kernel_w;
  for (int64_t g = 0; g < s.groups; ++g) {
    const Kernels k{w + g * p.out_channels * p.in_channels * taps, p.in_channels * taps, taps,
                    false};
    correlate(p, x + g * p.in_block / s.groups, k, bias ? bias + g * p.out_channels : nullptr,
              activation, slope, y + g * p.out_block / s.groups, static_cast<float*>(scratch));
  }
}

void winograd_backward_data(const ConvShape& s, const float* dy, const float* w, float* dx,
                            void* scratch) {
  const bool scatter = prefers_scatter(s);
  const Problem p = scatter ? scatter_problem(s) : backward_problem(s);
  const int64_t taps = s.kernel_h * s.kernel_w;
  for (int64_t g = 0; g < s.groups; ++g) {
    const Kernels k{w + g * p.out_channels * p.in_channels * taps, taps, p.out_channels * taps,
                    !scatter};
    correlate(p, dy + g * p.in_block / s.groups, k, nullptr, Activation::none, 0.f,
              dx + g * p.out_block / s.groups, static_cast<float*>(scratch));
  }
}

bool winograd_possible(const ConvShape& s) {
  return s.kernel_h == s.kernel_w && (s.kernel_h == 3 || s.kernel_h == 5) && s.stride_h == 1 &&
         s.stride_w == 1 && s.dilation_h == 1 && s.dilation_w == 1;
}

double winograd_advantage(const ConvShape& s, Pass pass) {
  const Problem p = pass == Pass::backward_data ? backward_problem(s) : forward_problem(s);
  const Axis h{p.out_h, p.in_h, p.kernel, 1, 1, -p.pad_top},
      w{p.out_w, p.in_w, p.kernel, 1, 1, -p.pad_left};
  double rows = 0, columns = 0;  // of (output, tap) pairs inside the image
  for (int64_t t = 0; t < p.kernel; ++t) {
    rows += double(h.outputs_of_tap(t).size());
    columns += double(w.outputs_of_tap(t).size());
  }
  const bool scatter = pass == Pass::backward_data && prefers_scatter(s);
  const double pairs = double(p.in_channels) * p.out_channels;
  const double tiles = double(scatter ? scatter_problem(s).tiles() : p.tiles());
  const double groups = double(ceil_div(s.batch, vector_lanes(s.lanes)));
  // Vector operations: 36 products a tile and pair, and an estimated cost of the transforms.
  const double direct = groups * rows * columns * pairs + pairs * p.kernel * p.kernel;
  double ours = groups * tiles * kWinogradPoints * pairs * 1.08;
  if (pass == Pass::backward_weights) {
    ours = winograd_gradient_cost(s);
  } else if (scatter) {
    ours += groups * tiles * (130.0 * p.in_channels + 350.0 * p.out_channels) + pairs * 60;
  } else {
    ours += groups * tiles * (170.0 * p.in_channels + 200.0 * p.out_channels) + pairs * 60;
  }
  return ours / direct;
}

size_t winograd_scratch_bytes(const ConvShape& s, Pass pass) {
  if (pass == Pass::backward_weights) return winograd_gradient_bytes(s);
  const Problem p = forward_problem(s);
  return kWinogradPoints * p.in_channels * p.out_channels * sizeof(float);
}

}  // namespace trivium::cpu::nblock
