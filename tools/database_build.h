// Filling a new database of images so that it is there whole or not at all.
#pragma once

#include <memory>
#include <string>

#include "tools/glog.h"
#include "trivium/formats/datum.h"
#include "trivium/formats/db.h"

namespace trivium::tools {

class DatabaseBuild {
 public:
  /// UserError when `path` exists. Records go to a directory beside it that takes the name in
  /// finish().
  DatabaseBuild(const std::string& path, const std::string& backend, Glog& log);
  /// Without finish(), everything written is removed.
  ~DatabaseBuild();

  /// Adds a record; every 1000 they are committed and counted in the log.
  void put(const std::string& key, const formats::proto::Datum& datum);
  void finish();
  int64_t records() const { return records_; }

 private:
  std::string path_, temporary_;
  Glog& log_;
  std::unique_ptr<formats::DatabaseWriter> writer_;
  int64_t records_ = 0;
};

}  // namespace trivium::tools
