// slice_scatter, gather_elements, scatter_elements, index_update. The result starts as a copy of x
// unless it is x's own memory; indices are checked before anything is written. Updates of one place
// happen in the order of the indices: a thread owns whole rows along the axis.
#include <array>
#include <cstring>

#include "trivium/engine/backends/cpu/strided_copy.h"
#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::cpu {
namespace {

void copy_bytes(const void* from, void* to, size_t bytes) {
  if (from == to || bytes == 0) return;
  constexpr int64_t kBlock = 1 << 18;
  parallel_for(static_cast<int64_t>(bytes), kBlock, [&](int64_t begin, int64_t end) {
    std::memcpy(static_cast<char*>(to) + begin, static_cast<const char*>(from) + begin,
                static_cast<size_t>(end - begin));
  });
}

/// Indices of either width, so that the loops below exist once an element type.
struct Indices {
  const void* data;
  bool wide;
  Indices(const KernelArgs& a, DType dtype) : data(a.in[1]), wide(dtype == DType::i64) {}
  int64_t operator[](int64_t i) const {
    return wide ? static_cast<const int64_t*>(data)[i] : static_cast<const int32_t*>(data)[i];
  }
};

/// UserError naming the first index outside [0, size).
void check_indices(const char* op, Indices index, int64_t count, int64_t size, int axis) {
  for (int64_t i = 0; i < count; ++i)
    if (index[i] < 0 || index[i] >= size)
      user_error("{}: index {} at position {} of {}, 0 to {} expected along axis {} of size {}", op,
                 index[i], i, count, size - 1, axis, size);
}

int axis_of(const KernelRequest& r) {
  return normalized_axis(int_or(*r.attrs, "axis", 0), r.in[0].shape.rank());
}

struct SliceScatter {
  StridedCopy box;
  size_t bytes;
  void run(const KernelArgs& a) const {
    copy_bytes(a.in[0], a.out[0], bytes);
    box.run(a.in[1], a.out[0]);
  }
};

Kernel build_slice_scatter(const KernelRequest& r) {
  SliceScatter state{{}, r.out[0].bytes()};
  const int rank = r.in[0].shape.rank();
  const auto from = strides_of(r.in[1].shape), to = strides_of(r.out[0].shape);
  const Ints starts = ints_or(*r.attrs, "starts", Ints(rank, 0)),
             steps = ints_or(*r.attrs, "steps", Ints(rank, 1));
  StridedCopy& c = state.box;
  c.element_bytes = size_of(r.out[0].dtype);
  c.sizes = r.in[1].shape.vec();
  for (int i = 0; i < rank; ++i) {
    c.to_offset += starts[i] * to[i];
    c.from_strides.push_back(from[i]);
    c.to_strides.push_back(to[i] * steps[i]);
  }
  c.finish();
  return kernel_of(r.op, std::move(state));
}

/// index [i_0 … i_r] against x of the same rank: for each row of the index along the axis, where
/// its elements lie in x and in the index.
struct ElementRows {
  int axis = 0, rank = 0;
  int64_t rows = 0, along = 0;  // rows of the index, indices in each
  int64_t size = 0;             // of x along the axis
  int64_t x_step = 0, index_step = 0;
  std::array<int64_t, Shape::kMaxRank> sizes{}, x_strides{}, index_strides{};

