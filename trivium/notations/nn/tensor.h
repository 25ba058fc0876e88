// Tensor: the surface of the notation that computes as you write. Names, argument orders and
// defaults are PyTorch's; a copy of a Tensor is the same tensor. Operations only record: looking
// (item(), array(), printing) computes.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "trivium/engine/record/var.h"
#include "trivium/engine/record/var_impl.h"
#include "trivium/notations/nn/errors.h"
#include "trivium/notations/nn/tensor_types.h"

namespace trivium::nn {

struct ValuesIndices;

class Tensor : public record::Var {
 public:
  Tensor() = default;
  Tensor(record::Var v) : record::Var(std::move(v)) {}
  /// A leaf on this memory (shared).
  explicit Tensor(Array value, bool requires_grad = false)
      : record::Var(std::move(value), requires_grad) {}

  // ---- what it is
  const Shape& sizes() const { return shape(); }
  int64_t size(int64_t dim) const;  ///< IndexError when dim is out of range
  int64_t dim() const { return shape().rank(); }
  int64_t ndim() const { return dim(); }
  int64_t numel() const { return count(); }
  int64_t nelement() const { return count(); }
  int64_t element_size() const { return static_cast<int64_t>(size_of(dtype())); }
  /// Elements between neighbours in the storage, and before the first element.
  std::vector<int64_t> stride() const;
  int64_t storage_offset() const;
  bool is_floating_point() const { return is_floating(dtype()); }
  Device device() const { return {}; }
  std::string text() const;  ///< as printed

  // ---- looking
  /// The only element; ItemError when there are several or none.
  template <typename T = double>
  T item() const {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
      return static_cast<T>(item_integer());
    else
      return static_cast<T>(item_real());
  }
  Scalar item_scalar() const;
  /// The content in row-major order; T must be the dtype.
  template <typename T>
  std::vector<T> to_vector() const {
    const Array a = array();
    const auto s = a.span<T>();
    return {s.begin(), s.end()};
  }
  explicit operator bool() const { return is_nonzero(); }
  bool is_nonzero() const;

  // ---- history
  Tensor grad() const { return record::Var::grad(); }
  const Tensor& requires_grad_(bool on = true) const;
  Tensor detach() const { return record::Var::detach(); }
  const Tensor& detach_() const;
  /// Shares the content, without history.
  Tensor data() const { return record::Var::detach(); }
  void backward(const Tensor& gradient = {}, bool retain_graph = false, bool create_graph = false,
                const std::vector<Tensor>* inputs = nullptr) const;
  int64_t register_hook(std::function<Tensor(const Tensor&)> hook) const;

  // ---- dtype and place
  Tensor to(DType dtype, bool copy = false) const;
  Tensor to(const Device& device) const;
  Tensor to(const Tensor& like) const { return to(like.dtype()); }
  Tensor to(const TensorOptions& options) const;
  Tensor type_as(const Tensor& like) const { return to(like.dtype()); }
  Tensor cpu() const { return *this; }
  Tensor clone() const;
  Tensor contiguous() const;
  const Tensor& copy_(const Tensor& source) const;

