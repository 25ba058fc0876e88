// lrn and lrn_grad: plain [n, channels, inner] in float32 and float64, and batch-blocked float32.
#include "trivium/engine/backends/cpu/lrn_loops.h"
#include "trivium/engine/backends/cpu/nblock_pool.h"
#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

struct Plain {
  LrnPlain shape;
  bool gradient;
  void run(const KernelArgs& a) const {
    if (gradient)
      lrn_grad(shape, a.in[0], a.in[1], a.out[0], a.scratch);
    else
      lrn(shape, a.in[0], a.out[0]);
  }
};

struct BlockedLrn {
  nblock::LrnShape shape;
  bool gradient;
  void run(const KernelArgs& a) const {
    if (gradient)
      nblock::lrn_backward(shape, input<float>(a, 1), input<float>(a, 0), output<float>(a));
    else
      nblock::lrn_forward(shape, input<float>(a, 0), output<float>(a));
  }
};

struct Numbers {
  int64_t size;
  double alpha, beta, k;
};
Numbers numbers_of(const Attrs& a) {
  return {int_or(a, "size", 5), real_or(a, "alpha", 1), real_or(a, "beta", 0.75),
          real_or(a, "k", 1)};
}

double flops_of(const KernelRequest& r) {
  return static_cast<double>(r.out[0].shape.count()) *
         static_cast<double>(3 * int_or(*r.attrs, "size", 5) + 20);
}

Kernel build_plain(const KernelRequest& r) {
  const Numbers n = numbers_of(*r.attrs);
  const ops::AxisView v = ops::view_axis(r.in[0].shape, 1);
  LrnPlain s{v.outer, v.size, v.inner,      n.size / 2, n.alpha / static_cast<double>(n.size),
             n.beta,  n.k,    r.in[0].dtype};
  const bool gradient = r.op == "lrn_grad";
  return kernel_of(r.op + ":plain", Plain{s, gradient}, gradient ? s.grad_scratch_bytes() : 0);
}

std::optional<Placement> place_blocked(const KernelRequest& r, Format family, std::string& reason) {
  if (family.kind != Format::nblock)
    reason = "batch-blocked operands only";
  else if (r.in[0].dtype != DType::f32)
    reason = "computes in float32 only";
  else if (r.in[0].shape.rank() >= Shape::kMaxRank)
    reason = "too many axes";
  else if (has_empty(r))
    reason = "an operand is empty";
  if (!reason.empty()) return std::nullopt;
  Placement p = plain_placement(r, predict_us(r, flops_of(r), 0.45));
  p.in.assign(r.in.size(), family);
  p.out[0] = family;
  return p;
}

Kernel build_blocked(const KernelRequest& r) {
  const Numbers n = numbers_of(*r.attrs);
  nblock::LrnShape s;
  s.batch = r.in[0].shape[0], s.channels = r.in[0].shape[1], s.spatial = r.in[0].shape.count(2);
  s.size = n.size;
  s.alpha = static_cast<float>(n.alpha), s.beta = static_cast<float>(n.beta),
  s.k = static_cast<float>(n.k);
  s.lanes = r.in[0].format.lanes;
  return kernel_of(r.op + ":nblock", BlockedLrn{s, r.op == "lrn_grad"});
}

}  // namespace

void register_lrn(KernelTable& table) {
  for (const char* op : {"lrn", "lrn_grad"}) {
    const std::string name = op;
    table.add({name, name + ":nblock", place_blocked, build_blocked, {}});
    table.add({name, name + ":plain", place_plain(floating_only, flops_of, 0.3), build_plain, {}});
  }
}

}  // namespace trivium::cpu
