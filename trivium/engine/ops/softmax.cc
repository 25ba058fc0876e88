// Softmax and its logarithm along one axis. The maximum is subtracted first, so nothing overflows.
#include <algorithm>
#include <cmath>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

void infer_softmax(InferCtx& c) {
  require_floating(c, 0);
  c.axis("axis");
  c.output(c.shape(0), c.dtype(0));
}

/// y = f(x - max, sum of exp(x - max)) along the axis.
void reference_rows(RefCtx& r, double (*f)(double shifted, double total)) {
  const RefTensor& x = *r.in[0];
  const AxisView v = view_axis(x.shape, static_cast<int>(r.attrs.integer("axis")));
  if (v.size == 0) return;
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t i = 0; i < v.inner; ++i) {
      const auto at = [&](int64_t k) { return (o * v.size + k) * v.inner + i; };
      double largest = x.data[at(0)], total = 0;
      for (int64_t k = 1; k < v.size; ++k) largest = std::max(largest, x.data[at(k)]);
      for (int64_t k = 0; k < v.size; ++k) total += std::exp(x.data[at(k)] - largest);
      for (int64_t k = 0; k < v.size; ++k)
        r.out[0]->data[at(k)] = f(x.data[at(k)] - largest, total);
    }
}

OpDef& softmax_record(OpRegistry& ops, const std::string& name) {
  return ops.define(name)
      .input("x", "floating, rank >= 1")
      .attr("axis", -1, "axis whose exponentials sum to one; negative counts from the end")
      .output("y", "shape and dtype of x")
      .infer(infer_softmax)
      .in_place(0)
      .cost(flops_per_output(5))
      .samples({{{{2, 3}}, {}},
                {{{4, 1, 5}}, {{"axis", int64_t{0}}}},
                {{{2, 3, 2, 2}}, {{"axis", int64_t{1}}}},
                {{{3, 40}}, {{"axis", int64_t{1}}}}});
}

}  // namespace

void define_softmax(OpRegistry& ops) {
  softmax_record(ops, "softmax")
      .summary("Exponentials along one axis divided by their sum.")
      .formula("y[i] = exp(x[i] - max x) / sum over j of exp(x[j] - max x)")
      .gradient([](GradCtx& c) {  // dx = y * (dy - sum(dy * y))
        const Value y = c.output(), dy = c.upstream();
        c.to(0, mul(y, sub(dy, sum(mul(dy, y), {c.attrs().integer("axis")}, true))));
      })
      .reference([](RefCtx& r) {
        reference_rows(r, [](double shifted, double total) { return std::exp(shifted) / total; });
      });
  softmax_record(ops, "log_softmax")
      .summary("Logarithm of softmax along one axis.")
      .formula("y[i] = x[i] - max x - log(sum over j of exp(x[j] - max x))")
      .gradient([](GradCtx& c) {  // dx = dy - softmax(x) * sum(dy)
        const Value dy = c.upstream();
        c.to(0, sub(dy, mul(exp(c.output()), sum(dy, {c.attrs().integer("axis")}, true))));
      })
      .reference([](RefCtx& r) {
        reference_rows(r, [](double shifted, double total) { return shifted - std::log(total); });
      });
}

}  // namespace trivium::ops
