#include "trivium/formats/image.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "trivium/formats/bytes.h"
#include "trivium/formats/image_codecs.h"

namespace trivium::formats {
namespace {

/// Reads TIFF numbers of either byte order; false when outside.
struct Tiff {
  Bytes bytes;
  bool big = false;
  bool get(size_t at, size_t count, uint32_t* out) const {
    if (at > bytes.size() || count > bytes.size() - at) return false;
    *out = 0;
    for (size_t i = 0; i < count; ++i)
      *out |= static_cast<uint32_t>(bytes[at + i]) << 8 * (big ? count - 1 - i : i);
    return true;
  }
};

void check_image(const Array& image, const char* what) {
  if (image.dtype() != DType::u8 || image.shape().rank() != 3 || image.count() == 0)
    user_error("{}: uint8[height, width, channels] expected, received {}", what, image.text());
}

// OpenCV's fixed point for linear resizing: 11 bits of weight.
constexpr int kWeightBits = 11;
constexpr int kWeightOne = 1 << kWeightBits;

struct Tap {
  int64_t first = 0, second = 0;  // source indices
  int weight0 = 0, weight1 = 0;
};

/// Beyond the first and last sample, columns take that sample alone; rows mix it with itself, which
/// rounds a little lower.
std::vector<Tap> taps(int64_t from, int64_t to, bool mix_at_border) {
  std::vector<Tap> out(static_cast<size_t>(to));
  const double scale = 1.0 / (static_cast<double>(to) / static_cast<double>(from));
  for (int64_t i = 0; i < to; ++i) {
    float place = static_cast<float>((static_cast<double>(i) + 0.5) * scale - 0.5);
    const int64_t at = static_cast<int64_t>(std::floor(place));
    place -= static_cast<float>(at);
    if (!mix_at_border && (at < 0 || at >= from - 1)) place = 0;
    Tap& tap = out[static_cast<size_t>(i)];
    tap.first = std::clamp<int64_t>(at, 0, from - 1);
    tap.second = std::clamp<int64_t>(at + 1, 0, from - 1);
    tap.weight0 = static_cast<int>(std::lrint((1.f - place) * kWeightOne));
    tap.weight1 = static_cast<int>(std::lrint(place * kWeightOne));
  }
  return out;
}

/// Halving both sides: the rounded mean of each 2x2 block.
Array halve(const Array& image) {
  const int64_t height = image.shape()[0] / 2, width = image.shape()[1] / 2,
                channels = image.shape()[2], row = image.shape()[1] * channels;
  Array out(Shape{height, width, channels}, DType::u8);
  const uint8_t* in = image.data<uint8_t>();
  uint8_t* to = out.data<uint8_t>();
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < channels; ++c) {
        const uint8_t* p = in + 2 * y * row + 2 * x * channels + c;
        *to++ = static_cast<uint8_t>((p[0] + p[channels] + p[row] + p[row + channels] + 2) >> 2);
      }
  return out;
}

/// One source row stretched to the new width, weights included.
void stretch_row(const uint8_t* in, const std::vector<Tap>& taps, int64_t channels, int* out) {
  for (const Tap& tap : taps)
    for (int64_t c = 0; c < channels; ++c)
      *out++ =
          in[tap.first * channels + c] * tap.weight0 + in[tap.second * channels + c] * tap.weight1;
}

template <typename Place>
Array permuted(const Array& in, const Shape& shape, Place place) {
  Array out(shape, in.dtype());
  const size_t element = size_of(in.dtype());
  const char* from = static_cast<const char*>(in.raw());
  char* to = static_cast<char*>(out.raw());
  for (int64_t a = 0, i = 0; a < shape[0]; ++a)
    for (int64_t b = 0; b < shape[1]; ++b)
      for (int64_t c = 0; c < shape[2]; ++c, ++i)
        std::memcpy(to + static_cast<size_t>(i) * element,
                    from + static_cast<size_t>(place(a, b, c)) * element, element);
  return out;
}

}  // namespace

std::string image_format(Bytes bytes) {
  if (bytes.size() >= 8 && std::memcmp(bytes.data(), "\x89PNG\r\n\x1a\n", 8) == 0) return "png";
  if (bytes.size() >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff) return "jpeg";
  return "";
}

