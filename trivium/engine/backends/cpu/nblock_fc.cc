// Fully connected layers: two walks over the weight matrix. "Rows" reduces along the contiguous
// axis of the weight (y from [outputs, inputs]); "columns" reduces along its strided axis (dx), a
// few rows at a time, adding into the output. A transposed weight swaps the two.
#include "trivium/engine/backends/cpu/nblock_fc.h"

#include <hwy/cache_control.h>

#include <cstring>

#include "trivium/engine/backends/cpu/nblock_fc_tiles.h"
#include "trivium/engine/backends/cpu/nblock_plan.h"
#include "trivium/engine/backends/cpu/nblock_transform.h"
#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::cpu::nblock {
namespace {

constexpr int64_t kBlockBytes = 24 * 1024;  // of x that a pass over many outputs keeps in L1
constexpr int64_t kBigWeights = 2 << 20;    // floats; beyond, weights come from memory
constexpr int64_t kStreamBytes = int64_t{16} << 20;  // gradients larger than this bypass the caches
constexpr int64_t kL2Bytes = 512 * 1024;

void check(const FcShape& s) {
  if (s.batch <= 0 || s.inputs <= 0 || s.outputs <= 0) {
    user_error("nblock fully connected: batch {}, inputs {}, outputs {}: all must be positive",
               s.batch, s.inputs, s.outputs);
  }
  if (s.lanes != 16 && s.lanes != 8 && s.lanes != 4) {
    user_error("nblock fully connected: lanes 16, 8 or 4 expected, {} received", s.lanes);
  }
}

// out[m] = act(bias[m] + Σ_k w(m, k) in[k]), m < outputs, k < depth, for every lane group.
struct Product {
  int64_t batch, outputs, depth;
  int lanes;
  const float* in;
  const float* w;
  const float* bias;
  Activation activation;
  float slope;
  float* out;
};

struct GroupSet {
  int count;
  FcFn run[kFcMaxOutputs + 1];
  const float* in[kFcMaxGroups];
  float* out[kFcMaxGroups];
};

// Lane groups in sets of at most six, as even as they go.
std::vector<GroupSet> group_sets(const Product& p, int vector) {
  const std::vector<LaneGroup> groups = lane_groups(p.batch, p.lanes, vector);
  std::vector<GroupSet> sets;
  const int64_t most = groups.size() % 4 == 0 || groups.size() > 6 ? 4 : kFcMaxGroups;
  for (const Range& r : even_pieces(static_cast<int64_t>(groups.size()), most)) {
    GroupSet set{static_cast<int>(r.size()), {}, {}, {}};
    for (int m = 1; m <= fc_max_outputs(set.count); ++m) set.run[m] = fc_tile(vector, m, set.count);
    for (int64_t i = r.begin; i < r.end; ++i) {
      const LaneGroup& g = groups[i];
      set.in[i - r.begin] = p.in + g.block * p.depth * p.lanes + g.lane;
      set.out[i - r.begin] = p.out + g.block * p.outputs * p.lanes + g.lane;
    }
    sets.push_back(set);
  }
  return sets;
}

void run_tile(const Product& p, const GroupSet& set, const float* w, int64_t w_row, int64_t w_step,
              Range outputs, Range depth, int64_t prefetch) {
  const float* in[kFcMaxGroups];
  float* out[kFcMaxGroups];
  for (int g = 0; g < set.count; ++g) {
    in[g] = set.in[g] + depth.begin * p.lanes;
    out[g] = set.out[g] + outputs.begin * p.lanes;
  }
  FcTile t{};
  t.w = w + outputs.begin * w_row + depth.begin * w_step;
  t.bias = p.bias ? p.bias + outputs.begin : nullptr;
  t.x = in;
  t.out = out;
  t.w_row = w_row;
  t.w_step = w_step;
  t.x_step = t.out_step = p.lanes;
  t.depth = depth.size();
  t.prefetch = prefetch;
  t.first = depth.begin == 0;
  t.last = depth.end == p.depth;
  t.activation = p.activation;
  t.slope = p.slope;
  set.run[outputs.size()](t);
}

// w is [outputs, depth].
void product_rows(const Product& p) {
  const int vector = vector_lanes(p.lanes);
  const std::vector<GroupSet> sets = group_sets(p, vector);
  const int widest = sets.back().count;
  int64_t most = fc_max_outputs(widest);
  if (widest == 1)
    most = std::min<int64_t>(most, 8);  // rows often share a cache set: stay within 8 ways
  const std::vector<Range> tiles = even_pieces(p.outputs, most);
  const bool big = p.outputs * p.depth > kBigWeights;
  const int64_t group_bytes = widest * vector * int64_t(sizeof(float));
  const int64_t block = big && sets.size() == 1
                            ? p.depth
                            : std::max<int64_t>(64, kBlockBytes / group_bytes / 16 * 16);
  const double work = double(p.batch) * p.outputs * p.depth / vector;
  const int64_t chunks = std::clamp<int64_t>(static_cast<int64_t>(work / 20e3), 1,
                                             std::min<int64_t>(64, int64_t(tiles.size())));
  parallel_chunks(chunks, [&](int64_t chunk) {
    const Range range = piece(static_cast<int64_t>(tiles.size()), chunks, chunk);
    for (const Range& depth : even_pieces(p.depth, block)) {
      for (const GroupSet& set : sets) {
        for (int64_t i = range.begin; i < range.end; ++i) {
          run_tile(p, set, p.w, p.depth, 1, tiles[i], depth, big ? 64 : 0);
        }
      }
    }
  });
}

// w is [depth, outputs].
void product_columns(const Product& p) {
  const int vector = vector_lanes(p.lanes);
  const std::vector<GroupSet> sets = group_sets(p, vector);
  const int widest = sets.back().count;
  // More rows of a tile than 8 would not keep their addresses in registers.
  const int64_t most = std::min<int64_t>(fc_max_outputs(widest), 8);
  const bool big = p.outputs * p.depth > kBigWeights;
  const double work = double(p.batch) * p.outputs * p.depth / vector;
  const int64_t units = ceil_div(p.outputs, 16);
  const int64_t chunks =
      std::clamp<int64_t>(static_cast<int64_t>(work / 20e3), 1, std::min<int64_t>(units, 16));
  const int64_t rows = 64;
  parallel_chunks(chunks, [&](int64_t chunk) {
    Range range = piece(units, chunks, chunk);
    range = {range.begin * 16, std::min(range.end * 16, p.outputs)};
    std::vector<Range> tiles = even_pieces(range.size(), most);
    if (widest == 1 && most == 8) {  // two tiles a cache line
      for (size_t i = 0; i < tiles.size(); ++i) {
        tiles[i] = {int64_t(i) * 8, std::min<int64_t>(int64_t(i) * 8 + 8, range.size())};
      }
    }
    for (const Range& depth : even_pieces(p.depth, rows)) {
      for (const GroupSet& set : sets) {
        for (const Range& tile : tiles) {
          const Range at{range.begin + tile.begin, range.begin + tile.end};
          if (big && tile.begin % 16 == 0) {  // the same line of the next rows, into L2
            const int64_t end = std::min(depth.end + depth.size(), p.depth);
            for (int64_t k = depth.end; k < end; ++k) {
              __builtin_prefetch(p.w + k * p.outputs + at.begin, 0, 2);
            }
          }
          run_tile(p, set, p.w, 1, p.outputs, at, depth, 0);
        }
      }
    }
  });
}

struct Panels {
  int64_t width, count, items;
  int64_t floats() const { return width * count * items; }
};
Panels panels_of(const FcShape& s, int64_t columns) {
  const int64_t width = int64_t(fc_panel_lanes()) * fc_panel_vectors();
  return {width, ceil_div(columns, width), s.batch};
}

// Copies the real items of an nblock matrix into panels [count][items][width] of plain rows.
void pack_panels(const float* x, int64_t columns, int lanes, const Panels& p, float* out) {
  parallel_for(p.count, std::max<int64_t>(1, 16384 / (p.items * p.width)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t first = i * p.width, width = std::min(p.width, columns - first);
                   float* panel = out + i * p.items * p.width;
                   for (int64_t item = 0; item < p.items; item += lanes) {
                     const int64_t items = std::min<int64_t>(lanes, p.items - item);
                     const float* block = x + (item / lanes * columns + first) * lanes;
                     block_to_rows(block, width, items, lanes, panel + item * p.width, p.width);
                     if (width == p.width) continue;
                     for (int64_t k = 0; k < items; ++k) {
                       std::memset(panel + (item + k) * p.width + width, 0,
                                   (p.width - width) * sizeof(float));
                     }
                   }
                 }
               });
}

