// Convolution, Deconvolution and Im2col: one reading of convolution_param for any number of axes.
#include <algorithm>

#include "trivium/notations/caffe/layer.h"

namespace trivium::caffe {
namespace {

/// convolution_param spread over the spatial axes of a bottom [batch axes…, C, spatial…].
struct Geometry {
  int channel_axis = 1;
  int64_t channels = 0;
  ops::Ints spatial, kernel, stride, pad, dilation;
  int axes() const { return static_cast<int>(spatial.size()); }
  int64_t reach(int i) const { return dilation[i] * (kernel[i] - 1) + 1; }
};

template <typename Field>
ops::Ints spread(const LayerCtx& ctx, const Field& values, int axes, int64_t fallback,
                 const char* name) {
  ctx.require(values.size() <= 1 || values.size() == axes, "convolution_param",
              fmt::format("expected one {} or one for each of the {} spatial axes, received {}",
                          name, axes, values.size()));
  ops::Ints result(axes, values.size() ? values.Get(0) : fallback);
  for (int i = 0; values.size() > 1 && i < axes; ++i) result[i] = values.Get(i);
  return result;
}

/// The two-dimensional spelling (…_h, …_w) of a field, which excludes the repeated one.
ops::Ints pair(const LayerCtx& ctx, int axes, bool repeated, int64_t h, int64_t w,
               const char* name) {
  ctx.require(axes == 2, "convolution_param",
              fmt::format("{}_h and {}_w need two spatial axes, received {}", name, name, axes));
  ctx.require(!repeated, "convolution_param",
              fmt::format("give either {} or {}_h and {}_w, not both", name, name, name));
  return {h, w};
}

Geometry geometry(const LayerCtx& ctx) {
  const proto::ConvolutionParameter& p = ctx.param().convolution_param();
  const Shape& shape = ctx.shape();
  Geometry g;
  g.channel_axis = ctx.axis(p.axis(), shape.rank(), "axis");
  g.channels = shape[g.channel_axis];
  for (int i = g.channel_axis + 1; i < shape.rank(); ++i) g.spatial.push_back(shape[i]);
  const int n = g.axes();
  if (p.has_kernel_h() || p.has_kernel_w())
    g.kernel = pair(ctx, n, p.kernel_size_size() > 0, p.kernel_h(), p.kernel_w(), "kernel");
  else {
    ctx.require(p.kernel_size_size() > 0 || n == 0, "convolution_param", "kernel_size is missing");
    g.kernel = spread(ctx, p.kernel_size(), n, 0, "kernel_size");
  }
  if (p.has_stride_h() || p.has_stride_w())
    g.stride = pair(ctx, n, p.stride_size() > 0, p.stride_h(), p.stride_w(), "stride");
  else
    g.stride = spread(ctx, p.stride(), n, 1, "stride");
  if (p.has_pad_h() || p.has_pad_w())
    g.pad = pair(ctx, n, p.pad_size() > 0, p.pad_h(), p.pad_w(), "pad");
  else
    g.pad = spread(ctx, p.pad(), n, 0, "pad");
  g.dilation = spread(ctx, p.dilation(), n, 1, "dilation");
  for (int i = 0; i < n; ++i) {
    ctx.require(g.kernel[i] > 0, "convolution_param",
                "every side of the kernel must be at least 1 (kernel_h and kernel_w go together)");
    ctx.require(g.stride[i] > 0, "convolution_param", "every stride must be at least 1");
    ctx.require(g.dilation[i] > 0, "convolution_param", "every dilation must be at least 1");
  }
  for (int b = 1; b < ctx.bottoms(); ++b)
    ctx.require(ctx.shape(b) == shape, "bottom",
                fmt::format("all bottoms need one shape, received {} and {}", shape.text(),
                            ctx.shape(b).text()));
  return g;
}

/// Sizes after a convolution. C++ division truncates towards zero, and so does Caffe's: an input a
/// little smaller than the kernel still gives one place.
ops::Ints convolved(const LayerCtx& ctx, const Geometry& g) {
  ops::Ints out;
  for (int i = 0; i < g.axes(); ++i) {
    out.push_back((g.spatial[i] + 2 * g.pad[i] - g.reach(i)) / g.stride[i] + 1);
    ctx.require(
        out[i] > 0, "convolution_param",
        fmt::format("the kernel reaches over {} places, more than the {} of spatial axis {} "
                    "with padding; the bottom is {}",
                    g.reach(i), g.spatial[i] + 2 * g.pad[i], i, ctx.shape(0).text()));
  }
  return out;
}

ops::ConvAttrs attributes(const Geometry& g, int64_t groups) {
  ops::ConvAttrs a{g.stride, g.pad, g.pad, g.dilation, groups};
  for (int i = 0; i < g.axes(); ++i) {
    const int64_t missing = g.reach(i) - (g.spatial[i] + 2 * g.pad[i]);
    if (missing > 0) a.pads_end[i] += missing;  // the truncation above: zeros fill the rest
  }
  // Without spatial axes the op sees one axis of one place.
  if (g.axes() == 0) return {{1}, {0}, {0}, {1}, groups};
  return a;
}

Shape folded(const Geometry& g, const Shape& shape, int64_t channels, const ops::Ints& spatial) {
  Shape result{shape.count(0, g.channel_axis), channels};
  for (int64_t s : spatial) result.push_back(s);
  if (spatial.empty()) result.push_back(1);
  return result;
}

Shape unfolded(const Geometry& g, const Shape& shape, int64_t channels, const ops::Ints& spatial) {
  Shape result;
  for (int i = 0; i < g.channel_axis; ++i) result.push_back(shape[i]);
  result.push_back(channels);
  for (int64_t s : spatial) result.push_back(s);
  return result;
}

Value reshaped(Value x, const Shape& shape) {
  return x.shape() == shape ? x : ops::reshape(x, shape);
}

/// The weights as the op takes them.
Value kernel_of(const Geometry& g, Value w) {
  return g.axes() > 0 ? w : ops::reshape(w, Shape{w.shape()[0], w.shape()[1], 1});
}

void check_channels(const LayerCtx& ctx, const Geometry& g) {
  const proto::ConvolutionParameter& p = ctx.param().convolution_param();
  ctx.require(p.num_output() > 0, "convolution_param", "num_output must be at least 1");
  ctx.require(p.group() > 0, "convolution_param", "group must be at least 1");
  ctx.require(
      g.channels % p.group() == 0, "convolution_param",
      fmt::format("group {} does not divide the {} channels of the bottom", p.group(), g.channels));
  ctx.require(p.num_output() % p.group() == 0, "convolution_param",
              fmt::format("group {} does not divide num_output {}", p.group(), p.num_output()));
}

void convolution(LayerCtx& ctx) {
  const proto::ConvolutionParameter& p = ctx.param().convolution_param();
  const Geometry g = geometry(ctx);
  check_channels(ctx, g);
  const int64_t outputs = p.num_output();
  Shape kernel{outputs, g.channels / p.group()};
  for (int64_t k : g.kernel) kernel.push_back(k);
  const Value w = kernel_of(g, ctx.weight(0, kernel, p.weight_filler()));
  const Value bias = p.bias_term() ? ctx.weight(1, Shape{outputs}, p.bias_filler()) : Value{};
  const ops::Ints out = convolved(ctx, g);
  const ops::ConvAttrs a = attributes(g, p.group());
  for (int b = 0; b < ctx.bottoms(); ++b) {
    const Value x = reshaped(ctx.bottom(b), folded(g, ctx.shape(b), g.channels, g.spatial));
    ctx.top(b, reshaped(ops::conv(x, w, a, bias), unfolded(g, ctx.shape(b), outputs, out)));
  }
}

/// The transpose of a convolution that maps num_output channels to the bottom's: its gradient for
/// data.
void deconvolution(LayerCtx& ctx) {
  const proto::ConvolutionParameter& p = ctx.param().convolution_param();
  const Geometry g = geometry(ctx);
  check_channels(ctx, g);
  const int64_t outputs = p.num_output();
  Shape kernel{g.channels, outputs / p.group()};
  ops::Ints out;
  for (int i = 0; i < g.axes(); ++i) {
    kernel.push_back(g.kernel[i]);
    out.push_back(g.stride[i] * (g.spatial[i] - 1) + g.reach(i) - 2 * g.pad[i]);
    ctx.require(out[i] > 0, "convolution_param",
                fmt::format("nothing is left of spatial axis {} after cutting the padding", i));
  }
  const Value w = kernel_of(g, ctx.weight(0, kernel, p.weight_filler()));
  Value bias;
  if (p.bias_term()) {
    Shape aligned{outputs};
    for (int i = 0; i < std::max(g.axes(), 1); ++i) aligned.push_back(1);
    bias = ops::reshape(ctx.weight(1, Shape{outputs}, p.bias_filler()), aligned);
  }
  ops::ConvAttrs a{g.stride, g.pad, g.pad, g.dilation, p.group()};
  if (g.axes() == 0) a = {{1}, {0}, {0}, {1}, p.group()};
  const ops::Ints sizes = g.axes() > 0 ? out : ops::Ints{1};
  for (int b = 0; b < ctx.bottoms(); ++b) {
    const Value x = reshaped(ctx.bottom(b), folded(g, ctx.shape(b), g.channels, g.spatial));
    Value y = ops::conv_bwd_data(x, w, a, sizes);
    if (bias.defined()) y = y + bias;
    ctx.top(b, reshaped(y, unfolded(g, ctx.shape(b), outputs, out)));
  }
}

/// One strided slice per place of the kernel, laid side by side behind each channel.
void im2col(LayerCtx& ctx) {
  const Geometry g = geometry(ctx);
  ctx.require(g.axes() > 0, "bottom",
              "expected at least one spatial axis, received " + ctx.shape().text());
  const ops::Ints out = convolved(ctx, g);
  const ops::ConvAttrs a = attributes(g, 1);
  ops::Ints before = {0, 0}, after = {0, 0};
  before.insert(before.end(), a.pads_begin.begin(), a.pads_begin.end());
  after.insert(after.end(), a.pads_end.begin(), a.pads_end.end());
  const Shape flat = folded(g, ctx.shape(), g.channels, g.spatial);
  const Value x = ops::pad(reshaped(ctx.bottom(), flat), before, after);
  Shape single{flat[0], g.channels, 1};
  for (int64_t s : out) single.push_back(s);
  int64_t places = 1;
  for (int64_t k : g.kernel) places *= k;
  std::vector<Value> columns;
  for (int64_t place = 0; place < places; ++place) {
    ops::Ints starts = {0, 0}, stops = {flat[0], g.channels}, steps = {1, 1};
    starts.resize(2 + g.axes());
    int64_t rest = place;
    for (int i = g.axes() - 1; i >= 0; --i) {
      starts[2 + i] = rest % g.kernel[i] * g.dilation[i];
      rest /= g.kernel[i];
    }
    for (int i = 0; i < g.axes(); ++i) {
      stops.push_back(starts[2 + i] + (out[i] - 1) * g.stride[i] + 1);
      steps.push_back(g.stride[i]);
    }
    columns.push_back(ops::reshape(ops::slice(x, starts, stops, steps), single));
  }
  const Value y = columns.size() == 1 ? columns[0] : ops::concat(columns, 2);
  ctx.top(0, ops::reshape(y, unfolded(g, ctx.shape(), g.channels * places, out)));
}

}  // namespace

void add_convolution_layers(LayerTable& table) {
  table.add({"Convolution", at_least(1), at_least(1), convolution, true});
  table.add({"Deconvolution", at_least(1), at_least(1), deconvolution, true});
  table.add({"Im2col", exactly(1), exactly(1), im2col});
}

}  // namespace trivium::caffe
