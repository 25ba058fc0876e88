// Convolutions and pools. Filters are [h, w, in, out] whatever the layout of the images.
#include <algorithm>

#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/windows.h"

namespace trivium::tf {
namespace {

using Ints = ops::Ints;

bool channels_first(const Operation& op) {
  return op.attr_or<std::string>("data_format", "NHWC") == "NCHW";
}

bool is_same(const Operation& op) {
  const auto& padding = op.attr<std::string>("padding");
  if (padding != "SAME" && padding != "VALID")
    raise<ValueError>("padding is \"SAME\" or \"VALID\", not \"{}\"", padding);
  return padding == "SAME";
}

/// The two spatial entries of an attribute written in the order of data_format.
Ints spatial(const Operation& op, const std::string& name) {
  const Ints all = op.attr_or<Ints>(name, {1, 1, 1, 1});
  if (all.size() != 4)
    raise<ValueError>("{} of {} needs 4 numbers, received {}", name, op.type(), all.size());
  return channels_first(op) ? Ints{all[2], all[3]} : Ints{all[1], all[2]};
}

struct Geometry {
  Ints strides, dilations;
  bool same, first;
};
Geometry geometry(const Operation& op) {
  return {spatial(op, "strides"), spatial(op, "dilations"), is_same(op), channels_first(op)};
}

int64_t out_size(Infer& c, int64_t in, int64_t kernel, int64_t stride, int64_t dilation,
                 bool same) {
  if (in < 0 || kernel < 0) return -1;
  const int64_t out = window_of(in, kernel, stride, dilation, same).out;
  if (!same && in < (kernel - 1) * dilation + 1)
    c.fail(fmt::format("Negative dimension size caused by subtracting {} from {}",
                       (kernel - 1) * dilation + 1, in),
           "the window is larger than the image; padding=\"SAME\" keeps its size");
  return out;
}

PartialShape image(bool first, int64_t n, int64_t channels, int64_t h, int64_t w) {
  return first ? PartialShape{n, channels, h, w} : PartialShape{n, h, w, channels};
}

/// Shape rule of convolutions; `channels` gives the channels of the output from filter sizes.
void infer_conv(Infer& c, bool depthwise) {
  c.same_dtype(1);
  c.floating(0);
  c.rank(0, 4);
  c.rank(1, 4);
  const Geometry g = geometry(c.op());
  const PartialShape unknown{-1, -1, -1, -1};
  const PartialShape x = c.shape(0).merge(unknown), w = c.shape(1).merge(unknown);
  const int64_t in = x[g.first ? 1 : 3];
  if (in >= 0 && w[2] >= 0 && in != w[2])
    c.fail(fmt::format("Dimensions must be equal, but are {} and {}", in, w[2]),
           "axis 2 of the filter counts the input's channels");
  const int64_t channels = !depthwise ? w[3] : w[2] < 0 || w[3] < 0 ? -1 : w[2] * w[3];
  const int h = g.first ? 2 : 1;
  c.output(
      image(g.first, x[0], channels, out_size(c, x[h], w[0], g.strides[0], g.dilations[0], g.same),
            out_size(c, x[h + 1], w[1], g.strides[1], g.dilations[1], g.same)),
      c.dtype(0));
}

ops::ConvAttrs conv_attrs(const Geometry& g, const Shape& x, int64_t kh, int64_t kw) {
  ops::ConvAttrs a;
  a.strides = g.strides;
  a.dilations = g.dilations;
  const int64_t kernel[] = {kh, kw};
  for (int i : {0, 1}) {
    const Window w = window_of(x[2 + i], kernel[i], g.strides[i], g.dilations[i], g.same);
    a.pads_begin.push_back(w.before);
    a.pads_end.push_back(w.after);
  }
  return a;
}

Value laid(const Geometry& g, Value x) { return g.first ? x : to_channels_first(x); }
Value back(const Geometry& g, Value y) { return g.first ? y : to_channels_last(y); }
Value filter(Value w) { return ops::permute(w, {3, 2, 0, 1}); }

void define_convs(SpecTable& t) {
  t.add({"Conv2D",
         {"input", "filter"},
         [](Infer& c) { infer_conv(c, false); },
         [](Translate& c) {
           const Geometry g = geometry(c.op());
           const Value x = laid(g, c.in(0)), w = c.in(1);
           c.out(0, back(g, ops::conv(x, filter(w),
                                      conv_attrs(g, x.shape(), w.shape()[0], w.shape()[1]))));
         }});
  t.add({"DepthwiseConv2dNative",
         {"input", "filter"},
         [](Infer& c) { infer_conv(c, true); },
         [](Translate& c) {
           const Geometry g = geometry(c.op());
           const Value x = laid(g, c.in(0)), w = c.in(1);
           const Shape s = w.shape();  // [h, w, in, multiplier] → [in * multiplier, 1, h, w]
           const Value rows =
               ops::reshape(ops::permute(w, {2, 3, 0, 1}), {s[2] * s[3], 1, s[0], s[1]});
           ops::ConvAttrs a = conv_attrs(g, x.shape(), s[0], s[1]);
           a.groups = s[2];
           c.out(0, back(g, ops::conv(x, rows, a)));
         }});
  t.add({"Conv2DBackpropInput",
         {"input_sizes", "filter", "out_backprop"},
         [](Infer& c) {
           const PartialShape sizes = c.constant_shape(0);
           c.output(sizes.known_rank() ? sizes : PartialShape{-1, -1, -1, -1}, c.dtype(2));
         },
         [](Translate& c) {
           const Geometry g = geometry(c.op());
           const Ints sizes = c.known_integers(0);
           const Ints plane = g.first ? Ints{sizes[2], sizes[3]} : Ints{sizes[1], sizes[2]};
           const Value w = c.in(1), dy = laid(g, c.in(2));
           const Shape x{sizes[0], g.first ? sizes[1] : sizes[3], plane[0], plane[1]};
           for (int i : {0, 1})
             if (window_of(plane[i], w.shape()[i], g.strides[i], g.dilations[i], g.same).out !=
                 dy.shape()[2 + i])
               c.fail(fmt::format(
                   "Conv2DBackpropInput: output_shape {} is not one that a convolution maps "
                   "to {}",
                   PartialShape(sizes).brackets(), PartialShape(c.shape(2)).brackets()));
           c.out(0,
                 back(g, ops::conv_bwd_data(dy, filter(w),
                                            conv_attrs(g, x, w.shape()[0], w.shape()[1]), plane)));
         }});
}

void infer_pool(Infer& c) {
  c.rank(0, 4);
  const bool first = channels_first(c.op()), same = is_same(c.op());
  const Ints k = spatial(c.op(), "ksize"), s = spatial(c.op(), "strides");
  const PartialShape x = c.shape(0).merge(PartialShape{-1, -1, -1, -1});
  const int h = first ? 2 : 1;
  c.output(image(first, x[0], x[first ? 1 : 3], out_size(c, x[h], k[0], s[0], 1, same),
                 out_size(c, x[h + 1], k[1], s[1], 1, same)),
           c.dtype(0));
}

void define_pools(SpecTable& t) {
  for (const bool largest : {true, false})
    t.add({largest ? "MaxPool" : "AvgPool",
           {largest ? "input" : "value"},
           infer_pool,
           [largest](Translate& c) {
             const bool first = channels_first(c.op()), same = is_same(c.op());
             const Value x = first ? c.in(0) : to_channels_first(c.in(0));
             ops::PoolAttrs a;
             a.kernel = spatial(c.op(), "ksize");
             a.strides = spatial(c.op(), "strides");
             for (int i : {0, 1}) {
               const Window w = window_of(x.shape()[2 + i], a.kernel[i], a.strides[i], 1, same);
               a.pads_begin.push_back(w.before);
               a.pads_end.push_back(w.after);
             }
             const Value y = largest ? ops::max_pool(x, a).y : ops::avg_pool(x, a, false);
             c.out(0, first ? y : to_channels_last(y));
           }});
}

}  // namespace

Window window_of(int64_t in, int64_t kernel, int64_t stride, int64_t dilation, bool same) {
  const int64_t reach = (kernel - 1) * dilation + 1;
  if (!same) return {(in - reach + stride) / stride, 0, 0};
  const int64_t out = (in + stride - 1) / stride;
  const int64_t total = std::max<int64_t>((out - 1) * stride + reach - in, 0);
  return {out, total / 2, total - total / 2};
}

namespace {

const Ints& perm_of(Value x) { return x.graph->node(x.node).attrs->integers("perm"); }

/// permute, unless x is the inverse permutation of something.
Value turned(Value x, const Ints& perm) {
  const Value source = source_of_permute(x);
  if (!source.defined()) return ops::permute(x, perm);
  const Ints& before = perm_of(x);
  for (size_t i = 0; i < perm.size(); ++i)
    if (before[static_cast<size_t>(perm[i])] != static_cast<int64_t>(i))
      return ops::permute(x, perm);
  return source;
}

}  // namespace

Value to_channels_first(Value x) {
  const int rank = x.shape().rank();
  Ints perm{0, rank - 1};
  for (int i = 1; i + 1 < rank; ++i) perm.push_back(i);
  return turned(x, perm);
}

Value to_channels_last(Value x) {
  const int rank = x.shape().rank();
  Ints perm{0};
  for (int i = 2; i < rank; ++i) perm.push_back(i);
  perm.push_back(1);
  return turned(x, perm);
}

Value source_of_permute(Value x) {
  const Node& node = x.graph->node(x.node);
  if (!node.op || node.op->name() != "permute") return {};
  return x.graph->value(node.inputs[0]);
}

Value before_permute(Value x, const std::function<Value(Value)>& fn) {
  const Value source = source_of_permute(x);
  if (!source.defined()) return fn(x);
  const Ints perm = perm_of(x);
  return ops::permute(fn(source), perm);
}

Value before_permute(Value a, Value b, const std::function<Value(Value, Value)>& fn) {
  const Value x = source_of_permute(a), y = source_of_permute(b);
  if (!x.defined() || !y.defined() || perm_of(a) != perm_of(b) || x.shape() != y.shape())
    return fn(a, b);
  const Ints perm = perm_of(a);
  return ops::permute(fn(x, y), perm);
}

void define_window_ops(SpecTable& t) {
  define_convs(t);
  define_pools(t);
}

}  // namespace trivium::tf