  // ---- views (share storage)
  Tensor view(const Dims& sizes) const;
  template <std::integral... I>
  requires(sizeof...(I) > 1) Tensor view(I... sizes)
  const { return view(Dims{static_cast<int64_t>(sizes)...}); }
  Tensor view_as(const Tensor& like) const { return view(like.shape()); }
  Tensor reshape(const Dims& sizes) const;
  template <std::integral... I>
  requires(sizeof...(I) > 1) Tensor reshape(I... sizes)
  const { return reshape(Dims{static_cast<int64_t>(sizes)...}); }
  Tensor reshape_as(const Tensor& like) const { return reshape(like.shape()); }
  Tensor flatten(int64_t start_dim = 0, int64_t end_dim = -1) const;
  Tensor unflatten(int64_t dim, const Dims& sizes) const;
  Tensor squeeze() const, squeeze(const Dims&dims) const, unsqueeze(int64_t dim) const;
  Tensor expand(const Dims&sizes) const, expand_as(const Tensor&like) const;
  template <std::integral... I>
  requires(sizeof...(I) > 1) Tensor expand(I... sizes)
  const { return expand(Dims{static_cast<int64_t>(sizes)...}); }
  Tensor broadcast_to(const Dims& sizes) const { return expand(sizes); }
  Tensor transpose(int64_t dim0, int64_t dim1) const, swapaxes(int64_t dim0, int64_t dim1) const;
  Tensor t() const, T() const, mT() const;
  Tensor permute(const Dims& dims) const;
  template <std::integral... I>
  requires(sizeof...(I) > 1) Tensor permute(I... dims)
  const { return permute(Dims{static_cast<int64_t>(dims)...}); }
  Tensor movedim(const Dims& source, const Dims& destination) const;
  Tensor narrow(int64_t dim, int64_t start, int64_t length) const;
  Tensor select(int64_t dim, int64_t index) const;
  Tensor slice(int64_t dim, std::optional<int64_t> start = {}, std::optional<int64_t> stop = {},
               int64_t step = 1) const;
  std::vector<Tensor> split(int64_t split_size, int64_t dim = 0) const;
  std::vector<Tensor> split(const std::vector<int64_t>& sizes, int64_t dim = 0) const;
  std::vector<Tensor> chunk(int64_t chunks, int64_t dim = 0) const;
  std::vector<Tensor> tensor_split(int64_t sections, int64_t dim = 0) const;
  std::vector<Tensor> unbind(int64_t dim = 0) const;
  Tensor unfold(int64_t dim, int64_t size, int64_t step) const;
  /// The storage's elements under any sizes and strides; storage_offset defaults to this tensor's.
  /// UserError for elements outside the storage, and for a view with holes that needs a gradient.
  Tensor as_strided(const Dims& size, const Dims& stride,
                    std::optional<int64_t> storage_offset = {}) const;
  Tensor diagonal(int64_t offset = 0, int64_t dim1 = 0, int64_t dim2 = 1) const;
  Tensor real() const { return *this; }

  // ---- copies that rearrange
  Tensor repeat(const Dims&times) const, tile(const Dims&times) const;
  Tensor repeat_interleave(int64_t repeats, std::optional<int64_t> dim = {}) const;
  Tensor repeat_interleave(const Tensor& repeats, std::optional<int64_t> dim = {}) const;
  Tensor roll(const Dims& shifts, const Dims& dims = {}) const;
  Tensor flip(const Dims&dims) const, rot90(int64_t k = 1, const Dims&dims = {0, 1}) const;
  Tensor tril(int64_t diagonal = 0) const, triu(int64_t diagonal = 0) const;
  Tensor diag(int64_t diagonal = 0) const;
  Tensor diag_embed(int64_t offset = 0, int64_t dim1 = -2, int64_t dim2 = -1) const;

  // ---- subscripts
  Tensor operator[](int64_t index) const { return select(0, index); }
  Tensor operator[](const Tensor& index) const { return this->index({index}); }
  Tensor index(std::initializer_list<TensorIndex> keys) const {
    return index(std::vector<TensorIndex>(keys));
  }
  /// Integers, slices, None and Ellipsis give views; tensors, masks and lists copies.
  Tensor index(const std::vector<TensorIndex>& keys) const;
  const Tensor& index_put_(const std::vector<TensorIndex>& keys, const Tensor& value,
                           bool accumulate = false) const;
  const Tensor& index_put_(const std::vector<TensorIndex>& keys, const Scalar& value,
                           bool accumulate = false) const;
  const Tensor& index_put_(std::initializer_list<TensorIndex> keys, const Tensor& value,
                           bool accumulate = false) const {
    return index_put_(std::vector<TensorIndex>(keys), value, accumulate);
  }
  const Tensor& index_put_(std::initializer_list<TensorIndex> keys, const Scalar& value,
                           bool accumulate = false) const {
    return index_put_(std::vector<TensorIndex>(keys), value, accumulate);
  }

