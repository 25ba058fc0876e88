// Reading and writing by index. Indices are values, so they are checked when they are used.
#include <cmath>

#include "trivium/engine/ops/build.h"
#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/geometry.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {

Array strided_places(const Attrs& attrs) {
  const Ints &shape = attrs.integers("shape"), &strides = attrs.integers("strides");
  const Shape sizes(shape);
  Array places(Shape{sizes.count()}, DType::i64);
  int64_t* out = places.data<int64_t>();
  for_each_position(sizes.dims(), [&](std::span<const int64_t> at) {
    int64_t place = attrs.integer("offset");
    for (size_t k = 0; k < at.size(); ++k) place += at[k] * strides[k];
    *out++ = place;
  });
  return places;
}

namespace {

void require_index(const InferCtx& c, int input) {
  const DType d = c.dtype(input);
  c.require(d == DType::i32 || d == DType::i64, fmt::format("index is {}", name_of(d)),
            "int32 or int64");
}

/// shape with its `axis` replaced by the axes of `index`.
Shape indexed_shape(const Shape& shape, int axis, const Shape& index) {
  Shape out;
  for (int i = 0; i < axis; ++i) out.push_back(shape[i]);
  for (int64_t size : index) out.push_back(size);
  for (int i = axis + 1; i < shape.rank(); ++i) out.push_back(shape[i]);
  return out;
}

void check_rank(const InferCtx& c, int rank, int index_rank) {
  if (rank - 1 + index_rank > Shape::kMaxRank)
    c.fail(fmt::format("the result would have rank {}", rank - 1 + index_rank),
           fmt::format("rank <= {}", Shape::kMaxRank));
}

/// Calls body(row of x, row of y) for rows of `inner` elements: x [outer, size, inner] against
/// y [outer, indices, inner].
template <typename Body>
void for_each_row(const AxisView& x, const RefTensor& index, const char* op, Body&& body) {
  const int64_t count = static_cast<int64_t>(index.data.size());
  for (int64_t o = 0; o < x.outer; ++o)
    for (int64_t k = 0; k < count; ++k) {
      const double at = index.data[k];
      if (!(at >= 0 && at < static_cast<double>(x.size)))
        user_error("{}: index {} at position {} of {}, 0 to {} expected", op, at, k, count,
                   x.size - 1);
      body((o * x.size + static_cast<int64_t>(at)) * x.inner, (o * count + k) * x.inner);
    }
}

void infer_as_strided(InferCtx& c) {
  const Ints &shape = c.attrs().integers("shape"), &strides = c.attrs().integers("strides");
  const int64_t offset = c.attrs().integer("offset"), count = c.shape(0).count();
  c.require(shape.size() == strides.size(),
            fmt::format("{} sizes and {} strides", shape.size(), strides.size()),
            "one stride a size");
  int64_t last = offset, elements = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    c.require(shape[i] >= 0 && strides[i] >= 0,
              fmt::format("size {} with stride {} along axis {}", shape[i], strides[i], i),
              "nothing negative");
    last += (shape[i] - 1) * strides[i];
    elements *= shape[i];
  }
  c.require(offset >= 0 && (elements == 0 || last < count),
            fmt::format("elements {} to {} of memory of {}", offset, last, count),
            "elements that are there");
  c.output(Shape(shape), c.dtype(0));
}

void define_as_strided(OpRegistry& ops) {
  ops.define("as_strided")
      .summary(
          "The elements of x's row-major memory that sizes, strides and an offset name; one may "
          "come "
          "several times, and its gradients are added.")
      .formula("y[i_0, i_1, …] = flat(x)[offset + sum over k of i_k * strides_k]")
      .input("x", "any dtype")
      .required_attr("shape", Ints{}, "sizes of the result")
      .required_attr("strides", Ints{}, "distance of neighbours along each axis, >= 0")
      .attr("offset", 0, "place of the first element")
      .output("y", "dtype of x; the given shape")
      .infer(infer_as_strided)
      .gradient([](GradCtx& c) {
        const Array places = strided_places(c.attrs());
        const Shape& x = c.input(0).shape();
        const Value rows = reshape(c.upstream(), places.shape());
        c.to(0, reshape(scatter_add(rows, c.graph().constant(places), Shape{x.count()}), x));
      })
      .reference([](RefCtx& r) {
        const Array places = strided_places(r.attrs);
        for (int64_t i = 0; i < places.count(); ++i)
          r.out[0]->data[static_cast<size_t>(i)] =
              r.in[0]->data[static_cast<size_t>(places.data<int64_t>()[i])];
      })
      .decompose([](Graph& graph, std::span<const Value> in, const Attrs& a) {
        const Value flat = reshape(in[0], Shape{in[0].shape().count()});
        return std::vector<Value>{
            reshape(gather(flat, graph.constant(strided_places(a))), Shape(a.integers("shape")))};
      })
      .samples(
          {{{{2, 6}}, {{"shape", Ints{3, 4}}, {"strides", Ints{2, 1}}, {"offset", int64_t{3}}}},
           {{{7}}, {{"shape", Ints{2, 2, 2}}, {"strides", Ints{0, 1, 3}}}},
           {{{3, 3}}, {{"shape", Ints{3}}, {"strides", Ints{4}}}}});
}