// dw[rows, columns] = Σ_n a[row][n] * b[n][column]; a nblock, b as panels.
void outer_product(const FcShape& s, const float* a, int64_t rows, const float* panels,
                   int64_t columns, float* dw) {
  const Panels p = panels_of(s, columns);
  const bool aligned = reinterpret_cast<uintptr_t>(dw) % 64 == 0 && columns % 16 == 0;
  const bool stream = aligned && rows * columns * int64_t(sizeof(float)) > kStreamBytes;
  const int64_t together = std::clamp<int64_t>(kL2Bytes / (p.items * p.width * 4), 1, p.count);
  const std::vector<Range> spans = even_pieces(p.count, together);
  const std::vector<Range> tiles = even_pieces(rows, fc_grad_max_outputs());
  const double work = double(s.batch) * rows * columns / fc_panel_lanes();
  const int64_t cuts = std::clamp<int64_t>(static_cast<int64_t>(work / 20e3 / spans.size()), 1,
                                           std::min<int64_t>(32, int64_t(tiles.size())));
  parallel_chunks(static_cast<int64_t>(spans.size()) * cuts, [&](int64_t chunk) {
    const Range span = spans[chunk / cuts];
    const Range part = piece(static_cast<int64_t>(tiles.size()), cuts, chunk % cuts);
    FcGradTile t{};
    t.lanes = s.lanes;
    t.dy_block = rows * s.lanes;
    t.items = p.items;
    t.panel_row = p.width;
    t.dw_row = columns;
    t.stream = stream;
    for (int64_t i = part.begin; i < part.end; ++i) {
      t.dy = a + tiles[i].begin * s.lanes;
      for (int64_t k = span.begin; k < span.end; ++k) {
        t.panel = panels + k * p.items * p.width;
        t.dw = dw + tiles[i].begin * columns + k * p.width;
        t.columns = std::min(p.width, columns - k * p.width);
        fc_grad_tile(static_cast<int>(tiles[i].size()))(t);
      }
    }
    if (stream) hwy::FlushStream();
  });
}

