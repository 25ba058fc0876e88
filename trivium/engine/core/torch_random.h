// PyTorch's random numbers on the CPU, bit for bit: one MT19937 sequence, from which every
// distribution draws a fixed number of words an element, in memory order. Results do not depend on
// threads or on the processor.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>

#include "trivium/engine/core/array.h"

namespace trivium::random {

/// A sequence of words with its seed and the half of a normal pair that waits for its turn. Every
/// function below that draws holds mutex() meanwhile, so threads may share a generator; the member
/// functions lock nothing.
class TorchGenerator {
 public:
  static constexpr uint64_t kDefaultSeed = 67280421310721u;
  static constexpr int64_t kStateBytes = 5056;

  explicit TorchGenerator(uint64_t seed = kDefaultSeed) { restart(seed); }
  /// Copies take the state, not the lock.
  TorchGenerator(const TorchGenerator& other) { copy(other); }
  TorchGenerator& operator=(const TorchGenerator& other) {
    copy(other);
    return *this;
  }

  /// Starts the sequence of `seed` again: a negative one means seed + 2^64. Only its low 32 bits
  /// choose the sequence; initial_seed() returns all 64.
  template <std::integral T>
  TorchGenerator& manual_seed(T seed) {
    restart(static_cast<uint64_t>(seed));
    return *this;
  }
  /// UserError unless `seed` is a whole number in [-2^63, 2^64).
  TorchGenerator& manual_seed(double seed);
  /// Seeds from the system's entropy and returns the seed.
  uint64_t seed();
  uint64_t initial_seed() const { return seed_; }

  /// The next word; and the next two, first one high.
  uint32_t u32() {
    if (index_ >= kWords) refill();
    return temper(words_[index_++]);
  }
  uint64_t u64() {
    const uint64_t high = u32();
    return high << 32 | u32();
  }
  /// Uniform in [0, 1): multiples of 2^-24 from one word, of 2^-53 from two.
  float u24() { return static_cast<float>(u32() & 0xffffffu) * 0x1p-24f; }
  double u53() { return static_cast<double>(u64() & ((uint64_t{1} << 53) - 1)) * 0x1p-53; }
  /// The next out.size() words.
  void words(std::span<uint32_t> out);
  /// N(0, 1) one at a time: draws come in pairs of four words, the second waits inside the
  /// generator.
  double normal();

  /// uint8[5056] in the layout of torch.Generator.get_state().
  Array state() const;
  /// UserError unless `state` is a uint8[5056] that a generator can be in; nothing changes then.
  void set_state(const Array& state);

  std::mutex& mutex() { return mutex_; }

 private:
  static constexpr uint32_t kWords = 624;
  static uint32_t temper(uint32_t w) {
    w ^= w >> 11;
    w ^= w << 7 & 0x9d2c5680u;
    w ^= w << 15 & 0xefc60000u;
    return w ^ w >> 18;
  }
  void restart(uint64_t seed);
  void refill();
  void copy(const TorchGenerator& other);

  uint64_t seed_ = 0;
  std::array<uint32_t, kWords> words_;
  uint32_t index_ = kWords;  // words used of words_; kWords + 1 directly after seeding
  std::optional<double> waiting_normal_;
  std::mutex mutex_;
};

/// The generator that everything draws from when none is named; starts from the system's entropy.
TorchGenerator& default_generator();

/// How normal() fills: PyTorch draws contiguous targets of at least 16 elements in blocks of 16,
/// all others one element at a time. `elements` is for targets that are not contiguous.
enum class NormalOrder { blocks, elements };

// Fills write every element of `out`, in memory order, and return it. `out` must be defined. Out of
// domain arguments are a UserError naming function, expected and received; nothing is drawn then.

/// U[low, high). out: f32, f64, f16, bf16. UserError when low > high, or a bound or their
/// difference does not fit the dtype.
Array uniform(TorchGenerator& rng, const Array& out, double low = 0, double high = 1);
/// N(mean, std). out: f32, f64, f16, bf16. UserError when std < 0.
Array normal(TorchGenerator& rng, const Array& out, double mean = 0, double std = 1,
             NormalOrder order = NormalOrder::blocks);
/// Whole numbers in [low, high). out: any dtype. UserError when the range is empty or its ends do
/// not fit the dtype.
Array random_range(TorchGenerator& rng, const Array& out, int64_t low, int64_t high);
/// random_() without bounds: [0, max] of integers, [0, 2^digits] of floating dtypes.
Array random_full(TorchGenerator& rng, const Array& out);
/// 1 with probability p, else 0. out: any dtype. UserError outside [0, 1].
Array bernoulli(TorchGenerator& rng, const Array& out, double p);
/// Element i is 1 with probability probability[i] (floating, as many elements as `out`).
Array bernoulli(TorchGenerator& rng, const Array& out, const Array& probability);
/// Density lambda exp(-lambda x). out: floating. UserError when lambda <= 0.
Array exponential(TorchGenerator& rng, const Array& out, double lambda = 1);
/// Trials up to the first success, at least 1. out: any dtype but bool. UserError outside (0, 1).
Array geometric(TorchGenerator& rng, const Array& out, double p);
/// out: floating. UserError when sigma <= 0.
Array cauchy(TorchGenerator& rng, const Array& out, double median = 0, double sigma = 1);
/// exp of N(mean, std). out: floating. UserError when std <= 0.
Array log_normal(TorchGenerator& rng, const Array& out, double mean = 1, double std = 2);

/// U[0, 1) and N(0, 1) in a new Array of a floating dtype.
Array rand(TorchGenerator& rng, Shape shape, DType dtype = DType::f32);
Array randn(TorchGenerator& rng, Shape shape, DType dtype = DType::f32);
/// Whole numbers in [low, high) in a new Array.
Array randint(TorchGenerator& rng, int64_t low, int64_t high, Shape shape,
              DType dtype = DType::i64);
/// A permutation of 0 … n-1. UserError when n < 0 or n - 1 does not fit the dtype.
Array randperm(TorchGenerator& rng, int64_t n, DType dtype = DType::i64);
/// Indices drawn by weight: int64[rows, samples] from weights [rows, n], int64[samples] from [n].
/// weights: f32 or f64. UserError for negative, infinite or NaN weights, a row whose sum is not
/// positive, samples < 1, or more samples than entries without replacement.
Array multinomial(TorchGenerator& rng, const Array& weights, int64_t samples,
                  bool replacement = false);

}  // namespace trivium::random
