// The distributions of torch_random.h: each is one formula over the generator's words, written to
// every dtype through one visitor.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <vector>

#include "trivium/engine/core/torch_random.h"
#include "trivium/engine/core/torch_random_loops.h"

namespace trivium::random {
namespace {

using Lock = std::lock_guard<std::mutex>;
constexpr int64_t kBlock = 16;
constexpr int64_t kChunk = 39 * kBlock;  // one refill of the generator
constexpr uint64_t kWideRange = uint64_t{1} << 28;

/// 16-bit floats by their bits; a double is rounded to float32 first.
struct Half {
  uint16_t bits;
  Half() = default;
  explicit Half(double value) : Half(static_cast<float>(value)) {}
  explicit Half(float value) {
    const uint32_t word = std::bit_cast<uint32_t>(value);
    const uint32_t sign = word >> 16 & 0x8000u;
    const float size = std::fabs(value);
    if (!(size < 65520.f)) {  // rounds to infinity, or is NaN
      bits = static_cast<uint16_t>(sign | (std::isnan(value) ? 0x7e00u : 0x7c00u));
      return;
    }
    // Adding this power of two makes the float unit round where half's last bit is.
    const int exponent = std::max<int>(static_cast<int>(word >> 23 & 0xff) - 127, -14);
    const float magic = std::ldexp(1.f, exponent + 13);
    const float rounded = (size + magic) - magic;
    const float units = std::ldexp(rounded, 24);  // in units of the smallest half
    if (rounded < 0x1p-14f) {
      bits = static_cast<uint16_t>(sign | static_cast<uint32_t>(units));
      return;
    }
    const uint32_t r = std::bit_cast<uint32_t>(rounded);
    bits = static_cast<uint16_t>(sign | ((r - (112u << 23)) >> 13));
  }
  explicit operator float() const {
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    float size = exponent == 0 ? std::ldexp(static_cast<float>(mantissa), -24)
                               : std::ldexp(static_cast<float>(mantissa + 1024), exponent - 25);
    if (exponent == 31)
      size = mantissa ? std::numeric_limits<float>::quiet_NaN()
                      : std::numeric_limits<float>::infinity();
    return bits >> 15 ? -size : size;
  }
};

struct Bfloat {
  uint16_t bits;
  Bfloat() = default;
  explicit Bfloat(double value) : Bfloat(static_cast<float>(value)) {}
  explicit Bfloat(float value) {
    const uint32_t word = std::bit_cast<uint32_t>(value);
    bits = static_cast<uint16_t>(std::isnan(value) ? 0x7fc0u
                                                   : (word + 0x7fffu + (word >> 16 & 1u)) >> 16);
  }
  explicit operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
};

template <typename T>
inline constexpr bool kSmallFloat = std::is_same_v<T, Half> || std::is_same_v<T, Bfloat>;

/// Calls f(elements of `out`) with its type; floating dtypes only.
template <typename F>
void visit_floats(const char* name, const Array& out, const F& f) {
  if (!out.defined()) user_error("{}: the array to fill is undefined", name);
  switch (out.dtype()) {
    case DType::f32:
      return f(static_cast<float*>(out.raw()));
    case DType::f64:
      return f(static_cast<double*>(out.raw()));
    case DType::f16:
      return f(static_cast<Half*>(out.raw()));
    case DType::bf16:
      return f(static_cast<Bfloat*>(out.raw()));
    default:
      user_error("{}: expected a floating dtype, received {}", name, out.text());
  }
}

template <typename F>
void visit_all(const char* name, const Array& out, const F& f) {
  if (!out.defined()) user_error("{}: the array to fill is undefined", name);
  switch (out.dtype()) {
    case DType::i8:
      return f(static_cast<int8_t*>(out.raw()));
    case DType::u8:
      return f(static_cast<uint8_t*>(out.raw()));
    case DType::i16:
      return f(static_cast<int16_t*>(out.raw()));
    case DType::i32:
      return f(static_cast<int32_t*>(out.raw()));
    case DType::i64:
      return f(static_cast<int64_t*>(out.raw()));
    case DType::bool_:
      return f(static_cast<bool*>(out.raw()));
    default:
      return visit_floats(name, out, f);
  }
}

template <typename T, typename V>
T converted(V value) {
  if constexpr (kSmallFloat<T>) {
    return T(static_cast<double>(value));
  } else {
    return static_cast<T>(value);
  }
}

/// out[i] = draw(), for every element of any type in `visit`.
template <typename T, typename Draw>
void fill(T* out, int64_t count, const Draw& draw) {
  for (int64_t i = 0; i < count; ++i) out[i] = converted<T>(draw());
}

void check_probability(const char* name, double p) {
  if (!(p >= 0 && p <= 1)) user_error("{}: expected p in [0, 1], received {}", name, p);
}

void uniform_f32(TorchGenerator& rng, float* out, int64_t count, float low, float high) {
  uint32_t words[kChunk];
  for (int64_t i = 0; i < count; i += kChunk) {
    const int64_t n = std::min(kChunk, count - i);
    rng.words({words, static_cast<size_t>(n)});
    detail::uniform_floats(words, out + i, n, low, high);
  }
}

double largest(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return std::numeric_limits<float>::max();
    case DType::f16:
      return 65504;
    case DType::bf16:
      return 0x1.fep127;
    default:
      return std::numeric_limits<double>::max();
  }
}

/// One block of 16 uniforms to normals with the C library's functions.
template <typename F>
void normal_block(F* d, F mean, F std) {
  const F two_pi = static_cast<F>(2 * std::numbers::pi);
  for (int j = 0; j < 8; ++j) {
    const F u1 = F{1} - d[j], u2 = d[j + 8];
    const F radius = std::sqrt(F{-2} * std::log(u1)), angle = two_pi * u2;
    d[j] = std::fma(radius * std::cos(angle), std, mean);
    d[j + 8] = std::fma(radius * std::sin(angle), std, mean);
  }
}

void normal_f32(TorchGenerator& rng, float* out, int64_t count, float mean, float std) {
  const int64_t whole = count / kBlock * kBlock;
  const auto draw = [&](float* to, int64_t n) {
    uniform_f32(rng, to, n, 0.f, 1.f);
    if (n >= kBlock) detail::normal_blocks(to, n / kBlock, mean, std);
  };
  for (int64_t i = 0; i < whole; i += kChunk) draw(out + i, std::min(kChunk, whole - i));
  if (whole == count) return;
  uint32_t unused[kBlock];  // the uniforms of the tail, which the last block replaces
  rng.words({unused, static_cast<size_t>(count - whole)});
  draw(out + count - kBlock, kBlock);
}

void normal_f64(TorchGenerator& rng, double* out, int64_t count, double mean, double std) {
  fill(out, count, [&] { return rng.u53(); });
  for (int64_t i = 0; i + kBlock <= count; i += kBlock) normal_block(out + i, mean, std);
  if (count % kBlock == 0) return;
  double* last = out + count - kBlock;
  fill(last, kBlock, [&] { return rng.u53(); });
  normal_block(last, mean, std);
}

template <typename T>
void normal_small(TorchGenerator& rng, T* out, int64_t count, float mean, float std) {
  const auto block = [&](T* to) {
    float d[kBlock];
    fill(d, kBlock, [&] { return rng.u24(); });
    detail::normal_blocks(d, 1, mean, std);
    for (int64_t j = 0; j < kBlock; ++j) to[j] = T(d[j]);
  };
  for (int64_t i = 0; i + kBlock <= count; i += kBlock) block(out + i);
  if (count % kBlock != 0) block(out + count - kBlock);
}

/// Ends of the whole numbers a dtype holds, for random_range.
std::pair<double, double> whole_numbers(DType dtype) {
  switch (dtype) {
    case DType::bool_:
      return {0, 1};
    case DType::u8:
      return {0, 255};
    case DType::i8:
      return {-128, 127};
    case DType::i16:
      return {-32768, 32767};
    case DType::i32:
      return {-0x1p31, 0x1p31 - 1};
    case DType::i64:
      return {-0x1p63, 0x1p63};
    default:
      return {-largest(dtype), largest(dtype)};
  }
}

/// Largest value of random_() without bounds.
uint64_t full_range(DType dtype) {
  switch (dtype) {
    case DType::bool_:
      return 2;
    case DType::i8:
      return 1u << 7;
    case DType::u8:
      return 1u << 8;
    case DType::i16:
      return 1u << 15;
    case DType::i32:
      return 1u << 31;
    case DType::f16:
      return (1u << 11) + 1;
    case DType::bf16:
      return (1u << 8) + 1;
    case DType::f32:
      return (1u << 24) + 1;
    case DType::f64:
      return (uint64_t{1} << 53) + 1;
    case DType::i64:
      return uint64_t{1} << 63;
  }
  internal_error("random_full: dtype {}", name_of(dtype));
}

}  // namespace

