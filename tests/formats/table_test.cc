#include "trivium/formats/table.h"

#include "tests/formats/hostile.h"
#include "trivium/formats/crc32c.h"
#include "trivium/formats/snappy.h"
#include "trivium/formats/table_coding.h"

namespace trivium::formats {
namespace {

using namespace std::string_literals;

std::string hex(const std::string& bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<uint8_t>(c));
  return out;
}

TEST(Crc32c, KnownValues) {
  EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
  EXPECT_EQ(masked_crc32c(as_bytes("123456789")), 0xc78ab0e5u);
  EXPECT_EQ(crc32c(as_bytes("trivium")), 0x529a7a4au);
  EXPECT_EQ(masked_crc32c(as_bytes("trivium")), 0x9717900cu);
  EXPECT_EQ(mask_crc(0), 0xa282ead8u);
  EXPECT_EQ(unmask_crc(mask_crc(0x12345678u)), 0x12345678u);
}

TEST(Crc32c, PiecesGiveTheChecksumOfTheWhole) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text.push_back(static_cast<char>(i * 37));
  const uint32_t whole = crc32c(as_bytes(text));
  for (size_t cut = 0; cut <= 40; ++cut)
    EXPECT_EQ(crc32c(as_bytes(text.substr(cut)), crc32c(as_bytes(text.substr(0, cut)))), whole);
}

TEST(Snappy, LiteralsAndCopiesOfEveryKind) {
  EXPECT_EQ(unpack_snappy(as_bytes("\x00"s), "t"), "");
  EXPECT_EQ(unpack_snappy(as_bytes("\x03\x08"s + "abc"), "t"), "abc");
  // "ab" then a copy of 6 from 2 back (1-byte distance, then 2 and 4 bytes of distance).
  EXPECT_EQ(unpack_snappy(as_bytes("\x08\x04"s + "ab" + "\x09\x02"s), "t"), "abababab");
  EXPECT_EQ(unpack_snappy(as_bytes("\x08\x04"s + "ab" + "\x16\x02\x00"s), "t"), "abababab");
  EXPECT_EQ(unpack_snappy(as_bytes("\x08\x04"s + "ab" + "\x17\x02\x00\x00\x00"s), "t"), "abababab");
  const std::string longer(100, 'x');  // a literal whose length takes a byte of its own
  EXPECT_EQ(unpack_snappy(as_bytes("\x64\xf0\x63"s + longer), "t"), longer);
}

TEST(Snappy, RefusesWhatIsBroken) {
  const auto broken = [](const std::string& bytes) {
    return message_of<UserError>([&] { unpack_snappy(as_bytes(bytes), "t"); });
  };
  expect_contains(broken("\x08\x04"s + "ab" + "\x09\x03"s), "a copy from 3 bytes back");
  expect_contains(broken("\x03\x04"s + "ab" + "\x09\x02"s), "passes the stated length");
  expect_contains(broken("\x09\x04"s + "ab" + "\x09\x02"s), "8 bytes unpacked, 9 stated");
  expect_contains(broken("\xff\xff\xff\xff\x0f\x00"s), "cannot unpack to the stated 4294967295");
  expect_contains(broken("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"s), "64 bits");
}

TEST(OrderedCoding, SliceKeys) {
  EXPECT_EQ(hex(slice_key("part", {{2, 2}, {0, 3}})),
            "0070617274000101"
            "02"
            "82828083");
  EXPECT_EQ(hex(slice_key("v", {})), "0076000100");
  EXPECT_EQ(hex(slice_key("v", {{0, std::nullopt}})),
            "007600010101"
            "807f");
  // 64 needs two bytes, 8192 three, and 2^62 nine.
  EXPECT_EQ(hex(slice_key("", {{64, 8191}})),
            "0000010101"
            "c040"
            "dfff");
  EXPECT_EQ(hex(slice_key("", {{8192, int64_t{1} << 62}})),
            "0000010101"
            "e02000"
            "ffc04000000000000000");
  EXPECT_EQ(hex(slice_key("\0\xff"s, {})), "0000ffff00000100");
}

TEST(Table, OneScalarBundleIndexByteForByte) {
  TableBuilder builder;
  builder.add("", "\x08\x01\x1a\x02\x08\x01"s);
  builder.add("v", "\x08\x01\x12\x00\x28\x04\x35\x81\xa5\xda\x2b"s);
  EXPECT_EQ(hex(builder.finish()),
            "00000608011a02080100010b760801120028043581a5da2b00000000010000000095ced3f3000000000100"
            "000000c0f2a1b00001027700200000000001000000003e1ea4622508320e" +
                std::string(72, '0') + "57fb808b247547db");
}

