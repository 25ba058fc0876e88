#include "trivium/formats/cifar.h"

#include "tests/formats/hostile.h"

namespace trivium::formats {
namespace {

std::string record(const std::string& labels, char first) {
  std::string bytes = labels;
  for (int i = 0; i < 3072; ++i) bytes += static_cast<char>(first + i % 100);
  return bytes;
}

TEST(Cifar, SplitsRecordsIntoLabelsAndPlanes) {
  const std::string bytes = record("\x03", 10) + record("\x09", 20);
  const CifarBatch batch = parse_cifar10(as_bytes(bytes), "b.bin");
  EXPECT_EQ(batch.images.text(), "uint8[2, 3, 32, 32]");
  EXPECT_EQ(batch.labels.text(), "int32[2]");
  EXPECT_EQ(batch.labels.at(0), 3);
  EXPECT_EQ(batch.labels.at(1), 9);
  EXPECT_FALSE(batch.coarse_labels.defined());
  EXPECT_EQ(batch.images.at(0), 10);
  EXPECT_EQ(batch.images.at(3072 + 1024), 20 + 1024 % 100);
}

TEST(Cifar, HundredClassesHaveTwoLabels) {
  const CifarBatch batch = parse_cifar100(as_bytes(record("\x13\x63", 1)), "b.bin");
  EXPECT_EQ(batch.coarse_labels.at(0), 19);
  EXPECT_EQ(batch.labels.at(0), 99);
}

TEST(Cifar, ErrorsNameTheRecord) {
  const std::string good = record("\x03", 10);
  expect_contains(
      message_of<UserError>([&] { parse_cifar10(as_bytes(good + record("\x0a", 1)), "b.bin"); }),
      "b.bin: byte 3073 (record 1)");
  expect_contains(message_of<UserError>([&] { parse_cifar10(as_bytes(good + "x"), "b.bin"); }),
                  "1 whole records and 1 bytes more");
  EXPECT_THROW(read_cifar10("/nowhere/data_batch_1.bin"), EnvironmentError);
  EXPECT_EQ(damage(good, [](const std::string& b) { parse_cifar10(as_bytes(b), "x"); }), 3073);
}

}  // namespace
}  // namespace trivium::formats
