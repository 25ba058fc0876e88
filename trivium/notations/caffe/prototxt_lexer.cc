// Tokens of protobuf text format: words, numbers, quoted strings and single symbols; # starts a
// comment.
#include "trivium/notations/caffe/prototxt_lexer.h"

#include <fmt/format.h>

#include <cstdint>

#include "trivium/engine/core/error.h"

namespace trivium::caffe {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_octal(char c) { return c >= '0' && c <= '7'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char simple_escape(char c) {
  switch (c) {
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case '\\':
    case '?':
    case '\'':
    case '"':
      return c;
    default:
      return 0;
  }
}

void append_utf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    *out += static_cast<char>(code);
    return;
  }
  const int extra = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  static const int kLead[] = {0, 0xC0, 0xE0, 0xF0};
  *out += static_cast<char>(kLead[extra] | (code >> (6 * extra)));
  for (int i = extra - 1; i >= 0; --i) *out += static_cast<char>(0x80 | ((code >> (6 * i)) & 0x3F));
}

// Reads at most `most` digits of the given base, returns how many there were.
int read_digits(std::string_view text, int base, int most, uint32_t* value) {
  int count = 0;
  *value = 0;
  while (count < most && count < static_cast<int>(text.size())) {
    const int digit = hex_value(text[count]);
    if (digit < 0 || digit >= base) break;
    *value = *value * base + digit;
    ++count;
  }
  return count;
}

}  // namespace

std::string describe_token(const Token& token) {
  constexpr size_t kShown = 40;  // a long string would hide the message
  std::string text(token.text.substr(0, kShown));
  if (token.text.size() > kShown) text += "...";
  switch (token.kind) {
    case TokenKind::identifier:
      return "the word " + text;
    case TokenKind::integer:
    case TokenKind::decimal:
      return "the number " + text;
    case TokenKind::string:
      return "the text " + text;
    case TokenKind::symbol:
      return "\"" + text + "\"";
    case TokenKind::end:
      return "the end of the file";
  }
  return text;
}

PrototxtLexer::PrototxtLexer(std::string_view text, std::string file)
    : text_(text), file_(std::move(file)) {
  constexpr std::string_view kByteOrderMark =
      "\xEF\xBB\xBF";  // some editors put it before the text
  if (text_.starts_with(kByteOrderMark)) text_.remove_prefix(kByteOrderMark.size());
  next();
}

char PrototxtLexer::at(size_t offset) const { return offset < text_.size() ? text_[offset] : '\0'; }

Token PrototxtLexer::take() {
  const Token taken = token_;
  next();
  return taken;
}

bool PrototxtLexer::at_symbol(char symbol) const {
  return token_.kind == TokenKind::symbol && token_.text[0] == symbol;
}

bool PrototxtLexer::accept(char symbol) {
  if (!at_symbol(symbol)) return false;
  next();
  return true;
}

void PrototxtLexer::fail(const Token& at, const std::string& message) const {
  throw UserError(fmt::format("{}:{}:{}: {}", file_, at.line, at.column, message));
}

void PrototxtLexer::advance(size_t bytes) {
  for (const size_t end = offset_ + bytes; offset_ < end; ++offset_) {
    if (text_[offset_] == '\n') {
      ++line_;
      line_start_ = offset_ + 1;
    }
  }
}

void PrototxtLexer::skip_blank() {
  while (offset_ < text_.size()) {
    if (is_blank(text_[offset_])) {
      advance(1);
    } else if (text_[offset_] == '#') {
      while (offset_ < text_.size() && text_[offset_] != '\n') ++offset_;
    } else {
      return;
    }
  }
}

void PrototxtLexer::next() {
  skip_blank();
  token_.line = line_;
  token_.column = static_cast<int>(offset_ - line_start_) + 1;
  if (offset_ >= text_.size()) return finish(TokenKind::end, 0);
  const char c = text_[offset_];
  if (is_letter(c)) {
    size_t length = 1;
    while (is_letter(at(offset_ + length)) || is_digit(at(offset_ + length))) ++length;
    return finish(TokenKind::identifier, length);
  }
  if (is_digit(c) || (c == '.' && is_digit(at(offset_ + 1)))) {
    TokenKind kind;
    const size_t length = number_length(&kind);
    return finish(kind, length);
  }
  if (c == '"' || c == '\'') return finish(TokenKind::string, string_length());
  if (c < ' ' || c > '~') fail_character();
  finish(TokenKind::symbol, 1);
}

