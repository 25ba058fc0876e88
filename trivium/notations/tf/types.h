// The element types and the partly known shapes of the tf notation. Types carry TensorFlow's
// numbers; a shape may not know some of its sizes, or not even how many it has.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/notations/tf/errors.h"

namespace trivium::tf {

/// Element types by TensorFlow's own numbers (types.proto).
enum class DataType : uint8_t {
  invalid = 0,
  float32 = 1,
  float64 = 2,
  int32 = 3,
  uint8 = 4,
  int16 = 5,
  int8 = 6,
  string = 7,
  int64 = 9,
  bool_ = 10,
  bfloat16 = 14,
  float16 = 19,
  resource = 20
};

inline constexpr DataType float32 = DataType::float32, float64 = DataType::float64,
                          int32 = DataType::int32, int64 = DataType::int64, uint8 = DataType::uint8,
                          int16 = DataType::int16, int8 = DataType::int8, bool_ = DataType::bool_,
                          string = DataType::string, float16 = DataType::float16,
                          bfloat16 = DataType::bfloat16;

/// "float32", "string", …
const char* name_of(DataType type);
/// Inverse of name_of; also "float", "double", "half". TypeError for another name.
DataType parse_data_type(const std::string& name);
bool is_floating(DataType type);
bool is_integer(DataType type);
/// The engine's element type; TypeError for strings and resources.
DType engine_type(DataType type);
DataType data_type(DType type);

/// A shape of which some sizes (-1), or the rank itself, may be unknown.
class PartialShape {
 public:
  /// Unknown rank.
  PartialShape() = default;
  PartialShape(std::initializer_list<int64_t> dims) : PartialShape(std::vector<int64_t>(dims)) {}
  /// ValueError for sizes below -1.
  explicit PartialShape(std::vector<int64_t> dims);
  PartialShape(const Shape& shape) : PartialShape(shape.vec()) {}

  bool known_rank() const { return dims_.has_value(); }
  int rank() const { return dims_ ? static_cast<int>(dims_->size()) : -1; }
  /// -1 when unknown. Negative axes count from the end.
  int64_t operator[](int axis) const;
  void set(int axis, int64_t size);
  bool fully_known() const;
  /// -1 when not fully known.
  int64_t count() const;
  /// InternalError unless fully known.
  Shape known() const;
  /// ValueError when the rank is unknown.
  const std::vector<int64_t>& dims() const;
  bool compatible(const PartialShape& other) const;
  /// What both say together; ValueError "Shapes (?, 3) and (2, 4) are not compatible".
  PartialShape merge(const PartialShape& other) const;
  /// "(2, ?)", "(3,)", "<unknown>": as Python prints it.
  std::string text() const;
  /// "[2,?]": as messages of ops print it.
  std::string brackets() const;
  friend bool operator==(const PartialShape& a, const PartialShape& b) {
    return a.dims_ == b.dims_;
  }

 private:
  std::optional<std::vector<int64_t>> dims_;
};

/// NumPy's broadcasting of partly known shapes; nothing when they can not fit.
std::optional<PartialShape> broadcast(const PartialShape& a, const PartialShape& b);

/// Byte strings in row-major order: what a tensor of dtype string holds.
struct Strings {
  Shape shape;
  std::vector<std::string> values;
};

/// What a tensor holds in a run: an Array, or strings.
struct Data {
  Array array;
  std::shared_ptr<const Strings> strings;

  Data() = default;
  Data(Array a) : array(std::move(a)) {}
  Data(Strings s) : strings(std::make_shared<const Strings>(std::move(s))) {}
  bool defined() const { return array.defined() || strings; }
  DataType type() const { return strings ? DataType::string : data_type(array.dtype()); }
  const Shape& shape() const { return strings ? strings->shape : array.shape(); }
};

/// "[1 2 3]", as TensorFlow prints a tensor for Print and Assert; "..." after `most` elements.
std::string summary_of(const Data& data, int64_t most);

}  // namespace trivium::tf
