#include "trivium/formats/cifar.h"

#include <cstring>

#include "trivium/engine/core/error.h"

namespace trivium::formats {
namespace {

constexpr size_t kPixels = 3 * 32 * 32;

Array read_labels(Bytes bytes, size_t record_bytes, size_t at, int classes,
                  const std::string& name) {
  const int64_t records = static_cast<int64_t>(bytes.size() / record_bytes);
  Array labels(Shape{records}, DType::i32);
  int32_t* out = labels.data<int32_t>();
  for (int64_t i = 0; i < records; ++i) {
    const size_t offset = static_cast<size_t>(i) * record_bytes + at;
    out[i] = bytes[offset];
    if (out[i] >= classes)
      user_error(
          "{}: byte {} (record {}): a label below {} expected, received {}; is this the "
          "binary version of the data set?",
          name, offset, i, classes, out[i]);
  }
  return labels;
}

CifarBatch parse(Bytes bytes, const std::string& name, size_t label_bytes) {
  const size_t record_bytes = label_bytes + kPixels;
  if (bytes.empty() || bytes.size() % record_bytes != 0)
    user_error(
        "{}: byte {}: records of {} bytes expected, the file has {} bytes: {} whole records "
        "and {} bytes more",
        name, bytes.size() / record_bytes * record_bytes, record_bytes, bytes.size(),
        bytes.size() / record_bytes, bytes.size() % record_bytes);
  const int64_t records = static_cast<int64_t>(bytes.size() / record_bytes);
  CifarBatch batch;
  if (label_bytes == 1) {
    batch.labels = read_labels(bytes, record_bytes, 0, 10, name);
  } else {
    batch.coarse_labels = read_labels(bytes, record_bytes, 0, 20, name);
    batch.labels = read_labels(bytes, record_bytes, 1, 100, name);
  }
  batch.images = Array(Shape{records, 3, 32, 32}, DType::u8);
  uint8_t* out = batch.images.data<uint8_t>();
  for (size_t i = 0; i < static_cast<size_t>(records); ++i)
    std::memcpy(out + i * kPixels, bytes.data() + i * record_bytes + label_bytes, kPixels);
  return batch;
}

}  // namespace

CifarBatch parse_cifar10(Bytes bytes, const std::string& name) { return parse(bytes, name, 1); }
CifarBatch parse_cifar100(Bytes bytes, const std::string& name) { return parse(bytes, name, 2); }

CifarBatch read_cifar10(const std::string& path) {
  const MappedFile file(path);
  return parse_cifar10(file.bytes(), path);
}

CifarBatch read_cifar100(const std::string& path) {
  const MappedFile file(path);
  return parse_cifar100(file.bytes(), path);
}

}  // namespace trivium::formats
