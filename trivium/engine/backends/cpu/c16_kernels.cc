// What the channel-blocked family offers: convolutions by oneDNN, batch normalisation and
// reductions to channels by own loops, and pooling by the batch-blocked loops, which work lane by
// lane and so do not care what a lane is: [N][C/B][H][W][B] is to them N·B images of C/B channels.
#include "trivium/engine/backends/cpu/c16_conv.h"
#include "trivium/engine/backends/cpu/c16_norm.h"
#include "trivium/engine/backends/cpu/c16_winograd.h"
#include "trivium/engine/backends/cpu/nblock_pool.h"
#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

/// "" when the operand can lie in channel blocks.
std::string blockable(const TensorDesc& t) {
  if (t.dtype != DType::f32) return "computes in float32 only";
  if (t.shape.rank() != 4) return "two spatial axes only";
  return t.shape.count() == 0 ? "an operand is empty" : "";
}

std::string wants_channels(Format family) {
  if (family.kind != Format::channels) return "channel-blocked operands only";
  return family.lanes == 8 || family.lanes == 16 ? "" : "blocks of 8 and 16 channels only";
}

/// Channels in memory over real ones.
double padding_of(int64_t channels, int lanes) {
  return static_cast<double>(ceil_div(channels, lanes) * lanes) / static_cast<double>(channels);
}

// ---- convolution
// ---------------------------------------------------------------------------------

c16::ConvLayer layer_of(const KernelRequest& r, int lanes) {
  using onednn::Pass;
  c16::ConvLayer layer;
  layer.pass = r.op == "conv"            ? Pass::forward
               : r.op == "conv_bwd_data" ? Pass::backward_data
                                         : Pass::backward_weights;
  const Shape *a = &r.in[0].shape, *b = &r.in[1].shape, *out = &r.out[0].shape;
  const Shape* x = layer.pass == Pass::backward_data ? out : a;
  const Shape* w = layer.pass == Pass::backward_weights ? out : b;
  const Shape* y = layer.pass == Pass::forward ? out : layer.pass == Pass::backward_data ? a : b;
  const auto at = [&](const char* name, int i, int64_t otherwise) {
    return ints_or(*r.attrs, name, Ints(2, otherwise))[static_cast<size_t>(i)];
  };
  onednn::ConvSizes& s = layer.sizes;
  s = {(*x)[0], (*x)[1], (*x)[2], (*x)[3], (*w)[0], (*y)[2], (*y)[3], (*w)[2], (*w)[3]};
  s.stride_h = at("strides", 0, 1), s.stride_w = at("strides", 1, 1);
  s.dilation_h = at("dilations", 0, 1), s.dilation_w = at("dilations", 1, 1);
  s.pad_top = at("pads_begin", 0, 0), s.pad_left = at("pads_begin", 1, 0);
  s.groups = int_or(*r.attrs, "groups", 1);
  layer.lanes = lanes;
  layer.bias = layer.pass == Pass::forward && r.in.size() > 2;
  layer.last = finish_of(r);
  return layer;
}

double flops_of(const c16::ConvLayer& layer) {
  const onednn::ConvSizes& s = layer.sizes;
  double flops = 2.0 * static_cast<double>(s.n * s.o * s.oh * s.ow) *
                 static_cast<double>(s.c / s.groups * s.kh * s.kw);
  flops *= padding_of(s.o, layer.lanes);
  if (s.groups == 1 && !c16::reads_plain_image(layer)) flops *= padding_of(s.c, layer.lanes);
  return flops;
}

std::optional<Placement> place_conv(const KernelRequest& r, Format family, std::string& reason) {
  reason = wants_channels(family);
  if (reason.empty()) reason = blockable(r.in[0]);
  if (!reason.empty()) return std::nullopt;
  const c16::ConvLayer layer = layer_of(r, family.lanes);
  reason = c16::Conv::declines(layer);
  if (!reason.empty()) return std::nullopt;
  const bool depthwise = layer.sizes.groups > 1 && layer.sizes.groups == layer.sizes.c;
  Placement p = plain_placement(r, predict_us(r, flops_of(layer), depthwise ? 0.5 : 0.9));
  const bool weights = layer.pass == onednn::Pass::backward_weights;
  if (layer.pass == onednn::Pass::backward_data || !c16::reads_plain_image(layer)) p.in[0] = family;
  (weights ? p.in[1] : p.out[0]) = family;
  if (layer.last.addend) p.in[3] = family;
  return p;
}

