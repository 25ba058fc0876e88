// Putting elements into a copy of a value: by a box, by one index an element, by one index a row;
// and taking elements by one index an element. The copy is made in place where the value dies.
#include <cmath>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

void require_index(const InferCtx& c, int input) {
  const DType d = c.dtype(input);
  c.require(d == DType::i32 || d == DType::i64, fmt::format("index is {}", name_of(d)),
            "int32 or int64");
}

int axis_of(GradCtx& c) {
  return c.input(0).shape().axis(static_cast<int>(c.attrs().integer("axis")));
}

/// An index of a row of `size` elements; UserError when outside.
int64_t checked(const char* op, double index, int64_t size, int axis) {
  if (!(index >= 0 && index < static_cast<double>(size)))
    user_error("{}: index {} received, 0 to {} expected along axis {} of size {}", op, index,
               size - 1, axis, size);
  return static_cast<int64_t>(index);
}

Value zeros_like(Value x) { return broadcast_to(number_like(x, 0), x.shape()); }

// ---- a box
// ---------------------------------------------------------------------------------------

void infer_slice_scatter(InferCtx& c) {
  const Shape& x = c.shape(0);
  require_same_dtype(c, 0, 1);
  const auto &starts = require_integers(c, "starts", x.rank(), 0),
             &stops = require_integers(c, "stops", x.rank(), 0);
  const auto& steps = require_integers(c, "steps", x.rank(), 1);
  Shape box;
  for (int i = 0; i < x.rank(); ++i) {
    if (starts[i] > stops[i] || stops[i] > x[i])
      c.fail(fmt::format("[{}, {}) of axis {} of size {}", starts[i], stops[i], i, x[i]),
             "0 <= start <= stop <= size");
    box.push_back((stops[i] - starts[i] + steps[i] - 1) / steps[i]);
  }
  c.require(c.shape(1) == box,
            fmt::format("updates have shape {}, {} expected", c.shape(1).text(), box.text()),
            "the shape slice would give");
  c.output(x, c.dtype(0));
}

void define_slice_scatter(OpRegistry& ops) {
  ops.define("slice_scatter")
      .summary("x with a box (optionally every step-th element) replaced by updates.")
      .formula("y = x;  y[starts + i * steps] = updates[i]")
      .input("x", "any dtype")
      .input("updates", "dtype of x, the shape of slice(x, starts, stops, steps)")
      .required_attr("starts", Ints{}, "first index, one entry an axis")
      .required_attr("stops", Ints{}, "one past the last index")
      .required_attr("steps", Ints{}, "distance of elements, >= 1")
      .output("y", "shape and dtype of x")
      .infer(infer_slice_scatter)
      .gradient([](GradCtx& c) {
        const Ints starts = c.attrs().integers("starts"), stops = c.attrs().integers("stops"),
                   steps = c.attrs().integers("steps");
        const Value dy = c.upstream();
        if (c.wants(0)) c.to(0, slice_scatter(dy, zeros_like(c.input(1)), starts, stops, steps));
        if (c.wants(1)) c.to(1, slice(dy, starts, stops, steps));
      })
      .reference([](RefCtx& r) {
        const auto strides = strides_of(r.in[0]->shape);
        r.out[0]->data = r.in[0]->data;
        int64_t i = 0;
        for_each_position(r.in[1]->shape.dims(), [&](std::span<const int64_t> at) {
          int64_t to = 0;
          for (size_t a = 0; a < at.size(); ++a)
            to +=
                (r.attrs.integers("starts")[a] + at[a] * r.attrs.integers("steps")[a]) * strides[a];
          r.out[0]->data[to] = r.in[1]->data[i++];
        });
      })
      .in_place(0)
      .samples({{{{4, 5}, {2, 5}},
                 {{"starts", Ints{1, 0}}, {"stops", Ints{3, 5}}, {"steps", Ints{1, 1}}}},
                {{{5, 7}, {3, 2}},
                 {{"starts", Ints{0, 1}}, {"stops", Ints{5, 6}}, {"steps", Ints{2, 3}}}},
                {{{3, 4}, {0, 2}},
                 {{"starts", Ints{1, 2}}, {"stops", Ints{1, 4}}, {"steps", Ints{1, 1}}}}});
}

// ---- one index an element
// ---------------------------------------------------------------------------------------

