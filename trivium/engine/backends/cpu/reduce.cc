// sum, mean, prod, reduce_max, reduce_min, sum_to. Axes of equal kind that lie
// together are merged, so every reduction becomes folded rows or folded columns.
#include "trivium/engine/backends/cpu/reduce_loops.h"
#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

/// Which axes of the input are folded.
std::vector<bool> folded_axes(const KernelRequest& r) {
  const Shape& x = r.in[0].shape;
  std::vector<bool> folded(x.rank(), false);
  if (r.op == "sum_to") {
    const Shape& y = r.out[0].shape;
    const int missing = x.rank() - y.rank();
    for (int i = 0; i < x.rank(); ++i)
      folded[i] = i < missing || (y[i - missing] == 1 && x[i] != 1);
    return folded;
  }
  const auto axes = ops::normal_axes(ints_or(*r.attrs, "axes", {}), x.rank());
  for (int64_t axis : axes.value()) folded[axis] = true;
  return folded;
}

Fold fold_of(const std::string& op) {
  if (op == "prod") return Fold::prod;
  if (op == "reduce_max") return Fold::max;
  if (op == "reduce_min") return Fold::min;
  return Fold::sum;
}

struct Axis {
  int64_t size, stride;
  bool folded;
};

/// Merges neighbours of one kind; axes of size 1 vanish.
std::vector<Axis> merged(const std::vector<Axis>& axes) {
  std::vector<Axis> out;
  for (const Axis& a : axes) {
    if (a.size == 1) continue;
    if (!out.empty() && out.back().folded == a.folded && out.back().stride == a.size * a.stride) {
      out.back().size *= a.size;
      out.back().stride = a.stride;
    } else {
      out.push_back(a);
    }
  }
  return out;
}

ReducePlan plan_of(const KernelRequest& r) {
  const TensorDesc& x = r.in[0];
  const std::vector<bool> folded = folded_axes(r);
  const Shape memory = x.physical();
  const auto strides = strides_of(memory);
  const bool blocked = x.format.kind == Format::nblock, over_batch = blocked && folded[0];
  ReducePlan p;
  p.fold = fold_of(r.op);
  p.dtype = x.dtype;
  if (r.op == "mean") {
    p.divisor = 1;
    for (int i = 0; i < x.shape.rank(); ++i)
      if (folded[i]) p.divisor *= static_cast<double>(x.shape[i]);
  }
  std::vector<Axis> axes;
  for (int i = over_batch ? 1 : 0; i < memory.rank(); ++i)
    axes.push_back({memory[i], strides[i], i < x.shape.rank() ? folded[i] : over_batch});
  axes = merged(axes);
  if (over_batch) {
    // Full blocks are fold axis 0; the lanes end the row (they may have merged with folded axes).
    p.lanes = x.format.lanes;
    p.fold_sizes.push_back(x.shape[0] / p.lanes);
    p.fold_strides.push_back(strides[0]);
    p.tail_valid = x.shape[0] % p.lanes;
    p.tail_offset = p.fold_sizes[0] * strides[0];
  }
  if (!axes.empty() && axes.back().stride == 1) {
    p.inner = axes.back().size;
    p.columns = !axes.back().folded;
    axes.pop_back();
  }
  for (const Axis& a : axes) {
    (a.folded ? p.fold_sizes : p.keep_sizes).push_back(a.size);
    (a.folded ? p.fold_strides : p.keep_strides).push_back(a.stride);
  }
  p.finish();
  return p;
}

struct Reduce {
  ReducePlan plan;
  void run(const KernelArgs& args) const {
    run_reduce(plan, args.in[0], args.out[0], args.scratch);
  }
};

std::optional<Placement> place_reduce(const KernelRequest& r, Format family, std::string& reason) {
  reason = numeric_only(r);
  const Shape& x = r.in[0].shape;
  if (r.in[0].dtype == DType::bool_) reason = "does not compute in bool";
  if (family.kind == Format::channels) reason = "plain or batch-blocked operands only";
  if (!reason.empty()) return std::nullopt;
  Placement p = plain_placement(r, predict_us(r, static_cast<double>(x.count()), 0.2));
  if (family.kind != Format::nblock) return p;
  const std::vector<bool> folded = x.rank() > 0 ? folded_axes(r) : std::vector<bool>{};
  if (x.rank() < 1 || x.rank() >= Shape::kMaxRank)
    reason = "no batch axis to block";
  else if (!folded[0] && (r.out[0].shape.rank() < 1 || r.out[0].shape[0] != x[0]))
    reason = "the batch axis moves";
  else if (folded[0] && r.op != "sum" && r.op != "mean" && r.op != "sum_to" &&
           r.op != "reduce_max" && r.op != "reduce_min" && r.op != "prod")
    reason = "not over a blocked batch";
  if (!reason.empty()) return std::nullopt;
  p.in[0] = family;
  if (!folded[0]) p.out[0] = family;
  return p;
}

Kernel build_reduce(const KernelRequest& r) {
  ReducePlan plan = plan_of(r);
  const size_t scratch = plan.scratch_bytes();
  return kernel_of(r.op + (plan.columns ? ":columns" : ":rows"), Reduce{std::move(plan)}, scratch);
}

}  // namespace

void register_reduce(KernelTable& table) {
  for (const char* op : {"sum", "mean", "prod", "reduce_max", "reduce_min", "sum_to"})
    table.add({op, op, place_reduce, build_reduce, {}});
}

}  // namespace trivium::cpu