std::vector<std::pair<std::string, std::string>> many(int count, size_t value_bytes) {
  std::vector<std::pair<std::string, std::string>> entries;
  for (int i = 0; i < count; ++i)
    entries.emplace_back(fmt::format("layer_{:05}/weights", i),
                         std::string(value_bytes, static_cast<char>('a' + i % 26)));
  return entries;
}

std::string table_of(const std::vector<std::pair<std::string, std::string>>& entries) {
  TableBuilder builder;
  for (const auto& entry : entries) builder.add(entry.first, entry.second);
  return builder.finish();
}

TEST(Table, ManyBlocksComeBack) {
  for (const size_t value_bytes : {size_t{10}, size_t{3000}, size_t{700000}}) {
    const auto entries =
        many(value_bytes > 100000 ? 7 : 12000 / static_cast<int>(value_bytes) + 300, value_bytes);
    const std::string bytes = table_of(entries);
    ASSERT_TRUE(is_table(as_bytes(bytes)));
    const TableReader table(as_bytes(bytes), "t");
    std::vector<std::pair<std::string, std::string>> read;
    table.for_each([&](std::string_view key, std::string_view value) {
      read.emplace_back(std::string(key), std::string(value));
    });
    EXPECT_EQ(read, entries);
    for (const auto& entry : {entries.front(), entries[entries.size() / 2], entries.back()})
      EXPECT_EQ(table.find(entry.first), entry.second);
    EXPECT_EQ(table.find("layer_00001/weightr"), std::nullopt);
    EXPECT_EQ(table.find("zzz"), std::nullopt);
  }
}

TEST(Table, SixThousandScalarsHaveTensorFlowsLayout) {
  // Sizes that TensorFlow's own writer gives for float scalars of these names.
  TableBuilder builder;
  builder.add("", "\x08\x01\x1a\x02\x08\x01"s);
  for (int i = 0; i < 6000; ++i) {
    std::string value = "\x08\x01\x12\x00"s;
    if (i > 0) {
      value += '\x20';
      put_varint(&value, static_cast<uint64_t>(4 * i));
    }
    builder.add(fmt::format("layer_{:05}/some/long/prefix/weights", i),
                value + "\x28\x04\x35\x81\xa5\xda\x2b"s);
  }
  const std::string bytes = builder.finish();
  EXPECT_EQ(bytes.size(), 265954u);
}

TEST(Table, EveryByteMatters) {
  const std::string bytes = table_of(many(40, 20));
  const auto read = [](const std::string& b) {
    const TableReader table(as_bytes(b), "t");
    table.for_each([](std::string_view, std::string_view) {});
    table.find("layer_00007/weights");
  };
  read(bytes);
  EXPECT_EQ(damage(bytes, read), static_cast<int>(bytes.size()));
  // A flipped bit of the data is always seen: it is checksummed. The empty metaindex is not read.
  for (size_t i = 0; i < bytes.size() - 48 - 13 - 40; ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_THROW(read(flipped), UserError) << i;
  }
}

TEST(Table, KeysMustComeInOrder) {
  TableBuilder builder;
  builder.add("b", "1");
  EXPECT_THROW(builder.add("b", "2"), InternalError);
  EXPECT_THROW(builder.add("a", "2"), InternalError);
}

TEST(Table, KeysThatGrowWithoutBytesAreRefused) {
  // Each key shares the 200,000 bytes of the one before and adds one: 4 bytes that stand for 200
  // kB.
  std::string block;
  const std::string start(200000, 'k');
  block += '\0';
  put_varint(&block, start.size());
  block += '\0';
  block += start;
  for (int i = 0; i < 40000; ++i) {
    put_varint(&block, start.size() + static_cast<size_t>(i));
    block += std::string("\x01\x00m", 3);
  }
  put_fixed32(&block, 0);
  put_fixed32(&block, 1);
  std::string bytes;
  const auto put = [&](std::string body) {
    std::string handle;
    put_varint(&handle, bytes.size());
    put_varint(&handle, body.size());
    body.push_back('\0');
    bytes += body;
    put_fixed32(&bytes, masked_crc32c(as_bytes(body)));
    return handle;
  };
  const std::string data = put(block);
  std::string index = "\0\1"s;
  put_varint(&index, data.size());
  index += "z" + data;
  put_fixed32(&index, 0);
  put_fixed32(&index, 1);
  std::string footer = "\0\0"s + put(index);
  footer.resize(40);
  put_fixed64(&footer, 0xdb4775248b80fb57u);
  bytes += footer;
  const TableReader table(as_bytes(bytes), "t");
  expect_contains(
      message_of<UserError>([&] { table.for_each([](std::string_view, std::string_view) {}); }),
      "take too much memory");
}

}  // namespace
}  // namespace trivium::formats
