#include "trivium/formats/db.h"

#include <algorithm>

#include "trivium/engine/core/error.h"
#include "trivium/formats/db_backends.h"

namespace trivium::formats {
namespace {

/// The command that makes the database a path of Caffe's examples names; a general one otherwise.
std::string remedy(const std::string& path) {
  if (path.find("mnist") != std::string::npos) return "run examples/mnist/create_mnist.sh";
  if (path.find("cifar") != std::string::npos) return "run examples/cifar10/create_cifar10.sh";
  return "make one with convert_imageset ROOT/ LIST " + path;
}

bool holds_lmdb(const std::string& path) { return file_exists(path + "/data.mdb"); }
bool holds_leveldb(const std::string& path) { return file_exists(path + "/CURRENT"); }

void check_present(const std::string& path, DatabaseKind kind) {
  if (!file_exists(path))
    environment_error("{}: no such {} database; {}", path, name_of(kind), remedy(path));
  const bool lmdb = holds_lmdb(path), leveldb = holds_leveldb(path);
  if (kind == DatabaseKind::lmdb ? lmdb : leveldb) return;
  if (lmdb || leveldb)
    user_error("{}: {} expected, this is a {} database; write backend: {}", path, name_of(kind),
               lmdb ? "LMDB" : "LevelDB", lmdb ? "LMDB" : "LEVELDB");
  environment_error("{}: the directory holds no {} database ({} is missing); {}", path,
                    name_of(kind), kind == DatabaseKind::lmdb ? "data.mdb" : "CURRENT",
                    remedy(path));
}

}  // namespace

DatabaseKind parse_database_kind(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (lower == "lmdb") return DatabaseKind::lmdb;
  if (lower == "leveldb") return DatabaseKind::leveldb;
  user_error("database backend lmdb or leveldb expected, received \"{}\"", name);
}

const char* name_of(DatabaseKind kind) { return kind == DatabaseKind::lmdb ? "LMDB" : "LevelDB"; }

std::unique_ptr<Database> Database::open(const std::string& path, DatabaseKind kind) {
  check_present(path, kind);
  auto database = kind == DatabaseKind::lmdb ? open_lmdb(path + "/data.mdb") : open_leveldb(path);
  if (!database->valid())
    user_error("{}: the {} database holds no records; remove it and {}", path, name_of(kind),
               remedy(path));
  return database;
}

std::unique_ptr<DatabaseWriter> DatabaseWriter::create(const std::string& path, DatabaseKind kind) {
  if (file_exists(path))
    user_error("{}: exists already; remove it or choose another name for the new {} database", path,
               name_of(kind));
  return kind == DatabaseKind::lmdb ? create_lmdb(path) : create_leveldb(path);
}

}  // namespace trivium::formats
