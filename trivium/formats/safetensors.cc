#include "trivium/formats/safetensors.h"

#include <algorithm>

#include "trivium/formats/bytes.h"
#include "trivium/formats/safetensors_header.h"

namespace trivium::formats {
namespace {

/// product(shape) * bits / 8, left to right, each step checked.
bool bytes_of(const SafetensorsInfo& info, const SafetensorsType& type, uint64_t* bytes) {
  uint64_t count = 1, bits = 0;
  for (const uint64_t size : info.shape)
    if (!checked_multiply(count, size, &count)) return false;
  if (!checked_multiply(count, type.bits, &bits) || bits % 8 != 0) return false;
  *bytes = bits / 8;
  return true;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path)
    : file_(std::make_shared<MappedFile>(path)), bytes_(file_->bytes()), name_(path) {
  parse();
}

SafetensorsFile::SafetensorsFile(Bytes bytes, std::string name)
    : bytes_(bytes), name_(std::move(name)) {
  parse();
}

void SafetensorsFile::parse() {
  ByteReader in(bytes_, name_);
  const uint64_t header_bytes = in.u64("the header length");
  if (header_bytes < 2 || header_bytes > kMaxSafetensorsHeader)
    in.fail("a header of {} bytes: 2 to {} expected; no safetensors file", header_bytes,
            kMaxSafetensorsHeader);
  const Bytes text = in.take(header_bytes, "the header");
  data_start_ = in.offset();
  SafetensorsHeader header =
      parse_safetensors_header({reinterpret_cast<const char*>(text.data()), text.size()}, name_);
  metadata_ = std::move(header.metadata);
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const auto& a, const auto& b) {
    return std::make_pair(a.second.begin, a.second.end) <
           std::make_pair(b.second.begin, b.second.end);
  });
  uint64_t expected = 0;
  for (const auto& entry : header.tensors) {
    const SafetensorsInfo& info = entry.second;
    if (info.begin != expected || info.end < info.begin)
      user_error(
          "{}: tensor \"{:.80}\" lies at bytes {} to {} of the data, the one before ends at {}: "
          "holes and overlaps are refused",
          name_, entry.first, info.begin, info.end, expected);
    expected = info.end;
    const SafetensorsType* type = find_safetensors_type(info.dtype);
    if (!type)
      user_error("{}: tensor \"{:.80}\": dtype \"{:.40}\" is unknown", name_, entry.first,
                 info.dtype);
    uint64_t bytes = 0;
    if (!bytes_of(info, *type, &bytes) || bytes != info.end - info.begin)
      user_error("{}: tensor \"{:.80}\": {}[{}] does not fill the bytes {} to {}", name_,
                 entry.first, info.dtype, fmt::join(info.shape, ", "), info.begin, info.end);
  }
  if (expected != in.remaining())
    in.fail("{} bytes of data expected, {} are there: cut short, or not what the header says",
            expected, in.remaining());
  for (auto& entry : header.tensors) {
    names_.push_back(entry.first);
    infos_.emplace(std::move(entry));
  }
}

const SafetensorsInfo* SafetensorsFile::find(const std::string& name) const {
  const auto found = infos_.find(name);
  return found == infos_.end() ? nullptr : &found->second;
}

const SafetensorsInfo& SafetensorsFile::info_of(const std::string& name) const {
  if (const SafetensorsInfo* info = find(name)) return *info;
  const auto alias = metadata_.find(name);
  if (alias != metadata_.end())
    if (const SafetensorsInfo* info = find(alias->second)) return *info;
  const std::string near = closest_match(name, names_);
  user_error("{}: no tensor \"{:.80}\" among {}{}", name_, name, names_.size(),
             near.empty() ? "" : "; did you mean \"" + near + "\"?");
}

Array SafetensorsFile::copy(const std::string& name, const SafetensorsInfo& info) const {
  const SafetensorsType& type = *find_safetensors_type(info.dtype);
  if (!type.readable || info.shape.size() > static_cast<size_t>(Shape::kMaxRank))
    user_error("{}: tensor \"{:.80}\": {} elements in {} axes are not supported", name_, name,
               info.dtype, info.shape.size());
  for (const uint64_t size : info.shape)
    if (size > INT64_MAX)
      user_error("{}: tensor \"{:.80}\": a size of {} is not supported", name_, name, size);
  const std::vector<int64_t> dims(info.shape.begin(), info.shape.end());
  const Bytes data = bytes_.subspan(data_start_ + info.begin, info.end - info.begin);
  // Through an Array of bytes: widening and checks are those of array_of().
  const auto buffer = Buffer::allocate(data.size());
  if (!data.empty()) std::memcpy(buffer->data(), data.data(), data.size());
  if (type.type == ElementType::bool_) {
    auto* flags = static_cast<uint8_t*>(buffer->data());
    for (size_t i = 0; i < data.size(); ++i) flags[i] = flags[i] != 0;
  }
  TorchTensor tensor;
  tensor.storage = std::make_shared<TorchStorage>();
  tensor.storage->type = tensor.type = type.type;
  tensor.storage->count = static_cast<int64_t>(data.size() / size_of(type.type));
  tensor.storage->buffer = buffer;
  tensor.size = dims;
  tensor.stride.resize(dims.size());
  int64_t step = 1;
  for (size_t axis = dims.size(); axis-- > 0;) {
    tensor.stride[axis] = step;
    // Beside an axis of size 0 the others may be anything; their strides are never used.
    if (__builtin_mul_overflow(step, std::max<int64_t>(dims[axis], 1), &step)) step = 1;
  }
  return array_of(tensor, UINT64_MAX);
}

Array SafetensorsFile::read(const std::string& name) const { return copy(name, info_of(name)); }

Array SafetensorsFile::read_rows(const std::string& name, uint64_t from, uint64_t to) const {
  SafetensorsInfo info = info_of(name);
  if (info.shape.empty() || from > to || to > info.shape[0])
    user_error("{}: tensor \"{:.80}\": rows {} to {} of {}", name_, name, from, to,
               info.shape.empty() ? "a scalar" : fmt::format("{}", info.shape[0]));
  const uint64_t rows = info.shape[0];
  const uint64_t row_bytes = rows == 0 ? 0 : (info.end - info.begin) / rows;
  info.end = info.begin + to * row_bytes;
  info.begin += from * row_bytes;
  info.shape[0] = to - from;
  return copy(name, info);
}

std::vector<std::pair<std::string, Array>> load_safetensors(const std::string& path) {
  const SafetensorsFile file(path);
  std::vector<std::pair<std::string, Array>> out;
  for (const std::string& name : file.names()) out.emplace_back(name, file.read(name));
  std::map<std::string, Array> kept(out.begin(), out.end());
  for (const auto& entry : file.metadata()) {
    const auto tensor = kept.find(entry.second);
    if (tensor != kept.end() && !file.find(entry.first))
      out.emplace_back(entry.first, tensor->second);
  }
  return out;
}

}  // namespace trivium::formats
