// Convolutions over two or three axes. Filters are [h, w, in, out] (or [d, h, w, in, out]) whatever
// the layout of the images.
#include <algorithm>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/geometry.h"

namespace trivium::tf {
namespace {

using Ints = ops::Ints;

/// Shape rule of convolutions over `axes` axes.
void infer_conv(Infer& c, int axes, bool depthwise) {
  c.same_dtype(1);
  c.floating(0);
  c.rank(0, axes + 2);
  c.rank(1, axes + 2);
  const Geometry g = conv_geometry(c.op());
  const PartialShape unknown(std::vector<int64_t>(axes + 2, -1));
  const PartialShape x = c.shape(0).merge(unknown), w = c.shape(1).merge(unknown);
  const int64_t in = x[g.first ? 1 : axes + 1], takes = w[axes], gives = w[axes + 1];
  if (in >= 0 && takes >= 0 && in != takes)
    c.fail(fmt::format("Dimensions must be equal, but are {} and {}", in, takes),
           fmt::format("axis {} of the filter counts the input's channels", axes));
  const int64_t channels = !depthwise ? gives : takes < 0 || gives < 0 ? -1 : takes * gives;
  std::vector<int64_t> plane;
  for (int i = 0; i < axes; ++i) plane.push_back(g.out_size(c, i, x[g.axis(i)], w[i]));
  c.output(g.image(x[0], channels, plane), c.dtype(0));
}

ops::ConvAttrs conv_attrs(const Geometry& g, const Shape& x, const Ints& kernel) {
  ops::ConvAttrs a;
  a.strides = g.strides;
  a.dilations = g.dilations;
  for (int i = 0; i < g.axes(); ++i) {
    const Window w = g.window(i, x[2 + i], kernel[i]);
    a.pads_begin.push_back(w.before);
    a.pads_end.push_back(w.after);
  }
  return a;
}

Ints kernel_of(const Geometry& g, const Shape& w) {
  const Ints all = w.vec();
  return Ints(all.begin(), all.begin() + g.axes());
}

/// [spatial.., in, out] → [out, in, spatial..]
Value filter(Value w) {
  const int rank = w.shape().rank();
  Ints perm{rank - 1, rank - 2};
  for (int i = 0; i + 2 < rank; ++i) perm.push_back(i);
  return turned(w, perm);
}

/// The inverse: [out, in, spatial..] → [spatial.., in, out].
Value as_filter(Value w) {
  Ints perm;
  for (int i = 2; i < w.shape().rank(); ++i) perm.push_back(i);
  perm.push_back(1);
  perm.push_back(0);
  return ops::permute(w, perm);
}

/// [h, w, in, multiplier] → [in * multiplier, 1, h, w]
Value depthwise_filter(Value w) {
  const Shape s = w.shape();
  return ops::reshape(ops::permute(w, {2, 3, 0, 1}), {s[2] * s[3], 1, s[0], s[1]});
}

/// Sizes of an image as [N, C, spatial..].
Shape channels_first_shape(const Geometry& g, const Ints& sizes) {
  if (g.first) return Shape(sizes);
  Ints s{sizes[0], sizes.back()};
  s.insert(s.end(), sizes.begin() + 1, sizes.end() - 1);
  return Shape(s);
}

void check_sizes(Translate& c, const Geometry& g, const Shape& x, const Ints& kernel,
                 const Shape& dy) {
  for (int i = 0; i < g.axes(); ++i)
    if (g.window(i, x[2 + i], kernel[i]).out != dy[2 + i])
      c.fail(fmt::format("{}: an image of {} is not one that a convolution maps to {}",
                         c.op().type(), x.text(), dy.text()));
}

void translate_conv(Translate& c) {
  const Geometry g = conv_geometry(c.op());
  const Value x = g.in(c.in(0)), w = c.in(1);
  c.out(0, g.back(ops::conv(x, filter(w), conv_attrs(g, x.shape(), kernel_of(g, w.shape())))));
}

void translate_backprop_input(Translate& c, bool depthwise) {
  const Geometry g = conv_geometry(c.op());
  const Shape x = channels_first_shape(g, c.known_integers(0));
  const Value w = c.in(1), dy = g.in(c.in(2));
  const Ints kernel = kernel_of(g, w.shape());
  Ints plane = x.vec();
  plane.erase(plane.begin(), plane.begin() + 2);
  check_sizes(c, g, x, kernel, dy.shape());
  ops::ConvAttrs a = conv_attrs(g, x, kernel);
  if (depthwise) a.groups = w.shape()[2];
  c.out(0, g.back(ops::conv_bwd_data(dy, depthwise ? depthwise_filter(w) : filter(w), a, plane)));
}

void translate_backprop_filter(Translate& c, bool depthwise) {
  const Geometry g = conv_geometry(c.op());
  const Ints sizes = c.known_integers(1);
  const Value x = g.in(c.in(0)), dy = g.in(c.in(2));
  const Ints kernel(sizes.begin(), sizes.begin() + g.axes());
  check_sizes(c, g, x.shape(), kernel, dy.shape());
  ops::ConvAttrs a = conv_attrs(g, x.shape(), kernel);
  if (depthwise) a.groups = sizes[2];
  const Value dw = ops::conv_bwd_weights(x, dy, a, kernel);
  if (!depthwise) return c.out(0, as_filter(dw));
  c.out(0, ops::permute(ops::reshape(dw, {sizes[2], sizes[3], sizes[0], sizes[1]}), {2, 3, 0, 1}));
}

void define_backprops(SpecTable& t, const std::string& stem, bool depthwise) {
  const auto sized = [](int sizes, int like) {
    return [=](Infer& c) {
      const PartialShape s = c.constant_shape(sizes);
      c.output(s.known_rank() ? s : PartialShape(std::vector<int64_t>(c.shape(like).rank(), -1)),
               c.dtype(2));
    };
  };
  t.add({stem + "BackpropInput",
         {"input_sizes", "filter", "out_backprop"},
         sized(0, 2),
         [depthwise](Translate& c) { translate_backprop_input(c, depthwise); }});
  t.add({stem + "BackpropFilter",
         {"input", "filter_sizes", "out_backprop"},
         sized(1, 2),
         [depthwise](Translate& c) { translate_backprop_filter(c, depthwise); }});
}

}  // namespace

void define_conv_ops(SpecTable& t) {
  t.add({"Conv2D", {"input", "filter"}, [](Infer& c) { infer_conv(c, 2, false); }, translate_conv});
  t.add({"Conv3D", {"input", "filter"}, [](Infer& c) { infer_conv(c, 3, false); }, translate_conv});
  t.add({"DepthwiseConv2dNative",
         {"input", "filter"},
         [](Infer& c) { infer_conv(c, 2, true); },
         [](Translate& c) {
           const Geometry g = conv_geometry(c.op());
           const Value x = g.in(c.in(0)), w = c.in(1);
           ops::ConvAttrs a = conv_attrs(g, x.shape(), kernel_of(g, w.shape()));
           a.groups = w.shape()[2];
           c.out(0, g.back(ops::conv(x, depthwise_filter(w), a)));
         }});
  define_backprops(t, "Conv2D", false);
  define_backprops(t, "DepthwiseConv2dNative", true);
  t.add({"Conv3DBackpropInputV2",
         {"input_sizes", "filter", "out_backprop"},
         [](Infer& c) {
           const PartialShape s = c.constant_shape(0);
           c.output(s.known_rank() ? s : PartialShape{-1, -1, -1, -1, -1}, c.dtype(2));
         },
         [](Translate& c) { translate_backprop_input(c, false); }});
}

}  // namespace trivium::tf
