// CRC-32C (Castagnoli), the checksum of TensorFlow's files, and the mask they store it under.
#pragma once

#include <cstdint>

#include "trivium/formats/file.h"

namespace trivium::formats {

/// The checksum of `bytes` appended to what has the checksum `crc` (0: nothing yet).
uint32_t crc32c(Bytes bytes, uint32_t crc = 0);

/// Checksums are stored rotated and shifted, so that a checksum of data that holds checksums stays
/// meaningful.
inline uint32_t mask_crc(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }
inline uint32_t unmask_crc(uint32_t masked) {
  const uint32_t turned = masked - 0xa282ead8u;
  return (turned << 15) | (turned >> 17);
}
inline uint32_t masked_crc32c(Bytes bytes) { return mask_crc(crc32c(bytes)); }

}  // namespace trivium::formats
