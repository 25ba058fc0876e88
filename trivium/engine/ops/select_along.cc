// Choosing along one axis: argmax and top_k. Comparisons with NaN are false, and NaN ranks below
// every number.
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

bool ranks_before(double a, double b) { return a > b || (std::isnan(b) && !std::isnan(a)); }

/// Positions along the axis from largest to smallest.
std::vector<int64_t> ranking(const double* row, const AxisView& v, bool last_wins) {
  std::vector<int64_t> order(v.size);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
    const double a = row[i * v.inner], b = row[j * v.inner];
    if (ranks_before(a, b) || ranks_before(b, a)) return ranks_before(a, b);
    return last_wins ? i > j : i < j;
  });
  return order;
}

/// Writes the first k of the ranking of every row; either output may be null.
void reference_ranking(RefCtx& r, int64_t k, RefTensor* values, RefTensor* indices) {
  const RefTensor& x = *r.in[0];
  const AxisView v = view_axis(x.shape, static_cast<int>(r.attrs.integer("axis")));
  const bool last = r.attrs.string("tie") == "last";
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t i = 0; i < v.inner; ++i) {
      const double* row = x.data.data() + o * v.size * v.inner + i;
      const std::vector<int64_t> order = ranking(row, v, last);
      for (int64_t n = 0; n < k; ++n) {
        const int64_t at = (o * k + n) * v.inner + i;
        if (values) values->data[at] = row[order[n] * v.inner];
        if (indices) indices->data[at] = static_cast<double>(order[n]);
      }
    }
}

void define_argmax(OpRegistry& ops) {
  ops.define("argmax")
      .summary("Index of the largest element along an axis.")
      .formula("y = the i with x[.., i, ..] largest")
      .input("x", "numbers, rank >= 1")
      .required_attr("axis", int64_t{0}, "axis to search; negative counts from the end")
      .attr("keep_dims", AttrValue(false), "the axis stays with size 1")
      .attr("tie", "first", "\"first\" or \"last\": which of equal elements wins")
      .output("y", "int64, without the axis")
      .infer([](InferCtx& c) {
        require_number(c, 0);
        require_tie(c);
        const int axis = c.axis("axis");
        c.require(c.shape(0)[axis] > 0, "the axis has size 0");
        c.output(reduced_shape(c.shape(0), {axis}, c.attrs().flag("keep_dims")), DType::i64);
      })
      .not_differentiable("the result is an index")
      .reference([](RefCtx& r) { reference_ranking(r, 1, nullptr, r.out[0]); })
      .samples({{{SampleInput({3, 5}, SampleInput::distinct)}, {{"axis", int64_t{1}}}},
                {{SampleInput({4, 3, 2}, SampleInput::distinct)},
                 {{"axis", int64_t{-2}}, {"keep_dims", true}}},
                {{SampleInput({3, 6}, SampleInput::integers, DType::f32, 3)},
                 {{"axis", int64_t{1}}, {"tie", std::string("last")}}}});
}

/// dx = sum over k of dy[k] at indices[k], as a select so that nothing is multiplied.
void grad_top_k(GradCtx& c) {
  if (!c.has_upstream(0)) return;
  const Value x = c.input(0), dy = c.upstream(0), indices = c.output(1);
  const int axis = x.shape().axis(static_cast<int>(c.attrs().integer("axis"))),
            rank = x.shape().rank();
  Ints to_last, back(rank + 1);
  for (int i = 0; i < rank; ++i)
    if (i != axis) to_last.push_back(i);
  to_last.push_back(axis);
  // [rest…, k] → [rest…, k, n] → sum over k → [rest…, n]
  const Value hot = one_hot(permute(indices, to_last), x.shape()[axis], DType::bool_);
  const Value moved = permute(dy, to_last);
  const Value parts = select(hot, insert_axes(moved, {rank}), number_like(dy, 0));
  Ints from_last(rank);
  for (int i = 0; i < rank; ++i) from_last[to_last[i]] = i;
  c.to(0, permute(sum(parts, {rank - 1}), from_last));
}

void define_top_k(OpRegistry& ops) {
  ops.define("top_k")
      .summary("The k largest elements along an axis, in descending order, and their indices.")
      .formula("values[.., n, ..] = x[.., indices[n], ..], the n-th largest")
      .input("x", "numbers, rank >= 1")
      .required_attr("k", int64_t{1}, "how many; at most the size of the axis")
      .attr("axis", -1, "axis to search; negative counts from the end")
      .attr("tie", "first", "\"first\" or \"last\": which of equal elements comes first")
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
      .gradient(grad_top_k)
      .reference([](RefCtx& r) { reference_ranking(r, r.attrs.integer("k"), r.out[0], r.out[1]); })
      .samples({{{SampleInput({3, 5}, SampleInput::distinct)}, {{"k", int64_t{2}}}},
                {{SampleInput({4, 3, 2}, SampleInput::distinct)},
                 {{"k", int64_t{3}}, {"axis", int64_t{0}}}},
                {{SampleInput({3, 6}, SampleInput::integers, DType::i32, 3)},
                 {{"k", int64_t{6}}, {"tie", std::string("last")}}}});
}

}  // namespace

void define_select_along(OpRegistry& ops) {
  define_argmax(ops);
  define_top_k(ops);
}

}  // namespace trivium::ops