struct ChannelConv {
  c16::Conv conv;
  bool packs, bias, addend;
  size_t packed_bytes;
  void run(const KernelArgs& a) const {
    const float* b = input<float>(a, 1);
    char* scratch = static_cast<char*>(a.scratch);
    if (packs) {
      conv.pack(b, reinterpret_cast<float*>(scratch));
      b = reinterpret_cast<const float*>(scratch);
      scratch += packed_bytes;
    }
    conv.run(input<float>(a, 0), b, bias ? input<float>(a, 2) : nullptr,
             addend ? input<float>(a, 3) : nullptr, output<float>(a), scratch);
  }
};

int lanes_of(const KernelRequest& r) {
  return (r.op == "conv_bwd_weights" ? r.in[1] : r.op == "conv" ? r.out[0] : r.in[0]).format.lanes;
}
bool weights_packed(const KernelRequest& r) { return r.packed >> 1 & 1; }

Kernel build_conv(const KernelRequest& r) {
  const bool packs = r.op != "conv_bwd_weights" && !weights_packed(r);
  const int lanes = lanes_of(r);
  const c16::ConvLayer layer = layer_of(r, lanes);
  c16::Conv conv(layer);
  const size_t packed = packs ? (conv.packed_bytes() + 63) / 64 * 64 : 0;
  const size_t scratch = conv.scratch_bytes() + packed;
  return kernel_of(r.op + ":c" + std::to_string(lanes),
                   ChannelConv{std::move(conv), packs, layer.bias, layer.last.addend, packed},
                   scratch);
}

struct ConvWeights {
  c16::Conv conv;
  void run(const KernelArgs& a) const { conv.pack(input<float>(a, 0), output<float>(a)); }
};

std::optional<run::Packing> pack_conv(const KernelRequest& r, int operand) {
  if (operand != 1 || r.op == "conv_bwd_weights") return std::nullopt;
  c16::Conv conv(layer_of(r, lanes_of(r)));
  const size_t bytes = conv.packed_bytes();
  return run::Packing{
      kernel_of("pack:c" + std::to_string(lanes_of(r)), ConvWeights{std::move(conv)}), bytes};
}

// ---- Winograd
// ------------------------------------------------------------------------------------

/// The layer as a forward computation; nullopt when it has no Winograd form.
std::optional<c16::Winograd> winograd_of(const KernelRequest& r) {
  const c16::ConvLayer layer = layer_of(r, 16);
  const onednn::ConvSizes& s = layer.sizes;
  if (s.kh != 3 || s.kw != 3 || s.stride_h != 1 || s.stride_w != 1 || s.dilation_h != 1 ||
      s.dilation_w != 1 || s.groups != 1 || s.c < 16 || s.o < 16)
    return std::nullopt;
  c16::Winograd w;
  w.n = s.n, w.threads = std::max(1, r.threads);
  w.turned = layer.pass == onednn::Pass::backward_data;
  w.last = layer.last;
  if (w.turned) {
    w.in = s.o, w.h = s.oh, w.w = s.ow, w.out = s.c, w.oh = s.h, w.ow = s.w;
    w.pad_top = 2 - s.pad_top, w.pad_left = 2 - s.pad_left;
  } else {
    w.in = s.c, w.h = s.h, w.w = s.w, w.out = s.o, w.oh = s.oh, w.ow = s.ow;
    w.pad_top = s.pad_top, w.pad_left = s.pad_left;
  }
  return w;
}

std::optional<Placement> place_winograd(const KernelRequest& r, Format family,
                                        std::string& reason) {
  reason = wants_channels(family);
  if (reason.empty()) reason = blockable(r.in[0]);
  if (reason.empty() && (family.lanes != 16 || !c16::winograd_available()))
    reason = "blocks of 16 channels only";
  if (reason.empty() && has_empty(r)) reason = "an operand is empty";
  if (!reason.empty()) return std::nullopt;
  const auto shape = winograd_of(r);
  if (!shape) {
    reason = "3x3 at stride 1 from 16 channels up only";
    return std::nullopt;
  }
  // It has to be a tenth faster by its model before its rounding is worth it.
  Placement p = plain_placement(
      r, shape->microseconds(machine().gflops_per_thread, machine().gbytes_per_second,
                             (r.steady >> 1 & 1) != 0) /
             0.9);
  p.in[0] = p.out[0] = family;
  if (shape->last.addend) p.in[3] = family;
  return p;
}

