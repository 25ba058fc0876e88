// matmul: the packed product of gemm.h on plain operands, and the three fully connected patterns on
// batch-blocked activations. Leading axes are a list of (a, b) offsets frozen when the kernel is
// built.
#include "trivium/engine/backends/cpu/gemm.h"
#include "trivium/engine/backends/cpu/nblock_fc.h"
#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

constexpr int64_t kBatchGroups = 16;  // batched products: each group has scratch of its own

struct Sizes {
  int64_t m, n, k;
  bool transpose_a, transpose_b;
};

Sizes sizes_of(const KernelRequest& r) {
  const Shape &a = r.in[0].shape, &b = r.in[1].shape;
  Sizes s;
  s.transpose_a = flag_or(*r.attrs, "transpose_a", false);
  s.transpose_b = flag_or(*r.attrs, "transpose_b", false);
  s.m = a[s.transpose_a ? -1 : -2];
  s.k = a[s.transpose_a ? -2 : -1];
  s.n = b[s.transpose_b ? -2 : -1];
  return s;
}

double flops_of(const KernelRequest& r) {
  const Sizes s = sizes_of(r);
  return 2.0 * static_cast<double>(r.out[0].shape.count()) * static_cast<double>(s.k);
}

/// Fraction of the peak the plain product reaches: less where b is turned while it is packed.
double plain_efficiency(const Sizes& s, bool packed) {
  if (s.m < 24 || s.n < 16) return 0.4;
  return s.transpose_b && s.m < 256 && !packed ? 0.7 : 0.85;
}

template <typename T>
struct PlainMatmul {
  GemmShape shape;
  std::vector<std::pair<int64_t, int64_t>> batches;  // element offsets into a and b
  int64_t out_step = 0;
  size_t group_scratch = 0;

  void run(const KernelArgs& args) const {
    const T *a = input<T>(args, 0), *b = input<T>(args, 1);
    const T* bias = has_bias ? input<T>(args, 2) : nullptr;
    T* c = output<T>(args);
    if (batches.size() == 1) return gemm(shape, a, b, bias, c, args.scratch);
    const int64_t count = static_cast<int64_t>(batches.size()),
                  groups = std::min(count, kBatchGroups);
    parallel_chunks(groups, [&](int64_t g) {
      char* scratch = static_cast<char*>(args.scratch) + static_cast<size_t>(g) * group_scratch;
      for (int64_t i = count * g / groups; i < count * (g + 1) / groups; ++i)
        gemm(shape, a + batches[i].first, b + batches[i].second, bias, c + i * out_step, scratch,
             false);
    });
  }
  bool has_bias = false;
};

/// Offsets of the matrices of `x` for every position of the leading axes of `out`.
std::vector<int64_t> matrix_offsets(const Shape& x, const Shape& out) {
  const Shape lead(out.dims().subspan(0, out.rank() - 2)), own(x.dims().subspan(0, x.rank() - 2));
  const int64_t matrix = x[-1] * x[-2];
  std::vector<int64_t> offsets(lead.count());
  ops::for_each_offset<1>(
      lead, {ops::broadcast_strides(own, lead)},
      [&](int64_t i, const std::array<int64_t, 1>& at) { offsets[i] = at[0] * matrix; });
  return offsets;
}

/// What both building and packing need: the product, and whether one b serves all of it.
GemmShape shape_of(const KernelRequest& r, bool* one_b) {
  const Sizes s = sizes_of(r);
  GemmShape g;
  g.m = s.m, g.n = s.n, g.k = s.k;
  g.transpose_a = s.transpose_a, g.transpose_b = s.transpose_b;
  g.lda = r.in[0].shape[-1], g.ldb = r.in[1].shape[-1], g.ldc = s.n;
  g.relu = wants_relu(*r.attrs);
  g.packed_b = r.packed >> 1 & 1;
  const Shape& out = r.out[0].shape;
  *one_b = r.in[1].shape.count() == s.k * s.n && !s.transpose_a && s.n > 0 &&
           r.in[0].shape.count() == out.count() / s.n * s.k;
  if (*one_b) g.m = out.count() / s.n;  // all leading axes belong to a: one tall product
  return g;
}

template <typename T>
Kernel build_plain(const KernelRequest& r) {
  const Sizes s = sizes_of(r);
  PlainMatmul<T> state;
  GemmShape& g = state.shape;
  bool one_b;
  g = shape_of(r, &one_b);
  state.has_bias = r.in.size() > 2;
  const Shape& out = r.out[0].shape;
  if (one_b) {
    state.batches = {{0, 0}};
  } else {
    const auto a = matrix_offsets(r.in[0].shape, out), b = matrix_offsets(r.in[1].shape, out);
    for (size_t i = 0; i < a.size(); ++i) state.batches.emplace_back(a[i], b[i]);
  }
  state.out_step = s.m * s.n;
  state.group_scratch = g.packed_b ? 0 : (gemm_scratch_bytes(g, sizeof(T)) + 63) / 64 * 64;
  const size_t groups = std::min<size_t>(state.batches.size(), kBatchGroups);
  return kernel_of("matmul:plain", std::move(state), state.group_scratch * groups);
}

