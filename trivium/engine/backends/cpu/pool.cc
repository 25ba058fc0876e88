// max_pool, avg_pool, their gradients and max_pool_plane_index: plain, and batch-blocked float32.
#include "trivium/engine/backends/cpu/nblock_pool.h"
#include "trivium/engine/backends/cpu/pool_loops.h"
#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

bool is_gradient(const KernelRequest& r) {
  return r.op == "max_pool_grad" || r.op == "avg_pool_grad" || r.op == "max_pool_plane_index";
}

/// Divisor along one axis of every window: its length clipped as `count_include_pad` says.
std::vector<double> lengths(int64_t out, int64_t in, int64_t kernel, int64_t stride, int64_t begin,
                            int64_t end, bool with_padding) {
  std::vector<double> length(out);
  for (int64_t o = 0; o < out; ++o) {
    const int64_t start = o * stride - begin;
    const int64_t last = std::min(start + kernel, in + (with_padding ? end : 0));
    length[o] = static_cast<double>(last - (with_padding ? start : std::max<int64_t>(start, 0)));
  }
  return length;
}

PoolGeometry geometry_of(const KernelRequest& r) {
  const Attrs& a = *r.attrs;
  PoolGeometry g;
  const Shape& windows = is_gradient(r) ? r.in[0].shape : r.out[0].shape;
  const Ints in = is_gradient(r) ? a.integers("spatial") : ops::spatial_of(r.in[0].shape);
  const Ints out = ops::spatial_of(windows);
  const Ints &kernel = a.integers("kernel"), &strides = a.integers("strides"),
             &begin = a.integers("pads_begin"), &end = a.integers("pads_end");
  g.planes = windows[0] * windows[1];
  const int rank = static_cast<int>(in.size());
  for (int i = 0; i < rank; ++i) {
    const int at = 3 - rank + i;
    g.in[at] = in[i], g.out[at] = out[i], g.kernel[at] = kernel[i], g.stride[at] = strides[i],
    g.begin[at] = begin[i];
  }
  const Ints dilations = ints_or(a, "dilations", Ints(rank, 1));
  for (int i = 0; i < rank; ++i) g.dilation[3 - rank + i] = dilations[i];
  g.nan_wins = flag_or(a, "nan_wins", false);
  const bool with_padding = flag_or(a, "count_include_pad", true);
  for (int at = 0; at < 3; ++at)
    g.length[at] = lengths(g.out[at], g.in[at], g.kernel[at], g.stride[at], g.begin[at],
                           at < 3 - rank ? 0 : end[at - 3 + rank], with_padding);
  return g;
}

double work_of(const KernelRequest& r) {
  const Shape& windows = is_gradient(r) ? r.in[0].shape : r.out[0].shape;
  return static_cast<double>(windows.count() * ops::product(r.attrs->integers("kernel")));
}

std::string at_most_three_axes(const KernelRequest& r) {
  return r.in[0].shape.rank() > 5 ? "at most three spatial axes" : "";
}
std::string average_supported(const KernelRequest& r) {
  const std::string reason = floating_only(r);
  return reason.empty() ? at_most_three_axes(r) : reason;
}
std::string maximum_supported(const KernelRequest& r) {
  const DType d = r.op == "max_pool_plane_index" ? DType::i32 : r.in[0].dtype;
  if (d != DType::f32 && d != DType::f64 && d != DType::i32 && d != DType::i64)
    return fmt::format("does not pool {}", name_of(d));
  const DType p = r.op == "max_pool" ? r.out[1].dtype : r.in[r.op == "max_pool_grad" ? 1 : 0].dtype;
  if (p != DType::u8 && p != DType::i32)
    return fmt::format("positions of {} are not read", name_of(p));
  return at_most_three_axes(r);
}

struct Pool {
  PoolGeometry g;
  DType dtype, position;
};
struct MaxPool : Pool {
  void run(const KernelArgs& a) const { max_pool(g, dtype, position, a.in[0], a.out[0], a.out[1]); }
};
struct MaxPoolGrad : Pool {
  void run(const KernelArgs& a) const {
    max_pool_grad(g, dtype, position, a.in[0], a.in[1], a.out[0]);
  }
};
struct PlaneIndex : Pool {
  void run(const KernelArgs& a) const {
    max_pool_plane_index(g, position, a.in[0], output<int32_t>(a));
  }
};
struct AvgPool : Pool {
  void run(const KernelArgs& a) const { avg_pool(g, dtype, a.in[0], a.out[0]); }
};
struct AvgPoolGrad : Pool {
  void run(const KernelArgs& a) const { avg_pool_grad(g, dtype, a.in[0], a.out[0]); }
};

