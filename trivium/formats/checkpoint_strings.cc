// String tensors in data files: every length, a masked checksum of the lengths, all bytes.
#include "trivium/formats/bytes.h"
#include "trivium/formats/checkpoint_source.h"
#include "trivium/formats/crc32c.h"

namespace trivium::formats {
namespace {

/// The checksum takes lengths as 4 bytes, or 8 when they need them.
uint32_t crc_of_length(uint64_t length, uint32_t crc) {
  std::string bytes;
  if (length <= UINT32_MAX)
    put_fixed32(&bytes, static_cast<uint32_t>(length));
  else
    put_fixed64(&bytes, length);
  return crc32c(as_bytes(bytes), crc);
}

}  // namespace

std::string pack_strings(const StringTensor& strings, uint32_t* crc) {
  std::string out;
  uint32_t sum = 0;
  for (const std::string& value : strings.values) {
    put_varint(&out, value.size());
    sum = crc_of_length(value.size(), sum);
  }
  const size_t before = out.size();
  put_fixed32(&out, mask_crc(sum));
  sum = crc32c(as_bytes(out).subspan(before), sum);
  for (const std::string& value : strings.values) {
    sum = crc32c(as_bytes(value), sum);
    out += value;
  }
  *crc = sum;
  return out;
}

StringTensor unpack_strings(Bytes bytes, const Shape& shape, uint32_t* crc,
                            const std::string& where) {
  ByteReader in(bytes, where);
  if (static_cast<uint64_t>(shape.count()) > bytes.size())
    in.fail("{} strings need at least as many bytes, there are {}", shape.count(), bytes.size());
  std::vector<uint64_t> lengths;
  uint32_t sum = 0;
  for (int64_t i = 0; i < shape.count(); ++i) {
    lengths.push_back(read_varint(&in, "a string's length"));
    sum = crc_of_length(lengths.back(), sum);
  }
  const uint32_t masked = mask_crc(sum);
  const Bytes stored = in.take(4, "the lengths' checksum");
  if (std::memcmp(stored.data(), &masked, 4) != 0)
    in.fail("the checksum of the strings' lengths is wrong: the file is damaged");
  sum = crc32c(stored, sum);
  StringTensor out{shape, {}};
  for (const uint64_t length : lengths) {
    const Bytes part = in.take(length, "a string");
    sum = crc32c(part, sum);
    out.values.emplace_back(reinterpret_cast<const char*>(part.data()), part.size());
  }
  if (in.remaining() > 0) in.fail("{} bytes are left after the strings", in.remaining());
  *crc = sum;
  return out;
}

}  // namespace trivium::formats
