// gather, scatter_add, one_hot. Indices are checked before anything is written.
#include <cstring>

#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

/// UserError naming the first index outside [0, size).
template <typename I>
void check_indices(const char* op, const I* index, int64_t count, int64_t size) {
  for (int64_t i = 0; i < count; ++i)
    if (index[i] < 0 || static_cast<int64_t>(index[i]) >= size)
      user_error("{}: index {} at position {} of {}, 0 to {} expected", op, index[i], i, count,
                 size - 1);
}

template <typename I>
struct Gather {
  ops::AxisView view;  // of x
  int64_t count;       // indices
  size_t row_bytes;    // of one [inner] row
  void run(const KernelArgs& a) const {
    const I* index = input<I>(a, 1);
    check_indices("gather", index, count, view.size);
    const char* x = input<char>(a, 0);
    char* y = output<char>(a);
    const int64_t grain =
        std::max<int64_t>(1, static_cast<int64_t>(65536 / std::max<size_t>(1, row_bytes)));
    parallel_for(view.outer * count, grain, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const int64_t from = t / count * view.size + static_cast<int64_t>(index[t % count]);
        std::memcpy(y + static_cast<size_t>(t) * row_bytes,
                    x + static_cast<size_t>(from) * row_bytes, row_bytes);
      }
    });
  }
};

/// One owner per (outer, tile of inner): additions to a place happen in the order of the indices.
template <typename T, typename I>
struct ScatterAdd {
  ops::AxisView view;  // of the result
  int64_t count;
  static constexpr int64_t kTile = 64;
  void run(const KernelArgs& a) const {
    const T* updates = input<T>(a, 0);
    const I* index = input<I>(a, 1);
    T* y = output<T>(a);
    check_indices("scatter_add", index, count, view.size);
    const int64_t tiles = ceil_div(view.inner, kTile);
    parallel_chunks(view.outer * tiles, [&](int64_t t) {
      const int64_t o = t / tiles, first = t % tiles * kTile,
                    n = std::min(kTile, view.inner - first);
      for (int64_t i = 0; i < view.size; ++i)
        std::fill_n(y + (o * view.size + i) * view.inner + first, n, T(0));
      for (int64_t k = 0; k < count; ++k) {
        T* to = y + (o * view.size + static_cast<int64_t>(index[k])) * view.inner + first;
        const T* from = updates + (o * count + k) * view.inner + first;
        for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(to[i] + from[i]);
      }
    });
  }
};

template <typename X, typename Y>
struct OneHot {
  int64_t count, depth;
  void run(const KernelArgs& a) const {
    const X* x = input<X>(a, 0);
    Y* y = output<Y>(a);
    parallel_for(count, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, depth)),
                 [&](int64_t begin, int64_t end) {
                   std::fill(y + begin * depth, y + end * depth, Y(0));
                   for (int64_t i = begin; i < end; ++i) {
                     const double k = std::trunc(static_cast<double>(x[i]));
                     if (k >= 0 && k < static_cast<double>(depth))
                       y[i * depth + static_cast<int64_t>(k)] = Y(1);
                   }
                 });
  }
};

Kernel build_gather(const KernelRequest& r) {
  const Shape& x = r.in[0].shape;
  const auto view = ops::view_axis(x, normalized_axis(int_or(*r.attrs, "axis", 0), x.rank()));
  return visit_index(r.in[1].dtype, [&](auto* i) {
    return kernel_of("gather", Gather<Pointee<decltype(i)>>{
                                   view, r.in[1].shape.count(),
                                   static_cast<size_t>(view.inner) * size_of(r.in[0].dtype)});
  });
}

Kernel build_scatter(const KernelRequest& r) {
  const Shape& y = r.out[0].shape;
  const auto view = ops::view_axis(y, normalized_axis(int_or(*r.attrs, "axis", 0), y.rank()));
  return visit_numeric(r.in[0].dtype, [&](auto* t) {
    return visit_index(r.in[1].dtype, [&](auto* i) {
      return kernel_of("scatter_add", ScatterAdd<Pointee<decltype(t)>, Pointee<decltype(i)>>{
                                          view, r.in[1].shape.count()});
    });
  });
}

Kernel build_one_hot(const KernelRequest& r) {
  const int64_t count = r.in[0].shape.count(), depth = r.attrs->integer("depth");
  return visit_numeric(r.in[0].dtype, [&](auto* x) {
    return visit_numeric(r.out[0].dtype, [&](auto* y) {
      return kernel_of("one_hot", OneHot<Pointee<decltype(x)>, Pointee<decltype(y)>>{count, depth});
    });
  });
}

std::string index_supported(const KernelRequest& r) {
  const DType d = r.in[1].dtype;
  return d == DType::i32 || d == DType::i64 ? ""
                                            : fmt::format("indices of {} are not read", name_of(d));
}

}  // namespace

void register_index(KernelTable& table) {
  table.add({"gather", "gather", place_plain(index_supported), build_gather, {}});
  table.add({"scatter_add",
             "scatter_add",
             place_plain([](const KernelRequest& r) {
               const std::string reason = index_supported(r);
               return reason.empty() ? numeric_only(r) : reason;
             }),
             build_scatter,
             {}});
  table.add({"one_hot", "one_hot", place_plain(numeric_only), build_one_hot, {}});
}

}  // namespace trivium::cpu
