// Recursive descent over the tokens: a message is a list of fields, a field is a name and a value
// that the schema describes. While it descends it notes the lines of layers and of their fields.
#include "trivium/notations/caffe/prototxt.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "trivium/engine/core/error.h"
#include "trivium/notations/caffe/prototxt_errors.h"
#include "trivium/notations/caffe/prototxt_lexer.h"

namespace trivium::caffe {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// Value of an integer token (decimal, 0x hexadecimal, 0 octal); empty when it exceeds 64 bits.
std::optional<uint64_t> integer_value(std::string_view text) {
  int base = 10;
  if (text.size() > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
  }
  uint64_t value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (result.ec != std::errc()) return std::nullopt;
  return value;
}

// Value of a decimal token, independent of the locale. Too large becomes infinity and too small
// zero.
double decimal_value(std::string_view text) {
  if (text.back() == 'f' || text.back() == 'F') text.remove_suffix(1);
  double value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc::result_out_of_range) return value;
  const size_t exponent = text.find_first_of("eE");
  const bool tiny = exponent != std::string_view::npos ? text[exponent + 1] == '-' : text[0] == '0';
  return tiny ? 0.0 : std::numeric_limits<double>::infinity();
}

float to_float(double value) {
  // Conversion of a double beyond float's range is undefined in C++; the format's answer is
  // infinity.
  constexpr double kMax = std::numeric_limits<float>::max();
  constexpr double kHalfUlp =
      1.0141204801825835e31;  // 2^103: above max + half an ulp rounds to infinity
  if (value >= kMax + kHalfUlp) return std::numeric_limits<float>::infinity();
  if (value <= -kMax - kHalfUlp) return -std::numeric_limits<float>::infinity();
  if (std::fabs(value) > kMax && std::isfinite(value))
    return std::copysign(std::numeric_limits<float>::max(), value);
  return static_cast<float>(value);
}

class Parser {
 public:
  Parser(std::string_view text, const std::string& file, NetLines* nets)
      : lexer_(text, file), file_(file), nets_(nets) {}

  void parse(Message* into) {
    Scope scope;
    if (nets_ && into->GetDescriptor() == proto::NetParameter::descriptor())
      scope.net = open_net("");
    parse_fields(into, Opened{}, scope);
  }

 private:
  // Which lines are being recorded: the fields of a net, or those of one layer.
  struct Scope {
    SourceMap* net = nullptr;
    LayerSource* layer = nullptr;
  };
  // The bracket that opened the message, its field's name, and how deep it is.
  struct Opened {
    Token bracket;
    char close = '\0';  // '\0': the file itself
    std::string name;
    int depth = 0;
  };
  // Lines of the singular fields a message already has.
  using Seen = std::vector<std::pair<const FieldDescriptor*, int>>;

  SourceMap* open_net(const std::string& path) {
    SourceMap* net = &(*nets_)[path];
    *net = SourceMap{file_, {}};
    return net;
  }

  void parse_fields(Message* message, const Opened& opened, const Scope& scope) {
    Seen seen;
    while (!at_close(opened)) {
      parse_field(message, opened, scope, &seen);
      if (!lexer_.accept(';')) lexer_.accept(',');
    }
    check_required(*message, opened);
    if (opened.close) lexer_.take();
  }

  bool at_close(const Opened& opened) {
    const Token& token = lexer_.peek();
    if (opened.close && lexer_.at_symbol(opened.close)) return true;
    if (token.kind == TokenKind::end) {
      if (!opened.close) return true;
      lexer_.fail(token,
                  fmt::format("the file ends inside \"{}\", opened at line {}; add the missing "
                              "\"{}\"",
                              opened.name, opened.bracket.line, opened.close));
    }
    if (lexer_.at_symbol('}') || lexer_.at_symbol('>')) {
      lexer_.fail(token,
                  opened.close
                      ? fmt::format("\"{}\", opened at line {} with \"{}\", closes with \"{}\", "
                                    "received \"{}\"",
                                    opened.name, opened.bracket.line, opened.bracket.text,
                                    opened.close, token.text)
                      : fmt::format("\"{}\" without an opening bracket; remove it, or look for one "
                                    "too many above",
                                    token.text));
    }
    return false;
  }

