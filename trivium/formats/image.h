// PNG and JPEG bytes <-> u8 Arrays, with the conventions of OpenCV that Caffe's numbers rest on:
// interleaved [height, width, channels], blue first.
#pragma once

#include <string>

#include "trivium/engine/core/array.h"
#include "trivium/formats/file.h"

namespace trivium::formats {

/// What the decoded image should be.
enum class ImageMode {
  as_stored,  ///< 1 channel when the file is grey, 3 (BGR) for colour, 4 (BGRA) for PNG with alpha
  color,      ///< 3 channels BGR; alpha is dropped, grey is copied to all three
  grey        ///< 1 channel by the codec's own rule: PNG truncates (82.8 -> 82), JPEG takes Y
};

inline constexpr uint64_t kMaxImageBytes = uint64_t{1} << 30;

/// "png", "jpeg", or "" for anything else, by the first bytes.
std::string image_format(Bytes bytes);

/// Decodes to u8 [height, width, channels]. 16-bit PNG keeps the high bytes. In the modes color and
/// grey a JPEG is turned upright by its EXIF orientation. UserError naming `name` when the bytes
/// are no PNG or JPEG, are broken, or would take more than `max_bytes`. A JPEG whose data ends
/// early is accepted, with the rest grey, as the usual decoders do.
Array decode_image(Bytes bytes, ImageMode mode, const std::string& name,
                   uint64_t max_bytes = kMaxImageBytes);
Array read_image(const std::string& path, ImageMode mode);

/// Encodes u8 [height, width, 1, 3 or 4], BGR(A), as PNG; [height, width, 1 or 3] as JPEG with
/// `quality` 1 to 100. UserError for other shapes.
std::string encode_png(const Array& image);
std::string encode_jpeg(const Array& image, int quality = 95);

/// Linear resize of u8 [height, width, channels] with OpenCV's fixed-point arithmetic (halving both
/// sides averages 2x2 pixels): the same values, +-1 where OpenCV builds differ among themselves.
Array resize_linear(const Array& image, int64_t height, int64_t width);

/// [height, width, channels] <-> [channels, height, width], any dtype.
Array to_planar(const Array& interleaved);
Array to_interleaved(const Array& planar);

}  // namespace trivium::formats
