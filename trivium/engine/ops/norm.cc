// Batch normalisation by the statistics of the batch (Ioffe & Szegedy 2015). Running averages are
// the caller's: mean and variance are outputs.
#include <cmath>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

/// Shape [1, C, 1, …] in which per-channel values meet an image.
Shape channel_shape(const Shape& x) {
  Shape s;
  for (int i = 0; i < x.rank(); ++i) s.push_back(i == 1 ? x[1] : 1);
  return s;
}

Ints other_axes(const Shape& x) {
  Ints axes{0};
  for (int i = 2; i < x.rank(); ++i) axes.push_back(i);
  return axes;
}

double group_count(const Shape& x) {
  return static_cast<double>(x.count() / std::max<int64_t>(x[1], 1));
}

void require_channel_vector(const InferCtx& c, int input, int image) {
  require_same_dtype(c, input, image);
  c.require(c.shape(input) == Shape{c.shape(image)[1]},
            fmt::format("operand {} has shape {}, [{}] expected", input, c.shape(input).text(),
                        c.shape(image)[1]),
            "one value a channel: [C]");
}

void require_like(const InferCtx& c, int input, int other) {
  require_same_dtype(c, input, other);
  c.require(c.shape(input) == c.shape(other),
            fmt::format("operand {} has shape {}, {} expected", input, c.shape(input).text(),
                        c.shape(other).text()),
            "equal shapes");
}

void infer_batch_norm(InferCtx& c) {
  require_floating(c, 0);
  require_rank_at_least(c, 0, 2);
  c.require(c.shape(0).count() > 0 || c.shape(0)[1] == 0, "there is nothing to take statistics of",
            "x has elements");
  for (int i = 1; i < std::min(c.inputs(), 3); ++i) require_channel_vector(c, i, 0);
  if (c.inputs() == 4) require_like(c, 3, 0);
  const std::string& activation = c.attrs().string("activation");
  c.require(activation == "none" || activation == "relu", "activation is \"" + activation + "\"",
            "\"none\" or \"relu\"");
  c.output(c.shape(0), c.dtype(0));
  for (int i = 0; i < 3; ++i) c.output(Shape{c.shape(0)[1]}, c.dtype(0));
}

/// Calls body(channel, offset) for every element.
template <typename Body>
void for_each_element(const Shape& x, Body&& body) {
  const AxisView v = view_axis(x, 1);
  int64_t i = 0;
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t c = 0; c < v.size; ++c)
      for (int64_t k = 0; k < v.inner; ++k) body(c, i++);
}

void reference_batch_norm(RefCtx& r) {
  const RefTensor& x = *r.in[0];
  auto &y = r.out[0]->data, &mean = r.out[1]->data, &variance = r.out[2]->data,
       &invstd = r.out[3]->data;
  const double count = group_count(x.shape);
  for_each_element(x.shape, [&](int64_t c, int64_t i) { mean[c] += x.data[i] / count; });
  for_each_element(x.shape, [&](int64_t c, int64_t i) {
    variance[c] += (x.data[i] - mean[c]) * (x.data[i] - mean[c]) / count;
  });
  for (size_t c = 0; c < mean.size(); ++c)
    invstd[c] = 1 / std::sqrt(variance[c] + r.attrs.real("eps"));
  for_each_element(x.shape, [&](int64_t c, int64_t i) {
    const double normal = (x.data[i] - mean[c]) * invstd[c];
    const double gamma = r.in.size() > 1 ? r.in[1]->data[c] : 1,
                 beta = r.in.size() > 2 ? r.in[2]->data[c] : 0;
    const double sum = normal * gamma + beta + (r.in.size() > 3 ? r.in[3]->data[i] : 0);
    y[i] = r.attrs.string("activation") == "relu" ? apply(ScalarOp::relu, sum) : sum;
  });
}

/// What the statistics themselves hand back to x, when somebody differentiates them.
Value through_statistics(GradCtx& c) {
  const Value x = c.input(0), mean = c.output(1), invstd = c.output(3);
  const Shape row = channel_shape(x.shape());
  const double count = group_count(x.shape());
  Value total;
  const auto gather_term = [&](Value term) { total = total.defined() ? add(total, term) : term; };
  if (c.has_upstream(1))
    gather_term(broadcast_to(reshape(div(c.upstream(1), count), row), x.shape()));
  Value dvariance;
  if (c.has_upstream(2)) dvariance = c.upstream(2);
  if (c.has_upstream(3)) {  // invstd = (variance + eps)^-1/2
    const Value part = mul(mul(c.upstream(3), -0.5), mul(invstd, square(invstd)));
    dvariance = dvariance.defined() ? add(dvariance, part) : part;
  }
  if (dvariance.defined())
    gather_term(mul(sub(x, reshape(mean, row)), reshape(mul(dvariance, 2.0 / count), row)));
  return total;
}

void grad_batch_norm(GradCtx& c) {
  Value dx;
  if (c.has_upstream(0)) {
    Value dy = c.upstream(0);
    if (c.attrs().string("activation") == "relu") dy = relu_grad(dy, c.output());
    std::vector<Value> operands{dy, c.input(0), c.output(1), c.output(3)};
    if (c.inputs() > 1) operands.push_back(c.input(1));
    const Value first = c.graph().op("batch_norm_grad", operands);
    dx = first;
    for (int i = 1; i < std::min(c.inputs(), 3); ++i) c.to(i, c.graph().output_of(first, i));
    if (c.inputs() > 3) c.to(3, dy);
  }
  if (!c.wants(0)) return;
  const Value extra = through_statistics(c);
  if (extra.defined()) dx = dx.defined() ? add(dx, extra) : extra;
  c.to(0, dx);
}