  // ---- selection along an axis
  Tensor gather(int64_t dim, const Tensor& index) const;
  Tensor index_select(int64_t dim, const Tensor& index) const;
  Tensor take(const Tensor&index) const, take_along_dim(const Tensor&index, int64_t dim) const;
  Tensor masked_select(const Tensor& mask) const;
  Tensor nonzero() const;
  std::vector<Tensor> nonzero_tuple() const;
  Tensor argwhere() const { return nonzero(); }
  /// reduce: "" replaces; "add", "multiply" (and in scatter_reduce "sum", "prod", "mean", "amax",
  /// "amin") combine with what is there.
  Tensor scatter(int64_t dim, const Tensor& index, const Tensor& src,
                 const std::string& reduce = "") const;
  Tensor scatter(int64_t dim, const Tensor& index, const Scalar& value,
                 const std::string& reduce = "") const;
  Tensor scatter_add(int64_t dim, const Tensor& index, const Tensor& src) const;
  Tensor scatter_reduce(int64_t dim, const Tensor& index, const Tensor& src,
                        const std::string& reduce, bool include_self = true) const;
  Tensor index_add(int64_t dim, const Tensor& index, const Tensor& source,
                   const Scalar& alpha = 1) const;
  Tensor index_copy(int64_t dim, const Tensor& index, const Tensor& source) const;
  Tensor index_fill(int64_t dim, const Tensor& index, const Scalar& value) const;
  Tensor index_fill(int64_t dim, const Tensor& index, const Tensor& value) const;
  Tensor masked_fill(const Tensor& mask, const Scalar& value) const;
  Tensor masked_fill(const Tensor& mask, const Tensor& value) const;
  Tensor masked_scatter(const Tensor& mask, const Tensor& source) const;
  const Tensor& scatter_(int64_t dim, const Tensor& index, const Tensor& src,
                         const std::string& reduce = "") const;
  const Tensor& scatter_(int64_t dim, const Tensor& index, const Scalar& value,
                         const std::string& reduce = "") const;
  const Tensor& scatter_add_(int64_t dim, const Tensor& index, const Tensor& src) const;
  const Tensor& scatter_reduce_(int64_t dim, const Tensor& index, const Tensor& src,
                                const std::string& reduce, bool include_self = true) const;
  const Tensor& index_add_(int64_t dim, const Tensor& index, const Tensor& source,
                           const Scalar& alpha = 1) const;
  const Tensor& index_copy_(int64_t dim, const Tensor& index, const Tensor& source) const;
  const Tensor& index_fill_(int64_t dim, const Tensor& index, const Scalar& value) const;
  const Tensor& index_fill_(int64_t dim, const Tensor& index, const Tensor& value) const;
  const Tensor& masked_fill_(const Tensor& mask, const Scalar& value) const;
  const Tensor& masked_fill_(const Tensor& mask, const Tensor& value) const;
  const Tensor& masked_scatter_(const Tensor& mask, const Tensor& source) const;

  // ---- element by element, one operand; the forms with _ change the tensor
  Tensor neg() const, negative() const, abs() const, absolute() const, sign() const, exp() const,
      exp2() const, expm1() const, log() const, log1p() const, log2() const, log10() const,
      sqrt() const, rsqrt() const, square() const, reciprocal() const, sin() const, cos() const,
      tan() const, asin() const, acos() const, atan() const, sinh() const, cosh() const,
      asinh() const, acosh() const, atanh() const, tanh() const, sigmoid() const, erf() const,
      erfc() const, erfinv() const, lgamma() const, digamma() const, floor() const, ceil() const,
      trunc() const, frac() const, relu() const, logit() const;
  Tensor round(int64_t decimals = 0) const, logical_not() const, bitwise_not() const;
  Tensor isnan() const, isinf() const, isfinite() const;
  Tensor nan_to_num(double nan = 0, std::optional<double> posinf = {},
                    std::optional<double> neginf = {}) const;
  const Tensor &neg_() const, &abs_() const, &sign_() const, &exp_() const, &exp2_() const,
      &expm1_() const, &log_() const, &log1p_() const, &log2_() const, &log10_() const,
      &sqrt_() const, &rsqrt_() const, &square_() const, &reciprocal_() const, &sin_() const,
      &cos_() const, &tan_() const, &asin_() const, &acos_() const, &atan_() const, &sinh_() const,
      &cosh_() const, &tanh_() const, &sigmoid_() const, &erf_() const, &erfc_() const,
      &erfinv_() const, &floor_() const, &ceil_() const, &round_() const, &trunc_() const,
      &frac_() const, &relu_() const, &logical_not_() const, &bitwise_not_() const;
  const Tensor& nan_to_num_(double nan = 0, std::optional<double> posinf = {},
                            std::optional<double> neginf = {}) const;