void define_gather(OpRegistry& ops) {
  const SampleInput index({2, 2}, SampleInput::integers, DType::i64, 3);
  ops.define("gather")
      .summary(
          "Takes slices of x along an axis. An index outside the axis is an error at run time.")
      .formula("y[.., i.., ..] = x[.., index[i..], ..]")
      .input("x", "any dtype, rank >= 1")
      .input("index", "int32 or int64, any rank")
      .attr("axis", 0, "axis to index; negative counts from the end")
      .output("y", "dtype of x; the axis is replaced by the axes of index")
      .infer([](InferCtx& c) {
        require_index(c, 1);
        const int axis = c.axis("axis");
        check_rank(c, c.shape(0).rank(), c.shape(1).rank());
        c.output(indexed_shape(c.shape(0), axis, c.shape(1)), c.dtype(0));
      })
      .gradient([](GradCtx& c) {
        const Shape& x = c.input(0).shape();
        if (c.wants(0))
          c.to(0, scatter_add(c.upstream(), c.input(1), x,
                              x.axis(static_cast<int>(c.attrs().integer("axis")))));
      })
      .reference([](RefCtx& r) {
        const AxisView v = view_axis(r.in[0]->shape, static_cast<int>(r.attrs.integer("axis")));
        for_each_row(v, *r.in[1], "gather", [&](int64_t x, int64_t y) {
          for (int64_t i = 0; i < v.inner; ++i) r.out[0]->data[y + i] = r.in[0]->data[x + i];
        });
      })
      .samples({{{{3, 4}, index}, {}},
                {{{2, 3, 2}, index}, {{"axis", int64_t{1}}}},
                {{{3}, SampleInput({}, SampleInput::integers, DType::i32, 3)},
                 {{"axis", int64_t{-1}}}}});
}

void define_scatter_add(OpRegistry& ops) {
  const SampleInput index({2, 2}, SampleInput::integers, DType::i64, 3);
  ops.define("scatter_add")
      .summary(
          "Adds slices of updates into zeros of `shape` along an axis, in the order of the "
          "indices.")
      .formula("y = 0;  y[.., index[i..], ..] += updates[.., i.., ..]")
      .input("updates", "numbers; `shape` with the axis replaced by the axes of index")
      .input("index", "int32 or int64, any rank")
      .required_attr("shape", Ints{}, "shape of the result")
      .attr("axis", 0, "axis to index; negative counts from the end")
      .output("y", "dtype of updates")
      .infer([](InferCtx& c) {
        require_number(c, 0);
        require_index(c, 1);
        const Shape y = require_shape(c, "shape");
        const int64_t given = c.attrs().integer("axis"),
                      axis = given < 0 ? given + y.rank() : given;
        c.require(axis >= 0 && axis < y.rank(),
                  fmt::format("axis {} is out of range for rank {}", given, y.rank()));
        check_rank(c, y.rank(), c.shape(1).rank());
        const Shape expected = indexed_shape(y, static_cast<int>(axis), c.shape(1));
        c.require(
            c.shape(0) == expected,
            fmt::format("updates have shape {}, {} expected", c.shape(0).text(), expected.text()),
            "shape with the axis replaced by index.shape");
        c.output(y, c.dtype(0));
      })
      .gradient([](GradCtx& c) {
        if (c.wants(0))
          c.to(0, gather(c.upstream(), c.input(1), static_cast<int>(c.attrs().integer("axis"))));
      })
      .reference([](RefCtx& r) {
        const AxisView v = view_axis(r.out[0]->shape, static_cast<int>(r.attrs.integer("axis")));
        for_each_row(v, *r.in[1], "scatter_add", [&](int64_t y, int64_t updates) {
          for (int64_t i = 0; i < v.inner; ++i) r.out[0]->data[y + i] += r.in[0]->data[updates + i];
        });
      })
      .cost([](std::span<const ValueMeta> in, std::span<const ValueMeta>, const Attrs&) {
        return Cost{static_cast<double>(in[0].shape.count())};
      })
      .samples({{{{2, 2, 4}, index}, {{"shape", Ints{3, 4}}}},
                {{{2, 2, 2, 2}, index}, {{"shape", Ints{2, 3, 2}}, {"axis", int64_t{1}}}}});
}

void define_one_hot(OpRegistry& ops) {
  ops.define("one_hot")
      .summary(
          "Numbers (truncated) as rows of zeros with a one; numbers outside [0, depth) give zeros "
          "only.")
      .formula("y[.., k] = 1 where k == trunc(x[..]), else 0")
      .input("x", "integers or floating")
      .required_attr("depth", int64_t{1}, "length of the new last axis, >= 0")
      .attr("dtype", "float32", "of the result, as NumPy's name; bool gives a mask")
      .output("y", "shape of x, then depth")
      .infer([](InferCtx& c) {
        require_number(c, 0);
        const int64_t depth = c.attrs().integer("depth");
        c.require(depth >= 0, fmt::format("depth is {}", depth), "depth >= 0");
        check_rank(c, c.shape(0).rank() + 1, 1);
        Shape y = c.shape(0);
        y.push_back(depth);
        y.count();
        c.output(y, parse_dtype(c.attrs().string("dtype")));
      })
      .not_differentiable("x is a class number")
      .reference([](RefCtx& r) {
        const int64_t depth = r.attrs.integer("depth");
        for (size_t i = 0; i < r.in[0]->data.size(); ++i) {
          const double k = std::trunc(r.in[0]->data[i]);
          if (k >= 0 && k < static_cast<double>(depth))
            r.out[0]->data[static_cast<int64_t>(i) * depth + static_cast<int64_t>(k)] = 1;
        }
      })
      .samples({{{SampleInput({3}, SampleInput::integers, DType::i32, 5)}, {{"depth", int64_t{4}}}},
                {{SampleInput({2, 3}, SampleInput::integers, DType::f32, 4)},
                 {{"depth", int64_t{4}}, {"dtype", std::string("bool")}}}});
}

}  // namespace

void define_index(OpRegistry& ops) {
  define_gather(ops);
  define_as_strided(ops);
  define_scatter_add(ops);
  define_one_hot(ops);
}

}  // namespace trivium::ops