Array decode_image(Bytes bytes, ImageMode mode, const std::string& name, uint64_t max_bytes) {
  const std::string format = image_format(bytes);
  if (format == "png") return decode_png(bytes, mode, name, max_bytes);
  if (format == "jpeg") return decode_jpeg(bytes, mode, name, max_bytes);
  user_error("{}: byte 0: a PNG or JPEG image expected, the first bytes are of neither", name);
}

Array read_image(const std::string& path, ImageMode mode) {
  const std::string bytes = read_file(path);
  return decode_image(as_bytes(bytes), mode, path);
}

int exif_orientation(Bytes app1) {
  if (app1.size() < 14 || std::memcmp(app1.data(), "Exif\0\0", 6) != 0) return 1;
  Tiff tiff{app1.subspan(6)};
  tiff.big = tiff.bytes[0] == 'M';
  uint32_t directory = 0, entries = 0;
  if (!tiff.get(4, 4, &directory) || !tiff.get(directory, 2, &entries)) return 1;
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t at = size_t{directory} + 2 + 12 * size_t{i};
    uint32_t tag = 0, value = 0;
    if (!tiff.get(at, 2, &tag) || !tiff.get(at + 8, 2, &value)) return 1;
    if (tag == 0x0112) return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Array upright(const Array& image, int orientation) {
  if (orientation <= 1 || orientation > 8) return image;
  const int64_t height = image.shape()[0], width = image.shape()[1], channels = image.shape()[2];
  const bool turned = orientation >= 5;  // rows become columns
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const Shape shape{turned ? width : height, turned ? height : width, channels};
  return permuted(image, shape, [=](int64_t y, int64_t x, int64_t c) {
    int64_t row = turned ? x : y, column = turned ? y : x;
    if (from_below) row = height - 1 - row;
    if (from_right) column = width - 1 - column;
    return (row * width + column) * channels + c;
  });
}

Array resize_linear(const Array& image, int64_t height, int64_t width) {
  check_image(image, "resize");
  const int64_t from_h = image.shape()[0], from_w = image.shape()[1], channels = image.shape()[2];
  if (height < 1 || width < 1 || height > (1 << 20) || width > (1 << 20))
    user_error("resize: a height and width of 1 to 1048576 expected, received {} x {}", height,
               width);
  if (height == from_h && width == from_w) return image.clone();
  if (from_h == 2 * height && from_w == 2 * width) return halve(image);
  const std::vector<Tap> columns = taps(from_w, width, false), rows = taps(from_h, height, true);
  Array out(Shape{height, width, channels}, DType::u8);
  const auto row_values = static_cast<size_t>(width * channels);
  std::vector<int> upper(row_values), lower(row_values);
  int64_t have_upper = -1, have_lower = -1;
  uint8_t* to = out.data<uint8_t>();
  const auto stretch = [&](int64_t row, std::vector<int>* into) {
    stretch_row(image.data<uint8_t>() + row * from_w * channels, columns, channels, into->data());
  };
  for (const Tap& tap : rows) {
    if (tap.first == have_lower) std::swap(upper, lower), std::swap(have_upper, have_lower);
    if (tap.first != have_upper) stretch(have_upper = tap.first, &upper);
    if (tap.second != have_lower) stretch(have_lower = tap.second, &lower);
    for (size_t i = 0; i < row_values; ++i) {
      const int sum =
          ((tap.weight0 * (upper[i] >> 4)) >> 16) + ((tap.weight1 * (lower[i] >> 4)) >> 16);
      *to++ = static_cast<uint8_t>(std::clamp((sum + 2) >> 2, 0, 255));
    }
  }
  return out;
}

Array to_planar(const Array& in) {
  if (in.shape().rank() != 3)
    user_error("[height, width, channels] expected, received {}", in.text());
  const int64_t h = in.shape()[0], w = in.shape()[1], ch = in.shape()[2];
  return permuted(in, Shape{ch, h, w},
                  [=](int64_t c, int64_t y, int64_t x) { return (y * w + x) * ch + c; });
}

Array to_interleaved(const Array& in) {
  if (in.shape().rank() != 3)
    user_error("[channels, height, width] expected, received {}", in.text());
  const int64_t ch = in.shape()[0], h = in.shape()[1], w = in.shape()[2];
  return permuted(in, Shape{h, w, ch},
                  [=](int64_t y, int64_t x, int64_t c) { return (c * h + y) * w + x; });
}

}  // namespace trivium::formats
