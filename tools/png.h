// A PNG of raw 8-bit pixels, as bytes or as a data URI that can stand inside an HTML page.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace trivium::tools {

/// Encodes `pixels` [height, width, channels], row-major, channels 1 (grey) or 3 (red, green,
/// blue). UserError when the count of pixels does not match or a size is not positive.
std::string encode_png(std::span<const uint8_t> pixels, int height, int width, int channels);

/// "data:image/png;base64,…" of encode_png.
std::string png_data_uri(std::span<const uint8_t> pixels, int height, int width, int channels);

/// RFC 4648 base64 with padding.
std::string base64(std::span<const uint8_t> bytes);

}  // namespace trivium::tools
