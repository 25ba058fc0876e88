// LevelDB, read and written with its own library, with checksums verified.
#include "trivium/engine/core/error.h"
#include "trivium/formats/db_backends.h"

#ifdef TRIVIUM_HAVE_LEVELDB
#include <leveldb/db.h>
#include <leveldb/write_batch.h>
#endif

namespace trivium::formats {

#ifdef TRIVIUM_HAVE_LEVELDB
namespace {

leveldb::Options caffe_options() {
  leveldb::Options options;
  options.block_size = 65536;
  options.write_buffer_size = 268435456;
  options.max_open_files = 100;
  return options;
}

void check(const leveldb::Status& status, const std::string& path) {
  if (status.ok()) return;
  if (status.IsCorruption()) user_error("{}: broken LevelDB database: {}", path, status.ToString());
  environment_error("{}: LevelDB: {}", path, status.ToString());
}

std::unique_ptr<leveldb::DB> open_db(const std::string& path, const leveldb::Options& options) {
  leveldb::DB* db = nullptr;
  check(leveldb::DB::Open(options, path, &db), path);
  return std::unique_ptr<leveldb::DB>(db);
}

class LevelDbCursor : public Database {
 public:
  explicit LevelDbCursor(const std::string& path) : path_(path) {
    leveldb::Options options = caffe_options();
    options.paranoid_checks = true;
    db_ = open_db(path, options);
    cursor_ = new_cursor();
    rewind();
  }
  bool valid() const override { return cursor_->Valid(); }
  bool next() override {
    if (!cursor_->Valid()) return false;
    cursor_->Next();
    check(cursor_->status(), path_);
    return cursor_->Valid();
  }
  void rewind() override {
    cursor_->SeekToFirst();
    check(cursor_->status(), path_);
  }
  std::string_view key() const override { return view(cursor_->key()); }
  std::string_view value() const override { return view(cursor_->value()); }
  int64_t count() override {
    if (count_ >= 0) return count_;
    int64_t count = 0;
    const auto cursor = new_cursor();
    for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) ++count;
    check(cursor->status(), path_);
    return count_ = count;
  }

 private:
  static std::string_view view(const leveldb::Slice& s) { return {s.data(), s.size()}; }
  std::unique_ptr<leveldb::Iterator> new_cursor() const {
    leveldb::ReadOptions options;
    options.verify_checksums = true;
    options.fill_cache = false;
    return std::unique_ptr<leveldb::Iterator>(db_->NewIterator(options));
  }
  std::string path_;
  std::unique_ptr<leveldb::DB> db_;
  std::unique_ptr<leveldb::Iterator> cursor_;  // goes before db_
  int64_t count_ = -1;
};

class LevelDbWriter : public DatabaseWriter {
 public:
  explicit LevelDbWriter(const std::string& path) : path_(path) {
    leveldb::Options options = caffe_options();
    options.create_if_missing = true;
    options.error_if_exists = true;
    db_ = open_db(path, options);
  }
  void put(std::string_view key, std::string_view value) override {
    batch_.Put({key.data(), key.size()}, {value.data(), value.size()});
  }
  void commit() override {
    leveldb::WriteOptions options;
    options.sync = true;
    check(db_->Write(options, &batch_), path_);
    batch_.Clear();
  }

 private:
  std::string path_;
  std::unique_ptr<leveldb::DB> db_;
  leveldb::WriteBatch batch_;
};

}  // namespace

std::unique_ptr<Database> open_leveldb(const std::string& path) {
  return std::make_unique<LevelDbCursor>(path);
}
std::unique_ptr<DatabaseWriter> create_leveldb(const std::string& path) {
  return std::make_unique<LevelDbWriter>(path);
}
#else
std::unique_ptr<Database> open_leveldb(const std::string& path) {
  user_error("{}: built without LevelDB; install libleveldb-dev and build again", path);
}
std::unique_ptr<DatabaseWriter> create_leveldb(const std::string& path) {
  user_error("{}: built without LevelDB; install libleveldb-dev and build again", path);
}
#endif

}  // namespace trivium::formats
