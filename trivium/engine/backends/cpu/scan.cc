// cumsum, cumprod, cummax, cummin: [outer, size, inner], rows of `inner` folded one into the next;
// a thread owns tiles of columns. Sums and products of float32 run in double.
#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

constexpr int64_t kTile = 64;

/// Calls body(first element of the tile's first row, columns) for the tiles of all rows.
template <typename Body>
void for_each_tile(const ops::AxisView& v, Body&& body) {
  const int64_t tiles = ceil_div(v.inner, kTile);
  const int64_t cost = std::max<int64_t>(1, v.size * std::min(v.inner, kTile));
  parallel_for(v.outer * tiles, std::max<int64_t>(1, kGrain / cost),
               [&](int64_t begin, int64_t end) {
                 for (int64_t t = begin; t < end; ++t) {
                   const int64_t first = t % tiles * kTile;
                   body(t / tiles * v.size * v.inner + first, std::min(kTile, v.inner - first));
                 }
               });
}

/// Integers wrap; they are folded without a sign, where wrapping is defined.
template <typename T>
using Running = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

template <typename T, bool kProduct>
struct Fold {
  ops::AxisView view;
  bool reverse;
  void run(const KernelArgs& args) const {
    const T* x = input<T>(args, 0);
    T* y = output<T>(args);
    for_each_tile(view, [&](int64_t first, int64_t n) {
      Running<T> run[kTile];
      std::fill_n(run, n, Running<T>(kProduct));
      for (int64_t k = 0; k < view.size; ++k) {
        const int64_t at = first + (reverse ? view.size - 1 - k : k) * view.inner;
        for (int64_t i = 0; i < n; ++i) {
          const auto v = static_cast<Running<T>>(x[at + i]);
          run[i] = kProduct ? run[i] * v : run[i] + v;
          y[at + i] = static_cast<T>(run[i]);
        }
      }
    });
  }
};

template <typename T>
struct Extreme {
  ops::AxisView view;
  bool largest;
  void run(const KernelArgs& args) const {
    const T* x = input<T>(args, 0);
    T* y = output<T>(args, 0);
    int64_t* index = output<int64_t>(args, 1);
    for_each_tile(view, [&](int64_t first, int64_t n) {
      T best[kTile] = {};
      int64_t at[kTile] = {};
      for (int64_t k = 0; k < view.size; ++k) {
        const int64_t row = first + k * view.inner;
        for (int64_t i = 0; i < n; ++i) {
          const T v = x[row + i], b = best[i];
          const bool take = (k == 0) | (v != v) | (largest ? v >= b : v <= b);
          best[i] = take ? v : b;
          at[i] = take ? k : at[i];
          y[row + i] = best[i];
          index[row + i] = at[i];
        }
      }
    });
  }
};

ops::AxisView view_of(const KernelRequest& r) {
  const Shape& x = r.in[0].shape;
  return ops::view_axis(x, normalized_axis(r.attrs->integer("axis"), x.rank()));
}

Kernel build_fold(const KernelRequest& r) {
  const bool reverse = flag_or(*r.attrs, "reverse", false);
  return visit_numeric(r.in[0].dtype, [&](auto* t) {
    using T = Pointee<decltype(t)>;
    if (r.op == "cumprod") return kernel_of(r.op, Fold<T, true>{view_of(r), reverse});
    return kernel_of(r.op, Fold<T, false>{view_of(r), reverse});
  });
}

Kernel build_extreme(const KernelRequest& r) {
  return visit_numeric(r.in[0].dtype, [&](auto* t) {
    return kernel_of(r.op, Extreme<Pointee<decltype(t)>>{view_of(r), r.op == "cummax"});
  });
}

}  // namespace

void register_scan(KernelTable& table) {
  const auto count = [](const KernelRequest& r) {
    return static_cast<double>(r.in[0].shape.count());
  };
  for (const char* op : {"cumsum", "cumprod"})
    table.add({op, op, place_plain(numeric_only, count, 0.02), build_fold, {{0, 0}}});
  for (const char* op : {"cummax", "cummin"})
    table.add({op, op, place_plain(numeric_only, count, 0.02), build_extreme, {}});
}

}  // namespace trivium::cpu
