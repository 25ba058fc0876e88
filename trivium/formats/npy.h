// NumPy's .npy and .npz. Headers are parsed by a tiny literal parser, nothing is evaluated, and
// arrays of Python objects are refused.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/formats/file.h"
#include "trivium/formats/zip.h"

namespace trivium::formats {

inline constexpr uint64_t kMaxNpyBytes = uint64_t{1} << 33;

/// Reads one array. bool, int8-64, uint8, float16-64 keep their dtype; uint16 becomes int32, uint32
/// and uint64 become int64 (UserError when a value does not fit); big-endian and Fortran-ordered
/// files are turned round. Data longer than the shape needs is ignored, as NumPy does.
Array read_npy(const std::string& path, uint64_t max_bytes = kMaxNpyBytes);
Array parse_npy(Bytes bytes, const std::string& name, uint64_t max_bytes = kMaxNpyBytes);

/// The header (version 1.0, 64-byte aligned) and data of `array` as .npy bytes.
std::string npy_header(const Array& array);
void write_npy(const std::string& path, const Array& array);

/// An .npz archive: arrays by name, read on demand from a mapped file; stored and deflated members,
/// ZIP64 included. A member's checksum is verified when it is read.
class NpzFile {
 public:
  explicit NpzFile(const std::string& path, uint64_t max_bytes = kMaxNpyBytes);
  /// From memory that outlives the object.
  NpzFile(Bytes bytes, std::string name, uint64_t max_bytes = kMaxNpyBytes);

  /// Names without ".npy", in archive order.
  const std::vector<std::string>& names() const { return names_; }
  bool contains(const std::string& name) const { return zip_.find(name + ".npy") != nullptr; }
  /// UserError for an unknown name (with the nearest one) or a broken member.
  Array read(const std::string& name) const;

 private:
  void index();

  std::shared_ptr<MappedFile> file_;
  ZipReader zip_;
  uint64_t max_bytes_;
  std::vector<std::string> names_;
};

/// All arrays of an .npz; together at most `max_bytes`.
std::map<std::string, Array> read_npz(const std::string& path, uint64_t max_bytes = kMaxNpyBytes);
/// Writes an .npz with stored members, in the order given. UserError for a name given twice.
void write_npz(const std::string& path, const std::vector<std::pair<std::string, Array>>& arrays);

}  // namespace trivium::formats
