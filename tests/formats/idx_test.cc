#include "trivium/formats/idx.h"

#include <cmath>

#include "tests/formats/hostile.h"

namespace trivium::formats {
namespace {

std::string mnist(const std::string& name) {
  return std::string(TRIVIUM_SOURCE_DIR) + "/data/mnist/" + name;
}

std::vector<int> label_counts(const Array& labels) {
  std::vector<int> counts(10);
  for (uint8_t label : labels.span<uint8_t>()) ++counts.at(label);
  return counts;
}

TEST(Idx, ReadsTheMnistLabels) {
  const Array train = read_idx(mnist("train-labels-idx1-ubyte.gz")).array;
  const Array test = read_idx(mnist("t10k-labels-idx1-ubyte.gz")).array;
  EXPECT_EQ(train.text(), "uint8[60000]");
  EXPECT_EQ(test.text(), "uint8[10000]");
  EXPECT_EQ(label_counts(train),
            (std::vector<int>{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949}));
  EXPECT_EQ(label_counts(test),
            (std::vector<int>{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009}));
  const std::vector<uint8_t> first(train.data<uint8_t>(), train.data<uint8_t>() + 20);
  EXPECT_EQ(first,
            (std::vector<uint8_t>{5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 3, 5, 3, 6, 1, 7, 2, 8, 6, 9}));
}

TEST(Idx, ReadsTheMnistImages) {
  const Array train = read_idx(mnist("train-images-idx3-ubyte.gz")).array;
  EXPECT_EQ(train.text(), "uint8[60000, 28, 28]");
  double sum = 0, squares = 0;
  for (uint8_t pixel : train.span<uint8_t>()) {
    sum += pixel / 255.0;
    squares += pixel / 255.0 * (pixel / 255.0);
  }
  const double mean = sum / static_cast<double>(train.count());
  EXPECT_NEAR(mean, 0.130660, 1e-6);
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(train.count()) - mean * mean), 0.308108,
              1e-6);
  EXPECT_EQ(read_idx(mnist("t10k-images-idx3-ubyte.gz")).array.text(), "uint8[10000, 28, 28]");
}

TEST(Idx, EveryTypeSurvivesWritingAndReading) {
  Scratch dir;
  const std::vector<Array> arrays = {Array::from<uint8_t>({1, 255, 3, 4}, {2, 2}),
                                     Array::from<int8_t>({-1, 2}, {2}),
                                     Array::from<int16_t>({-300, 299}, {1, 2}),
                                     Array::from<int32_t>({1 << 30, -5}, {2, 1}),
                                     Array::from<float>({1.5f, -2.25f}, {2}),
                                     Array::from<double>({1e300}, {1, 1, 1}),
                                     Array::zeros({0, 3}, DType::f32)};
  for (const Array& array : arrays) {
    write_idx(dir / "a", array);
    const Array back = read_idx(dir / "a").array;
    ASSERT_EQ(back.text(), array.text());
    EXPECT_EQ(std::memcmp(back.raw(), array.raw(), array.bytes()), 0) << array.text();
  }
  EXPECT_THROW(write_idx(dir / "a", Array::zeros({2}, DType::i64)), UserError);
}

TEST(Idx, ErrorsNameFileByteAndReason) {
  Scratch dir;
  const std::string header("\0\0\x08\x01\0\0\0\x05", 8);
  const auto read = [&](const std::string& bytes) {
    spill(dir / "f", bytes);
    return message_of<UserError>([&] { read_idx(dir / "f"); });
  };
  expect_contains(read(header + "abc"), "uint8[5] needs 5 bytes of data, the file has 3");
  expect_contains(read(header + "abcdef"), "the file has 6");
  expect_contains(read(header + "abc"), dir / "f: byte 8");
  expect_contains(read("PK\x03\x04"), "two zero bytes");
  expect_contains(read(std::string("\0\0\x07\x01\0\0\0\x01x", 9)), "0x07");
  expect_contains(read(std::string("\0\0\x08\x09", 4)), "rank");
  expect_contains(
      read(std::string("\0\0\x0e\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 16)),
      "limit");
  expect_contains(message_of<EnvironmentError>([&] { read_idx(dir / "none"); }), dir / "none");
}

TEST(Idx, SurvivesDamage) {
  Scratch dir;
  write_idx(dir / "f", Array::from<int16_t>({1, 2, 3, 4, 5, 6}, {2, 3}));
  const std::string plain = slurp(dir / "f");
  EXPECT_EQ(damage(plain, [](const std::string& b) { parse_idx(as_bytes(b), "x"); }),
            static_cast<int>(plain.size()));
  const std::string gz = slurp(mnist("t10k-labels-idx1-ubyte.gz"));
  EXPECT_EQ(damage(
                gz, [](const std::string& b) { parse_idx(as_bytes(b), "x"); }, 500, gz.size()),
            static_cast<int>(gz.size()));
}

TEST(Idx, AFlippedBitInsideGzipIsNoticed) {
  std::string gz = slurp(mnist("t10k-labels-idx1-ubyte.gz"));
  gz[2000] ^= 4;
  EXPECT_THROW(parse_idx(as_bytes(gz), "x"), UserError);
}

}  // namespace
}  // namespace trivium::formats