void bias_gradient(const FcShape& s, const float* dy, float* db) {
  for (int64_t o = 0; o < s.outputs; ++o) {
    float sum = 0;
    for (int64_t n = 0; n < s.batch; n += s.lanes) {
      const float* lanes = dy + (n / s.lanes * s.outputs + o) * s.lanes;
      const int64_t count = std::min<int64_t>(s.lanes, s.batch - n);
      float part = 0;
      for (int64_t i = 0; i < count; ++i) part += lanes[i];
      sum += part;
    }
    db[o] = sum;
  }
}

}  // namespace

size_t fc_scratch_bytes(const FcShape& s) {
  check(s);
  return panels_of(s, s.transpose_w ? s.outputs : s.inputs).floats() * sizeof(float);
}

void fc_forward(const FcShape& s, const float* x, const float* w, const float* bias,
                Activation activation, float slope, float* y) {
  check(s);
  const Product p{s.batch, s.outputs, s.inputs, s.lanes, x, w, bias, activation, slope, y};
  s.transpose_w ? product_columns(p) : product_rows(p);
}

void fc_backward_data(const FcShape& s, const float* dy, const float* w, float* dx) {
  check(s);
  const Product p{s.batch, s.inputs, s.outputs, s.lanes, dy, w, nullptr, Activation::none, 0.f, dx};
  s.transpose_w ? product_rows(p) : product_columns(p);
}

void fc_backward_weights(const FcShape& s, const float* x, const float* dy, float* dw, float* db,
                         void* scratch) {
  check(s);
  float* panels = static_cast<float*>(scratch);
  const float* along = s.transpose_w ? dy : x;  // lies along the rows of dw
  const int64_t rows = s.transpose_w ? s.inputs : s.outputs;
  const int64_t columns = s.transpose_w ? s.outputs : s.inputs;
  pack_panels(along, columns, s.lanes, panels_of(s, columns), panels);
  outer_product(s, s.transpose_w ? x : dy, rows, panels, columns, dw);
  if (db) bias_gradient(s, dy, db);
}

}  // namespace trivium::cpu::nblock
