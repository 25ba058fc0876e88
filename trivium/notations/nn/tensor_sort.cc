// Order: sorting, ranks, distinct values, counts. What depends on the data looks at it.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {

using record::Call;

namespace {

std::pair<Tensor, Tensor> two(const Call* c, const Tensor& x) {
  const record::Var operand = x;
  const auto both = record::apply_all(c, {&operand, 1});
  return {both[0], both[1]};
}

const Call* sort_call(int axis, bool descending) {
  const int64_t key[] = {axis, descending};
  start_engine();
  return record::call_by_key(OpRegistry::instance().get("sort"), key,
                             [](const OpDef&, std::span<const int64_t> k) {
                               return Attrs{{"axis", k[0]}, {"descending", k[1] != 0}};
                             });
}

/// The elements of x named by `at`, whose axis has size 1.
ValuesIndices chosen(const Tensor& x, const Tensor& at, int axis, bool keepdim) {
  const Tensor values = x.gather(axis, at);
  if (keepdim) return {values, at};
  return {values.squeeze(axis), at.squeeze(axis)};
}

/// Index of the first NaN of each row where there is one, else `at`.
Tensor nan_first(const Tensor& x, const Tensor& at, int axis) {
  if (!is_floating(x.dtype())) return at;
  return pick(x.isnan().any(axis, true), x.argmax(axis, true), at);
}

ValuesIndices scalar_result(const Tensor& x) { return {x.clone(), index_tensor({0}, Shape{})}; }

}  // namespace

ValuesIndices Tensor::sort(int64_t dim, bool descending, bool) const {
  const int rank = shape().rank(), axis = wrap_dim(dim, rank, "sort");
  if (rank == 0) return scalar_result(*this);
  const auto [values, indices] = two(sort_call(axis, descending), *this);
  return {values, indices};
}

Tensor Tensor::argsort(int64_t dim, bool descending) const { return sort(dim, descending).indices; }

ValuesIndices Tensor::topk(int64_t k, int64_t dim, bool largest, bool) const {
  const int rank = shape().rank(), axis = wrap_dim(dim, rank, "topk");
  const int64_t size = rank ? shape()[axis] : 1;
  if (k < 0 || k > size) user_error("topk: k {} of {} elements; shape {}", k, size, shape().text());
  if (rank == 0) return scalar_result(*this);
  if (!largest || k == 0 || dtype() == DType::bool_) {
    const ValuesIndices all = sort(axis, largest);
    return {all.values.narrow(axis, 0, k), all.indices.narrow(axis, 0, k)};
  }
  const int64_t key[] = {k, axis};
  start_engine();
  const Call* c = record::call_by_key(
      OpRegistry::instance().get("top_k"), key, [](const OpDef&, std::span<const int64_t> a) {
        return Attrs{{"k", a[0]}, {"axis", a[1]}, {"nan_wins", true}};
      });
  const auto [values, indices] = two(c, *this);
  return {values, indices};
}

ValuesIndices Tensor::kthvalue(int64_t k, int64_t dim, bool keepdim) const {
  const int rank = shape().rank(), axis = wrap_dim(dim, rank, "kthvalue");
  const int64_t size = rank ? shape()[axis] : 1;
  if (k < 1 || k > size) user_error("kthvalue: k {} of {} elements", k, size);
  if (rank == 0) return scalar_result(*this);
  return chosen(*this, sort(axis).indices.narrow(axis, k - 1, 1), axis, keepdim);
}

ValuesIndices Tensor::median(int64_t dim, bool keepdim) const {
  const int rank = shape().rank(), axis = wrap_dim(dim, rank, "median");
  if (rank == 0) return scalar_result(*this);
  if (shape()[axis] == 0) raise<IndexError>("median: dim {} has size 0", axis);
  const Tensor at = sort(axis).indices.narrow(axis, (shape()[axis] - 1) / 2, 1);
  return chosen(*this, nan_first(*this, at, axis), axis, keepdim);
}

Tensor Tensor::median() const {
  if (count() == 0) return number_of(std::nan(""), dtype()).clone();
  const Tensor value = reshaped(*this, Shape{count()}).detach().median(0).values;
  if (!record::grad_enabled() || !requires_grad()) return value;
  // Equal elements share the gradient: the difference added is 0.
  const Tensor hit = cast_to(eq(value), dtype());
  const Tensor share = (*this * hit).sum() / hit.sum();
  return value + (share - share.detach());
}

Tensor Tensor::nanmedian() const {
  const Tensor real = masked_select(isnan().logical_not());
  return real.count() == 0 ? median() : real.median();
}

ValuesIndices Tensor::mode(int64_t dim, bool keepdim) const {
  const int rank = shape().rank(), axis = wrap_dim(dim, rank, "mode");
  if (rank == 0) return scalar_result(*this);
  if (shape()[axis] == 0) raise<IndexError>("mode: dim {} has size 0", axis);
  const ValuesIndices sorted = sort(axis);
  const Array values = sorted.values.array(), from = sorted.indices.array();
  const int64_t size = shape()[axis], inner = shape().count(axis + 1);
  Dims named;
  named.push_back(axis);
  const Shape rows = without_dims(shape(), named, true);
  std::vector<int64_t> at(static_cast<size_t>(rows.count()));
  for (int64_t r = 0; r < rows.count(); ++r) {
    const int64_t first = r / inner * size * inner + r % inner;
    int64_t best = 0, run = 0;
    for (int64_t k = 0; k < size; ++k) {
      ++run;
      const int64_t here = first + k * inner;
      if (k + 1 < size && values.at(here) == values.at(here + inner)) continue;
      if (run > best) {
        best = run;
        at[static_cast<size_t>(r)] = from.data<int64_t>()[here];
      }
      run = 0;
    }
  }
  return chosen(*this, index_tensor(at, rows), axis, keepdim);
}

