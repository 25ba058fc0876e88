// PNG (RFC 2083): signature, IHDR, one IDAT with every row under filter 0, IEND.
#include "tools/png.h"

#include <zlib.h>

#include "trivium/engine/core/error.h"

namespace trivium::tools {
namespace {

void append_u32(std::string& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

// length, type, data, CRC of type and data
void append_chunk(std::string& out, const char* type, const std::string& data) {
  append_u32(out, static_cast<uint32_t>(data.size()));
  const size_t start = out.size();
  out.append(type, 4).append(data);
  const auto* bytes = reinterpret_cast<const Bytef*>(out.data() + start);
  append_u32(out, static_cast<uint32_t>(crc32(0, bytes, static_cast<uInt>(out.size() - start))));
}

std::string deflate_all(const std::string& raw) {
  uLongf size = compressBound(raw.size());
  std::string packed(size, '\0');
  const int status = compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
                               reinterpret_cast<const Bytef*>(raw.data()), raw.size(), 9);
  if (status != Z_OK) internal_error("encode_png: zlib returned {}", status);
  packed.resize(size);
  return packed;
}

}  // namespace

std::string encode_png(std::span<const uint8_t> pixels, int height, int width, int channels) {
  if (channels != 1 && channels != 3)
    user_error("encode_png: expected 1 or 3 channels, received {}", channels);
  if (height <= 0 || width <= 0 || pixels.size() != static_cast<size_t>(height) * width * channels)
    user_error("encode_png: received {} bytes for an image [{}, {}, {}]", pixels.size(), height,
               width, channels);
  const size_t row_bytes = static_cast<size_t>(width) * channels;
  std::string rows;
  rows.reserve((row_bytes + 1) * height);
  for (int y = 0; y < height; ++y) {
    rows.push_back(0);  // filter: none
    rows.append(reinterpret_cast<const char*>(pixels.data()) + y * row_bytes, row_bytes);
  }
  std::string header;
  append_u32(header, static_cast<uint32_t>(width));
  append_u32(header, static_cast<uint32_t>(height));
  header.push_back(8);                      // bits a sample
  header.push_back(channels == 1 ? 0 : 2);  // colour type: grey, true colour
  header.append(3, '\0');                   // deflate, adaptive filters, no interlace
  std::string png("\x89PNG\r\n\x1a\n", 8);
  append_chunk(png, "IHDR", header);
  append_chunk(png, "IDAT", deflate_all(rows));
  append_chunk(png, "IEND", "");
  return png;
}

std::string base64(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    const uint32_t three =
        bytes[i] << 16 | (left > 1 ? bytes[i + 1] << 8 : 0) | (left > 2 ? bytes[i + 2] : 0);
    out.push_back(kDigits[three >> 18 & 63]);
    out.push_back(kDigits[three >> 12 & 63]);
    out.push_back(left > 1 ? kDigits[three >> 6 & 63] : '=');
    out.push_back(left > 2 ? kDigits[three & 63] : '=');
  }
  return out;
}

std::string png_data_uri(std::span<const uint8_t> pixels, int height, int width, int channels) {
  const std::string png = encode_png(pixels, height, width, channels);
  return "data:image/png;base64," +
         base64({reinterpret_cast<const uint8_t*>(png.data()), png.size()});
}

}  // namespace trivium::tools
