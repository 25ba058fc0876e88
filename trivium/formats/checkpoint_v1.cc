// Version 1: one table holds both what tensors there are (under the empty key) and, under a key a
// slice, their values.
#include <algorithm>
#include <filesystem>

#include "trivium/formats/checkpoint_source.h"
#include "trivium/formats/table.h"
#include "trivium/formats/tf_messages.h"

namespace trivium::formats {
namespace {

constexpr int kVersion = 1;
/// A number is written in one byte or more and takes 16 at most; a string of two bytes takes 32.
constexpr uint64_t kMaxValueRatio = 16;
/// Snappy packs 22 bytes into one.
constexpr uint64_t kMaxRatio = 22 * kMaxValueRatio;

struct V1File {
  std::unique_ptr<MappedFile> map;  ///< null for bytes in memory
  Bytes bytes;
  std::string name;
  std::unique_ptr<TableReader> table;
};

class CheckpointV1 : public CheckpointReader::Source {
 public:
  explicit CheckpointV1(std::string name) : Source(std::move(name)) {}

  void add_file(std::unique_ptr<MappedFile> map, Bytes bytes, const std::string& name) {
    auto table = std::make_unique<TableReader>(bytes, name);
    const auto head = table->find("");
    if (!head)
      user_error("{}: a checkpoint's list of tensors (the empty key) expected, it is missing",
                 name);
    tf_proto::SavedTensorSlices slices;
    parse_tf_binary(as_bytes(*head), name + ": list of tensors", "a SavedTensorSlices", &slices);
    if (slices.meta().versions().min_consumer() > kVersion)
      user_error("{}: version {} of the format is needed, this reader knows {}", name,
                 slices.meta().versions().min_consumer(), kVersion);
    for (const auto& meta : slices.meta().tensor()) add_tensor(meta, name);
    files_.push_back({std::move(map), bytes, name, std::move(table)});
  }

  /// Sorts the tensors and joins what several files say about one.
  void finish() {
    std::stable_sort(tensors.begin(), tensors.end(),
                     [](const auto& a, const auto& b) { return a.name < b.name; });
    std::vector<CheckpointTensor> joined;
    for (CheckpointTensor& tensor : tensors) {
      if (joined.empty() || joined.back().name != tensor.name) {
        joined.push_back(std::move(tensor));
        continue;
      }
      CheckpointTensor& known = joined.back();
      if (known.type != tensor.type || known.shape != tensor.shape)
        user_error("{}: tensor \"{}\" has two shapes or types", name(), tensor.name);
      known.slices.insert(known.slices.end(), tensor.slices.begin(), tensor.slices.end());
    }
    tensors = std::move(joined);
  }

  int version() const override { return 1; }

  Array piece(const CheckpointTensor& tensor, const TensorSlice* slice,
              const Shape& size) const override {
    uint64_t budget = 0;
    tf_proto::TensorProto data = data_of(tensor, slice, &budget);
    *data.mutable_tensor_shape() = tf_shape_of(size);
    return tensor_to_array(data, where(tensor), budget);
  }

  StringTensor strings(const CheckpointTensor& tensor) const override {
    if (tensor.slices.size() != 1) user_error("{}: strings in one piece expected", where(tensor));
    uint64_t budget = 0;
    tf_proto::TensorProto data = data_of(tensor, &tensor.slices[0], &budget);
    *data.mutable_tensor_shape() = tf_shape_of(checkpoint_shape(tensor, where(tensor)));
    return tensor_to_strings(data, where(tensor), budget);
  }

  void check_size(const CheckpointTensor& tensor, uint64_t bytes) const override {
    uint64_t stored = 0;
    for (const V1File& file : files_) stored += file.bytes.size();
    if (bytes > kMaxRatio * stored)
      user_error("{}: it takes {} bytes, the files have {}", where(tensor), bytes, stored);
  }

 private:
  void add_tensor(const tf_proto::SavedSliceMeta& meta, const std::string& file) {
    CheckpointTensor tensor;
    tensor.name = meta.name();
    tensor.type = meta.type();
    for (const auto& dim : meta.shape().dim()) tensor.shape.push_back(dim.size());
    for (const auto& slice : meta.slice()) tensor.slices.push_back(slice_of_proto(slice));
    if (tensor.slices.empty()) user_error("{}: tensor \"{}\" has no slices", file, tensor.name);
    tensors.push_back(std::move(tensor));
  }

  /// The values of a slice. `budget`: the most memory that many bytes can stand for.
  tf_proto::TensorProto data_of(const CheckpointTensor& tensor, const TensorSlice* slice,
                                uint64_t* budget) const {
    if (!slice) internal_error("{}: a piece of a version 1 tensor is a slice", where(tensor));
    const std::string key = slice_key(tensor.name, *slice);
    for (const V1File& file : files_) {
      const auto value = file.table->find(key);
      if (!value) continue;
      tf_proto::SavedTensorSlices slices;
      parse_tf_binary(as_bytes(*value), where(tensor), "a SavedTensorSlices", &slices);
      if (slices.data().name() != tensor.name)
        user_error("{}: its entry is that of \"{}\"", where(tensor), slices.data().name());
      *budget = kMaxValueRatio * value->size();
      tf_proto::TensorProto data = std::move(*slices.mutable_data()->mutable_data());
      data.set_dtype(static_cast<tf_proto::DataType>(tensor.type));
      return data;
    }
    user_error("{}: one of its {} slices has no values", where(tensor), tensor.slices.size());
  }

  std::vector<V1File> files_;
};

}  // namespace

std::vector<std::string> checkpoint_v1_files(const std::string& prefix) {
  namespace fs = std::filesystem;
  std::error_code code;
  if (fs::is_regular_file(prefix, code)) return {prefix};
  const fs::path path(prefix);
  const std::string start = path.filename().string() + "-";
  std::vector<std::string> files;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (fs::directory_iterator entry(folder, code), end; !code && entry != end;
       entry.increment(code)) {
    const std::string name = entry->path().filename().string();
    // "<prefix>-00000-of-00002"
    if (name.size() == start.size() + 14 && name.compare(0, start.size(), start) == 0 &&
        name.compare(start.size() + 5, 4, "-of-") == 0)
      files.push_back(entry->path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::unique_ptr<CheckpointReader::Source> open_checkpoint_v1(const std::vector<std::string>& paths,
                                                             const std::string& prefix) {
  auto source = std::make_unique<CheckpointV1>(prefix);
  for (const std::string& path : paths) {
    auto map = std::make_unique<MappedFile>(path);
    const Bytes bytes = map->bytes();
    source->add_file(std::move(map), bytes, path);
  }
  source->finish();
  return source;
}

std::unique_ptr<CheckpointReader::Source> open_checkpoint_v1(Bytes table, const std::string& name) {
  auto source = std::make_unique<CheckpointV1>(name);
  source->add_file(nullptr, table, name);
  source->finish();
  return source;
}

}  // namespace trivium::formats
