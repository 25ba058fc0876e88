// conv, conv_bwd_data, conv_bwd_weights. Three ways: batch-blocked, direct or Winograd (training),
// oneDNN with its own formats inside the kernel (small batches), unrolled columns (other ranks,
// float64).
#include "trivium/engine/backends/cpu/finish.h"
#include "trivium/engine/backends/cpu/im2col.h"
#include "trivium/engine/backends/cpu/nblock_conv.h"
#include "trivium/engine/backends/cpu/nblock_winograd.h"
#include "trivium/engine/backends/cpu/onednn.h"
#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

enum class Pass { forward, backward_data, backward_weights };

Pass pass_of(const KernelRequest& r) {
  return r.op == "conv"            ? Pass::forward
         : r.op == "conv_bwd_data" ? Pass::backward_data
                                   : Pass::backward_weights;
}

/// The three shapes of a convolution, whichever of them are operands.
struct Roles {
  const Shape *x, *w, *y;
};
Roles roles_of(const KernelRequest& r) {
  const Shape *a = &r.in[0].shape, *b = &r.in[1].shape, *out = &r.out[0].shape;
  switch (pass_of(r)) {
    case Pass::forward:
      return {a, b, out};
    case Pass::backward_data:
      return {out, b, a};
    default:
      return {a, out, b};
  }
}

ConvGeometry geometry_of(const KernelRequest& r) {
  const auto [x, w, y] = roles_of(r);
  ConvGeometry g;
  g.n = (*x)[0], g.c = (*x)[1], g.o = (*w)[0];
  g.groups = int_or(*r.attrs, "groups", 1);
  g.in = ops::spatial_of(*x), g.kernel = ops::spatial_of(*w), g.out = ops::spatial_of(*y);
  const size_t rank = g.in.size();
  g.strides = ints_or(*r.attrs, "strides", Ints(rank, 1));
  g.begin = ints_or(*r.attrs, "pads_begin", Ints(rank, 0));
  g.dilations = ints_or(*r.attrs, "dilations", Ints(rank, 1));
  return g;
}

double flops_of(const KernelRequest& r) {
  const ConvGeometry g = geometry_of(r);
  return 2.0 * static_cast<double>(g.n * g.o * g.out_count()) * static_cast<double>(g.rows());
}

bool has_bias(const KernelRequest& r) { return pass_of(r) == Pass::forward && r.in.size() > 2; }

// ---- oneDNN on plain operands
// --------------------------------------------------------------------

onednn::Pass library_pass(Pass pass) { return static_cast<onednn::Pass>(pass); }

onednn::ConvSizes library_sizes(const ConvGeometry& g) {
  onednn::ConvSizes s{g.n,      g.c,      g.in[0],     g.in[1],    g.o,
                      g.out[0], g.out[1], g.kernel[0], g.kernel[1]};
  s.stride_h = g.strides[0], s.stride_w = g.strides[1];
  s.dilation_h = g.dilations[0], s.dilation_w = g.dilations[1];
  s.pad_top = g.begin[0], s.pad_left = g.begin[1];
  s.groups = g.groups;
  return s;
}

struct LibraryConv {
  std::shared_ptr<const onednn::Conv> conv;
  bool bias;
  void run(const KernelArgs& args) const {
    conv->run(input<float>(args, 0), input<float>(args, 1), bias ? input<float>(args, 2) : nullptr,
              output<float>(args), args.scratch);
  }
};

std::optional<Placement> place_library(const KernelRequest& r, Format family, std::string& reason) {
  if (family.kind != Format::plain)
    reason = "works on plain operands only";
  else if (r.in[0].dtype != DType::f32)
    reason = "computes in float32 only";
  else if (r.in[0].shape.rank() != 4)
    reason = "two spatial axes only";
  else
    reason = onednn::Conv::declines(library_pass(pass_of(r)), library_sizes(geometry_of(r)),
                                    has_bias(r));
  if (!reason.empty()) return std::nullopt;
  return plain_placement(r, predict_us(r, flops_of(r), 0.45));
}

Kernel build_library(const KernelRequest& r) {
  auto conv = onednn::Conv::make(library_pass(pass_of(r)), library_sizes(geometry_of(r)),
                                 has_bias(r), wants_relu(*r.attrs));
  const size_t scratch = conv->scratch_bytes();
  return kernel_of(r.op + ":onednn", LibraryConv{std::move(conv), has_bias(r)}, scratch);
}

// ---- unrolled columns
// ----------------------------------------------------------------------------

template <typename T>
struct Columns {
  ColumnConv<T> conv;
  bool bias;
  void run(const KernelArgs& args) const {
    conv.run(input<T>(args, 0), input<T>(args, 1), bias ? input<T>(args, 2) : nullptr,
             output<T>(args), args.scratch);
  }
};

std::string columns_supported(const KernelRequest& r) {
  const std::string reason = floating_only(r);
  if (!reason.empty()) return reason;
  return r.in[0].shape.rank() < 3 ? "at least one spatial axis expected" : "";
}

Kernel build_columns(const KernelRequest& r) {
  return visit_floating(r.in[0].dtype, [&](auto* t) {
    using T = Pointee<decltype(t)>;
    using P = typename ColumnConv<T>::Pass;
    ColumnConv<T> conv(static_cast<P>(pass_of(r)), geometry_of(r), wants_relu(*r.attrs));
    const size_t scratch = conv.scratch_bytes();
    return kernel_of(r.op + ":columns", Columns<T>{std::move(conv), has_bias(r)}, scratch);
  });
}

