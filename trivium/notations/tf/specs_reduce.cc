// Reductions over axes, places of extremes, running sums.
#include <algorithm>
#include <limits>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/windows.h"

namespace trivium::tf {
namespace {

using Reduce = std::function<Value(Value, ops::Ints, bool)>;

std::vector<int64_t> numbers(const Array& a) {
  std::vector<int64_t> out;
  for (int64_t i = 0; i < a.count(); ++i) out.push_back(static_cast<int64_t>(a.at(i)));
  return out;
}

void infer_reduction(Infer& c, DataType result) {
  const DataType type = result == DataType::invalid ? c.dtype(0) : result;
  const bool keep = c.op().attr_or<bool>("keep_dims", false);
  const auto axes = c.constant(1);
  if (!c.shape(0).known_rank()) return c.output({}, type);
  if (!axes) {
    if (keep) return c.output(PartialShape(std::vector<int64_t>(c.shape(0).rank(), -1)), type);
    return c.output({}, type);
  }
  std::vector<int64_t> dims = c.shape(0).dims();
  for (int64_t a : numbers(*axes)) dims[c.axis(a, c.shape(0).rank())] = -2;
  std::vector<int64_t> out;
  for (int64_t d : dims)
    if (d != -2)
      out.push_back(d);
    else if (keep)
      out.push_back(1);
  c.output(PartialShape(out), type);
}

/// fn before x was turned, where that leaves the remaining axes in their order.
Value reduced(Value x, const ops::Ints& axes, bool keep, const Reduce& fn) {
  const auto t = turning_of(x);
  const int rank = x.shape().rank();
  const bool all = static_cast<int>(axes.size()) == rank;
  if (!t || (!all && !t->only_axes())) return fn(x, axes, keep);
  ops::Ints own, sizes;  // axes of the source; what becomes of x's sizes
  int64_t last = -1;
  for (int i = 0, k = 0; i < rank; ++i) {
    const bool goes = k < static_cast<int>(axes.size()) && axes[static_cast<size_t>(k)] == i;
    k += goes;
    if (!goes || keep) sizes.push_back(goes ? 1 : x.shape()[i]);
    if (all) continue;
    const int64_t from = t->axes[static_cast<size_t>(i)];
    if (goes) own.push_back(from);
    if (!goes && from < last) return fn(x, axes, keep);
    if (!goes) last = from;
  }
  for (int i = 0; all && i < t->source.shape().rank(); ++i) own.push_back(i);
  std::sort(own.begin(), own.end());
  return ops::reshape(fn(t->source, own, false), Shape(sizes));
}

void translate_reduction(Translate& c, const Reduce& fn) {
  const bool keep = c.op().attr_or<bool>("keep_dims", false);
  const Value x = c.in(0);
  std::vector<int64_t> axes = c.known_integers(1);
  for (int64_t& a : axes) a = x.shape().axis(static_cast<int>(a));
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  // The engine reads "no axes" as all; here it means none.
  if (axes.empty())
    return c.out(0, x.shape().rank() == 0 ? fn(ops::reshape(x, {1}), {0}, false) : x);
  c.out(0, reduced(x, axes, keep, fn));
}

void reduction(SpecTable& t, const std::string& type, Reduce fn,
               DataType result = DataType::invalid) {
  t.add({type,
         {"input", "reduction_indices"},
         [=](Infer& c) {
           if (result == DataType::invalid && c.dtype(0) == DataType::bool_)
             raise<TypeError>(
                 "Value passed to parameter 'input' has DataType bool not in list of "
                 "allowed values: numbers");
           infer_reduction(c, result);
         },
         [fn](Translate& c) { translate_reduction(c, fn); },
         result == DataType::invalid ? Differentiable::yes : Differentiable::cut});
}

/// The mean of integers is cut towards zero.
Value mean(Value x, ops::Ints axes, bool keep) {
  if (trivium::is_floating(x.dtype())) return ops::mean(x, axes, keep);
  return ops::cast(ops::mean(ops::cast(x, DType::f64), axes, keep), x.dtype());
}

/// Of no numbers: minus or plus infinity.
Value extreme(Value x, ops::Ints axes, bool keep, bool largest) {
  int64_t count = 1;
  for (const int64_t a : axes) count *= x.shape()[static_cast<int>(a)];
  if (count != 0)
    return largest ? ops::reduce_max(x, axes, keep, "even")
                   : ops::reduce_min(x, axes, keep, "even");
  if (!trivium::is_floating(x.dtype())) user_error("the extreme of no integers is asked for");
  std::vector<int64_t> out;
  for (int i = 0; i < x.shape().rank(); ++i) {
    const bool reduced = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (!reduced || keep) out.push_back(reduced ? 1 : x.shape()[i]);
  }
  const double infinity = std::numeric_limits<double>::infinity();
  return x.graph->constant(largest ? -infinity : infinity, x.dtype(), Shape(out));
}

void extreme_place(SpecTable& t, const std::string& type, bool largest) {
  t.add({type,
         {"input", "dimension"},
         [](Infer& c) {
           const DataType out = c.op().attr_or<DataType>("output_type", DataType::int64);
           const auto axis = c.constant(1);
           if (!c.shape(0).known_rank()) return c.output({}, out);
           std::vector<int64_t> dims = c.shape(0).dims();
           if (!axis) return c.output(PartialShape(std::vector<int64_t>(dims.size() - 1, -1)), out);
           dims.erase(dims.begin() + c.axis(static_cast<int64_t>(axis->item()), c.shape(0).rank()));
           c.output(PartialShape(dims), out);
         },
         [largest](Translate& c) {
           const int axis = static_cast<int>(c.known_integers(1).at(0));
           const Value x = c.in(0);
           const Value place = largest ? ops::argmax(x, x.shape().axis(axis))
                                       : ops::argmin(x, x.shape().axis(axis));
           c.out(0, ops::cast(place, engine_type(c.op().attr_or<DataType>("output_type",
                                                                          DataType::int64))));
         },
         Differentiable::cut});
}

/// Running along an axis, possibly from the end, possibly without the element itself.
Value running(Value x, int axis, bool exclusive, bool reverse, bool product) {
  const auto last = static_cast<size_t>(x.shape().axis(axis));
  Value from = x;
  if (exclusive) {  // shift by one, with the neutral element in front
    ops::Ints starts(x.shape().rank(), 0), stops = x.shape().vec(), before(x.shape().rank(), 0),
                                           after(x.shape().rank(), 0);
    (reverse ? starts[last] : stops[last]) += reverse ? 1 : -1;
    (reverse ? after[last] : before[last]) = 1;
    from = ops::pad(ops::slice(x, starts, stops), before, after, product ? 1.0 : 0.0);
  }
  const ops::Ints axes{static_cast<int64_t>(last)};
  if (!product) return ops::cumsum(from, static_cast<int>(last), reverse);
  if (!reverse) return ops::cumprod(from, static_cast<int>(last));
  return ops::flip(ops::cumprod(ops::flip(from, axes), static_cast<int>(last)), axes);
}

void define_running(SpecTable& t) {
  for (const bool product : {false, true})
    t.add({product ? "Cumprod" : "Cumsum",
           {"x", "axis"},
           [](Infer& c) { c.output(c.shape(0), c.dtype(0)); },
           [product](Translate& c) {
             c.out(0, running(c.in(0), static_cast<int>(c.known_integers(1).at(0)),
                              c.op().attr_or<bool>("exclusive", false),
                              c.op().attr_or<bool>("reverse", false), product));
           }});
}

}  // namespace

void define_reduction_ops(SpecTable& t) {
  reduction(t, "Sum", [](Value x, ops::Ints a, bool k) { return ops::sum(x, a, k); });
  reduction(t, "Mean", mean);
  reduction(t, "Prod", [](Value x, ops::Ints a, bool k) { return ops::prod(x, a, k); });
  reduction(t, "Max", [](Value x, ops::Ints a, bool k) { return extreme(x, a, k, true); });
  reduction(t, "Min", [](Value x, ops::Ints a, bool k) { return extreme(x, a, k, false); });
  reduction(
      t, "All", [](Value x, ops::Ints a, bool k) { return ops::all(x, a, k); }, DataType::bool_);
  reduction(
      t, "Any", [](Value x, ops::Ints a, bool k) { return ops::any(x, a, k); }, DataType::bool_);
  extreme_place(t, "ArgMax", true);
  extreme_place(t, "ArgMin", false);
  define_running(t);
}

}  // namespace trivium::tf
