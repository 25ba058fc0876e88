// Layer normalisation (Ba, Kiros & Hinton 2016): every row over the last axes by its own mean and
// variance. A row is one entry of the leading axes.
#include <cmath>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

/// x as [rows, size]: how many of its axes lead, and the shapes of both parts.
struct Parts {
  int leading = 0;
  Shape rows, row;
  int64_t count() const { return rows.count(); }
  int64_t size() const { return row.count(); }
};

Parts parts_of(const Shape& x, const Attrs& attrs) {
  Parts p;
  p.leading = x.rank() - static_cast<int>(attrs.integer("axes"));
  for (int i = 0; i < x.rank(); ++i) (i < p.leading ? p.rows : p.row).push_back(x[i]);
  return p;
}

Parts checked_parts(const InferCtx& c, int input) {
  const Shape& x = c.shape(input);
  const int64_t axes = c.attrs().integer("axes");
  c.require(axes >= 1 && axes <= x.rank(),
            fmt::format("{} normalised axes of a shape of rank {}", axes, x.rank()),
            "1 <= axes <= rank");
  const Parts p = parts_of(x, c.attrs());
  c.require(p.size() > 0, "there is nothing to take statistics of", "rows have elements");
  return p;
}

void require_row(const InferCtx& c, int input, int image, const Shape& row) {
  require_same_dtype(c, input, image);
  c.require(
      c.shape(input) == row,
      fmt::format("operand {} has shape {}, {} expected", input, c.shape(input).text(), row.text()),
      "the shape of the normalised axes");
}

void infer_layer_norm(InferCtx& c) {
  require_floating(c, 0);
  const Parts p = checked_parts(c, 0);
  for (int i = 1; i < c.inputs(); ++i) require_row(c, i, 0, p.row);
  c.output(c.shape(0), c.dtype(0));
  for (int i = 0; i < 2; ++i) c.output(p.rows, c.dtype(0));
}

void reference_layer_norm(RefCtx& r) {
  const RefTensor& x = *r.in[0];
  const Parts p = parts_of(x.shape, r.attrs);
  const int64_t n = p.size();
  for (int64_t row = 0; row < p.count(); ++row) {
    const double* in = x.data.data() + row * n;
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < n; ++i) mean += in[i] / static_cast<double>(n);
    for (int64_t i = 0; i < n; ++i)
      variance += (in[i] - mean) * (in[i] - mean) / static_cast<double>(n);
    const double invstd = 1 / std::sqrt(variance + r.attrs.real("eps"));
    r.out[1]->data[row] = mean;
    r.out[2]->data[row] = invstd;
    for (int64_t i = 0; i < n; ++i)
      r.out[0]->data[row * n + i] =
          (in[i] - mean) * invstd * (r.in.size() > 1 ? r.in[1]->data[i] : 1) +
          (r.in.size() > 2 ? r.in[2]->data[i] : 0);
  }
}

Ints row_axes(const Shape& x, const Parts& p) {
  Ints axes;
  for (int i = p.leading; i < x.rank(); ++i) axes.push_back(i);
  return axes;
}

/// The shape in which one value a row meets x.
Shape kept(const Shape& x, const Parts& p) {
  Shape s;
  for (int i = 0; i < x.rank(); ++i) s.push_back(i < p.leading ? x[i] : 1);
  return s;
}

std::vector<Value> forward_expression(const std::vector<Value>& in, const Attrs& attrs) {
  const Value x = in[0];
  const Parts p = parts_of(x.shape(), attrs);
  const Ints axes = row_axes(x.shape(), p);
  const Value average = mean(x, axes, true), centred = sub(x, average);
  const Value invstd = rsqrt(add(mean(square(centred), axes, true), attrs.real("eps")));
  Value y = mul(centred, invstd);
  if (in.size() > 1) y = mul(y, in[1]);
  if (in.size() > 2) y = add(y, in[2]);
  return {y, reshape(average, p.rows), reshape(invstd, p.rows)};
}

void grad_layer_norm(GradCtx& c) {
  if (c.has_upstream(1) || c.has_upstream(2)) {  // the statistics themselves are differentiated
    through(forward_expression)(c);
    return;
  }
  if (!c.has_upstream(0)) return;
  std::vector<Value> operands{c.upstream(0), c.input(0), c.output(1), c.output(2)};
  if (c.inputs() > 1) operands.push_back(c.input(1));
  const Value dx = c.graph().op("layer_norm_grad", operands, {{"axes", c.attrs().integer("axes")}});
  if (c.wants(0)) c.to(0, dx);
  for (int i = 1; i < c.inputs(); ++i)
    if (c.wants(i)) c.to(i, c.graph().output_of(dx, i));
}

void infer_grad(InferCtx& c) {
  require_floating(c, 0);
  require_same_dtype(c, 0, 1);
  c.require(c.shape(0) == c.shape(1), "dy and x have different shapes", "equal shapes");
  const Parts p = checked_parts(c, 1);
  for (int i = 2; i < 4; ++i) {
    require_same_dtype(c, i, 1);
    c.require(
        c.shape(i) == p.rows,
        fmt::format("operand {} has shape {}, {} expected", i, c.shape(i).text(), p.rows.text()),
        "the shape of the leading axes");
  }
  c.output(c.shape(1), c.dtype(1));
  if (c.inputs() < 5) return;
  require_row(c, 4, 1, p.row);
  for (int i = 0; i < 2; ++i) c.output(p.row, c.dtype(1));
}

