// Reductions: sums, extremes, norms, moments, running results.
#include <algorithm>
#include <cmath>
#include <limits>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {

using record::Call;

namespace {

/// Sums and products of integers and bool are int64.
Tensor for_sum(const Tensor& x, std::optional<DType> dtype) {
  if (dtype) return cast_to(x, *dtype);
  return is_floating(x.dtype()) ? x : cast_to(x, DType::i64);
}

void require_floating(const Tensor& x, const char* op) {
  if (!is_floating(x.dtype()))
    raise<NotImplementedError>("{}: a floating dtype expected, {} received; convert it first", op,
                               name_of(x.dtype()));
}

/// Number of elements a result of the reduction covers.
int64_t group_of(const Shape& shape, const Dims& dims) {
  int64_t n = 1;
  for (int64_t d : dims) n *= shape[static_cast<int>(d)];
  return n;
}

Tensor reduce(const char* op, const Tensor& x, const Dims& dim, bool keepdim) {
  const int rank = x.shape().rank();
  if (rank == 0 && dim.empty()) return record::apply(record::reduce_call(op, {}, keepdim), {x});
  const Dims dims = wrap_dims(dim, rank, op);  // all are named, as every notation does
  if (rank == 0) return x.mul(1);
  return record::apply(record::reduce_call(op, dims.span(), keepdim), {x});
}

/// reduce_max or reduce_min whose gradient is shared by equal extremes.
Tensor shared_extreme(const char* op, const Tensor& x, const Dims& dims, bool keepdim) {
  int64_t key[Shape::kMaxRank + 1];
  key[0] = keepdim;
  std::copy(dims.begin(), dims.end(), key + 1);
  const size_t n = static_cast<size_t>(dims.size()) + 1;
  start_engine();
  const Call* c = record::call_by_key(
      OpRegistry::instance().get(op), {key, n}, [](const OpDef&, std::span<const int64_t> k) {
        return Attrs{{"axes", std::vector<int64_t>(k.begin() + 1, k.end())},
                     {"keep_dims", k[0] != 0},
                     {"ties", std::string("even")}};
      });
  return record::apply(c, {x});
}

Tensor extreme(bool largest, const Tensor& x, const Dims& dim, bool keepdim, const char* name) {
  const int rank = x.shape().rank();
  const Dims dims = wrap_dims(dim, rank, name);
  if (rank == 0) return x.dtype() == DType::bool_ ? x.clone() : x.mul(1);
  if (group_of(x.shape(), dims) == 0)
    user_error("{}: nothing has no extreme; shape {} received", name, x.shape().text());
  const bool truth = x.dtype() == DType::bool_;
  const Tensor y = shared_extreme(largest ? "reduce_max" : "reduce_min",
                                  truth ? cast_to(x, DType::u8) : x, dims, keepdim);
  return truth ? cast_to(y, DType::bool_) : y;
}

/// Index of the extreme along an axis, the axis kept with size 1.
Tensor extreme_index(bool largest, const Tensor& x, int axis) {
  const int64_t key[] = {axis};
  start_engine();
  const Call* c =
      record::call_by_key(OpRegistry::instance().get(largest ? "argmax" : "argmin"), key,
                          [](const OpDef&, std::span<const int64_t> k) {
                            return Attrs{{"axis", k[0]}, {"keep_dims", true}, {"nan_wins", true}};
                          });
  return record::apply(c, {x.dtype() == DType::bool_ ? cast_to(x, DType::u8) : x});
}

ValuesIndices extreme_along(bool largest, const Tensor& x, int64_t dim, bool keepdim,
                            const char* name) {
  if (x.shape().rank() == 0) {
    wrap_dim(dim, 0, name);
    return {x.clone(), index_tensor({0}, Shape{})};
  }
  const int axis = wrap_dim(dim, x.shape().rank(), name);
  if (x.shape()[axis] == 0)
    raise<IndexError>("{}: dim {} has size 0, shape {}", name, axis, x.shape().text());
  const Tensor at = extreme_index(largest, x, axis);
  const Tensor values = x.gather(axis, at);
  if (keepdim) return {values, at};
  return {values.squeeze(axis), at.squeeze(axis)};
}

Tensor extreme_position(bool largest, const Tensor& x, std::optional<int64_t> dim, bool keepdim,
                        const char* name) {
  const int rank = x.shape().rank();
  if (!dim) {
    if (x.count() == 0) raise<IndexError>("{}: the tensor is empty", name);
    const Tensor at = extreme_index(largest, reshaped(x, Shape{x.count()}), 0);
    Shape to;
    for (int i = 0; keepdim && i < rank; ++i) to.push_back(1);
    return reshape_view(at, to);
  }
  const int axis = wrap_dim(*dim, rank, name);
  if (rank == 0) return index_tensor({0}, Shape{});
  if (x.shape()[axis] == 0)
    raise<IndexError>("{}: dim {} has size 0, shape {}", name, axis, x.shape().text());
  const Tensor at = extreme_index(largest, x, axis);
  return keepdim ? at : at.squeeze(axis);
}

/// Square root whose derivative at 0 is 0.
Tensor root(const Tensor& s) {
  if (!record::grad_enabled() || !s.requires_grad()) return s.sqrt();
  const Tensor zero = s.eq(0);
  return pick(zero, number_of(0, s.dtype()), pick(zero, number_of(1, s.dtype()), s).sqrt());
}

Tensor truth_over(const Tensor& x, const Dims& dim, bool keepdim, bool every, const char* name) {
  const Dims dims = wrap_dims(dim, x.shape().rank(), name);
  const DType result = x.dtype() == DType::u8 ? DType::u8 : DType::bool_;
  const Tensor truth = cast_to(x, DType::bool_);
  if (x.shape().rank() == 0) return cast_to(truth, result);
  const Shape kept = without_dims(x.shape(), dims, keepdim);
  if (group_of(x.shape(), dims) == 0 || kept.count() == 0)
    return broadcast(number_of(every, result), kept);
  const char* op = every ? "reduce_min" : "reduce_max";
  const Tensor y =
      record::apply(record::reduce_call(op, dims.span(), keepdim), {cast_to(truth, DType::u8)});
  return cast_to(y, result);
}

}  // namespace

