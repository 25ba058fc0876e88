// New Arrays of random numbers, permutations, and draws by weight.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "trivium/engine/core/torch_random.h"
#include "trivium/engine/core/torch_random_dtypes.h"

namespace trivium::random {

using namespace detail;

Array rand(TorchGenerator& rng, Shape shape, DType dtype) {
  return uniform(rng, Array(shape, dtype));
}

Array randn(TorchGenerator& rng, Shape shape, DType dtype) {
  return normal(rng, Array(shape, dtype));
}

Array randint(TorchGenerator& rng, int64_t low, int64_t high, Shape shape, DType dtype) {
  return random_range(rng, Array(shape, dtype), low, high);
}

Array randperm(TorchGenerator& rng, int64_t n, DType dtype) {
  if (n < 0) user_error("randperm: expected n >= 0, received {}", n);
  const double most = dtype == DType::f16    ? 0x1p11
                      : dtype == DType::bf16 ? 0x1p8
                      : dtype == DType::f32  ? 0x1p24
                      : dtype == DType::f64  ? 0x1p53
                                             : whole_numbers(dtype).second;
  if (static_cast<double>(n - 1) > most)
    user_error("randperm: {} does not hold {}; use int64", name_of(dtype), n - 1);
  const Array out({n}, dtype);
  visit_all("randperm", out, [&](auto* p) {
    using T = std::remove_pointer_t<decltype(p)>;
    const Lock lock(rng.mutex());
    for (int64_t i = 0; i < n; ++i) p[i] = converted<T>(i);
    for (int64_t i = 0; i + 1 < n; ++i)
      std::swap(p[i], p[i + static_cast<int64_t>(rng.u32() % static_cast<uint64_t>(n - i))]);
  });
  return out;
}

namespace {

/// The `samples` entries of p / exponential noise that are largest, in descending order.
template <typename T>
void race(const T* p, const T* noise, int64_t n, int64_t samples, int64_t* out) {
  std::vector<T> key(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) key[i] = p[i] / noise[i];
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::partial_sort(order.begin(), order.begin() + samples, order.end(), [&](int64_t a, int64_t b) {
    return key[a] > key[b] || (key[a] == key[b] && a < b);
  });
  std::copy_n(order.begin(), samples, out);
}

template <typename T>
void draw_from_cdf(TorchGenerator& rng, const T* p, int64_t n, int64_t samples, int64_t* out) {
  std::vector<T> cdf(static_cast<size_t>(n));
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) cdf[i] = sum += p[i];
  for (T& c : cdf) c /= sum;
  cdf.back() = 1;
  for (int64_t s = 0; s < samples; ++s) {
    const double u = rng.u53();
    out[s] =
        std::lower_bound(cdf.begin(), cdf.end(), u, [](T c, double limit) { return c < limit; }) -
        cdf.begin();
  }
}

template <typename T>
void check_weights(const T* p, int64_t rows, int64_t n) {
  for (int64_t r = 0; r < rows; ++r) {
    T sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      const T w = p[r * n + i];
      if (!(w >= 0) || std::isinf(w))
        user_error("multinomial: expected finite weights >= 0, received {} in row {}, entry {}", w,
                   r, i);
      sum += w;
    }
    if (!(sum > 0)) user_error("multinomial: the weights of row {} sum to {}", r, sum);
  }
}

template <typename T>
void draw_rows(TorchGenerator& rng, const Array& weights, int64_t rows, int64_t samples,
               bool replacement, const Array& out) {
  const T* p = weights.data<T>();
  const int64_t n = weights.shape()[-1];
  check_weights(p, rows, n);
  int64_t* to = out.data<int64_t>();
  if (replacement && samples > 1) {
    const Lock lock(rng.mutex());
    for (int64_t r = 0; r < rows; ++r) draw_from_cdf(rng, p + r * n, n, samples, to + r * samples);
    return;
  }
  const Array noise = exponential(rng, Array(weights.shape(), weights.dtype()));
  for (int64_t r = 0; r < rows; ++r)
    race(p + r * n, noise.data<T>() + r * n, n, samples, to + r * samples);
}

}  // namespace

Array multinomial(TorchGenerator& rng, const Array& weights, int64_t samples, bool replacement) {
  if (!weights.defined() || (weights.dtype() != DType::f32 && weights.dtype() != DType::f64) ||
      weights.shape().rank() < 1 || weights.shape().rank() > 2)
    user_error("multinomial: expected float32 or float64 weights [n] or [rows, n], received {}",
               weights.defined() ? weights.text() : "an undefined array");
  const int64_t n = weights.shape()[-1];
  if (samples < 1 || n < 1 || (!replacement && samples > n))
    user_error("multinomial: cannot draw {} of {} entries {} replacement", samples, n,
               replacement ? "with" : "without");
  const bool matrix = weights.shape().rank() == 2;
  const int64_t rows = matrix ? weights.shape()[0] : 1;
  const Array out(matrix ? Shape{rows, samples} : Shape{samples}, DType::i64);
  if (weights.dtype() == DType::f32) {
    draw_rows<float>(rng, weights, rows, samples, replacement, out);
  } else {
    draw_rows<double>(rng, weights, rows, samples, replacement, out);
  }
  return out;
}

}  // namespace trivium::random
