// Pools over two or three axes, and their derivatives as operations.
#include <algorithm>

#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/geometry.h"

namespace trivium::tf {
namespace {

using Ints = ops::Ints;

void infer_pool(Infer& c, const Geometry& g) {
  const int rank = g.axes() + 2;
  c.rank(0, rank);
  const PartialShape x = c.shape(0).merge(PartialShape(std::vector<int64_t>(rank, -1)));
  std::vector<int64_t> plane;
  for (int i = 0; i < g.axes(); ++i) plane.push_back(g.out_size(c, i, x[g.axis(i)], g.kernel[i]));
  c.output(g.image(x[0], x[g.first ? 1 : rank - 1], plane), c.dtype(0));
}

ops::PoolAttrs pool_attrs(const Geometry& g, const Shape& x) {
  ops::PoolAttrs a;
  a.kernel = g.kernel;
  a.strides = g.strides;
  for (int i = 0; i < g.axes(); ++i) {
    const Window w = g.window(i, x[2 + i], g.kernel[i]);
    a.pads_begin.push_back(w.before);
    a.pads_end.push_back(w.after);
  }
  return a;
}

Value pooled(const Geometry& g, Value image, bool largest) {
  const Value x = g.in(image);
  const ops::PoolAttrs a = pool_attrs(g, x.shape());
  return g.back(largest ? ops::max_pool(x, a).y : ops::avg_pool(x, a, false));
}

Value pool_gradient(const Geometry& g, Value image, Value dy, bool largest) {
  const Value x = ops::reshape(image, image.shape());
  return trivium::gradients({pooled(g, x, largest)}, {x}, {dy}, Unconnected::zeros)[0];
}

void define_one(SpecTable& t, const std::string& type, bool largest) {
  t.add({type,
         {largest ? "input" : "value"},
         [](Infer& c) { infer_pool(c, pool_geometry(c.op())); },
         [largest](Translate& c) { c.out(0, pooled(pool_geometry(c.op()), c.in(0), largest)); }});
}

/// Position of each maximum in the flat [H, W, C] image, as TensorFlow numbers it.
void max_pool_with_argmax(Translate& c) {
  const Geometry g = pool_geometry(c.op());
  const Value x = g.in(c.in(0));
  const ops::PoolAttrs a = pool_attrs(g, x.shape());
  const ops::MaxPool p = ops::max_pool(x, a);
  const int64_t channels = x.shape()[1];
  Array order({1, channels, 1, 1}, DType::i64);
  for (int64_t k = 0; k < channels; ++k) order.set(k, double(k));
  Value place =
      ops::cast(ops::max_pool_plane_index(p.position, a, {x.shape()[2], x.shape()[3]}), DType::i64);
  place = ops::add(ops::mul(place, c.graph().constant(double(channels), DType::i64)),
                   c.graph().constant(order));
  if (c.op().attr_or<bool>("include_batch_in_index", false)) {
    Array image({x.shape()[0], 1, 1, 1}, DType::i64);
    for (int64_t k = 0; k < x.shape()[0]; ++k) image.set(k, double(k * x.shape().count(1)));
    place = ops::add(place, c.graph().constant(image));
  }
  c.out(0, g.back(p.y));
  c.out(1, ops::cast(g.back(place), engine_type(c.op().out(1).type)));
}

}  // namespace

void define_pool_ops(SpecTable& t) {
  define_one(t, "MaxPool", true);
  define_one(t, "AvgPool", false);
  define_one(t, "MaxPool3D", true);
  define_one(t, "AvgPool3D", false);
  t.add({"MaxPoolV2",
         {"input", "ksize", "strides"},
         [](Infer& c) {
           const PartialShape k = c.constant_shape(1), s = c.constant_shape(2);
           if (!k.fully_known() || !s.fully_known())
             return c.output(PartialShape{-1, -1, -1, -1}, c.dtype(0));
           infer_pool(c, pool_geometry(c.op(), k.dims(), s.dims()));
         },
         [](Translate& c) {
           c.out(0, pooled(pool_geometry(c.op(), c.known_integers(1), c.known_integers(2)), c.in(0),
                           true));
         }});
  t.add({"MaxPoolWithArgmax",
         {"input"},
         [](Infer& c) {
           infer_pool(c, pool_geometry(c.op()));
           c.output(c.outputs()[0].first, c.op().attr_or<DataType>("Targmax", DataType::int64));
         },
         max_pool_with_argmax});
  t.add({"MaxPoolGrad",
         {"orig_input", "orig_output", "grad"},
         [](Infer& c) { c.output(c.shape(0), c.dtype(0)); },
         [](Translate& c) {
           c.out(0, pool_gradient(pool_geometry(c.op()), c.in(0), c.in(2), true));
         }});
  t.add({"AvgPoolGrad",
         {"orig_input_shape", "grad"},
         [](Infer& c) { c.output(c.constant_shape(0), c.dtype(1)); },
         [](Translate& c) {
           const Value dy = c.in(1);
           const Value x = c.graph().constant(0.0, dy.dtype(), Shape(c.known_integers(0)));
           c.out(0, pool_gradient(pool_geometry(c.op()), x, dy, false));
         }});
}

}  // namespace trivium::tf
