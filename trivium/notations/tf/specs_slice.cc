// Parts of tensors: slices, pieces, rows by index, padding, repetition.
#include <algorithm>
#include <numeric>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/translator.h"

namespace trivium::tf {
namespace {

/// A strided slice after masks: what to cut, and which axes the result drops or gains.
struct Cut {
  ops::Ints starts, stops, steps;  // per axis of the input; a negative step counts down
  std::vector<int64_t> result;     // sizes of the result
};

struct Masks {
  int64_t begin, end, ellipsis, new_axis, shrink;
};

Masks masks_of(const Operation& op) {
  const auto get = [&](const char* name) { return op.attr_or<int64_t>(name, 0); };
  return {get("begin_mask"), get("end_mask"), get("ellipsis_mask"), get("new_axis_mask"),
          get("shrink_axis_mask")};
}

/// One axis of known size; `problem` says what is wrong ("" nothing).
void cut_axis(Cut& cut, int64_t size, int64_t begin, int64_t end, int64_t step, bool open_begin,
              bool open_end, bool shrink, int axis, std::string& problem) {
  if (shrink) {
    const int64_t at = begin < 0 ? begin + size : begin;
    if (at < 0 || at >= size)
      problem = fmt::format("slice index {} of dimension {} out of bounds.", begin, axis);
    cut.starts.push_back(at);
    cut.stops.push_back(at + 1);
    cut.steps.push_back(1);
    return;
  }
  if (step == 0) problem = fmt::format("strides[{}] must be non-zero", axis);
  const int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
  const auto place = [&](int64_t v) { return std::clamp(v < 0 ? v + size : v, low, high); };
  const int64_t first = open_begin ? (step > 0 ? 0 : size - 1) : place(begin);
  const int64_t last = open_end ? (step > 0 ? size : -1) : place(end);
  const int64_t span = step > 0 ? last - first : first - last;
  const int64_t count = step == 0 || span <= 0 ? 0 : (span + std::abs(step) - 1) / std::abs(step);
  cut.starts.push_back(first);
  cut.stops.push_back(last);
  cut.steps.push_back(step);
  cut.result.push_back(count);
}

Cut cut_of(const std::vector<int64_t>& sizes, const ops::Ints& begin, const ops::Ints& end,
           const ops::Ints& step, const Masks& m, std::string& problem) {
  Cut cut;
  const int n = static_cast<int>(begin.size()), rank = static_cast<int>(sizes.size());
  int used = 0;
  for (int i = 0; i < n; ++i)
    if (!((m.ellipsis | m.new_axis) >> i & 1)) ++used;
  int axis = 0;
  const auto whole = [&] {
    cut.starts.push_back(0);
    cut.stops.push_back(sizes[axis]);
    cut.steps.push_back(1);
    cut.result.push_back(sizes[axis++]);
  };
  for (int i = 0; i < n; ++i) {
    if (m.ellipsis >> i & 1) {
      for (int left = rank - used; left > 0; --left) whole();
    } else if (m.new_axis >> i & 1) {
      cut.result.push_back(1);
    } else if (axis >= rank) {
      problem =
          fmt::format("Index out of range using input dim {}; input has only {} dims", axis, rank);
      return cut;
    } else if (sizes[axis] < 0) {  // not known yet: only its place in the result counts
      if (!(m.shrink >> i & 1)) cut.result.push_back(-1);
      cut.starts.push_back(0), cut.stops.push_back(0), cut.steps.push_back(1);
      ++axis;
    } else {
      cut_axis(cut, sizes[axis], begin[i], end[i], step[i], m.begin >> i & 1, m.end >> i & 1,
               m.shrink >> i & 1, axis, problem);
      ++axis;
    }
  }
  while (axis < rank) whole();
  return cut;
}

std::vector<int64_t> integers(const Array& a) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < a.count(); ++i) out.push_back(static_cast<int64_t>(a.at(i)));
  return out;
}

