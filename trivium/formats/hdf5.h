// HDF5, the container of Caffe's .h5 data and snapshots and of Keras weights.
//
// Reading is Trivium's own, because libhdf5 trusts its input and crashes on damaged files: every
// address, size and count is checked. It covers what h5py, Caffe and Keras write by default: groups
// of either generation (up to the point where a group turns to "dense" storage), integers, floats
// and texts, contiguous, compact or chunked, with the deflate, shuffle and fletcher32 filters.
// Anything else is a UserError that says so. Writing goes through libhdf5.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/formats/file.h"

namespace trivium::formats {

inline constexpr uint64_t kMaxHdf5Bytes = uint64_t{1} << 31;

/// True for the eight bytes that begin an HDF5 file.
bool is_hdf5(Bytes start);

class Hdf5File {
 public:
  /// Opens and checks the superblock. No dataset larger than `max_bytes` will be read.
  /// EnvironmentError when the file cannot be read, UserError when it is no HDF5 file.
  explicit Hdf5File(const std::string& path, uint64_t max_bytes = kMaxHdf5Bytes);
  /// From memory that outlives the object; `name` stands for the file in errors.
  Hdf5File(Bytes bytes, std::string name, uint64_t max_bytes = kMaxHdf5Bytes);
  ~Hdf5File();
  Hdf5File(Hdf5File&&) noexcept;

  /// Paths are "/a/b", "a/b" or "/"; names cannot hold a slash.
  bool exists(const std::string& path) const;
  bool is_group(const std::string& path) const;
  bool is_dataset(const std::string& path) const;
  /// Names directly in a group, in byte order.
  std::vector<std::string> children(const std::string& group) const;
  /// Paths of all groups or datasets below the root, each object once, in order of the names.
  std::vector<std::string> all_groups() const;
  std::vector<std::string> all_datasets() const;

  /// Sizes of a dataset; rank 0 for a scalar.
  Shape shape(const std::string& dataset) const;
  /// The whole dataset. Integers of 1 to 8 bytes and floats of 2, 4 and 8 keep their type, except
  /// that uint16 becomes int32 and uint32, uint64 become int64 (UserError when a value does not
  /// fit). UserError naming dataset and byte when it is missing, too large, of another type or
  /// broken.
  Array read(const std::string& dataset) const;
  /// A scalar text dataset of fixed or variable length.
  std::string read_string(const std::string& dataset) const;

  const std::string& name() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Fills a new file. Parents of a path are created as needed; a path written twice is a UserError.
class Hdf5Writer {
 public:
  /// Creates or truncates `path`. UserError in a build without HDF5, EnvironmentError when the file
  /// cannot be created. For snapshots use write_hdf5 below.
  explicit Hdf5Writer(const std::string& path);
  ~Hdf5Writer();
  Hdf5Writer(const Hdf5Writer&) = delete;
  Hdf5Writer& operator=(const Hdf5Writer&) = delete;

  void group(const std::string& path);
  /// Any dtype but bf16; bool is stored as int8.
  void dataset(const std::string& path, const Array& array);
  /// A scalar dataset of a null-terminated text.
  void string(const std::string& path, const std::string& text);
  /// An int32 dataset of shape [1], as Caffe stores `iter`.
  void integer(const std::string& path, int value);
  /// Writes everything out; called by the destructor too, but errors show only here.
  void close();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Writes a file by `fill` and puts it in place of `path` only when complete (see file.h).
void write_hdf5(const std::string& path, const std::function<void(Hdf5Writer&)>& fill);

}  // namespace trivium::formats
