// Integers and keys as TensorFlow's tables write them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trivium/formats/bytes.h"

namespace trivium::formats {

/// Seven bits a byte, lowest first; at most 10 bytes.
uint64_t read_varint(ByteReader* in, const char* what);
void put_varint(std::string* out, uint64_t value);
/// Little-endian.
void put_fixed32(std::string* out, uint32_t value);
void put_fixed64(std::string* out, uint64_t value);

/// One axis of a slice of a tensor; without a length it is the whole axis.
struct SliceExtent {
  int64_t start = 0;
  std::optional<int64_t> length = std::nullopt;
  friend bool operator==(const SliceExtent& a, const SliceExtent& b) {
    return a.start == b.start && a.length == b.length;
  }
};
using TensorSlice = std::vector<SliceExtent>;

/// The key of a slice of tensor `name`, in the coding whose bytes sort as the values do. It starts
/// with a zero byte, so these keys come before all names.
std::string slice_key(const std::string& name, const TensorSlice& slice);

}  // namespace trivium::formats
