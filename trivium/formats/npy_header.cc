// A Python dict literal with exactly the keys descr, fortran_order and shape.
#include "trivium/formats/npy_header.h"

#include <cctype>

namespace trivium::formats {
namespace {

constexpr uint64_t kMaxHeaderBytes = uint64_t{1} << 16;

class LiteralParser {
 public:
  LiteralParser(std::string_view text, const ByteReader& file, bool python2_numbers)
      : text_(text), file_(file), python2_numbers_(python2_numbers) {}

  void parse(NpyHeader* header) {
    want('{');
    bool descr = false, order = false, shape = false;
    while (!accept('}')) {
      const std::string key = string();
      want(':');
      bool& seen = key == "descr" ? descr : key == "fortran_order" ? order : shape;
      if (key != "descr" && key != "fortran_order" && key != "shape")
        fail("the keys descr, fortran_order, shape expected, received another");
      if (seen) fail("a key is given twice");
      seen = true;
      if (key == "descr") parse_descr(header);
      if (key == "fortran_order") header->fortran_order = boolean();
      if (key == "shape") parse_shape(header);
      if (!accept(',') && peek() != '}') fail("',' or '}' expected");
    }
    if (peek() != 0) fail("nothing expected after the closing brace");
    if (!descr || !order || !shape) fail("descr, fortran_order and shape are all required");
  }

 private:
  [[noreturn]] void fail(const char* what) {
    user_error("{}: byte {} (npy header): {}", file_.name(), file_.offset() + position_, what);
  }
  char peek() {
    while (position_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[position_])))
      ++position_;
    return position_ < text_.size() ? text_[position_] : '\0';
  }
  bool accept(char c) {
    if (peek() != c || position_ >= text_.size()) return false;
    ++position_;
    return true;
  }
  void want(char c) {
    if (!accept(c))
      fail(c == '{' ? "'{' expected" : c == '(' ? "a tuple expected" : "':' expected");
  }
  std::string string() {
    if (peek() == 'u') ++position_;
    const char quote = peek();
    if (quote != '\'' && quote != '"') fail("a quoted text expected");
    const size_t end = text_.find(quote, ++position_);
    if (end == std::string_view::npos || end - position_ > 64) fail("a short quoted text expected");
    const std::string value(text_.substr(position_, end - position_));
    position_ = end + 1;
    return value;
  }
  bool boolean() {
    peek();
    for (const std::string_view word : {"True", "False"})
      if (text_.substr(position_, word.size()) == word) {
        position_ += word.size();
        return word == "True";
      }
    fail("True or False expected");
  }
  int64_t integer() {
    if (!std::isdigit(static_cast<unsigned char>(peek()))) fail("a size of 0 or more expected");
    int64_t value = 0;
    while (position_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[position_])))
      if (__builtin_mul_overflow(value, int64_t{10}, &value) ||
          __builtin_add_overflow(value, int64_t{text_[position_++] - '0'}, &value))
        fail("a size does not fit in 64 bits");
    if (python2_numbers_) accept('L');
    return value;
  }
  void parse_shape(NpyHeader* header) {
    want('(');
    while (!accept(')')) {
      if (header->shape.rank() == Shape::kMaxRank) fail("a rank of at most 8 expected");
      header->shape.push_back(integer());
      if (!accept(',') && (peek() != ')' || header->shape.rank() == 1))
        fail("a tuple of sizes expected, as in (2, 3) or (4,)");
    }
  }
  void parse_descr(NpyHeader* header) {
    if (peek() == '[') fail("a plain element type expected; structured arrays are refused");
    std::string text = string();
    header->big_endian = false;
    if (!text.empty() && std::string_view("<>=|").find(text[0]) != std::string_view::npos) {
      header->big_endian = text[0] == '>';
      text.erase(0, 1);
    }
    if (text == "O") fail("an array of Python objects needs pickle, which is refused");
    static constexpr std::string_view known[] = {"b1", "i1", "i2", "i4", "i8", "u1",
                                                 "u2", "u4", "u8", "f2", "f4", "f8"};
    for (const std::string_view name : known)
      if (text == name) {
        header->kind = text[0];
        header->element_bytes = text[1] - '0';
        return;
      }
    fail("an element type among b1 i1-8 u1-8 f2-8 expected (no text, complex or dates)");
  }

  std::string_view text_;
  const ByteReader& file_;
  bool python2_numbers_;
  size_t position_ = 0;
};

}  // namespace

NpyHeader parse_npy_header(ByteReader& in, uint64_t max_bytes) {
  in.expect("\x93NUMPY", "the npy signature \\x93NUMPY");
  const int major = in.u8("npy version"), minor = in.u8("npy version");
  if (major < 1 || major > 3 || minor != 0)
    in.fail("npy version 1.0, 2.0 or 3.0 expected, received {}.{}", major, minor);
  const uint64_t length = in.le(major == 1 ? 2 : 4, "npy header length");
  if (length > kMaxHeaderBytes)
    in.fail("a header of at most {} bytes expected, received {}", kMaxHeaderBytes, length);
  NpyHeader header;
  ByteReader at_header = in;
  const Bytes text = in.take(length, "npy header");
  LiteralParser({reinterpret_cast<const char*>(text.data()), text.size()}, at_header, major < 3)
      .parse(&header);
  header.data_offset = in.offset();
  header.data_bytes = static_cast<uint64_t>(header.element_bytes);
  uint64_t widened = 8;  // what the Array may need at most
  for (int64_t size : header.shape)
    if (!checked_multiply(header.data_bytes, static_cast<uint64_t>(size), &header.data_bytes) ||
        !checked_multiply(widened, static_cast<uint64_t>(size), &widened) ||
        header.data_bytes > max_bytes)
      at_header.fail("shape {} asks for more than the limit of {} bytes", header.shape.text(),
                     max_bytes);
  return header;
}

}  // namespace trivium::formats
