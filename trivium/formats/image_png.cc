// PNG by libpng. Its errors leave by longjmp, so the functions that set the mark hold nothing that
// would need a destructor.
#include "trivium/formats/bytes.h"
#include "trivium/formats/image_codecs.h"
#include "trivium/formats/inflate.h"

#ifdef TRIVIUM_HAVE_PNG
#include <png.h>

#include <csetjmp>
#include <vector>
#endif

namespace trivium::formats {

#ifdef TRIVIUM_HAVE_PNG
namespace {

constexpr png_uint_32 kMaxSide = 1u << 20;

struct Source {
  Bytes bytes;
  size_t at = 0;
  char message[160] = "";
};

void on_error(png_structp png, png_const_charp message) {
  auto* source = static_cast<Source*>(png_get_error_ptr(png));
  std::snprintf(source->message, sizeof source->message, "%s", message);
  png_longjmp(png, 1);
}
void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep to, size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (count > source->bytes.size() - source->at) png_error(png, "the file is cut short");
  std::memcpy(to, source->bytes.data() + source->at, count);
  source->at += count;
}

class PngReader {
 public:
  explicit PngReader(Bytes bytes) {
    source_.bytes = bytes;
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source_, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      environment_error("out of memory for a PNG image");
    }
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  /// Reads the header and sets the conversions; false after an error.
  bool start(ImageMode mode) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_read_fn(png_, &source_, on_read);
    png_set_user_limits(png_, kMaxSide, kMaxSide);
    png_set_chunk_malloc_max(png_, 8u << 20);
    png_set_chunk_cache_max(png_, 128);
    png_read_info(png_, info_);
    stored_row_bytes_ = png_get_rowbytes(png_, info_);
    set_conversions(mode);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool read_rows(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }

  uint64_t width() const { return png_get_image_width(png_, info_); }
  uint64_t height() const { return png_get_image_height(png_, info_); }
  uint64_t channels() const { return png_get_channels(png_, info_); }
  uint64_t row_bytes() const { return png_get_rowbytes(png_, info_); }
  uint64_t stored_row_bytes() const { return stored_row_bytes_; }
  const Source& source() const { return source_; }

 private:
  void set_conversions(ImageMode mode) {
    const int type = png_get_color_type(png_, info_);
    const bool has_alpha =
        (type & PNG_COLOR_MASK_ALPHA) || png_get_valid(png_, info_, PNG_INFO_tRNS);
    png_set_strip_16(png_);
    png_set_packing(png_);
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    if (type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png_, info_) < 8)
      png_set_expand_gray_1_2_4_to_8(png_);
    const bool is_color = type & PNG_COLOR_MASK_COLOR;
    if (mode == ImageMode::as_stored && has_alpha) {
      png_set_tRNS_to_alpha(png_);
      if (!is_color) png_set_gray_to_rgb(png_);
      png_set_bgr(png_);
      return;
    }
    png_set_strip_alpha(png_);
    const bool to_color = mode == ImageMode::color || (mode == ImageMode::as_stored && is_color);
    if (to_color && is_color) png_set_bgr(png_);
    if (to_color && !is_color) png_set_gray_to_rgb(png_);
    if (!to_color && is_color) png_set_rgb_to_gray(png_, PNG_ERROR_ACTION_NONE, 0.299, 0.587);
  }

  Source source_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  uint64_t stored_row_bytes_ = 0;
};

[[noreturn]] void broken(const PngReader& reader, const std::string& name) {
  user_error("{}: byte {}: broken PNG image: {}", name, reader.source().at,
             reader.source().message);
}

class PngWriter {
 public:
  PngWriter() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &source_, on_error, on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) {
      png_destroy_write_struct(&png_, nullptr);
      environment_error("out of memory for a PNG image");
    }
  }
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  bool write(const Array& image, std::string* out) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_write_fn(png_, out, append, nullptr);
    const auto channels = image.shape()[2];
    const int type = channels == 1   ? PNG_COLOR_TYPE_GRAY
                     : channels == 3 ? PNG_COLOR_TYPE_RGB
                                     : PNG_COLOR_TYPE_RGB_ALPHA;
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(image.shape()[1]),
                 static_cast<png_uint_32>(image.shape()[0]), 8, type, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png_, info_);
    png_set_bgr(png_);
    const int64_t row = image.shape()[1] * channels;
    for (int64_t y = 0; y < image.shape()[0]; ++y)
      png_write_row(png_, image.data<uint8_t>() + y * row);
    png_write_end(png_, info_);
    return true;
  }
  const char* message() const { return source_.message; }

 private:
  static void append(png_structp png, png_bytep data, size_t bytes) {
    static_cast<std::string*>(png_get_io_ptr(png))->append(reinterpret_cast<char*>(data), bytes);
  }
  Source source_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

Array decode_png(Bytes bytes, ImageMode mode, const std::string& name, uint64_t max_bytes) {
  PngReader reader(bytes);
  if (!reader.start(mode)) broken(reader, name);
  const uint64_t total = reader.height() * reader.row_bytes();  // below 2^20 * 2^22
  if (total > max_bytes ||
      reader.height() * reader.stored_row_bytes() / kMaxDeflateRatio > bytes.size())
    user_error(
        "{}: byte 16: {} x {} pixels are too many for the limit of {} bytes and a file of {}", name,
        reader.width(), reader.height(), max_bytes, bytes.size());
  Array image(Shape{static_cast<int64_t>(reader.height()), static_cast<int64_t>(reader.width()),
                    static_cast<int64_t>(reader.channels())},
              DType::u8);
  std::memset(image.raw(), 0, image.bytes());
  std::vector<png_bytep> rows(reader.height());
  for (uint64_t y = 0; y < rows.size(); ++y)
    rows[y] = image.data<uint8_t>() + y * reader.row_bytes();
  if (!reader.read_rows(rows.data())) broken(reader, name);
  return image;
}

std::string encode_png(const Array& image) {
  const int64_t channels = image.shape().rank() == 3 ? image.shape()[2] : 0;
  if (image.dtype() != DType::u8 || image.count() == 0 ||
      (channels != 1 && channels != 3 && channels != 4))
    user_error("encode_png: uint8[height, width, 1, 3 or 4] expected, received {}", image.text());
  std::string out;
  PngWriter writer;
  if (!writer.write(image, &out)) user_error("encode_png: {}", writer.message());
  return out;
}

#else
Array decode_png(Bytes, ImageMode, const std::string& name, uint64_t) {
  user_error("{}: built without PNG; install libpng-dev and build again", name);
}
std::string encode_png(const Array&) {
  user_error("encode_png: built without PNG; install libpng-dev and build again");
}
#endif

}  // namespace trivium::formats
