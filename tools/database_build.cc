#include "tools/database_build.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "trivium/engine/core/error.h"

namespace trivium::tools {

namespace fs = std::filesystem;

DatabaseBuild::DatabaseBuild(const std::string& path, const std::string& backend, Glog& log)
    : path_(path), log_(log) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(path_, ignored)))
    user_error("{} exists already; remove it or choose another name, databases are not overwritten",
               path_);
  temporary_ = fmt::format("{}.part-{}", path_, getpid());
  const formats::DatabaseKind kind = formats::parse_database_kind(backend);
  writer_ = formats::DatabaseWriter::create(temporary_, kind);
  log_.info(fmt::format("Opened {} {}", backend, path_));
}

DatabaseBuild::~DatabaseBuild() {
  writer_.reset();
  std::error_code ignored;
  if (!temporary_.empty()) fs::remove_all(temporary_, ignored);
}

void DatabaseBuild::put(const std::string& key, const formats::proto::Datum& datum) {
  writer_->put(key, formats::serialize_datum(datum));
  if (++records_ % 1000) return;
  writer_->commit();
  log_.info(fmt::format("Processed {} files.", records_));
}

void DatabaseBuild::finish() {
  if (records_ % 1000) {
    writer_->commit();
    log_.info(fmt::format("Processed {} files.", records_));
  }
  writer_.reset();
  std::error_code error;
  fs::rename(temporary_, path_, error);
  if (error)
    environment_error("{}: the finished database cannot take its name: {}", path_, error.message());
  temporary_.clear();
}

}  // namespace trivium::tools
