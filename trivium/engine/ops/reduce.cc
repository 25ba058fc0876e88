// Reductions over axes. Each folds the elements of its group in row-major order.
#include <algorithm>
#include <cmath>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

std::vector<int64_t> axes_of(const Attrs& attrs, const Shape& x) {
  return normal_axes(attrs.integers("axes"), x.rank()).value();
}

void infer_reduction(InferCtx& c, bool floating, bool needs_elements) {
  floating ? require_floating(c, 0) : require_number(c, 0);
  const Shape& x = c.shape(0);
  const auto axes = normal_axes(c.attrs().integers("axes"), x.rank());
  c.require(axes.has_value(),
            "axes are out of range or repeated for rank " + std::to_string(x.rank()),
            "each axis once, -rank <= axis < rank");
  const Shape y = reduced_shape(x, *axes, c.attrs().flag("keep_dims"));
  if (needs_elements && x.count() == 0 && y.count() > 0)
    c.fail("nothing to choose from: a reduced axis has size 0");
  c.output(y, c.dtype(0));
}

/// Visits (element, its place in the reduced result).
template <typename Body>
void for_each_reduced(const RefTensor& x, const std::vector<int64_t>& axes, Body&& body) {
  const Shape kept = reduced_shape(x.shape, axes, true);
  for_each_offset<1>(x.shape, {broadcast_strides(kept, x.shape)},
                     [&](int64_t i, const std::array<int64_t, 1>& at) { body(i, at[0]); });
}

using Fold = double (*)(double acc, double x);

void reference_fold(RefCtx& r, double start, Fold fold, bool start_with_first) {
  const RefTensor& x = *r.in[0];
  RefTensor& y = *r.out[0];
  std::fill(y.data.begin(), y.data.end(), start);
  std::vector<char> begun(y.data.size(), !start_with_first);
  for_each_reduced(x, axes_of(r.attrs, x.shape), [&](int64_t i, int64_t at) {
    y.data[at] = begun[at] ? fold(y.data[at], x.data[i]) : x.data[i];
    begun[at] = 1;
  });
}

/// dy brought back to rank and shape of x.
Value spread(GradCtx& c, Value dy) {
  const Shape& x = c.input(0).shape();
  const Shape kept = reduced_shape(x, axes_of(c.attrs(), x), true);
  return broadcast_to(reshape(dy, kept), x);
}

double group_size(const Attrs& attrs, const Shape& x) {
  double n = 1;
  for (int64_t axis : axes_of(attrs, x)) n *= static_cast<double>(x[static_cast<int>(axis)]);
  return n;
}

/// True at the first element of each group that reduce_max (or reduce_min) chose.
Value first_choice(GradCtx& c, bool largest) {
  const Value x = c.input(0);
  const std::vector<int64_t> axes = axes_of(c.attrs(), x.shape());
  const int rank = x.shape().rank();
  Ints perm, back(rank), sizes;
  for (int64_t i = 0; i < rank; ++i)
    if (!std::binary_search(axes.begin(), axes.end(), i)) perm.push_back(i);
  const size_t kept = perm.size();
  perm.insert(perm.end(), axes.begin(), axes.end());
  for (int i = 0; i < rank; ++i) back[perm[i]] = i;
  const Value moved = permute(x, perm);
  const Shape groups{moved.shape().count(0, static_cast<int>(kept)),
                     moved.shape().count(static_cast<int>(kept))};
  const Value rows = reshape(moved, groups);
  const Value chosen =
      largest ? argmax(rows, 1, false, "first", true) : argmin(rows, 1, false, "first", true);
  return permute(reshape(one_hot(chosen, groups[1], DType::bool_), moved.shape()), back);
}

/// dy shared evenly by the elements that equal the extreme of their group.
Value even_shares(GradCtx& c) {
  const Value x = c.input(0), hit = equal(x, spread(c, c.output()));
  const Value hits = sum(cast(hit, x.dtype()), axes_of(c.attrs(), x.shape()), true);
  const Value share = div(spread(c, c.upstream()), hits);
  return select(hit, share, number_like(x, 0));
}

OpDef::Gradient choice_gradient(bool largest) {
  return [largest](GradCtx& c) {
    if (c.attrs().string("ties") == "even") return c.to(0, even_shares(c));
    const Value dx = spread(c, c.upstream());
    c.to(0, select(first_choice(c, largest), dx, number_like(dx, 0)));
  };
}

/// Product of the others, also where one factor is zero. Where two are, or for second derivatives
/// at a zero, terms that need the product without two factors are left out.
void grad_prod(GradCtx& c) {
  const Value x = c.input(0), dy = spread(c, c.upstream());
  const Ints axes = axes_of(c.attrs(), x.shape());
  const Value zero = equal(x, number_like(x, 0)), safe = select(zero, number_like(x, 1), x);
  const Value zeros = sum(cast(zero, x.dtype()), axes, true), others = prod(safe, axes, true);
  const Value none = equal(zeros, number_like(x, 0)), one = equal(zeros, number_like(x, 1));
  const Value at_zero = select(one, others, number_like(x, 0));
  const Value elsewhere = select(none, div(others, safe), number_like(x, 0));
  c.to(0, mul(dy, select(zero, at_zero, elsewhere)));
}

OpDef& reduction(OpRegistry& ops, const std::string& name, bool floating, bool needs_elements) {
  return ops.define(name)
      .input("x", floating ? "floating" : "numbers")
      .attr("axes", AttrValue(Ints{}),
            "axes to reduce, negative ones count from the end; empty: all")
      .attr("keep_dims", AttrValue(false), "reduced axes stay with size 1")
      .output("y", "dtype of x, without the reduced axes")
      .infer([=](InferCtx& c) { infer_reduction(c, floating, needs_elements); })
      .cost([](std::span<const ValueMeta> in, std::span<const ValueMeta>, const Attrs&) {
        return Cost{static_cast<double>(in[0].shape.count())};
      });
}