  // ---- element by element, two operands (broadcasting, type promotion)
  Tensor add(const Tensor& other, const Scalar& alpha = 1) const;
  Tensor add(const Scalar& other, const Scalar& alpha = 1) const;
  Tensor sub(const Tensor& other, const Scalar& alpha = 1) const;
  Tensor sub(const Scalar& other, const Scalar& alpha = 1) const;
  Tensor rsub(const Scalar& other) const;  ///< other - this
  Tensor mul(const Tensor&other) const, mul(const Scalar&other) const;
  /// rounding_mode: "" (true division), "floor", "trunc"; ValueError otherwise.
  Tensor div(const Tensor& other, const std::string& rounding_mode = "") const;
  Tensor div(const Scalar& other, const std::string& rounding_mode = "") const;
  Tensor rdiv(const Scalar& other) const;  ///< other / this
  Tensor floor_divide(const Tensor&other) const, floor_divide(const Scalar&other) const;
  Tensor remainder(const Tensor&other) const, remainder(const Scalar&other) const;
  Tensor fmod(const Tensor&other) const, fmod(const Scalar&other) const;
  Tensor pow(const Tensor&exponent) const, pow(const Scalar&exponent) const;
  Tensor rpow(const Scalar& base) const;  ///< base ** this
  Tensor maximum(const Tensor&other) const, minimum(const Tensor&other) const;
  Tensor fmax(const Tensor&other) const, fmin(const Tensor&other) const;
  Tensor atan2(const Tensor&other) const, hypot(const Tensor&other) const;
  Tensor xlogy(const Tensor&other) const, logaddexp(const Tensor&other) const;
  Tensor eq(const Tensor&other) const, ne(const Tensor&other) const, lt(const Tensor&other) const,
      le(const Tensor&other) const, gt(const Tensor&other) const, ge(const Tensor&other) const;
  Tensor eq(const Scalar&other) const, ne(const Scalar&other) const, lt(const Scalar&other) const,
      le(const Scalar&other) const, gt(const Scalar&other) const, ge(const Scalar&other) const;
  Tensor logical_and(const Tensor&other) const, logical_or(const Tensor&other) const,
      logical_xor(const Tensor&other) const;
  Tensor bitwise_and(const Tensor&other) const, bitwise_or(const Tensor&other) const,
      bitwise_xor(const Tensor&other) const;
  Tensor bitwise_and(const Scalar&other) const, bitwise_or(const Scalar&other) const,
      bitwise_xor(const Scalar&other) const;
  Tensor bitwise_left_shift(const Tensor& other) const;
  Tensor bitwise_right_shift(const Tensor& other) const;
  Tensor bitwise_left_shift(const Scalar& other) const;
  Tensor bitwise_right_shift(const Scalar& other) const;
  Tensor clamp(std::optional<Scalar> min = {}, std::optional<Scalar> max = {}) const;
  /// Undefined bounds are absent; a bound gets half the gradient where it equals the element.
  Tensor clamp(const Tensor& min, const Tensor& max = {}) const;
  Tensor clip(std::optional<Scalar> min = {}, std::optional<Scalar> max = {}) const;
  Tensor clamp_min(const Scalar&min) const, clamp_max(const Scalar&max) const;
  Tensor addcmul(const Tensor& tensor1, const Tensor& tensor2, const Scalar& value = 1) const;
  Tensor addcdiv(const Tensor& tensor1, const Tensor& tensor2, const Scalar& value = 1) const;
  Tensor lerp(const Tensor& end, const Scalar& weight) const;
  Tensor lerp(const Tensor& end, const Tensor& weight) const;
  Tensor where(const Tensor& condition, const Tensor& other) const;
  Tensor where(const Tensor& condition, const Scalar& other) const;
  const Tensor& add_(const Tensor& other, const Scalar& alpha = 1) const;
  const Tensor& add_(const Scalar& other, const Scalar& alpha = 1) const;
  const Tensor& sub_(const Tensor& other, const Scalar& alpha = 1) const;
  const Tensor& sub_(const Scalar& other, const Scalar& alpha = 1) const;
  const Tensor &mul_(const Tensor&other) const, &mul_(const Scalar&other) const;
  const Tensor& div_(const Tensor& other, const std::string& rounding_mode = "") const;
  const Tensor& div_(const Scalar& other, const std::string& rounding_mode = "") const;
  const Tensor &floor_divide_(const Tensor&other) const, &floor_divide_(const Scalar&other) const;
  const Tensor &remainder_(const Tensor&other) const, &remainder_(const Scalar&other) const;
  const Tensor &fmod_(const Tensor&other) const, &fmod_(const Scalar&other) const;
  const Tensor &pow_(const Tensor&exponent) const, &pow_(const Scalar&exponent) const;
  const Tensor &logical_and_(const Tensor&other) const, &logical_or_(const Tensor&other) const,
      &logical_xor_(const Tensor&other) const;
  const Tensor &bitwise_and_(const Tensor&other) const, &bitwise_or_(const Tensor&other) const,
      &bitwise_xor_(const Tensor&other) const;
  const Tensor& clamp_(std::optional<Scalar> min = {}, std::optional<Scalar> max = {}) const;
  const Tensor& clamp_(const Tensor& min, const Tensor& max = {}) const;
  const Tensor &clamp_min_(const Scalar&min) const, &clamp_max_(const Scalar&max) const;
  const Tensor& addcmul_(const Tensor& tensor1, const Tensor& tensor2,
                         const Scalar& value = 1) const;
  const Tensor& addcdiv_(const Tensor& tensor1, const Tensor& tensor2,
                         const Scalar& value = 1) const;
  const Tensor& lerp_(const Tensor& end, const Scalar& weight) const;
  const Tensor& lerp_(const Tensor& end, const Tensor& weight) const;
  const Tensor &eq_(const Tensor&other) const, &ne_(const Tensor&other) const,
      &lt_(const Tensor&other) const, &le_(const Tensor&other) const,
      &gt_(const Tensor&other) const, &ge_(const Tensor&other) const;
  const Tensor &eq_(const Scalar&other) const, &ne_(const Scalar&other) const,
      &lt_(const Scalar&other) const, &le_(const Scalar&other) const,
      &gt_(const Scalar&other) const, &ge_(const Scalar&other) const;

