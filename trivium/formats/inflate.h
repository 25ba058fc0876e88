// zlib, with the output size known or bounded before any memory is taken.
#pragma once

#include <string>

#include "trivium/formats/file.h"

namespace trivium::formats {

enum class Deflated { raw, zlib, gzip };

/// deflate cannot shrink data more than this; a larger claim is a lie.
inline constexpr uint64_t kMaxDeflateRatio = 1032;

/// Inflates exactly `to_bytes` bytes into `to`. UserError naming `name` when the stream is broken
/// or holds fewer or more bytes (gzip: also when checksum or length are wrong).
void inflate_exactly(Bytes from, Deflated kind, uint8_t* to, uint64_t to_bytes,
                     const std::string& name);

/// The first `count` bytes inside, fewer when the stream ends before.
std::string inflate_start(Bytes from, Deflated kind, size_t count, const std::string& name);

inline bool is_gzip(Bytes bytes) {
  return bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

}  // namespace trivium::formats
