// Matrix product with broadcast leading axes. The fuser may add a bias and a relu; the gradient
// knows both.
#include <algorithm>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

struct Sizes {
  int64_t m, n, k, k_of_b;
};

Sizes sizes_of(const Shape& a, const Shape& b, const Attrs& attrs) {
  const bool ta = attrs.flag("transpose_a"), tb = attrs.flag("transpose_b");
  return {a[ta ? -1 : -2], b[tb ? -2 : -1], a[ta ? -2 : -1], b[tb ? -1 : -2]};
}

Shape leading(const Shape& s) { return Shape(s.dims().first(s.rank() - 2)); }

void infer_matmul(InferCtx& c) {
  for (int i : {0, 1}) {
    require_floating(c, i);
    require_rank_at_least(c, i, 2);
  }
  require_same_dtype(c, 0, 1);
  const Sizes s = sizes_of(c.shape(0), c.shape(1), c.attrs());
  if (s.k != s.k_of_b)
    c.fail(fmt::format("a has {} columns, b has {} rows", s.k, s.k_of_b),
           "a [.., m, k] x b [.., k, n] after the transposes");
  Shape y = broadcast_shapes(leading(c.shape(0)), leading(c.shape(1)));
  y.push_back(s.m);
  y.push_back(s.n);
  if (c.inputs() == 3) {
    require_same_dtype(c, 0, 2);
    c.require(c.shape(2) == Shape{s.n}, fmt::format("bias of {} expected", s.n),
              "bias.shape == [n]");
  }
  const std::string& activation = c.attrs().string("activation");
  c.require(activation == "none" || activation == "relu", "activation is \"" + activation + "\"",
            "\"none\" or \"relu\"");
  c.output(y, c.dtype(0));
}

/// Leading axes of an untransposed left operand become rows, so a shared right operand is met once.
Value flat(Value v) {
  return reshape(v, Shape{v.shape().count(0, v.shape().rank() - 1), v.shape()[-1]});
}

void grad_matmul(GradCtx& c) {
  const Value a = c.input(0), b = c.input(1);
  const bool ta = c.attrs().flag("transpose_a"), tb = c.attrs().flag("transpose_b");
  Value dz = c.upstream();
  if (c.attrs().string("activation") == "relu") dz = relu_grad(dz, c.output());
  if (c.inputs() == 3 && c.wants(2)) c.to(2, sum_to(dz, c.input(2).shape()));
  if (c.wants(0))
    c.to(0, sum_to(ta ? matmul(b, dz, tb, true) : matmul(dz, b, false, !tb), a.shape()));
  if (!c.wants(1)) return;
  Value left = a, right = dz;
  if (!ta && b.shape().rank() == 2) left = flat(a), right = flat(dz);
  const Value db = tb ? matmul(right, left, true, ta) : matmul(left, right, !ta, false);
  c.to(1, sum_to(db, b.shape()));
}

void reference_matmul(RefCtx& r) {
  const RefTensor &a = *r.in[0], &b = *r.in[1];
  RefTensor& y = *r.out[0];
  const Sizes s = sizes_of(a.shape, b.shape, r.attrs);
  const bool ta = r.attrs.flag("transpose_a"), tb = r.attrs.flag("transpose_b");
  const bool relu = r.attrs.string("activation") == "relu";
  const Shape batch = leading(y.shape);
  const auto product_at = [&](const double* pa, const double* pb, int64_t i, int64_t j) {
    double sum = 0;
    for (int64_t k = 0; k < s.k; ++k)
      sum += pa[ta ? k * s.m + i : i * s.k + k] * pb[tb ? j * s.k + k : k * s.n + j];
    return sum;
  };
  for_each_offset<2>(
      batch,
      {broadcast_strides(leading(a.shape), batch), broadcast_strides(leading(b.shape), batch)},
      [&](int64_t o, const std::array<int64_t, 2>& at) {
        const double *pa = a.data.data() + at[0] * s.m * s.k,
                     *pb = b.data.data() + at[1] * s.k * s.n;
        double* py = y.data.data() + o * s.m * s.n;
        for (int64_t i = 0; i < s.m; ++i)
          for (int64_t j = 0; j < s.n; ++j) {
            const double z = product_at(pa, pb, i, j) + (r.in.size() == 3 ? r.in[2]->data[j] : 0);
            py[i * s.n + j] = relu ? apply(ScalarOp::relu, z) : z;
          }
      });
}

Cost matmul_cost(std::span<const ValueMeta> in, std::span<const ValueMeta> out,
                 const Attrs& attrs) {
  const Sizes s = sizes_of(in[0].shape, in[1].shape, attrs);
  return {2.0 * static_cast<double>(out[0].shape.count()) * static_cast<double>(s.k)};
}

}  // namespace

void define_matmul(OpRegistry& ops) {
  ops.define("matmul")
      .summary(
          "Matrix product of the last two axes, after optional transposes; leading axes broadcast.")
      .formula("y[.., i, j] = activation(sum over k of a[.., i, k] * b[.., k, j] + bias[j])")
      .input("a", "floating [.., m, k], or [.., k, m] when transpose_a")
      .input("b", "floating [.., k, n], or [.., n, k] when transpose_b")
      .optional_input("bias", "[n]")
      .attr("transpose_a", AttrValue(false), "the last two axes of a are exchanged")
      .attr("transpose_b", AttrValue(false), "the last two axes of b are exchanged")
      .attr("activation", "none", "\"none\" or \"relu\"; set by the compiler")
      .output("y", "[.., m, n]")
      .infer(infer_matmul)
      .gradient(grad_matmul)
      .reference(reference_matmul)
      .cost(matmul_cost)
      .samples(
          {{{{2, 3}, {3, 4}}, {}},
           {{{3, 2}, {3, 4}}, {{"transpose_a", true}}},
           {{{2, 3}, {4, 3}}, {{"transpose_b", true}}},
           {{{3, 2}, {4, 3}}, {{"transpose_a", true}, {"transpose_b", true}}},
           {{{2, 3}, {3, 4}, {4}}, {}},
           {{{2, 3}, {4, 3}, {4}}, {{"transpose_b", true}, {"activation", std::string("relu")}}},
           {{{2, 1, 3, 2}, {3, 2, 4}}, {}},
           {{{2, 3, 2}, {2, 4}}, {}},
           {{{2, 2, 3}, {2, 4}}, {{"transpose_a", true}}},
           {{{2, 0}, {0, 3}}, {}},
           {{{17, 33}, {33, 19}}, {}}});
}

}  // namespace trivium::ops
