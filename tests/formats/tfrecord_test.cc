#include "trivium/formats/tfrecord.h"

#include "tests/formats/hostile.h"
#include "trivium/formats/tf_example.h"

namespace trivium::formats {
namespace {

using namespace std::string_literals;

std::string unhex(const std::string& digits) {
  std::string out;
  for (size_t i = 0; i + 1 < digits.size(); i += 2)
    out.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return out;
}

std::vector<std::string> all_of(const std::string& bytes, const TFRecordOptions& options = {}) {
  TFRecordReader reader(as_bytes(bytes), "r", options);
  std::vector<std::string> records;
  for (std::string record; reader.next(&record);) records.push_back(record);
  return records;
}

TEST(TFRecord, KnownBytes) {
  EXPECT_EQ(frame_record(as_bytes("trivium")),
            unhex("0700000000000000bbd79f117472697669756d0c901797"));
  EXPECT_EQ(frame_record({}), unhex("000000000000000029039807d8ea82a2"));
}

TEST(TFRecord, ReadsTensorFlowsFilesInEveryCompression) {
  for (const char* name : {"plain", "packed.gz", "packed.zlib"}) {
    const auto records = read_tfrecords(golden("tf_files/records/"s + name));
    ASSERT_EQ(records.size(), 4u) << name;
    EXPECT_EQ(records[1], "");
    EXPECT_EQ(records[3].size(), 10000u);
    EXPECT_EQ(records[0], unhex("0a280a0b0a016112061a040a0201020a0d0a0162120812060a040000c03f0a0a0a"
                                "016312050a030a0178"));
  }
}

TEST(TFRecord, WritesTensorFlowsBytes) {
  const Scratch dir;
  const auto records = read_tfrecords(golden("tf_files/records/plain"));
  TFRecordWriter writer(dir / "r");
  for (const std::string& record : records) writer.write(record);
  writer.close();
  EXPECT_EQ(slurp(dir / "r"), slurp(golden("tf_files/records/plain")));
  EXPECT_THROW(writer.write("late"), UserError);
  for (const RecordCompression kind :
       {RecordCompression::none, RecordCompression::gzip, RecordCompression::zlib}) {
    write_tfrecords(dir / "p", records, kind);
    EXPECT_EQ(read_tfrecords(dir / "p"), records);
    TFRecordWriter stream(dir / "s", kind);
    for (const std::string& record : records) stream.write(record);
    stream.flush();  // what is flushed is there for others
    TFRecordOptions growing;
    growing.partial_tail = true;
    EXPECT_EQ(read_tfrecords(dir / "s", growing), records);
    stream.close();
    EXPECT_EQ(read_tfrecords(dir / "s"), records);
  }
  EXPECT_THROW(TFRecordWriter(dir / "no/such/folder"), EnvironmentError);
  EXPECT_THROW(TFRecordReader(dir / "nothing"), EnvironmentError);
}

TEST(TFRecord, ReadingFollowsAFileThatGrows) {
  const Scratch dir;
  TFRecordOptions growing;
  growing.partial_tail = true;
  TFRecordWriter writer(dir / "r");
  writer.write("one");
  writer.flush();
  TFRecordReader reader(dir / "r", growing);
  std::string record;
  EXPECT_TRUE(reader.next(&record));
  EXPECT_FALSE(reader.next(&record));
  writer.write("two");
  writer.flush();
  EXPECT_TRUE(reader.next(&record));
  EXPECT_EQ(record, "two");
}

TEST(TFRecord, ErrorsNameThePlace) {
  const std::string bytes = frame_record(as_bytes("first")) + frame_record(as_bytes("second"));
  const auto error = [](const std::string& b) { return message_of<UserError>([&] { all_of(b); }); };
  std::string broken = bytes;
  broken[21] = static_cast<char>(broken[21] ^ 1);
  expect_contains(error(broken), "corrupted record at 21");
  broken = bytes;
  broken[33] = static_cast<char>(broken[33] ^ 1);
  expect_contains(error(broken), "corrupted record at 33");
  expect_contains(error(bytes.substr(0, bytes.size() - 1)), "truncated record at 21");
  expect_contains(error(bytes.substr(0, 25)), "truncated record at 21");
}

TEST(TFRecord, CutAtEveryByte) {
  const std::string bytes = frame_record(as_bytes("first")) + frame_record(as_bytes("second"));
  TFRecordOptions growing;
  growing.partial_tail = true;
  for (size_t length = 0; length < bytes.size(); ++length) {
    const std::string cut = bytes.substr(0, length);
    if (length == 0 || length == 21)
      EXPECT_EQ(all_of(cut).size(), length / 21);
    else
      EXPECT_THROW(all_of(cut), UserError) << length;
    EXPECT_EQ(all_of(cut, growing).size(), length >= 21 ? 1u : 0u);
  }
  for (const char* name : {"packed.gz", "packed.zlib"}) {
    const std::string packed = slurp(golden("tf_files/records/"s + name));
    TFRecordOptions options;
    options.compression = name[7] == 'g' ? RecordCompression::gzip : RecordCompression::zlib;
    for (size_t length = 1; length < packed.size(); ++length)
      EXPECT_THROW(all_of(packed.substr(0, length), options), UserError) << name << length;
  }
}

TEST(TFRecord, AStatedLengthTakesNoMemory) {
  const std::string head("\xff\xff\xff\x7f\0\0\0\0", 8);
  // A length with the right checksum and nothing behind it.
  std::string framed = frame_record(as_bytes("x"));
  EXPECT_THROW(all_of(head + framed.substr(8)), UserError);
  TFRecordOptions options;
  options.max_record_bytes = 4;
  EXPECT_THROW(all_of(frame_record(as_bytes("12345")), options), UserError);
  EXPECT_EQ(all_of(frame_record(as_bytes("1234")), options).size(), 1u);
}

TEST(TFRecord, SurvivesDamage) {
  for (const char* name : {"plain", "packed.gz", "packed.zlib"})
    damage(
        slurp(golden("tf_files/records/"s + name)),
        [](const std::string& bytes) {
          for (const std::string& record : all_of(bytes)) parse_example(as_bytes(record));
        },
        1000, 1000);
}

TEST(Example, KnownBytesBothWays) {
  const std::string bytes =
      unhex("0a280a0b0a016112061a040a0201020a0d0a0162120812060a040000c03f0a0a0a016312050a030a0178");
  const Features features = parse_example(as_bytes(bytes));
  EXPECT_EQ(features.at("a").ints, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(features.at("b").floats, std::vector<float>{1.5f});
  EXPECT_EQ(features.at("c").bytes, std::vector<std::string>{"x"});
  EXPECT_EQ(serialize_example(features), bytes);
  EXPECT_EQ(serialize_example({{"a", Feature::of_ints({1, 2})},
                               {"b", Feature::of_floats({1.5f})},
                               {"c", Feature::of_bytes({"x"})}}),
            bytes);
}

TEST(Example, SequencesBothWays) {
  const std::string bytes = read_tfrecords(golden("tf_files/records/plain"))[2];
  const SequenceExample example = parse_sequence_example(as_bytes(bytes));
  ASSERT_EQ(example.lists.at("words").size(), 3u);
  EXPECT_EQ(example.lists.at("words")[2].ints, (std::vector<int64_t>{2, -2}));
  EXPECT_EQ(example.context.size(), 3u);
  EXPECT_EQ(serialize_sequence_example(example), bytes);
}

TEST(Example, UnpackedListsAreRead) {
  // int64 values 5 and 6, each with a key of its own; the same list then goes on packed.
  const std::string bytes = unhex(
      "0a0f0a0d0a0161"
      "1208"
      "1a06"
      "0805"
      "0806"
      "0a00");
  EXPECT_EQ(parse_example(as_bytes(bytes)).at("a").ints, (std::vector<int64_t>{5, 6}));
}

TEST(Example, FixedFeatures) {
  const Features features = {{"a", Feature::of_ints({1, 2})},
                             {"b", Feature::of_floats({1.5f})},
                             {"c", Feature::of_bytes({"x"})},
                             {"e", Feature::of_ints({})}};
  EXPECT_EQ(fixed_feature(features, "a", {2, 1}, DType::i64).at(1), 2);
  EXPECT_EQ(fixed_feature(features, "b", {}, DType::f32).item(), 1.5);
  EXPECT_EQ(fixed_feature(features, "zz", {}, DType::f32, Array::scalar(4.0f)).item(), 4);
  EXPECT_EQ(fixed_feature(features, "e", {1}, DType::i64, Array::full({1}, 3, DType::i64)).item(),
            3);
  EXPECT_EQ(bytes_feature(features, "c"), "x");
  EXPECT_EQ(bytes_feature(features, "d", ""), "");
  const auto error = [&](const std::string& key, const Shape& shape, DType dtype) {
    return message_of<UserError>([&] { fixed_feature(features, key, shape, dtype); });
  };
  expect_contains(error("a", {3}, DType::i64), "Key: a.  Can't parse serialized Example");
  expect_contains(error("zz", {1}, DType::i64),
                  "Feature: zz (data type: int64) is required but could not be found.");
  expect_contains(error("a", {2}, DType::f32),
                  "Key: a.  Data types don't match. Data type: int64 but expected type: float");
}

}  // namespace
}  // namespace trivium::formats
