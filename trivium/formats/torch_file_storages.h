// Storages named by persistent ids while a torch file's pickle is read. Shared by the ZIP reader
// (torch_file.cc) and the stream reader (torch_file_legacy.cc).
#pragma once

#include <memory>
#include <string>

#include "trivium/formats/pickle_value.h"
#include "trivium/formats/torch_file.h"

namespace trivium::formats {

/// ('storage', type, key, location, count[, view]) taken apart and checked.
struct StorageId {
  ElementType type = ElementType::f32;
  bool untyped = false;
  std::string key, location;
  int64_t count = 0;
  PickleValue view;  ///< none, or (key, offset, count): a part under a key of its own
};
StorageId parse_storage_id(const PickleValue& id, const std::string& where);

/// Copies `data` into a Buffer of the storage, turned to little-endian, booleans made 0 or 1.
void fill_storage(TorchStorage* storage, Bytes data, bool big_endian);

TorchValue parse_torch_zip(Bytes bytes, const std::string& name, const PickleOptions& options);
TorchValue parse_torch_stream(Bytes bytes, const std::string& name, const PickleOptions& options);

/// The first bytes of a stream: a pickle of the magic number.
inline constexpr std::string_view kStreamMagic{
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", 15};

}  // namespace trivium::formats
