#include "trivium/formats/db.h"

#include "tests/formats/hostile.h"
#include "trivium/formats/db_backends.h"

namespace trivium::formats {
namespace {

std::vector<std::string> keys_of(Database& db) {
  std::vector<std::string> keys;
  for (; db.valid(); db.next()) keys.emplace_back(db.key());
  return keys;
}

TEST(Lmdb, WalksRecordsOfCaffeInKeyOrderWithoutALockFile) {
  const auto db = Database::open(golden("caffe/data/raw_lmdb"), DatabaseKind::lmdb);
  EXPECT_EQ(db->count(), 5);
  EXPECT_EQ(db->key(), "k01");
  EXPECT_EQ(db->value().substr(0, 6), std::string("\x08\x03\x10\x06\x18\x05", 6));  // Datum 3x6x5
  EXPECT_EQ(keys_of(*db), (std::vector<std::string>{"k01", "k03", "k05", "k07", "k09"}));
  EXPECT_FALSE(db->valid());
  EXPECT_FALSE(db->next());
  db->rewind();
  EXPECT_EQ(db->key(), "k01");
  EXPECT_FALSE(file_exists(golden("caffe/data/raw_lmdb/lock.mdb")));
}

/// Writes records of many sizes (inline and on overflow pages) and reads them back.
void round_trip(DatabaseKind kind, int records) {
  Scratch dir;
  const std::string path = dir / "db";
  const auto value_of = [](int i) {
    return std::string(static_cast<size_t>(i * 37 % 9000), static_cast<char>(i));
  };
  auto writer = DatabaseWriter::create(path, kind);
  for (int i = records; i-- > 0;) {
    writer->put(fmt::format("{:08d}", i), value_of(i));
    if (i % 1000 == 0) writer->commit();
  }
  writer->put("zz", "never committed");
  writer.reset();
  const auto db = Database::open(path, kind);
  EXPECT_EQ(db->count(), records);
  for (int i = 0; i < records; ++i, db->next()) {
    ASSERT_TRUE(db->valid());
    ASSERT_EQ(db->key(), fmt::format("{:08d}", i));
    ASSERT_TRUE(db->value() == value_of(i)) << i;
  }
  EXPECT_FALSE(db->valid());
}

#ifdef TRIVIUM_HAVE_LMDB
TEST(Lmdb, ThousandsOfRecordsSurvive) { round_trip(DatabaseKind::lmdb, 5000); }

TEST(Lmdb, WritingWhileReadingIsNoticed) {
  Scratch dir;
  const auto writer = DatabaseWriter::create(dir / "db", DatabaseKind::lmdb);
  writer->put("a", "1");
  writer->put("b", "2");
  writer->commit();
  const auto db = Database::open(dir / "db", DatabaseKind::lmdb);
  writer->put("c", "3");
  writer->commit();
  expect_contains(message_of<UserError>([&] { db->next(); }), "open it again");
}

TEST(Lmdb, AnEmptyDatabaseIsRefusedWithTheRemedy) {
  Scratch dir;
  DatabaseWriter::create(dir / "mnist_train_lmdb", DatabaseKind::lmdb).reset();
  const std::string message =
      message_of<UserError>([&] { Database::open(dir / "mnist_train_lmdb", DatabaseKind::lmdb); });
  expect_contains(message, "no records");
  expect_contains(message, "examples/mnist/create_mnist.sh");
}

TEST(Lmdb, KeysMustFit) {
  Scratch dir;
  const auto writer = DatabaseWriter::create(dir / "db", DatabaseKind::lmdb);
  EXPECT_THROW(writer->put("", "x"), UserError);
  EXPECT_THROW(writer->put(std::string(512, 'k'), "x"), UserError);
  EXPECT_THROW(DatabaseWriter::create(dir / "db", DatabaseKind::lmdb), UserError);
  EXPECT_THROW(DatabaseWriter::create(dir / "no/db", DatabaseKind::lmdb), EnvironmentError);
}
#endif

#ifdef TRIVIUM_HAVE_LEVELDB
TEST(LevelDb, ThousandsOfRecordsSurvive) { round_trip(DatabaseKind::leveldb, 3000); }

TEST(LevelDb, ADamagedTableIsAnError) {
  Scratch dir;
  {
    const auto writer = DatabaseWriter::create(dir / "db", DatabaseKind::leveldb);
    for (int i = 0; i < 100; ++i) writer->put(fmt::format("{:03d}", i), std::string(1000, 'v'));
    writer->commit();
  }
  { Database::open(dir / "db", DatabaseKind::leveldb); }  // moves the log into a table
  for (const auto& entry : std::filesystem::directory_iterator(dir / "db"))
    if (entry.path().extension() == ".ldb") {
      std::string bytes = slurp(entry.path());
      for (size_t at = 50; at < bytes.size() / 2; at += 7) bytes[at] ^= 0x55;
      spill(entry.path(), bytes);
    }
  EXPECT_THROW(
      {
        const auto db = Database::open(dir / "db", DatabaseKind::leveldb);
        while (db->next()) {
        }
      },
      Error);
}
#endif

TEST(Database, MissingOnesNameTheCommandThatMakesThem) {
  Scratch dir;
  const auto missing = [&](const std::string& name, DatabaseKind kind) {
    return message_of<EnvironmentError>([&] { Database::open(dir / name, kind); });
  };
  expect_contains(missing("mnist_train_lmdb", DatabaseKind::lmdb), "create_mnist.sh");
  expect_contains(missing("cifar10_train_leveldb", DatabaseKind::leveldb), "create_cifar10.sh");
  expect_contains(missing("photos", DatabaseKind::lmdb), "convert_imageset");
  std::filesystem::create_directory(dir / "plain");
  expect_contains(missing("plain", DatabaseKind::lmdb), "data.mdb is missing");
  expect_contains(message_of<UserError>(
                      [] { Database::open(golden("caffe/data/raw_lmdb"), DatabaseKind::leveldb); }),
                  "backend: LMDB");
}

TEST(Database, KindsAreNamedInAnyCase) {
  EXPECT_EQ(parse_database_kind("LMDB"), DatabaseKind::lmdb);
  EXPECT_EQ(parse_database_kind("leveldb"), DatabaseKind::leveldb);
  EXPECT_THROW(parse_database_kind("sqlite"), UserError);
}

TEST(Lmdb, SurvivesDamage) {
  const auto walk = [](const std::string& bytes) {
    const auto db = open_lmdb(as_bytes(bytes), "data.mdb");
    size_t sum = 0;
    for (; db->valid(); db->next())
      for (const char c : db->value()) sum += static_cast<unsigned char>(c);
    return sum;
  };
  const std::string good = slurp(golden("caffe/data/raw_lmdb/data.mdb"));
  EXPECT_GT(walk(good), 0u);
  EXPECT_GT(damage(good, walk, 5000), 0);
#ifdef TRIVIUM_HAVE_LMDB
  Scratch dir;
  const auto writer = DatabaseWriter::create(dir / "db", DatabaseKind::lmdb);
  for (int i = 0; i < 300; ++i)
    writer->put(fmt::format("{:03d}", i), std::string(i % 7 ? 100 : 5000, 'v'));
  writer->commit();
  damage(slurp(dir / "db/data.mdb"), walk, 3000, 300);
#endif
}

TEST(Lmdb, BothMetaPagesMustAgreeOnThePageSize) {
  std::string bytes = slurp(golden("caffe/data/raw_lmdb/data.mdb"));
  bytes[4096 + 40 + 1] = 0x40;  // the newer one says 16384: its twin would lie beyond the end
  expect_contains(message_of<UserError>([&] { open_lmdb(as_bytes(bytes), "data.mdb"); }),
                  "page sizes 4096 and 16384");
}

TEST(Lmdb, OtherFilesAreRefused) {
  const std::string text(20000, 'x');
  expect_contains(message_of<UserError>([&] { open_lmdb(as_bytes(text), "data.mdb"); }),
                  "no LMDB database");
}

}  // namespace
}  // namespace trivium::formats
