// The stream is the unpacked length, then elements: literal bytes, or copies of bytes unpacked
// before. The two low bits of an element's first byte tell which.
#include "trivium/formats/snappy.h"

#include <algorithm>

#include "trivium/formats/bytes.h"
#include "trivium/formats/table_coding.h"

namespace trivium::formats {
namespace {

/// The densest element is a copy of 64 bytes written in 3.
constexpr uint64_t kMaxRatio = 22;

struct Unpacker {
  ByteReader in;
  std::string out = {};
  uint64_t length = 0;

  void room_for(uint64_t count) const {
    if (count > length - out.size())
      in.fail("snappy: an element of {} bytes passes the stated length {}", count, length);
  }

  void literal(uint8_t tag) {
    uint64_t count = tag >> 2;
    if (count >= 60) count = in.le(static_cast<int>(count) - 59, "a literal's length");
    ++count;
    room_for(count);
    const Bytes part = in.take(count, "a literal");
    out.append(reinterpret_cast<const char*>(part.data()), part.size());
  }

  void copy(uint64_t distance, uint64_t count) {
    if (distance == 0 || distance > out.size())
      in.fail("snappy: a copy from {} bytes back, {} are unpacked", distance, out.size());
    room_for(count);
    for (uint64_t i = 0; i < count; ++i) out.push_back(out[out.size() - distance]);
  }

  void element() {
    const uint8_t tag = in.u8("an element");
    switch (tag & 3) {
      case 0:
        return literal(tag);
      case 1: {
        const uint64_t low = in.u8("a copy's distance");
        return copy(static_cast<uint64_t>(tag >> 5) << 8 | low, 4 + (tag >> 2 & 7));
      }
      case 2:
        return copy(in.u16("a copy's distance"), 1 + (tag >> 2));
      default:
        return copy(in.u32("a copy's distance"), 1 + (tag >> 2));
    }
  }
};

}  // namespace

std::string unpack_snappy(Bytes packed, const std::string& name) {
  Unpacker unpack{ByteReader(packed, name)};
  unpack.length = read_varint(&unpack.in, "snappy length");
  if (unpack.length > kMaxRatio * packed.size())
    unpack.in.fail("snappy: {} bytes cannot unpack to the stated {}", packed.size(), unpack.length);
  unpack.out.reserve(unpack.length);
  while (unpack.in.remaining() > 0) unpack.element();
  if (unpack.out.size() != unpack.length)
    unpack.in.fail("snappy: {} bytes unpacked, {} stated", unpack.out.size(), unpack.length);
  return std::move(unpack.out);
}

}  // namespace trivium::formats
