// Convolution and its two gradients. One sum over (n, o, c, places, taps) is read three ways, so
// each op is the gradient of the others and derivatives of any order stay inside the family.
#include <algorithm>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

constexpr const char* kSizeRule =
    "out = floor((in + begin + end - (dilation * (kernel - 1) + 1)) / stride) + 1";

/// Everything of shape [N, C, in…], [O, C/groups, kernel…] and [N, O, out…] that loops need.
struct ConvShape {
  int64_t n = 0, c = 0, o = 0, groups = 1;
  Window window;
};

OpDef& conv_record(OpRegistry& ops, const std::string& name) {
  return ops.define(name)
      .required_attr("strides", Ints{}, "one entry a spatial axis, >= 1")
      .required_attr("pads_begin", Ints{}, "zeros before each spatial axis")
      .required_attr("pads_end", Ints{}, "zeros after each spatial axis")
      .required_attr("dilations", Ints{}, "distance of neighbouring taps, >= 1")
      .attr("groups", 1, "channels are split into this many independent convolutions");
}

void check_common(const InferCtx& c, int spatial_rank) {
  for (int i = 0; i < c.inputs(); ++i) {
    require_floating(c, i);
    require_same_dtype(c, 0, i);
  }
  require_integers(c, "strides", spatial_rank, 1);
  require_integers(c, "dilations", spatial_rank, 1);
  require_integers(c, "pads_begin", spatial_rank, 0);
  require_integers(c, "pads_end", spatial_rank, 0);
  c.require(c.attrs().integer("groups") >= 1, "groups is less than 1");
}

/// Expected size of the result along spatial axis i; fails when the kernel does not fit.
int64_t out_size(const InferCtx& c, int i, int64_t in, int64_t kernel) {
  const Attrs& a = c.attrs();
  const int64_t out = conv_size(in, kernel, a.integers("strides")[i], a.integers("pads_begin")[i],
                                a.integers("pads_end")[i], a.integers("dilations")[i]);
  if (kernel < 1 || out < 1)
    c.fail(fmt::format("a kernel of {} does not fit into {} along spatial axis {}", kernel, in, i),
           kSizeRule);
  return out;
}

void check_channels(const InferCtx& c, int64_t channels, int64_t per_group, int64_t outputs) {
  const int64_t groups = c.attrs().integer("groups");
  if (per_group * groups != channels)
    c.fail(fmt::format("w expects {} input channels, x has {}", per_group * groups, channels),
           "x.shape[1] == w.shape[1] * groups");
  if (outputs % groups != 0)
    c.fail(fmt::format("{} output channels do not divide into {} groups", outputs, groups),
           "w.shape[0] % groups == 0");
}

void require_same_rank(const InferCtx& c, int a, int b) {
  require_rank_at_least(c, a, 3);
  c.require(c.shape(a).rank() == c.shape(b).rank(),
            fmt::format("operands of rank {} and {}", c.shape(a).rank(), c.shape(b).rank()),
            "[N, C, spatial…] and [O, C/groups, kernel…]");
}

void infer_conv(InferCtx& c) {
  require_same_rank(c, 0, 1);
  const Shape &x = c.shape(0), &w = c.shape(1);
  check_common(c, x.rank() - 2);
  check_channels(c, x[1], w[1], w[0]);
  Shape y{x[0], w[0]};
  for (int i = 0; i < x.rank() - 2; ++i) y.push_back(out_size(c, i, x[i + 2], w[i + 2]));
  if (c.inputs() >= 3)
    c.require(c.shape(2) == Shape{w[0]}, fmt::format("bias of {} expected", w[0]),
              "bias.shape == [O]");
  const std::string& activation = c.attrs().string("activation");
  c.require(activation == "none" || activation == "relu" || activation == "clip",
            "activation is \"" + activation + "\"", "\"none\", \"relu\" or \"clip\"");
  if (c.inputs() == 4)
    c.require(c.shape(3) == y, fmt::format("addend of {} expected", y.text()),
              "addend.shape == y.shape");
  c.output(y, c.dtype(0));
}

void infer_bwd_data(InferCtx& c) {
  require_same_rank(c, 0, 1);
  const Shape &dy = c.shape(0), &w = c.shape(1);
  const int rank = dy.rank() - 2;
  check_common(c, rank);
  const auto& spatial = require_integers(c, "spatial", rank, 1);
  if (dy[1] != w[0])
    c.fail(fmt::format("dy has {} channels, w has {} outputs", dy[1], w[0]),
           "dy.shape[1] == w.shape[0]");
  check_channels(c, w[1] * c.attrs().integer("groups"), w[1], w[0]);
  Shape x{dy[0], w[1] * c.attrs().integer("groups")};
  for (int i = 0; i < rank; ++i) {
    const int64_t out = out_size(c, i, spatial[i], w[i + 2]);
    if (out != dy[i + 2])
      c.fail(
          fmt::format("spatial axis {} of {} gives {}, dy has {}", i, spatial[i], out, dy[i + 2]),
          kSizeRule);
    x.push_back(spatial[i]);
  }
  c.output(x, c.dtype(0));
}