void infer_batch_norm_grad(InferCtx& c) {
  require_floating(c, 0);
  require_rank_at_least(c, 0, 2);
  require_same_dtype(c, 0, 1);
  c.require(c.shape(0) == c.shape(1), "dy and x have different shapes", "equal shapes");
  for (int i = 2; i < std::min(c.inputs(), 5); ++i) require_channel_vector(c, i, 1);
  if (c.inputs() == 6) require_like(c, 5, 1);
  c.output(c.shape(1), c.dtype(1));
  for (int i = 0; i < 2; ++i) c.output(Shape{c.shape(1)[1]}, c.dtype(1));
}

void reference_batch_norm_grad(RefCtx& r) {
  const RefTensor &dy = *r.in[0], &x = *r.in[1];
  const auto &mean = r.in[2]->data, &invstd = r.in[3]->data;
  auto &dx = r.out[0]->data, &dgamma = r.out[1]->data, &dbeta = r.out[2]->data;
  const auto normal = [&](int64_t c, int64_t i) { return (x.data[i] - mean[c]) * invstd[c]; };
  const auto arriving = [&](int64_t i) {
    return r.in.size() < 6 ? dy.data[i] : apply(ScalarOp::relu_grad, dy.data[i], r.in[5]->data[i]);
  };
  for_each_element(x.shape, [&](int64_t c, int64_t i) {
    dgamma[c] += arriving(i) * normal(c, i);
    dbeta[c] += arriving(i);
  });
  const double count = group_count(x.shape);
  for_each_element(x.shape, [&](int64_t c, int64_t i) {
    const double gamma = r.in.size() > 4 ? r.in[4]->data[c] : 1;
    dx[i] = gamma * invstd[c] * (arriving(i) - dbeta[c] / count - normal(c, i) * dgamma[c] / count);
  });
}

/// The formula of batch_norm_grad in ordinary ops; what its own gradient is taken of.
std::vector<Value> grad_expression(const std::vector<Value>& in, const Attrs&) {
  const Value dy = in.size() > 5 ? relu_grad(in[0], in[5]) : in[0], x = in[1];
  const Shape row = channel_shape(x.shape());
  const Ints axes = other_axes(x.shape());
  const double count = group_count(x.shape());
  const Value invstd = reshape(in[3], row);
  const Value normal = mul(sub(x, reshape(in[2], row)), invstd);
  const Value dgamma = sum(mul(dy, normal), axes), dbeta = sum(dy, axes);
  const Value centred = sub(dy, div(reshape(dbeta, row), count));
  Value dx = mul(invstd, sub(centred, mul(normal, div(reshape(dgamma, row), count))));
  if (in.size() > 4) dx = mul(dx, reshape(in[4], row));
  return {dx, dgamma, dbeta};
}

}  // namespace

void define_norm(OpRegistry& ops) {
  ops.define("batch_norm")
      .summary(
          "Normalises every channel by mean and biased variance over all other axes. Statistics "
          "are taken in "
          "two passes.")
      .formula(
          "y = activation((x - mean) * invstd [* gamma [+ beta [+ addend]]]),  invstd = (variance "
          "+ eps)^-1/2")
      .input("x", "floating [N, C, spatial…]")
      .optional_input("gamma", "[C], factor")
      .optional_input("beta", "[C], offset")
      .optional_input("addend", "shape of x; set by the compiler")
      .attr("eps", AttrValue(1e-5), "added to the variance")
      .attr("activation", "none", "\"none\" or \"relu\"; set by the compiler")
      .output("y", "shape of x")
      .output("mean", "[C]")
      .output("variance", "[C], mean of (x - mean)^2")
      .output("invstd", "[C]")
      .infer(infer_batch_norm)
      .gradient(grad_batch_norm)
      .reference(reference_batch_norm)
      .in_place(0)
      .cost(flops_per_output(7))
      .samples({{{{4, 3}}, {}},
                {{{2, 3, 2, 2}}, {{"eps", 0.1}}},
                {{{2, 3, 4}, {3}}, {}},
                {{{2, 2, 3, 2}, {2}, {2}}, {}},
                {{{2, 2, 3, 2}, {2}, {2}, {2, 2, 3, 2}}, {}},
                {{{2, 2, 3, 2}, {2}, {2}, {2, 2, 3, 2}}, {{"activation", std::string("relu")}}}});
  ops.define("batch_norm_grad")
      .summary("Gradient of batch_norm through y, statistics included.")
      .formula(
          "dx = gamma * invstd * (dy - mean(dy) - n * mean(dy * n)),  dgamma = sum(dy * n),  dbeta "
          "= sum(dy),  "
          "n = (x - mean) * invstd")
      .input("dy", "floating [N, C, spatial…]")
      .input("x", "shape of dy")
      .input("mean", "[C]")
      .input("invstd", "[C]")
      .optional_input("gamma", "[C]")
      .optional_input("y",
                      "shape of dy, the output of a relu that dy passes first; set by the compiler")
      .output("dx", "shape of x")
      .output("dgamma", "[C]")
      .output("dbeta", "[C]")
      .infer(infer_batch_norm_grad)
      .gradient(through(grad_expression))
      .reference(reference_batch_norm_grad)
      .in_place(0)
      .cost(flops_per_output(9))
      .samples(
          {{{{4, 3}, {4, 3}, {3}, SampleInput({3}, SampleInput::positive)}, {}},
           {{{2, 2, 3, 2}, {2, 2, 3, 2}, {2}, SampleInput({2}, SampleInput::positive), {2}}, {}},
           {{{2, 2, 3, 2},
             {2, 2, 3, 2},
             {2},
             SampleInput({2}, SampleInput::positive),
             {2},
             {2, 2, 3, 2}},
            {}}});
}

}  // namespace trivium::ops
