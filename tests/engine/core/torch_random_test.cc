// PyTorch's numbers: the published first values, and bytes and states recorded from PyTorch itself
// (tests/golden/torch_random), compared bit for bit.
#include "trivium/engine/core/torch_random.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace trivium::random {
namespace {

uint32_t crc32(const Array& array) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> t{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t c = i;
      for (int k = 0; k < 8; ++k) c = c & 1 ? 0xedb88320u ^ c >> 1 : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  uint32_t crc = ~0u;
  const auto* bytes = static_cast<const uint8_t*>(array.raw());
  for (size_t i = 0; i < array.bytes(); ++i) crc = table[(crc ^ bytes[i]) & 255] ^ crc >> 8;
  return ~crc;
}

TorchGenerator seeded(uint64_t seed) { return TorchGenerator(seed); }

struct Case {
  std::string name, dtype, seed;
  int64_t n;
  double a, b;
  uint32_t values, state;
};

Array draw(TorchGenerator& rng, const Case& c) {
  const DType dtype = parse_dtype(c.dtype);
  const bool permutation = c.name == "randperm", weighted = c.name.rfind("multinomial", 0) == 0;
  if (permutation) return randperm(rng, c.n, dtype);
  if (weighted) {
    const int64_t rows = c.name == "multinomial_rows" ? 3 : 1;
    const Array p({rows, c.n}, dtype);
    for (int64_t i = 0; i < p.count(); ++i) p.reshaped({p.count()}).set(i, i % c.n % 7 + 1);
    return multinomial(rng, rows == 1 ? p.reshaped({c.n}) : p, static_cast<int64_t>(c.a), c.b != 0);
  }
  const Array out({c.n}, dtype);
  if (c.name == "bernoulli_array") {
    const Array p({c.n}, dtype);
    for (int64_t i = 0; i < c.n; ++i) p.reshaped({c.n}).set(i, static_cast<double>(i % 257) / 256);
    return bernoulli(rng, out, p);
  }
  if (c.name == "uniform") return uniform(rng, out, c.a, c.b);
  if (c.name == "normal") return normal(rng, out, c.a, c.b);
  if (c.name == "normal_elements") return normal(rng, out, c.a, c.b, NormalOrder::elements);
  if (c.name == "random_range")
    return random_range(rng, out, static_cast<int64_t>(c.a), static_cast<int64_t>(c.b));
  if (c.name == "random_full") return random_full(rng, out);
  if (c.name == "bernoulli") return bernoulli(rng, out, c.a);
  if (c.name == "exponential") return exponential(rng, out, c.a);
  if (c.name == "geometric") return geometric(rng, out, c.a);
  if (c.name == "log_normal") return log_normal(rng, out, c.a, c.b);
  if (c.name == "cauchy") return cauchy(rng, out, c.a, c.b);
  ADD_FAILURE() << "unknown function " << c.name;
  return out;
}

TEST(TorchRandom, EveryDistributionRepeatsThePyTorchBytesAndState) {
  std::ifstream file(TRIVIUM_SOURCE_DIR "/tests/golden/torch_random/torch_random.txt");
  int cases = 0;
  for (std::string line; std::getline(file, line); ++cases) {
    std::istringstream fields(line);
    Case c;
    fields >> c.name >> c.dtype >> c.seed >> c.n >> c.a >> c.b >> std::hex >> c.values >> c.state;
    ASSERT_FALSE(fields.fail()) << line;
    TorchGenerator rng;
    if (c.seed[0] == '-') {
      rng.manual_seed(std::stoll(c.seed));
    } else {
      rng.manual_seed(std::stoull(c.seed));
    }
    rand(rng, {7});
    const Array out = draw(rng, c);
    EXPECT_EQ(crc32(out), c.values) << line;
    EXPECT_EQ(crc32(rng.state()), c.state) << line;
  }
  EXPECT_EQ(cases, 1291);
}

void expect_values(const Array& array, const std::vector<double>& expected, int64_t from = 0) {
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(array.at(from + static_cast<int64_t>(i)), expected[i],
                6e-9 * (1 + std::fabs(expected[i])))
        << "element " << from + static_cast<int64_t>(i);
}

TEST(TorchRandom, FirstValuesOfSeedZeroAreThePublishedOnes) {
  const auto rng = [] { return seeded(0); };
  TorchGenerator g = rng();
  expect_values(rand(g, {4}), {.49625659, .76822180, .08847743, .13203049});
  expect_values(randn(g = rng(), {4}), {1.54099607, -.29342890, -2.17878938, .56843126});
  expect_values(randn(g = rng(), {16}), {-1.12583983, -1.15236020, -.25057858, -.43387881});
  expect_values(randn(g = rng(), {17}), {-.84367675, .93182659}, 15);
  expect_values(randn(g = rng(), {16}, DType::f64), {-2.3104118002, -.3732508613});
  expect_values(rand(g = rng(), {2}, DType::f64), {.9700530018, .7078198644});
  expect_values(randperm(g = rng(), 8), {4, 0, 7, 3, 2, 5, 1, 6});
  expect_values(randperm(g = seeded(42), 10), {2, 6, 1, 8, 4, 5, 0, 9, 3, 7});
  expect_values(randint(g = rng(), 0, 100, {5}), {44, 39, 33, 60, 63});
  expect_values(randint(g = rng(), 0, int64_t{1} << 40, {2}), {741280623151, 506137267392});
  const Array wide = random_full(g = rng(), Array({2}, DType::i64));
  EXPECT_EQ(wide.data<int64_t>()[0], 900450186894289455);
  EXPECT_EQ(wide.data<int64_t>()[1], 3969543146641149120);
  expect_values(bernoulli(g = rng(), Array({8}, DType::f32), .3), {0, 0, 0, 0, 0, 0, 1, 0});
  expect_values(bernoulli(g = rng(), Array({8}, DType::f32), .5), {0, 0, 1, 0, 0, 0, 1, 1});
  expect_values(bernoulli(g = rng(), Array({8}, DType::f32), Array::full({8}, .5)),
                {1, 0, 1, 1, 1, 0, 1, 0});
  expect_values(exponential(g = rng(), Array({3}, DType::f32)),
                {3.50832629, 1.23038471, .61504412});
  const Array p = Array::from<float>({.1f, .2f, .3f, .4f}, {4});
  expect_values(multinomial(g = rng(), p, 4), {2, 1, 3, 0});
  expect_values(multinomial(g = rng(), p, 8, true), {3, 3, 2, 3, 3, 3, 1, 2});
}

TEST(TorchRandom, SmallFloatsAreRoundedFromTheFloat32Value) {
  TorchGenerator g(0);
  const Array b = rand(g, {3}, DType::bf16);
  const auto* bits = static_cast<const uint16_t*>(b.raw());
  EXPECT_EQ(std::vector<uint16_t>(bits, bits + 3),  // .49609375 .76953125 .08837890625
            (std::vector<uint16_t>{0x3efe, 0x3f45, 0x3db5}));
  const Array h = randn(g.manual_seed(0), {16}, DType::f16);
  bits = static_cast<const uint16_t*>(h.raw());
  EXPECT_EQ(bits[0], 0xbc81);  // -1.1259765625
  EXPECT_EQ(bits[1], 0xbc9c);  // -1.15234375
}

TEST(TorchRandom, AStateRestoresWordsAndTheWaitingNormal) {
  TorchGenerator g(5);
  for (const int64_t used : {0, 1, 3, 623, 624, 625, 700}) {
    g.manual_seed(5);
    rand(g, {used});
    randn(g, {1});  // leaves a normal waiting
    const Array state = g.state();
    const Array expected = randn(g, {3});
    TorchGenerator other;
    other.set_state(state);
    EXPECT_EQ(crc32(other.state()), crc32(state));
    EXPECT_EQ(crc32(randn(other, {3})), crc32(expected)) << used;
    EXPECT_EQ(other.initial_seed(), 5u);
  }
  TorchGenerator copied = g;
  EXPECT_EQ(copied.u32(), g.u32());
}

TEST(TorchRandom, AStateThatNoGeneratorHasIsRefused) {
  TorchGenerator g(1);
  EXPECT_THROW(g.set_state(Array()), UserError);
  EXPECT_THROW(g.set_state(Array::zeros({5055}, DType::u8)), UserError);
  EXPECT_THROW(g.set_state(Array::zeros({5056}, DType::f32)), UserError);
  EXPECT_THROW(g.set_state(Array::zeros({5056}, DType::u8)), UserError);
  const Array broken = g.state();
  broken.data<uint8_t>()[9] = 7;
  const uint32_t before = crc32(g.state());
  EXPECT_THROW(g.set_state(broken), UserError);
  EXPECT_EQ(crc32(g.state()), before);
}

TEST(TorchRandom, SeedsAreChecked) {
  TorchGenerator g;
  EXPECT_EQ(g.initial_seed(), 67280421310721u);
  EXPECT_EQ(g.manual_seed(-1).initial_seed(), ~uint64_t{0});
  EXPECT_EQ(g.manual_seed(-2.0).initial_seed(), ~uint64_t{0} - 1);
  EXPECT_THROW(g.manual_seed(0x1p64), UserError);
  EXPECT_THROW(g.manual_seed(-0x1p63 * 1.5), UserError);
  EXPECT_THROW(g.manual_seed(.5), UserError);
  EXPECT_NE(g.seed(), g.seed());
  EXPECT_EQ(&default_generator(), &default_generator());
}

TEST(TorchRandom, ArgumentsOutsideADomainAreRefusedAndDrawNothing) {
  TorchGenerator g(3);
  const uint32_t before = crc32(g.state());
  const Array f({4}, DType::f32), i({4}, DType::i64), u({4}, DType::u8);
  EXPECT_THROW(uniform(g, f, 2, 1), UserError);
  EXPECT_THROW(uniform(g, f, -3e38, 3e38), UserError);
  EXPECT_THROW(uniform(g, i), UserError);
  EXPECT_THROW(uniform(g, Array()), UserError);
  EXPECT_THROW(normal(g, f, 0, -1), UserError);
  EXPECT_THROW(normal(g, i), UserError);
  EXPECT_THROW(bernoulli(g, f, 1.01), UserError);
  EXPECT_THROW(bernoulli(g, f, Array::full({4}, -.1)), UserError);
  EXPECT_THROW(bernoulli(g, f, Array::full({3}, .1)), UserError);
  EXPECT_THROW(exponential(g, f, 0), UserError);
  EXPECT_THROW(geometric(g, f, 1), UserError);
  EXPECT_THROW(cauchy(g, f, 0, 0), UserError);
  EXPECT_THROW(log_normal(g, f, 0, 0), UserError);
  EXPECT_THROW(random_range(g, i, 5, 5), UserError);
  EXPECT_THROW(random_range(g, u, 0, 257), UserError);
  EXPECT_THROW(random_range(g, u, -1, 5), UserError);
  EXPECT_THROW(randint(g, 3, 2, {4}), UserError);
  EXPECT_THROW(randperm(g, -1), UserError);
  EXPECT_THROW(randperm(g, 300, DType::u8), UserError);
  const auto weights = [](std::vector<float> w) {
    return Array::from(w, {static_cast<int64_t>(w.size())});
  };
  EXPECT_THROW(multinomial(g, weights({1, -1}), 1), UserError);
  EXPECT_THROW(multinomial(g, weights({1, INFINITY}), 1), UserError);
  EXPECT_THROW(multinomial(g, weights({NAN, 1}), 1), UserError);
  EXPECT_THROW(multinomial(g, weights({0, 0}), 1), UserError);
  EXPECT_THROW(multinomial(g, weights({1, 1}), 3), UserError);
  EXPECT_THROW(multinomial(g, weights({1, 1}), 0, true), UserError);
  EXPECT_EQ(crc32(g.state()), before);
}

TEST(TorchRandom, EmptyArraysDrawNothing) {
  TorchGenerator g(3);
  const uint32_t before = crc32(g.state());
  EXPECT_EQ(randn(g, {0}).count(), 0);
  EXPECT_EQ(rand(g, {3, 0}).count(), 0);
  EXPECT_EQ(randperm(g, 0).count(), 0);
  EXPECT_EQ(randperm(g, 1).at(0), 0);
  EXPECT_EQ(crc32(g.state()), before);
}

}  // namespace
}  // namespace trivium::random
