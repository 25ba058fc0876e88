// Snappy, the compression of blocks in older TensorFlow checkpoints: unpacking only.
#pragma once

#include <string>

#include "trivium/formats/file.h"

namespace trivium::formats {

/// The bytes inside. UserError naming `name` when they are no Snappy data or are cut short; a claim
/// of more bytes than the input can unpack to is refused before any memory is taken.
std::string unpack_snappy(Bytes packed, const std::string& name);

}  // namespace trivium::formats