void reference_grad(RefCtx& r) {
  const RefTensor &dy = *r.in[0], &x = *r.in[1];
  const Parts p = parts_of(x.shape, r.attrs);
  const int64_t n = p.size();
  const bool scaled = r.in.size() > 4;
  for (int64_t row = 0; row < p.count(); ++row) {
    const double mean = r.in[2]->data[row], invstd = r.in[3]->data[row];
    const auto g = [&](int64_t i) {
      return dy.data[row * n + i] * (scaled ? r.in[4]->data[i] : 1);
    };
    const auto normal = [&](int64_t i) { return (x.data[row * n + i] - mean) * invstd; };
    double sum = 0, product = 0;
    for (int64_t i = 0; i < n; ++i) sum += g(i), product += g(i) * normal(i);
    for (int64_t i = 0; i < n; ++i) {
      r.out[0]->data[row * n + i] = invstd * (g(i) - sum / static_cast<double>(n) -
                                              normal(i) * product / static_cast<double>(n));
      if (!scaled) continue;
      r.out[1]->data[i] += dy.data[row * n + i] * normal(i);
      r.out[2]->data[i] += dy.data[row * n + i];
    }
  }
}

std::vector<Value> grad_expression(const std::vector<Value>& in, const Attrs& attrs) {
  const Value dy = in[0], x = in[1];
  const Parts p = parts_of(x.shape(), attrs);
  const Ints axes = row_axes(x.shape(), p);
  const Shape column = kept(x.shape(), p);
  const Value invstd = reshape(in[3], column);
  const Value normal = mul(sub(x, reshape(in[2], column)), invstd);
  const Value g = in.size() > 4 ? mul(dy, in[4]) : dy;
  const Value centred =
      sub(sub(g, mean(g, axes, true)), mul(normal, mean(mul(g, normal), axes, true)));
  const Value dx = mul(invstd, centred);
  if (in.size() < 5) return {dx};
  return {dx, sum_to(mul(dy, normal), p.row), sum_to(dy, p.row)};
}

OpDef::Decompose decomposition(Expression expression) {
  return [expression](Graph&, std::span<const Value> in, const Attrs& attrs) {
    return expression({in.begin(), in.end()}, attrs);
  };
}

}  // namespace

void define_layer_norm(OpRegistry& ops) {
  ops.define("layer_norm")
      .summary(
          "Normalises every row over the last `axes` axes by its mean and biased variance, taken "
          "in two passes.")
      .formula("y = (x - mean) * invstd [* gamma [+ beta]],  invstd = (variance + eps)^-1/2")
      .input("x", "floating [rows…, row…]")
      .optional_input("gamma", "[row…], factor")
      .optional_input("beta", "[row…], offset")
      .required_attr("axes", int64_t{1}, "how many of the last axes make a row, >= 1")
      .attr("eps", AttrValue(1e-5), "added to the variance")
      .output("y", "shape of x")
      .output("mean", "[rows…]")
      .output("invstd", "[rows…]")
      .infer(infer_layer_norm)
      .gradient(grad_layer_norm)
      .reference(reference_layer_norm)
      .decompose(decomposition(forward_expression))
      .in_place(0)
      .cost(flops_per_output(7))
      .samples({{{{4, 6}}, {{"axes", int64_t{1}}}},
                {{{2, 3, 5}, {5}}, {{"axes", int64_t{1}}, {"eps", 0.1}}},
                {{{3, 2, 4}, {2, 4}, {2, 4}}, {{"axes", int64_t{2}}}},
                {{{19}, {19}, {19}}, {{"axes", int64_t{1}}}}});
  const SampleInput scale({4}, SampleInput::positive), scales({2, 3}, SampleInput::positive);
  ops.define("layer_norm_grad")
      .summary("Gradient of layer_norm through y, statistics included.")
      .formula(
          "dx = invstd * (g - mean(g) - n * mean(g * n)),  dgamma = sum(dy * n),  dbeta = sum(dy), "
          " g = dy [* gamma],  n = (x - mean) * invstd")
      .input("dy", "floating [rows…, row…]")
      .input("x", "shape of dy")
      .input("mean", "[rows…]")
      .input("invstd", "[rows…]")
      .optional_input("gamma", "[row…]")
      .required_attr("axes", int64_t{1}, "as in layer_norm")
      .output("dx", "shape of x")
      .output("dgamma", "[row…], only with gamma")
      .output("dbeta", "[row…], only with gamma")
      .infer(infer_grad)
      .gradient(through(grad_expression))
      .reference(reference_grad)
      .decompose(decomposition(grad_expression))
      .in_place(0)
      .cost(flops_per_output(9))
      .samples({{{{4, 6}, {4, 6}, {4}, scale}, {{"axes", int64_t{1}}}},
                {{{2, 3, 5}, {2, 3, 5}, {2, 3}, scales, {5}}, {{"axes", int64_t{1}}}},
                {{{4, 2, 3}, {4, 2, 3}, {4}, scale, {2, 3}}, {{"axes", int64_t{2}}}}});
}

}  // namespace trivium::ops
