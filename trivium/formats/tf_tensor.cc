// One table row an element type: its size in files, the dtype that holds it, and how its bytes
// become that dtype.
#include "trivium/formats/tf_tensor.h"

#include <algorithm>
#include <cstring>

#include "trivium/formats/bytes.h"
#include "trivium/formats/tf_tensor_values.h"

namespace trivium::formats {
namespace {

constexpr int kRefOffset = 100;

struct TypeRow {
  int type;
  size_t bytes;
  std::optional<DType> dtype;
};

constexpr TypeRow kTypes[] = {
    {tf_proto::DT_FLOAT, 4, DType::f32},       {tf_proto::DT_DOUBLE, 8, DType::f64},
    {tf_proto::DT_HALF, 2, DType::f16},        {tf_proto::DT_BFLOAT16, 2, DType::bf16},
    {tf_proto::DT_INT8, 1, DType::i8},         {tf_proto::DT_UINT8, 1, DType::u8},
    {tf_proto::DT_INT16, 2, DType::i16},       {tf_proto::DT_UINT16, 2, DType::i32},
    {tf_proto::DT_INT32, 4, DType::i32},       {tf_proto::DT_UINT32, 4, DType::i64},
    {tf_proto::DT_INT64, 8, DType::i64},       {tf_proto::DT_UINT64, 8, DType::i64},
    {tf_proto::DT_BOOL, 1, DType::bool_},      {tf_proto::DT_QINT8, 1, DType::i8},
    {tf_proto::DT_QUINT8, 1, DType::u8},       {tf_proto::DT_QINT16, 2, DType::i16},
    {tf_proto::DT_QUINT16, 2, DType::i32},     {tf_proto::DT_QINT32, 4, DType::i32},
    {tf_proto::DT_COMPLEX64, 8, std::nullopt}, {tf_proto::DT_COMPLEX128, 16, std::nullopt},
};

const TypeRow* row_of(int type) {
  type = tf_base_type(type);
  for (const TypeRow& row : kTypes)
    if (row.type == type) return &row;
  return nullptr;
}

template <typename From, typename To>
void widen(Bytes bytes, To* to, int64_t count, const std::string& where) {
  for (int64_t i = 0; i < count; ++i) {
    From value;
    std::memcpy(&value, bytes.data() + static_cast<size_t>(i) * sizeof(From), sizeof(From));
    if constexpr (sizeof(From) == sizeof(To))
      if (value > static_cast<From>(INT64_MAX))
        user_error("{}: element {} is {}: int64, which holds uint64 here, ends at 2^63 - 1", where,
                   i, value);
    to[i] = static_cast<To>(value);
  }
}

}  // namespace

int tf_base_type(int type) { return type > kRefOffset ? type - kRefOffset : type; }

std::string tf_type_name(int type) {
  return tf_proto::DataType_IsValid(type)
             ? tf_proto::DataType_Name(static_cast<tf_proto::DataType>(type))
             : fmt::format("DataType {}", type);
}

std::optional<DType> dtype_of_tf(int type) {
  const TypeRow* row = row_of(type);
  return row ? row->dtype : std::nullopt;
}

tf_proto::DataType tf_type_of(DType dtype) {
  for (const TypeRow& row : kTypes)
    if (row.dtype == dtype && row.bytes == size_of(dtype))
      return static_cast<tf_proto::DataType>(row.type);
  internal_error("{} has no TensorFlow type", name_of(dtype));
}

size_t tf_type_bytes(int type) {
  const TypeRow* row = row_of(type);
  return row ? row->bytes : 0;
}

Shape shape_of_tf(const tf_proto::TensorShapeProto& shape, const std::string& where) {
  if (shape.unknown_rank()) user_error("{}: a known shape expected, its rank is unknown", where);
  if (shape.dim_size() > Shape::kMaxRank)
    user_error("{}: at most {} axes expected, it has {}", where, Shape::kMaxRank, shape.dim_size());
  Shape out;
  uint64_t count = 1;
  for (const auto& dim : shape.dim()) {
    if (dim.size() < 0)
      user_error("{}: axis {}: a known size expected, it is {}", where, out.rank(), dim.size());
    // Zeros do not shrink the bound: the product of the others must stay in range, too.
    if (dim.size() > 0 && (!checked_multiply(count, static_cast<uint64_t>(dim.size()), &count) ||
                           count > uint64_t{1} << 62))
      user_error("{}: the shape has more than 2^62 elements", where);
    out.push_back(dim.size());
  }
  return out;
}

std::optional<std::vector<int64_t>> partial_shape_of_tf(const tf_proto::TensorShapeProto& shape) {
  if (shape.unknown_rank()) return std::nullopt;
  std::vector<int64_t> sizes;
  for (const auto& dim : shape.dim()) sizes.push_back(std::max<int64_t>(dim.size(), -1));
  return sizes;
}

tf_proto::TensorShapeProto tf_shape_of(const Shape& shape) {
  tf_proto::TensorShapeProto out;
  for (const int64_t size : shape) out.add_dim()->set_size(size);
  return out;
}

uint64_t tf_bytes_of(const Shape& shape, size_t element_bytes, const std::string& where) {
  uint64_t bytes = 0;
  if (!checked_multiply(static_cast<uint64_t>(shape.count()), element_bytes, &bytes))
    user_error("{}: shape {} takes more than 2^64 bytes", where, shape.text());
  return bytes;
}

DType tf_array_type(int type, const std::string& where) {
  const auto dtype = dtype_of_tf(type);
  if (!dtype)
    user_error("{}: numbers that an Array can hold expected, the type is {}", where,
               tf_type_name(type));
  return *dtype;
}

Array array_of_tf_bytes(Bytes bytes, int type, const Shape& shape, const std::string& where) {
  const DType dtype = tf_array_type(type, where);
  const uint64_t wanted = tf_bytes_of(shape, tf_type_bytes(type), where);
  if (wanted != bytes.size())
    user_error("{}: {} {} takes {} bytes, {} are there", where, tf_type_name(type), shape.text(),
               wanted, bytes.size());
  Array out(shape, dtype);
  switch (tf_base_type(type)) {
    case tf_proto::DT_UINT16:
    case tf_proto::DT_QUINT16:
      widen<uint16_t>(bytes, out.data<int32_t>(), out.count(), where);
      break;
    case tf_proto::DT_UINT32:
      widen<uint32_t>(bytes, out.data<int64_t>(), out.count(), where);
      break;
    case tf_proto::DT_UINT64:
      widen<uint64_t>(bytes, out.data<int64_t>(), out.count(), where);
      break;
    case tf_proto::DT_BOOL:
      std::transform(bytes.begin(), bytes.end(), out.data<bool>(),
                     [](uint8_t b) { return b != 0; });
      break;
    default:
      if (!bytes.empty()) std::memcpy(out.raw(), bytes.data(), bytes.size());
  }
  return out;
}

}  // namespace trivium::formats
