// Generators against published vectors, and Caffe's distributions against numbers recorded from
// Caffe (tests/golden/caffe/random): every comparison is bit for bit.
#include "trivium/engine/core/random.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <fstream>
#include <map>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::random {
namespace {

using Words = std::vector<uint32_t>;

/// The recorded arrays as bit patterns, by key ("1701/filler/uniform/a").
const std::map<std::string, Words>& golden() {
  static const std::map<std::string, Words> arrays = [] {
    std::map<std::string, Words> read;
    std::ifstream file(TRIVIUM_SOURCE_DIR "/tests/golden/caffe/random/random.txt");
    for (std::string line; std::getline(file, line);) {
      std::istringstream fields(line);
      std::string key, dtype;
      size_t count = 0;
      fields >> key >> dtype >> std::dec >> count >> std::hex;
      Words words(count);
      for (uint32_t& w : words) fields >> w;
      EXPECT_FALSE(fields.fail()) << key;
      read[key] = words;
    }
    EXPECT_EQ(read.size(), 80u);
    return read;
  }();
  return arrays;
}

Words bits_of(std::span<const float> values) {
  Words bits;
  for (float v : values) bits.push_back(std::bit_cast<uint32_t>(v));
  return bits;
}

Mt19937 seeded(uint32_t seed) {
  Mt19937 rng;
  rng.seed(seed);
  return rng;
}

class Caffe : public testing::TestWithParam<uint32_t> {
 protected:
  Words recorded(const std::string& rest) const {
    return golden().at(std::to_string(GetParam()) + "/" + rest);
  }