/// index of the rank of x, along all axes but one at most its sizes.
void require_element_index(const InferCtx& c, int axis) {
  require_index(c, 1);
  const Shape &x = c.shape(0), &index = c.shape(1);
  bool fits = x.rank() == index.rank();
  for (int i = 0; fits && i < x.rank(); ++i) fits = i == axis || index[i] <= x[i];
  c.require(fits, fmt::format("index of shape {} does not fit {}", index.text(), x.text()),
            fmt::format("equal ranks, and sizes not above those of x along all axes but {}", axis));
}

/// Calls body(place in x, number of the index) in row-major order of the indices.
template <typename Body>
void for_each_element(const char* op, const Attrs& attrs, const Shape& x, const RefTensor& index,
                      Body&& body) {
  const int axis = x.axis(static_cast<int>(attrs.integer("axis")));
  const auto strides = strides_of(x);
  int64_t i = 0;
  for_each_position(index.shape.dims(), [&](std::span<const int64_t> at) {
    int64_t place = checked(op, index.data[i], x[axis], axis) * strides[axis];
    for (int a = 0; a < x.rank(); ++a)
      if (a != axis) place += at[a] * strides[a];
    body(place, i++);
  });
}

void define_gather_elements(OpRegistry& ops) {
  const SampleInput index({2, 2}, SampleInput::integers, DType::i64, 3);
  ops.define("gather_elements")
      .summary(
          "Takes one element along an axis for every index. An index outside the axis is an error "
          "at run time.")
      .formula("y[.., i, ..] = x[.., index[.., i, ..], ..]")
      .input("x", "any dtype, rank >= 1")
      .input("index", "int32 or int64, rank of x; along the other axes at most the sizes of x")
      .attr("axis", 0, "axis to index; negative counts from the end")
      .output("y", "dtype of x, shape of index")
      .infer([](InferCtx& c) {
        require_element_index(c, c.axis("axis"));
        c.output(c.shape(1), c.dtype(0));
      })
      .gradient([](GradCtx& c) {
        if (c.wants(0))
          c.to(0, scatter_elements(zeros_like(c.input(0)), c.input(1), c.upstream(), axis_of(c),
                                   "add"));
      })
      .reference([](RefCtx& r) {
        for_each_element("gather_elements", r.attrs, r.in[0]->shape, *r.in[1],
                         [&](int64_t x, int64_t i) { r.out[0]->data[i] = r.in[0]->data[x]; });
      })
      .samples({{{{3, 4}, index}, {}},
                {{{3, 3, 2}, SampleInput({2, 5, 2}, SampleInput::integers, DType::i32, 3)},
                 {{"axis", int64_t{1}}}},
                {{{4}, SampleInput({6}, SampleInput::integers, DType::i64, 4)},
                 {{"axis", int64_t{-1}}}}});
}

double combined(const std::string& how, double there, double update) {
  if (how == "add") return there + update;
  if (how == "multiply") return there * update;
  if (how == "amax") return apply(ScalarOp::maximum, there, update);
  if (how == "amin") return apply(ScalarOp::minimum, there, update);
  return update;
}

void infer_scatter_elements(InferCtx& c) {
  const std::string& how = c.attrs().string("reduce");
  c.require(how == "none" || how == "add" || how == "multiply" || how == "amax" || how == "amin",
            "reduce is \"" + how + "\"", "\"none\", \"add\", \"multiply\", \"amax\" or \"amin\"");
  if (how != "none") require_number(c, 0);
  require_same_dtype(c, 0, 2);
  require_element_index(c, c.axis("axis"));
  c.require(c.shape(2) == c.shape(1),
            fmt::format("updates have shape {}, index {}", c.shape(2).text(), c.shape(1).text()),
            "equal shapes");
  c.output(c.shape(0), c.dtype(0));
}

/// Everything that equals the extreme of its place, in x and among the updates, takes an equal
/// share.
void grad_scatter_extreme(GradCtx& c, int axis) {
  const Value x = c.input(0), index = c.input(1), updates = c.input(2), y = c.output();
  const Value hit = equal(x, y), update_hit = equal(updates, gather_elements(y, index, axis));
  const Value hits =
      scatter_elements(cast(hit, x.dtype()), index, cast(update_hit, x.dtype()), axis, "add");
  const Value share = div(c.upstream(), hits), zero = number_like(x, 0);
  if (c.wants(0)) c.to(0, select(hit, share, zero));
  if (c.wants(2)) c.to(2, select(update_hit, gather_elements(share, index, axis), zero));
}

