// ByteReader: a bounds-checked position in bytes that came from outside. Every read says what it
// expects, so a short or broken file is a UserError naming the file, the byte and the part.
#pragma once

#include <bit>
#include <cstring>
#include <string>

#include "trivium/engine/core/array.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/file.h"

namespace trivium::formats {

class ByteReader {
 public:
  /// `name` is the file in error messages; `base` is added to offsets shown there.
  ByteReader(Bytes bytes, std::string name, uint64_t base = 0)
      : bytes_(bytes), name_(std::move(name)), base_(base) {}

  uint64_t offset() const { return offset_; }
  uint64_t size() const { return bytes_.size(); }
  uint64_t remaining() const { return bytes_.size() - offset_; }
  const std::string& name() const { return name_; }

  void seek(uint64_t offset, const char* what) {
    if (offset > bytes_.size())
      fail("{} would lie at byte {}, the file has {} bytes", what, base_ + offset,
           base_ + bytes_.size());
    offset_ = offset;
  }

  Bytes take(uint64_t count, const char* what) {
    if (count > remaining())
      fail("{} needs {} bytes, {} are left: the file is cut short or broken", what, count,
           remaining());
    const Bytes part = bytes_.subspan(offset_, count);
    offset_ += count;
    return part;
  }

  /// An unsigned little-endian integer of 1 to 8 bytes.
  uint64_t le(int bytes, const char* what) {
    const Bytes part = take(static_cast<uint64_t>(bytes), what);
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; --i) value = value << 8 | part[static_cast<size_t>(i)];
    return value;
  }
  uint8_t u8(const char* what) { return static_cast<uint8_t>(le(1, what)); }
  uint16_t u16(const char* what) { return static_cast<uint16_t>(le(2, what)); }
  uint32_t u32(const char* what) { return static_cast<uint32_t>(le(4, what)); }
  uint64_t u64(const char* what) { return le(8, what); }
  uint32_t u32_be(const char* what) { return __builtin_bswap32(u32(what)); }

  void expect(std::string_view signature, const char* what) {
    const uint64_t at = offset_;
    const Bytes part = take(signature.size(), what);
    if (std::memcmp(part.data(), signature.data(), signature.size()) != 0) {
      offset_ = at;
      fail("{} expected, other bytes are there", what);
    }
  }

  template <typename... Args>
  [[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) const {
    user_error("{}: byte {}: {}", name_, base_ + offset_,
               fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  Bytes bytes_;
  std::string name_;
  uint64_t base_;
  uint64_t offset_ = 0;
};

/// a * b, or false when it does not fit.
inline bool checked_multiply(uint64_t a, uint64_t b, uint64_t* out) {
  return !__builtin_mul_overflow(a, b, out);
}

/// Reverses the bytes of each element in place; for files of the other byte order.
inline void swap_bytes(void* data, size_t count, size_t element_bytes) {
  auto* bytes = static_cast<uint8_t*>(data);
  for (size_t i = 0; i < count; ++i)
    for (size_t a = 0, b = element_bytes - 1; a < b; ++a, --b)
      std::swap(bytes[i * element_bytes + a], bytes[i * element_bytes + b]);
}

static_assert(std::endian::native == std::endian::little,
              "the readers assume a little-endian host");

}  // namespace trivium::formats
