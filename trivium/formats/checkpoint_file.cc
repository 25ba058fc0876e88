// Reading tensors from either version: whole ones as they are stored, partitioned ones from boxes.
#include "trivium/formats/checkpoint_file.h"

#include <algorithm>

#include "trivium/formats/checkpoint_slices.h"
#include "trivium/formats/checkpoint_source.h"

namespace trivium::formats {
namespace {

std::unique_ptr<CheckpointReader::Source> open_any(const std::string& prefix) {
  if (file_exists(prefix + ".index")) return open_bundle(prefix);
  const std::vector<std::string> files = checkpoint_v1_files(prefix);
  if (files.empty())
    environment_error("{}: no checkpoint there: neither \"{}.index\" nor \"{}\" exists", prefix,
                      prefix, prefix);
  return open_checkpoint_v1(files, prefix);
}

uint64_t bytes_of(const Shape& shape, int type, const std::string& where) {
  const auto dtype = dtype_of_tf(type);
  if (!dtype)
    user_error("{}: numbers that an Array can hold expected, the type is {}{}", where,
               tf_type_name(type), type == tf_proto::DT_STRING ? "; use read_strings" : "");
  return static_cast<uint64_t>(shape.count()) * size_of(*dtype);
}

}  // namespace

CheckpointReader::CheckpointReader(const std::string& prefix) : source_(open_any(prefix)) {}
CheckpointReader::CheckpointReader(Bytes index, std::vector<Bytes> shards, const std::string& name)
    : source_(open_bundle(index, std::move(shards), name)) {}
CheckpointReader::CheckpointReader(Bytes table, const std::string& name)
    : source_(open_checkpoint_v1(table, name)) {}
CheckpointReader::~CheckpointReader() = default;
CheckpointReader::CheckpointReader(CheckpointReader&&) noexcept = default;

int CheckpointReader::version() const { return source_->version(); }
const std::vector<CheckpointTensor>& CheckpointReader::tensors() const { return source_->tensors; }

const CheckpointTensor* CheckpointReader::find(const std::string& name) const {
  const auto& all = source_->tensors;
  const auto found = std::lower_bound(
      all.begin(), all.end(), name,
      [](const CheckpointTensor& tensor, const std::string& n) { return tensor.name < n; });
  return found != all.end() && found->name == name ? &*found : nullptr;
}

const CheckpointTensor& CheckpointReader::wanted(const std::string& name) const {
  if (const CheckpointTensor* tensor = find(name)) return *tensor;
  std::vector<std::string> names;
  for (const CheckpointTensor& tensor : tensors()) names.push_back(tensor.name);
  const std::string near = name.size() > 200 ? "" : closest_match(name, names);
  user_error("{}: Key {} not found in checkpoint of {} tensors{}", source_->name(), name,
             names.size(), near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near));
}

Array CheckpointReader::read(const std::string& name) const {
  const CheckpointTensor& tensor = wanted(name);
  if (!tensor.slices.empty()) return read_slice(name, TensorSlice(tensor.shape.size()));
  const std::string where = fmt::format("{}: tensor \"{}\"", source_->name(), name);
  const Shape shape = checkpoint_shape(tensor, where);
  bytes_of(shape, tensor.type, where);
  return source_->piece(tensor, nullptr, shape);
}

Array CheckpointReader::read_slice(const std::string& name, const TensorSlice& slice) const {
  const CheckpointTensor& tensor = wanted(name);
  const std::string where = fmt::format("{}: tensor \"{}\"", source_->name(), name);
  const Shape shape = checkpoint_shape(tensor, where);
  const SliceBox box = slice_box(slice, shape, where);
  // The whole tensor is in the files, so the part asked for is no larger than they are.
  source_->check_size(tensor, bytes_of(shape, tensor.type, where));
  std::vector<SliceBox> boxes;
  for (const TensorSlice& stored : tensor.slices) boxes.push_back(slice_box(stored, shape, where));
  if (!boxes.empty()) check_tiling(boxes, shape, where);
  Array out(box.size, *dtype_of_tf(tensor.type));
  if (boxes.empty())
    copy_common(source_->piece(tensor, nullptr, shape), whole_box(shape), &out, box);
  for (size_t i = 0; i < boxes.size(); ++i)
    copy_common(source_->piece(tensor, &tensor.slices[i], boxes[i].size), boxes[i], &out, box);
  return out;
}

StringTensor CheckpointReader::read_strings(const std::string& name) const {
  const CheckpointTensor& tensor = wanted(name);
  if (tensor.type != tf_proto::DT_STRING)
    user_error("{}: tensor \"{}\": DT_STRING expected, the type is {}; use read", source_->name(),
               name, tf_type_name(tensor.type));
  return source_->strings(tensor);
}

TensorSlice slice_of_proto(const tf_proto::TensorSliceProto& slice) {
  TensorSlice out;
  for (const auto& extent : slice.extent()) {
    SliceExtent next{extent.start()};
    if (extent.has_length_case() != tf_proto::TensorSliceProto::Extent::HAS_LENGTH_NOT_SET)
      next.length = extent.length();
    out.push_back(next);
  }
  return out;
}

tf_proto::TensorSliceProto proto_of_slice(const TensorSlice& slice) {
  tf_proto::TensorSliceProto out;
  for (const SliceExtent& extent : slice) {
    auto* next = out.add_extent();
    next->set_start(extent.start);
    if (extent.length) next->set_length(*extent.length);
  }
  return out;
}

Shape checkpoint_shape(const CheckpointTensor& tensor, const std::string& where) {
  tf_proto::TensorShapeProto shape;
  for (const int64_t size : tensor.shape) shape.add_dim()->set_size(size);
  return shape_of_tf(shape, where);
}

std::string shard_path(const std::string& prefix, int shard, int shards) {
  return fmt::format("{}.data-{:05}-of-{:05}", prefix, shard, shards);
}

}  // namespace trivium::formats