Tensor Tensor::sum(const Dims& dim, bool keepdim, std::optional<DType> dtype) const {
  return reduce("sum", for_sum(*this, dtype), dim, keepdim);
}

Tensor Tensor::nansum(const Dims& dim, bool keepdim) const {
  return nan_to_num(0, std::numeric_limits<double>::infinity(),
                    -std::numeric_limits<double>::infinity())
      .sum(dim, keepdim);
}

Tensor Tensor::mean(const Dims& dim, bool keepdim, std::optional<DType> dtype) const {
  const Tensor x = dtype ? cast_to(*this, *dtype) : *this;
  require_floating(x, "mean");
  return reduce("mean", x, dim, keepdim);
}

Tensor Tensor::prod(std::optional<DType> dtype) const {
  return reads("prod", {*this}, reduce("prod", for_sum(*this, dtype), {}, false), true);
}

Tensor Tensor::prod(int64_t dim, bool keepdim, std::optional<DType> dtype) const {
  return reads("prod", {*this}, reduce("prod", for_sum(*this, dtype), dim, keepdim), true);
}

Tensor Tensor::max() const { return extreme(true, *this, {}, false, "max"); }
Tensor Tensor::min() const { return extreme(false, *this, {}, false, "min"); }
Tensor Tensor::amax(const Dims& dim, bool keepdim) const {
  return extreme(true, *this, dim, keepdim, "amax");
}
Tensor Tensor::amin(const Dims& dim, bool keepdim) const {
  return extreme(false, *this, dim, keepdim, "amin");
}
ValuesIndices Tensor::max(int64_t dim, bool keepdim) const {
  return extreme_along(true, *this, dim, keepdim, "max");
}
ValuesIndices Tensor::min(int64_t dim, bool keepdim) const {
  return extreme_along(false, *this, dim, keepdim, "min");
}

std::pair<Tensor, Tensor> Tensor::aminmax(std::optional<int64_t> dim, bool keepdim) const {
  const Dims dims = dim ? Dims(*dim) : Dims();
  return {amin(dims, keepdim), amax(dims, keepdim)};
}

Tensor Tensor::argmax(std::optional<int64_t> dim, bool keepdim) const {
  return extreme_position(true, *this, dim, keepdim, "argmax");
}
Tensor Tensor::argmin(std::optional<int64_t> dim, bool keepdim) const {
  return extreme_position(false, *this, dim, keepdim, "argmin");
}

Tensor Tensor::all(const Dims& dim, bool keepdim) const {
  return truth_over(*this, dim, keepdim, true, "all");
}
Tensor Tensor::any(const Dims& dim, bool keepdim) const {
  return truth_over(*this, dim, keepdim, false, "any");
}

Tensor Tensor::norm(const Scalar& p, const Dims& dim, bool keepdim) const {
  require_floating(*this, "norm");
  const double q = p.real();
  if (q == 2) return reads("norm", {*this}, root(square().sum(dim, keepdim)), true);
  if (q == 1) return reads("norm", {*this}, abs().sum(dim, keepdim), true);
  if (q == 0) return cast_to(ne(0), dtype()).sum(dim, keepdim);
  if (std::isinf(q)) return q > 0 ? abs().amax(dim, keepdim) : abs().amin(dim, keepdim);
  const Tensor s = abs().pow(p).sum(dim, keepdim);
  const Tensor zero = s.eq(0);
  const Tensor one = number_of(1, s.dtype());
  return reads("norm", {*this}, pick(zero, number_of(0, s.dtype()), pick(zero, one, s).pow(1 / q)),
               true);
}

