// TensorFlow's checkpoints: named tensors. The files of version 2 ("<prefix>.index" and
// "<prefix>.data-00000-of-00001" …) are read and written, those of version 1 ("<prefix>" itself, or
// "<prefix>-00000-of-00001" …) are read.
//
//   const CheckpointReader checkpoint("model.ckpt-1000");
//   for (const auto& tensor : checkpoint.tensors()) Array value = checkpoint.read(tensor.name);
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/formats/file.h"
#include "trivium/formats/table_coding.h"
#include "trivium/formats/tf_tensor.h"

namespace trivium::formats {

struct CheckpointTensor {
  std::string name;
  int type = 0;  ///< a tf_proto::DataType
  std::vector<int64_t> shape = {};
  std::vector<TensorSlice> slices =
      {};  ///< how a partitioned tensor is stored; empty: in one piece
};

class CheckpointReader {
 public:
  /// Opens version 2 when "<prefix>.index" exists, version 1 otherwise. Data files are opened when
  /// they are needed. EnvironmentError when there is no such checkpoint, UserError when it is
  /// broken.
  explicit CheckpointReader(const std::string& prefix);
  /// Version 2 from memory that outlives the object; `shards` are the data files.
  CheckpointReader(Bytes index, std::vector<Bytes> shards, const std::string& name);
  /// Version 1 from memory that outlives the object.
  CheckpointReader(Bytes table, const std::string& name);
  ~CheckpointReader();
  CheckpointReader(CheckpointReader&&) noexcept;

  int version() const;  ///< 1 or 2
  /// In the order of their names.
  const std::vector<CheckpointTensor>& tensors() const;
  /// Null for an unknown name.
  const CheckpointTensor* find(const std::string& name) const;

  /// A copy of one tensor, put together when it is partitioned; its checksum is checked. dtypes as
  /// in dtype_of_tf. UserError for an unknown name (with the nearest one), for strings and types
  /// no Array holds, and for what is broken.
  Array read(const std::string& name) const;
  /// The part of a tensor that `slice` names; an extent without a length is the whole axis.
  Array read_slice(const std::string& name, const TensorSlice& slice) const;
  /// A tensor of strings.
  StringTensor read_strings(const std::string& name) const;

  /// What a version of the format knows how to do; see checkpoint_source.h.
  class Source;

 private:
  const CheckpointTensor& wanted(const std::string& name) const;
  std::unique_ptr<Source> source_;
};

/// Writes version 2, byte for byte as TensorFlow does. Arrays are not copied: they must not change
/// until finish().
class CheckpointWriter {
 public:
  /// `shards` data files; tensors are spread over them in the order of their names.
  explicit CheckpointWriter(std::string prefix, int shards = 1);
  ~CheckpointWriter();

  /// UserError for an empty name and for one that was added before.
  void add(const std::string& name, const Array& value);
  void add_strings(const std::string& name, StringTensor value);
  /// One slice of the partitioned tensor `name` of shape `full`. finish() checks that the slices
  /// of a tensor fill it.
  void add_slice(const std::string& name, const Shape& full, const TensorSlice& slice,
                 const Array& part);
  /// Writes the data files, then the index; each takes its name in one step, and missing
  /// directories are made. EnvironmentError when that fails.
  void finish();

 private:
  struct Entry;
  struct Partitioned;
  std::string prefix_;
  int shards_;
  std::map<std::string, std::unique_ptr<Entry>> entries_;  ///< by key
  std::map<std::string, std::unique_ptr<Partitioned>> partitioned_;
};

}  // namespace trivium::formats