/// dy times the product of the other factors of the place, also where one of them is zero; the
/// limits of prod's gradient hold here too.
void grad_scatter_product(GradCtx& c, int axis) {
  const Value x = c.input(0), index = c.input(1), updates = c.input(2);
  const Value zero = number_like(x, 0), one = number_like(x, 1);
  const auto is_zero = [&](Value v) { return equal(v, zero); };
  const auto safe = [&](Value v) { return select(is_zero(v), one, v); };
  const Value zeros = scatter_elements(cast(is_zero(x), x.dtype()), index,
                                       cast(is_zero(updates), x.dtype()), axis, "add");
  const Value others = scatter_elements(safe(x), index, safe(updates), axis, "multiply");
  const Value none = select(equal(zeros, zero), mul(c.upstream(), others), zero);
  const Value single = select(equal(zeros, one), mul(c.upstream(), others), zero);
  const auto factor = [&](Value v, Value without, Value alone) {
    return select(is_zero(v), alone, div(without, safe(v)));
  };
  if (c.wants(0)) c.to(0, factor(x, none, single));
  if (c.wants(2))
    c.to(2,
         factor(updates, gather_elements(none, index, axis), gather_elements(single, index, axis)));
}

void grad_scatter_elements(GradCtx& c) {
  const std::string& how = c.attrs().string("reduce");
  const Value dy = c.upstream(), index = c.input(1);
  const int axis = axis_of(c);
  if (how == "multiply") return grad_scatter_product(c, axis);
  if (how == "amax" || how == "amin") return grad_scatter_extreme(c, axis);
  if (c.wants(0))
    c.to(0, how == "add" ? dy : scatter_elements(dy, index, zeros_like(c.input(2)), axis));
  if (c.wants(2)) c.to(2, gather_elements(dy, index, axis));
}

void define_scatter_elements(OpRegistry& ops) {
  const SampleInput index({3, 2}, SampleInput::integers, DType::i64, 3),
      single({1, 2}, SampleInput::integers, DType::i32, 3);
  const auto whole = [](std::initializer_list<int64_t> dims, DType d) {
    return SampleInput(dims, SampleInput::integers, d, 9);
  };
  std::vector<Sample> samples = {
      {{{3, 4}, single, {1, 2}}, {}},
      {{{3, 4}, index, {3, 2}}, {{"reduce", std::string("add")}}},
      {{{2, 3, 2}, SampleInput({2, 5, 1}, SampleInput::integers, DType::i64, 3), {2, 5, 1}},
       {{"axis", int64_t{-2}}, {"reduce", std::string("add")}}},
      {{whole({3, 4}, DType::i64), index, whole({3, 2}, DType::i64)}, {}}};
  for (const char* how : {"multiply", "amax", "amin"}) {
    const SampleInput x({3, 4}, SampleInput::distinct), updates({3, 2}, SampleInput::distinct);
    samples.push_back({{x, index, updates}, {{"reduce", std::string(how)}}});
    samples.push_back({{whole({3, 4}, DType::f32), index, whole({3, 2}, DType::f32)},
                       {{"reduce", std::string(how)}}});
  }
  ops.define("scatter_elements")
      .summary(
          "x with one element along an axis replaced, or combined, for every index, in row-major "
          "order of the indices. The gradient of \"none\" takes every index for the last of its "
          "place. An index outside the axis is an error at run time.")
      .formula("y = x;  y[.., index[.., i, ..], ..] = reduce(y[..], updates[.., i, ..])")
      .input("x", "any dtype, rank >= 1")
      .input("index", "int32 or int64, rank of x; along the other axes at most the sizes of x")
      .input("updates", "dtype of x, shape of index")
      .attr("axis", 0, "axis to index; negative counts from the end")
      .attr("reduce", "none",
            "\"none\" replaces (the last update of a place stays); \"add\", \"multiply\", "
            "\"amax\" and \"amin\" (NaN wins) combine with what is there")
      .output("y", "shape and dtype of x")
      .infer(infer_scatter_elements)
      .gradient(grad_scatter_elements)
      .reference([](RefCtx& r) {
        r.out[0]->data = r.in[0]->data;
        const std::string& how = r.attrs.string("reduce");
        for_each_element("scatter_elements", r.attrs, r.in[0]->shape, *r.in[1],
                         [&](int64_t x, int64_t i) {
                           double& y = r.out[0]->data[x];
                           y = combined(how, y, r.in[2]->data[i]);
                         });
      })
      .in_place(0)
      .samples(samples);
}

