#include "trivium/formats/safetensors.h"

#include "tests/formats/hostile.h"

namespace trivium::formats {
namespace {

std::string file(const std::string& header, const std::string& data = "") {
  const uint64_t bytes = header.size();
  return std::string(reinterpret_cast<const char*>(&bytes), 8) + header + data;
}

std::string tensor(const std::string& name, const std::string& dtype, const std::string& shape,
                   const std::string& offsets) {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":{},"data_offsets":{}}})", name, dtype, shape,
                     offsets);
}

std::string refusal(const std::string& bytes) {
  return message_of<UserError>([&] { SafetensorsFile(as_bytes(bytes), "x.safetensors"); });
}

/// A file of one tensor with 4 bytes of data.
std::string one(const std::string& dtype, const std::string& shape,
                const std::string& offsets = "[0,4]") {
  return file("{" + tensor("a", dtype, shape, offsets) + "}", std::string(4, '\1'));
}

TEST(Safetensors, EveryTypeSurvivesWritingAndReading) {
  Scratch dir;
  std::vector<std::pair<std::string, Array>> tensors;
  for (const DType dtype : {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::u8,
                            DType::i16, DType::i32, DType::i64, DType::bool_})
    for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 3}, Shape{0, 4}}) {
      Array array(shape, dtype);
      for (size_t i = 0; i < array.bytes(); ++i)
        static_cast<uint8_t*>(array.raw())[i] = dtype == DType::bool_ ? i % 2 : 17 * i + 3;
      tensors.emplace_back(array.text(), array);
    }
  save_safetensors(dir / "a.safetensors", tensors, {{"format", "pt"}});
  const SafetensorsFile back(dir / "a.safetensors");
  EXPECT_EQ(back.metadata().at("format"), "pt");
  EXPECT_EQ(back.names().size(), tensors.size());
  for (const auto& entry : tensors) {
    const Array array = back.read(entry.first);
    ASSERT_EQ(array.text(), entry.first);
    EXPECT_EQ(std::memcmp(array.raw(), entry.second.raw(), array.bytes()), 0) << entry.first;
  }
}

TEST(Safetensors, TheTextIsThatOfTheReferenceWriter) {
  Scratch dir;
  save_safetensors(dir / "a.safetensors",
                   {{"b", Array::zeros({2}, DType::i8)},
                    {"zz", Array::zeros({1}, DType::f32)},
                    {"a\"", Array::zeros({}, DType::f32)}},
                   {{"format", "pt"}});
  EXPECT_EQ(
      slurp(dir / "a.safetensors").substr(8),
      R"({"__metadata__":{"format":"pt"},"a\"":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
      R"("zz":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
      R"("b":{"dtype":"I8","shape":[2],"data_offsets":[8,10]}})" +
          std::string(7, ' ') + std::string(10, '\0'));
}

TEST(Safetensors, TiedTensorsAreWrittenOnce) {
  Scratch dir;
  const Array weight = Array::full({4}, 2);
  save_safetensors(dir / "a.safetensors", {{"decoder", weight}, {"encoder", weight}});
  const SafetensorsFile file(dir / "a.safetensors");
  EXPECT_EQ(file.names(), std::vector<std::string>{"decoder"});
  EXPECT_EQ(file.metadata().at("encoder"), "decoder");
  EXPECT_EQ(file.read("encoder").at(3), 2);
  const auto all = load_safetensors(dir / "a.safetensors");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].second.buffer(), all[1].second.buffer());
}

TEST(Safetensors, RowsOfATensor) {
  Scratch dir;
  Array array({4, 3}, DType::i16);
  for (int64_t i = 0; i < 12; ++i) array.set(i, static_cast<double>(i));
  save_safetensors(dir / "a.safetensors", {{"x", array}});
  const SafetensorsFile file(dir / "a.safetensors");
  const Array rows = file.read_rows("x", 1, 3);
  EXPECT_EQ(rows.text(), "int16[2, 3]");
  EXPECT_EQ(rows.at(0), 3);
  EXPECT_EQ(rows.at(5), 8);
  expect_contains(message_of<UserError>([&] { file.read_rows("x", 3, 5); }), "rows 3 to 5 of 4");
  expect_contains(message_of<UserError>([&] { file.read("y"); }), "did you mean \"x\"");
}

