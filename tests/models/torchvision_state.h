// What the comparison with torchvision looks at: a checksum of a state dict, and a fixed image.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/module.h"

namespace trivium::models {

/// CRC-32 over each entry's name and bytes, in order.
inline uint32_t checksum(const nn::StateDict& state) {
  uLong sum = crc32(0, nullptr, 0);
  const auto add = [&](const void* bytes, size_t size) {
    sum = crc32_z(sum, static_cast<const Bytef*>(bytes), size);
  };
  for (const auto& entry : state) {
    add(entry.first.data(), entry.first.size());
    const Array values = entry.second.array();
    add(values.raw(), values.bytes());
  }
  return static_cast<uint32_t>(sum);
}

/// [1, 3, side, side] rising from 0 to 1.
inline nn::Tensor ramp_image(int64_t side) {
  const int64_t pixels = 3 * side * side;
  return nn::arange(pixels, {.dtype = nn::float32}).view({1, 3, side, side}) /
         static_cast<double>(pixels);
}

}  // namespace trivium::models