  // ---- filling
  const Tensor &zero_() const, &fill_(const Scalar&value) const, &fill_(const Tensor&value) const;
  const Tensor& fill_diagonal_(const Scalar& value) const;
  const Tensor &tril_(int64_t diagonal = 0) const, &triu_(int64_t diagonal = 0) const;
  const Tensor &squeeze_() const, &squeeze_(const Dims&dims) const, &unsqueeze_(int64_t dim) const,
      &t_() const, &transpose_(int64_t dim0, int64_t dim1) const;

  // ---- reductions (no dims: over everything)
  Tensor sum(const Dims& dim = {}, bool keepdim = false, std::optional<DType> dtype = {}) const;
  Tensor nansum(const Dims& dim = {}, bool keepdim = false) const;
  Tensor mean(const Dims& dim = {}, bool keepdim = false, std::optional<DType> dtype = {}) const;
  Tensor prod(std::optional<DType> dtype = {}) const;
  Tensor prod(int64_t dim, bool keepdim = false, std::optional<DType> dtype = {}) const;
  Tensor max() const, min() const;
  Tensor max(const Tensor& other) const { return maximum(other); }
  Tensor min(const Tensor& other) const { return minimum(other); }
  ValuesIndices max(int64_t dim, bool keepdim = false) const;
  ValuesIndices min(int64_t dim, bool keepdim = false) const;
  Tensor amax(const Dims& dim = {}, bool keepdim = false) const;
  Tensor amin(const Dims& dim = {}, bool keepdim = false) const;
  std::pair<Tensor, Tensor> aminmax(std::optional<int64_t> dim = {}, bool keepdim = false) const;
  Tensor argmax(std::optional<int64_t> dim = {}, bool keepdim = false) const;
  Tensor argmin(std::optional<int64_t> dim = {}, bool keepdim = false) const;
  Tensor all(const Dims& dim = {}, bool keepdim = false) const;
  Tensor any(const Dims& dim = {}, bool keepdim = false) const;
  /// p: any real, infinity (largest magnitude) or 0 (how many are not 0).
  Tensor norm(const Scalar& p = 2, const Dims& dim = {}, bool keepdim = false) const;
  Tensor var(const Dims& dim = {}, bool unbiased = true, bool keepdim = false) const;
  Tensor std(const Dims& dim = {}, bool unbiased = true, bool keepdim = false) const;
  Tensor var_correction(const Dims& dim, double correction, bool keepdim = false) const;
  Tensor logsumexp(const Dims& dim, bool keepdim = false) const;
  Tensor count_nonzero(const Dims& dim = {}) const;
  Tensor cumsum(int64_t dim, std::optional<DType> dtype = {}) const;
  Tensor cumprod(int64_t dim, std::optional<DType> dtype = {}) const;
  ValuesIndices cummax(int64_t dim) const, cummin(int64_t dim) const;
  Tensor median() const, nanmedian() const;
  ValuesIndices median(int64_t dim, bool keepdim = false) const;
  ValuesIndices mode(int64_t dim = -1, bool keepdim = false) const;
  ValuesIndices topk(int64_t k, int64_t dim = -1, bool largest = true, bool sorted = true) const;
  ValuesIndices sort(int64_t dim = -1, bool descending = false, bool stable = true) const;
  Tensor argsort(int64_t dim = -1, bool descending = false) const;
  ValuesIndices kthvalue(int64_t k, int64_t dim = -1, bool keepdim = false) const;
  Tensor bincount(const Tensor& weights = {}, int64_t minlength = 0) const;
  Tensor histc(int64_t bins = 100, double min = 0, double max = 0) const;
  Tensor softmax(int64_t dim, std::optional<DType> dtype = {}) const;
  Tensor log_softmax(int64_t dim, std::optional<DType> dtype = {}) const;
  Tensor dist(const Tensor& other, const Scalar& p = 2) const;

