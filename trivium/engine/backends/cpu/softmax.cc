// softmax and log_softmax: plain, and batch-blocked when the axis is not the batch.
#include "trivium/engine/backends/cpu/softmax_loops.h"
#include "trivium/engine/backends/cpu/support.h"

namespace trivium::cpu {
namespace {

struct Softmax {
  RowView view;
  DType dtype;
  bool logarithm;
  void run(const KernelArgs& a) const { softmax(view, dtype, logarithm, a.in[0], a.out[0]); }
};

int axis_of(const KernelRequest& r) {
  return normalized_axis(r.attrs->integer("axis"), r.in[0].shape.rank());
}

std::optional<Placement> place(const KernelRequest& r, Format family, std::string& reason) {
  reason = floating_only(r);
  if (family.kind == Format::channels) reason = "plain or batch-blocked operands only";
  if (reason.empty() && family.kind == Format::nblock &&
      (axis_of(r) == 0 || r.in[0].shape.rank() >= Shape::kMaxRank))
    reason = "runs along the batch axis";
  if (!reason.empty()) return std::nullopt;
  Placement p =
      plain_placement(r, predict_us(r, 15.0 * static_cast<double>(r.in[0].shape.count()), 0.1));
  p.in[0] = p.out[0] = family;
  return p;
}

}  // namespace

void register_softmax(KernelTable& table) {
  for (const char* op : {"softmax", "log_softmax"})
    table.add({op,
               op,
               place,
               [](const KernelRequest& r) {
                 return kernel_of(r.op, Softmax{RowView::of(r.in[0], axis_of(r)), r.in[0].dtype,
                                                r.op == "log_softmax"});
               },
               {{0, 0}}});
}

}  // namespace trivium::cpu
