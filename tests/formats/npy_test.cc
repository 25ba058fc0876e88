#include "trivium/formats/npy.h"

#include "tests/formats/hostile.h"

namespace trivium::formats {
namespace {

std::string npy(const std::string& dict, const std::string& data, char major = 1) {
  std::string text("\x93NUMPY", 6);
  text += major;
  text += '\0';
  text += static_cast<char>(dict.size() & 0xff);
  text += static_cast<char>(dict.size() >> 8);
  if (major > 1) text += std::string(2, '\0');
  return text + dict + data;
}

Array parse(const std::string& bytes) { return parse_npy(as_bytes(bytes), "x.npy"); }

std::string refusal(const std::string& dict, const std::string& data = "") {
  return message_of<UserError>([&] { parse(npy(dict, data)); });
}

TEST(Npy, EveryTypeSurvivesWritingAndReading) {
  Scratch dir;
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::i8, DType::u8, DType::i16,
                            DType::i32, DType::i64, DType::bool_})
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 3}, Shape{0, 4}, Shape{1, 2, 1, 2}}) {
      Array array(shape, dtype);
      for (size_t i = 0; i < array.bytes(); ++i)
        static_cast<uint8_t*>(array.raw())[i] = dtype == DType::bool_ ? i % 2 : 17 * i + 3;
      write_npy(dir / "a.npy", array);
      const Array back = read_npy(dir / "a.npy");
      ASSERT_EQ(back.text(), array.text());
      EXPECT_EQ(std::memcmp(back.raw(), array.raw(), array.bytes()), 0) << array.text();
      EXPECT_EQ(npy_header(array).size() % 64, 0u);
    }
}

TEST(Npy, TheHeaderIsTheOneNumpyWrites) {
  const std::string header = npy_header(Array::zeros({3}, DType::f32));
  EXPECT_EQ(header.substr(0, 10), std::string("\x93NUMPY\x01\0v\0", 10));
  EXPECT_EQ(header.substr(10, 60), "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }   ");
  EXPECT_EQ(header.back(), '\n');
  EXPECT_EQ(header.size(), 128u);
}

TEST(Npy, ReadsForeignSpellings) {
  const std::string two("\x01\x00\x02\x00", 4), swapped("\x00\x01\x00\x02", 4);
  EXPECT_EQ(parse(npy("{'shape': (2,), \"descr\": u'<i2', 'fortran_order': False}", two))
                .cast(DType::i32)
                .at(1),
            2);
  const Array big = parse(npy("{'descr': '>i2', 'fortran_order': False, 'shape': (2L,)}", swapped));
  EXPECT_EQ(big.text(), "int16[2]");
  EXPECT_EQ(big.at(0), 1);
  EXPECT_EQ(big.at(1), 2);
  const Array wide =
      parse(npy("{'descr': '<u2', 'fortran_order': False, 'shape': (1,)}", "\xff\xff"));
  EXPECT_EQ(wide.text(), "int32[1]");
  EXPECT_EQ(wide.at(0), 65535);
  EXPECT_EQ(parse(npy("{'descr': '|u1', 'fortran_order': False, 'shape': ()}", "\x09", 3)).item(),
            9);
}

TEST(Npy, TurnsFortranOrderRound) {
  const Array a = parse(npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3)}", "abcdef"));
  EXPECT_EQ(std::string(a.data<uint8_t>(), a.data<uint8_t>() + 6), "acebdf");
}

