// Ops that move elements without computing: reshape, permute, broadcast, slice, concat, pad, flip.
#include <algorithm>
#include <cmath>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

using Strides = std::array<int64_t, Shape::kMaxRank>;

/// y[i] = x[offset + i · strides]: every op below but concat is this with its own strides.
void copy_strided(const RefTensor& x, int64_t offset, const Strides& strides, RefTensor& y) {
  for_each_offset<1>(y.shape, {strides}, [&](int64_t i, const std::array<int64_t, 1>& at) {
    y.data[i] = x.data[offset + at[0]];
  });
}

/// x[offset + i · strides] = value of part[i].
void place_strided(const RefTensor& part, int64_t offset, const Strides& strides, RefTensor& x) {
  for_each_offset<1>(part.shape, {strides}, [&](int64_t i, const std::array<int64_t, 1>& at) {
    x.data[offset + at[0]] = part.data[i];
  });
}

void define_reshape(OpRegistry& ops) {
  ops.define("reshape")
      .summary("The same elements in row-major order under another shape.")
      .formula("y[flat] = x[flat]")
      .input("x", "any dtype")
      .required_attr("shape", Ints{}, "new shape, of as many elements")
      .output("y", "dtype of x")
      .infer([](InferCtx& c) {
        const Shape y = require_shape(c, "shape");
        c.require(y.count() == c.shape(0).count(),
                  fmt::format("{} elements do not fit shape {} of {}", c.shape(0).count(), y.text(),
                              y.count()),
                  "equal numbers of elements");
        c.output(y, c.dtype(0));
      })
      .gradient([](GradCtx& c) { c.to(0, reshape(c.upstream(), c.input(0).shape())); })
      .reference([](RefCtx& r) { r.out[0]->data = r.in[0]->data; })
      .view()
      .samples({{{{2, 3}}, {{"shape", Ints{3, 2}}}},
                {{{4}}, {{"shape", Ints{2, 1, 2}}}},
                {{{1}}, {{"shape", Ints{}}}}});
}

std::optional<Ints> permutation(const InferCtx& c) {
  const Ints& perm = c.attrs().integers("perm");
  if (static_cast<int>(perm.size()) != c.shape(0).rank()) return std::nullopt;
  if (perm.empty()) return Ints{};
  return normal_axes(perm, c.shape(0).rank());
}

void define_permute(OpRegistry& ops) {
  ops.define("permute")
      .summary("Reorders the axes: axis i of the result is axis perm[i] of x.")
      .formula("y[i_0, i_1, …] = x with i_k at axis perm[k]")
      .input("x", "any dtype")
      .required_attr("perm", Ints{}, "each axis of x once")
      .output("y", "dtype of x")
      .infer([](InferCtx& c) {
        const Ints& perm = c.attrs().integers("perm");
        c.require(permutation(c).has_value(), "perm is not a permutation of the axes of x",
                  "each of 0 … rank - 1 once");
        Shape y;
        for (int64_t axis : perm) y.push_back(c.shape(0)[static_cast<int>(axis)]);
        c.output(y, c.dtype(0));
      })
      .gradient([](GradCtx& c) {
        const Ints& perm = c.attrs().integers("perm");
        Ints back(perm.size());
        for (size_t i = 0; i < perm.size(); ++i)
          back[c.input(0).shape().axis(static_cast<int>(perm[i]))] = static_cast<int64_t>(i);
        c.to(0, permute(c.upstream(), back));
      })
      .reference([](RefCtx& r) {
        const Strides own = strides_of(r.in[0]->shape);
        Strides moved{};
        const Ints& perm = r.attrs.integers("perm");
        for (size_t i = 0; i < perm.size(); ++i)
          moved[i] = own[r.in[0]->shape.axis(static_cast<int>(perm[i]))];
        copy_strided(*r.in[0], 0, moved, *r.out[0]);
      })
      .samples({{{{2, 3}}, {{"perm", Ints{1, 0}}}},
                {{{2, 3, 4}}, {{"perm", Ints{2, 0, 1}}}},
                {{{2, 3, 4, 5}}, {{"perm", Ints{0, 2, 3, 1}}}},
                {{{}}, {{"perm", Ints{}}}}});
}

void define_broadcast(OpRegistry& ops) {
  ops.define("broadcast_to")
      .summary("Repeats x along axes of size 1 and new leading axes until it has `shape`.")
      .formula("y[i] = x[i with 0 along repeated axes]")
      .input("x", "any dtype; broadcasts to shape by NumPy's rule")
      .required_attr("shape", Ints{}, "shape of the result")
      .output("y", "dtype of x")
      .infer([](InferCtx& c) {
        const Shape y = require_shape(c, "shape");
        c.require(broadcasts_to(c.shape(0), y),
                  fmt::format("{} does not broadcast to {}", c.shape(0).text(), y.text()),
                  "sizes counted from the last axis are equal or 1");
        c.output(y, c.dtype(0));
      })
      .gradient([](GradCtx& c) { c.to(0, sum_to(c.upstream(), c.input(0).shape())); })
      .reference([](RefCtx& r) {
        copy_strided(*r.in[0], 0, broadcast_strides(r.in[0]->shape, r.out[0]->shape), *r.out[0]);
      })
      .samples({{{{3}}, {{"shape", Ints{2, 3}}}},
                {{{2, 1, 4}}, {{"shape", Ints{2, 3, 4}}}},
                {{{}}, {{"shape", Ints{2}}}}});
}

