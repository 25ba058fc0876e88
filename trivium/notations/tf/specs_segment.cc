// Reductions of rows that share a number: sorted segments, whose count is read from the last
// number when a run is translated, and unsorted ones, whose count is an input.
#include <algorithm>
#include <limits>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"

namespace trivium::tf {
namespace {

using Ints = ops::Ints;

/// data as [rows, columns] with ids [rows], and the shape of the result.
struct Rows {
  Value data, ids;
  int64_t count, columns;
  Shape result;
};

Rows rows_of(Translate& c, int64_t segments) {
  const Value x = c.in(0), ids = c.in(1);
  const int lead = ids.shape().rank();
  const int64_t rows = ids.shape().count(), columns = x.shape().count(lead);
  if (x.shape().count(0, lead) != rows)
    c.fail(fmt::format("data.shape = {} does not start with segment_ids.shape = {}",
                       PartialShape(x.shape()).brackets(), PartialShape(ids.shape()).brackets()));
  Ints dims{segments};
  for (int i = lead; i < x.shape().rank(); ++i) dims.push_back(x.shape()[i]);
  return {ops::reshape(x, {rows, columns}), ops::cast(ops::reshape(ids, {rows}), DType::i64),
          segments, columns, Shape(dims)};
}

/// Numbers below zero go to one more segment, which is cut off again.
Value without_negatives(const Rows& r) {
  trivium::Graph& g = *r.ids.graph;
  return ops::select(ops::less(r.ids, g.constant(0.0, DType::i64)),
                     g.constant(double(r.count), DType::i64, r.ids.shape()), r.ids);
}

Value cut_back(const Rows& r, Value full) {
  return ops::reshape(ops::slice(full, {0, 0}, {r.count, r.columns}), r.result);
}

Value summed(const Rows& r, Value data) {
  return ops::scatter_add(data, without_negatives(r), {r.count + 1, r.columns});
}

/// How many rows each segment has, as [segments + 1, 1] of the data's dtype.
Value sizes(const Rows& r) {
  const Value ones = r.data.graph->constant(1.0, r.data.dtype(), {r.ids.shape()[0], 1});
  return ops::scatter_add(ones, without_negatives(r), {r.count + 1, 1});
}

double lowest(DType d) {
  switch (d) {
    case DType::f64:
      return std::numeric_limits<double>::lowest();
    case DType::f32:
      return std::numeric_limits<float>::lowest();
    case DType::f16:
      return -65504.0;
    case DType::bf16:
      return -3.3895313892515355e38;
    case DType::i8:
      return -128;
    case DType::i16:
      return -32768;
    case DType::i32:
      return std::numeric_limits<int32_t>::min();
    case DType::i64:
      return -9223372036854775808.0;
    default:
      return 0;
  }
}

double highest(DType d) {
  switch (d) {
    case DType::u8:
      return 255;
    case DType::i8:
      return 127;
    case DType::i16:
      return 32767;
    case DType::i32:
      return std::numeric_limits<int32_t>::max();
    case DType::i64:
      return 9223372036854774784.0;  // the largest number below 2^63 that a double holds
    default:
      return -lowest(d);
  }
}

/// Rows combined into a table that starts with `empty`.
Value combined(const Rows& r, const std::string& how, double empty) {
  trivium::Graph& g = *r.data.graph;
  const Value start = g.constant(empty, r.data.dtype(), {r.count + 1, r.columns});
  const Value index =
      ops::broadcast_to(ops::reshape(without_negatives(r), {r.ids.shape()[0], 1}), r.data.shape());
  return ops::scatter_elements(start, index, r.data, 0, how);
}

enum class Kind { sum, mean, prod, max, min };

/// `zero`: an empty segment of extremes is 0 (sorted), not the lowest or highest number.
Value reduced(const Rows& r, Kind kind, bool zero) {
  if (kind == Kind::sum) return cut_back(r, summed(r, r.data));
  if (kind == Kind::mean) {
    const Value n = sizes(r);
    const Value one = ops::broadcast_to(n.graph->constant(1.0, n.dtype()), n.shape());
    return cut_back(r, ops::div(summed(r, r.data), ops::maximum(n, one)));
  }
  if (kind == Kind::prod) return cut_back(r, combined(r, "multiply", 1));
  const DType d = r.data.dtype();
  const Value full =
      kind == Kind::max ? combined(r, "amax", lowest(d)) : combined(r, "amin", highest(d));
  if (!zero) return cut_back(r, full);
  const Value n = sizes(r);
  const Value some =
      ops::broadcast_to(ops::greater(n, n.graph->constant(0.0, n.dtype())), full.shape());
  return cut_back(r, ops::select(some, full, n.graph->constant(0.0, d, full.shape())));
}

void infer_segments(Infer& c, std::optional<Array> count) {
  if (!c.shape(0).known_rank() || !c.shape(1).known_rank()) return c.output({}, c.dtype(0));
  std::vector<int64_t> dims{count ? static_cast<int64_t>(count->item()) : -1};
  for (int i = c.shape(1).rank(); i < c.shape(0).rank(); ++i) dims.push_back(c.shape(0)[i]);
  c.output(PartialShape(dims), c.dtype(0));
}

void define_sorted(SpecTable& t, const std::string& type, Kind kind) {
  t.add({type,
         {"data", "segment_ids"},
         [](Infer& c) {
           c.rank(1, 1);
           infer_segments(c, std::nullopt);
         },
         [kind](Translate& c) {
           const Ints ids = c.known_integers(1);
           if (!std::is_sorted(ids.begin(), ids.end()) || (!ids.empty() && ids[0] < 0))
             c.fail("segment ids are not increasing");
           c.out(0, reduced(rows_of(c, ids.empty() ? 0 : ids.back() + 1), kind, true));
         }});
}

void define_unsorted(SpecTable& t, const std::string& type, Kind kind) {
  t.add({type,
         {"data", "segment_ids", "num_segments"},
         [](Infer& c) { infer_segments(c, c.constant(2)); },
         [kind](Translate& c) {
           c.out(0, reduced(rows_of(c, c.known_integers(2).at(0)), kind, false));
         }});
}

}  // namespace

void define_segment_ops(SpecTable& t) {
  define_sorted(t, "SegmentSum", Kind::sum);
  define_sorted(t, "SegmentMean", Kind::mean);
  define_sorted(t, "SegmentProd", Kind::prod);
  define_sorted(t, "SegmentMax", Kind::max);
  define_sorted(t, "SegmentMin", Kind::min);
  define_unsorted(t, "UnsortedSegmentSum", Kind::sum);
  define_unsorted(t, "UnsortedSegmentProd", Kind::prod);
  define_unsorted(t, "UnsortedSegmentMax", Kind::max);
  define_unsorted(t, "UnsortedSegmentMin", Kind::min);
  // weights (or ones, when empty) summed by the number they stand at; numbers >= size are dropped.
  t.add({"Bincount",
         {"arr", "size", "weights"},
         [](Infer& c) {
           const auto n = c.constant(1);
           c.output(PartialShape{n ? static_cast<int64_t>(n->item()) : -1}, c.dtype(2));
         },
         [](Translate& c) {
           const int64_t n = c.known_integers(1).at(0), count = c.shape(0).count();
           const Value arr = ops::cast(ops::reshape(c.in(0), {count}), DType::i64);
           const DType d = c.dtype(2);
           const Value weight = c.shape(2).count() == 0 ? c.graph().constant(1.0, d, {count})
                                                        : ops::reshape(c.in(2), {count});
           const Value last = c.graph().constant(double(n), DType::i64, {count});
           const Value sums = ops::scatter_add(weight, ops::minimum(arr, last), {n + 1});
           c.out(0, ops::slice(sums, {0}, {n}));
         },
         Differentiable::missing});
}

}  // namespace trivium::tf
