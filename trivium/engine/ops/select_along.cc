// Choosing elements along an axis by their size: argmax, argmin, top_k, sort. Equal elements keep
// or reverse their order as `tie` says; where NaN ranks is an attribute, or above all for sort.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

void require_tie(const InferCtx& c) {
  const std::string& tie = c.attrs().string("tie");
  c.require(tie == "first" || tie == "last", "tie is \"" + tie + "\"", "\"first\" or \"last\"");
}

struct Order {
  bool descending = true, last_wins = false;
  bool nan_first = false;  // NaN comes before all numbers, else after
};

/// Positions along the axis in that order.
std::vector<int64_t> ranking(const double* row, const AxisView& v, const Order& by) {
  const auto before = [&](double a, double b) {
    if (std::isnan(a) || std::isnan(b))
      return by.nan_first ? std::isnan(a) && !std::isnan(b) : std::isnan(b) && !std::isnan(a);
    return by.descending ? a > b : a < b;
  };
  std::vector<int64_t> order(v.size);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
    const double a = row[i * v.inner], b = row[j * v.inner];
    if (before(a, b) || before(b, a)) return before(a, b);
    return by.last_wins ? i > j : i < j;
  });
  return order;
}

/// Writes the first k of the ranking of every row; `values` may be null.
void reference_ranking(RefCtx& r, int64_t k, const Order& by, RefTensor* values,
                       RefTensor* indices) {
  const RefTensor& x = *r.in[0];
  const AxisView v = view_axis(x.shape, static_cast<int>(r.attrs.integer("axis")));
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t i = 0; i < v.inner; ++i) {
      const double* row = x.data.data() + o * v.size * v.inner + i;
      const std::vector<int64_t> order = ranking(row, v, by);
      for (int64_t n = 0; n < k; ++n) {
        const int64_t at = (o * k + n) * v.inner + i;
        if (values) values->data[at] = row[order[n] * v.inner];
        indices->data[at] = static_cast<double>(order[n]);
      }
    }
}

Order order_of(const Attrs& a, bool descending) {
  return {descending, a.string("tie") == "last", a.flag("nan_wins")};
}

void define_extreme_index(OpRegistry& ops, const std::string& name, bool largest) {
  const std::string which = largest ? "largest" : "smallest";
  ops.define(name)
      .summary("Index of the " + which + " element along an axis.")
      .formula("y = the i with x[.., i, ..] " + which)
      .input("x", "numbers, rank >= 1")
      .required_attr("axis", int64_t{0}, "axis to search; negative counts from the end")
      .attr("keep_dims", AttrValue(false), "the axis stays with size 1")
      .attr("tie", "first", "\"first\" or \"last\": which of equal elements wins")
      .attr("nan_wins", AttrValue(false), "NaN comes before all numbers, else after them")
      .output("y", "int64, without the axis")
      .infer([](InferCtx& c) {
        require_number(c, 0);
        require_tie(c);
        const int axis = c.axis("axis");
        c.require(c.shape(0)[axis] > 0, "the axis has size 0");
        c.output(reduced_shape(c.shape(0), {axis}, c.attrs().flag("keep_dims")), DType::i64);
      })
      .not_differentiable("the result is an index")
      .reference([largest](RefCtx& r) {
        reference_ranking(r, 1, order_of(r.attrs, largest), nullptr, r.out[0]);
      })
      .samples({{{SampleInput({3, 5}, SampleInput::distinct)}, {{"axis", int64_t{1}}}},
                {{SampleInput({4, 3, 2}, SampleInput::distinct)},
                 {{"axis", int64_t{-2}}, {"keep_dims", true}}},
                {{SampleInput({3, 6}, SampleInput::integers, DType::f32, 3)},
                 {{"axis", int64_t{1}}, {"tie", std::string("last")}}}});
}