void infer_strided(Infer& c) {
  const auto begin = c.constant(1), end = c.constant(2), step = c.constant(3);
  const Masks m = masks_of(c.op());
  if (!c.shape(0).known_rank()) return c.output({}, c.dtype(0));
  const int n = c.shape(1).known_rank() ? static_cast<int>(c.shape(1)[0]) : -1;
  std::vector<int64_t> sizes = c.shape(0).dims();
  if (n < 0) return c.output({}, c.dtype(0));
  std::string problem;
  if (begin && end && step) {
    const Cut cut = cut_of(sizes, integers(*begin), integers(*end), integers(*step), m, problem);
    if (!problem.empty()) c.fail(problem);
    return c.output(PartialShape(cut.result), c.dtype(0));
  }
  for (int64_t& s : sizes) s = -1;  // the number of axes is known all the same
  const Cut cut = cut_of(sizes, ops::Ints(n, 0), ops::Ints(n, 0), ops::Ints(n, 1), m, problem);
  c.output(problem.empty() ? PartialShape(cut.result) : PartialShape(), c.dtype(0));
}

/// Slices with steps of either sign.
Value take(Value x, const Cut& cut) {
  const int rank = x.shape().rank();
  ops::Ints flips, starts = cut.starts, stops = cut.stops, steps = cut.steps;
  for (int i = 0; i < rank; ++i) {
    if (steps[i] < 0) {
      flips.push_back(i);
      starts[i] = x.shape()[i] - 1 - starts[i];
      stops[i] = x.shape()[i] - 1 - stops[i];
      steps[i] = -steps[i];
    }
    stops[i] = std::max(stops[i], starts[i]);
  }
  const Value from = flips.empty() ? x : ops::flip(x, flips);
  return ops::reshape(ops::slice(from, starts, stops, steps), Shape(cut.result));
}

/// x with only the place `index` (one number of the run; below zero it counts from the end) along
/// an axis.
Value at_place(Value x, Value index, int axis) {
  trivium::Graph& g = *x.graph;
  index = ops::cast(ops::reshape(index, {1}), DType::i64);
  const Value size = g.constant(double(x.shape()[axis]), DType::i64, {1});
  const Value wrapped =
      ops::select(ops::less(index, g.constant(0.0, DType::i64)), ops::add(index, size), index);
  return ops::gather(x, wrapped, axis);
}

/// The axis of the input that entry i of begin speaks of.
int axis_of_entry(int entry, int entries, int rank, const Masks& m) {
  int axis = 0, used = 0;
  for (int i = 0; i < entries; ++i)
    if (!((m.ellipsis | m.new_axis) >> i & 1)) ++used;
  for (int i = 0; i < entry; ++i) {
    if (m.ellipsis >> i & 1)
      axis += rank - used;
    else if (!(m.new_axis >> i & 1))
      ++axis;
  }
  return axis;
}

void translate_strided(Translate& c) {
  std::string problem;
  Value x = c.in(0);
  const Masks m = masks_of(c.op());
  ops::Ints begin, end;
  const Operation& first = *c.op().edges()[1].op;
  if (c.fixed(1) || first.type() != "Pack") {
    begin = c.known_integers(1);
    end = c.known_integers(2);
  } else {  // scalar indices that only the run knows
    const Operation& last = *c.op().edges()[2].op;
    for (int i = 0; i < first.num_inputs(); ++i) {
      const auto& entry = first.edges()[i];
      const bool runs = m.shrink >> i & 1 && !c.translator().fixed(entry);
      if (runs)
        x = at_place(x, c.translator().value(entry, &c.op()),
                     axis_of_entry(i, first.num_inputs(), x.shape().rank(), m));
      begin.push_back(runs ? 0 : static_cast<int64_t>(c.translator().known(entry).array.item()));
      if (runs)
        end.push_back(1);
      else if (last.type() == "Pack")
        end.push_back(static_cast<int64_t>(c.translator().known(last.edges()[i]).array.item()));
      else
        end.push_back(c.known_integers(2).at(i));
    }
  }
  const Cut cut = cut_of(x.shape().vec(), begin, end, c.known_integers(3), m, problem);
  if (!problem.empty()) c.fail(problem);
  c.out(0, take(x, cut));
}