TEST(Npy, RefusesWhatItCannotHold) {
  const std::string tail = "', 'fortran_order': False, 'shape': (1,)}";
  expect_contains(refusal("{'descr': '|O" + tail), "pickle");
  expect_contains(refusal("{'descr': '<c8" + tail), "element type");
  expect_contains(refusal("{'descr': '<U3" + tail), "element type");
  expect_contains(refusal("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}"),
                  "structured");
  expect_contains(refusal("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}"), "True or False");
  expect_contains(refusal("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}"), "size");
  expect_contains(refusal("{'descr': '<f4', 'fortran_order': False, 'shape': (3)}"), "tuple");
  expect_contains(refusal("{'descr': '<f4', 'fortran_order': False}"), "required");
  expect_contains(refusal("{'descr': '<f4', 'extra': 1, 'shape': (1,)}"), "another");
  expect_contains(refusal("{'descr': '<f4" + tail, "abc"), "x.npy: byte");
  expect_contains(refusal("{'descr': '<f8', 'fortran_order': False, "
                          "'shape': (4294967296, 4294967296)}"),
                  "limit");
  expect_contains(
      refusal("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}"),
      "64 bits");
  expect_contains(message_of<UserError>([] { parse("\x93NUMPY\x04\x01"); }), "version");
  expect_contains(refusal("{'descr': '<u8" + tail, std::string(8, '\xff')), "uint64");
}

TEST(Npz, ReadsTheRecordedArchive) {
  const NpzFile file(golden("caffe/data.npz"));
  ASSERT_TRUE(file.contains("raw/out1/label"));
  const Array label = file.read("raw/out1/label");
  EXPECT_EQ(label.text(), "float32[2]");
  EXPECT_EQ(label.at(0), 13);  // keys k01, k03 … come first, whatever the order of insertion
  EXPECT_EQ(label.at(1), 11);
  expect_contains(message_of<UserError>([&] { file.read("raw/out1/labl"); }),
                  "did you mean \"raw/out1/label\"");
  EXPECT_EQ(read_npz(golden("caffe/data.npz")).size(), file.names().size());
}

TEST(Npz, WritesWhatItReads) {
  Scratch dir;
  const std::vector<std::pair<std::string, Array>> arrays = {
      {"b", Array::from<float>({1, 2, 3}, {3})},
      {"a/c", Array::from<int64_t>({-7}, {})},
      {"empty", Array::zeros({0}, DType::u8)}};
  write_npz(dir / "x.npz", arrays);
  const NpzFile file(dir / "x.npz");
  EXPECT_EQ(file.names(), (std::vector<std::string>{"b", "a/c", "empty"}));
  for (const auto& [name, array] : arrays) {
    const Array back = file.read(name);
    ASSERT_EQ(back.text(), array.text());
    EXPECT_EQ(std::memcmp(back.raw(), array.raw(), array.bytes()), 0);
  }
  EXPECT_THROW(write_npz(dir / "x.npz", {arrays[0], arrays[0]}), UserError);
}

TEST(Npz, NoticesAWrongByte) {
  Scratch dir;
  write_npz(dir / "x.npz", {{"b", Array::from<float>({1, 2, 3}, {3})}});
  std::string bytes = slurp(dir / "x.npz");
  bytes[64 + 128 + 3] ^= 1;  // member data starts at 64, its header takes 128
  expect_contains(message_of<UserError>([&] { NpzFile(as_bytes(bytes), "x.npz").read("b"); }),
                  "checksum");
}

TEST(Npy, SurvivesDamage) {
  Scratch dir;
  write_npy(dir / "a", Array::from<float>({1, 2, 3, 4, 5, 6}, {2, 3}));
  const std::string bytes = slurp(dir / "a");
  EXPECT_EQ(damage(bytes, [](const std::string& b) { parse(b); }), static_cast<int>(bytes.size()));
}

TEST(Npz, SurvivesDamage) {
  Scratch dir;
  write_npz(dir / "a", {{"b", Array::from<float>({1, 2, 3}, {3})}, {"c", Array::zeros({50})}});
  const auto read_all = [](const std::string& bytes) {
    const NpzFile file(as_bytes(bytes), "x.npz", 1 << 20);
    for (const std::string& name : file.names()) file.read(name);
  };
  const std::string bytes = slurp(dir / "a");
  EXPECT_EQ(damage(bytes, read_all, 5000), static_cast<int>(bytes.size()));
  damage(slurp(golden("caffe/data.npz")), read_all, 300, 200);
}

}  // namespace
}  // namespace trivium::formats
