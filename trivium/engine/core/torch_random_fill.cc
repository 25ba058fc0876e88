// The distributions of torch_random.h: each is one formula over the generator's words, written to
// every dtype through one visitor.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "trivium/engine/core/torch_random.h"
#include "trivium/engine/core/torch_random_dtypes.h"
#include "trivium/engine/core/torch_random_loops.h"

namespace trivium::random {

using namespace detail;

namespace {

constexpr int64_t kBlock = 16;
constexpr int64_t kChunk = 39 * kBlock;  // one refill of the generator
constexpr uint64_t kWideRange = uint64_t{1} << 28;

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

/// One block of 16 uniforms to normals with the C library's functions.
void normal_block(double* d, double mean, double std) {
  for (int j = 0; j < 8; ++j) {
    const double u1 = 1 - d[j], u2 = d[j + 8];
    const double radius = std::sqrt(-2 * std::log(u1)), angle = 2 * std::numbers::pi * u2;
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

}  // namespace trivium::random