void infer_slice(InferCtx& c) {
  const Shape& x = c.shape(0);
  const auto &starts = require_integers(c, "starts", x.rank(), 0),
             &stops = require_integers(c, "stops", x.rank(), 0);
  const auto& steps = require_integers(c, "steps", x.rank(), 1);
  Shape y;
  for (int i = 0; i < x.rank(); ++i) {
    if (starts[i] > stops[i] || stops[i] > x[i])
      c.fail(fmt::format("[{}, {}) of axis {} of size {}", starts[i], stops[i], i, x[i]),
             "0 <= start <= stop <= size");
    y.push_back((stops[i] - starts[i] + steps[i] - 1) / steps[i]);
  }
  c.output(y, c.dtype(0));
}

/// dy with step - 1 zeros after each element along `axis`, cut to `size`.
Value spaced_out(Value dy, int axis, int64_t step, int64_t size) {
  const Shape& s = dy.shape();
  const AxisView v = view_axis(s, axis);
  Value wide =
      pad(reshape(dy, Shape{v.outer, v.size, 1, v.inner}), {0, 0, 0, 0}, {0, 0, step - 1, 0});
  wide = reshape(wide, Shape{v.outer, v.size * step, v.inner});
  if (size < v.size * step) wide = slice(wide, {0, 0, 0}, {v.outer, size, v.inner});
  Shape y = s;
  y.set(axis, std::min(size, v.size * step));
  return reshape(wide, y);
}

void grad_slice(GradCtx& c) {
  const Shape& x = c.input(0).shape();
  const Ints starts = c.attrs().integers("starts"), steps = c.attrs().integers("steps");
  Value dx = c.upstream();
  Ints after;
  for (int i = 0; i < x.rank(); ++i) {
    if (steps[i] > 1) dx = spaced_out(dx, i, steps[i], x[i] - starts[i]);
    after.push_back(x[i] - starts[i] - dx.shape()[i]);
  }
  c.to(0, pad(dx, starts, after));
}

void define_slice(OpRegistry& ops) {
  ops.define("slice")
      .summary("A box of x, optionally every step-th element.")
      .formula("y[i] = x[starts + i * steps]")
      .input("x", "any dtype")
      .required_attr("starts", Ints{}, "first index, one entry an axis")
      .required_attr("stops", Ints{}, "one past the last index")
      .required_attr("steps", Ints{}, "distance of elements, >= 1")
      .output("y", "dtype of x; ceil((stop - start) / step) along each axis")
      .infer(infer_slice)
      .gradient(grad_slice)
      .reference([](RefCtx& r) {
        Strides strides = strides_of(r.in[0]->shape);
        int64_t offset = 0;
        for (int i = 0; i < r.in[0]->shape.rank(); ++i) {
          offset += r.attrs.integers("starts")[i] * strides[i];
          strides[i] *= r.attrs.integers("steps")[i];
        }
        copy_strided(*r.in[0], offset, strides, *r.out[0]);
      })
      .samples(
          {{{{4, 5}}, {{"starts", Ints{1, 0}}, {"stops", Ints{3, 5}}, {"steps", Ints{1, 1}}}},
           {{{5, 7}}, {{"starts", Ints{0, 1}}, {"stops", Ints{5, 6}}, {"steps", Ints{2, 3}}}},
           {{{3, 4}}, {{"starts", Ints{1, 2}}, {"stops", Ints{1, 4}}, {"steps", Ints{1, 1}}}}});
}

void infer_concat(InferCtx& c) {
  const int axis = c.axis("axis");
  Shape y = c.shape(0);
  for (int i = 1; i < c.inputs(); ++i) {
    require_same_dtype(c, 0, i);
    bool fits = c.shape(i).rank() == y.rank();
    for (int k = 0; fits && k < y.rank(); ++k) fits = k == axis || c.shape(i)[k] == y[k];
    c.require(fits,
              fmt::format("operand {} of shape {} does not fit {}", i, c.shape(i).text(),
                          c.shape(0).text()),
              fmt::format("equal sizes along all axes but {}", axis));
    y.set(axis, y[axis] + c.shape(i)[axis]);
  }
  c.output(y, c.dtype(0));
}

void grad_concat(GradCtx& c) {
  const Value dy = c.upstream();
  const int axis = dy.shape().axis(static_cast<int>(c.attrs().integer("axis")));
  Ints starts(dy.shape().rank(), 0), stops = dy.shape().vec();
  for (int i = 0; i < c.inputs(); ++i) {
    stops[axis] = starts[axis] + c.input(i).shape()[axis];
    if (c.wants(i)) c.to(i, slice(dy, starts, stops));
    starts[axis] = stops[axis];
  }
}