Tensor Tensor::bincount(const Tensor& weights, int64_t minlength) const {
  if (is_floating(dtype()) || shape().rank() != 1)
    user_error("bincount: integers of one dim expected, {} received", meta()->text());
  const std::vector<int64_t> at = host_integers(*this);
  int64_t size = minlength;
  for (int64_t v : at) {
    if (v < 0) user_error("bincount: {} received, numbers from 0 expected", v);
    size = std::max(size, v + 1);
  }
  Tensor ones = weights;
  if (!ones.defined()) ones = Tensor(Array::full(shape(), 1, DType::i64));
  if (!(ones.shape() == shape())) user_error("bincount: one weight an element expected");
  if (!is_floating(ones.dtype())) ones = cast_to(ones, DType::i64);
  if (weights.defined() && ones.dtype() != DType::f32) ones = cast_to(ones, DType::f64);
  const Tensor zeros(Array::zeros(Shape{size}, ones.dtype()));
  return zeros.index_add(0, index_tensor(at), ones);
}

Tensor Tensor::histc(int64_t bins, double min, double max) const {
  if (!is_floating(dtype())) raise<NotImplementedError>("histc: a floating dtype expected");
  if (bins < 1) user_error("histc: at least one bin expected, {} received", bins);
  const Tensor flat = reshaped(detach(), Shape{count()});
  if (min == max && count() > 0) {
    min = flat.min().item();
    max = flat.max().item();
  }
  if (min == max) min -= 1, max += 1;
  if (!(min < max) || !std::isfinite(min) || !std::isfinite(max))
    user_error("histc: a finite range expected, {} to {} received", min, max);
  const Tensor inside = flat.masked_select(flat.ge(min).logical_and(flat.le(max)));
  const Tensor place = ((inside - min) * (static_cast<double>(bins) / (max - min))).floor();
  const Tensor at = cast_to(place.clamp(0, bins - 1), DType::i64);
  return cast_to(at.bincount({}, bins), dtype());
}

namespace {

/// Compares rows of `width` elements at a and b.
bool row_less(const Array& x, int64_t a, int64_t b, int64_t width) {
  for (int64_t i = 0; i < width; ++i) {
    const double u = x.at(a * width + i), v = x.at(b * width + i);
    if (u != v) return std::isnan(v) ? !std::isnan(u) : u < v;
  }
  return false;
}

/// Distinct rows of x [rows, width]; in order of `order`, neighbours that are equal are one.
struct Runs {
  std::vector<int64_t> first, inverse, counts;
};
Runs runs_of(const Array& x, const std::vector<int64_t>& order, int64_t width) {
  Runs r;
  r.inverse.resize(order.size());
  for (size_t k = 0; k < order.size(); ++k) {
    const bool same = k > 0 && !row_less(x, order[k - 1], order[k], width) &&
                      !row_less(x, order[k], order[k - 1], width);
    if (!same) {
      r.first.push_back(order[k]);
      r.counts.push_back(0);
    }
    r.inverse[static_cast<size_t>(order[k])] = static_cast<int64_t>(r.first.size()) - 1;
    ++r.counts.back();
  }
  return r;
}

std::vector<int64_t> numbers_below(int64_t n) {
  std::vector<int64_t> v(static_cast<size_t>(n));
  std::iota(v.begin(), v.end(), 0);
  return v;
}

}  // namespace

Unique unique(const Tensor& x, std::optional<int64_t> dim) {
  const Tensor still = x.detach();
  const int axis = dim ? wrap_dim(*dim, x.shape().rank(), "unique") : 0;
  const Tensor rows = dim ? still.movedim(axis, 0) : reshaped(still, Shape{x.count()});
  const Array data = rows.contiguous().array();
  const int64_t n = rows.shape()[0], width = rows.shape().count(1);
  std::vector<int64_t> order = numbers_below(n);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return row_less(data, a, b, width); });
  const Runs r = runs_of(data, order, width);
  Tensor values = gather_rows(rows, index_tensor(r.first), 0);
  if (dim) values = values.movedim(0, axis);
  return {values, index_tensor(r.inverse, dim ? Shape{n} : x.shape()), index_tensor(r.counts)};
}

Unique unique_consecutive(const Tensor& x) {
  const Tensor flat = reshaped(x.detach(), Shape{x.count()});
  const Runs r = runs_of(flat.array(), numbers_below(x.count()), 1);
  return {gather_rows(flat, index_tensor(r.first), 0), index_tensor(r.inverse, x.shape()),
          index_tensor(r.counts)};
}

Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right) {
  if (sorted.shape().rank() != 1)
    user_error("searchsorted: a sorted tensor of one dim expected, shape {} received",
               sorted.shape().text());
  const Tensor last = values.unsqueeze(-1);
  return cast_to(right ? sorted.le(last) : sorted.lt(last), DType::i64).sum(-1);
}

}  // namespace trivium::nn