  // ---- linear algebra
  Tensor matmul(const Tensor&other) const, mm(const Tensor&other) const,
      mv(const Tensor&other) const, bmm(const Tensor&other) const, dot(const Tensor&other) const,
      outer(const Tensor&other) const, ger(const Tensor&other) const;
  Tensor addmm(const Tensor& a, const Tensor& b, const Scalar& beta = 1,
               const Scalar& alpha = 1) const;
  Tensor addmv(const Tensor& a, const Tensor& b, const Scalar& beta = 1,
               const Scalar& alpha = 1) const;
  Tensor addbmm(const Tensor& a, const Tensor& b, const Scalar& beta = 1,
                const Scalar& alpha = 1) const;
  Tensor baddbmm(const Tensor& a, const Tensor& b, const Scalar& beta = 1,
                 const Scalar& alpha = 1) const;
  Tensor addr(const Tensor& a, const Tensor& b, const Scalar& beta = 1,
              const Scalar& alpha = 1) const;
  const Tensor& addmm_(const Tensor& a, const Tensor& b, const Scalar& beta = 1,
                       const Scalar& alpha = 1) const;
  Tensor trace() const;

  // ---- comparison as a whole
  bool equal(const Tensor& other) const;
  bool allclose(const Tensor& other, double rtol = 1e-5, double atol = 1e-8,
                bool equal_nan = false) const;
  Tensor isclose(const Tensor& other, double rtol = 1e-5, double atol = 1e-8,
                 bool equal_nan = false) const;

