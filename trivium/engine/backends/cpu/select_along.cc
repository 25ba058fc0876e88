// argmax, argmin, top_k and sort: one row along the axis at a time. An order is three flags; NaN
// and ties are part of it, so every comparison is a strict order.
#include <cstring>

#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

struct Order {
  bool descending, nan_first;

  template <typename T>
  bool before(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      const bool a_nan = a != a, b_nan = b != b;
      if (a_nan || b_nan) return nan_first ? a_nan && !b_nan : b_nan && !a_nan;
    }
    return descending ? a > b : a < b;
  }
};

/// Where row t of [outer, size, inner] begins.
int64_t row_start(const ops::AxisView& v, int64_t t, int64_t size) {
  return t / v.inner * size * v.inner + t % v.inner;
}

template <typename T>
struct ExtremeIndex {
  ops::AxisView view;
  Order by;
  bool last;
  void run(const KernelArgs& args) const {
    const T* x = input<T>(args, 0);
    int64_t* y = output<int64_t>(args);
    const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, view.size));
    parallel_for(view.outer * view.inner, grain, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        const T* row = x + row_start(view, t, view.size);
        int64_t best = 0;
        for (int64_t i = 1; i < view.size; ++i) {
          const T a = row[i * view.inner], b = row[best * view.inner];
          if (last ? !by.before(b, a) : by.before(a, b)) best = i;
        }
        y[t] = best;
      }
    });
  }
};

/// An unsigned number that orders as the element does, all NaN alike above or below the others.
template <typename T>
auto ascending_key(T v) {
  using Key = std::conditional_t<sizeof(T) <= 4, uint32_t, uint64_t>;
  constexpr Key kTop = Key{1} << (sizeof(Key) * 8 - 1);
  if constexpr (std::is_floating_point_v<T>) {
    if (v == 0) v = 0;  // of either sign
    Key bits;
    std::memcpy(&bits, &v, sizeof bits);
    return bits & kTop ? static_cast<Key>(~bits) : static_cast<Key>(bits | kTop);
  } else if constexpr (std::is_signed_v<T>) {
    using Signed = std::make_signed_t<Key>;
    return static_cast<Key>(static_cast<Key>(static_cast<Signed>(v)) ^ kTop);
  } else {
    return static_cast<Key>(v);
  }
}

template <typename T>
auto key_of(T v, const Order& by) {
  auto key = ascending_key(v);
  if (by.descending) key = static_cast<decltype(key)>(~key);
  if (v != v) key = by.nan_first ? 0 : static_cast<decltype(key)>(~decltype(key){0});
  return key;
}

/// The first k elements of each row in order; all of them (sort) when k is the size. What is
/// sorted, in scratch, one list a chunk, are numbers: an element's key, then its position.
template <typename T>
struct Ranking {
  struct Pair {
    uint64_t key, position;
    bool operator<(const Pair& other) const {
      return key < other.key || (key == other.key && position < other.position);
    }
  };
  static constexpr bool kNarrow = sizeof(T) <= 4;
  using Item = std::conditional_t<kNarrow, uint64_t, Pair>;

  ops::AxisView view;
  int64_t k;
  Order by;
  bool last;
  static constexpr int64_t kChunks = 64;

  int64_t chunks() const { return std::min(kChunks, view.outer * view.inner); }
  size_t scratch_bytes() const { return static_cast<size_t>(chunks() * view.size) * sizeof(Item); }
  void run(const KernelArgs& args) const {
    const T* x = input<T>(args, 0);
    T* values = output<T>(args, 0);
    int64_t* indices = output<int64_t>(args, 1);
    const int64_t rows = view.outer * view.inner, n = chunks();
    parallel_chunks(n, [&](int64_t c) {
      Item* items = static_cast<Item*>(args.scratch) + c * view.size;
      for (int64_t t = rows * c / n; t < rows * (c + 1) / n; ++t) {
        const T* row = x + row_start(view, t, view.size);
        for (int64_t i = 0; i < view.size; ++i) items[i] = item(row[i * view.inner], i);
        if (k == view.size)
          std::sort(items, items + view.size);
        else
          std::partial_sort(items, items + k, items + view.size);
        const int64_t at = row_start(view, t, k);
        for (int64_t i = 0; i < k; ++i) {
          const int64_t from = index_of(items[i]);
          values[at + i * view.inner] = row[from * view.inner];
          indices[at + i * view.inner] = from;
        }
      }
    });
  }

  /// Equal keys are ordered by the position, or by its distance from the end.
  int64_t turned(int64_t index) const { return last ? view.size - 1 - index : index; }
  Item item(T v, int64_t index) const {
    const auto position = static_cast<uint64_t>(turned(index));
    if constexpr (kNarrow)
      return uint64_t{key_of(v, by)} << 32 | position;
    else
      return {key_of(v, by), position};
  }
  int64_t index_of(const Item& item) const {
    if constexpr (kNarrow)
      return turned(static_cast<int64_t>(item & 0xffffffffu));
    else
      return turned(static_cast<int64_t>(item.position));
  }
};

ops::AxisView view_of(const KernelRequest& r) {
  const Shape& x = r.in[0].shape;
  return ops::view_axis(x, normalized_axis(r.attrs->integer("axis"), x.rank()));
}
bool last_wins(const KernelRequest& r) {
  return r.attrs->has("tie") && r.attrs->string("tie") == "last";
}

Kernel build_extreme_index(const KernelRequest& r) {
  const Order by{r.op == "argmax", flag_or(*r.attrs, "nan_wins", false)};
  return visit_numeric(r.in[0].dtype, [&](auto* t) {
    return kernel_of(r.op, ExtremeIndex<Pointee<decltype(t)>>{view_of(r), by, last_wins(r)});
  });
}

template <typename State>
Kernel ranking_kernel(const KernelRequest& r, State state) {
  const size_t scratch = state.scratch_bytes();
  return kernel_of(r.op, std::move(state), scratch);
}

Kernel build_top_k(const KernelRequest& r) {
  return visit_numeric(r.in[0].dtype, [&](auto* t) {
    return ranking_kernel(
        r, Ranking<Pointee<decltype(t)>>{view_of(r),
                                         r.attrs->integer("k"),
                                         {true, flag_or(*r.attrs, "nan_wins", false)},
                                         last_wins(r)});
  });
}

/// NaN above every number: at the end going up, at the start going down.
Kernel build_sort(const KernelRequest& r) {
  const bool descending = flag_or(*r.attrs, "descending", false);
  const ops::AxisView view = view_of(r);
  return visit_numeric(r.in[0].dtype, [&](auto* t) {
    return ranking_kernel(
        r, Ranking<Pointee<decltype(t)>>{view, view.size, {descending, descending}, false});
  });
}

}  // namespace

void register_select_along(KernelTable& table) {
  const auto ranked = [](const KernelRequest& r) -> std::string {
    const bool long_rows = view_of(r).size > int64_t{1} << 32;
    return long_rows ? "orders at most 2^32 elements" : numeric_only(r);
  };
  const auto count = [](const KernelRequest& r) {
    return static_cast<double>(r.in[0].shape.count()) * 2;
  };
  for (const char* op : {"argmax", "argmin"})
    table.add({op, op, place_plain(numeric_only, count, 0.02), build_extreme_index, {}});
  table.add({"top_k", "top_k", place_plain(ranked, count, 0.005), build_top_k, {}});
  table.add({"sort", "sort", place_plain(ranked, count, 0.002), build_sort, {}});
}

}  // namespace trivium::cpu
