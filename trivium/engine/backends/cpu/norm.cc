// batch_norm and batch_norm_grad, plain and batch-blocked; statistics and parameters are always
// plain.
#include "trivium/engine/backends/cpu/finish.h"
#include "trivium/engine/backends/cpu/norm_loops.h"
#include "trivium/engine/backends/cpu/support.h"

namespace trivium::cpu {
namespace {

struct Forward {
  NormShape shape;
  double eps;
  bool gamma, beta;
  void run(const KernelArgs& a) const {
    batch_norm(shape,
               {a.in[0], gamma ? a.in[1] : nullptr, beta ? a.in[2] : nullptr, a.out[0], a.out[1],
                a.out[2], a.out[3], eps},
               a.scratch);
  }
};
struct Backward {
  NormShape shape;
  bool gamma;
  void run(const KernelArgs& a) const {
    batch_norm_grad(shape,
                    {a.in[0], a.in[1], a.in[2], a.in[3], gamma ? a.in[4] : nullptr, a.out[0],
                     a.out[1], a.out[2]},
                    a.scratch);
  }
};

std::optional<Placement> place(const KernelRequest& r, Format family, std::string& reason) {
  reason = floating_only(r);
  if (family.kind == Format::channels) reason = "plain or batch-blocked operands only";
  if (reason.empty() && family.kind == Format::nblock && r.in[0].shape.rank() >= Shape::kMaxRank)
    reason = "too many axes";
  if (!reason.empty()) return std::nullopt;
  Placement p =
      plain_placement(r, predict_us(r, 8.0 * static_cast<double>(r.in[0].shape.count()), 0.25));
  p.in[0] = p.out[0] = family;
  if (r.op == "batch_norm_grad") p.in[1] = family;
  return p;
}

Kernel build_forward(const KernelRequest& r) {
  const Forward state{NormShape::of(r.in[0]), real_or(*r.attrs, "eps", 1e-5), r.in.size() > 1,
                      r.in.size() > 2};
  return kernel_of(r.op, state, state.shape.scratch_bytes());
}
Kernel build_backward(const KernelRequest& r) {
  const Backward state{NormShape::of(r.in[0]), r.in.size() > 4};
  return kernel_of(r.op, state, state.shape.scratch_bytes());
}

}  // namespace

void register_norm(KernelTable& table) {
  table.add(with_finish({"batch_norm", "batch_norm", place, build_forward, {{0, 0}}}));
  table.add(with_mask({"batch_norm_grad", "batch_norm_grad", place, build_backward, {{0, 0}}}));
}

}  // namespace trivium::cpu