  // ---- new tensors like this one (dtype and device), and random filling (creation.h)
  Tensor new_zeros(const Dims& sizes, const TensorOptions& options = {}) const;
  Tensor new_ones(const Dims& sizes, const TensorOptions& options = {}) const;
  Tensor new_empty(const Dims& sizes, const TensorOptions& options = {}) const;
  Tensor new_full(const Dims& sizes, const Scalar& value, const TensorOptions& options = {}) const;
  const Tensor& uniform_(double from = 0, double to = 1) const;
  const Tensor& normal_(double mean = 0, double std = 1) const;
  const Tensor& bernoulli_(double p = 0.5) const;
  const Tensor& bernoulli_(const Tensor& p) const;
  Tensor bernoulli() const;
  const Tensor &random_() const, &random_(int64_t to) const,
      &random_(int64_t from, int64_t to) const;
  const Tensor& exponential_(double lambd = 1) const;
  const Tensor& geometric_(double p) const;
  const Tensor& cauchy_(double median = 0, double sigma = 1) const;
  const Tensor& log_normal_(double mean = 1, double std = 2) const;
  Tensor multinomial(int64_t num_samples, bool replacement = false) const;

  Tensor& operator+=(const Tensor& b) { return add_(b), *this; }
  Tensor& operator-=(const Tensor& b) { return sub_(b), *this; }
  Tensor& operator*=(const Tensor& b) { return mul_(b), *this; }
  Tensor& operator/=(const Tensor& b) { return div_(b), *this; }
  Tensor& operator+=(const Scalar& b) { return add_(b), *this; }
  Tensor& operator-=(const Scalar& b) { return sub_(b), *this; }
  Tensor& operator*=(const Scalar& b) { return mul_(b), *this; }
  Tensor& operator/=(const Scalar& b) { return div_(b), *this; }

 private:
  double item_real() const;
  int64_t item_integer() const;
};

/// Results of what chooses along an axis.
struct ValuesIndices {
  Tensor values, indices;
};

inline Tensor operator-(const Tensor& a) { return a.neg(); }
inline Tensor operator~(const Tensor& a) { return a.bitwise_not(); }
inline Tensor operator+(const Tensor& a, const Tensor& b) { return a.add(b); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return a.sub(b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return a.mul(b); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return a.div(b); }
inline Tensor operator%(const Tensor& a, const Tensor& b) { return a.remainder(b); }
inline Tensor operator+(const Tensor& a, const Scalar& b) { return a.add(b); }
inline Tensor operator-(const Tensor& a, const Scalar& b) { return a.sub(b); }
inline Tensor operator*(const Tensor& a, const Scalar& b) { return a.mul(b); }
inline Tensor operator/(const Tensor& a, const Scalar& b) { return a.div(b); }
inline Tensor operator%(const Tensor& a, const Scalar& b) { return a.remainder(b); }
inline Tensor operator+(const Scalar& a, const Tensor& b) { return b.add(a); }
inline Tensor operator-(const Scalar& a, const Tensor& b) { return b.rsub(a); }
inline Tensor operator*(const Scalar& a, const Tensor& b) { return b.mul(a); }
inline Tensor operator/(const Scalar& a, const Tensor& b) { return b.rdiv(a); }
inline Tensor operator==(const Tensor& a, const Tensor& b) { return a.eq(b); }
inline Tensor operator!=(const Tensor& a, const Tensor& b) { return a.ne(b); }
inline Tensor operator<(const Tensor& a, const Tensor& b) { return a.lt(b); }
inline Tensor operator<=(const Tensor& a, const Tensor& b) { return a.le(b); }
inline Tensor operator>(const Tensor& a, const Tensor& b) { return a.gt(b); }
inline Tensor operator>=(const Tensor& a, const Tensor& b) { return a.ge(b); }
inline Tensor operator==(const Tensor& a, const Scalar& b) { return a.eq(b); }
inline Tensor operator!=(const Tensor& a, const Scalar& b) { return a.ne(b); }
inline Tensor operator<(const Tensor& a, const Scalar& b) { return a.lt(b); }
inline Tensor operator<=(const Tensor& a, const Scalar& b) { return a.le(b); }
inline Tensor operator>(const Tensor& a, const Scalar& b) { return a.gt(b); }
inline Tensor operator>=(const Tensor& a, const Scalar& b) { return a.ge(b); }
inline Tensor operator&(const Tensor& a, const Tensor& b) { return a.bitwise_and(b); }
inline Tensor operator|(const Tensor& a, const Tensor& b) { return a.bitwise_or(b); }
inline Tensor operator^(const Tensor& a, const Tensor& b) { return a.bitwise_xor(b); }

// ---- functions of several tensors
Tensor cat(const std::vector<Tensor>& tensors, int64_t dim = 0);
Tensor stack(const std::vector<Tensor>& tensors, int64_t dim = 0);
Tensor hstack(const std::vector<Tensor>& tensors);
Tensor vstack(const std::vector<Tensor>& tensors);
Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Scalar& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& a, const Scalar& b);
Tensor where(const Tensor& condition, const Scalar& a, const Scalar& b);
std::vector<Tensor> where(const Tensor& condition);
/// All of one broadcast shape.
std::vector<Tensor> broadcast_tensors(const std::vector<Tensor>& tensors);
std::vector<Tensor> meshgrid(const std::vector<Tensor>& tensors,
                             const std::string& indexing = "ij");
/// "ij,jk->ik", with ... and implicit outputs as NumPy's.
Tensor einsum(const std::string& equation, const std::vector<Tensor>& operands);
Tensor tensordot(const Tensor& a, const Tensor& b, const Dims& dims_a, const Dims& dims_b);
/// Sorted distinct elements, the position of each element's value among them, and how often each
/// occurs.
struct Unique {
  Tensor values, inverse, counts;
};
Unique unique(const Tensor& x, std::optional<int64_t> dim = {});
Unique unique_consecutive(const Tensor& x);
/// Position at which each value keeps `sorted` in order, after equal ones when right.
Tensor searchsorted(const Tensor& sorted, const Tensor& values, bool right = false);
Tensor cdist(const Tensor& a, const Tensor& b, double p = 2);
std::pair<Tensor, Tensor> var_mean(const Tensor& x, const Dims& dim = {}, bool unbiased = true,
                                   bool keepdim = false);
/// Gradients as values, without touching .grad; undefined for an input not reached when
/// allow_unused, else UserError.
std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& grad_outputs = {}, bool retain_graph = false,
                         bool create_graph = false, bool allow_unused = false);