std::vector<Sample> reduction_samples() {
  const auto x = [](std::initializer_list<int64_t> dims) {
    return SampleInput(dims, SampleInput::distinct);
  };
  return {{{x({2, 3})}, {}},
          {{x({2, 3, 4})}, {{"axes", Ints{1}}}},
          {{x({2, 3, 4})}, {{"axes", Ints{0, 2}}, {"keep_dims", true}}},
          {{x({3, 5})}, {{"axes", Ints{-1}}}},
          {{x({})}, {}}};
}

std::vector<Sample> with_empty(std::vector<Sample> samples) {
  samples.push_back({{SampleInput({2, 0})}, {{"axes", Ints{1}}}});
  return samples;
}

void define_folds(OpRegistry& ops) {
  reduction(ops, "sum", false, false)
      .summary("Sum over axes.")
      .formula("y = sum of x over axes")
      .gradient([](GradCtx& c) { c.to(0, spread(c, c.upstream())); })
      .reference([](RefCtx& r) {
        reference_fold(
            r, 0, [](double a, double x) { return a + x; }, false);
      })
      .samples(with_empty(reduction_samples()));
  reduction(ops, "mean", true, false)
      .summary("Arithmetic mean over axes; NaN when there is nothing to average.")
      .formula("y = sum of x over axes / number of elements")
      .gradient([](GradCtx& c) {
        c.to(0, spread(c, div(c.upstream(), group_size(c.attrs(), c.input(0).shape()))));
      })
      .reference([](RefCtx& r) {
        reference_fold(
            r, 0, [](double a, double x) { return a + x; }, false);
        const double size = group_size(r.attrs, r.in[0]->shape);
        for (double& y : r.out[0]->data) y /= size;
      })
      .samples(reduction_samples());
  reduction(ops, "prod", false, false)
      .summary("Product over axes; 1 of nothing.")
      .formula("y = product of x over axes")
      .gradient(grad_prod)
      .reference([](RefCtx& r) {
        reference_fold(
            r, 1, [](double a, double x) { return a * x; }, false);
      })
      .samples(with_empty(reduction_samples()));
}

OpDef& extreme(OpRegistry& ops, const std::string& name) {
  std::vector<Sample> samples = reduction_samples();
  samples.push_back({{SampleInput({2, 3, 4}, SampleInput::distinct)},
                     {{"axes", Ints{0, 1}}, {"ties", std::string("even")}}});
  return reduction(ops, name, false, true)
      .attr("ties", "first",
            "which of equal extremes take the gradient: the \"first\", or all, \"even\"ly")
      .infer([](InferCtx& c) {
        const std::string& ties = c.attrs().string("ties");
        c.require(ties == "first" || ties == "even", "ties is \"" + ties + "\"",
                  "\"first\" or \"even\"");
        infer_reduction(c, false, true);
      })
      .samples(samples);
}

void define_choices(OpRegistry& ops) {
  extreme(ops, "reduce_max")
      .summary("Largest element over axes; NaN if any is.")
      .formula("y = max of x over axes")
      .gradient(choice_gradient(true))
      .reference([](RefCtx& r) {
        reference_fold(
            r, 0, [](double a, double x) { return apply(ScalarOp::maximum, a, x); }, true);
      });
  extreme(ops, "reduce_min")
      .summary("Smallest element over axes; NaN if any is.")
      .formula("y = min of x over axes")
      .gradient(choice_gradient(false))
      .reference([](RefCtx& r) {
        reference_fold(
            r, 0, [](double a, double x) { return apply(ScalarOp::minimum, a, x); }, true);
      });
}

void define_sum_to(OpRegistry& ops) {
  ops.define("sum_to")
      .summary("Sums over the axes along which `shape` was broadcast to the shape of x.")
      .formula("y[j] = sum of x[i] over the i that read j when y is broadcast to x")
      .input("x", "numbers")
      .required_attr("shape", Ints{}, "shape of the result; broadcasts to the shape of x")
      .output("y", "dtype of x")
      .infer([](InferCtx& c) {
        require_number(c, 0);
        const Shape shape = require_shape(c, "shape");
        c.require(broadcasts_to(shape, c.shape(0)),
                  fmt::format("{} does not broadcast to {}", shape.text(), c.shape(0).text()),
                  "sizes counted from the last axis are equal or 1");
        c.output(shape, c.dtype(0));
      })
      .gradient([](GradCtx& c) { c.to(0, broadcast_to(c.upstream(), c.input(0).shape())); })
      .reference([](RefCtx& r) {
        const RefTensor& x = *r.in[0];
        for_each_offset<1>(x.shape, {broadcast_strides(r.out[0]->shape, x.shape)},
                           [&](int64_t i, const std::array<int64_t, 1>& at) {
                             r.out[0]->data[at[0]] += x.data[i];
                           });
      })
      .cost([](std::span<const ValueMeta> in, std::span<const ValueMeta>, const Attrs&) {
        return Cost{static_cast<double>(in[0].shape.count())};
      })
      .samples({{{{2, 3}}, {{"shape", Ints{3}}}},
                {{{2, 3, 4}}, {{"shape", Ints{2, 1, 4}}}},
                {{{2, 3, 4}}, {{"shape", Ints{3, 1}}}},
                {{{4}}, {{"shape", Ints{}}}}});
}

}  // namespace

void define_reduce(OpRegistry& ops) {
  define_folds(ops);
  define_choices(ops);
  define_sum_to(ops);
}

}  // namespace trivium::ops