void PrototxtLexer::finish(TokenKind kind, size_t length) {
  token_.kind = kind;
  token_.text = text_.substr(offset_, length);
  advance(length);
}

void PrototxtLexer::fail_character() const {
  const std::string_view rest = text_.substr(offset_);
  if (rest.starts_with("\xE2\x80\x98") || rest.starts_with("\xE2\x80\x99") ||
      rest.starts_with("\xE2\x80\x9C") || rest.starts_with("\xE2\x80\x9D")) {
    fail(token_, "typographic quotation mark; strings use the plain \" or '");
  }
  fail(token_,
       fmt::format("unexpected byte 0x{:02x}; outside quotes and comments only ASCII text is "
                   "allowed",
                   static_cast<unsigned char>(text_[offset_])));
}

// A number without its sign. Hexadecimal (0x1f) and octal (017) are integers; a dot, an exponent or
// the suffix f make a decimal.
size_t PrototxtLexer::number_length(TokenKind* kind) const {
  size_t end = offset_;
  *kind = TokenKind::integer;
  if (at(end) == '0' && (at(end + 1) == 'x' || at(end + 1) == 'X')) {
    end += 2;
    while (hex_value(at(end)) >= 0) ++end;
    if (end == offset_ + 2) fail(token_, "\"0x\" must be followed by hexadecimal digits");
    return end - offset_;
  }
  if (at(end) == '0' && is_digit(at(end + 1))) {
    while (is_octal(at(end))) ++end;
    if (is_digit(at(end)) || at(end) == '.') {
      fail(token_,
           "a number with a leading zero is octal (digits 0 to 7); remove the leading zero");
    }
    return end - offset_;
  }
  while (is_digit(at(end))) ++end;
  if (at(end) == '.') {
    *kind = TokenKind::decimal;
    do ++end;
    while (is_digit(at(end)));
  }
  if (at(end) == 'e' || at(end) == 'E') {
    *kind = TokenKind::decimal;
    ++end;
    if (at(end) == '+' || at(end) == '-') ++end;
    if (!is_digit(at(end))) fail(token_, "the exponent after \"e\" has no digits");
    while (is_digit(at(end))) ++end;
  }
  if (at(end) == 'f' || at(end) == 'F') {
    *kind = TokenKind::decimal;
    ++end;
  }
  return end - offset_;
}

size_t PrototxtLexer::string_length() const {
  const char quote = text_[offset_];
  size_t end = offset_ + 1;
  while (end < text_.size() && text_[end] != quote && text_[end] != '\n') {
    end += text_[end] == '\\' && end + 1 < text_.size() && text_[end + 1] != '\n' ? 2 : 1;
  }
  if (end >= text_.size() || text_[end] == '\n') {
    fail(token_,
         fmt::format("the text that starts here is not closed; add the missing {} before the end "
                     "of the line",
                     quote));
  }
  return end + 1 - offset_;
}

std::string PrototxtLexer::unquote(const Token& token) const {
  const std::string_view body = token.text.substr(1, token.text.size() - 2);
  std::string out;
  out.reserve(body.size());
  for (size_t i = 0; i < body.size();) {
    if (body[i] != '\\') {
      out += body[i++];
      continue;
    }
    const std::string_view rest = body.substr(i + 1);
    const char c = rest.empty() ? '\0' : rest[0];
    uint32_t value = 0;
    if (is_octal(c)) {
      i += 1 + read_digits(rest, 8, 3, &value);
      out += static_cast<char>(value);
    } else if (const char simple = simple_escape(c)) {
      out += simple;
      i += 2;
    } else if (c == 'x' || c == 'X' || c == 'u' || c == 'U') {
      const bool byte = c == 'x' || c == 'X';
      const int most = byte ? 2 : c == 'u' ? 4 : 8;
      const int count = read_digits(rest.substr(1), 16, most, &value);
      if (byte ? count == 0 : count != most || value > 0x10FFFF) {
        fail(token, fmt::format("the escape \\{} needs {} hexadecimal digits{}", c,
                                byte ? "1 or 2" : std::to_string(most),
                                byte ? "" : " of a Unicode character"));
      }
      if (byte) {
        out += static_cast<char>(value);
      } else {
        append_utf8(value, &out);
      }
      i += 2 + count;
    } else {
      fail(token, fmt::format("unknown escape \\{}; write \\\\ for a backslash", c));
    }
  }
  return out;
}

}  // namespace trivium::caffe
