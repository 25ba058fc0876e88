// sum, mean, prod, reduce_max, reduce_min, sum_to; argmax and top_k. Axes of equal kind that lie
// together are merged, so every reduction becomes folded rows or folded columns.
#include <numeric>

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

// ---- choosing along an axis
// ----------------------------------------------------------------------

/// NaN ranks below every number; equal elements by position.
template <typename T>
bool ranks_before(T a, T b) {
  return (a > b) | ((b != b) & (a == a));
}

template <typename T>
struct ArgMax {
  ops::AxisView view;
  bool last;
  void run(const KernelArgs& args) const {
    const T* x = input<T>(args, 0);
    int64_t* y = output<int64_t>(args);
    const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, view.size));
    parallel_for(view.outer * view.inner, grain, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const T* row = x + t / view.inner * view.size * view.inner + t % view.inner;
        int64_t best = 0;
        for (int64_t i = 1; i < view.size; ++i) {
          const T a = row[i * view.inner], b = row[best * view.inner];
          if (last ? !ranks_before(b, a) : ranks_before(a, b)) best = i;
        }
        y[t] = best;
      }
    });
  }
};

template <typename T>
struct TopK {
  ops::AxisView view;
  int64_t k;
  bool last;
  static constexpr int64_t kChunks = 64;

  int64_t chunks() const { return std::min(kChunks, view.outer * view.inner); }
  void run(const KernelArgs& args) const {
    const T* x = input<T>(args, 0);
    T* values = output<T>(args, 0);
    int64_t* indices = output<int64_t>(args, 1);
    const int64_t rows = view.outer * view.inner, n = chunks();
    parallel_chunks(n, [&](int64_t c) {
      int64_t* order = static_cast<int64_t*>(args.scratch) + c * view.size;
      for (int64_t t = rows * c / n; t < rows * (c + 1) / n; ++t) {
        const T* row = x + t / view.inner * view.size * view.inner + t % view.inner;
        std::iota(order, order + view.size, int64_t{0});
        std::partial_sort(order, order + k, order + view.size, [&](int64_t i, int64_t j) {
          const T a = row[i * view.inner], b = row[j * view.inner];
          if (ranks_before(a, b)) return true;
          if (ranks_before(b, a)) return false;
          return last ? i > j : i < j;
        });
        const int64_t at = t / view.inner * k * view.inner + t % view.inner;
        for (int64_t i = 0; i < k; ++i) {
          values[at + i * view.inner] = row[order[i] * view.inner];
          indices[at + i * view.inner] = order[i];
        }
      }
    });
  }
};

ops::AxisView view_of(const KernelRequest& r) {
  const Shape& x = r.in[0].shape;
  return ops::view_axis(x, normalized_axis(r.attrs->integer("axis"), x.rank()));
}
bool last_wins(const KernelRequest& r) {
  return r.attrs->has("tie") && r.attrs->string("tie") == "last";
}

Kernel build_argmax(const KernelRequest& r) {
  return visit_numeric(r.in[0].dtype, [&](auto* t) {
    return kernel_of("argmax", ArgMax<Pointee<decltype(t)>>{view_of(r), last_wins(r)});
  });
}

Kernel build_top_k(const KernelRequest& r) {
  return visit_numeric(r.in[0].dtype, [&](auto* t) {
    TopK<Pointee<decltype(t)>> state{view_of(r), r.attrs->integer("k"), last_wins(r)};
    const size_t scratch = static_cast<size_t>(state.chunks() * state.view.size) * sizeof(int64_t);
    return kernel_of("top_k", std::move(state), scratch);
  });
}

}  // namespace

void register_reduce(KernelTable& table) {
  for (const char* op : {"sum", "mean", "prod", "reduce_max", "reduce_min", "sum_to"})
    table.add({op, op, place_reduce, build_reduce, {}});
  const auto count = [](const KernelRequest& r) {
    return static_cast<double>(r.in[0].shape.count()) * 2;
  };
  table.add({"argmax", "argmax", place_plain(numeric_only, count, 0.02), build_argmax, {}});
  table.add({"top_k", "top_k", place_plain(numeric_only, count, 0.005), build_top_k, {}});
}

}  // namespace trivium::cpu
