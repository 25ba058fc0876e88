#include "trivium/notations/nn/creation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {
namespace {

DType dtype_for(const TensorOptions& options, DType fallback) {
  return options.dtype.value_or(fallback);
}

Tensor leaf(Array a, const TensorOptions& options) {
  if (options.device) require_available(*options.device);
  start_engine();
  if (options.requires_grad && !is_floating(a.dtype()))
    user_error("requires_grad: only floating tensors can have gradients, {} is asked for",
               name_of(a.dtype()));
  return Tensor(std::move(a), options.requires_grad);
}

/// One value everywhere; integers beyond 2^53 stay exact.
Array filled(const Shape& shape, const Scalar& value, DType dtype) {
  if (value.real() == 0) return Array::zeros(shape, dtype);
  if (dtype == DType::i64) {
    Array a(shape, dtype);
    std::fill_n(a.data<int64_t>(), a.count(), value.integer());
    return a;
  }
  if (dtype == DType::bool_) return Array::full(shape, value.real() != 0, dtype);
  if (is_integer(dtype)) {
    Array wide(shape, DType::i64);
    std::fill_n(wide.data<int64_t>(), wide.count(), value.integer());
    return wide.cast(dtype);
  }
  return Array::full(shape, value.real(), dtype);
}

/// Values computed in double (or int64) and rounded to the dtype.
template <typename Source, typename Make>
Array made(int64_t count, DType dtype, Make&& make) {
  Array a(Shape{count}, dtype_of<Source>);
  Source* out = a.data<Source>();
  for (int64_t i = 0; i < count; ++i) out[i] = make(i);
  return dtype == a.dtype() ? a : a.cast(dtype);
}

}  // namespace

Tensor tensor(const Array& data, const TensorOptions& options) {
  const DType d = dtype_for(options, data.dtype());
  return leaf(d == data.dtype() ? data.clone() : data.cast(d), options);
}

Tensor tensor(const Scalar& value, const TensorOptions& options) {
  return leaf(filled(Shape{}, value, dtype_for(options, dtype_of_scalar(value))), options);
}

Tensor tensor(std::initializer_list<double> values, const TensorOptions& options) {
  const Array a =
      Array::from(std::vector<double>(values), Shape{static_cast<int64_t>(values.size())});
  return leaf(a.cast(dtype_for(options, default_dtype())), options);
}

Tensor from_array(const Array& data, bool requires_grad) {
  start_engine();
  return Tensor(data, requires_grad);
}

Tensor zeros(const Dims& sizes, const TensorOptions& options) {
  return leaf(Array::zeros(sizes.shape(), dtype_for(options, default_dtype())), options);
}

Tensor ones(const Dims& sizes, const TensorOptions& options) {
  return leaf(filled(sizes.shape(), 1, dtype_for(options, default_dtype())), options);
}

Tensor empty(const Dims& sizes, const TensorOptions& options) {
  return leaf(Array(sizes.shape(), dtype_for(options, default_dtype())), options);
}

Tensor full(const Dims& sizes, const Scalar& value, const TensorOptions& options) {
  return leaf(filled(sizes.shape(), value, dtype_for(options, dtype_of_scalar(value))), options);
}

Tensor arange(const Scalar& end, const TensorOptions& options) {
  return arange(0, end, 1, options);
}

Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step,
              const TensorOptions& options) {
  const bool whole = !start.is_real() && !end.is_real() && !step.is_real();
  if (step.real() == 0) user_error("arange: a step of 0 received");
  if ((end.real() - start.real()) * step.real() < 0)
    user_error("arange: from {} to {} is not the way of step {}", start.real(), end.real(),
               step.real());
  const DType d = dtype_for(options, whole ? DType::i64 : default_dtype());
  const int64_t count = static_cast<int64_t>(std::ceil((end.real() - start.real()) / step.real()));
  if (whole && !is_floating(d)) {
    const int64_t first = start.integer(), by = step.integer();
    return leaf(made<int64_t>(count, d, [=](int64_t i) { return first + i * by; }), options);
  }
  const double first = start.real(), by = step.real();
  return leaf(
      made<double>(count, d, [=](int64_t i) { return first + static_cast<double>(i) * by; }),
      options);
}

