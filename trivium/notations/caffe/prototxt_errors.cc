// Errors of the prototxt parser, worded from the schema: names, values and ranges are never
// repeated by hand.
#include "trivium/notations/caffe/prototxt_errors.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>
#include <vector>

#include "trivium/engine/core/error.h"

namespace trivium::caffe {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// No name of a schema is longer: nothing is near such a word, and searching would take long.
constexpr size_t kLongestWord = 64;

std::string nearest(const std::string& word, const std::vector<std::string>& names) {
  return word.size() > kLongestWord ? "" : closest_match(word, names);
}

std::string shortened(const std::string& word) {
  return word.size() > kLongestWord ? word.substr(0, kLongestWord) + "..." : word;
}

std::vector<std::string> field_names(const Descriptor& type) {
  std::vector<std::string> names;
  for (int i = 0; i < type.field_count(); ++i) names.emplace_back(type.field(i)->name());
  return names;
}

// Fields of `type` that are messages and have a field `name`: where a misplaced field may belong.
std::vector<std::string> homes_of(const Descriptor& type, const std::string& name) {
  std::vector<std::string> homes;
  for (int i = 0; i < type.field_count(); ++i) {
    const Descriptor* inner = type.field(i)->message_type();
    if (inner && inner->FindFieldByName(name)) homes.emplace_back(type.field(i)->name());
  }
  return homes;
}

std::vector<std::string> value_names(const FieldDescriptor& field) {
  std::vector<std::string> names;
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    names.emplace_back(field.enum_type()->value(i)->name());
  }
  return names;
}

std::string value_list(const FieldDescriptor& field) {
  std::vector<int> numbers;
  for (int i = 0; i < field.enum_type()->value_count(); ++i) {
    numbers.push_back(field.enum_type()->value(i)->number());
  }
  return fmt::format("one of {} (or {})", fmt::join(value_names(field), ", "),
                     fmt::join(numbers, ", "));
}

template <typename Int>
std::string integer_range() {
  return fmt::format("an integer from {} to {}", std::numeric_limits<Int>::min(),
                     std::numeric_limits<Int>::max());
}

std::string expectation(const FieldDescriptor& field) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return integer_range<int32_t>();
    case FieldDescriptor::CPPTYPE_INT64:
      return integer_range<int64_t>();
    case FieldDescriptor::CPPTYPE_UINT32:
      return integer_range<uint32_t>();
    case FieldDescriptor::CPPTYPE_UINT64:
      return integer_range<uint64_t>();
    case FieldDescriptor::CPPTYPE_FLOAT:
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return "a decimal number, inf or nan";
    case FieldDescriptor::CPPTYPE_BOOL:
      return "true or false";
    case FieldDescriptor::CPPTYPE_ENUM:
      return value_list(field);
    case FieldDescriptor::CPPTYPE_STRING:
      return "a text in quotes";
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return fmt::format("a {} in braces: {} {{ ... }}", std::string(field.message_type()->name()),
                         std::string(field.name()));
  }
  return "a value";
}

// True when a text would be right without its quotes.
bool fits_unquoted(const FieldDescriptor& field, const Token& received) {
  const std::string_view inside = received.text.substr(1, received.text.size() - 2);
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE || inside.empty()) return false;
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
    return field.enum_type()->FindValueByName(std::string(inside)) != nullptr;
  }
  if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL)
    return inside == "true" || inside == "false";
  return inside.find_first_not_of("+-.eE0123456789") == std::string_view::npos;
}

std::string remedy(const FieldDescriptor& field, const Token& received) {
  if (received.kind == TokenKind::string) {
    return fits_unquoted(field, received) ? "; remove the quotes" : "";
  }
  const bool word = received.kind == TokenKind::identifier || received.kind == TokenKind::integer;
  if (word && field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
    return fmt::format("; put it in quotes: \"{}\"", received.text);
  }
  return "";
}

std::string describe_signed(const Token& received, bool negative) {
  const bool number = received.kind == TokenKind::integer || received.kind == TokenKind::decimal;
  if (negative && number) return fmt::format("the number -{}", received.text);
  return (negative ? "\"-\" before " : "") + describe_token(received);
}

std::string either(const std::vector<std::string>& names) {
  const std::vector<std::string> most(names.begin(), names.end() - 1);
  return most.empty() ? names.back() : fmt::format("{} or {}", fmt::join(most, ", "), names.back());
}

}  // namespace

std::string unknown_field_message(const Descriptor& type, const std::string& name) {
  std::string message =
      fmt::format("no field \"{}\" in {}", shortened(name), std::string(type.name()));
  const std::vector<std::string> homes = homes_of(type, name);
  if (!homes.empty() && homes.size() <= 4) {
    return message + "; it belongs in " + either(homes);
  }
  const std::vector<std::string> names = field_names(type);
  const std::string near = nearest(name, names);
  if (!near.empty()) return message + fmt::format("; did you mean \"{}\"?", near);
  constexpr size_t kListed = 12;
  if (names.size() <= kListed)
    return message + fmt::format("; its fields are {}", fmt::join(names, ", "));
  return message + "; remove it or correct its name";
}

std::string wrong_type_message(const FieldDescriptor& field, const Token& received, bool negative) {
  return fmt::format("{} expects {}, received {}{}", std::string(field.name()), expectation(field),
                     describe_signed(received, negative), remedy(field, received));
}

std::string bad_enum_message(const FieldDescriptor& field, const std::string& received) {
  const std::string near = nearest(received, value_names(field));
  return fmt::format("{} expects {}, received {}{}", std::string(field.name()), value_list(field),
                     shortened(received), near.empty() ? "" : "; did you mean " + near + "?");
}

}  // namespace trivium::caffe