/// A slice that begins where only the run knows.
Value moving_slice(Translate& c, const ops::Ints& size) {
  Value x = c.in(0);
  const Value begin = ops::cast(c.in(1), DType::i64);
  for (int axis = 0; axis < x.shape().rank(); ++axis) {
    if (size[axis] == x.shape()[axis]) continue;  // only 0 fits
    Array steps({size[axis]}, DType::i64);
    for (int64_t i = 0; i < size[axis]; ++i) steps.set(i, double(i));
    x = ops::gather(x, ops::add(ops::slice(begin, {axis}, {axis + 1}), c.graph().constant(steps)),
                    axis);
  }
  return x;
}

void define_slices(SpecTable& t) {
  t.add({"StridedSlice", {"input", "begin", "end", "strides"}, infer_strided, translate_strided});
  t.add({"Slice",
         {"input", "begin", "size"},
         [](Infer& c) {
           const auto begin = c.constant(1), size = c.constant(2);
           if (!c.shape(0).known_rank()) return c.output({}, c.dtype(0));
           PartialShape out(std::vector<int64_t>(c.shape(0).rank(), -1));
           for (int i = 0; size && i < out.rank() && i < size->count(); ++i) {
             const auto n = static_cast<int64_t>(size->at(i));
             if (n >= 0)
               out.set(i, n);
             else if (begin && c.shape(0)[i] >= 0)
               out.set(i, c.shape(0)[i] - static_cast<int64_t>(begin->at(i)));
           }
           c.output(out, c.dtype(0));
         },
         [](Translate& c) {
           const Value x = c.in(0);
           const ops::Ints size = c.known_integers(2);
           const bool sized =
               std::none_of(size.begin(), size.end(), [](int64_t n) { return n < 0; });
           if (sized && !c.fixed(1)) return c.out(0, moving_slice(c, size));
           ops::Ints begin = c.known_integers(1), stops = begin;
           for (size_t i = 0; i < begin.size(); ++i) {
             const int64_t whole = x.shape()[static_cast<int>(i)];
             stops[i] = size[i] < 0 ? whole : begin[i] + size[i];
             if (begin[i] < 0 || stops[i] > whole)
               c.fail(fmt::format("Expected size[{}] in [0, {}], but got {}", i, whole - begin[i],
                                  size[i]));
           }
           c.out(0, ops::slice(x, begin, stops));
         }});
  t.add({"ReverseV2",
         {"tensor", "axis"},
         [](Infer& c) { c.output(c.shape(0), c.dtype(0)); },
         [](Translate& c) {
           ops::Ints axes = c.known_integers(1);
           for (int64_t& a : axes) a = c.shape(0).axis(static_cast<int>(a));
           c.out(0, axes.empty() ? c.in(0) : ops::flip(c.in(0), axes));
         }});
}

/// Pieces of the given sizes along an axis.
void pieces(Translate& c, Value x, int axis, const ops::Ints& sizes) {
  int64_t at = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    ops::Ints starts(x.shape().rank(), 0), stops = x.shape().vec();
    starts[axis] = at;
    stops[axis] = at += sizes[i];
    c.out(static_cast<int>(i), ops::slice(x, starts, stops));
  }
}

ops::Ints piece_sizes(ops::Ints sizes, int64_t whole) {
  const auto hole = std::find(sizes.begin(), sizes.end(), -1);
  if (hole != sizes.end())
    *hole = whole < 0 ? -1 : whole - std::accumulate(sizes.begin(), sizes.end(), int64_t{1});
  return sizes;
}