// ---- one index a row
// ---------------------------------------------------------------------------------------

void infer_index_update(InferCtx& c) {
  const std::string& mode = c.attrs().string("mode");
  c.require(mode == "set" || mode == "add", "mode is \"" + mode + "\"", "\"set\" or \"add\"");
  if (mode == "add") require_number(c, 0);
  require_same_dtype(c, 0, 2);
  require_index(c, 1);
  c.require(c.shape(1).rank() == 1, fmt::format("index has shape {}", c.shape(1).text()),
            "one axis");
  Shape rows = c.shape(0);
  rows.set(c.axis("axis"), c.shape(1)[0]);
  c.require(c.shape(2) == rows,
            fmt::format("updates have shape {}, {} expected", c.shape(2).text(), rows.text()),
            "the shape of x with the number of indices along the axis");
  c.output(c.shape(0), c.dtype(0));
}

void define_index_update(OpRegistry& ops) {
  const SampleInput index({4}, SampleInput::integers, DType::i64, 3),
      single({1}, SampleInput::integers, DType::i32, 3);
  ops.define("index_update")
      .summary(
          "x with rows along an axis replaced or increased, in the order of the indices. The "
          "gradient of \"set\" takes every index for the last of its row. An index outside the "
          "axis is an error at run time.")
      .formula("y = x;  y[.., index[k], ..] = or += updates[.., k, ..]")
      .input("x", "any dtype, rank >= 1")
      .input("index", "int32 or int64, one axis")
      .input("updates", "dtype of x; its shape with the number of indices along the axis")
      .attr("axis", 0, "axis to index; negative counts from the end")
      .attr("mode", "set", "\"set\" (the last update of a row stays) or \"add\"")
      .output("y", "shape and dtype of x")
      .infer(infer_index_update)
      .gradient([](GradCtx& c) {
        const Value dy = c.upstream(), index = c.input(1);
        const int axis = axis_of(c);
        const bool set = c.attrs().string("mode") == "set";
        if (c.wants(0)) c.to(0, set ? index_update(dy, index, zeros_like(c.input(2)), axis) : dy);
        if (c.wants(2)) c.to(2, gather(dy, index, axis));
      })
      .reference([](RefCtx& r) {
        const Shape& x = r.in[0]->shape;
        const int axis = x.axis(static_cast<int>(r.attrs.integer("axis")));
        const AxisView v = view_axis(x, axis);
        const int64_t count = r.in[1]->shape[0];
        const bool add = r.attrs.string("mode") == "add";
        r.out[0]->data = r.in[0]->data;
        for (int64_t o = 0; o < v.outer; ++o)
          for (int64_t k = 0; k < count; ++k) {
            const int64_t at = checked("index_update", r.in[1]->data[k], v.size, axis);
            for (int64_t i = 0; i < v.inner; ++i) {
              double& y = r.out[0]->data[(o * v.size + at) * v.inner + i];
              y = (add ? y : 0) + r.in[2]->data[(o * count + k) * v.inner + i];
            }
          }
      })
      .in_place(0)
      .samples(
          {{{{3, 4}, single, {1, 4}}, {}},
           {{{3, 4}, index, {4, 4}}, {{"mode", std::string("add")}}},
           {{{2, 3, 2}, index, {2, 4, 2}}, {{"axis", int64_t{1}}, {"mode", std::string("add")}}},
           {{SampleInput({3, 2}, SampleInput::bytes, DType::u8), index,
             SampleInput({4, 2}, SampleInput::bytes, DType::u8)},
            {}}});
}

}  // namespace

void define_scatter(OpRegistry& ops) {
  define_slice_scatter(ops);
  define_gather_elements(ops);
  define_scatter_elements(ops);
  define_index_update(ops);
}

}  // namespace trivium::ops
