// Databases of records, as Caffe's Data layer reads them: key bytes -> value bytes (a serialised
// Datum), in the order of the key bytes. One cursor over LMDB and LevelDB.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace trivium::formats {

enum class DatabaseKind { lmdb, leveldb };

/// "lmdb" or "leveldb" in any case; UserError otherwise.
DatabaseKind parse_database_kind(std::string_view name);
const char* name_of(DatabaseKind kind);

/// A cursor that walks all records and starts again on demand. One thread at a time.
///
/// LMDB is read by Trivium itself, without a lock file and without writing anything: read-only
/// directories and file systems work, and a damaged file is a UserError with the byte, never a
/// crash. The price: a database must not be written to meanwhile (that is noticed and a UserError).
class Database {
 public:
  /// Opens and stands on the first record. EnvironmentError when nothing is there, UserError when
  /// it is no such database or holds no records; both say which command makes one.
  static std::unique_ptr<Database> open(const std::string& path, DatabaseKind kind);
  virtual ~Database() = default;

  /// False only behind the last record, where key() and value() must not be called.
  virtual bool valid() const = 0;
  /// Moves to the next record; false at the end.
  virtual bool next() = 0;
  /// Back to the first record.
  virtual void rewind() = 0;
  /// Bytes that stay in place until the cursor moves.
  virtual std::string_view key() const = 0;
  virtual std::string_view value() const = 0;
  /// Number of records. Free for LMDB; LevelDB walks through all keys the first time.
  virtual int64_t count() = 0;
};

/// Creates a database and fills it. Records become visible (and safe on the disk) at commit(); what
/// was put after the last commit() is dropped.
class DatabaseWriter {
 public:
  /// UserError when `path` exists already or the build lacks the library.
  static std::unique_ptr<DatabaseWriter> create(const std::string& path, DatabaseKind kind);
  virtual ~DatabaseWriter() = default;
  /// A later value for the same key replaces the earlier one.
  virtual void put(std::string_view key, std::string_view value) = 0;
  virtual void commit() = 0;
};

}  // namespace trivium::formats
