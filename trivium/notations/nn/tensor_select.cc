// Reading and writing along an axis by index, and by mask.
#include <algorithm>
#include <cmath>
#include <limits>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {

using record::Call;

namespace {

/// An index of ints as int64; UserError for other dtypes.
Tensor as_index(const Tensor& index, const char* op) {
  if (index.dtype() == DType::i64 || index.dtype() == DType::i32) return index;
  if (index.dtype() == DType::bool_ || is_floating(index.dtype()))
    user_error("{}: an index of int64 expected, {} received", op, name_of(index.dtype()));
  return cast_to(index, DType::i64);
}

/// The index with negative entries counted from the end, when any can be there.
void check_range(const Tensor& index, int64_t size, const char* op) {
  if (!is_ready(index)) return;  // checked when it is used
  for (int64_t v : host_integers(index))
    if (v < 0 || v >= size)
      raise<IndexError>("{}: index {} is out of range for a dim of size {}", op, v, size);
}

Tensor scalar_as_row(const Tensor& x) {
  return x.shape().rank() == 0 ? reshape_view(x, Shape{1}) : x;
}

const Call* elements_call(const char* op, int axis, const char* reduce) {
  start_engine();
  static constexpr const char* kModes[] = {"none", "add", "multiply", "amax", "amin"};
  int64_t mode = 0;
  while (std::string(kModes[mode]) != reduce) ++mode;
  const int64_t key[] = {axis, mode};
  return record::call_by_key(OpRegistry::instance().get(op), key,
                             [](const OpDef&, std::span<const int64_t> k) {
                               return Attrs{{"axis", k[0]}, {"reduce", std::string(kModes[k[1]])}};
                             });
}

/// scatter_elements of the part of src that index covers.
Tensor scattered(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& src,
                 const char* reduce, const char* op) {
  const int rank = self.shape().rank(), axis = wrap_dim(dim, rank, op);
  if (src.dtype() != self.dtype())
    user_error("{}: src of {} expected, {} received", op, name_of(self.dtype()),
               name_of(src.dtype()));
  if (index.count() == 0) return self.clone();
  const Tensor x = scalar_as_row(self), at = scalar_as_row(as_index(index, op));
  Tensor updates = scalar_as_row(src);
  if (at.shape().rank() != x.shape().rank() || updates.shape().rank() != x.shape().rank())
    user_error("{}: tensor, index and src of equal rank expected; shapes {}, {}, {}", op,
               self.shape().text(), index.shape().text(), src.shape().text());
  for (int i = 0; i < x.shape().rank(); ++i) {
    if (at.shape()[i] > updates.shape()[i] || (i != axis && at.shape()[i] > x.shape()[i]))
      user_error("{}: index of shape {} is larger than src {} or the tensor {}", op,
                 index.shape().text(), src.shape().text(), self.shape().text());
    if (at.shape()[i] < updates.shape()[i]) updates = cut(updates, i, 0, at.shape()[i]);
  }
  const Tensor y = record::apply(elements_call("scatter_elements", axis, reduce), {x, at, updates});
  return rank == 0 ? reshape_view(y, Shape{}) : y;
}

const char* reduction_of(const std::string& reduce, const char* op) {
  if (reduce.empty()) return "none";
  if (reduce == "add" || reduce == "sum") return "add";
  if (reduce == "multiply" || reduce == "prod") return "multiply";
  if (reduce == "amax") return "amax";
  if (reduce == "amin") return "amin";
  user_error("{}: reduce \"{}\" received; add or multiply expected", op, reduce);
}

}  // namespace

Tensor Tensor::gather(int64_t dim, const Tensor& index) const {
  const int rank = shape().rank(), axis = wrap_dim(dim, rank, "gather");
  const Tensor x = scalar_as_row(*this), at = scalar_as_row(as_index(index, "gather"));
  if (at.shape().rank() != x.shape().rank())
    user_error("gather: an index of {} dims expected, shape {} received", rank,
               index.shape().text());
  const Tensor y = record::apply(axis_call("gather_elements", axis), {x, at});
  return index.shape().rank() == 0 ? reshape_view(y, Shape{}) : y;
}

Tensor Tensor::index_select(int64_t dim, const Tensor& index) const {
  const int rank = shape().rank(), axis = wrap_dim(dim, rank, "index_select");
  if (index.shape().rank() > 1)
    raise<IndexError>("index_select: an index of one dim expected, shape {} received",
                      index.shape().text());
  const Tensor x = scalar_as_row(*this), at = scalar_as_row(as_index(index, "index_select"));
  check_range(at, x.shape()[axis], "index_select");
  const Tensor y = gather_rows(x, at, axis);
  return rank == 0 ? reshape_view(y, Shape{}) : y;
}

