#include "trivium/notations/tf/types.h"

#include <algorithm>
#include <array>

namespace trivium::tf {
namespace {

struct Row {
  DataType type;
  const char* name;
  std::optional<DType> engine;
};

constexpr std::array<Row, 13> kRows{{{DataType::float32, "float32", DType::f32},
                                     {DataType::float64, "float64", DType::f64},
                                     {DataType::int32, "int32", DType::i32},
                                     {DataType::uint8, "uint8", DType::u8},
                                     {DataType::int16, "int16", DType::i16},
                                     {DataType::int8, "int8", DType::i8},
                                     {DataType::string, "string", std::nullopt},
                                     {DataType::int64, "int64", DType::i64},
                                     {DataType::bool_, "bool", DType::bool_},
                                     {DataType::bfloat16, "bfloat16", DType::bf16},
                                     {DataType::float16, "float16", DType::f16},
                                     {DataType::resource, "resource", std::nullopt},
                                     {DataType::invalid, "invalid", std::nullopt}}};

const Row& row_of(DataType type) {
  for (const Row& row : kRows)
    if (row.type == type) return row;
  internal_error("tf: data type {}", static_cast<int>(type));
}

std::string size_text(int64_t size) { return size < 0 ? "?" : std::to_string(size); }

}  // namespace

const char* name_of(DataType type) { return row_of(type).name; }

DataType parse_data_type(const std::string& name) {
  if (name == "float") return DataType::float32;
  if (name == "double") return DataType::float64;
  if (name == "half") return DataType::float16;
  for (const Row& row : kRows)
    if (row.name == name && row.type != DataType::invalid) return row.type;
  raise<TypeError>(
      "data type {} not understood; known: float16 bfloat16 float32 float64 int8 int16 "
      "int32 int64 uint8 bool string",
      name);
}

bool is_floating(DataType type) {
  const auto engine = row_of(type).engine;
  return engine && trivium::is_floating(*engine);
}

bool is_integer(DataType type) {
  const auto engine = row_of(type).engine;
  return engine && trivium::is_integer(*engine);
}

DType engine_type(DataType type) {
  const Row& row = row_of(type);
  if (!row.engine) raise<TypeError>("tensors of dtype {} hold no numbers", row.name);
  return *row.engine;
}

DataType data_type(DType type) {
  for (const Row& row : kRows)
    if (row.engine == type) return row.type;
  internal_error("tf: no data type for {}", trivium::name_of(type));
}

PartialShape::PartialShape(std::vector<int64_t> dims) : dims_(std::move(dims)) {
  for (int64_t d : *dims_)
    if (d < -1) raise<ValueError>("Dimension {} must be >= 0", d);
}

int64_t PartialShape::operator[](int axis) const { return dims()[axis < 0 ? axis + rank() : axis]; }

void PartialShape::set(int axis, int64_t size) {
  dims();
  (*dims_)[axis < 0 ? axis + rank() : axis] = size;
}

bool PartialShape::fully_known() const {
  if (!dims_) return false;
  for (int64_t d : *dims_)
    if (d < 0) return false;
  return true;
}

int64_t PartialShape::count() const {
  if (!fully_known()) return -1;
  int64_t n = 1;
  for (int64_t d : *dims_) n *= d;
  return n;
}

Shape PartialShape::known() const {
  if (!fully_known()) internal_error("tf: shape {} is not fully known", text());
  return Shape(*dims_);
}

const std::vector<int64_t>& PartialShape::dims() const {
  if (!dims_) raise<ValueError>("as_list() is not defined on an unknown TensorShape.");
  return *dims_;
}

bool PartialShape::compatible(const PartialShape& other) const {
  if (!dims_ || !other.dims_) return true;
  if (rank() != other.rank()) return false;
  for (int i = 0; i < rank(); ++i)
    if ((*dims_)[i] >= 0 && (*other.dims_)[i] >= 0 && (*dims_)[i] != (*other.dims_)[i])
      return false;
  return true;
}

PartialShape PartialShape::merge(const PartialShape& other) const {
  if (!dims_) return other;
  if (!other.dims_) return *this;
  if (!compatible(other))
    raise<ValueError>("Shapes {} and {} are not compatible", text(), other.text());
  PartialShape out = *this;
  for (int i = 0; i < rank(); ++i)
    if ((*out.dims_)[i] < 0) (*out.dims_)[i] = (*other.dims_)[i];
  return out;
}

std::string PartialShape::text() const {
  if (!dims_) return "<unknown>";
  std::string out = "(";
  for (int i = 0; i < rank(); ++i) out += (i ? ", " : "") + size_text((*dims_)[i]);
  return out + (rank() == 1 ? ",)" : ")");
}

std::string PartialShape::brackets() const {
  if (!dims_) return "?";
  std::string out = "[";
  for (int i = 0; i < rank(); ++i) out += (i ? "," : "") + size_text((*dims_)[i]);
  return out + "]";
}

std::optional<PartialShape> broadcast(const PartialShape& a, const PartialShape& b) {
  if (!a.known_rank() || !b.known_rank()) return PartialShape();
  const int rank = std::max(a.rank(), b.rank());
  std::vector<int64_t> out(rank);
  for (int i = 1; i <= rank; ++i) {
    const int64_t x = i <= a.rank() ? a[-i] : 1, y = i <= b.rank() ? b[-i] : 1;
    int64_t& size = out[rank - i];
    if (x == 1)
      size = y;
    else if (y == 1 || x == y)
      size = x;
    else if (x < 0 || y < 0)
      size = std::max(x, y);
    else
      return std::nullopt;
  }
  return PartialShape(out);
}

std::string summary_of(const Data& data, int64_t most) {
  const int64_t n = data.shape().count(), shown = std::min(n, most);
  std::string out = "[";
  for (int64_t i = 0; i < shown; ++i)
    out += (i ? " " : "") +
           (data.strings ? data.strings->values[i] : fmt::format("{:g}", data.array.at(i)));
  return out + (shown < n ? "...]" : "]");
}

}  // namespace trivium::tf