struct WinogradConv {
  c16::Winograd shape;
  bool bias, packs;
  void run(const KernelArgs& a) const {
    const float* u = input<float>(a, 1);
    float* scratch = static_cast<float*>(a.scratch);
    if (packs) {
      shape.pack(u, scratch);
      u = scratch;
      scratch += shape.weight_floats();
    }
    shape.run(input<float>(a, 0), u, bias ? input<float>(a, 2) : nullptr,
              shape.last.addend ? input<float>(a, 3) : nullptr, output<float>(a), scratch);
  }
};

Kernel build_winograd(const KernelRequest& r) {
  const WinogradConv state{*winograd_of(r), r.op == "conv" && r.in.size() > 2, !weights_packed(r)};
  const size_t weights = state.packs ? static_cast<size_t>(state.shape.weight_floats()) : 0;
  return kernel_of(r.op + ":c16:winograd", state,
                   state.shape.scratch_bytes() + weights * sizeof(float));
}

struct WinogradWeights {
  c16::Winograd shape;
  void run(const KernelArgs& a) const { shape.pack(input<float>(a, 0), output<float>(a)); }
};

std::optional<run::Packing> pack_winograd(const KernelRequest& r, int operand) {
  if (operand != 1) return std::nullopt;
  const WinogradWeights state{*winograd_of(r)};
  return run::Packing{kernel_of("pack:winograd", state),
                      static_cast<size_t>(state.shape.weight_floats()) * sizeof(float)};
}

// ---- batch normalisation
// -------------------------------------------------------------------------

c16::Planes planes_of(const TensorDesc& x, int lanes) {
  return {x.shape[0], x.shape[1], x.shape.count(2), lanes};
}

std::optional<Placement> place_norm(const KernelRequest& r, Format family, std::string& reason) {
  reason = wants_channels(family);
  if (reason.empty()) reason = blockable(r.in[0]);
  if (!reason.empty()) return std::nullopt;
  Placement p =
      plain_placement(r, predict_us(r, 0, 1) * 1.6 * padding_of(r.in[0].shape[1], family.lanes));
  p.in[0] = p.out[0] = family;
  if (r.op == "batch_norm_grad") p.in[1] = family;
  for (const size_t i : {size_t{3}, size_t{5}})  // the addend, the relu's output
    if (i < r.in.size() && r.in[i].shape.rank() > 1) p.in[i] = family;
  return p;
}

struct Norm {
  c16::Planes shape;
  double eps;
  bool gamma, beta, addend, relu;
  void run(const KernelArgs& a) const {
    c16::norm_forward(shape,
                      {input<float>(a, 0), gamma ? input<float>(a, 1) : nullptr,
                       beta ? input<float>(a, 2) : nullptr, addend ? input<float>(a, 3) : nullptr,
                       output<float>(a, 0), output<float>(a, 1), output<float>(a, 2),
                       output<float>(a, 3), eps, relu},
                      static_cast<double*>(a.scratch));
  }
};
struct NormGrad {
  c16::Planes shape;
  bool gamma, relu;
  void run(const KernelArgs& a) const {
    c16::norm_backward(
        shape,
        {input<float>(a, 0), input<float>(a, 1), input<float>(a, 2), input<float>(a, 3),
         gamma ? input<float>(a, 4) : nullptr, relu ? input<float>(a, 5) : nullptr,
         output<float>(a, 0), output<float>(a, 1), output<float>(a, 2)},
        static_cast<double*>(a.scratch));
  }
};

Kernel build_norm(const KernelRequest& r) {
  const Norm state{planes_of(r.in[0], r.in[0].format.lanes),
                   real_or(*r.attrs, "eps", 1e-5),
                   r.in.size() > 1,
                   r.in.size() > 2,
                   r.in.size() > 3,
                   wants_relu(*r.attrs)};
  return kernel_of(r.op + ":" + r.in[0].format.text(), state, state.shape.scratch_bytes());
}
Kernel build_norm_grad(const KernelRequest& r) {
  const NormGrad state{planes_of(r.in[0], r.in[0].format.lanes), r.in.size() > 4, r.in.size() > 5};
  return kernel_of(r.op + ":" + r.in[0].format.text(), state, state.shape.scratch_bytes());
}

// ---- sums
// ----------------------------------------------------------------------------------------