// ---- batch-blocked: direct and Winograd
// ----------------------------------------------------------

using nblock::Algorithm;

nblock::ConvShape blocked_shape(const ConvGeometry& g, int lanes) {
  nblock::ConvShape s;
  s.batch = g.n, s.groups = g.groups, s.in_channels = g.c, s.out_channels = g.o;
  s.in_h = g.in[0], s.in_w = g.in[1], s.out_h = g.out[0], s.out_w = g.out[1];
  s.kernel_h = g.kernel[0], s.kernel_w = g.kernel[1];
  s.stride_h = g.strides[0], s.stride_w = g.strides[1];
  s.pad_top = g.begin[0], s.pad_left = g.begin[1];
  s.dilation_h = g.dilations[0], s.dilation_w = g.dilations[1];
  s.lanes = lanes;
  return s;
}

nblock::Pass blocked_pass(Pass pass) { return static_cast<nblock::Pass>(pass); }

struct BlockedConv {
  Pass pass;
  nblock::ConvShape shape;
  bool bias, relu;
  Algorithm algorithm;
  void run(const KernelArgs& args) const {
    const float *a = input<float>(args, 0), *b = input<float>(args, 1);
    float* out = output<float>(args);
    if (pass == Pass::forward)
      nblock::conv_forward(shape, a, b, bias ? input<float>(args, 2) : nullptr,
                           relu ? nblock::Activation::relu : nblock::Activation::none, 0.0f, out,
                           args.scratch, algorithm);
    else if (pass == Pass::backward_data)
      nblock::conv_backward_data(shape, a, b, out, args.scratch, algorithm);
    else
      nblock::conv_backward_weights(shape, a, b, out, nullptr, args.scratch, algorithm);
  }
};

/// Vectors of four floats do half the work of wider ones in the same time; the Winograd gradient of
/// the weights has other vectors. Measured.
double narrow_lanes_cost(int lanes, Pass pass, Algorithm algorithm) {
  if (lanes > 4 || nblock::vector_lanes(16) < 8) return 1;
  if (algorithm == Algorithm::winograd) return pass == Pass::backward_weights ? 1.1 : 1.6;
  return 1.75;
}

std::optional<Placement> place_blocked(const KernelRequest& r, Format family, Algorithm algorithm,
                                       std::string& reason) {
  if (family.kind != Format::nblock)
    reason = "batch-blocked operands only";
  else if (r.in[0].dtype != DType::f32)
    reason = "computes in float32 only";
  else if (r.in[0].shape.rank() != 4)
    reason = "two spatial axes only";
  else if (has_empty(r))
    reason = "an operand is empty";
  if (!reason.empty()) return std::nullopt;
  const nblock::ConvShape shape = blocked_shape(geometry_of(r), family.lanes);
  if (algorithm == Algorithm::winograd && !nblock::winograd_possible(shape)) {
    reason = "3x3 and 5x5 at stride 1 only";
    return std::nullopt;
  }
  Placement p = plain_placement(r, 0);
  p.in[0] = family;
  (pass_of(r) == Pass::backward_weights ? p.in[1] : p.out[0]) = family;
  const int64_t n = std::max<int64_t>(1, r.in[0].shape[0]);
  const double padding =
      static_cast<double>(ceil_div(n, family.lanes) * family.lanes) / static_cast<double>(n);
  p.microseconds = predict_us(r, flops_of(r) * padding, 0.85);
  // Winograd has to be a tenth faster by its model before its rounding is worth it.
  if (algorithm == Algorithm::winograd)
    p.microseconds *= nblock::winograd_advantage(shape, blocked_pass(pass_of(r))) / 0.9;
  p.microseconds *= narrow_lanes_cost(family.lanes, pass_of(r), algorithm);
  return p;
}

Kernel build_blocked(const KernelRequest& r, Algorithm algorithm) {
  const Pass pass = pass_of(r);
  const nblock::ConvShape shape = blocked_shape(geometry_of(r), r.in[0].format.lanes);
  const size_t scratch = nblock::conv_scratch_bytes(shape, blocked_pass(pass), algorithm);
  return kernel_of(r.op + (algorithm == Algorithm::winograd ? ":winograd" : ":nblock"),
                   BlockedConv{pass, shape, has_bias(r), wants_relu(*r.attrs), algorithm}, scratch);
}

KernelEntry blocked_entry(const std::string& op, const char* name, Algorithm algorithm) {
  return {op,
          op + name,
          [=](const KernelRequest& r, Format f, std::string& reason) {
            return place_blocked(r, f, algorithm, reason);
          },
          [=](const KernelRequest& r) { return build_blocked(r, algorithm); },
          {}};
}

}  // namespace

void register_conv(KernelTable& table) {
  for (const char* op : {"conv", "conv_bwd_data", "conv_bwd_weights"}) {
    const std::string name = op;
    table.add(with_finish(blocked_entry(name, ":nblock", Algorithm::direct)));
    table.add(with_finish(blocked_entry(name, ":winograd", Algorithm::winograd)));
    table.add(with_finish({name, name + ":onednn", place_library, build_library, {}}));
    table.add(with_finish({name,
                           name + ":columns",
                           place_plain(columns_supported, flops_of, 0.4),
                           build_columns,
                           {}}));
  }
}

}  // namespace trivium::cpu
