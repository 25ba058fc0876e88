// The makers behind Database::open and DatabaseWriter::create, one pair a backend.
#pragma once

#include "trivium/formats/db.h"
#include "trivium/formats/file.h"

namespace trivium::formats {

std::unique_ptr<Database> open_lmdb(const std::string& data_file);
/// From memory that outlives the cursor (fuzzing).
std::unique_ptr<Database> open_lmdb(Bytes bytes, const std::string& name);
std::unique_ptr<DatabaseWriter> create_lmdb(const std::string& path);
std::unique_ptr<Database> open_leveldb(const std::string& path);
std::unique_ptr<DatabaseWriter> create_leveldb(const std::string& path);

}  // namespace trivium::formats