  void check_required(const Message& message, const Opened& opened) {
    if (message.IsInitialized()) return;
    const Descriptor& type = *message.GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor* field = type.field(i);
      if (field->is_required() && !message.GetReflection()->HasField(message, field)) {
        lexer_.fail(lexer_.peek(),
                    fmt::format("\"{}\" needs the field \"{}\", which is missing; add it",
                                opened.name.empty() ? std::string(type.name()) : opened.name,
                                std::string(field->name())));
      }
    }
  }

  const FieldDescriptor* parse_name(const Message& message, Token* name) {
    *name = lexer_.peek();
    if (name->kind != TokenKind::identifier) {
      lexer_.fail(*name,
                  fmt::format("expected the name of a field of {}, received {}",
                              std::string(message.GetDescriptor()->name()), describe_token(*name)));
    }
    lexer_.take();
    const std::string text(name->text);
    const FieldDescriptor* field = message.GetDescriptor()->FindFieldByName(text);
    if (!field) lexer_.fail(*name, unknown_field_message(*message.GetDescriptor(), text));
    return field;
  }

  void parse_field(Message* message, const Opened& opened, const Scope& scope, Seen* seen) {
    Token name;
    const FieldDescriptor* field = parse_name(*message, &name);
    if (!field->is_repeated()) check_first(field, name, seen);
    const bool colon = lexer_.accept(':');
    const bool is_message = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (!colon && !is_message) {
      lexer_.fail(lexer_.peek(), fmt::format("expected \":\" and a value after \"{}\", received {}",
                                             name.text, describe_token(lexer_.peek())));
    }
    if (!lexer_.at_symbol('[')) return parse_value(message, field, name, opened, scope);
    const Token bracket = lexer_.take();
    if (!field->is_repeated()) {
      lexer_.fail(
          bracket,
          fmt::format("\"{}\" takes one value, received a list; remove the brackets", name.text));
    }
    parse_list(message, field, name, opened, scope);
  }

  void parse_list(Message* message, const FieldDescriptor* field, const Token& name,
                  const Opened& opened, const Scope& scope) {
    if (lexer_.accept(']')) return;
    do {
      parse_value(message, field, name, opened, scope);
    } while (lexer_.accept(','));
    if (!lexer_.accept(']')) {
      lexer_.fail(lexer_.peek(),
                  fmt::format("expected \",\" or \"]\" in the list of \"{}\", received {}",
                              name.text, describe_token(lexer_.peek())));
    }
  }

  void check_first(const FieldDescriptor* field, const Token& name, Seen* seen) {
    for (const auto& [known, line] : *seen) {
      if (known == field) {
        lexer_.fail(
            name,
            fmt::format("\"{}\" may be given once and was already given at line {}; remove one",
                        name.text, line));
      }
    }
    seen->emplace_back(field, name.line);
  }

  void parse_value(Message* message, const FieldDescriptor* field, const Token& name,
                   const Opened& opened, const Scope& scope) {
    if (scope.layer) {
      scope.layer->fields.push_back({std::string(field->name()), lexer_.peek().line});
    }
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      parse_message(message, field, name, opened, scope);
    } else {
      parse_scalar(message, field);
    }
  }

  void parse_message(Message* message, const FieldDescriptor* field, const Token& name,
                     const Opened& opened, const Scope& scope) {
    const Token bracket = lexer_.peek();
    if (!lexer_.at_symbol('{') && !lexer_.at_symbol('<')) {
      lexer_.fail(bracket, wrong_type_message(*field, bracket, false));
    }
    lexer_.take();
    if (opened.depth + 1 > kMaxPrototxtDepth) {
      lexer_.fail(bracket, fmt::format("messages are nested more than {} deep; flatten them",
                                       kMaxPrototxtDepth));
    }
    Message* child = field->is_repeated()
                         ? message->GetReflection()->AddMessage(message, field)
                         : message->GetReflection()->MutableMessage(message, field);
    const Scope inner = inner_scope(*message, field, name, scope);
    const char close = bracket.text[0] == '{' ? '}' : '>';
    parse_fields(child, Opened{bracket, close, std::string(name.text), opened.depth + 1}, inner);
  }

  // What to record inside a message: a net in a solver, or a layer in a net.
  Scope inner_scope(const Message& message, const FieldDescriptor* field, const Token& name,
                    const Scope& scope) {
    Scope inner;
    if (!nets_) return inner;
    if (field->message_type() == proto::NetParameter::descriptor()) {
      std::string path(field->name());
      if (field->is_repeated()) {
        path += fmt::format("[{}]", message.GetReflection()->FieldSize(message, field) - 1);
      }
      inner.net = open_net(path);
    } else if (scope.net && (field->message_type() == proto::LayerParameter::descriptor() ||
                             field->message_type() == proto::V1LayerParameter::descriptor())) {
      scope.net->layers.push_back({name.line, {}});
      inner.layer = &scope.net->layers.back();
    }
    return inner;
  }

  void parse_scalar(Message* message, const FieldDescriptor* field) {
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return put(message, field, integer<int32_t>(field));
      case FieldDescriptor::CPPTYPE_INT64:
        return put(message, field, integer<int64_t>(field));
      case FieldDescriptor::CPPTYPE_UINT32:
        return put(message, field, integer<uint32_t>(field));
      case FieldDescriptor::CPPTYPE_UINT64:
        return put(message, field, integer<uint64_t>(field));
      case FieldDescriptor::CPPTYPE_FLOAT:
        return put(message, field, to_float(decimal(field)));
      case FieldDescriptor::CPPTYPE_DOUBLE:
        return put(message, field, decimal(field));
      case FieldDescriptor::CPPTYPE_BOOL:
        return put(message, field, boolean(field));
      case FieldDescriptor::CPPTYPE_ENUM:
        return put(message, field, enum_value(field));
      case FieldDescriptor::CPPTYPE_STRING:
        return put(message, field, string(field));
      case FieldDescriptor::CPPTYPE_MESSAGE:
        break;
    }
    internal_error("prototxt parser reached field {} of unexpected kind",
                   std::string(field->full_name()));
  }

