// The text format printer. Its own code rather than the library's, whose number format changed
// between releases, while logs and upgraded files must not.
#include "trivium/notations/caffe/print.h"

#include <fmt/format.h>
#include <google/protobuf/unknown_field_set.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>
#include <vector>

namespace trivium::caffe {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;

// Nested unknown fields are guessed from the bytes; the guess stops at this depth.
constexpr int kUnknownDepth = 10;

template <typename Float>
std::string number_text(Float value, int few_digits, int all_digits) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string text = fmt::format("{:.{}g}", value, few_digits);
  Float back = 0;
  std::from_chars(text.data(), text.data() + text.size(), back);
  if (back != value) text = fmt::format("{:.{}g}", value, all_digits);
  return text;
}

std::string quoted(std::string_view bytes) {
  std::string out = "\"";
  for (const char c : bytes) {
    switch (c) {
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '"':
        out += "\\\"";
        break;
      case '\'':
        out += "\\'";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        if (c >= ' ' && c <= '~') {
          out += c;
        } else {
          out += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
        }
    }
  }
  return out + "\"";
}

class Printer {
 public:
  void print_message(const Message& message) {
    std::vector<const FieldDescriptor*> fields;  // ListFields sorts by number
    message.GetReflection()->ListFields(message, &fields);
    for (const FieldDescriptor* field : fields) print_field(message, field);
    print_unknown(message.GetReflection()->GetUnknownFields(message), kUnknownDepth);
  }

  std::string take() { return std::move(out_); }

 private:
  void print_field(const Message& message, const FieldDescriptor* field) {
    const Reflection& reflection = *message.GetReflection();
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    const std::string name(field->name());
    for (int i = 0; i < count; ++i) {
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        open(name);
        print_message(field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                           : reflection.GetMessage(message, field));
        close();
      } else {
        line(name, scalar(message, field, i));
      }
    }
  }

  static std::string scalar(const Message& message, const FieldDescriptor* field, int i) {
    const Reflection& r = *message.GetReflection();
    const bool many = field->is_repeated();
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return fmt::to_string(many ? r.GetRepeatedInt32(message, field, i)
                                   : r.GetInt32(message, field));
      case FieldDescriptor::CPPTYPE_INT64:
        return fmt::to_string(many ? r.GetRepeatedInt64(message, field, i)
                                   : r.GetInt64(message, field));
      case FieldDescriptor::CPPTYPE_UINT32:
        return fmt::to_string(many ? r.GetRepeatedUInt32(message, field, i)
                                   : r.GetUInt32(message, field));
      case FieldDescriptor::CPPTYPE_UINT64:
        return fmt::to_string(many ? r.GetRepeatedUInt64(message, field, i)
                                   : r.GetUInt64(message, field));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return number_text(
            many ? r.GetRepeatedFloat(message, field, i) : r.GetFloat(message, field), 6, 9);
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return number_text(
            many ? r.GetRepeatedDouble(message, field, i) : r.GetDouble(message, field), 15, 17);
      case FieldDescriptor::CPPTYPE_BOOL:
        return (many ? r.GetRepeatedBool(message, field, i) : r.GetBool(message, field)) ? "true"
                                                                                         : "false";
      case FieldDescriptor::CPPTYPE_ENUM:
        return std::string(
            (many ? r.GetRepeatedEnum(message, field, i) : r.GetEnum(message, field))->name());
      case FieldDescriptor::CPPTYPE_STRING:
        return quoted(many ? r.GetRepeatedString(message, field, i) : r.GetString(message, field));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
    return "";
  }

  // Fields the schema does not know (files of other Caffe versions): their number and their raw
  // value.
  void print_unknown(const UnknownFieldSet& fields, int depth) {
    for (int i = 0; i < fields.field_count(); ++i) {
      const UnknownField& field = fields.field(i);
      const std::string name = fmt::to_string(field.number());
      switch (field.type()) {
        case UnknownField::TYPE_VARINT:
          line(name, fmt::to_string(field.varint()));
          break;
        case UnknownField::TYPE_FIXED32:
          line(name, fmt::format("0x{:08x}", field.fixed32()));
          break;
        case UnknownField::TYPE_FIXED64:
          line(name, fmt::format("0x{:016x}", field.fixed64()));
          break;
        case UnknownField::TYPE_GROUP:
          open(name);
          print_unknown(field.group(), depth - 1);
          close();
          break;
        case UnknownField::TYPE_LENGTH_DELIMITED:
          print_unknown_bytes(name, field.length_delimited(), depth);
      }
    }
  }

  void print_unknown_bytes(const std::string& name, const std::string& bytes, int depth) {
    UnknownFieldSet inside;
    if (!bytes.empty() && depth > 0 && inside.ParseFromString(bytes)) {
      open(name);
      print_unknown(inside, depth - 1);
      close();
    } else {
      line(name, quoted(bytes));
    }
  }

  void line(std::string_view name, std::string_view value) {
    out_.append(indent_, ' ').append(name).append(": ").append(value).append("\n");
  }
  void open(std::string_view name) {
    out_.append(indent_, ' ').append(name).append(" {\n");
    indent_ += 2;
  }
  void close() {
    indent_ -= 2;
    out_.append(indent_, ' ').append("}\n");
  }

  std::string out_;
  size_t indent_ = 0;
};

}  // namespace

std::string to_prototxt(const Message& message) {
  Printer printer;
  printer.print_message(message);
  return printer.take();
}

}  // namespace trivium::caffe
