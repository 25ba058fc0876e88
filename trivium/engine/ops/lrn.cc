// Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3, with alpha /
// size).
#include <algorithm>
#include <cmath>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

void check_lrn(const InferCtx& c, int x) {
  require_floating(c, x);
  require_rank_at_least(c, x, 2);
  const int64_t size = c.attrs().integer("size");
  c.require(size >= 1 && size % 2 == 1 && size < (int64_t{1} << 31),
            fmt::format("size is {}", size), "size is odd and positive");
}

OpDef& lrn_record(OpRegistry& ops, const std::string& name) {
  return ops.define(name)
      .attr("size", 5, "channels in the window, odd; the window is centred and clipped")
      .attr("alpha", AttrValue(1.0), "scale of the sum; divided by size")
      .attr("beta", AttrValue(0.75), "exponent")
      .attr("k", AttrValue(1.0), "added to the sum")
      .cost([](std::span<const ValueMeta>, std::span<const ValueMeta> out, const Attrs& a) {
        return Cost{static_cast<double>(out[0].shape.count()) *
                    static_cast<double>(2 * a.integer("size") + 4)};
      });
}

struct Lrn {
  int64_t half;
  double alpha_over_size, beta, k;
  explicit Lrn(const Attrs& a)
      : half(a.integer("size") / 2),
        alpha_over_size(a.real("alpha") / static_cast<double>(a.integer("size"))),
        beta(a.real("beta")),
        k(a.real("k")) {}
};

/// out[i] = sum of f over the window of channels around i's channel.
template <typename F>
std::vector<double> window_sums(const Shape& shape, int64_t half, F&& f) {
  const AxisView v = view_axis(shape, 1);
  std::vector<double> out(shape.count());
  for (int64_t o = 0; o < v.outer; ++o)
    for (int64_t c = 0; c < v.size; ++c)
      for (int64_t i = 0; i < v.inner; ++i) {
        double sum = 0;
        const int64_t last = std::min(c + half, v.size - 1);
        for (int64_t d = std::max<int64_t>(c - half, 0); d <= last; ++d)
          sum += f((o * v.size + d) * v.inner + i);
        out[(o * v.size + c) * v.inner + i] = sum;
      }
  return out;
}

std::vector<double> scales(const RefTensor& x, const Lrn& p) {
  std::vector<double> s =
      window_sums(x.shape, p.half, [&](int64_t i) { return x.data[i] * x.data[i]; });
  for (double& v : s) v = p.k + p.alpha_over_size * v;
  return s;
}

void reference_lrn(RefCtx& r) {
  const Lrn p(r.attrs);
  const std::vector<double> s = scales(*r.in[0], p);
  for (size_t i = 0; i < s.size(); ++i)
    r.out[0]->data[i] = r.in[0]->data[i] * std::pow(s[i], -p.beta);
}

void reference_lrn_grad(RefCtx& r) {
  const Lrn p(r.attrs);
  const RefTensor &dy = *r.in[0], &x = *r.in[1];
  const std::vector<double> s = scales(x, p);
  const std::vector<double> pulled = window_sums(x.shape, p.half, [&](int64_t i) {
    return dy.data[i] * x.data[i] * std::pow(s[i], -p.beta - 1);
  });
  for (size_t i = 0; i < s.size(); ++i)
    r.out[0]->data[i] = dy.data[i] * std::pow(s[i], -p.beta) -
                        2 * p.alpha_over_size * p.beta * x.data[i] * pulled[i];
}

/// Sum over the channel window / size, with ordinary ops: an average pooling of [N, 1, C, rest].
Value window_mean(Value x, int64_t size) {
  const Shape& s = x.shape();
  const int64_t half = size / 2;
  const PoolAttrs pool{{size, 1}, {1, 1}, {half, 0}, {half, 0}, false};
  return reshape(avg_pool(reshape(x, Shape{s[0], 1, s[1], s.count(2)}), pool, true), s);
}

/// The formula of lrn_grad in ordinary ops; what its own gradient is taken of.
std::vector<Value> lrn_grad_expression(const std::vector<Value>& in, const Attrs& a) {
  const Value dy = in[0], x = in[1];
  const int64_t size = a.integer("size");
  const double beta = a.real("beta");
  const Value s = add(mul(window_mean(square(x), size), a.real("alpha")), a.real("k"));
  const Value pulled = window_mean(mul(mul(dy, x), pow(s, -beta - 1)), size);
  return {sub(mul(dy, pow(s, -beta)), mul(mul(x, pulled), 2 * a.real("alpha") * beta))};
}

}  // namespace

void define_lrn(OpRegistry& ops) {
  const Attrs narrow{{"size", int64_t{3}}, {"alpha", 0.5}, {"beta", 0.75}, {"k", 2.0}};
  const Attrs wide{{"size", int64_t{5}}, {"alpha", 1.0}, {"beta", 0.6}, {"k", 1.0}};
  lrn_record(ops, "lrn")
      .summary("Local response normalisation across channels.")
      .formula(
          "y[c] = x[c] * s[c]^-beta,  s[c] = k + alpha / size * sum of x[d]^2 over |d - c| <= "
          "(size - 1) / 2")
      .input("x", "floating [N, C, …]")
      .output("y", "shape of x")
      .infer([](InferCtx& c) {
        check_lrn(c, 0);
        c.output(c.shape(0), c.dtype(0));
      })
      .gradient([](GradCtx& c) {
        c.to(0, c.graph().op("lrn_grad", {c.upstream(), c.input(0)}, c.attrs()));
      })
      .reference(reference_lrn)
      .samples({{{{2, 4, 3}}, narrow}, {{{1, 7, 2, 2}}, wide}, {{{2, 3}}, wide}});
  lrn_record(ops, "lrn_grad")
      .summary("Gradient of lrn.")
      .formula(
          "dx[c] = dy[c] s[c]^-beta - 2 alpha beta / size x[c] * sum of dy[d] x[d] s[d]^(-beta - "
          "1) over the window")
      .input("dy", "floating [N, C, …]")
      .input("x", "shape of dy; the input of lrn")
      .output("dx", "shape of x")
      .infer([](InferCtx& c) {
        check_lrn(c, 0);
        require_same_dtype(c, 0, 1);
        c.require(c.shape(0) == c.shape(1), "dy and x have different shapes", "equal shapes");
        c.output(c.shape(1), c.dtype(1));
      })
      .gradient(through(lrn_grad_expression))
      .reference(reference_lrn_grad)
      .samples({{{{2, 4, 3}, {2, 4, 3}}, narrow}, {{{1, 7, 2, 2}, {1, 7, 2, 2}}, wide}});
}

}  // namespace trivium::ops
