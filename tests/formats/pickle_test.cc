#include "trivium/formats/pickle.h"

#include "tests/formats/hostile.h"

namespace trivium::formats {
namespace {

using Kind = PickleValue::Kind;

std::string operator""_b(const char* text, size_t size) { return {text, size}; }

PickleValue parse(const std::string& bytes, PickleMode mode = PickleMode::strict) {
  ByteReader in(as_bytes(bytes), "x.pkl");
  PickleOptions options;
  options.mode = mode;
  return parse_pickle(in, options);
}

std::string refusal(const std::string& bytes, PickleMode mode = PickleMode::strict) {
  return message_of<UserError>([&] { parse(bytes, mode); });
}

std::string u32(uint32_t n) { return {reinterpret_cast<const char*>(&n), 4}; }

TEST(Pickle, PlainValuesOfEveryOpcode) {
  // pickle.dumps((None, True, False, 5, 300, -7, 2**40, 1.5, "a€"), 2), and Python 2 strings.
  const PickleValue v = parse(
      "\x80\x02(N\x88\x89K\x05M,\x01J\xf9\xff\xff\xff\x8a\x06\x00\x00\x00\x00\x00\x01"
      "G\x3f\xf8\x00\x00\x00\x00\x00\x00X\x04\x00\x00\x00"
      "a\xe2\x82\xac"
      "U\x02hi"
      "T\x01\x00\x00\x00\xff"
      "C\x01z"
      "B\x01\x00\x00\x00y"
      "\x8c\x01q"
      "\x8b\x01\x00\x00\x00\xffq\x00t."_b);
  ASSERT_EQ(v.size(), 15u);
  EXPECT_TRUE(v.items()[0].is_none());
  EXPECT_TRUE(v.items()[1].as_bool());
  EXPECT_FALSE(v.items()[2].as_bool());
  EXPECT_EQ(v.items()[3].as_int(), 5);
  EXPECT_EQ(v.items()[4].as_int(), 300);
  EXPECT_EQ(v.items()[5].as_int(), -7);
  EXPECT_EQ(v.items()[6].as_int(), int64_t{1} << 40);
  EXPECT_EQ(v.items()[7].as_double(), 1.5);
  EXPECT_EQ(v.items()[8].as_string(), "a\xe2\x82\xac");
  EXPECT_EQ(v.items()[9].as_string(), "hi");
  EXPECT_EQ(v.items()[10].as_bytes(), "\xff");
  EXPECT_EQ(v.items()[11].as_bytes(), "z");
  EXPECT_EQ(v.items()[14].as_int(), -1);
}

TEST(Pickle, ContainersAreSharedThroughTheMemo) {
  // x = [1]; {"a": x, "b": x}
  const PickleValue v = parse(
      "\x80\x02}(U\x01"
      "a]q\x00K\x01"
      "aU\x01"
      "bh\x00u."_b);
  EXPECT_EQ(v.at("a").identity(), v.at("b").identity());
  EXPECT_EQ(v.at("b").items()[0].as_int(), 1);
  expect_contains(message_of<UserError>([&] { v.at("ab"); }), "no entry \"ab\"");
}

TEST(Pickle, KeysAreThoseOfPython) {
  // {1: "x", True: "y", 1.0: "z"} has one entry; tuples are equal by their parts.
  const PickleValue v = parse("\x80\x02}(K\x01U\x01x\x88U\x01yG\x3f\xf0\0\0\0\0\0\0U\x01zu."_b);
  ASSERT_EQ(v.size(), 1u);
  EXPECT_EQ(v.entries()[0].second.as_string(), "z");
  EXPECT_EQ(parse("\x80\x02}(K\x01K\x02\x86NK\x01K\x02\x86Nu."_b).size(), 1u);
  expect_contains(refusal("\x80\x02}(]Nu."_b), "cannot be the key");
}

TEST(Pickle, OrderedDictKeepsAttributesApart) {
  const PickleValue v = parse(
      "\x80\x02"
      "ccollections\nOrderedDict\n)Rq\x00U\x01"
      "aK\x01s}U\x09_metadataK\x02sb."_b);
  EXPECT_TRUE(v.ordered());
  EXPECT_EQ(v.size(), 1u);
  EXPECT_EQ(v.attributes().at("_metadata").as_int(), 2);
}

TEST(Pickle, BytesOfProtocolTwo) {
  const PickleValue v = parse(
      "\x80\x02"
      "c_codecs\nencode\nX\x03\0\0\0\xc3\xbf"
      "aU\x06latin1\x86R."_b);
  EXPECT_EQ(v.kind(), Kind::bytes);
  EXPECT_EQ(v.as_bytes(),
            "\xff"
            "a");
  expect_contains(refusal("\x80\x02"
                          "c_codecs\nencode\nX\x01\0\0\0aU\x05"
                          "rot13\x86R."_b),
                  "latin1");
}

TEST(Pickle, NothingIsCalled) {
  const std::string attack =
      "\x80\x02"
      "cos\nsystem\nU\x02id\x85R."_b;
  expect_contains(refusal(attack), "os.system");
  const PickleValue record = parse(attack, PickleMode::inspect);
  EXPECT_EQ(record.name(), "os.system");
  EXPECT_EQ(record.args().items()[0].as_string(), "id");
  expect_contains(refusal("\x80\x02"
                          "cbuiltins\neval\nU\x01x\x85R."_b),
                  "builtins.eval");
  expect_contains(refusal("\x80\x04\x8c\x05posix\x8c\x06system\x93)R."_b), "posix.system");
  expect_contains(refusal("\x80\x02U\x01"
                          "a)R."_b),
                  "is called");
  expect_contains(refusal("\x80\x02"
                          "ctorch._utils\n_rebuild_sparse_tensor\n."_b),
                  "sparse");
}

TEST(Pickle, OpcodesOutsideTheListAreRefused) {
  for (const char op : std::string("PiodOl012IFVS\x82\x83\x84\x97\x98")) {
    const std::string bytes = "\x80\x02NN"_b + op + "\n."_b;
    expect_contains(refusal(bytes), "opcode");
  }
  expect_contains(refusal("\x80\x09."_b), "protocol 9");
}

TEST(Pickle, BrokenStacksAreRefused) {
  for (const std::string& bytes :
       {"\x80\x02."_b, "\x80\x02\x87."_b, "\x80\x02t."_b, "\x80\x02(a."_b, "\x80\x02]u."_b,
        "\x80\x02}(Nu."_b, "\x80\x02h\x05."_b, "\x80\x02q\x00."_b, "\x80\x02N(\x85t."_b,
        "\x80\x02Nb."_b, "\x80\x02NQ."_b, "\x80\x02NNs."_b, "\x80\x02NNR."_b})
    expect_contains(refusal(bytes), "x.pkl: byte");
}

TEST(Pickle, RingsAndDepthAreRefusedWithoutRecursion) {
  expect_contains(refusal("\x80\x02]q\x00h\x00"
                          "a."_b),
                  "holds itself");
  expect_contains(refusal("\x80\x02]q\x00h\x00\x85"
                          "a."_b),
                  "holds itself");
  std::string chain = "\x80\x02N"_b + std::string(500'000, '\x85') + ".";
  expect_contains(refusal(chain), "nested deeper than 64");
  // A chain of lists that is closed from its far end: each knows only the next when it is made.
  std::string lists = "\x80\x02"_b;
  for (uint32_t i = 0; i < 100'000; ++i) lists += "]r" + u32(i);
  for (uint32_t i = 1; i < 100'000; ++i) lists += "j" + u32(i - 1) + "j" + u32(i) + "a(" + "t";
  expect_contains(refusal(lists + "."), "nested deeper than 64");
  // The same, cut off: what was built is taken apart without recursion too.
  expect_contains(refusal(lists), "cut short");
  const std::string good = "\x80\x02N"_b + std::string(60, '\x85') + ".";
  EXPECT_EQ(parse(good).size(), 1u);
}

TEST(Pickle, CopiesAreBounded) {
  // One string of 1 MB, made into bytes again and again by 4-byte steps.
  std::string bytes = "\x80\x02(cbuiltins\nbytearray\nq\x00"_b;
  bytes += "T" + u32(1 << 20) + std::string(1 << 20, 'x') + "\x85q\x01"_b;
  for (int i = 0; i < 1000; ++i) bytes += "h\x00h\x01R"_b;
  expect_contains(refusal(bytes + "t."), "again and again");
  // Shared parts that double at each level stay shared.
  std::string doubling = "\x80\x02N"_b;
  for (char i = 0; i < 50; ++i) doubling += "q"_b + i + "h" + i + "\x86";
  EXPECT_EQ(parse(doubling + ".").size(), 2u);
  // A long string as the key of many dicts is not copied into them.
  std::string keys = "\x80\x02(T"_b + u32(1 << 20) + std::string(1 << 20, 'k') + "q\x00"_b;
  for (int i = 0; i < 10'000; ++i) keys += "}h\x00Ns"_b;
  EXPECT_EQ(parse(keys + "t.").size(), 10'001u);
}

TEST(Pickle, LimitsAreNamed) {
  PickleOptions options;
  options.limits.max_values = 10;
  const std::string many = "\x80\x02(NNNNNNNNNNNNt."_b;
  ByteReader in(as_bytes(many), "x.pkl");
  expect_contains(message_of<UserError>([&] { parse_pickle(in, options); }), "more than 10 values");
  expect_contains(refusal("\x80\x02T\xff\xff\xff\xff"
                          "a."_b),
                  "4294967295 bytes");
  expect_contains(refusal("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff"
                          "a."_b),
                  "a string needs");
  expect_contains(refusal("\x80\x02X\x01\0\0\0\xff."_b), "UTF-8");
  expect_contains(refusal("\x80\x02\x8b\x00\x00\x01\x00"_b + std::string(65536, '1') + "."),
                  "an integer of 65536 bytes");
}

TEST(Pickle, NumpyArraysFillTheirShape) {
  const std::string dtype =
      "cnumpy\ndtype\nU\x02"
      "f8K\0K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"_b;
  const auto array = [&](const std::string& shape, const std::string& data) {
    return "\x80\x02"
           "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01"
           "b\x87R(K\x01"_b +
           shape + dtype + "\x89U" + static_cast<char>(data.size()) + data + "tb.";
  };
  const std::string one(8, '\0');
  EXPECT_EQ(parse(array("K\x01\x85"_b, one)).array().text(), "float64[1]");
  expect_contains(refusal(array("K\x02\x85"_b, one)), "float64[2]");
  expect_contains(refusal(array("J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"_b, one)), "storage of 1");
  expect_contains(refusal(array("J\xff\xff\xff\xff\x85"_b, one)), "[-1]");
}

TEST(Pickle, WritesWhatItReads) {
  PickleValue v = PickleValue::dict();
  v.set_entry("list",
              PickleValue::list({1, -1, 70000, int64_t{1} << 40, 2.5, true, PickleValue()}));
  v.set_entry(3, PickleValue::bytes("\x00\xff"_b));
  v.set_entry("again", v.at("list"));
  v.set_entry("set", PickleValue::set({1, "x"}));
  const std::string bytes = write_pickle(v);
  const PickleValue back = parse(bytes);
  EXPECT_EQ(back.at("list").identity(), back.at("again").identity());
  EXPECT_EQ(back.at("list").items()[3].as_int(), int64_t{1} << 40);
  EXPECT_EQ(back.entries()[1].second.as_bytes(), "\x00\xff"_b);
  EXPECT_EQ(write_pickle(back), bytes);
  const PickleValue record = PickleValue::record("os.system", PickleValue::tuple());
  expect_contains(message_of<UserError>([&] { write_pickle(record); }), "cannot be written");
}

TEST(Pickle, SurvivesDamage) {
  for (const char* name : {"numpy.2.pkl", "numpy.4.pkl", "numpy.5.pkl"}) {
    const std::string good = slurp(golden(std::string("torch_files/") + name));
    const auto read = [](const std::string& bytes) { parse(bytes, PickleMode::inspect); };
    EXPECT_EQ(static_cast<size_t>(damage(good, read)), good.size()) << name;
  }
}

}  // namespace
}  // namespace trivium::formats