/// Which axes of [N, C, H, W] are summed: bit i for axis i.
int summed_axes(const KernelRequest& r) {
  const Shape& x = r.in[0].shape;
  int bits = 0;
  if (r.op == "sum_to") {
    const Shape& y = r.out[0].shape;
    const int missing = x.rank() - y.rank();
    for (int i = 0; i < x.rank(); ++i)
      if (i < missing || (y[i - missing] == 1 && x[i] != 1)) bits |= 1 << i;
    return bits;
  }
  const auto axes = ops::normal_axes(ints_or(*r.attrs, "axes", {}), x.rank());
  for (const int64_t axis : axes.value()) bits |= 1 << axis;
  return bits;
}

constexpr int kToChannels = 0b1101, kToPlanes = 0b1100;

/// Axes of one element are summed or not, as it suits.
bool sums(const KernelRequest& r, int wanted) {
  const Shape& x = r.in[0].shape;
  const int bits = summed_axes(r);
  for (int i = 0; i < 4; ++i)
    if (((bits ^ wanted) >> i & 1) && x[i] != 1) return false;
  return true;
}

std::optional<Placement> place_sum(const KernelRequest& r, Format family, std::string& reason) {
  reason = wants_channels(family);
  if (reason.empty()) reason = blockable(r.in[0]);
  if (!reason.empty()) return std::nullopt;
  Placement p =
      plain_placement(r, predict_us(r, 0, 1) * padding_of(r.in[0].shape[1], family.lanes));
  p.in[0] = family;
  if (sums(r, kToChannels)) return p;
  if (!sums(r, kToPlanes) || r.out[0].shape.rank() != 4) {
    reason = "sums to channels, or over whole planes that keep their axes, only";
    return std::nullopt;
  }
  p.out[0] = family;
  return p;
}

struct Sum {
  c16::Planes shape;
  bool channels;
  double scale;
  void run(const KernelArgs& a) const {
    if (channels)
      c16::sum_channels(shape, input<float>(a, 0), scale, output<float>(a),
                        static_cast<double*>(a.scratch));
    else
      c16::sum_planes(shape, input<float>(a, 0), scale, output<float>(a));
  }
};

Kernel build_sum(const KernelRequest& r) {
  Sum s{planes_of(r.in[0], r.in[0].format.lanes), sums(r, kToChannels), 1.0};
  if (r.op == "mean")
    s.scale = 1.0 / (s.channels ? s.shape.count() : static_cast<double>(s.shape.plane));
  return kernel_of(r.op + ":" + r.in[0].format.text(), s, s.shape.scratch_bytes());
}

// ---- pooling
// -------------------------------------------------------------------------------------

bool is_gradient(const KernelRequest& r) { return r.op.ends_with("_grad"); }

/// Whether some window covers no pixel: its maximum is no zero, and channels past the end must be.
bool has_empty_window(const KernelRequest& r) {
  const Shape& windows = is_gradient(r) ? r.in[0].shape : r.out[0].shape;
  const Shape& image = is_gradient(r) ? r.out[0].shape : r.in[0].shape;
  for (int i = 0; i < 2; ++i) {
    const auto at = [&](const char* name) {
      return r.attrs->integers(name)[static_cast<size_t>(i)];
    };
    const int64_t begin = at("pads_begin");
    if (at("kernel") <= begin) return true;
    if ((windows[2 + i] - 1) * at("strides") - begin >= image[2 + i]) return true;
  }
  return false;
}

std::optional<Placement> place_pool(const KernelRequest& r, Format family, std::string& reason) {
  constexpr int64_t kMostTaps = 255;  // positions are bytes, one value means none
  reason = wants_channels(family);
  if (reason.empty()) reason = blockable(r.in[0]);
  const Ints dilations = ints_or(*r.attrs, "dilations", {});
  const bool maximum = r.op.starts_with("max");
  if (!reason.empty())
    return std::nullopt;
  else if (has_empty(r))
    reason = "an operand is empty";
  else if (maximum && ops::product(r.attrs->integers("kernel")) > kMostTaps)
    reason = "the window is too large";
  else if (std::any_of(dilations.begin(), dilations.end(), [](int64_t d) { return d != 1; }))
    reason = "windows without holes only";
  else if (r.op == "max_pool" && r.in[0].shape[1] % family.lanes && has_empty_window(r))
    reason = "a window is empty and channels are no whole blocks";
  else if (r.op == "max_pool" && r.out[1].dtype != DType::u8)
    reason = "positions of uint8 only";
  else if (r.op == "max_pool_grad" && r.in[1].dtype != DType::u8)
    reason = "positions of uint8 only";
  if (!reason.empty()) return std::nullopt;
  const double taps = static_cast<double>((is_gradient(r) ? r.in[0] : r.out[0]).shape.count() *
                                          ops::product(r.attrs->integers("kernel"))) *
                      padding_of(r.in[0].shape[1], family.lanes);
  // Taps a second over the peak's operations a second, measured on 2x2 and 3x3 windows.
  const double efficiency = r.op == "max_pool" ? 0.05 : r.op == "max_pool_grad" ? 0.025 : 0.08;
  Placement p = plain_placement(r, predict_us(r, taps, efficiency));
  p.in.assign(r.in.size(), family);
  p.out.assign(r.out.size(), family);
  return p;
}

