#include "trivium/notations/tf/attr_values.h"

#include <cstdlib>

namespace trivium::tf {
namespace {

using formats::tf_proto::AttrValue;

constexpr int kReference = 100;  // what a reference type adds to the number of its type

[[noreturn]] void wrong_kind(const std::string& where, const std::string& kind) {
  raise<TypeError>("{}: a value of kind {} expected", where, kind);
}

/// The alternative T of an attribute, or of one that converts without loss.
template <typename T>
T as(const AttrData& value, const std::string& where, const std::string& kind) {
  if (const T* exact = std::get_if<T>(&value)) return *exact;
  if constexpr (std::is_arithmetic_v<T>) {
    if (const auto* b = std::get_if<bool>(&value)) return static_cast<T>(*b);
    if (const auto* i = std::get_if<int64_t>(&value)) return static_cast<T>(*i);
  }
  // A list without elements has no type of its own.
  if (const auto* none = std::get_if<std::vector<int64_t>>(&value); none && none->empty())
    return T();
  wrong_kind(where, kind);
}

template <typename T>
std::vector<T> parsed_list(const std::string& text, T (*parse)(const std::string&)) {
  std::vector<T> out;
  std::string item;
  for (char c : text.substr(1, text.size() - 1)) {
    if (c != ',' && c != ']') {
      item += c;
    } else if (!item.empty()) {
      out.push_back(parse(item));
      item.clear();
    }
  }
  return out;
}

int64_t parse_int(const std::string& text) { return std::strtoll(text.c_str(), nullptr, 10); }
double parse_float(const std::string& text) {
  return static_cast<double>(std::strtof(text.c_str(), nullptr));
}

/// A float as the double with the same shortest decimal form: 1e-4f is 1e-4.
double widened(float value) { return std::strtod(fmt::format("{}", value).c_str(), nullptr); }

void set_list(const AttrData& value, const std::string& kind, const std::string& where,
              AttrValue::ListValue* list) {
  if (kind == "ints") {
    for (int64_t i : as<std::vector<int64_t>>(value, where, kind)) list->add_i(i);
  } else if (kind == "bools") {
    for (int64_t i : as<std::vector<int64_t>>(value, where, kind)) list->add_b(i != 0);
  } else if (kind == "floats") {
    for (double f : as<std::vector<double>>(value, where, kind)) list->add_f(static_cast<float>(f));
  } else if (kind == "strings") {
    for (const std::string& s : as<std::vector<std::string>>(value, where, kind)) list->add_s(s);
  } else if (kind == "types") {
    for (DataType t : as<std::vector<DataType>>(value, where, kind))
      list->add_type(static_cast<proto::DataType>(t));
  } else if (kind == "shapes") {
    for (const PartialShape& s : as<std::vector<PartialShape>>(value, where, kind))
      *list->add_shape() = shape_proto(s);
  } else {
    raise<TypeError>("{}: attributes of kind {} are not written", where, kind);
  }
}

AttrData list_data(const AttrValue::ListValue& list, const std::string& kind,
                   const std::string& where) {
  if (kind == "ints") return std::vector<int64_t>(list.i().begin(), list.i().end());
  if (kind == "bools") return std::vector<int64_t>(list.b().begin(), list.b().end());
  if (kind == "strings") return std::vector<std::string>(list.s().begin(), list.s().end());
  if (kind == "floats") {
    std::vector<double> out;
    for (float f : list.f()) out.push_back(widened(f));
    return out;
  }
  if (kind == "types") {
    std::vector<DataType> out;
    for (int t : list.type()) out.push_back(data_type_of(t, where));
    return out;
  }
  if (kind == "shapes") {
    std::vector<PartialShape> out;
    for (const auto& s : list.shape()) out.push_back(partial_shape_of(s, where));
    return out;
  }
  raise<NotImplementedError>("{}: attributes of kind {} are not read", where, kind);
}

/// The case an AttrValue has for a kind.
AttrValue::ValueCase case_of(const std::string& kind) {
  if (kind == "type") return AttrValue::kType;
  if (kind == "int") return AttrValue::kI;
  if (kind == "float") return AttrValue::kF;
  if (kind == "bool") return AttrValue::kB;
  if (kind == "string") return AttrValue::kS;
  if (kind == "shape") return AttrValue::kShape;
  if (kind == "tensor") return AttrValue::kTensor;
  if (kind == "func") return AttrValue::kFunc;
  return AttrValue::kList;
}

}  // namespace

std::optional<DataType> known_data_type(int number) {
  if (number > kReference) number -= kReference;
  for (const DataType type : {float32, float64, int32, uint8, int16, int8, string, int64, bool_,
                              bfloat16, float16, DataType::resource})
    if (static_cast<int>(type) == number) return type;
  return std::nullopt;
}

DataType data_type_of(int number, const std::string& where) {
  if (const auto type = known_data_type(number)) return *type;
  raise<TypeError>(
      "{}: {} is not supported; known: float16 bfloat16 float32 float64 int8 int16 int32 int64 "
      "uint8 bool string",
      where, formats::tf_type_name(number));
}

proto::TensorShapeProto shape_proto(const PartialShape& shape) {
  proto::TensorShapeProto out;
  if (!shape.known_rank()) {
    out.set_unknown_rank(true);
    return out;
  }
  for (int64_t d : shape.dims()) out.add_dim()->set_size(d);
  return out;
}

PartialShape partial_shape_of(const proto::TensorShapeProto& shape, const std::string& where) {
  if (shape.unknown_rank()) return {};
  if (shape.dim_size() > Shape::kMaxRank)
    raise<ValueError>("{}: a shape of at most {} axes expected, it has {}", where, Shape::kMaxRank,
                      shape.dim_size());
  std::vector<int64_t> dims;
  for (const auto& d : shape.dim()) {
    if (d.size() < -1 || d.size() > (int64_t{1} << 48))
      raise<ValueError>("{}: {} is not the size of an axis", where, d.size());
    dims.push_back(d.size());
  }
  return PartialShape(dims);
}

proto::TensorProto tensor_proto(const Data& value) {
  if (!value.strings) return formats::array_to_tensor(value.array);
  return formats::strings_to_tensor({value.strings->shape, value.strings->values});
}

Data data_of(const proto::TensorProto& tensor, const std::string& where, uint64_t max_bytes) {
  if (tensor.dtype() == proto::DT_STRING) {
    formats::StringTensor strings = formats::tensor_to_strings(tensor, where, max_bytes);
    return Data(Strings{strings.shape, std::move(strings.values)});
  }
  data_type_of(tensor.dtype(), where);
  return Data(formats::tensor_to_array(tensor, where, max_bytes));
}

AttrValue attr_value(const AttrData& value, const std::string& kind, const std::string& where) {
  AttrValue out;
  if (kind == "type") {
    out.set_type(static_cast<proto::DataType>(as<DataType>(value, where, kind)));
  } else if (kind == "int") {
    out.set_i(as<int64_t>(value, where, kind));
  } else if (kind == "float") {
    out.set_f(static_cast<float>(as<double>(value, where, kind)));
  } else if (kind == "bool") {
    out.set_b(as<bool>(value, where, kind));
  } else if (kind == "string") {
    out.set_s(as<std::string>(value, where, kind));
  } else if (kind == "shape") {
    *out.mutable_shape() = shape_proto(as<PartialShape>(value, where, kind));
  } else if (kind == "tensor") {
    *out.mutable_tensor() = tensor_proto(as<Data>(value, where, kind));
  } else {
    set_list(value, kind, where, out.mutable_list());
  }
  return out;
}

AttrData attr_data(const AttrValue& value, const std::string& kind, const std::string& where,
                   uint64_t max_bytes) {
  if (value.value_case() != case_of(kind)) wrong_kind(where, kind);
  switch (value.value_case()) {
    case AttrValue::kType:
      return data_type_of(value.type(), where);
    case AttrValue::kI:
      return static_cast<int64_t>(value.i());
    case AttrValue::kF:
      return widened(value.f());
    case AttrValue::kB:
      return value.b();
    case AttrValue::kS:
      return value.s();
    case AttrValue::kShape:
      return partial_shape_of(value.shape(), where);
    case AttrValue::kTensor:
      return data_of(value.tensor(), where, max_bytes);
    case AttrValue::kFunc:
      return value.func().name();
    default:
      return list_data(value.list(), kind, where);
  }
}

AttrData parse_default(const std::string& text, const std::string& kind) {
  if (kind == "type") return parse_data_type(text);
  if (kind == "int") return parse_int(text);
  if (kind == "float") return std::strtod(text.c_str(), nullptr);
  if (kind == "bool") return text == "true";
  if (kind == "string") return text == "\\n" ? std::string("\n") : text;
  if (kind == "shape")
    return text == "?" ? PartialShape() : PartialShape(parsed_list<int64_t>(text, parse_int));
  if (kind == "ints" || kind == "bools") return parsed_list<int64_t>(text, parse_int);
  if (kind == "floats") return parsed_list<double>(text, parse_float);
  if (kind == "strings")
    return parsed_list<std::string>(
        text, +[](const std::string& s) { return s; });
  if (kind == "types")
    return parsed_list<DataType>(
        text, +[](const std::string& s) { return parse_data_type(s); });
  if (kind == "shapes") return std::vector<PartialShape>();
  if (kind == "tensor") {  // a colour
    const auto bytes = parsed_list<int64_t>(text, parse_int);
    return Data(Array::from(bytes, Shape{static_cast<int64_t>(bytes.size())}).cast(DType::u8));
  }
  internal_error("tf: a default of kind {}", kind);
}

}  // namespace trivium::tf