Array uniform(TorchGenerator& rng, const Array& out, double low, double high) {
  visit_floats("uniform", out, [&](auto* to) {
    using T = std::remove_pointer_t<decltype(to)>;
    const double most = largest(out.dtype());
    if (!(low <= high && std::fabs(low) <= most && std::fabs(high) <= most && high - low <= most))
      user_error("uniform: expected low <= high within {}, received low {}, high {}",
                 name_of(out.dtype()), low, high);
    const int64_t n = out.count();
    const Lock lock(rng.mutex());
    if constexpr (std::is_same_v<T, float>) {
      uniform_f32(rng, to, n, static_cast<float>(low), static_cast<float>(high));
    } else if constexpr (std::is_same_v<T, double>) {
      fill(to, n, [&] {
        const double x = std::fma(rng.u53(), high - low, low);
        return x == high ? low : x;
      });
    } else {
      const T first(low), last(high);
      const float a = static_cast<float>(low), d = static_cast<float>(high) - a;
      for (int64_t i = 0; i < n; ++i) {
        const T x(std::fma(rng.u24(), d, a));
        to[i] = x.bits == last.bits ? first : x;
      }
    }
  });
  return out;
}

Array normal(TorchGenerator& rng, const Array& out, double mean, double std, NormalOrder order) {
  if (!(std >= 0)) user_error("normal: expected std >= 0, received {}", std);
  visit_floats("normal", out, [&](auto* to) {
    using T = std::remove_pointer_t<decltype(to)>;
    const int64_t n = out.count();
    const Lock lock(rng.mutex());
    if (n < kBlock || order == NormalOrder::elements) {
      fill(to, n, [&] { return std::fma(rng.normal(), std, mean); });
    } else if constexpr (std::is_same_v<T, float>) {
      normal_f32(rng, to, n, static_cast<float>(mean), static_cast<float>(std));
    } else if constexpr (std::is_same_v<T, double>) {
      normal_f64(rng, to, n, mean, std);
    } else {
      normal_small(rng, to, n, static_cast<float>(mean), static_cast<float>(std));
    }
  });
  return out;
}

