// Running results along an axis: sums, products, maxima, minima. Element i covers the elements up
// to and including i.
#include <cmath>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

int axis_of(GradCtx& c) {
  return c.input(0).shape().axis(static_cast<int>(c.attrs().integer("axis")));
}

/// Calls body(first element, distance of elements, how many) for every row along the axis.
template <typename Body>
void for_each_run(RefCtx& r, Body&& body) {
  const AxisView v = view_axis(r.in[0]->shape, static_cast<int>(r.attrs.integer("axis")));
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t i = 0; i < v.inner; ++i) body(o * v.size * v.inner + i, v.inner, v.size);
}

OpDef& scan(OpRegistry& ops, const std::string& name) {
  return ops.define(name)
      .input("x", "numbers, rank >= 1")
      .required_attr("axis", int64_t{0}, "negative counts from the end")
      .infer([](InferCtx& c) {
        require_number(c, 0);
        c.axis("axis");
        c.output(c.shape(0), c.dtype(0));
      })
      .cost(flops_per_output(1));
}

std::vector<Sample> scan_samples() {
  const auto x = [](std::initializer_list<int64_t> dims) {
    return SampleInput(dims, SampleInput::distinct);
  };
  return {{{x({5})}, {{"axis", int64_t{0}}}},
          {{x({2, 3, 4})}, {{"axis", int64_t{1}}}},
          {{x({3, 4})}, {{"axis", int64_t{-1}}}},
          {{SampleInput({3, 5}, SampleInput::integers, DType::i64, 4)}, {{"axis", int64_t{1}}}},
          {{x({2, 0})}, {{"axis", int64_t{1}}}}};
}

void define_cumsum(OpRegistry& ops) {
  std::vector<Sample> samples = scan_samples();
  samples.push_back({{SampleInput({4, 3})}, {{"axis", int64_t{0}}, {"reverse", true}}});
  scan(ops, "cumsum")
      .summary("Running sum along an axis, from its start, or from its end with `reverse`.")
      .formula("y[.., i, ..] = sum of x[.., j, ..] over j <= i (reverse: j >= i)")
      .attr("reverse", AttrValue(false), "run from the end")
      .output("y", "shape and dtype of x")
      .gradient(
          [](GradCtx& c) { c.to(0, cumsum(c.upstream(), axis_of(c), !c.attrs().flag("reverse"))); })
      .reference([](RefCtx& r) {
        const bool reverse = r.attrs.flag("reverse");
        for_each_run(r, [&](int64_t first, int64_t step, int64_t size) {
          double sum = 0;
          for (int64_t k = 0; k < size; ++k) {
            const int64_t at = first + (reverse ? size - 1 - k : k) * step;
            r.out[0]->data[at] = sum += r.in[0]->data[at];
          }
        });
      })
      .in_place(0)
      .samples(samples);
}

/// Before the first zero of a row: sums of dy * y over the rest, / x. At it: the same with that
/// zero replaced by 1, which leaves the product of the others. Behind it nothing: every y is 0.
/// Where two zeros precede an element, second derivatives lack the terms of their product.
void grad_cumprod(GradCtx& c) {
  const Value x = c.input(0), dy = c.upstream();
  const int axis = axis_of(c);
  const Value zero = number_like(x, 0), one = number_like(x, 1);
  const Value is_zero = equal(x, zero);
  const Value met = cumsum(cast(is_zero, x.dtype()), axis);
  const Value first = logical_and(is_zero, equal(met, one));
  const Value others = cumprod(select(first, one, x), axis);
  const Value safe = select(is_zero, one, x);
  const Value before = div(cumsum(mul(dy, c.output()), axis, true), safe);
  const Value at_first = cumsum(mul(dy, others), axis, true);
  c.to(0, select(equal(met, zero), before, select(first, at_first, zero)));
}

void define_cumprod(OpRegistry& ops) {
  std::vector<Sample> samples = scan_samples();
  scan(ops, "cumprod")
      .summary("Running product along an axis.")
      .formula("y[.., i, ..] = product of x[.., j, ..] over j <= i")
      .output("y", "shape and dtype of x")
      .gradient(grad_cumprod)
      .reference([](RefCtx& r) {
        for_each_run(r, [&](int64_t first, int64_t step, int64_t size) {
          double product = 1;
          for (int64_t k = 0; k < size; ++k)
            r.out[0]->data[first + k * step] = product *= r.in[0]->data[first + k * step];
        });
      })
      .in_place(0)
      .samples(samples);
}

void define_running_extreme(OpRegistry& ops, const std::string& name, bool largest) {
  scan(ops, name)
      .summary(std::string("Running ") + (largest ? "maximum" : "minimum") +
               " along an axis and where it is. NaN, once met, stays; of equal elements the last "
               "is named.")
      .formula(std::string("y[.., i, ..] = ") + (largest ? "max" : "min") +
               " of x[.., j, ..] over j <= i")
      .output("y", "shape and dtype of x")
      .output("indices", "int64, same shape")
      .infer([](InferCtx& c) {
        require_number(c, 0);
        c.axis("axis");
        c.output(c.shape(0), c.dtype(0));
        c.output(c.shape(0), DType::i64);
      })
      .gradient([](GradCtx& c) {
        if (!c.has_upstream(0)) return;
        const Value x = c.input(0), zeros = broadcast_to(number_like(x, 0), x.shape());
        c.to(0, scatter_elements(zeros, c.output(1), c.upstream(0), axis_of(c), "add"));
      })
      .reference([largest](RefCtx& r) {
        for_each_run(r, [&](int64_t first, int64_t step, int64_t size) {
          double best = 0;
          int64_t at = 0;
          for (int64_t k = 0; k < size; ++k) {
            const double v = r.in[0]->data[first + k * step];
            const bool take =
                k == 0 || std::isnan(v) || (!std::isnan(best) && (largest ? v >= best : v <= best));
            if (take) best = v, at = k;
            r.out[0]->data[first + k * step] = best;
            r.out[1]->data[first + k * step] = static_cast<double>(at);
          }
        });
      })
      .samples(scan_samples());
}

}  // namespace

void define_scan(OpRegistry& ops) {
  define_cumsum(ops);
  define_cumprod(ops);
  define_running_extreme(ops, "cummax", true);
  define_running_extreme(ops, "cummin", false);
}

}  // namespace trivium::ops