void define_splits(SpecTable& t) {
  t.add({"Split",
         {"split_dim", "value"},
         [](Infer& c) {
           const auto axis = c.constant(0);
           const auto n = c.op().attr<int64_t>("num_split");
           PartialShape out = c.shape(1);
           if (out.known_rank() && axis) {
             const int at = c.axis(static_cast<int64_t>(axis->item()), out.rank());
             if (out[at] >= 0 && out[at] % n != 0)
               c.fail(fmt::format("Dimension size must be evenly divisible by {} but is {}", n,
                                  out[at]));
             out.set(at, out[at] < 0 ? -1 : out[at] / n);
           } else {
             out = PartialShape();
           }
           for (int64_t i = 0; i < n; ++i) c.output(out, c.dtype(1));
         },
         [](Translate& c) {
           const Value x = c.in(1);
           const int axis = x.shape().axis(static_cast<int>(c.known_integers(0).at(0)));
           const int64_t n = c.op().num_outputs();
           if (x.shape()[axis] % n != 0)
             c.fail(fmt::format("Dimension size must be evenly divisible by {} but is {}", n,
                                x.shape()[axis]));
           pieces(c, x, axis, ops::Ints(n, x.shape()[axis] / n));
         }});
  t.add({"SplitV",
         {"value", "size_splits", "split_dim"},
         [](Infer& c) {
           const auto sizes = c.constant(1), axis = c.constant(2);
           const auto n = c.op().attr<int64_t>("num_split");
           for (int64_t i = 0; i < n; ++i) {
             PartialShape out;
             if (c.shape(0).known_rank() && sizes && axis) {
               out = c.shape(0);
               const int at = c.axis(static_cast<int64_t>(axis->item()), out.rank());
               out.set(at, piece_sizes(integers(*sizes), out[at])[i]);
             }
             c.output(out, c.dtype(0));
           }
         },
         [](Translate& c) {
           const Value x = c.in(0);
           const int axis = x.shape().axis(static_cast<int>(c.known_integers(2).at(0)));
           pieces(c, x, axis, piece_sizes(c.known_integers(1), x.shape()[axis]));
         }});
}

/// Rows of each batch entry of x, whose axis follows the batch axes, by its own indices.
Value batch_gather(Translate& c, Value x, Value index, int axis, int batch) {
  if (axis != batch)
    c.fail(fmt::format("batch_dims {} with axis {}; only axis = batch_dims is there", batch, axis));
  const Shape s = x.shape(), is = index.shape();
  const int64_t entries = s.count(0, batch), rows = s[axis];
  Array first({entries, 1}, DType::i64);
  for (int64_t i = 0; i < entries; ++i) first.set(i, double(i * rows));
  Value places = ops::cast(ops::reshape(index, {entries, is.count(batch)}), DType::i64);
  const Value inside =
      ops::logical_and(ops::greater_equal(places, c.graph().constant(0.0, DType::i64)),
                       ops::less(places, c.graph().constant(double(rows), DType::i64)));
  places = ops::select(inside, ops::add(places, c.graph().constant(first)),
                       c.graph().constant(-1.0, DType::i64, places.shape()));
  std::vector<int64_t> table = s.vec(), dims = is.vec();
  table.erase(table.begin(), table.begin() + axis);
  table[0] = entries * rows;
  for (int i = axis + 1; i < s.rank(); ++i) dims.push_back(s[i]);
  const Value flat = ops::reshape(places, {places.shape().count()});
  return ops::reshape(ops::gather(ops::reshape(x, Shape(table)), flat), Shape(dims));
}

void define_gather(SpecTable& t) {
  t.add({"GatherV2",
         {"params", "indices", "axis"},
         [](Infer& c) {
           const auto axis = c.constant(2);
           if (!axis || !c.shape(0).known_rank() || !c.shape(1).known_rank())
             return c.output({}, c.dtype(0));
           const int at = c.axis(static_cast<int64_t>(axis->item()), c.shape(0).rank());
           const auto batch = c.op().attr_or<int64_t>("batch_dims", 0);
           std::vector<int64_t> dims = c.shape(0).dims();
           dims.erase(dims.begin() + at);
           dims.insert(dims.begin() + at, c.shape(1).dims().begin() + batch,
                       c.shape(1).dims().end());
           c.output(PartialShape(dims), c.dtype(0));
         },
         [](Translate& c) {
           const Value x = c.in(0), index = c.in(1);
           const int axis = x.shape().axis(static_cast<int>(c.known_integers(2).at(0)));
           if (const auto batch = c.op().attr_or<int64_t>("batch_dims", 0))
             return c.out(0, batch_gather(c, x, index, axis, static_cast<int>(batch)));
           const Value flat = ops::reshape(index, {index.shape().count()});
           std::vector<int64_t> dims = x.shape().vec();
           const std::vector<int64_t> put = index.shape().vec();
           dims.erase(dims.begin() + axis);
           dims.insert(dims.begin() + axis, put.begin(), put.end());
           c.out(0, ops::reshape(ops::gather(x, flat, axis), Shape(dims)));
         }});
}