#define TRIVIUM_PUT(type, Name)                                                 \
  static void put(Message* message, const FieldDescriptor* field, type value) { \
    const auto* reflection = message->GetReflection();                          \
    if (field->is_repeated()) {                                                 \
      reflection->Add##Name(message, field, std::move(value));                  \
    } else {                                                                    \
      reflection->Set##Name(message, field, std::move(value));                  \
    }                                                                           \
  }
  TRIVIUM_PUT(int32_t, Int32)
  TRIVIUM_PUT(int64_t, Int64)
  TRIVIUM_PUT(uint32_t, UInt32)
  TRIVIUM_PUT(uint64_t, UInt64)
  TRIVIUM_PUT(float, Float)
  TRIVIUM_PUT(double, Double)
  TRIVIUM_PUT(bool, Bool)
  TRIVIUM_PUT(const EnumValueDescriptor*, Enum)
  TRIVIUM_PUT(std::string, String)
#undef TRIVIUM_PUT

  // Fails at `start`, the first token of the value, which is a minus sign when `negative`.
  [[noreturn]] void fail_type(const FieldDescriptor* field, const Token& start,
                              bool negative = false) {
    lexer_.fail(start, wrong_type_message(*field, lexer_.peek(), negative));
  }

  template <typename Int>
  Int integer(const FieldDescriptor* field) {
    const Token start = lexer_.peek();
    const bool negative = lexer_.accept('-');
    if (lexer_.peek().kind != TokenKind::integer) fail_type(field, start, negative);
    const std::optional<uint64_t> value = integer_value(lexer_.peek().text);
    const uint64_t largest = static_cast<uint64_t>(std::numeric_limits<Int>::max());
    const uint64_t smallest = std::is_signed_v<Int> ? largest + 1 : 0;  // size of the lowest value
    if (!value || *value > (negative ? smallest : largest)) fail_type(field, start, negative);
    lexer_.take();
    return static_cast<Int>(negative ? ~*value + 1 : *value);
  }

  double decimal(const FieldDescriptor* field) {
    const Token start = lexer_.peek();
    const bool negative = lexer_.accept('-');
    const Token& token = lexer_.peek();
    double value = 0;
    const bool decimal_integer =
        token.kind == TokenKind::integer && (token.text.size() == 1 || token.text[0] != '0');
    if (token.kind == TokenKind::decimal || decimal_integer) {
      value = decimal_value(token.text);
    } else if (token.kind == TokenKind::identifier &&
               (lower(token.text) == "inf" || lower(token.text) == "infinity")) {
      value = std::numeric_limits<double>::infinity();
    } else if (token.kind == TokenKind::identifier && lower(token.text) == "nan") {
      value = std::numeric_limits<double>::quiet_NaN();
    } else {
      fail_type(field, start, negative);
    }
    lexer_.take();
    return negative ? -value : value;
  }

  bool boolean(const FieldDescriptor* field) {
    const Token token = lexer_.peek();
    if (token.kind == TokenKind::integer) {
      const std::optional<uint64_t> value = integer_value(token.text);
      if (!value || *value > 1) fail_type(field, lexer_.peek());
      lexer_.take();
      return *value == 1;
    }
    const bool yes = token.text == "true" || token.text == "True" || token.text == "t";
    const bool no = token.text == "false" || token.text == "False" || token.text == "f";
    if (!yes && !no) fail_type(field, lexer_.peek());
    lexer_.take();
    return yes;
  }

  const EnumValueDescriptor* enum_value(const FieldDescriptor* field) {
    const Token start = lexer_.peek();
    const bool negative = lexer_.accept('-');
    const Token token = lexer_.peek();
    const EnumValueDescriptor* value = nullptr;
    if (token.kind == TokenKind::identifier && !negative) {
      value = field->enum_type()->FindValueByName(std::string(token.text));
    } else if (token.kind == TokenKind::integer) {
      const uint64_t number =
          integer_value(token.text).value_or(std::numeric_limits<uint64_t>::max());
      if (number <= std::numeric_limits<int32_t>::max()) {
        value = field->enum_type()->FindValueByNumber(
            static_cast<int>(negative ? -static_cast<int64_t>(number) : number));
      }
    } else {
      fail_type(field, start, negative);
    }
    if (!value)
      lexer_.fail(token, bad_enum_message(*field, (negative ? "-" : "") + std::string(token.text)));
    lexer_.take();
    return value;
  }

  std::string string(const FieldDescriptor* field) {
    if (lexer_.peek().kind != TokenKind::string) fail_type(field, lexer_.peek());
    std::string value;
    while (lexer_.peek().kind == TokenKind::string) {
      value += lexer_.unquote(lexer_.peek());
      lexer_.take();
    }
    return value;
  }

  PrototxtLexer lexer_;
  std::string file_;
  NetLines* nets_;
};

}  // namespace

void parse_prototxt(std::string_view text, const std::string& file, Message* into, NetLines* nets) {
  if (text.size() > kMaxMessageBytes) {
    user_error("{}: the text has {} bytes, at most {} are allowed; store weights in a .caffemodel",
               file, text.size(), kMaxMessageBytes);
  }
  const std::unique_ptr<Message> parsed(into->New());
  NetLines lines;
  Parser(text, file, nets ? &lines : nullptr).parse(parsed.get());
  into->GetReflection()->Swap(into, parsed.get());
  if (nets) *nets = std::move(lines);
}

}  // namespace trivium::caffe