void infer_bwd_weights(InferCtx& c) {
  require_same_rank(c, 0, 1);
  const Shape &x = c.shape(0), &dy = c.shape(1);
  const int rank = x.rank() - 2;
  check_common(c, rank);
  const auto& kernel = require_integers(c, "kernel", rank, 1);
  const int64_t groups = c.attrs().integer("groups");
  c.require(x[0] == dy[0], fmt::format("batches of {} and {}", x[0], dy[0]),
            "x.shape[0] == dy.shape[0]");
  c.require(x[1] % groups == 0,
            fmt::format("{} channels do not divide into {} groups", x[1], groups));
  check_channels(c, x[1], x[1] / groups, dy[1]);
  Shape w{dy[1], x[1] / groups};
  for (int i = 0; i < rank; ++i) {
    const int64_t out = out_size(c, i, x[i + 2], kernel[i]);
    if (out != dy[i + 2])
      c.fail(fmt::format("spatial axis {} of {} gives {}, dy has {}", i, x[i + 2], out, dy[i + 2]),
             kSizeRule);
    w.push_back(kernel[i]);
  }
  c.output(w, c.dtype(0));
}

ConvShape conv_shape(const Shape& x, const Shape& w, const Shape& y, const Attrs& a) {
  return {x[0],
          x[1],
          w[0],
          a.integer("groups"),
          {spatial_of(x), spatial_of(y), spatial_of(w), a.integers("strides"),
           a.integers("pads_begin"), a.integers("dilations")}};
}

/// Visits (x place, y place, tap) as offsets inside one channel plane; taps in the padding are left
/// out.
template <typename Body>
void for_each_tap(const Window& g, Body&& body) {
  int64_t out = 0;
  for_each_position(g.out, [&](std::span<const int64_t> y) {
    int64_t tap = 0;
    for_each_position(g.kernel, [&](std::span<const int64_t> k) {
      int64_t in = 0;
      bool inside = true;
      for (int i = 0; i < g.rank(); ++i) {
        const int64_t at = y[i] * g.strides[i] - g.begin[i] + k[i] * g.dilations[i];
        inside &= at >= 0 && at < g.in[i];
        in = in * g.in[i] + at;
      }
      if (inside) body(in, out, tap);
      ++tap;
    });
    ++out;
  });
}

/// Visits the offsets (x, w, y) of every product of the convolution.
template <typename Body>
void for_each_product(const ConvShape& s, Body&& body) {
  const int64_t in = product(s.window.in), out = product(s.window.out),
                taps = product(s.window.kernel);
  const int64_t c_per_group = s.c / s.groups, o_per_group = s.o / s.groups;
  for (int64_t n = 0; n < s.n; ++n)
    for (int64_t o = 0; o < s.o; ++o)
      for (int64_t c = 0; c < c_per_group; ++c) {
        const int64_t x_plane = (n * s.c + o / o_per_group * c_per_group + c) * in;
        const int64_t w_plane = (o * c_per_group + c) * taps, y_plane = (n * s.o + o) * out;
        for_each_tap(s.window, [&](int64_t x, int64_t y, int64_t tap) {
          body(x_plane + x, w_plane + tap, y_plane + y);
        });
      }
}

void reference_conv(RefCtx& r) {
  const RefTensor &x = *r.in[0], &w = *r.in[1];
  RefTensor& y = *r.out[0];
  if (r.in.size() >= 3) {
    const int64_t plane = y.shape.count(2);
    for (size_t i = 0; i < y.data.size(); ++i)
      y.data[i] = r.in[2]->data[static_cast<int64_t>(i) / plane % w.shape[0]];
  }
  for_each_product(
      conv_shape(x.shape, w.shape, y.shape, r.attrs),
      [&](int64_t xi, int64_t wi, int64_t yi) { y.data[yi] += x.data[xi] * w.data[wi]; });
  if (r.in.size() == 4)
    for (size_t i = 0; i < y.data.size(); ++i) y.data[i] += r.in[3]->data[i];
  const std::string& activation = r.attrs.string("activation");
  const double low = r.attrs.real("low"), high = r.attrs.real("high");
  for (double& v : y.data)
    v = activation == "relu"   ? apply(ScalarOp::relu, v)
        : activation == "clip" ? apply(ScalarOp::clip, v, low, high)
                               : v;
}