std::pair<ops::Ints, ops::Ints> paddings(const std::vector<int64_t>& flat) {
  ops::Ints before, after;
  for (size_t i = 0; i + 1 < flat.size(); i += 2) {
    before.push_back(flat[i]);
    after.push_back(flat[i + 1]);
  }
  return {before, after};
}

/// Rows mirrored at both ends, by index.
Value mirrored(Value x, const ops::Ints& before, const ops::Ints& after, bool symmetric) {
  for (int axis = 0; axis < x.shape().rank(); ++axis) {
    if (before[axis] == 0 && after[axis] == 0) continue;
    const int64_t n = x.shape()[axis], total = before[axis] + n + after[axis];
    Array index({total}, DType::i64);
    for (int64_t i = 0; i < total; ++i) {
      int64_t at = i - before[axis];
      if (at < 0) at = symmetric ? -at - 1 : -at;
      if (at >= n) at = symmetric ? 2 * n - at - 1 : 2 * n - at - 2;
      index.set(i, double(at));
    }
    x = ops::gather(x, x.graph->constant(index), axis);
  }
  return x;
}

void define_padding(SpecTable& t) {
  const auto infer = [](Infer& c) {
    const auto pads = c.constant(1);
    if (!c.shape(0).known_rank()) return c.output({}, c.dtype(0));
    PartialShape out(std::vector<int64_t>(c.shape(0).rank(), -1));
    for (int i = 0; pads && i < out.rank(); ++i)
      if (c.shape(0)[i] >= 0)
        out.set(i, c.shape(0)[i] + static_cast<int64_t>(pads->at(2 * i) + pads->at(2 * i + 1)));
    c.output(out, c.dtype(0));
  };
  t.add({"Pad", {"input", "paddings"}, infer, [](Translate& c) {
           const auto pads = paddings(c.known_integers(1));
           c.out(0, ops::pad(c.in(0), pads.first, pads.second));
         }});
  t.add({"PadV2", {"input", "paddings", "constant_values"}, infer, [](Translate& c) {
           const auto pads = paddings(c.known_integers(1));
           c.out(0, ops::pad(c.in(0), pads.first, pads.second, c.known(2).item()));
         }});
  t.add({"MirrorPad", {"input", "paddings"}, infer, [](Translate& c) {
           const auto pads = paddings(c.known_integers(1));
           c.out(0, mirrored(c.in(0), pads.first, pads.second,
                             c.op().attr<std::string>("mode") == "SYMMETRIC"));
         }});
  t.add({"Tile",
         {"input", "multiples"},
         [](Infer& c) {
           const auto times = c.constant(1);
           if (!c.shape(0).known_rank()) return c.output({}, c.dtype(0));
           PartialShape out(std::vector<int64_t>(c.shape(0).rank(), -1));
           for (int i = 0; times && i < out.rank(); ++i)
             if (c.shape(0)[i] >= 0) out.set(i, c.shape(0)[i] * static_cast<int64_t>(times->at(i)));
           c.output(out, c.dtype(0));
         },
         [](Translate& c) {  // [a, b] → [1, a, 1, b] → [m, a, n, b] → [m a, n b], an axis at a time
           Value x = c.in(0);
           const ops::Ints times = c.known_integers(1);
           for (int axis = x.shape().rank() - 1; axis >= 0; --axis) {
             if (times[axis] == 1) continue;
             const Shape s = x.shape();
             const int64_t outer = s.count(0, axis), inner = s.count(axis);
             std::vector<int64_t> dims = s.vec();
             dims[axis] *= times[axis];
             x = ops::broadcast_to(ops::reshape(x, {outer, 1, inner}), {outer, times[axis], inner});
             x = ops::reshape(x, Shape(dims));
           }
           c.out(0, x);
         }});
}

}  // namespace

void define_slice_ops(SpecTable& t) {
  define_slices(t);
  define_splits(t);
  define_gather(t);
  define_padding(t);
}

}  // namespace trivium::tf
