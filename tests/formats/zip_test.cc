#include "trivium/formats/zip.h"

#include "tests/formats/hostile.h"

namespace trivium::formats {
namespace {

std::string archive(const std::vector<std::pair<std::string, std::string>>& members) {
  Scratch dir;
  write_file_atomically(dir / "a.zip", [&](FileSink& sink) {
    ZipWriter zip(sink);
    for (const auto& member : members) zip.add(member.first, as_bytes(member.second));
    zip.finish();
  });
  return slurp(dir / "a.zip");
}

std::string refusal(const std::string& bytes) {
  return message_of<UserError>([&] { ZipReader(as_bytes(bytes), "x.zip"); });
}

/// Replaces every occurrence of `from` by `to`, which has the same length.
std::string patched(std::string bytes, const std::string& from, const std::string& to) {
  for (size_t at = bytes.find(from); at != std::string::npos; at = bytes.find(from, at + 1))
    bytes.replace(at, from.size(), to);
  return bytes;
}

TEST(Zip, MembersComeBackAndAreAligned) {
  const std::string bytes = archive({{"m/data.pkl", "abc"}, {"m/e", ""}, {"m/x", "0123456789"}});
  const ZipReader zip(as_bytes(bytes), "x.zip");
  ASSERT_EQ(zip.entries().size(), 3u);
  for (const ZipEntry& entry : zip.entries()) EXPECT_EQ(entry.data_offset % 64, 0u) << entry.name;
  const Bytes data = zip.read(*zip.find("m/x"));
  EXPECT_EQ(std::string(data.begin(), data.end()), "0123456789");
  EXPECT_EQ(zip.read(*zip.find("m/e")).size(), 0u);
  EXPECT_EQ(zip.find("m/y"), nullptr);
}

TEST(Zip, ChecksumsAreThoseOfTheStandard) {
  EXPECT_EQ(crc32_of(as_bytes("123456789")), 0xcbf43926u);
  const std::string good = archive({{"m/x", "0123456789"}});
  const std::string damaged = patched(good, "0123456789", "0123456780");
  const ZipReader zip(as_bytes(damaged), "x.zip");
  expect_contains(message_of<UserError>([&] { zip.read(zip.entries()[0]); }), "damaged");
  // A writer that computes no checksum leaves zero.
  const uint32_t crc = crc32_of(as_bytes("0123456789"));
  const std::string field(reinterpret_cast<const char*>(&crc), 4);
  const std::string unchecked = patched(damaged, field, std::string(4, '\0'));
  const ZipReader trusting(as_bytes(unchecked), "x.zip");
  EXPECT_EQ(trusting.read(trusting.entries()[0]).size(), 10u);
}

TEST(Zip, RefusesNamesThatAreNoKeys) {
  expect_contains(refusal(archive({{"a", "1"}, {"a", "2"}})), "there twice");
  expect_contains(refusal(archive({{"../a", "1"}})), "relative name");
  expect_contains(refusal(archive({{"/a", "1"}})), "relative name");
  expect_contains(refusal(archive({{"m/..", "1"}})), "relative name");
}

TEST(Zip, RefusesMembersOnTopOfEachOther) {
  std::string bytes = archive({{"a", "1111"}, {"b", "2222"}});
  const ZipReader zip(as_bytes(bytes), "x.zip");
  // The second entry of the directory is pointed at the first member.
  const size_t second = bytes.rfind("PK\x01\x02");
  bytes.replace(second + 42, 4, std::string(4, '\0'));
  expect_contains(refusal(bytes), "overlaps");
}

TEST(Zip, RefusesCompressionOnlyWhenRead) {
  std::string bytes = archive({{"a", "1111"}});
  bytes[bytes.rfind("PK\x01\x02") + 10] = 8;
  const ZipReader zip(as_bytes(bytes), "x.zip");
  expect_contains(message_of<UserError>([&] { zip.read(zip.entries()[0]); }), "method 8");
}

TEST(Zip, SurvivesDamage) {
  const std::string good = archive({{"m/data.pkl", "abc"}, {"m/x", "0123456789"}});
  const int refused = damage(good, [](const std::string& bytes) {
    const ZipReader zip(as_bytes(bytes), "x.zip");
    for (const ZipEntry& entry : zip.entries()) zip.read(entry);
  });
  EXPECT_EQ(static_cast<size_t>(refused), good.size());
}

}  // namespace
}  // namespace trivium::formats