void reference_bwd_data(RefCtx& r) {
  const RefTensor &dy = *r.in[0], &w = *r.in[1];
  RefTensor& x = *r.out[0];
  for_each_product(
      conv_shape(x.shape, w.shape, dy.shape, r.attrs),
      [&](int64_t xi, int64_t wi, int64_t yi) { x.data[xi] += dy.data[yi] * w.data[wi]; });
}

void reference_bwd_weights(RefCtx& r) {
  const RefTensor &x = *r.in[0], &dy = *r.in[1];
  RefTensor& w = *r.out[0];
  for_each_product(
      conv_shape(x.shape, w.shape, dy.shape, r.attrs),
      [&](int64_t xi, int64_t wi, int64_t yi) { w.data[wi] += x.data[xi] * dy.data[yi]; });
}

ConvAttrs attrs_of(const Attrs& a) {
  return {a.integers("strides"), a.integers("pads_begin"), a.integers("pads_end"),
          a.integers("dilations"), a.integer("groups")};
}

void grad_conv(GradCtx& c) {
  const Value x = c.input(0), w = c.input(1);
  const ConvAttrs a = attrs_of(c.attrs());
  Value dz = c.upstream();
  const Value y = c.output();
  if (c.attrs().string("activation") == "relu") dz = relu_grad(dz, y);
  if (c.attrs().string("activation") == "clip")
    dz = mul(dz, cast(logical_and(greater(y, c.graph().constant(c.attrs().real("low"), y.dtype())),
                                  less(y, c.graph().constant(c.attrs().real("high"), y.dtype()))),
                      y.dtype()));
  if (c.inputs() == 4 && c.wants(3)) c.to(3, dz);
  if (c.wants(0)) c.to(0, conv_bwd_data(dz, w, a, spatial_of(x.shape())));
  if (c.wants(1)) c.to(1, conv_bwd_weights(x, dz, a, spatial_of(w.shape())));
  if (c.inputs() < 3 || !c.wants(2)) return;
  Ints axes{0};
  for (int i = 2; i < dz.shape().rank(); ++i) axes.push_back(i);
  c.to(2, sum(dz, axes));
}

void grad_bwd_data(GradCtx& c) {
  const Value dy = c.input(0), w = c.input(1), g = c.upstream();
  const ConvAttrs a = attrs_of(c.attrs());
  if (c.wants(0)) c.to(0, conv(g, w, a));
  if (c.wants(1)) c.to(1, conv_bwd_weights(g, dy, a, spatial_of(w.shape())));
}

void grad_bwd_weights(GradCtx& c) {
  const Value x = c.input(0), dy = c.input(1), g = c.upstream();
  const ConvAttrs a = attrs_of(c.attrs());
  if (c.wants(0)) c.to(0, conv_bwd_data(dy, g, a, spatial_of(x.shape())));
  if (c.wants(1)) c.to(1, conv(x, g, a));
}

/// Two operations for every (result place, tap, input channel of its group).
Cost conv_flops(const Shape& w, const Shape& y) {
  return {2.0 * static_cast<double>(y.count()) * static_cast<double>(w.count(1))};
}

Attrs sample_attrs(Ints strides, Ints begin, Ints end, Ints dilations, int64_t groups) {
  return {{"strides", strides},
          {"pads_begin", begin},
          {"pads_end", end},
          {"dilations", dilations},
          {"groups", groups}};
}

struct SampleShape {
  SampleInput x, w, y;
  Attrs attrs;
};

std::vector<SampleShape> sample_shapes() {
  return {
      {{2, 3, 5, 4}, {4, 3, 3, 2}, {2, 4, 3, 3}, sample_attrs({1, 1}, {0, 0}, {0, 0}, {1, 1}, 1)},
      {{1, 4, 5, 6}, {4, 2, 3, 3}, {1, 4, 3, 3}, sample_attrs({2, 2}, {1, 1}, {1, 1}, {1, 1}, 2)},
      {{1, 2, 6, 7}, {3, 2, 2, 3}, {1, 3, 3, 4}, sample_attrs({2, 1}, {0, 1}, {1, 0}, {2, 2}, 1)},
      {{2, 3, 6}, {3, 1, 3}, {2, 3, 3}, sample_attrs({2}, {1}, {0}, {1}, 3)},
      {{1, 1, 3, 4, 3},
       {2, 1, 2, 2, 2},
       {1, 2, 2, 3, 2},
       sample_attrs({1, 1, 1}, {0, 0, 0}, {0, 0, 0}, {1, 1, 1}, 1)},
      {{2, 2, 9}, {3, 2, 3}, {2, 3, 4}, sample_attrs({2}, {1}, {1}, {2}, 1)},
      {{1, 4, 6, 5, 4},
       {2, 2, 2, 2, 2},
       {1, 2, 4, 4, 2},
       sample_attrs({1, 1, 1}, {0, 0, 0}, {0, 0, 0}, {2, 1, 2}, 2)}};
}