  ElementRows(const Shape& x, const Shape& index, int at) : axis(at), rank(x.rank()) {
    const auto dense_x = strides_of(x), dense_index = strides_of(index);
    rows = 1, along = index[axis], size = x[axis];
    x_step = dense_x[axis], index_step = dense_index[axis];
    for (int i = 0; i < rank; ++i) {
      sizes[i] = i == axis ? 1 : index[i];
      x_strides[i] = dense_x[i], index_strides[i] = dense_index[i];
      rows *= sizes[i];
    }
  }
  /// Calls body(row of x, place in the index) for all indices; those of one row in their order.
  /// Rows side by side are walked together, so that memory is read as it lies.
  template <typename Body>
  void for_each(Body&& body) const {
    constexpr int64_t kTile = 64;
    const int64_t tile = index_step == 1 ? 1 : kTile;
    parallel_for(ceil_div(rows, tile),
                 std::max<int64_t>(1, kGrain / std::max<int64_t>(1, along * tile)),
                 [&](int64_t begin, int64_t end) {
                   int64_t in_x[kTile], in_index[kTile];
                   for (int64_t t = begin; t < end; ++t) {
                     const int64_t n = std::min(tile, rows - t * tile);
                     for (int64_t j = 0; j < n; ++j) place(t * tile + j, in_x[j], in_index[j]);
                     for (int64_t k = 0; k < along; ++k)
                       for (int64_t j = 0; j < n; ++j) body(in_x[j], in_index[j] + k * index_step);
                   }
                 });
  }
  /// First elements of a row in x and in the index.
  void place(int64_t row, int64_t& in_x, int64_t& in_index) const {
    in_x = in_index = 0;
    for (int i = rank - 1; i >= 0; --i) {
      in_x += row % sizes[i] * x_strides[i];
      in_index += row % sizes[i] * index_strides[i];
      row /= sizes[i];
    }
  }
};

template <typename T>
struct GatherElements {
  ElementRows rows;
  DType index_dtype;
  void run(const KernelArgs& a) const {
    const T* x = input<T>(a, 0);
    const Indices index(a, index_dtype);
    T* y = output<T>(a);
    check_indices("gather_elements", index, rows.rows * rows.along, rows.size, rows.axis);
    rows.for_each([&](int64_t row, int64_t at) { y[at] = x[row + index[at] * rows.x_step]; });
  }
};

enum class Combine { none, add, multiply, amax, amin };

template <Combine kHow, typename T>
T combined(T there, T update) {
  if constexpr (kHow == Combine::none) return update;
  if constexpr (kHow == Combine::amax) return there != there || there > update ? there : update;
  if constexpr (kHow == Combine::amin) return there != there || there < update ? there : update;
  if constexpr (std::is_integral_v<T>) {  // wraps; defined without a sign
    const auto a = static_cast<uint64_t>(there), b = static_cast<uint64_t>(update);
    return static_cast<T>(kHow == Combine::add ? a + b : a * b);
  }
  return static_cast<T>(kHow == Combine::add ? there + update : there * update);
}

template <Combine kHow, typename T>
struct ScatterElements {
  ElementRows rows;
  DType index_dtype;
  size_t bytes;
  void run(const KernelArgs& a) const {
    const Indices index(a, index_dtype);
    const T* updates = input<T>(a, 2);
    T* y = output<T>(a);
    check_indices("scatter_elements", index, rows.rows * rows.along, rows.size, rows.axis);
    copy_bytes(a.in[0], y, bytes);
    rows.for_each([&](int64_t row, int64_t at) {
      T& to = y[row + index[at] * rows.x_step];
      to = combined<kHow>(to, updates[at]);
    });
  }
};

template <Combine kHow, typename T>
struct IndexUpdate {
  ops::AxisView view;
  DType index_dtype;
  int axis;
  int64_t count;
  size_t bytes;
  static constexpr int64_t kTile = 1024;
  void run(const KernelArgs& a) const {
    const Indices index(a, index_dtype);
    const T* updates = input<T>(a, 2);
    T* y = output<T>(a);
    check_indices("index_update", index, count, view.size, axis);
    copy_bytes(a.in[0], y, bytes);
    const int64_t tiles = ceil_div(view.inner, kTile);
    const int64_t cost = std::max<int64_t>(1, count * std::min(view.inner, kTile));
    parallel_for(view.outer * tiles, std::max<int64_t>(1, kGrain / cost),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t t = begin; t < end; ++t) {
                     const int64_t o = t / tiles, first = t % tiles * kTile;
                     const int64_t n = std::min(kTile, view.inner - first);
                     for (int64_t k = 0; k < count; ++k) {
                       const int64_t row = o * view.size + index[k];
                       T* to = y + row * view.inner + first;
                       const T* from = updates + (o * count + k) * view.inner + first;
                       for (int64_t i = 0; i < n; ++i) to[i] = combined<kHow>(to[i], from[i]);
                     }
                   }
                 });
  }
};

