// Random numbers, two kinds. Philox is a pure function of (seed, stream, element), so a value needs
// no state and does not depend on threads. Mt19937 is a sequence whose whole state is plain memory,
// so it can live in an int32[625] Array; the Caffe distributions on top of it repeat Caffe's
// numbers bit for bit.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace trivium::random {

/// Four words of Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
/// 2011).
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

/// Block `block` of a stream: key = seed, counter = (block, stream), low half first. Word w of the
/// stream is word w % 4 of block w / 4. With stream = the second seed this is TensorFlow's layout.
std::array<uint32_t, 4> philox_block(uint64_t seed, uint64_t stream, uint64_t block);
uint32_t philox_word(uint64_t seed, uint64_t stream, uint64_t index);

/// A word as a float in [0, 1), a multiple of 2^-23: its low 23 bits under the exponent of [1, 2),
/// less 1.
float unit_float(uint32_t word);
/// Two independent standard normals from two words (Box–Muller, float32, the sine one first).
std::pair<float, float> normal_pair(uint32_t word0, uint32_t word1);

/// out[i] = element first + i of the stream, scaled to [low, high). Runs on the thread team.
void philox_uniform(uint64_t seed, uint64_t stream, uint64_t first, float low, float high,
                    std::span<float> out);
/// out[i] = element first + i of the stream of normals with this mean and standard deviation.
void philox_normal(uint64_t seed, uint64_t stream, uint64_t first, float mean, float std,
                   std::span<float> out);

/// Mersenne twister of Matsumoto and Nishimura (1998), 32-bit. `index` counts the words used of
/// `words`.
struct Mt19937 {
  static constexpr int kWords = 624;
  uint32_t words[kWords];
  uint32_t index;

  /// The usual one-word initialisation (factor 1812433253).
  void seed(uint32_t value);
  uint32_t next() {
    if (index >= kWords) refill();
    uint32_t w = words[index++];
    w ^= w >> 11;
    w ^= w << 7 & 0x9d2c5680u;
    w ^= w << 15 & 0xefc60000u;
    return w ^ w >> 18;
  }
  void discard(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) next();
  }

 private:
  void refill();
};

/// Length of the int32 Array that holds a Mt19937.
inline constexpr int64_t kMt19937StateSize = Mt19937::kWords + 1;
static_assert(sizeof(Mt19937) == kMt19937StateSize * sizeof(int32_t));

/// The generator inside an int32[625] state; draws change that memory.
inline Mt19937& mt19937_at(int32_t* state) { return *reinterpret_cast<Mt19937*>(state); }

/// rand() of the GNU C library (additive feedback, order 31) without its process-wide state.
struct GlibcRand {
  uint32_t ring[31];
  uint32_t position;

  explicit GlibcRand(uint32_t seed = 1) { this->seed(seed); }
  void seed(uint32_t value);
  uint32_t next();  // [0, 2^31)
};

/// Low 32 bits of 8 bytes of /dev/urandom; EnvironmentError when it cannot be read.
uint32_t seed_from_system();

/// What Caffe draws on the CPU with Boost 1.74, in float32 with one rounding an operation, word for
/// word.
namespace caffe {

/// U[low, high], high included. UserError when low > high.
void uniform(Mt19937& rng, float low, float high, std::span<float> out);
/// N(mean, std). UserError when std is not positive.
void gaussian(Mt19937& rng, float mean, float std, std::span<float> out);
/// 1 with probability p, else 0. UserError outside [0, 1]; p = 0 draws nothing.
void bernoulli(Mt19937& rng, float p, std::span<int32_t> out);
/// The gaussian filler's `sparse`: each element is kept with probability sparse / shape0, else
/// times zero (so -0 occurs). UserError when sparse > shape0.
void sparsify(Mt19937& rng, int sparse, int64_t shape0, std::span<float> values);
/// Bound of the xavier filler and standard deviation of the msra filler for n inputs (or outputs,
/// or mean).
float xavier_bound(float n);
float msra_std(float n);
/// U[0, 1], then each of the `rows` equal slices divided by its sum.
void positive_unitball(Mt19937& rng, int64_t rows, std::span<float> out);

/// 1 where Dropout keeps the element; `ratio` in [0, 1). One word an element.
void dropout_keep(Mt19937& rng, float ratio, std::span<uint8_t> keep);
/// What a kept element is multiplied with: 1 / (1 - ratio).
float dropout_scale(float ratio);

/// The order ImageData and convert_imageset shuffle with: calls swap(i, j) for i = count-1 … 1.
template <typename Swap>
void shuffle(Mt19937& rng, int64_t count, Swap&& swap) {
  for (int64_t i = count - 1; i > 0; --i) {
    const uint32_t bucket =
        static_cast<uint32_t>((uint64_t{1} << 32) / static_cast<uint64_t>(i + 1));
    uint32_t j;
    do j = rng.next() / bucket;
    while (j > static_cast<uint64_t>(i));
    swap(i, static_cast<int64_t>(j));
  }
}

/// The order HDF5Data shuffles with: calls swap(i, j) for i = 1 … count-1. Caffe never seeds
/// rand(), so a process starts with GlibcRand(1) whatever random_seed says.
template <typename Swap>
void hdf5_shuffle(GlibcRand& rng, int64_t count, Swap&& swap) {
  for (int64_t i = 1; i < count; ++i) {
    const int64_t j = rng.next() % (i + 1);
    if (j != i) swap(i, j);
  }
}

}  // namespace caffe
}  // namespace trivium::random