Tensor Tensor::var_correction(const Dims& dim, double correction, bool keepdim) const {
  require_floating(*this, "var");
  const Dims dims = wrap_dims(dim, shape().rank(), "var");
  const double n = static_cast<double>(group_of(shape(), dims));
  const Tensor squares = (*this - mean(dim, true)).square().sum(dim, keepdim);
  return reads("var", {*this}, squares.div(std::max(n - correction, 0.0)));
}

Tensor Tensor::var(const Dims& dim, bool unbiased, bool keepdim) const {
  return var_correction(dim, unbiased ? 1 : 0, keepdim);
}
Tensor Tensor::std(const Dims& dim, bool unbiased, bool keepdim) const {
  return reads("std", {*this}, root(var(dim, unbiased, keepdim)), true);
}

std::pair<Tensor, Tensor> var_mean(const Tensor& x, const Dims& dim, bool unbiased, bool keepdim) {
  return {x.var(dim, unbiased, keepdim), x.mean(dim, keepdim)};
}

Tensor Tensor::logsumexp(const Dims& dim, bool keepdim) const {
  const Tensor x = cast_to(*this, floating_type(dtype()));
  const Dims dims = wrap_dims(dim, shape().rank(), "logsumexp");
  if (shape().rank() == 0) return x.mul(1);
  if (group_of(shape(), dims) == 0) return x.exp().sum(dim, keepdim).log();
  // Groups whose maximum is infinite are not shifted: inf - inf would be NaN.
  const Tensor highest =
      record::apply(record::reduce_call("reduce_max", dims.span(), true), {x.detach()});
  const Tensor shift = pick(highest.isfinite(), highest, number_of(0, x.dtype()));
  const Tensor y = (x - shift).exp().sum(dims, true).log() + shift;
  return reads("logsumexp", {x}, keepdim ? y : reshape_view(y, without_dims(shape(), dims, false)),
               true);
}

Tensor Tensor::count_nonzero(const Dims& dim) const {
  return cast_to(cast_to(*this, DType::bool_), DType::i64).sum(dim);
}

namespace {

/// A scan along an axis; a tensor without dims counts as one of size 1.
Tensor scan(const char* op, const Tensor& x, int64_t dim) {
  const int rank = x.shape().rank(), axis = wrap_dim(dim, rank, op);
  if (rank == 0) return x.mul(1);
  return record::apply(axis_call(op, axis), {x});
}

ValuesIndices scan_extreme(const char* op, const Tensor& x, int64_t dim) {
  const int rank = x.shape().rank(), axis = wrap_dim(dim, rank, op);
  if (rank == 0) return {x.clone(), index_tensor({0}, Shape{})};
  const record::Var operand = x;
  const auto both = record::apply_all(axis_call(op, axis), {&operand, 1});
  return {both[0], both[1]};
}

}  // namespace

Tensor Tensor::cumsum(int64_t dim, std::optional<DType> dtype) const {
  return scan("cumsum", for_sum(*this, dtype), dim);
}
Tensor Tensor::cumprod(int64_t dim, std::optional<DType> dtype) const {
  return scan("cumprod", for_sum(*this, dtype), dim);
}
ValuesIndices Tensor::cummax(int64_t dim) const { return scan_extreme("cummax", *this, dim); }
ValuesIndices Tensor::cummin(int64_t dim) const { return scan_extreme("cummin", *this, dim); }

namespace {

Tensor softmax_by(const char* op, const Tensor& input, int64_t dim, std::optional<DType> dtype) {
  const Tensor x = dtype ? cast_to(input, *dtype) : input;
  require_floating(x, op);
  const int rank = x.shape().rank(), axis = wrap_dim(dim, rank, op);
  if (rank == 0) {
    const Tensor y = record::apply(axis_call(op, 0), {reshape_view(x, Shape{1})});
    return reshape_view(y, Shape{});
  }
  return record::apply(axis_call(op, axis), {x});
}

}  // namespace

Tensor Tensor::softmax(int64_t dim, std::optional<DType> dtype) const {
  return softmax_by("softmax", *this, dim, dtype);
}
Tensor Tensor::log_softmax(int64_t dim, std::optional<DType> dtype) const {
  return softmax_by("log_softmax", *this, dim, dtype);
}

Tensor Tensor::dist(const Tensor& other, const Scalar& p) const { return (*this - other).norm(p); }

Tensor reduced(const Tensor& x, Reduction reduction) {
  switch (reduction) {
    case Reduction::none:
      return x;
    case Reduction::sum:
      return x.sum();
    case Reduction::batchmean:
      return x.sum().div(x.shape().rank() > 0 ? x.shape()[0] : 1);
    default:
      return x.mean();
  }
}

}  // namespace trivium::nn