/// Calls make(type of elements); "moves": elements of any dtype, as bytes.
template <typename Make>
Kernel for_types(const KernelRequest& r, bool moves, const Make& make) {
  if (moves) return visit_size(size_of(r.in[0].dtype), make);
  return visit_numeric(r.in[0].dtype, make);
}

Kernel build_gather_elements(const KernelRequest& r) {
  const ElementRows rows(r.in[0].shape, r.in[1].shape, axis_of(r));
  return for_types(r, true, [&](auto* t) {
    return kernel_of(r.op, GatherElements<Pointee<decltype(t)>>{rows, r.in[1].dtype});
  });
}

template <Combine kHow>
Kernel build_scatter_as(const KernelRequest& r) {
  const ElementRows rows(r.in[0].shape, r.in[1].shape, axis_of(r));
  return for_types(r, kHow == Combine::none, [&](auto* t) {
    return kernel_of(
        r.op, ScatterElements<kHow, Pointee<decltype(t)>>{rows, r.in[1].dtype, r.out[0].bytes()});
  });
}

std::string reduce_of(const KernelRequest& r) {
  return r.attrs->has("reduce") ? r.attrs->string("reduce") : "none";
}

Kernel build_scatter_elements(const KernelRequest& r) {
  const std::string how = reduce_of(r);
  if (how == "add") return build_scatter_as<Combine::add>(r);
  if (how == "multiply") return build_scatter_as<Combine::multiply>(r);
  if (how == "amax") return build_scatter_as<Combine::amax>(r);
  if (how == "amin") return build_scatter_as<Combine::amin>(r);
  return build_scatter_as<Combine::none>(r);
}

bool adds_rows(const KernelRequest& r) {
  return r.attrs->has("mode") && r.attrs->string("mode") == "add";
}

template <Combine kHow>
Kernel build_update_as(const KernelRequest& r) {
  const int axis = axis_of(r);
  const auto view = ops::view_axis(r.in[0].shape, axis);
  return for_types(r, kHow == Combine::none, [&](auto* t) {
    return kernel_of(r.op, IndexUpdate<kHow, Pointee<decltype(t)>>{
                               view, r.in[1].dtype, axis, r.in[1].shape.count(), r.out[0].bytes()});
  });
}

Kernel build_index_update(const KernelRequest& r) {
  return adds_rows(r) ? build_update_as<Combine::add>(r) : build_update_as<Combine::none>(r);
}

/// "" unless the indices, or elements that are computed with, are of a type no kernel reads.
std::string indexed(const KernelRequest& r) {
  const DType d = r.in[1].dtype;
  if (d != DType::i32 && d != DType::i64)
    return fmt::format("indices of {} are not read", name_of(d));
  const bool computes = adds_rows(r) || reduce_of(r) != "none";
  return computes ? numeric_only(r) : "";
}

}  // namespace

void register_scatter(KernelTable& table) {
  table.add(
      {"slice_scatter", "slice_scatter", place_plain(nullptr), build_slice_scatter, {{0, 0}}});
  table.add(
      {"gather_elements", "gather_elements", place_plain(indexed), build_gather_elements, {}});
  table.add({"scatter_elements",
             "scatter_elements",
             place_plain(indexed),
             build_scatter_elements,
             {{0, 0}}});
  table.add({"index_update", "index_update", place_plain(indexed), build_index_update, {{0, 0}}});
}

}  // namespace trivium::cpu