TEST(Safetensors, AcceptsWhatTheFormatAllows) {
  const auto names = [](const std::string& bytes) {
    return SafetensorsFile(as_bytes(bytes), "x").names().size();
  };
  EXPECT_EQ(names(file("{}")), 0u);
  EXPECT_EQ(names(file(" \n{}\t  ")), 0u);
  EXPECT_EQ(names(file(R"({"__metadata__":null})")), 0u);
  EXPECT_EQ(names(file(R"({"a":{"extra":[1.5,{"x":null}],"dtype":"F32","shape":[],)"
                       R"("data_offsets":[0,4],"more":"text"},)" +
                           tensor("b", "U8", "[1]", "[4,5]") + "}",
                       "12345")),
            2u);
  EXPECT_EQ(names(one("F32", "[1]")), 1u);
  EXPECT_EQ(names(one("F4", "[8]")), 1u);
  // An empty tensor may lie between two others.
  EXPECT_EQ(names(file("{" + tensor("a", "U8", "[2]", "[0,2]") + "," +
                           tensor("b", "U8", "[0,7]", "[2,2]") + "," +
                           tensor("c", "U8", "[2]", "[2,4]") + "}",
                       "1234")),
            3u);
  const std::string bools = one("BOOL", "[4]", "[0,4]");
  std::string odd = bools;
  odd.back() = '\x7f';
  EXPECT_EQ(SafetensorsFile(as_bytes(odd), "x").read("a").data<bool>()[3], true);
}

TEST(Safetensors, UnsupportedTypesAreErrorsOfTheirTensorOnly) {
  const std::string bytes = file(
      "{" + tensor("c", "C64", "[1]", "[0,8]") + "," + tensor("u", "U16", "[2]", "[8,12]") + "}",
      std::string(12, '\xff'));
  const SafetensorsFile both(as_bytes(bytes), "x");
  expect_contains(message_of<UserError>([&] { both.read("c"); }), "C64");
  EXPECT_EQ(both.read("u").text(), "int32[2]");
  EXPECT_EQ(both.read("u").at(0), 65535);
}

TEST(Safetensors, RefusesBrokenLengths) {
  expect_contains(refusal(""), "header length");
  expect_contains(refusal(std::string(8, '\xff')), "18446744073709551615 bytes");
  expect_contains(refusal(std::string("\x10\0\0\0\0\0\0\0{}", 10)), "the header needs 16 bytes");
  expect_contains(refusal(std::string("\x01\0\0\0\0\0\0\0{", 9)), "a header of 1 bytes");
  expect_contains(refusal(file("{}", "x")), "0 bytes of data expected, 1 are there");
  expect_contains(refusal(one("F32", "[1]").substr(0, 60)), "cut short");
}

TEST(Safetensors, RefusesBrokenHeaders) {
  for (const char* header :
       {"        ", "[]", "null", "\xef\xbb\xbf{}", "{} x", "{\"a\":1}", "{\"a\":{}}", "{\"a\":[]}",
        R"({"__metadata__":{"a":1}})", R"({"__metadata__":{"a":null}})", R"({"__metadata__":"x"})",
        R"({"__metadata__":{"a":{}}})", R"({"__metadata__":{"a":["x"]}})", "{\"\xff\":{}}", "{"})
    expect_contains(refusal(file(header)), "header");
  expect_contains(refusal(file(R"({"__metadata__":{"a":"1","a":"2"}})")), "there twice");
  const std::string a = tensor("a", "U8", "[2]", "[0,2]");
  expect_contains(refusal(file("{" + a + "," + a + "}", "12")), "there twice");
  std::string deep = R"({"a":{"x":)";
  for (int i = 0; i < 100; ++i) deep += "[";
  expect_contains(refusal(file(deep)), "nested deeper");
}