Tensor Tensor::take(const Tensor& index) const {
  const Tensor at = as_index(index, "take");
  std::vector<int64_t> places = host_integers(at);
  for (int64_t& p : places) {
    if (p < -count() || p >= count())
      raise<IndexError>("take: index {} is out of range for {} elements", p, count());
    if (p < 0) p += count();
  }
  return gather_rows(reshaped(*this, Shape{count()}), index_tensor(places, index.shape()), 0);
}

Tensor Tensor::take_along_dim(const Tensor& index, int64_t dim) const {
  const int axis = wrap_dim(dim, shape().rank(), "take_along_dim");
  Shape own = shape(), other = index.shape();
  own.set(axis, 1);
  other.set(axis, 1);
  Shape both = broadcast_shapes(own, other), from = both, to = both;
  from.set(axis, shape()[axis]);
  to.set(axis, index.shape()[axis]);
  return broadcast(*this, from).gather(axis, broadcast(index, to));
}

Tensor Tensor::masked_select(const Tensor& mask) const {
  if (mask.dtype() != DType::bool_ && mask.dtype() != DType::u8)
    user_error("masked_select: a mask of bool expected, {} received", name_of(mask.dtype()));
  const Shape both = broadcast_shapes(shape(), mask.shape());
  const Tensor x = reshaped(broadcast(*this, both), Shape{both.count()});
  const Tensor m = broadcast(mask, both);
  const Array hits = cast_to(m, DType::bool_).array();
  std::vector<int64_t> at;
  for (int64_t i = 0; i < both.count(); ++i)
    if (hits.data<bool>()[i]) at.push_back(i);
  return gather_rows(x, index_tensor(at), 0);
}

std::vector<Tensor> Tensor::nonzero_tuple() const {
  const Tensor x = scalar_as_row(*this);
  const Array hits = cast_to(x.detach(), DType::bool_).array();
  const int rank = x.shape().rank();
  const auto strides = strides_of(x.shape());
  std::vector<std::vector<int64_t>> at(static_cast<size_t>(rank));
  for (int64_t i = 0; i < x.count(); ++i) {
    if (!hits.data<bool>()[i]) continue;
    for (int a = 0; a < rank; ++a)
      at[static_cast<size_t>(a)].push_back(i / strides[static_cast<size_t>(a)] % x.shape()[a]);
  }
  std::vector<Tensor> out;
  for (const auto& places : at) out.push_back(index_tensor(places));
  return out;
}

Tensor Tensor::nonzero() const {
  const std::vector<Tensor> columns = nonzero_tuple();
  const int64_t n = columns[0].count();
  if (shape().rank() == 0) return Tensor(Array(Shape{n, 0}, DType::i64));
  return stack(columns, 1);
}

std::vector<Tensor> where(const Tensor& condition) { return condition.nonzero_tuple(); }

Tensor Tensor::scatter(int64_t dim, const Tensor& index, const Tensor& src,
                       const std::string& reduce) const {
  return scattered(*this, dim, index, src, reduction_of(reduce, "scatter"), "scatter");
}

Tensor Tensor::scatter(int64_t dim, const Tensor& index, const Scalar& value,
                       const std::string& reduce) const {
  return scatter(dim, index, broadcast(number_of(value, dtype()), index.shape()), reduce);
}

Tensor Tensor::scatter_add(int64_t dim, const Tensor& index, const Tensor& src) const {
  return scattered(*this, dim, index, src, "add", "scatter_add");
}

Tensor Tensor::scatter_reduce(int64_t dim, const Tensor& index, const Tensor& src,
                              const std::string& reduce, bool include_self) const {
  const char* op = "scatter_reduce";
  const bool mean = reduce == "mean";
  const char* mode = mean ? "add" : reduction_of(reduce, op);
  if (include_self && !mean) return scattered(*this, dim, index, src, mode, op);
  const Tensor ones = broadcast(number_of(1, dtype()), index.shape());
  const Tensor zeros = broadcast(number_of(0, dtype()), shape());
  const Tensor counts = scattered(zeros, dim, index, ones, "add", op);
  Tensor start = *this;
  if (!include_self) {  // places that are written start from what changes nothing
    const std::string m = mode;
    const double neutral = m == "add"        ? 0
                           : m == "multiply" ? 1
                           : m == "amax"     ? -std::numeric_limits<double>::infinity()
                                             : std::numeric_limits<double>::infinity();
    if (std::abs(neutral) > 1 && !is_floating(dtype()))
      raise<NotImplementedError>("scatter_reduce: {} of integers without self", reduce);
    start = pick(counts.eq(0), *this, number_of(neutral, dtype()));
  }
  const Tensor y = scattered(start, dim, index, src, mode, op);
  if (!mean) return y;
  const Tensor total = include_self ? counts + 1 : counts.clamp_min(1);
  return is_floating(dtype()) ? y / total : y.floor_divide(total);
}