template <typename T>
struct PackedRight {
  GemmShape shape;
  void run(const KernelArgs& args) const { gemm_pack(shape, input<T>(args, 0), output<T>(args)); }
};

/// A small right operand that repeats is packed once: for few rows packing costs as much as the
/// product. Large ones are not kept twice.
std::optional<run::Packing> pack_plain(const KernelRequest& r, int operand) {
  constexpr size_t kMostBytes = 4 << 20;
  constexpr int64_t kMostRows = 512;
  bool one_b;
  const GemmShape g = shape_of(r, &one_b);
  if (operand != 1 || !one_b || g.m > kMostRows || !gemm_takes_packed(g)) return std::nullopt;
  return visit_floating(r.in[0].dtype, [&](auto* t) -> std::optional<run::Packing> {
    using T = Pointee<decltype(t)>;
    const size_t bytes = gemm_scratch_bytes(g, sizeof(T));
    if (bytes > kMostBytes) return std::nullopt;
    return run::Packing{kernel_of("pack:matmul", PackedRight<T>{g}), bytes};
  });
}

// ---- batch-blocked fully connected layers
// --------------------------------------------------------

struct FcForward {
  nblock::FcShape shape;
  nblock::Activation activation;
  bool has_bias;
  void run(const KernelArgs& args) const {
    nblock::fc_forward(shape, input<float>(args, 0), input<float>(args, 1),
                       has_bias ? input<float>(args, 2) : nullptr, activation, 0.0f,
                       output<float>(args));
  }
};

struct FcWeights {
  nblock::FcShape shape;
  void run(const KernelArgs& args) const {
    nblock::fc_backward_weights(shape, input<float>(args, 1), input<float>(args, 0),
                                output<float>(args), nullptr, args.scratch);
  }
};

enum class Pattern { none, rows, weights };

/// x [N, K] · W → [N, M] keeps the batch; dyᵀ · x sums over it.
Pattern pattern_of(const KernelRequest& r, std::string& reason) {
  const Sizes s = sizes_of(r);
  for (const TensorDesc& t : r.in) {
    if (t.dtype == DType::f32) continue;
    reason = "batch-blocked products take float32 only";
    return Pattern::none;
  }
  if (has_empty(r))
    reason = "an operand is empty";
  else if (r.in[0].shape.rank() != 2 || r.in[1].shape.rank() != 2)
    reason = "batch-blocked products take matrices";
  else if (!s.transpose_a)
    return Pattern::rows;
  else if (s.transpose_b)
    reason = "no batch-blocked product of two transposed operands";
  else if (r.in.size() > 2 || wants_relu(*r.attrs))
    reason = "a product over the batch has no bias or activation";
  else
    return Pattern::weights;
  return Pattern::none;
}

std::optional<Placement> place_fc(const KernelRequest& r, Format family, std::string& reason) {
  if (family.kind != Format::nblock) {
    reason = "batch-blocked operands only";
    return std::nullopt;
  }
  const Pattern pattern = pattern_of(r, reason);
  if (pattern == Pattern::none) return std::nullopt;
  Placement p = plain_placement(r, 0);
  p.in[0] = family;
  (pattern == Pattern::rows ? p.out[0] : p.in[1]) = family;
  const double padding =
      static_cast<double>(ceil_div(r.in[0].shape[0], family.lanes) * family.lanes) /
      static_cast<double>(std::max<int64_t>(1, r.in[0].shape[0]));
  p.microseconds = predict_us(r, flops_of(r) * padding, 0.85);
  return p;
}

Kernel build_fc(const KernelRequest& r) {
  std::string reason;
  const Sizes s = sizes_of(r);
  nblock::FcShape shape;
  shape.batch = r.in[0].shape[0];
  shape.lanes = r.in[0].format.lanes;
  if (pattern_of(r, reason) == Pattern::weights) {
    shape.outputs = s.m, shape.inputs = s.n;
    return kernel_of("matmul:nblock_weights", FcWeights{shape}, nblock::fc_scratch_bytes(shape));
  }
  shape.inputs = s.k, shape.outputs = s.n, shape.transpose_w = !s.transpose_b;
  const auto activation =
      wants_relu(*r.attrs) ? nblock::Activation::relu : nblock::Activation::none;
  return kernel_of("matmul:nblock", FcForward{shape, activation, r.in.size() > 2});
}

}  // namespace

void register_matmul(KernelTable& table) {
  table.add({"matmul", "matmul:nblock", place_fc, build_fc, {}});
  table.add(
      {"matmul",
       "matmul:plain",
       [](const KernelRequest& r, Format family, std::string& reason) -> std::optional<Placement> {
         if (family.kind != Format::plain)
           reason = "works on plain operands only";
         else
           reason = floating_only(r);
         if (!reason.empty()) return std::nullopt;
         const bool packed = (r.steady >> 1 & 1) && pack_plain(r, 1);
         return plain_placement(r,
                                predict_us(r, flops_of(r), plain_efficiency(sizes_of(r), packed)));
       },
       [](const KernelRequest& r) {
         return visit_floating(r.in[0].dtype,
                               [&](auto* t) { return build_plain<Pointee<decltype(t)>>(r); });
       },
       {},
       pack_plain});
}

}  // namespace trivium::cpu