  /// Fills a blob (7, 3, 2, 2), then a blob (3), as the recorded nets do.
  template <typename Fill>
  void expect_filler(const std::string& name, const Fill& fill) const {
    Mt19937 rng = seeded(GetParam());
    std::vector<float> a(84), b(3);
    fill(rng, Shape{7, 3, 2, 2}, a);
    fill(rng, Shape{3}, b);
    EXPECT_EQ(bits_of(a), recorded("filler/" + name + "/a")) << name;
    EXPECT_EQ(bits_of(b), recorded("filler/" + name + "/b")) << name;
  }
};
INSTANTIATE_TEST_SUITE_P(Seeds, Caffe, testing::Values(1u, 1701u));

using Blob = std::span<float>;

TEST_P(Caffe, WordsAreTheMersenneTwister) {
  Mt19937 rng = seeded(GetParam());
  for (uint32_t want : recorded("words")) ASSERT_EQ(rng.next(), want);
}

TEST_P(Caffe, UniformFillers) {
  const auto range = [](float low, float high) {
    return [=](Mt19937& rng, const Shape&, Blob out) { caffe::uniform(rng, low, high, out); };
  };
  expect_filler("uniform", range(0, 1));
  expect_filler("uniform_range", range(-0.05f, 0.3f));
  expect_filler("uniform_equal", range(3, 3));
}

TEST_P(Caffe, GaussianFillers) {
  const auto normal = [](float mean, float std, int sparse) {
    return [=](Mt19937& rng, const Shape& shape, Blob out) {
      caffe::gaussian(rng, mean, std, out);
      if (sparse >= 0) caffe::sparsify(rng, sparse, shape[0], out);
    };
  };
  expect_filler("gaussian", normal(0, 1, -1));
  expect_filler("gaussian_mean", normal(0.5f, 0.01f, -1));
  expect_filler("gaussian_sparse0", normal(0, 1, 0));
  expect_filler("gaussian_sparse3", normal(0, 1, 3));
}

TEST_P(Caffe, ScaledFillers) {
  const auto fan_in = [](const Shape& s) { return static_cast<float>(s.count() / s[0]); };
  const auto fan_out = [](const Shape& s) {
    return static_cast<float>(s.rank() > 1 ? s.count() / s[1] : s.count());
  };
  const auto average = [=](const Shape& s) { return (fan_in(s) + fan_out(s)) / 2.0f; };
  const auto expect_both = [&](const std::string& norm, const auto& n) {
    expect_filler("xavier_" + norm, [&](Mt19937& rng, const Shape& s, Blob out) {
      caffe::uniform(rng, -caffe::xavier_bound(n(s)), caffe::xavier_bound(n(s)), out);
    });
    expect_filler("msra_" + norm, [&](Mt19937& rng, const Shape& s, Blob out) {
      caffe::gaussian(rng, 0, caffe::msra_std(n(s)), out);
    });
  };
  expect_both("fan_in", fan_in);
  expect_both("fan_out", fan_out);
  expect_both("average", average);
}

TEST_P(Caffe, PositiveUnitball) {
  expect_filler("positive_unitball", [](Mt19937& rng, const Shape& s, Blob out) {
    caffe::positive_unitball(rng, s[0], out);
  });
}

TEST_P(Caffe, HalfAMillionGaussians) {
  constexpr size_t kCount = 500000;
  Mt19937 rng = seeded(GetParam());
  std::vector<float> z(kCount), sample, tail_value;
  caffe::gaussian(rng, 0, 1, z);
  Words tail_index;
  for (size_t i = 0; i < kCount; ++i) {
    if (i % 500 == 0) sample.push_back(z[i]);
    if (std::abs(z[i]) <= 3.4426f) continue;
    tail_index.push_back(static_cast<uint32_t>(i));
    tail_value.push_back(z[i]);
  }
  EXPECT_EQ(bits_of(sample), recorded("gaussian_long/every_500th"));
  EXPECT_EQ(tail_index, recorded("gaussian_long/tail_index"));
  EXPECT_EQ(bits_of(tail_value), recorded("gaussian_long/tail_value"));
  // Words used, as recorded: the generator stands where Caffe's stood.
  Mt19937 counted = seeded(GetParam());
  counted.discard(GetParam() == 1 ? 520767 : 520334);
  EXPECT_EQ(rng.next(), counted.next());
}

TEST_P(Caffe, DropoutMasks) {
  for (const auto& [name, ratio] : {std::pair{"0.5", 0.5f}, {"0.3", 0.3f}, {"0.9", 0.9f}}) {
    const std::string key = std::string("dropout/") + name;
    Mt19937 rng = seeded(GetParam());
    Words packed(462);  // three forwards of 30 x 41, most significant bit first
    std::vector<uint8_t> keep(30 * 41);
    for (int forward = 0; forward < 3; ++forward) {
      caffe::dropout_keep(rng, ratio, keep);
      for (size_t i = 0; i < keep.size(); ++i) {
        const size_t bit = forward * keep.size() + i;
        packed[bit / 8] |= static_cast<uint32_t>(keep[i]) << (7 - bit % 8);
      }
    }
    EXPECT_EQ(packed, recorded(key + "/mask_bits")) << name;
    EXPECT_EQ(bits_of(std::vector<float>{caffe::dropout_scale(ratio)}),
              recorded(key + "/kept_value"));
  }
}

TEST_P(Caffe, ImageDataShuffles) {
  Mt19937 rng =
      seeded(seeded(GetParam()).next());  // the layer's own generator, seeded by the first word
  std::vector<uint32_t> order(23);
  std::iota(order.begin(), order.end(), 0u);
  const auto reshuffle = [&] {
    caffe::shuffle(rng, 23, [&](int64_t i, int64_t j) { std::swap(order[i], order[j]); });
  };
  const Words rows = recorded("imagedata/shuffle");
  for (size_t row = 0; row < 60; ++row) {
    if (row % 23 == 0) reshuffle();
    ASSERT_EQ(rows[row * 4], order[row % 23]) << "row " << row;
  }
}

TEST(GlibcRandTest, FollowsTheUnseededSequence) {
  GlibcRand rng;
  for (uint32_t want : {1804289383u, 846930886u, 1681692777u, 1714636915u, 1957747793u, 424238335u})
    EXPECT_EQ(rng.next(), want);
}

TEST(GlibcRandTest, AgreesWithTheCLibraryOfThisMachine) {
#ifdef __GLIBC__
  for (unsigned seed : {0u, 1u, 7u, 2147483647u, 4294967295u}) {
    GlibcRand rng(seed);
    srand(seed);
    for (int i = 0; i < 2000; ++i)
      ASSERT_EQ(rng.next(), static_cast<uint32_t>(rand())) << seed << " " << i;
  }
#endif
}

TEST(CaffeTest, Hdf5ShuffleSwapsForward) {
  // By hand with rand() = 1804289383 846930886 1681692777 1714636915: j = 1, 1, 1, 0.
  GlibcRand rng;
  std::string letters = "abcde";
  caffe::hdf5_shuffle(rng, 5, [&](int64_t i, int64_t j) { std::swap(letters[i], letters[j]); });
  EXPECT_EQ(letters, "edbca");
}

TEST(CaffeTest, BernoulliOfZeroDrawsNothing) {
  Mt19937 rng = seeded(3), untouched = seeded(3);
  std::vector<int32_t> out(10, 7);
  caffe::bernoulli(rng, 0, out);
  EXPECT_EQ(out, std::vector<int32_t>(10, 0));
  EXPECT_EQ(rng.next(), untouched.next());
  caffe::bernoulli(rng, 1, out);
  EXPECT_EQ(out, std::vector<int32_t>(10, 1));
}

TEST(CaffeTest, WrongParametersAreUserErrors) {
  Mt19937 rng = seeded(1);
  std::vector<float> out(4);
  EXPECT_THROW(caffe::uniform(rng, 1, 0, out), UserError);
  EXPECT_THROW(caffe::gaussian(rng, 0, 0, out), UserError);
  EXPECT_THROW(caffe::sparsify(rng, 5, 4, out), UserError);
  std::vector<uint8_t> keep(4);
  EXPECT_THROW(caffe::dropout_keep(rng, 1.0f, keep), UserError);
}

TEST(Mt19937Test, LivesInAnArray) {
  Array state = Array::zeros(Shape{kMt19937StateSize}, DType::i32);
  mt19937_at(state.data<int32_t>()).seed(5489);
  mt19937_at(state.data<int32_t>()).discard(9999);
  Array copy = state.clone();
  // The 10000th word of the default seed is fixed by the C++ standard.
  EXPECT_EQ(mt19937_at(state.data<int32_t>()).next(), 4123659995u);
  EXPECT_EQ(mt19937_at(copy.data<int32_t>()).next(), 4123659995u);
  EXPECT_EQ(state.at(625 - 1), copy.at(625 - 1));
}

TEST(PhiloxTest, PublishedVectors) {
  using Four = std::array<uint32_t, 4>;
  constexpr uint32_t kOnes = 0xffffffff;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Four{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}),
            (Four{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Four{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(PhiloxTest, StreamsFollowTensorFlowsLayout) {
  // Seeds (1234, 42), blocks 0 and 1.
  const Words want = {0x4fe866cd, 0x5be9ee11, 0x171deb16, 0x7b3e49b3,
                      0x83a3707b, 0x8e83a727, 0x538e7eb7, 0x8ed7435b};
  for (uint64_t i = 0; i < want.size(); ++i) EXPECT_EQ(philox_word(1234, 42, i), want[i]);
}

TEST(PhiloxTest, AValueDependsOnItsElementOnly) {
  const int before = threads();
  std::vector<float> whole(100003), parts(whole.size());
  set_threads(4);
  philox_normal(9, 2, 0, 1, 3, whole);
  set_threads(1);
  for (size_t begin = 0, step = 1; begin < parts.size(); begin += step, step = step * 3 + 1)
    philox_normal(9, 2, begin, 1, 3,
                  Blob(parts).subspan(begin, std::min(step, parts.size() - begin)));
  set_threads(before);
  EXPECT_EQ(bits_of(whole), bits_of(parts));
}

TEST(PhiloxTest, MomentsOfUniformAndNormal) {
  constexpr int kCount = 1 << 20;
  std::vector<float> x(kCount);
  const auto moments = [&] {
    double sum = 0, squares = 0;
    for (float v : x) sum += v, squares += double{v} * v;
    return std::pair{sum / kCount, squares / kCount};
  };
  philox_uniform(1, 0, 0, 0, 1, x);
  for (float v : x) ASSERT_TRUE(v >= 0 && v < 1);
  // Five standard errors of the mean and of the mean square.
  EXPECT_NEAR(moments().first, 0.5, 5 * std::sqrt(1.0 / 12 / kCount));
  EXPECT_NEAR(moments().second, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / kCount));
  philox_normal(1, 0, 0, 0, 1, x);
  EXPECT_NEAR(moments().first, 0, 5 * std::sqrt(1.0 / kCount));
  EXPECT_NEAR(moments().second, 1, 5 * std::sqrt(2.0 / kCount));
}

}  // namespace
}  // namespace trivium::random
