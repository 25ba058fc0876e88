// softmax_cross_entropy, its gradient, in_top_k. Scores may be batch-blocked; labels and losses are
// plain.
#include "trivium/engine/backends/cpu/softmax_loops.h"
#include "trivium/engine/backends/cpu/support.h"

namespace trivium::cpu {
namespace {

/// Which operand holds the scores (or probabilities) and which the labels.
int scores_of(const std::string& op) { return op == "softmax_cross_entropy_grad" ? 1 : 0; }
int labels_of(const std::string& op) { return scores_of(op) + 1; }

struct Loss {
  RowView view;
  DType dtype;
  Labels labels;  // `data` is bound at every run
  double log_floor = 0;
  int64_t k = 1;

  Labels bound(const KernelArgs& a, int operand) const {
    Labels l = labels;
    l.data = a.in[operand];
    return l;
  }
};
struct Forward : Loss {
  void run(const KernelArgs& a) const {
    softmax_loss(view, dtype, bound(a, 1), log_floor, a.in[0], a.out[0], a.out[1]);
  }
};
struct Backward : Loss {
  void run(const KernelArgs& a) const {
    softmax_loss_grad(view, dtype, bound(a, 2), a.in[0], a.in[1], a.out[0]);
  }
};
struct InTopK : Loss {
  void run(const KernelArgs& a) const {
    in_top_k(view, dtype, bound(a, 1), k, a.in[0], output<float>(a));
  }
};

int axis_of(const KernelRequest& r) {
  return normalized_axis(int_or(*r.attrs, "axis", 1), r.in[scores_of(r.op)].shape.rank());
}

template <typename State>
Kernel build(const KernelRequest& r) {
  const TensorDesc &scores = r.in[scores_of(r.op)], &labels = r.in[labels_of(r.op)];
  State s;
  s.view = RowView::of(scores, axis_of(r));
  s.dtype = scores.dtype;
  const char* name = r.op == "in_top_k"                ? "in_top_k"
                     : r.op == "softmax_cross_entropy" ? "softmax_cross_entropy"
                                                       : "softmax_cross_entropy_grad";
  s.labels = {nullptr,
              labels.dtype,
              flag_or(*r.attrs, "has_ignore", false),
              int_or(*r.attrs, "ignore_label", 0),
              labels.shape.count(),
              name};
  s.log_floor = std::log(real_or(*r.attrs, "floor", 0));
  s.k = int_or(*r.attrs, "top_k", 1);
  return kernel_of(r.op, std::move(s));
}

std::optional<Placement> place(const KernelRequest& r, Format family, std::string& reason) {
  const int scores = scores_of(r.op);
  const TensorDesc& x = r.in[scores];
  if (x.dtype != DType::f32 && x.dtype != DType::f64)
    reason = fmt::format("scores of {} are not computed", name_of(x.dtype));
  if (family.kind == Format::channels) reason = "plain or batch-blocked operands only";
  if (reason.empty() && family.kind == Format::nblock &&
      (axis_of(r) == 0 || x.shape.rank() >= Shape::kMaxRank))
    reason = "classes lie along the batch axis";
  if (!reason.empty()) return std::nullopt;
  Placement p = plain_placement(r, predict_us(r, 15.0 * static_cast<double>(x.shape.count()), 0.1));
  p.in[scores] = family;
  if (r.op == "softmax_cross_entropy") p.out[1] = family;
  if (r.op == "softmax_cross_entropy_grad") p.out[0] = family;
  return p;
}

}  // namespace

void register_loss(KernelTable& table) {
  table.add({"softmax_cross_entropy", "softmax_cross_entropy", place, build<Forward>, {}});
  table.add({"softmax_cross_entropy_grad",
             "softmax_cross_entropy_grad",
             place,
             build<Backward>,
             {{1, 0}}});
  table.add({"in_top_k", "in_top_k", place, build<InTopK>, {}});
}

}  // namespace trivium::cpu
