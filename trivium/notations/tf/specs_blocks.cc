// Elements moved between space, batch and depth; matrices' bands and diagonals.
#include <algorithm>
#include <numeric>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/windows.h"

namespace trivium::tf {
namespace {

using Ints = ops::Ints;

Ints integers(const Array& a) {
  Ints out;
  for (int64_t i = 0; i < a.count(); ++i) out.push_back(static_cast<int64_t>(a.at(i)));
  return out;
}

int64_t product(const Ints& v) {
  return std::accumulate(v.begin(), v.end(), int64_t{1}, std::multiplies<>());
}

// ---- space and batch

/// Sizes after padding (sign 1) or cropping (sign -1) axes 1 … of the block.
void infer_space_batch(Infer& c, bool to_batch) {
  const auto blocks = c.constant(1), pads = c.constant(2);
  if (!c.shape(0).known_rank()) return c.output({}, c.dtype(0));
  PartialShape out = c.shape(0);
  if (!blocks || !pads) {
    for (int i = 0; i < out.rank(); ++i) out.set(i, -1);
    return c.output(out, c.dtype(0));
  }
  const Ints block = integers(*blocks), pad = integers(*pads);
  const int64_t all = product(block);
  if (out[0] >= 0) out.set(0, to_batch ? out[0] * all : out[0] / all);
  for (size_t k = 0; k < block.size(); ++k) {
    const int axis = static_cast<int>(k) + 1;
    const int64_t extra = pad[2 * k] + pad[2 * k + 1];
    if (out[axis] < 0) continue;
    if (to_batch && (out[axis] + extra) % block[k] != 0)
      c.fail(fmt::format("Dimension size must be evenly divisible by {} but is {}", block[k],
                         out[axis] + extra));
    out.set(axis, to_batch ? (out[axis] + extra) / block[k] : out[axis] * block[k] - extra);
  }
  c.output(out, c.dtype(0));
}

void space_to_batch(Translate& c) {
  const Ints block = c.known_integers(1), pads = c.known_integers(2);
  const int m = static_cast<int>(block.size());
  Value x = c.in(0);
  Ints before(x.shape().rank(), 0), after(x.shape().rank(), 0);
  for (int k = 0; k < m; ++k) {
    before[k + 1] = pads[2 * k];
    after[k + 1] = pads[2 * k + 1];
  }
  x = ops::pad(x, before, after);
  const Shape s = x.shape();
  Ints split{s[0]}, perm, merged{s[0] * product(block)};
  for (int k = 0; k < m; ++k) {
    if (s[k + 1] % block[k] != 0)
      c.fail(fmt::format("padded_shape[{}]={} is not divisible by block_shape[{}]={}", k, s[k + 1],
                         k, block[k]));
    split.push_back(s[k + 1] / block[k]);
    split.push_back(block[k]);
    perm.push_back(2 * k + 2);
    merged.push_back(s[k + 1] / block[k]);
  }
  perm.push_back(0);
  for (int k = 0; k < m; ++k) perm.push_back(2 * k + 1);
  for (int i = m + 1; i < s.rank(); ++i) {
    perm.push_back(static_cast<int64_t>(split.size()));
    split.push_back(s[i]);
    merged.push_back(s[i]);
  }
  c.out(0, ops::reshape(ops::permute(ops::reshape(x, Shape(split)), perm), Shape(merged)));
}

void batch_to_space(Translate& c) {
  const Ints block = c.known_integers(1), crops = c.known_integers(2);
  const int m = static_cast<int>(block.size());
  const Value x = c.in(0);
  const Shape s = x.shape();
  if (s[0] % product(block) != 0)
    c.fail(
        fmt::format("input batch size {} is not a multiple of the block {}", s[0], product(block)));
  Ints split = block, perm{m}, merged{s[0] / product(block)}, starts{0}, stops;
  split.push_back(merged[0]);
  for (int k = 0; k < m; ++k) {
    split.push_back(s[k + 1]);
    perm.push_back(m + 1 + k);
    perm.push_back(k);
    merged.push_back(s[k + 1] * block[k]);
  }
  for (int i = m + 1; i < s.rank(); ++i) {
    perm.push_back(static_cast<int64_t>(split.size()));
    split.push_back(s[i]);
    merged.push_back(s[i]);
  }
  const Value y = ops::reshape(ops::permute(ops::reshape(x, Shape(split)), perm), Shape(merged));
  starts.resize(merged.size(), 0);
  stops = merged;
  for (int k = 0; k < m; ++k) {
    starts[k + 1] = crops[2 * k];
    stops[k + 1] -= crops[2 * k + 1];
  }
  c.out(0, ops::slice(y, starts, stops));
}

// ---- space and depth

bool channels_first(const Operation& op) {
  return op.attr_or<std::string>("data_format", "NHWC") == "NCHW";
}

void infer_space_depth(Infer& c, bool to_depth) {
  c.rank(0, 4);
  const int64_t b = c.op().attr<int64_t>("block_size");
  PartialShape out = c.shape(0).merge(PartialShape{-1, -1, -1, -1});
  const int h = channels_first(c.op()) ? 2 : 1, channels = channels_first(c.op()) ? 1 : 3;
  const auto scaled = [&](int axis, int64_t factor, bool divide) {
    const int64_t n = out[axis];
    if (n < 0) return;
    if (divide && n % factor != 0)
      c.fail(fmt::format("Dimension size must be evenly divisible by {} but is {}", factor, n));
    out.set(axis, divide ? n / factor : n * factor);
  };
  for (int axis : {h, h + 1}) scaled(axis, b, to_depth);
  scaled(channels, b * b, !to_depth);
  c.output(out, c.dtype(0));
}

void translate_space_depth(Translate& c, bool to_depth) {
  const bool first = channels_first(c.op());
  const int64_t b = c.op().attr<int64_t>("block_size");
  const Value x = first ? to_channels_last(c.in(0)) : c.in(0);
  const Shape s = x.shape();
  Value y;
  if (to_depth) {
    y = ops::reshape(x, {s[0], s[1] / b, b, s[2] / b, b, s[3]});
    y = ops::reshape(ops::permute(y, {0, 1, 3, 2, 4, 5}), {s[0], s[1] / b, s[2] / b, b * b * s[3]});
  } else {
    const int64_t depth = s[3] / (b * b);
    y = ops::reshape(x, {s[0], s[1], s[2], b, b, depth});
    y = ops::reshape(ops::permute(y, {0, 1, 3, 2, 4, 5}), {s[0], s[1] * b, s[2] * b, depth});
  }
  c.out(0, first ? to_channels_first(y) : y);
}

// ---- matrices

/// 1 where keep(row, column).
Array mask(int64_t rows, int64_t columns, const std::function<bool(int64_t, int64_t)>& keep) {
  Array m({rows, columns}, DType::bool_);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < columns; ++k) m.set(r * columns + k, keep(r, k) ? 1 : 0);
  return m;
}

Value zeros_of(Value x) { return x.graph->constant(0.0, x.dtype(), x.shape()); }

/// [.., n] → [.., n, n] with x on the diagonal.
Value on_diagonal(Value x) {
  Ints dims = x.shape().vec(), row = dims;
  const int64_t n = dims.back();
  dims.push_back(n);
  row.insert(row.end() - 1, 1);
  const Value wide = ops::broadcast_to(ops::reshape(x, Shape(row)), Shape(dims));
  const Value keep = x.graph->constant(mask(n, n, [](int64_t r, int64_t k) { return r == k; }));
  return ops::select(ops::broadcast_to(keep, Shape(dims)), wide, zeros_of(wide));
}

/// [.., r, c] → [.., min(r, c)].
Value diagonal_of(Value x) {
  Ints dims = x.shape().vec();
  const int64_t columns = dims.back(), rows = dims[dims.size() - 2], n = std::min(rows, columns);
  dims.resize(dims.size() - 2);
  const int64_t outer = product(dims);
  dims.push_back(n);
  Array places({n}, DType::i64);
  for (int64_t i = 0; i < n; ++i) places.set(i, double(i * (columns + 1)));
  const Value flat = ops::reshape(x, {outer, rows * columns});
  return ops::reshape(ops::gather(flat, x.graph->constant(places), 1), Shape(dims));
}

void define_diagonals(SpecTable& t) {
  t.add({"Diag",
         {"diagonal"},
         [](Infer& c) {
           if (!c.shape(0).known_rank()) return c.output({}, c.dtype(0));
           std::vector<int64_t> dims = c.shape(0).dims();
           dims.insert(dims.end(), c.shape(0).dims().begin(), c.shape(0).dims().end());
           c.output(PartialShape(dims), c.dtype(0));
         },
         [](Translate& c) {
           const Value x = c.in(0);
           const Ints half = x.shape().vec();
           Ints dims = half;
           dims.insert(dims.end(), half.begin(), half.end());
           c.out(0, ops::reshape(on_diagonal(ops::reshape(x, {x.shape().count()})), Shape(dims)));
         }});
  t.add({"DiagPart",
         {"input"},
         [](Infer& c) {
           if (!c.shape(0).known_rank()) return c.output({}, c.dtype(0));
           const int half = c.shape(0).rank() / 2;
           if (c.shape(0).rank() % 2 != 0 || half == 0)
             c.fail(fmt::format("Input must have even and non-zero rank, input rank is {}",
                                c.shape(0).rank()));
           const auto& d = c.shape(0).dims();
           c.output(PartialShape(std::vector<int64_t>(d.begin(), d.begin() + half)), c.dtype(0));
         },
         [](Translate& c) {
           const Value x = c.in(0);
           const int half = x.shape().rank() / 2;
           const int64_t n = x.shape().count(0, half);
           Ints dims = x.shape().vec();
           dims.resize(half);
           if (n * n != x.shape().count()) c.fail("Invalid shape: the two halves differ");
           c.out(0, ops::reshape(diagonal_of(ops::reshape(x, {n, n})), Shape(dims)));
         }});
  t.add({"MatrixDiag",
         {"diagonal"},
         [](Infer& c) {
           if (!c.shape(0).known_rank()) return c.output({}, c.dtype(0));
           std::vector<int64_t> dims = c.shape(0).dims();
           dims.push_back(c.shape(0)[-1]);
           c.output(PartialShape(dims), c.dtype(0));
         },
         [](Translate& c) { c.out(0, on_diagonal(c.in(0))); }});
  t.add({"MatrixDiagPart",
         {"input"},
         [](Infer& c) {
           if (!c.shape(0).known_rank()) return c.output({}, c.dtype(0));
           std::vector<int64_t> dims = c.shape(0).dims();
           const int64_t a = c.shape(0)[-1], b = c.shape(0)[-2];
           dims.pop_back();
           dims.back() = a < 0 || b < 0 ? -1 : std::min(a, b);
           c.output(PartialShape(dims), c.dtype(0));
         },
         [](Translate& c) { c.out(0, diagonal_of(c.in(0))); }});
  t.add({"MatrixSetDiag",
         {"input", "diagonal"},
         [](Infer& c) { c.output(c.shape(0), c.dtype(0)); },
         [](Translate& c) {
           const Value x = c.in(0);
           Ints row = c.shape(1).vec();
           const int64_t rows = x.shape()[-2], columns = x.shape()[-1], n = row.back();
           Value d = c.in(1);
           if (n < columns) {
             Ints after(row.size(), 0);
             after.back() = columns - n;
             d = ops::pad(d, Ints(row.size(), 0), after);
             row.back() = columns;
           }
           row.insert(row.end() - 1, 1);
           const Value keep =
               c.graph().constant(mask(rows, columns, [](int64_t r, int64_t k) { return r == k; }));
           c.out(0, ops::select(ops::broadcast_to(keep, x.shape()),
                                ops::broadcast_to(ops::reshape(d, Shape(row)), x.shape()), x));
         }});
  t.add({"MatrixBandPart",
         {"input", "num_lower", "num_upper"},
         [](Infer& c) { c.output(c.shape(0), c.dtype(0)); },
         [](Translate& c) {
           const Value x = c.in(0);
           const int64_t lower = c.known_integers(1).at(0), upper = c.known_integers(2).at(0);
           const Array keep = mask(x.shape()[-2], x.shape()[-1], [&](int64_t r, int64_t k) {
             return (lower < 0 || r - k <= lower) && (upper < 0 || k - r <= upper);
           });
           c.out(0, ops::select(ops::broadcast_to(c.graph().constant(keep), x.shape()), x,
                                zeros_of(x)));
         }});
}

}  // namespace

void define_block_ops(SpecTable& t) {
  t.add({"SpaceToBatchND",
         {"input", "block_shape", "paddings"},
         [](Infer& c) { infer_space_batch(c, true); },
         space_to_batch});
  t.add({"BatchToSpaceND",
         {"input", "block_shape", "crops"},
         [](Infer& c) { infer_space_batch(c, false); },
         batch_to_space});
  for (const bool to_depth : {true, false})
    t.add({to_depth ? "SpaceToDepth" : "DepthToSpace",
           {"input"},
           [to_depth](Infer& c) { infer_space_depth(c, to_depth); },
           [to_depth](Translate& c) { translate_space_depth(c, to_depth); }});
  define_diagonals(t);
}

}  // namespace trivium::tf