TEST(Safetensors, RefusesNumbersThatAreNoCounts) {
  for (const char* shape : {"[-1]", "[-0]", "[1.0]", "[1e0]", "[\"1\"]", "[01]", "[[1]]", "1",
                            "[18446744073709551616]", "[true]", "[null]", "{}"})
    expect_contains(refusal(one("F32", shape)), "header");
  expect_contains(refusal(one("F32", "[1]", "[0]")), "data_offsets has 1");
  expect_contains(refusal(one("F32", "[1]", "[0,4,4]")), "data_offsets has 3");
  for (const char* dtype : {"f32", "C128", "I4", "float32", ""})
    EXPECT_FALSE(refusal(one(dtype, "[1]")).empty());
}

TEST(Safetensors, RefusesShapesThatDoNotFillTheirBytes) {
  for (const char* shape : {"[2]", "[0]", "[4294967296,4294967296]", "[2,18446744073709551614]",
                            "[2,9223372036854775807]", "[9223372036854775808,2,0]"})
    expect_contains(refusal(one("F32", shape)), "does not fill");
  expect_contains(refusal(one("F4", "[7]")), "does not fill");
  const std::string empty =
      file("{" + tensor("a", "F32", "[0,9223372036854775808,2]", "[0,0]") + "}");
  const SafetensorsFile fine(as_bytes(empty), "x");
  expect_contains(message_of<UserError>([&] { fine.read("a"); }), "is not supported");
}

TEST(Safetensors, RefusesHolesAndOverlaps) {
  const auto two = [](const char* first, const char* second) {
    return refusal(
        file("{" + tensor("a", "U8", "[2]", first) + "," + tensor("b", "U8", "[2]", second) + "}",
             "1234"));
  };
  expect_contains(two("[0,2]", "[1,3]"), "holes and overlaps");
  expect_contains(two("[0,2]", "[0,2]"), "holes and overlaps");
  expect_contains(two("[1,3]", "[3,5]"), "holes and overlaps");
  expect_contains(two("[0,2]", "[3,5]"), "holes and overlaps");
  expect_contains(two("[2,0]", "[0,2]"), "holes and overlaps");
  // Many entries on one range fail without quadratic work.
  std::string header = "{";
  for (int i = 0; i < 200'000; ++i)
    header += tensor(std::to_string(i), "U8", "[4]", "[0,4]") + (i + 1 < 200'000 ? "," : "}");
  expect_contains(refusal(file(header, "1234")), "holes and overlaps");
}

TEST(Safetensors, RefusesToWriteNamesTwice) {
  Scratch dir;
  const Array x = Array::zeros({1});
  const auto write = [&](const std::string& a, const std::string& b) {
    return message_of<UserError>([&] {
      save_safetensors(dir / "a", {{a, x}, {b, Array::zeros({1})}});
    });
  };
  expect_contains(write("a", "a"), "given once");
  expect_contains(write("a", "__metadata__"), "given once");
  expect_contains(write("a", "\xff"), "given once");
  EXPECT_FALSE(file_exists(dir / "a"));
}

TEST(Safetensors, SurvivesDamage) {
  const std::string good = file(
      "{" + tensor("a", "F32", "[1]", "[0,4]") + "," + tensor("b", "I8", "[2,1]", "[4,6]") + "}",
      "123456");
  const int refused = damage(good, [](const std::string& bytes) {
    const SafetensorsFile file(as_bytes(bytes), "x");
    for (const std::string& name : file.names()) file.read(name);
  });
  EXPECT_EQ(static_cast<size_t>(refused), good.size());
}

}  // namespace
}  // namespace trivium::formats