Array random_range(TorchGenerator& rng, const Array& out, int64_t low, int64_t high) {
  if (low >= high)
    user_error("random_range: expected low < high, received low {}, high {}", low, high);
  visit_all("random_range", out, [&](auto* to) {
    const auto [least, most] = whole_numbers(out.dtype());
    if (static_cast<double>(low) < least || static_cast<double>(high - 1) > most)
      user_error("random_range: [{}, {}) does not fit {}", low, high, name_of(out.dtype()));
    const uint64_t base = static_cast<uint64_t>(low), range = static_cast<uint64_t>(high) - base;
    const int64_t n = out.count();
    const Lock lock(rng.mutex());
    const auto place = [&](uint64_t word) { return static_cast<int64_t>(word % range + base); };
    if (range >= kWideRange) {
      fill(to, n, [&] { return place(rng.u64()); });
    } else {
      fill(to, n, [&] { return place(rng.u32()); });
    }
  });
  return out;
}

Array random_full(TorchGenerator& rng, const Array& out) {
  visit_all("random_full", out, [&](auto* to) {
    const uint64_t range = full_range(out.dtype());
    const bool wide = size_of(out.dtype()) == 8;
    const Lock lock(rng.mutex());
    fill(to, out.count(),
         [&] { return static_cast<int64_t>((wide ? rng.u64() : rng.u32()) % range); });
  });
  return out;
}

