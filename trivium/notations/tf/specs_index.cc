// Elements chosen or placed by index. Where the sizes of a result depend on values, those values
// are looked up when a run is translated; everything else stays in the run.
#include <algorithm>
#include <numeric>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/translator.h"

namespace trivium::tf {
namespace {

using Ints = ops::Ints;

Array vector64(const Ints& values) {
  return Array::from(values, Shape{static_cast<int64_t>(values.size())}).cast(DType::i64);
}

Array vector_like(const Ints& values, DataType type) {
  return vector64(values).cast(engine_type(type));
}

/// dims [from, to) of a shape.
Ints part(const Shape& s, int from, int to) {
  const Ints all = s.vec();
  return Ints(all.begin() + from, all.begin() + to);
}
Ints joined(Ints a, const Ints& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// Places of the index rows [.., depth] in the flat first `depth` axes of a shape; -1, which no
/// gather takes, for one that lies outside.
Value flat_places(Value index, const Shape& shape) {
  const int depth = static_cast<int>(index.shape()[-1]);
  const int64_t rows = index.shape().count() / std::max(1, depth);
  trivium::Graph& g = *index.graph;
  index = ops::cast(ops::reshape(index, {rows, depth}), DType::i64);
  Value flat = g.constant(0.0, DType::i64, {rows}), inside;
  for (int k = 0; k < depth; ++k) {
    const Value at = ops::reshape(ops::slice(index, {0, k}, {rows, k + 1}), {rows});
    const Value ok = ops::logical_and(ops::greater_equal(at, g.constant(0.0, DType::i64)),
                                      ops::less(at, g.constant(double(shape[k]), DType::i64)));
    inside = inside.defined() ? ops::logical_and(inside, ok) : ok;
    flat = ops::add(ops::mul(flat, g.constant(double(shape[k]), DType::i64)), at);
  }
  if (!inside.defined()) return flat;
  return ops::select(inside, flat, g.constant(-1.0, DType::i64, {rows}));
}

void define_nd(SpecTable& t) {
  t.add({"GatherNd",
         {"params", "indices"},
         [](Infer& c) {
           const PartialShape &x = c.shape(0), &i = c.shape(1);
           if (!x.known_rank() || !i.known_rank() || i.rank() == 0 || i[-1] < 0)
             return c.output({}, c.dtype(0));
           if (i[-1] > x.rank())
             c.fail(fmt::format("indices.shape[-1] must be <= params.rank, but saw {} and {}",
                                i[-1], x.rank()));
           std::vector<int64_t> dims(i.dims().begin(), i.dims().end() - 1);
           dims.insert(dims.end(), x.dims().begin() + i[-1], x.dims().end());
           c.output(PartialShape(dims), c.dtype(0));
         },
         [](Translate& c) {
           const Value x = c.in(0), index = c.in(1);
           const Shape s = x.shape(), is = index.shape();
           const int depth = static_cast<int>(is[-1]);
           const Ints rest = part(s, depth, s.rank());
           const Value table = ops::reshape(x, Shape(joined({s.count(0, depth)}, rest)));
           const Value rows = ops::gather(table, flat_places(index, s));
           c.out(0, ops::reshape(rows, Shape(joined(part(is, 0, is.rank() - 1), rest))));
         }});
  t.add({"ScatterNd",
         {"indices", "updates", "shape"},
         [](Infer& c) { c.output(c.constant_shape(2), c.dtype(1)); },
         [](Translate& c) {
           const Value index = c.in(0), updates = c.in(1);
           const Shape s(c.known_integers(2));
           const int depth = static_cast<int>(index.shape()[-1]);
           const Value rows = flat_places(index, s);
           const Ints rest = part(s, depth, s.rank());
           const Value flat = ops::reshape(updates, Shape(joined({rows.shape()[0]}, rest)));
           const Value sums =
               ops::scatter_add(flat, rows, Shape(joined({s.count(0, depth)}, rest)));
           c.out(0, ops::reshape(sums, s));
         }});
}

// ---- results whose size depends on values

void define_found(SpecTable& t) {
  t.add({"Where",
         {"input"},
         [](Infer& c) {
           c.output(PartialShape{-1, c.shape(0).known_rank() ? c.shape(0).rank() : -1},
                    DataType::int64);
         },
         [](Translate& c) {
           const Array x = c.known(0);
           const Shape& s = x.shape();
           Ints found;
           int64_t rows = 0;
           for (int64_t i = 0; i < x.count(); ++i) {
             if (x.at(i) == 0) continue;
             ++rows;
             for (int axis = 0; axis < s.rank(); ++axis)
               found.push_back(i / s.count(axis + 1) % s[axis]);
           }
           Array out({rows, s.rank()}, DType::i64);
           std::copy(found.begin(), found.end(), out.span<int64_t>().begin());
           c.out(0, out);
         },
         Differentiable::cut});
  for (const bool counts : {false, true})
    t.add({counts ? "UniqueWithCounts" : "Unique",
           {"x"},
           [counts](Infer& c) {
             c.rank(0, 1);
             const DataType index = c.op().attr_or<DataType>("out_idx", DataType::int32);
             c.output(PartialShape{-1}, c.dtype(0));
             c.output(c.shape(0), index);
             if (counts) c.output(PartialShape{-1}, index);
           },
           [counts](Translate& c) {
             const Array x = c.known(0);
             std::map<double, int64_t> seen;
             Ints first, place, times;
             for (int64_t i = 0; i < x.count(); ++i) {
               const auto [it, is_new] = seen.emplace(x.at(i), static_cast<int64_t>(first.size()));
               if (is_new) {
                 first.push_back(i);
                 times.push_back(0);
               }
               place.push_back(it->second);
               ++times[it->second];
             }
             Array y({static_cast<int64_t>(first.size())}, x.dtype());
             for (size_t i = 0; i < first.size(); ++i)
               y.set(static_cast<int64_t>(i), x.at(first[i]));
             c.out(0, y);
             c.out(1, vector_like(place, c.op().out(1).type));
             if (counts) c.out(2, vector_like(times, c.op().out(2).type));
           },
           Differentiable::missing});
  t.add({"ListDiff",
         {"x", "y"},
         [](Infer& c) {
           c.same_dtype(1);
           c.output(PartialShape{-1}, c.dtype(0));
           c.output(PartialShape{-1}, c.op().attr_or<DataType>("out_idx", DataType::int32));
         },
         [](Translate& c) {
           const Array x = c.known(0), y = c.known(1);
           std::set<double> drop;
           for (int64_t i = 0; i < y.count(); ++i) drop.insert(y.at(i));
           Ints kept;
           for (int64_t i = 0; i < x.count(); ++i)
             if (!drop.count(x.at(i))) kept.push_back(i);
           Array out({static_cast<int64_t>(kept.size())}, x.dtype());
           for (size_t i = 0; i < kept.size(); ++i) out.set(static_cast<int64_t>(i), x.at(kept[i]));
           c.out(0, out);
           c.out(1, vector_like(kept, c.op().out(1).type));
         },
         Differentiable::cut});
}

/// The inputs of a stitch: `n` index tensors, then `n` of rows.
void infer_stitch(Infer& c) {
  const int n = c.inputs() / 2;
  PartialShape out;
  int64_t size = 0;
  for (int i = 0; i < n; ++i) {
    const auto index = c.constant(i);
    if (!index) size = -1;
    for (int64_t k = 0; index && size >= 0 && k < index->count(); ++k)
      size = std::max(size, static_cast<int64_t>(index->at(k)) + 1);
    const PartialShape &is = c.shape(i), &data = c.shape(n + i);
    if (!is.known_rank() || !data.known_rank()) continue;
    std::vector<int64_t> dims(data.dims().begin() + is.rank(), data.dims().end());
    dims.insert(dims.begin(), -1);
    out = out.merge(PartialShape(dims));
  }
  if (out.known_rank()) out.set(0, size);
  c.output(out, c.dtype(n));
}

void translate_stitch(Translate& c) {
  const int n = c.inputs() / 2;
  int64_t size = 0, at = 0;
  std::vector<Value> rows;
  Ints from;  // the row of the joined data that each row of the result takes
  for (int i = 0; i < n; ++i) {
    const Ints index = c.known_integers(i);
    const Value data = c.in(n + i);
    const int depth = c.op().edges()[i].op->out(c.op().edges()[i].index).shape.rank();
    const int lead = depth >= 0 ? depth : static_cast<int>(c.known(i).shape().rank());
    const auto count = static_cast<int64_t>(index.size());
    rows.push_back(
        ops::reshape(data, Shape(joined({count}, part(data.shape(), lead, data.shape().rank())))));
    for (const int64_t k : index) {
      if (k < 0) c.fail(fmt::format("indices[{}] is negative: {}", i, k));
      size = std::max(size, k + 1);
      from.resize(static_cast<size_t>(size), -1);
      from[static_cast<size_t>(k)] = at++;
    }
  }
  Ints none = rows[0].shape().vec();  // a row nobody gives is zero
  none[0] = 1;
  for (int64_t& k : from)
    if (k < 0) k = at;
  rows.push_back(c.graph().constant(0.0, rows[0].dtype(), Shape(none)));
  c.out(0, ops::gather(ops::concat(rows, 0), c.graph().constant(vector64(from))));
}

void define_partitions(SpecTable& t) {
  for (const char* type : {"DynamicStitch", "ParallelDynamicStitch"})
    t.add({type, {}, infer_stitch, translate_stitch});
  t.add({"DynamicPartition",
         {"data", "partitions"},
         [](Infer& c) {
           PartialShape out;
           if (c.shape(0).known_rank() && c.shape(1).known_rank()) {
             std::vector<int64_t> dims(c.shape(0).dims().begin() + c.shape(1).rank(),
                                       c.shape(0).dims().end());
             dims.insert(dims.begin(), -1);
             out = PartialShape(dims);
           }
           for (int64_t i = 0; i < c.op().attr<int64_t>("num_partitions"); ++i)
             c.output(out, c.dtype(0));
         },
         [](Translate& c) {
           const Array parts = c.known(1);
           const Value x = c.in(0);
           const int64_t n = c.op().attr<int64_t>("num_partitions");
           const Value rows = ops::reshape(
               x, Shape(joined({parts.count()},
                               part(x.shape(), parts.shape().rank(), x.shape().rank()))));
           std::vector<Ints> chosen(static_cast<size_t>(n));
           for (int64_t i = 0; i < parts.count(); ++i) {
             const auto p = static_cast<int64_t>(parts.at(i));
             if (p < 0 || p >= n)
               c.fail(fmt::format("partitions[{}] = {} is not in [0, {})", i, p, n));
             chosen[static_cast<size_t>(p)].push_back(i);
           }
           for (int64_t p = 0; p < n; ++p)
             c.out(static_cast<int>(p),
                   ops::gather(rows, c.graph().constant(vector64(chosen[static_cast<size_t>(p)]))));
         }});
}

void define_orders(SpecTable& t) {
  t.add({"InvertPermutation",
         {"x"},
         [](Infer& c) {
           c.rank(0, 1);
           c.output(c.shape(0), c.dtype(0));
         },
         [](Translate& c) {
           const Value x = c.in(0);
           const int64_t n = x.shape()[0];
           Ints order(static_cast<size_t>(n));
           std::iota(order.begin(), order.end(), 0);
           const Value places = c.graph().constant(vector_like(order, c.op().out(0).type));
           const Value none = c.graph().constant(0.0, x.dtype(), {n});
           c.out(0, ops::index_update(none, x, places));
         },
         Differentiable::cut});
  // Row b (along batch_dim) has its first seq_lengths[b] elements along seq_dim turned round.
  t.add({"ReverseSequence",
         {"input", "seq_lengths"},
         [](Infer& c) {
           c.rank(1, 1);
           c.output(c.shape(0), c.dtype(0));
         },
         [](Translate& c) {
           const Value x = c.in(0);
           const Shape s = x.shape();
           const int seq = s.axis(static_cast<int>(c.op().attr<int64_t>("seq_dim")));
           const int batch = s.axis(static_cast<int>(c.op().attr_or<int64_t>("batch_dim", 0)));
           if (c.shape(1)[0] != s[batch])
             c.fail(fmt::format("Length of seq_lengths != input.dims({}) ({} vs. {})", batch,
                                c.shape(1)[0], s[batch]));
           Ints steps(static_cast<size_t>(s[seq])), across(s.rank(), 1), along(s.rank(), 1);
           std::iota(steps.begin(), steps.end(), 0);
           along[seq] = s[seq];
           across[batch] = s[batch];
           const Value place = ops::reshape(c.graph().constant(vector64(steps)), Shape(along));
           const Value length = ops::reshape(ops::cast(c.in(1), DType::i64), Shape(across));
           const Value last = ops::sub(length, c.graph().constant(1.0, DType::i64));
           const Value one = ops::broadcast_to(ops::sub(last, place), s);
           const Value same = ops::broadcast_to(place, s);
           const Value turned = ops::broadcast_to(ops::less(place, length), s);
           c.out(0, ops::gather_elements(x, ops::select(turned, one, same), seq));
         }});
}

}  // namespace

void define_index_ops(SpecTable& t) {
  define_nd(t);
  define_found(t);
  define_partitions(t);
  define_orders(t);
}

}  // namespace trivium::tf