nblock::PoolShape pool_shape(const KernelRequest& r) {
  const Attrs& a = *r.attrs;
  const Shape& windows = is_gradient(r) ? r.in[0].shape : r.out[0].shape;
  const Shape& image = is_gradient(r) ? r.out[0].shape : r.in[0].shape;
  const auto at = [&](const char* name, size_t i) { return a.integers(name)[i]; };
  nblock::PoolShape s;
  s.lanes = r.in[0].format.lanes;
  s.batch = image[0] * s.lanes, s.channels = ceil_div(image[1], s.lanes);
  s.in_h = image[2], s.in_w = image[3], s.out_h = windows[2], s.out_w = windows[3];
  s.kernel_h = at("kernel", 0), s.kernel_w = at("kernel", 1);
  s.stride_h = at("strides", 0), s.stride_w = at("strides", 1);
  s.pad_top = at("pads_begin", 0), s.pad_left = at("pads_begin", 1);
  s.pad_bottom = at("pads_end", 0), s.pad_right = at("pads_end", 1);
  s.count_padding = flag_or(a, "count_include_pad", true);
  s.nan_wins = flag_or(a, "nan_wins", false);
  return s;
}

struct Pool {
  nblock::PoolShape shape;
  void (*call)(const nblock::PoolShape&, const KernelArgs&);
  void run(const KernelArgs& a) const { call(shape, a); }
};

Kernel build_pool(const KernelRequest& r) {
  Pool state{pool_shape(r), nullptr};
  if (r.op == "max_pool")
    state.call = [](const nblock::PoolShape& s, const KernelArgs& a) {
      nblock::max_pool_forward(s, input<float>(a, 0), output<float>(a, 0), output<uint8_t>(a, 1));
    };
  else if (r.op == "max_pool_grad")
    state.call = [](const nblock::PoolShape& s, const KernelArgs& a) {
      nblock::max_pool_backward(s, input<float>(a, 0), input<uint8_t>(a, 1), output<float>(a));
    };
  else if (r.op == "avg_pool")
    state.call = [](const nblock::PoolShape& s, const KernelArgs& a) {
      nblock::average_pool_forward(s, input<float>(a, 0), output<float>(a));
    };
  else
    state.call = [](const nblock::PoolShape& s, const KernelArgs& a) {
      nblock::average_pool_backward(s, input<float>(a, 0), output<float>(a));
    };
  return kernel_of(r.op + ":" + r.in[0].format.text(), state);
}

}  // namespace

void register_c16(KernelTable& table) {
  for (const char* op : {"conv", "conv_bwd_data", "conv_bwd_weights"})
    table.add({op, std::string(op) + ":c16", place_conv, build_conv, {}, pack_conv});
  for (const char* op : {"conv", "conv_bwd_data"})
    table.add(
        {op, std::string(op) + ":c16:winograd", place_winograd, build_winograd, {}, pack_winograd});
  table.add({"batch_norm", "batch_norm:c16", place_norm, build_norm, {{0, 0}}});
  table.add({"batch_norm_grad", "batch_norm_grad:c16", place_norm, build_norm_grad, {{0, 0}}});
  for (const char* op : {"sum", "mean", "sum_to"})
    table.add({op, std::string(op) + ":c16", place_sum, build_sum, {}});
  for (const char* op : {"max_pool", "max_pool_grad", "avg_pool", "avg_pool_grad"})
    table.add({op, std::string(op) + ":c16", place_pool, build_pool, {}});
}

}  // namespace trivium::cpu
