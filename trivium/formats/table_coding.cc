// The ordered coding: unsigned numbers as a length and big-endian bytes, text with escapes and an
// end mark, signed numbers with a prefix of ones that counts the bytes.
#include "trivium/formats/table_coding.h"

#include <array>

namespace trivium::formats {
namespace {

void put_ordered(std::string* out, uint64_t value) {
  std::string digits;
  for (; value != 0; value >>= 8) digits.insert(digits.begin(), static_cast<char>(value & 0xff));
  out->push_back(static_cast<char>(digits.size()));
  *out += digits;
}

void put_ordered(std::string* out, const std::string& text) {
  for (const char c : text) {
    out->push_back(c);
    if (c == '\0') out->push_back('\xff');
    if (c == '\xff') out->push_back('\0');
  }
  out->append({'\0', '\1'});
}

/// n bytes hold 7n - 1 bits of a signed number below their prefix: the sign, flipped, n - 1 more
/// bits like it and a zero.
void put_ordered_signed(std::string* out, int64_t value) {
  const uint64_t size = static_cast<uint64_t>(value < 0 ? ~value : value);
  int bytes = 1;
  while (bytes < 10 && size >> (7 * bytes - 1 < 64 ? 7 * bytes - 1 : 63) != 0) ++bytes;
  std::array<uint8_t, 10> digits;
  digits.fill(value < 0 ? 0xff : 0);
  for (int i = 0; i < 8; ++i)
    digits[static_cast<size_t>(9 - i)] =
        static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i));
  const size_t first = static_cast<size_t>(10 - bytes);
  const uint32_t prefix = 0xffffu << (16 - bytes) & 0xffffu;
  digits[first] ^= static_cast<uint8_t>(prefix >> 8);
  if (bytes > 1) digits[first + 1] ^= static_cast<uint8_t>(prefix & 0xff);
  out->append(reinterpret_cast<const char*>(digits.data()) + first, static_cast<size_t>(bytes));
}

}  // namespace

uint64_t read_varint(ByteReader* in, const char* what) {
  uint64_t value = 0;
  for (int shift = 0; shift < 70; shift += 7) {
    const uint64_t byte = in->u8(what);
    if (shift == 63 && byte > 1) break;
    value |= (byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  in->fail("{}: a number of at most 64 bits expected", what);
}

void put_varint(std::string* out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

void put_fixed32(std::string* out, uint32_t value) {
  out->append(reinterpret_cast<const char*>(&value), 4);
}

void put_fixed64(std::string* out, uint64_t value) {
  out->append(reinterpret_cast<const char*>(&value), 8);
}

std::string slice_key(const std::string& name, const TensorSlice& slice) {
  std::string key;
  put_ordered(&key, uint64_t{0});
  put_ordered(&key, name);
  put_ordered(&key, static_cast<uint64_t>(slice.size()));
  for (const SliceExtent& extent : slice) {
    put_ordered_signed(&key, extent.start);
    put_ordered_signed(&key, extent.length.value_or(-1));
  }
  return key;
}

}  // namespace trivium::formats
