// safetensors: a JSON header of names, dtypes, shapes and byte ranges, then the bytes. The header
// is checked completely when a file is opened; tensors are read when asked for.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/formats/file.h"

namespace trivium::formats {

struct SafetensorsInfo {
  std::string dtype;  ///< as in the file: "F32", "BF16", …
  std::vector<uint64_t> shape;
  uint64_t begin = 0, end = 0;  ///< bytes in the data buffer
};

class SafetensorsFile {
 public:
  /// Maps the file and checks its header: UserError when any rule of the format is broken (names
  /// given twice, holes, overlaps, sizes that do not fit the shape, bytes left over, …).
  explicit SafetensorsFile(const std::string& path);
  /// From memory that outlives the object.
  SafetensorsFile(Bytes bytes, std::string name);

  /// Names in the order of the data.
  const std::vector<std::string>& names() const { return names_; }
  /// Null for an unknown name.
  const SafetensorsInfo* find(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  /// A copy of one tensor. F16, BF16, F32, F64, I8 to I64, U8 and BOOL keep their type, U16 becomes
  /// int32, U32 and U64 become int64 (UserError when a value does not fit). A name that is only in
  /// the metadata, with a tensor's name as its value, is an alias of that tensor. UserError for an
  /// unknown name (with the nearest one), for other dtypes and for more than Shape::kMaxRank axes.
  Array read(const std::string& name) const;
  /// The rows [from, to) of the first axis; UserError when there are no such rows.
  Array read_rows(const std::string& name, uint64_t from, uint64_t to) const;

 private:
  void parse();
  const SafetensorsInfo& info_of(const std::string& name) const;
  Array copy(const std::string& name, const SafetensorsInfo& info) const;

  std::shared_ptr<MappedFile> file_;
  Bytes bytes_;
  std::string name_;
  uint64_t data_start_ = 0;
  std::vector<std::string> names_;
  std::map<std::string, SafetensorsInfo> infos_;
  std::map<std::string, std::string> metadata_;
};

/// All tensors of a file, in the order of its data; then the aliases that the metadata names, which
/// share the memory of the tensor they stand for.
std::vector<std::pair<std::string, Array>> load_safetensors(const std::string& path);

/// Writes tensors as the reference writer lays them out: by alignment of the dtype, then by name;
/// the header is padded to 8 bytes. Of arrays that are the same memory (tied weights) only the
/// first is written, and the metadata maps the name of each other one to it. The file is replaced
/// in one step. UserError for a name given twice, "__metadata__", or text that is not UTF-8.
void save_safetensors(const std::string& path,
                      const std::vector<std::pair<std::string, Array>>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

}  // namespace trivium::formats
