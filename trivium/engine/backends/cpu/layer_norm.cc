// layer_norm and layer_norm_grad in plain memory.
#include "trivium/engine/backends/cpu/layer_norm.h"

#include "trivium/engine/backends/cpu/support.h"

namespace trivium::cpu {
namespace {

struct Forward {
  RowNormShape shape;
  double eps;
  bool gamma, beta;
  void run(const KernelArgs& a) const {
    layer_norm(shape, {a.in[0], gamma ? a.in[1] : nullptr, beta ? a.in[2] : nullptr, a.out[0],
                       a.out[1], a.out[2], eps});
  }
};
struct Backward {
  RowNormShape shape;
  bool gamma;
  void run(const KernelArgs& a) const {
    layer_norm_grad(shape, {a.in[0], a.in[1], a.in[2], a.in[3], gamma ? a.in[4] : nullptr, a.out[0],
                            gamma ? a.out[1] : nullptr, gamma ? a.out[2] : nullptr});
  }
};

RowNormShape shape_of(const KernelRequest& r) {
  const Shape& x = r.in[0].shape;
  const int leading = x.rank() - static_cast<int>(r.attrs->integer("axes"));
  return {x.count(0, leading), x.count(leading), r.in[0].dtype};
}

Kernel build_forward(const KernelRequest& r) {
  return kernel_of(
      r.op, Forward{shape_of(r), real_or(*r.attrs, "eps", 1e-5), r.in.size() > 1, r.in.size() > 2});
}
Kernel build_backward(const KernelRequest& r) {
  return kernel_of(r.op, Backward{shape_of(r), r.in.size() > 4});
}

}  // namespace

void register_layer_norm(KernelTable& table) {
  const auto flops = [](const KernelRequest& r) {
    return 8.0 * static_cast<double>(r.in[0].shape.count());
  };
  table.add({"layer_norm",
             "layer_norm",
             place_plain(floating_only, flops, 0.1),
             build_forward,
             {{0, 0}}});
  table.add({"layer_norm_grad",
             "layer_norm_grad",
             place_plain(floating_only, flops, 0.1),
             build_backward,
             {{0, 0}}});
}

}  // namespace trivium::cpu
