// Version 2: the index maps names to where their bytes lie in the data files.
#include <map>
#include <mutex>

#include "trivium/formats/checkpoint_source.h"
#include "trivium/formats/crc32c.h"
#include "trivium/formats/table.h"
#include "trivium/formats/tf_messages.h"

namespace trivium::formats {
namespace {

constexpr int kVersion = 1;

/// Where the bytes of a tensor or a slice lie.
struct Place {
  int type = 0;
  int64_t shard = 0, offset = 0, size = 0;
  uint32_t masked_crc = 0;
};

class Bundle : public CheckpointReader::Source {
 public:
  Bundle(std::string name, std::string prefix) : Source(std::move(name)), prefix_(prefix) {}
  Bundle(std::string name, std::vector<Bytes> shards)
      : Source(std::move(name)), shards_(std::move(shards)) {}

  void read_index(Bytes index) {
    bool header_seen = false;
    TableReader(index, name()).for_each([&](std::string_view key, std::string_view value) {
      if (key.empty()) {
        read_header(value);
        header_seen = true;
      } else if (!header_seen) {
        user_error("{}: a checkpoint's header (the empty key) expected first, \"{}\" is there",
                   name(), key);
      } else {
        read_entry(std::string(key), value);
      }
    });
    if (!header_seen) user_error("{}: a checkpoint's header expected, the index is empty", name());
  }

  int version() const override { return 2; }

  Array piece(const CheckpointTensor& tensor, const TensorSlice* slice,
              const Shape& size) const override {
    const std::string text = where(tensor);
    const Place& place = slice ? slice_place(tensor, *slice) : places_.at(tensor.name);
    if (place.type != tensor.type)
      user_error("{}: a slice has the type {}, the tensor {}", text, tf_type_name(place.type),
                 tf_type_name(tensor.type));
    const Bytes bytes = bytes_of(place, text);
    check_crc(place, crc32c(bytes), text);
    const size_t element = tf_type_bytes(tensor.type);
    if (!big_endian_ || element == 1) return array_of_tf_bytes(bytes, tensor.type, size, text);
    std::string swapped(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    swap_bytes(swapped.data(), swapped.size() / element, element);
    return array_of_tf_bytes(as_bytes(swapped), tensor.type, size, text);
  }

  StringTensor strings(const CheckpointTensor& tensor) const override {
    const std::string text = where(tensor);
    if (!tensor.slices.empty() || big_endian_)
      user_error("{}: strings in one piece and little-endian expected", text);
    const Place& place = places_.at(tensor.name);
    uint32_t crc = 0;
    StringTensor out =
        unpack_strings(bytes_of(place, text), checkpoint_shape(tensor, text), &crc, text);
    check_crc(place, crc, text);
    return out;
  }

  void check_size(const CheckpointTensor& tensor, uint64_t bytes) const override {
    uint64_t stored = 0;
    if (tensor.slices.empty()) stored = shard(places_.at(tensor.name), where(tensor)).size();
    std::map<int64_t, uint64_t> shards;
    for (const TensorSlice& slice : tensor.slices) {
      const Place& place = slice_place(tensor, slice);
      if (shards.emplace(place.shard, 0).second) stored += shard(place, where(tensor)).size();
    }
    if (bytes > 4 * stored)  // of a widened type up to half is not in the file
      user_error("{}: it takes {} bytes, its data files have {}", where(tensor), bytes, stored);
  }

 private:
  void read_header(std::string_view value) {
    tf_proto::BundleHeaderProto header;
    parse_tf_binary(as_bytes(value), name() + ": header", "a BundleHeaderProto", &header);
    if (header.num_shards() < 1)
      user_error("{}: header: at least one data file expected, it says {}", name(),
                 header.num_shards());
    if (header.version().min_consumer() > kVersion)
      user_error("{}: header: version {} of the format is needed, this reader knows {}", name(),
                 header.version().min_consumer(), kVersion);
    num_shards_ = header.num_shards();
    big_endian_ = header.endianness() == tf_proto::BundleHeaderProto::BIG;
  }

  void read_entry(std::string key, std::string_view value) {
    tf_proto::BundleEntryProto entry;
    parse_tf_binary(as_bytes(value), fmt::format("{}: entry \"{}\"", name(), key),
                    "a BundleEntryProto", &entry);
    places_.emplace(
        key, Place{entry.dtype(), entry.shard_id(), entry.offset(), entry.size(), entry.crc32c()});
    if (key[0] == '\0') return;  // a slice, found by the key its tensor gives it
    CheckpointTensor tensor;
    tensor.name = std::move(key);
    tensor.type = entry.dtype();
    for (const auto& dim : entry.shape().dim()) tensor.shape.push_back(dim.size());
    for (const auto& slice : entry.slices()) tensor.slices.push_back(slice_of_proto(slice));
    tensors.push_back(std::move(tensor));
  }

  const Place& slice_place(const CheckpointTensor& tensor, const TensorSlice& slice) const {
    const auto found = places_.find(slice_key(tensor.name, slice));
    if (found == places_.end())
      user_error("{}: one of its {} slices is not in the index", where(tensor),
                 tensor.slices.size());
    return found->second;
  }

  /// The data file an entry points into; files stay open once they were needed.
  Bytes shard(const Place& place, const std::string& text) const {
    if (place.shard < 0 || place.shard >= num_shards_)
      user_error("{}: data file {} of {}", text, place.shard, num_shards_);
    if (prefix_.empty()) {
      if (static_cast<size_t>(place.shard) >= shards_.size())
        user_error("{}: data file {} is not there", text, place.shard);
      return shards_[static_cast<size_t>(place.shard)];
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    auto& file = files_[place.shard];
    if (!file)
      file = std::make_unique<MappedFile>(
          shard_path(prefix_, static_cast<int>(place.shard), num_shards_));
    return file->bytes();
  }

  Bytes bytes_of(const Place& place, const std::string& text) const {
    const Bytes data = shard(place, text);
    if (place.offset < 0 || place.size < 0 || static_cast<uint64_t>(place.offset) > data.size() ||
        static_cast<uint64_t>(place.size) > data.size() - static_cast<uint64_t>(place.offset))
      user_error("{}: {} bytes at {} of data file {}, which has {}: cut short or another one", text,
                 place.size, place.offset, place.shard, data.size());
    return data.subspan(static_cast<size_t>(place.offset), static_cast<size_t>(place.size));
  }

  static void check_crc(const Place& place, uint32_t crc, const std::string& text) {
    if (place.masked_crc != mask_crc(crc))
      user_error("{}: checksum {:08x} expected, the data has {:08x}: data and index differ", text,
                 unmask_crc(place.masked_crc), crc);
  }

  std::string prefix_;
  std::vector<Bytes> shards_;
  int num_shards_ = 0;
  bool big_endian_ = false;
  std::map<std::string, Place> places_;
  mutable std::mutex mutex_;  ///< guards files_
  mutable std::map<int64_t, std::unique_ptr<MappedFile>> files_;
};

}  // namespace

std::unique_ptr<CheckpointReader::Source> open_bundle(const std::string& prefix) {
  const MappedFile index(prefix + ".index");
  auto bundle = std::make_unique<Bundle>(index.path(), prefix);
  bundle->read_index(index.bytes());
  return bundle;
}

std::unique_ptr<CheckpointReader::Source> open_bundle(Bytes index, std::vector<Bytes> shards,
                                                      const std::string& name) {
  auto bundle = std::make_unique<Bundle>(name, std::move(shards));
  bundle->read_index(index);
  return bundle;
}

}  // namespace trivium::formats