inline Tensor matmul(const Tensor& a, const Tensor& b) { return a.matmul(b); }
inline Tensor mm(const Tensor& a, const Tensor& b) { return a.mm(b); }
inline Tensor bmm(const Tensor& a, const Tensor& b) { return a.bmm(b); }
inline Tensor maximum(const Tensor& a, const Tensor& b) { return a.maximum(b); }
inline Tensor minimum(const Tensor& a, const Tensor& b) { return a.minimum(b); }
inline Tensor exp(const Tensor& x) { return x.exp(); }
inline Tensor log(const Tensor& x) { return x.log(); }
inline Tensor sqrt(const Tensor& x) { return x.sqrt(); }
inline Tensor abs(const Tensor& x) { return x.abs(); }
inline Tensor sin(const Tensor& x) { return x.sin(); }
inline Tensor cos(const Tensor& x) { return x.cos(); }
inline Tensor tanh(const Tensor& x) { return x.tanh(); }
inline Tensor sigmoid(const Tensor& x) { return x.sigmoid(); }
inline Tensor relu(const Tensor& x) { return x.relu(); }
inline Tensor pow(const Tensor& x, const Scalar& exponent) { return x.pow(exponent); }
inline Tensor sum(const Tensor& x, const Dims& dim = {}, bool keepdim = false) {
  return x.sum(dim, keepdim);
}
inline Tensor mean(const Tensor& x, const Dims& dim = {}, bool keepdim = false) {
  return x.mean(dim, keepdim);
}
inline Tensor flatten(const Tensor& x, int64_t start_dim = 0, int64_t end_dim = -1) {
  return x.flatten(start_dim, end_dim);
}

/// Switches the recording of history off for a scope.
class NoGradGuard {
 public:
  NoGradGuard() : off_(false) {}

 private:
  record::GradMode off_;
};

}  // namespace trivium::nn
