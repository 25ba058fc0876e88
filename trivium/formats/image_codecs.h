// The two codecs behind image.h; each exists when its library does, else it throws saying which
// package brings it.
#pragma once

#include "trivium/formats/image.h"

namespace trivium::formats {

Array decode_png(Bytes bytes, ImageMode mode, const std::string& name, uint64_t max_bytes);
Array decode_jpeg(Bytes bytes, ImageMode mode, const std::string& name, uint64_t max_bytes);

/// EXIF orientation (1 to 8) of the data of an APP1 segment; 1 when there is none or it is broken.
int exif_orientation(Bytes app1);
/// Turns [height, width, channels] upright from EXIF orientation 1 to 8.
Array upright(const Array& image, int orientation);

}  // namespace trivium::formats