template <typename State>
Kernel build(const KernelRequest& r) {
  State s;
  s.g = geometry_of(r);
  s.dtype = r.in[0].dtype;
  s.position = r.op == "max_pool" ? r.out[1].dtype : r.in.back().dtype;
  return kernel_of(r.op + ":plain", std::move(s));
}

// ---- batch-blocked
// -------------------------------------------------------------------------------

struct BlockedPool {
  nblock::PoolShape shape;
  void (*call)(const nblock::PoolShape&, const KernelArgs&);
  void run(const KernelArgs& a) const { call(shape, a); }
};

/// The image's and the result's sizes, whichever of them is operand 0.
nblock::PoolShape blocked_shape(const KernelRequest& r) {
  const Attrs& a = *r.attrs;
  const Shape& windows = is_gradient(r) ? r.in[0].shape : r.out[0].shape;
  const Shape& image = is_gradient(r) ? r.out[0].shape : r.in[0].shape;
  const auto at = [&](const char* name, int i) { return a.integers(name)[i]; };
  nblock::PoolShape s;
  s.batch = image[0], s.channels = image[1];
  s.in_h = image[2], s.in_w = image[3], s.out_h = windows[2], s.out_w = windows[3];
  s.kernel_h = at("kernel", 0), s.kernel_w = at("kernel", 1);
  s.stride_h = at("strides", 0), s.stride_w = at("strides", 1);
  s.pad_top = at("pads_begin", 0), s.pad_left = at("pads_begin", 1);
  s.pad_bottom = at("pads_end", 0), s.pad_right = at("pads_end", 1);
  s.count_padding = flag_or(a, "count_include_pad", true);
  s.nan_wins = flag_or(a, "nan_wins", false);
  s.lanes = r.in[0].format.lanes;
  return s;
}

bool is_dilated(const KernelRequest& r) {
  const Ints dilations = ints_or(*r.attrs, "dilations", {});
  return std::any_of(dilations.begin(), dilations.end(), [](int64_t d) { return d != 1; });
}

/// Taps a second over the peak's operations a second, measured on 2x2 and 3x3 windows.
double blocked_efficiency(const std::string& op) {
  return op == "max_pool" ? 0.05 : op == "max_pool_grad" ? 0.025 : 0.08;
}

std::optional<Placement> place_blocked(const KernelRequest& r, Format family, std::string& reason) {
  constexpr int64_t kMostTaps = 255;  // one u8 value is taken by "no position"
  if (family.kind != Format::nblock)
    reason = "batch-blocked operands only";
  else if (r.in[0].dtype != DType::f32)
    reason = "pools float32 only";
  else if (r.in[0].shape.rank() != 4)
    reason = "two spatial axes only";
  else if (has_empty(r))
    reason = "an operand is empty";
  else if (r.op.starts_with("max") && ops::product(r.attrs->integers("kernel")) > kMostTaps)
    reason = "the window is too large";
  else if (is_dilated(r))
    reason = "windows without holes only";
  else if (r.op == "max_pool_grad" && r.in[1].dtype != DType::u8)
    reason = "positions of uint8 only";
  if (!reason.empty()) return std::nullopt;
  Placement p = plain_placement(r, predict_us(r, work_of(r), blocked_efficiency(r.op)));
  p.in.assign(r.in.size(), family);
  p.out.assign(r.out.size(), family);
  return p;
}

Kernel build_blocked(const KernelRequest& r) {
  BlockedPool state{blocked_shape(r), nullptr};
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
  return kernel_of(r.op + ":nblock", state);
}

}  // namespace

void register_pool(KernelTable& table) {
  for (const char* op : {"max_pool", "max_pool_grad", "avg_pool", "avg_pool_grad"})
    table.add({op, std::string(op) + ":nblock", place_blocked, build_blocked, {}});
  table.add({"max_pool",
             "max_pool:plain",
             place_plain(maximum_supported, work_of, 0.004),
             build<MaxPool>,
             {}});
  table.add({"max_pool_grad",
             "max_pool_grad:plain",
             place_plain(maximum_supported, work_of, 0.006),
             build<MaxPoolGrad>,
             {}});
  table.add({"max_pool_plane_index",
             "max_pool_plane_index:plain",
             place_plain(maximum_supported, work_of, 0.006),
             build<PlaneIndex>,
             {}});
  table.add({"avg_pool",
             "avg_pool:plain",
             place_plain(average_supported, work_of, 0.013),
             build<AvgPool>,
             {}});
  table.add({"avg_pool_grad",
             "avg_pool_grad:plain",
             place_plain(average_supported, work_of, 0.013),
             build<AvgPoolGrad>,
             {}});
}

}  // namespace trivium::cpu
