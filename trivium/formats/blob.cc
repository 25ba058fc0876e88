#include "trivium/formats/blob.h"

#include "trivium/formats/bytes.h"

namespace trivium::formats {
namespace {

/// Element count without overflow; the values are in memory already, so equality bounds it.
void check_count(const Shape& shape, int64_t values, const char* what, const std::string& where) {
  uint64_t count = 1;
  for (int64_t size : shape)
    if (!checked_multiply(count, static_cast<uint64_t>(size), &count)) count = ~uint64_t{0};
  // A size of 0 makes the product 0 even when the others overflow on the way.
  for (int64_t size : shape)
    if (size == 0) count = 0;
  if (count != static_cast<uint64_t>(values))
    user_error("{}: shape {} holds {} values, the blob has {} of {}", where, shape.text(), count,
               values, what);
}

template <typename T, typename Field>
Array gather(const Field& field, const Shape& shape, const char* what, const std::string& where) {
  check_count(shape, field.size(), what, where);
  Array out(shape, dtype_of<T>);
  std::copy(field.begin(), field.end(), out.data<T>());
  return out;
}

void put_shape(const Array& array, proto::BlobProto* blob) {
  proto::BlobShape* shape = blob->mutable_shape();
  for (int64_t size : array.shape()) shape->add_dim(size);
}

template <typename T, typename Field>
void append(const Array& array, Field* field) {
  const auto values = array.span<T>();
  field->Reserve(static_cast<int>(values.size()));
  field->Add(values.begin(), values.end());
}

void check_size(const Array& array) {
  if (array.count() > INT32_MAX)
    user_error("a blob of {} has more values than a caffemodel can hold; write HDF5", array.text());
}

}  // namespace

bool has_legacy_shape(const proto::BlobProto& blob) {
  return blob.has_num() || blob.has_channels() || blob.has_height() || blob.has_width();
}

Shape blob_shape(const proto::BlobProto& blob, const std::string& where) {
  std::vector<int64_t> sizes;
  if (has_legacy_shape(blob)) {
    sizes = {blob.num(), blob.channels(), blob.height(), blob.width()};
  } else {
    if (blob.shape().dim_size() > Shape::kMaxRank)
      user_error("{}: a blob of at most {} axes expected, received {}", where, Shape::kMaxRank,
                 blob.shape().dim_size());
    sizes.assign(blob.shape().dim().begin(), blob.shape().dim().end());
  }
  for (size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] < 0) user_error("{}: axis {} of the blob has the size {}", where, i, sizes[i]);
  return Shape(sizes);
}

Array blob_to_array(const proto::BlobProto& blob, const std::string& where) {
  const Shape shape = blob_shape(blob, where);
  if (blob.double_data_size() > 0)
    return gather<double>(blob.double_data(), shape, "double_data", where);
  return gather<float>(blob.data(), shape, "data", where);
}

Array blob_diff_to_array(const proto::BlobProto& blob, const std::string& where) {
  if (blob.double_diff_size() > 0)
    return gather<double>(blob.double_diff(), blob_shape(blob, where), "double_diff", where);
  if (blob.diff_size() > 0)
    return gather<float>(blob.diff(), blob_shape(blob, where), "diff", where);
  return {};
}

proto::BlobProto array_to_blob(const Array& array) {
  check_size(array);
  proto::BlobProto blob;
  put_shape(array, &blob);
  if (array.dtype() == DType::f64)
    append<double>(array, blob.mutable_double_data());
  else if (array.dtype() == DType::f32)
    append<float>(array, blob.mutable_data());
  else
    append<float>(array.cast(DType::f32), blob.mutable_data());
  return blob;
}

proto::BlobProto array_to_blob(const Array& array, const Array& diff) {
  if (diff.shape() != array.shape() || diff.dtype() != array.dtype())
    user_error("blob: a gradient of {} expected, received {}", array.text(), diff.text());
  proto::BlobProto blob = array_to_blob(array);
  if (diff.dtype() == DType::f64)
    append<double>(diff, blob.mutable_double_diff());
  else if (diff.dtype() == DType::f32)
    append<float>(diff, blob.mutable_diff());
  else
    append<float>(diff.cast(DType::f32), blob.mutable_diff());
  return blob;
}

bool legacy_shape_equal(const Shape& four_sizes, const Shape& target) {
  if (four_sizes.rank() != 4 || target.rank() > 4) return false;
  for (int i = 0; i < 4; ++i) {
    const int axis = i - (4 - target.rank());
    if (four_sizes[i] != (axis < 0 ? 1 : target[axis])) return false;
  }
  return true;
}

bool legacy_shape_equal(const proto::BlobProto& blob, const Shape& target) {
  if (!has_legacy_shape(blob)) {
    const auto& dims = blob.shape().dim();
    return std::equal(dims.begin(), dims.end(), target.begin(), target.end());
  }
  const int64_t sizes[] = {blob.num(), blob.channels(), blob.height(), blob.width()};
  return legacy_shape_equal(Shape(std::span<const int64_t>(sizes)), target);
}

}  // namespace trivium::formats
