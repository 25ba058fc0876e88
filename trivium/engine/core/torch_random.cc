// The generator: words, its two kinds of uniforms, the waiting normal, and the state of 5056 bytes.
#include "trivium/engine/core/torch_random.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "trivium/engine/core/random.h"
#include "trivium/engine/core/torch_random_loops.h"

namespace trivium::random {
namespace {

// Where the fields of a state lie; everything else in it is zero.
constexpr int64_t kSeedAt = 0, kLeftAt = 8, kSeededAt = 12, kNextAt = 16, kWordsAt = 24;
constexpr int64_t kNormalAt = 5024, kNormalValidAt = 5040;

template <typename T>
void put(const Array& state, int64_t at, T value) {
  std::memcpy(state.data<uint8_t>() + at, &value, sizeof value);
}
template <typename T>
T take(const Array& state, int64_t at) {
  T value;
  std::memcpy(&value, state.data<uint8_t>() + at, sizeof value);
  return value;
}

}  // namespace

void TorchGenerator::restart(uint64_t seed) {
  seed_ = seed;
  words_[0] = static_cast<uint32_t>(seed);
  for (uint32_t i = 1; i < kWords; ++i)
    words_[i] = 1812433253u * (words_[i - 1] ^ words_[i - 1] >> 30) + i;
  index_ = kWords + 1;
  waiting_normal_.reset();
}

void TorchGenerator::refill() {
  detail::mt_refill(words_.data());
  index_ = 0;
}

void TorchGenerator::copy(const TorchGenerator& other) {
  seed_ = other.seed_;
  words_ = other.words_;
  index_ = other.index_;
  waiting_normal_ = other.waiting_normal_;
}

TorchGenerator& TorchGenerator::manual_seed(double seed) {
  if (!(seed >= -0x1p63 && seed < 0x1p64) || seed != std::floor(seed))
    user_error("manual_seed: expected a whole number from -2^63 to 2^64 - 1, received {}", seed);
  restart(seed < 0 ? static_cast<uint64_t>(static_cast<int64_t>(seed))
                   : static_cast<uint64_t>(seed));
  return *this;
}

uint64_t TorchGenerator::seed() {
  const uint64_t high = seed_from_system();
  restart(high << 32 | seed_from_system());
  return seed_;
}

void TorchGenerator::words(std::span<uint32_t> out) {
  for (size_t done = 0; done < out.size();) {
    if (index_ >= kWords) refill();
    const size_t count = std::min<size_t>(out.size() - done, kWords - index_);
    detail::mt_temper(words_.data() + index_, out.data() + done, static_cast<int64_t>(count));
    index_ += static_cast<uint32_t>(count);
    done += count;
  }
}

double TorchGenerator::normal() {
  if (waiting_normal_) {
    const double value = *waiting_normal_;
    waiting_normal_.reset();
    return value;
  }
  const double u1 = u53(), u2 = u53();
  const double radius = std::sqrt(-2.0 * std::log1p(-u2)), angle = 2.0 * std::numbers::pi * u1;
  waiting_normal_ = radius * std::sin(angle);
  return radius * std::cos(angle);
}

Array TorchGenerator::state() const {
  const Array state = Array::zeros({kStateBytes}, DType::u8);
  const bool fresh = index_ > kWords;
  put<uint64_t>(state, kSeedAt, seed_);
  put<int32_t>(state, kLeftAt, fresh ? 1 : static_cast<int32_t>(kWords + 1 - index_));
  put<int32_t>(state, kSeededAt, 1);
  put<uint64_t>(state, kNextAt, fresh ? 0 : index_);
  for (uint32_t i = 0; i < kWords; ++i) put<uint64_t>(state, kWordsAt + 8 * int64_t{i}, words_[i]);
  put<double>(state, kNormalAt, waiting_normal_.value_or(0.0));
  put<int32_t>(state, kNormalValidAt, waiting_normal_ ? 1 : 0);
  return state;
}

void TorchGenerator::set_state(const Array& state) {
  if (!state.defined() || state.dtype() != DType::u8 || state.count() != kStateBytes)
    user_error("generator state: expected uint8[{}], received {}", kStateBytes,
               state.defined() ? state.text() : "an undefined array");
  const int32_t left = take<int32_t>(state, kLeftAt);
  const uint64_t next = take<uint64_t>(state, kNextAt);
  const bool fresh = left == 1 && next == 0;
  if (take<int32_t>(state, kSeededAt) != 1 ||
      (!fresh && (left < 1 || next > kWords || static_cast<uint64_t>(left) + next != kWords + 1)))
    user_error(
        "generator state: expected left + next = {} as torch.Generator.get_state() writes it, "
        "received left {}, next {}",
        kWords + 1, left, next);
  std::array<uint32_t, kWords> words;
  for (uint32_t i = 0; i < kWords; ++i) {
    const uint64_t word = take<uint64_t>(state, kWordsAt + 8 * int64_t{i});
    if (word >> 32) user_error("generator state: word {} is {}, above 2^32 - 1", i, word);
    words[i] = static_cast<uint32_t>(word);
  }
  seed_ = take<uint64_t>(state, kSeedAt);
  words_ = words;
  index_ = fresh ? kWords + 1 : static_cast<uint32_t>(next);
  waiting_normal_.reset();
  if (take<int32_t>(state, kNormalValidAt)) waiting_normal_ = take<double>(state, kNormalAt);
}

TorchGenerator& default_generator() {
  static TorchGenerator generator = [] {
    TorchGenerator seeded;
    seeded.seed();
    return seeded;
  }();
  return generator;
}

}  // namespace trivium::random