void define_concat(OpRegistry& ops) {
  ops.define("concat")
      .summary("Joins values along an axis.")
      .formula("y = x0, x1, … one after the other along axis")
      .variadic_input("x", "any dtype, all equal; equal sizes along the other axes")
      .required_attr("axis", int64_t{0}, "negative counts from the end")
      .output("y", "dtype of x")
      .infer(infer_concat)
      .gradient(grad_concat)
      .reference([](RefCtx& r) {
        RefTensor& y = *r.out[0];
        const int axis = y.shape.axis(static_cast<int>(r.attrs.integer("axis")));
        const Strides strides = strides_of(y.shape);
        int64_t at = 0;
        for (const RefTensor* x : r.in) {
          place_strided(*x, at * strides[axis], strides, y);
          at += x->shape[axis];
        }
      })
      .samples({{{{2, 3}, {2, 1}, {2, 2}}, {{"axis", int64_t{1}}}},
                {{{1, 2, 2}, {3, 2, 2}}, {{"axis", int64_t{0}}}},
                {{{2, 3}}, {{"axis", int64_t{-1}}}}});
}

void define_pad(OpRegistry& ops) {
  ops.define("pad")
      .summary("Surrounds x with a constant.")
      .formula("y[before + i] = x[i], value elsewhere")
      .input("x", "any dtype")
      .required_attr("before", Ints{}, "elements added before each axis, >= 0")
      .required_attr("after", Ints{}, "elements added after each axis, >= 0")
      .attr("value", AttrValue(0.0), "the constant; integers drop its fraction")
      .output("y", "dtype of x; before + size + after along each axis")
      .infer([](InferCtx& c) {
        const Shape& x = c.shape(0);
        const auto &before = require_integers(c, "before", x.rank(), 0),
                   &after = require_integers(c, "after", x.rank(), 0);
        Shape y;
        for (int i = 0; i < x.rank(); ++i) y.push_back(before[i] + x[i] + after[i]);
        y.count();
        c.output(y, c.dtype(0));
      })
      .gradient([](GradCtx& c) {
        const Ints starts = c.attrs().integers("before");
        Ints stops = c.input(0).shape().vec();
        for (size_t i = 0; i < starts.size(); ++i) stops[i] += starts[i];
        c.to(0, slice(c.upstream(), starts, stops));
      })
      .reference([](RefCtx& r) {
        const Strides strides = strides_of(r.out[0]->shape);
        const double value = r.attrs.real("value");
        std::fill(r.out[0]->data.begin(), r.out[0]->data.end(),
                  is_floating(r.out[0]->dtype) ? value : std::trunc(value));
        int64_t offset = 0;
        for (int i = 0; i < r.in[0]->shape.rank(); ++i)
          offset += r.attrs.integers("before")[i] * strides[i];
        place_strided(*r.in[0], offset, strides, *r.out[0]);
      })
      .samples({{{{2, 3}}, {{"before", Ints{1, 0}}, {"after", Ints{0, 2}}}},
                {{{3}}, {{"before", Ints{1}}, {"after", Ints{1}}, {"value", -1.5}}}});
}

void define_flip(OpRegistry& ops) {
  ops.define("flip")
      .summary("Reverses the order along axes.")
      .formula("y[.., i, ..] = x[.., size - 1 - i, ..]")
      .input("x", "any dtype")
      .required_attr("axes", Ints{},
                     "axes to reverse, negative ones count from the end; empty: all")
      .output("y", "shape and dtype of x")
      .infer([](InferCtx& c) {
        c.require(normal_axes(c.attrs().integers("axes"), c.shape(0).rank()).has_value(),
                  "axes are out of range or repeated", "each axis once, -rank <= axis < rank");
        c.output(c.shape(0), c.dtype(0));
      })
      .gradient([](GradCtx& c) { c.to(0, flip(c.upstream(), c.attrs().integers("axes"))); })
      .reference([](RefCtx& r) {
        const Shape& x = r.in[0]->shape;
        Strides strides = strides_of(x);
        int64_t offset = 0;
        const auto axes = normal_axes(r.attrs.integers("axes"), x.rank());
        for (int64_t axis : *axes) {
          offset += (x[static_cast<int>(axis)] - 1) * strides[axis];
          strides[axis] = -strides[axis];
        }
        copy_strided(*r.in[0], offset, strides, *r.out[0]);
      })
      .samples({{{{2, 3}}, {{"axes", Ints{1}}}},
                {{{2, 3, 4}}, {{"axes", Ints{0, -1}}}},
                {{{0, 2}}, {{"axes", Ints{0}}}}});
}

}  // namespace

void define_shape(OpRegistry& ops) {
  define_reshape(ops);
  define_permute(ops);
  define_broadcast(ops);
  define_slice(ops);
  define_concat(ops);
  define_pad(ops);
  define_flip(ops);
}

}  // namespace trivium::ops