namespace {

/// index_update of rows; source as a row of numbers is broadcast.
Tensor rows_updated(const Tensor& self, int64_t dim, const Tensor& index, const Tensor& source,
                    bool add, const char* op) {
  const int rank = self.shape().rank(), axis = wrap_dim(dim, rank, op);
  const Tensor x = scalar_as_row(self), at = scalar_as_row(as_index(index, op));
  if (at.shape().rank() != 1)
    raise<IndexError>("{}: an index of one dim expected, shape {} received", op,
                      index.shape().text());
  check_range(at, x.shape()[axis], op);
  if (source.dtype() != self.dtype())
    user_error("{}: a source of {} expected, {} received", op, name_of(self.dtype()),
               name_of(source.dtype()));
  Shape rows = x.shape();
  rows.set(axis, at.shape()[0]);
  Tensor updates = source;
  if (!(updates.shape() == rows)) {
    if (updates.count() != rows.count() && updates.count() != 1)
      user_error("{}: a source of shape {} expected, {} received", op, rows.text(),
                 source.shape().text());
    updates = updates.count() == rows.count() ? reshaped(updates, rows)
                                              : broadcast(reshaped(updates, Shape{}), rows);
  }
  start_engine();
  const int64_t key[] = {axis, add};
  const Call* c = record::call_by_key(
      OpRegistry::instance().get("index_update"), key,
      [](const OpDef&, std::span<const int64_t> k) {
        return Attrs{{"axis", k[0]}, {"mode", std::string(k[1] ? "add" : "set")}};
      });
  const Tensor y = record::apply(c, {x, at, updates});
  return rank == 0 ? reshape_view(y, Shape{}) : y;
}

Tensor as_mask(const Tensor& mask, const char* op) {
  if (mask.dtype() != DType::bool_)
    user_error("{}: a mask of bool expected, {} received; compare it with something", op,
               name_of(mask.dtype()));
  return mask;
}

}  // namespace

Tensor Tensor::index_add(int64_t dim, const Tensor& index, const Tensor& source,
                         const Scalar& alpha) const {
  return rows_updated(*this, dim, index, alpha.real() == 1 ? source : source * alpha, true,
                      "index_add");
}

Tensor Tensor::index_copy(int64_t dim, const Tensor& index, const Tensor& source) const {
  return rows_updated(*this, dim, index, source, false, "index_copy");
}

Tensor Tensor::index_fill(int64_t dim, const Tensor& index, const Scalar& value) const {
  return rows_updated(*this, dim, index, number_of(value, dtype()), false, "index_fill");
}

Tensor Tensor::index_fill(int64_t dim, const Tensor& index, const Tensor& value) const {
  if (value.shape().rank() != 0)
    user_error("index_fill: a value without dims expected, shape {}", value.shape().text());
  return rows_updated(*this, dim, index, cast_to(value, dtype()), false, "index_fill");
}

Tensor Tensor::masked_fill(const Tensor& mask, const Scalar& value) const {
  return pick(as_mask(mask, "masked_fill"), number_of(value, dtype()), *this);
}

Tensor Tensor::masked_fill(const Tensor& mask, const Tensor& value) const {
  if (value.shape().rank() != 0)
    user_error("masked_fill: a value without dims expected, shape {}", value.shape().text());
  return pick(as_mask(mask, "masked_fill"), cast_to(value, dtype()), *this);
}

Tensor Tensor::masked_scatter(const Tensor& mask, const Tensor& source) const {
  const Shape both = broadcast_shapes(shape(), mask.shape());
  const Array hits = broadcast(as_mask(mask, "masked_scatter"), both).array();
  std::vector<int64_t> from(static_cast<size_t>(both.count()));
  int64_t next = 0;
  for (int64_t i = 0; i < both.count(); ++i)
    if (hits.data<bool>()[i]) from[static_cast<size_t>(i)] = next++;
  if (next > source.count())
    user_error("masked_scatter: {} elements are asked for, the source has {}", next,
               source.count());
  if (next == 0) return broadcast(*this, both).clone();
  const Tensor given = gather_rows(reshaped(cast_to(source, dtype()), Shape{source.count()}),
                                   index_tensor(from, both), 0);
  return pick(mask, given, *this);
}

}  // namespace trivium::nn