/// dx = dy at the places that were chosen.
void grad_chosen(GradCtx& c) {
  if (!c.has_upstream(0)) return;
  const Value x = c.input(0);
  const Value zeros = broadcast_to(number_like(x, 0), x.shape());
  const int axis = x.shape().axis(static_cast<int>(c.attrs().integer("axis")));
  c.to(0, scatter_elements(zeros, c.output(1), c.upstream(0), axis, "add"));
}

void define_top_k(OpRegistry& ops) {
  ops.define("top_k")
      .summary("The k largest elements along an axis, in descending order, and their indices.")
      .formula("values[.., n, ..] = x[.., indices[n], ..], the n-th largest")
      .input("x", "numbers, rank >= 1")
      .required_attr("k", int64_t{1}, "how many; at most the size of the axis")
      .attr("axis", -1, "axis to search; negative counts from the end")
      .attr("tie", "first", "\"first\" or \"last\": which of equal elements comes first")
      .attr("nan_wins", AttrValue(false), "NaN comes before all numbers, else after them")
      .output("values", "dtype of x, k along the axis")
      .output("indices", "int64, same shape")
      .infer([](InferCtx& c) {
        require_number(c, 0);
        require_tie(c);
        const int axis = c.axis("axis");
        const int64_t k = c.attrs().integer("k"), size = c.shape(0)[axis];
        c.require(k >= 1 && k <= size, fmt::format("k {} of {} elements", k, size),
                  "1 <= k <= size of the axis");
        Shape y = c.shape(0);
        y.set(axis, k);
        c.output(y, c.dtype(0));
        c.output(y, DType::i64);
      })
      .gradient(grad_chosen)
      .reference([](RefCtx& r) {
        reference_ranking(r, r.attrs.integer("k"), order_of(r.attrs, true), r.out[0], r.out[1]);
      })
      .samples({{{SampleInput({3, 5}, SampleInput::distinct)}, {{"k", int64_t{2}}}},
                {{SampleInput({4, 3, 2}, SampleInput::distinct)},
                 {{"k", int64_t{3}}, {"axis", int64_t{0}}}},
                {{SampleInput({3, 6}, SampleInput::integers, DType::i32, 3)},
                 {{"k", int64_t{6}}, {"tie", std::string("last")}}}});
}

void define_sort(OpRegistry& ops) {
  ops.define("sort")
      .summary(
          "All elements along an axis in ascending or descending order, and where they were. Equal "
          "elements keep their order; NaN ranks above every number.")
      .formula("values[.., n, ..] = x[.., indices[n], ..], in order")
      .input("x", "any dtype, rank >= 1")
      .attr("axis", -1, "axis to sort along; negative counts from the end")
      .attr("descending", AttrValue(false), "from the largest down")
      .output("values", "shape and dtype of x")
      .output("indices", "int64, same shape")
      .infer([](InferCtx& c) {
        c.axis("axis");
        c.output(c.shape(0), c.dtype(0));
        c.output(c.shape(0), DType::i64);
      })
      .gradient(grad_chosen)
      .reference([](RefCtx& r) {
        const AxisView v = view_axis(r.in[0]->shape, static_cast<int>(r.attrs.integer("axis")));
        const bool descending = r.attrs.flag("descending");
        reference_ranking(r, v.size, {descending, false, descending}, r.out[0], r.out[1]);
      })
      .samples(
          {{{SampleInput({3, 5}, SampleInput::distinct)}, {}},
           {{SampleInput({4, 3, 2}, SampleInput::distinct)},
            {{"axis", int64_t{0}}, {"descending", true}}},
           {{SampleInput({3, 40}, SampleInput::integers, DType::f32, 5)}, {}},
           {{SampleInput({2, 30}, SampleInput::integers, DType::i64, 5)}, {{"descending", true}}},
           {{SampleInput({0, 2}, SampleInput::distinct)}, {{"axis", int64_t{0}}}}});
}

}  // namespace

void define_select_along(OpRegistry& ops) {
  define_extreme_index(ops, "argmax", true);
  define_extreme_index(ops, "argmin", false);
  define_top_k(ops);
  define_sort(ops);
}

}  // namespace trivium::ops