namespace {

/// Both halves are counted from their own end, in the arithmetic of T.
template <typename T>
Array line(double start, double end, int64_t steps) {
  const T from = static_cast<T>(start), to = static_cast<T>(end);
  const T step = steps > 1 ? (to - from) / static_cast<T>(steps - 1) : T{0};
  return made<T>(steps, dtype_of<T>, [=](int64_t i) {
    return i < steps / 2 ? from + step * static_cast<T>(i)
           : steps == 1  ? from
                         : to - step * static_cast<T>(steps - 1 - i);
  });
}

}  // namespace

Tensor linspace(double start, double end, int64_t steps, const TensorOptions& options) {
  if (steps < 0) user_error("linspace: {} steps received", steps);
  const DType d = dtype_for(options, default_dtype());
  const Array a =
      d == DType::f32 ? line<float>(start, end, steps) : line<double>(start, end, steps);
  return leaf(a.dtype() == d ? a : a.cast(d), options);
}

Tensor logspace(double start, double end, int64_t steps, double base,
                const TensorOptions& options) {
  if (steps < 0) user_error("logspace: {} steps received", steps);
  const Array exponents = line<double>(start, end, steps);
  const double* e = exponents.data<double>();
  return leaf(made<double>(steps, dtype_for(options, default_dtype()),
                           [=](int64_t i) { return std::pow(base, e[i]); }),
              options);
}

Tensor eye(int64_t n, std::optional<int64_t> m, const TensorOptions& options) {
  const int64_t columns = m.value_or(n);
  if (n < 0 || columns < 0) user_error("eye: sizes {} and {} received", n, columns);
  Array a = Array::zeros(Shape{n, columns}, dtype_for(options, default_dtype()));
  for (int64_t i = 0; i < std::min(n, columns); ++i) a.set(i * columns + i, 1);
  return leaf(a, options);
}

namespace {

Tensor triangle_places(int64_t rows, int64_t columns, int64_t offset, bool lower) {
  std::vector<int64_t> r, c;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      if (lower ? j - i <= offset : j - i >= offset) {
        r.push_back(i);
        c.push_back(j);
      }
  const int64_t n = static_cast<int64_t>(r.size());
  r.insert(r.end(), c.begin(), c.end());
  return index_tensor(r, Shape{2, n});
}

TensorOptions like(const Tensor& x, TensorOptions options) {
  if (!options.dtype) options.dtype = x.dtype();
  return options;
}

}  // namespace

Tensor tril_indices(int64_t rows, int64_t columns, int64_t offset) {
  return triangle_places(rows, columns, offset, true);
}
Tensor triu_indices(int64_t rows, int64_t columns, int64_t offset) {
  return triangle_places(rows, columns, offset, false);
}

Tensor zeros_like(const Tensor& x, const TensorOptions& options) {
  return zeros(x.shape(), like(x, options));
}
Tensor ones_like(const Tensor& x, const TensorOptions& options) {
  return ones(x.shape(), like(x, options));
}
Tensor full_like(const Tensor& x, const Scalar& value, const TensorOptions& options) {
  return full(x.shape(), value, like(x, options));
}

Tensor Tensor::new_zeros(const Dims& sizes, const TensorOptions& options) const {
  return zeros(sizes, like(*this, options));
}
Tensor Tensor::new_ones(const Dims& sizes, const TensorOptions& options) const {
  return ones(sizes, like(*this, options));
}
Tensor Tensor::new_empty(const Dims& sizes, const TensorOptions& options) const {
  return empty(sizes, like(*this, options));
}
Tensor Tensor::new_full(const Dims& sizes, const Scalar& value,
                        const TensorOptions& options) const {
  return full(sizes, value, like(*this, options));
}

}  // namespace trivium::nn