std::vector<Sample> conv_samples() {
  std::vector<Sample> out;
  for (const SampleShape& s : sample_shapes()) out.push_back({{s.x, s.w}, s.attrs});
  SampleShape first = sample_shapes()[0];
  out.push_back({{first.x, first.w, {4}}, first.attrs});
  first.attrs.set("activation", std::string("relu"));
  out.push_back({{first.x, first.w, {4}}, first.attrs});
  out.push_back({{first.x, first.w, {4}, first.y}, first.attrs});
  first.attrs.set("activation", std::string("clip"));
  first.attrs.set("low", -0.5);
  first.attrs.set("high", 2.0);
  out.push_back({{first.x, first.w, {4}, first.y}, first.attrs});
  return out;
}

std::vector<Sample> bwd_data_samples() {
  std::vector<Sample> out;
  for (SampleShape s : sample_shapes()) {
    s.attrs.set("spatial", spatial_of(s.x.shape));
    out.push_back({{s.y, s.w}, s.attrs});
  }
  return out;
}

std::vector<Sample> bwd_weights_samples() {
  std::vector<Sample> out;
  for (SampleShape s : sample_shapes()) {
    s.attrs.set("kernel", spatial_of(s.w.shape));
    out.push_back({{s.x, s.y}, s.attrs});
  }
  return out;
}

}  // namespace

void define_conv(OpRegistry& ops) {
  conv_record(ops, "conv")
      .summary(
          "Convolution (cross-correlation: the kernel is not flipped) with zero padding, any "
          "number of spatial axes.")
      .formula(
          "y[n, o, p] = activation(bias[o] + sum over c, t of x[n, c, p * stride - begin + t * "
          "dilation] * w[o, c, t] [+ addend[n, o, p]])")
      .input("x", "floating [N, C, spatial…]")
      .input("w", "[O, C / groups, kernel…]")
      .optional_input("bias", "[O]")
      .optional_input("addend", "shape of y; set by the compiler")
      .attr("activation", "none",
            "\"none\", \"relu\" or \"clip\" (to [low, high]); set by the compiler")
      .attr("low", AttrValue(0.0), "lower bound of clip; set by the compiler")
      .attr("high", AttrValue(0.0), "upper bound of clip; set by the compiler")
      .output("y", std::string("[N, O, out…] with ") + kSizeRule)
      .infer(infer_conv)
      .gradient(grad_conv)
      .reference(reference_conv)
      .cost([](std::span<const ValueMeta> in, std::span<const ValueMeta> out, const Attrs&) {
        return conv_flops(in[1].shape, out[0].shape);
      })
      .samples(conv_samples());
  conv_record(ops, "conv_bwd_data")
      .summary(
          "Gradient of conv for its image: spreads dy through the kernel. Also the forward of "
          "deconvolution.")
      .formula("x[n, c, p * stride - begin + t * dilation] += dy[n, o, p] * w[o, c, t]")
      .input("dy", "floating [N, O, out…]")
      .input("w", "[O, C / groups, kernel…]")
      .required_attr("spatial", Ints{}, "spatial sizes of x; conv of them must give out")
      .output("x", "[N, C, spatial…]")
      .infer(infer_bwd_data)
      .gradient(grad_bwd_data)
      .reference(reference_bwd_data)
      .cost([](std::span<const ValueMeta> in, std::span<const ValueMeta>, const Attrs&) {
        return conv_flops(in[1].shape, in[0].shape);
      })
      .samples(bwd_data_samples());
  conv_record(ops, "conv_bwd_weights")
      .summary("Gradient of conv for its weight.")
      .formula(
          "w[o, c, t] = sum over n, p of x[n, c, p * stride - begin + t * dilation] * dy[n, o, p]")
      .input("x", "floating [N, C, spatial…]")
      .input("dy", "[N, O, out…]")
      .required_attr("kernel", Ints{}, "spatial sizes of the weight; conv with them must give out")
      .output("w", "[O, C / groups, kernel…]")
      .infer(infer_bwd_weights)
      .gradient(grad_bwd_weights)
      .reference(reference_bwd_weights)
      .cost([](std::span<const ValueMeta> in, std::span<const ValueMeta> out, const Attrs&) {
        return conv_flops(out[0].shape, in[1].shape);
      })
      .samples(bwd_weights_samples());
}

}  // namespace trivium::ops
