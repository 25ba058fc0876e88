// TensorProto's two forms: raw bytes, or a typed list whose last value stands for all that follow.
#include "trivium/formats/tf_tensor_values.h"

#include <algorithm>

#include "trivium/engine/core/half.h"

namespace trivium::formats {
namespace {

[[noreturn]] void too_many(int given, const Shape& shape, const std::string& where) {
  user_error("{}: {} values given, shape {} holds {}", where, given, shape.text(), shape.count());
}

/// Copies the listed values and repeats the last one; `convert` turns a listed value into T.
template <typename T, typename List, typename Convert>
void fill(const List& list, Array* out, const std::string& where, Convert convert) {
  if (list.size() > out->count()) too_many(list.size(), out->shape(), where);
  T* to = static_cast<T*>(out->raw());
  std::transform(list.begin(), list.end(), to, convert);
  const T last = list.empty() ? T{} : to[list.size() - 1];
  std::fill(to + list.size(), to + out->count(), last);
}

template <typename T, typename List>
void fill(const List& list, Array* out, const std::string& where) {
  fill<T>(list, out, where, [](auto value) { return static_cast<T>(value); });
}

void fill_typed(const tf_proto::TensorProto& tensor, Array* out, const std::string& where) {
  switch (tf_base_type(tensor.dtype())) {
    case tf_proto::DT_FLOAT:
      return fill<float>(tensor.float_val(), out, where);
    case tf_proto::DT_DOUBLE:
      return fill<double>(tensor.double_val(), out, where);
    case tf_proto::DT_HALF:
    case tf_proto::DT_BFLOAT16:  // 16 bits each, as a number
      return fill<uint16_t>(tensor.half_val(), out, where);
    case tf_proto::DT_INT64:
      return fill<int64_t>(tensor.int64_val(), out, where);
    case tf_proto::DT_BOOL:
      return fill<bool>(tensor.bool_val(), out, where);
    case tf_proto::DT_UINT32:
      return fill<int64_t>(tensor.uint32_val(), out, where);
    case tf_proto::DT_UINT64:
      return fill<int64_t>(tensor.uint64_val(), out, where, [&](uint64_t value) {
        if (value > static_cast<uint64_t>(INT64_MAX))
          user_error("{}: value {}: int64, which holds uint64 here, ends at 2^63 - 1", where,
                     value);
        return static_cast<int64_t>(value);
      });
    case tf_proto::DT_INT8:
    case tf_proto::DT_QINT8:
      return fill<int8_t>(tensor.int_val(), out, where);
    case tf_proto::DT_UINT8:
    case tf_proto::DT_QUINT8:
      return fill<uint8_t>(tensor.int_val(), out, where);
    case tf_proto::DT_INT16:
    case tf_proto::DT_QINT16:
      return fill<int16_t>(tensor.int_val(), out, where);
    case tf_proto::DT_UINT16:
    case tf_proto::DT_QUINT16:
      return fill<int32_t>(tensor.int_val(), out, where,
                           [](int32_t value) { return int32_t{static_cast<uint16_t>(value)}; });
    default:
      return fill<int32_t>(tensor.int_val(), out, where);
  }
}

template <typename T, typename List>
void list_all(const Array& array, List* list) {
  const T* from = static_cast<const T*>(array.raw());
  list->Add(from, from + array.count());
}

void list_values(const Array& array, tf_proto::TensorProto* out) {
  switch (array.dtype()) {
    case DType::f32:
      return list_all<float>(array, out->mutable_float_val());
    case DType::f64:
      return list_all<double>(array, out->mutable_double_val());
    case DType::f16:
    case DType::bf16:
      return list_all<uint16_t>(array, out->mutable_half_val());
    case DType::i64:
      return list_all<int64_t>(array, out->mutable_int64_val());
    case DType::bool_:
      return list_all<bool>(array, out->mutable_bool_val());
    case DType::i8:
      return list_all<int8_t>(array, out->mutable_int_val());
    case DType::u8:
      return list_all<uint8_t>(array, out->mutable_int_val());
    case DType::i16:
      return list_all<int16_t>(array, out->mutable_int_val());
    case DType::i32:
      return list_all<int32_t>(array, out->mutable_int_val());
  }
}

}  // namespace

Array tensor_to_array(const tf_proto::TensorProto& tensor, const std::string& where,
                      uint64_t max_bytes) {
  const DType dtype = tf_array_type(tensor.dtype(), where);
  const Shape shape = shape_of_tf(tensor.tensor_shape(), where);
  if (const uint64_t bytes = tf_bytes_of(shape, size_of(dtype), where); bytes > max_bytes)
    user_error("{}: {} {} takes {} bytes, at most {} are allowed here", where,
               tf_type_name(tensor.dtype()), shape.text(), bytes, max_bytes);
  if (!tensor.tensor_content().empty())
    return array_of_tf_bytes(as_bytes(tensor.tensor_content()), tensor.dtype(), shape, where);
  Array out(shape, dtype);
  fill_typed(tensor, &out, where);
  return out;
}

tf_proto::TensorProto array_to_tensor(const Array& array) {
  tf_proto::TensorProto out;
  out.set_dtype(tf_type_of(array.dtype()));
  *out.mutable_tensor_shape() = tf_shape_of(array.shape());
  const bool typed = array.count() == 1 || array.dtype() == DType::bool_;
  if (typed)
    list_values(array, &out);
  else if (array.count() > 0)
    out.set_tensor_content(array.raw(), array.bytes());
  return out;
}

StringTensor tensor_to_strings(const tf_proto::TensorProto& tensor, const std::string& where,
                               uint64_t max_bytes) {
  if (tf_base_type(tensor.dtype()) != tf_proto::DT_STRING)
    user_error("{}: DT_STRING expected, the type is {}", where, tf_type_name(tensor.dtype()));
  StringTensor out{shape_of_tf(tensor.tensor_shape(), where), {}};
  const int64_t count = out.shape.count();
  if (tensor.string_val_size() > count) too_many(tensor.string_val_size(), out.shape, where);
  const std::string last = tensor.string_val_size() ? *tensor.string_val().rbegin() : std::string();
  if (static_cast<uint64_t>(count) > max_bytes / (32 + last.size()))
    user_error("{}: strings {} take more than the {} bytes allowed here", where, out.shape.text(),
               max_bytes);
  out.values.assign(tensor.string_val().begin(), tensor.string_val().end());
  out.values.resize(static_cast<size_t>(count), last);
  return out;
}

tf_proto::TensorProto strings_to_tensor(const StringTensor& strings) {
  if (static_cast<int64_t>(strings.values.size()) != strings.shape.count())
    user_error("string tensor: {} values given, shape {} holds {}", strings.values.size(),
               strings.shape.text(), strings.shape.count());
  tf_proto::TensorProto out;
  out.set_dtype(tf_proto::DT_STRING);
  *out.mutable_tensor_shape() = tf_shape_of(strings.shape);
  for (const std::string& value : strings.values) out.add_string_val(value);
  return out;
}

}  // namespace trivium::formats
