// The inside of CheckpointReader: a list of tensors, and how to read a stored piece of one.
#pragma once

#include <string>
#include <vector>

#include "trivium/formats/checkpoint_file.h"
#include "trivium/formats/proto/tf_saved.pb.h"

namespace trivium::formats {

class CheckpointReader::Source {
 public:
  virtual ~Source() = default;
  virtual int version() const = 0;
  /// The stored piece `slice` of a tensor, or all of it when `slice` is null and it has no slices.
  virtual Array piece(const CheckpointTensor& tensor, const TensorSlice* slice,
                      const Shape& size) const = 0;
  virtual StringTensor strings(const CheckpointTensor& tensor) const = 0;
  /// UserError when a tensor cannot be in the files because it takes too many bytes.
  virtual void check_size(const CheckpointTensor& tensor, uint64_t bytes) const = 0;
  const std::string& name() const { return name_; }

  std::vector<CheckpointTensor> tensors;  ///< sorted by name

 protected:
  explicit Source(std::string name) : name_(std::move(name)) {}
  std::string where(const CheckpointTensor& tensor) const {
    return fmt::format("{}: tensor \"{}\"", name_, tensor.name);
  }

 private:
  std::string name_;
};

std::unique_ptr<CheckpointReader::Source> open_bundle(const std::string& prefix);
std::unique_ptr<CheckpointReader::Source> open_bundle(Bytes index, std::vector<Bytes> shards,
                                                      const std::string& name);
/// The files of a checkpoint of version 1.
std::unique_ptr<CheckpointReader::Source> open_checkpoint_v1(const std::vector<std::string>& paths,
                                                             const std::string& prefix);
std::unique_ptr<CheckpointReader::Source> open_checkpoint_v1(Bytes table, const std::string& name);
/// "<prefix>" or "<prefix>-00000-of-00002" …; empty when there is none.
std::vector<std::string> checkpoint_v1_files(const std::string& prefix);

TensorSlice slice_of_proto(const tf_proto::TensorSliceProto& slice);
tf_proto::TensorSliceProto proto_of_slice(const TensorSlice& slice);
/// Shape::kMaxRank is checked when a tensor is read, so that others stay readable.
Shape checkpoint_shape(const CheckpointTensor& tensor, const std::string& where);
/// "<prefix>.data-00000-of-00001"
std::string shard_path(const std::string& prefix, int shard, int shards);

/// How a string tensor lies in a data file: lengths, a checksum of them, the bytes. Gives the
/// entry's checksum (not masked).
std::string pack_strings(const StringTensor& strings, uint32_t* crc);
StringTensor unpack_strings(Bytes bytes, const Shape& shape, uint32_t* crc,
                            const std::string& where);

}  // namespace trivium::formats