Array bernoulli(TorchGenerator& rng, const Array& out, double p) {
  check_probability("bernoulli", p);
  visit_all("bernoulli", out, [&](auto* to) {
    const Lock lock(rng.mutex());
    fill(to, out.count(), [&] { return rng.u53() < p ? 1 : 0; });
  });
  return out;
}

Array bernoulli(TorchGenerator& rng, const Array& out, const Array& probability) {
  visit_all("bernoulli", out, [&](auto* to) {
    visit_floats("bernoulli", probability, [&](auto* p) {
      if (probability.count() != out.count())
        user_error("bernoulli: expected a probability for each of {} elements, received {}",
                   out.count(), probability.text());
      using P = std::remove_pointer_t<decltype(p)>;
      using Wide = std::conditional_t<std::is_same_v<P, double>, double, float>;
      const int64_t n = out.count();
      for (int64_t i = 0; i < n; ++i)
        check_probability("bernoulli", static_cast<double>(static_cast<Wide>(p[i])));
      const Lock lock(rng.mutex());
      int64_t i = 0;
      fill(to, n, [&] {
        const Wide limit = static_cast<Wide>(p[i++]);
        if constexpr (std::is_same_v<P, double>) {
          return rng.u53() < limit ? 1 : 0;
        } else {
          return rng.u24() < limit ? 1 : 0;
        }
      });
    });
  });
  return out;
}

Array exponential(TorchGenerator& rng, const Array& out, double lambda) {
  if (!(lambda > 0)) user_error("exponential: expected lambda > 0, received {}", lambda);
  visit_floats("exponential", out, [&](auto* to) {
    const Lock lock(rng.mutex());
    fill(to, out.count(), [&] { return -1.0 / lambda * std::log1p(-rng.u53()); });
  });
  return out;
}

Array geometric(TorchGenerator& rng, const Array& out, double p) {
  if (!(p > 0 && p < 1)) user_error("geometric: expected p in (0, 1), received {}", p);
  if (out.defined() && out.dtype() == DType::bool_)
    user_error("geometric: expected an integer or floating dtype, received {}", out.text());
  visit_all("geometric", out, [&](auto* to) {
    const double scale = std::log1p(-p);
    const Lock lock(rng.mutex());
    fill(to, out.count(), [&] { return std::ceil(std::log(rng.u53()) / scale); });
  });
  return out;
}

Array cauchy(TorchGenerator& rng, const Array& out, double median, double sigma) {
  if (!(sigma > 0)) user_error("cauchy: expected sigma > 0, received {}", sigma);
  visit_floats("cauchy", out, [&](auto* to) {
    const Lock lock(rng.mutex());
    fill(to, out.count(),
         [&] { return median + sigma * std::tan(std::numbers::pi * (rng.u53() - .5)); });
  });
  return out;
}

Array log_normal(TorchGenerator& rng, const Array& out, double mean, double std) {
  if (!(std > 0)) user_error("log_normal: expected std > 0, received {}", std);
  visit_floats("log_normal", out, [&](auto* to) {
    const Lock lock(rng.mutex());
    fill(to, out.count(), [&] { return std::exp(std::fma(rng.normal(), std, mean)); });
  });
  return out;
}

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
