// Writing version 2: all pieces in the order of their keys, then the index.
#include <algorithm>
#include <filesystem>
#include <map>

#include "trivium/formats/checkpoint_slices.h"
#include "trivium/formats/checkpoint_source.h"
#include "trivium/formats/crc32c.h"
#include "trivium/formats/table.h"
#include "trivium/formats/tf_messages.h"

namespace trivium::formats {

/// What one key stands for: bytes in memory until they lie in a data file.
struct CheckpointWriter::Entry {
  tf_proto::BundleEntryProto proto;
  Array array;         ///< the bytes, or
  std::string packed;  ///< those of strings
  bool has_data = true;
  Bytes bytes() const {
    if (!array.defined()) return as_bytes(packed);
    return {static_cast<const uint8_t*>(array.raw()), array.bytes()};
  }
};

struct CheckpointWriter::Partitioned {
  Shape shape;
  DType dtype;
  std::vector<SliceBox> boxes;
  Entry* entry;  ///< of the whole tensor
};

CheckpointWriter::CheckpointWriter(std::string prefix, int shards)
    : prefix_(std::move(prefix)), shards_(shards) {
  if (shards < 1 || shards > 99999)
    user_error("checkpoint {}: 1 to 99999 data files expected, {} asked for", prefix_, shards);
}

CheckpointWriter::~CheckpointWriter() = default;

namespace {

template <typename Entries, typename Entry>
void insert(Entries* entries, const std::string& key, std::unique_ptr<Entry> entry,
            const std::string& prefix, const std::string& name) {
  if (!entries->emplace(key, std::move(entry)).second)
    user_error("checkpoint {}: \"{}\" is added twice", prefix, name);
}

void check_name(const std::string& name, const std::string& prefix) {
  if (name.empty() || name[0] == '\0')
    user_error("checkpoint {}: a name expected for every tensor", prefix);
}

std::string slice_text(const TensorSlice& slice) {
  std::string text;
  for (const SliceExtent& extent : slice)
    text +=
        fmt::format("{}{},{}", text.empty() ? "" : ":", extent.start, extent.length.value_or(-1));
  return text;
}

}  // namespace

void CheckpointWriter::add(const std::string& name, const Array& value) {
  check_name(name, prefix_);
  if (!value.defined()) user_error("checkpoint {}: \"{}\" has no value", prefix_, name);
  auto entry = std::make_unique<Entry>();
  entry->proto.set_dtype(tf_type_of(value.dtype()));
  *entry->proto.mutable_shape() = tf_shape_of(value.shape());
  entry->array = value;
  insert(&entries_, name, std::move(entry), prefix_, name);
}

void CheckpointWriter::add_strings(const std::string& name, StringTensor value) {
  check_name(name, prefix_);
  if (static_cast<int64_t>(value.values.size()) != value.shape.count())
    user_error("checkpoint {}: \"{}\": {} strings given, shape {} holds {}", prefix_, name,
               value.values.size(), value.shape.text(), value.shape.count());
  auto entry = std::make_unique<Entry>();
  entry->proto.set_dtype(tf_proto::DT_STRING);
  *entry->proto.mutable_shape() = tf_shape_of(value.shape);
  uint32_t crc = 0;
  entry->packed = pack_strings(value, &crc);
  entry->proto.set_crc32c(mask_crc(crc));
  insert(&entries_, name, std::move(entry), prefix_, name);
}

void CheckpointWriter::add_slice(const std::string& name, const Shape& full,
                                 const TensorSlice& slice, const Array& part) {
  check_name(name, prefix_);
  const std::string where = fmt::format("checkpoint {}: \"{}\"", prefix_, name);
  const SliceBox box = slice_box(slice, full, where);
  if (!part.defined() || !(part.shape() == box.size))
    user_error("{}: slice {}: {} expected, the value is {}", where, slice_text(slice),
               box.size.text(), part.defined() ? part.text() : "missing");
  auto known = partitioned_.find(name);
  if (known == partitioned_.end()) {
    auto whole = std::make_unique<Entry>();
    whole->proto.set_dtype(tf_type_of(part.dtype()));
    *whole->proto.mutable_shape() = tf_shape_of(full);
    whole->has_data = false;
    Entry* entry = whole.get();
    insert(&entries_, name, std::move(whole), prefix_, name);
    auto tensor = std::make_unique<Partitioned>(Partitioned{full, part.dtype(), {}, entry});
    known = partitioned_.emplace(name, std::move(tensor)).first;
  }
  Partitioned& tensor = *known->second;
  if (!(tensor.shape == full) || tensor.dtype != part.dtype())
    user_error("{}: slices of {} {} expected, one of {} {} is added", where, name_of(tensor.dtype),
               tensor.shape.text(), name_of(part.dtype()), full.text());
  auto entry = std::make_unique<Entry>();
  entry->proto.set_dtype(tf_type_of(part.dtype()));
  *entry->proto.mutable_shape() = tf_shape_of(part.shape());
  entry->array = part;
  insert(&entries_, slice_key(name, slice), std::move(entry), prefix_,
         name + " " + slice_text(slice));
  tensor.boxes.push_back(box);
  *tensor.entry->proto.add_slices() = proto_of_slice(slice);
}

void CheckpointWriter::finish() {
  for (const auto& tensor : partitioned_)
    check_tiling(tensor.second->boxes, tensor.second->shape,
                 fmt::format("checkpoint {}: \"{}\"", prefix_, tensor.first));
  const std::string parent = std::filesystem::path(prefix_).parent_path().string();
  std::error_code code;
  if (!parent.empty()) std::filesystem::create_directories(parent, code);
  if (code) environment_error("{}: cannot make the directory: {}", parent, code.message());
  uint64_t total = 0;
  for (const auto& entry : entries_) total += entry.second->bytes().size();
  uint64_t done = 0;
  auto next = entries_.begin();
  for (int shard = 0; shard < shards_; ++shard) {
    // Shard i ends where the (i + 1)/n-th part of all bytes does.
    const uint64_t end = total / static_cast<uint64_t>(shards_) * static_cast<uint64_t>(shard + 1);
    write_file_atomically(shard_path(prefix_, shard, shards_), [&](FileSink& sink) {
      for (; next != entries_.end() && (shard + 1 == shards_ || done < end); ++next) {
        Entry& entry = *next->second;
        if (!entry.has_data) continue;
        const Bytes bytes = entry.bytes();
        entry.proto.set_shard_id(shard);
        entry.proto.set_offset(static_cast<int64_t>(sink.written()));
        entry.proto.set_size(static_cast<int64_t>(bytes.size()));
        if (entry.array.defined()) entry.proto.set_crc32c(masked_crc32c(bytes));
        sink.write(bytes.data(), bytes.size());
        done += bytes.size();
      }
    });
  }
  TableBuilder table;
  tf_proto::BundleHeaderProto header;
  header.set_num_shards(shards_);
  header.mutable_version()->set_producer(1);
  table.add("", serialize_tf(header, prefix_));
  for (const auto& entry : entries_)
    table.add(entry.first, serialize_tf(entry.second->proto, prefix_));
  write_file_atomically(prefix_ + ".index", table.finish());
}

}  // namespace trivium::formats
