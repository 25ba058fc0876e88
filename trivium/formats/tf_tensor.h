// TensorFlow's tensors <-> Arrays: element types, shapes, and values in either of the forms in
// which a TensorProto holds them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/formats/file.h"
#include "trivium/formats/proto/tf_graph.pb.h"

namespace trivium::formats {

namespace tf_proto = trivium::tf::proto;

/// The most bytes that a tensor of few values may be filled up to, unless the caller says
/// otherwise.
inline constexpr uint64_t kMaxTensorBytes = uint64_t{1} << 32;

/// "DT_FLOAT"; "DataType 99" for a number without a name.
std::string tf_type_name(int type);
/// The element type an Array holds such a tensor with. Exact for float, half, bfloat16, double,
/// int8 to int64, uint8 and bool; uint16 becomes int32, uint32 and uint64 become int64, the
/// quantised types become the integers they are. A reference type is the type itself. Nothing for
/// strings, complex numbers, resources, variants and types of less than a byte.
std::optional<DType> dtype_of_tf(int type);
tf_proto::DataType tf_type_of(DType dtype);
/// Bytes of one element in files; 0 where elements have no fixed size.
size_t tf_type_bytes(int type);

/// A shape that is completely known. UserError naming `where` for unknown or negative sizes, more
/// than Shape::kMaxRank axes, or a number of elements past 2^62.
Shape shape_of_tf(const tf_proto::TensorShapeProto& shape, const std::string& where = "shape");
/// The same where sizes may be unknown (-1); nothing when the rank is unknown.
std::optional<std::vector<int64_t>> partial_shape_of_tf(const tf_proto::TensorShapeProto& shape);
tf_proto::TensorShapeProto tf_shape_of(const Shape& shape);

/// Elements as they lie in files (little-endian, row-major) as an Array of dtype_of_tf(type).
/// UserError when there are not exactly as many bytes as the shape takes, for a type no Array
/// holds, and for a uint64 past 2^63 - 1.
Array array_of_tf_bytes(Bytes bytes, int type, const Shape& shape, const std::string& where);

/// The values of a tensor: tensor_content, or the typed list, whose last value repeats (no value:
/// zeros). UserError naming `where` when there are too many values, for types no Array holds, and
/// when it takes more than `max_bytes`.
Array tensor_to_array(const tf_proto::TensorProto& tensor, const std::string& where = "tensor",
                      uint64_t max_bytes = kMaxTensorBytes);
/// Several numbers become tensor_content, one becomes a typed value, booleans are always typed: as
/// TensorFlow writes constants.
tf_proto::TensorProto array_to_tensor(const Array& array);

/// A tensor of byte strings.
struct StringTensor {
  Shape shape;
  std::vector<std::string> values;  ///< in row-major order
};
/// UserError when it is no string tensor, has too many values, or when it repeats its last value
/// into more than `max_bytes` (every string counts 32 bytes and its length).
StringTensor tensor_to_strings(const tf_proto::TensorProto& tensor,
                               const std::string& where = "tensor",
                               uint64_t max_bytes = kMaxTensorBytes);
tf_proto::TensorProto strings_to_tensor(const StringTensor& strings);

}  // namespace trivium::formats
