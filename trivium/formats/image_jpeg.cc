// JPEG by libjpeg. As in image_png.cc, errors leave by longjmp past plain data only.
#include "trivium/formats/bytes.h"
#include "trivium/formats/image_codecs.h"

#ifdef TRIVIUM_HAVE_JPEG
#include <cstdio>
// jpeglib.h needs size_t and FILE first.
#include <jpeglib.h>

#include <csetjmp>
#include <cstdlib>
#endif

namespace trivium::formats {

#ifdef TRIVIUM_HAVE_JPEG
namespace {

constexpr int64_t kMaxPixelsPerByte = 1024;  // one bit for each 8x8 block of a grey image gives 512
constexpr int kMaxScans = 500;               // a tiny progressive file can ask for endless passes
constexpr int kExifMarker = JPEG_APP0 + 1;

struct Errors {
  jpeg_error_mgr manager;  // first: libjpeg hands back a pointer to it
  std::jmp_buf mark;
  char message[JMSG_LENGTH_MAX];
};

void on_error(j_common_ptr info) {
  auto* errors = reinterpret_cast<Errors*>(info->err);
  info->err->format_message(info, errors->message);
  std::longjmp(errors->mark, 1);
}
void on_message(j_common_ptr) {}
void on_warning(j_common_ptr, int) {}

void on_progress(j_common_ptr info) {
  const auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  auto* errors = reinterpret_cast<Errors*>(info->err);
  if (decoder->input_scan_number <= kMaxScans) return;
  std::snprintf(errors->message, sizeof errors->message, "more than %d scans", kMaxScans);
  std::longjmp(errors->mark, 1);
}

jpeg_error_mgr* quiet(Errors* errors) {
  jpeg_error_mgr* manager = jpeg_std_error(&errors->manager);
  manager->error_exit = on_error;
  manager->output_message = on_message;
  manager->emit_message = on_warning;
  return manager;
}

class JpegReader {
 public:
  explicit JpegReader(Bytes bytes) : bytes_(bytes) {
    info_.err = quiet(&errors_);
    progress_.progress_monitor = on_progress;
  }
  ~JpegReader() {
    if (created_) jpeg_destroy_decompress(&info_);
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool start(ImageMode mode) {
    if (setjmp(errors_.mark)) return false;
    jpeg_create_decompress(&info_);
    created_ = true;
    info_.progress = &progress_;
    jpeg_mem_src(&info_, bytes_.data(), bytes_.size());
    jpeg_save_markers(&info_, kExifMarker, 0xffff);
    jpeg_read_header(&info_, TRUE);
    const bool grey =
        mode == ImageMode::grey || (mode == ImageMode::as_stored && info_.num_components == 1);
    info_.out_color_space = info_.num_components == 4 ? JCS_CMYK : grey ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_calc_output_dimensions(&info_);
    channels_ = grey ? 1 : 3;
    orientation_ = stored_orientation();  // the markers are freed with the last row
    return true;
  }

  /// Rows of output_components() bytes a pixel, one after the other.
  bool read_rows(uint8_t* to) {
    if (setjmp(errors_.mark)) return false;
    jpeg_start_decompress(&info_);
    const size_t row_bytes =
        size_t{info_.output_width} * static_cast<size_t>(info_.output_components);
    while (info_.output_scanline < info_.output_height) {
      JSAMPROW row = to + info_.output_scanline * row_bytes;
      jpeg_read_scanlines(&info_, &row, 1);
    }
    jpeg_finish_decompress(&info_);
    return true;
  }

  int orientation() const { return orientation_; }
  int64_t width() const { return info_.output_width; }
  int64_t height() const { return info_.output_height; }
  int64_t stored_channels() const { return info_.out_color_components; }
  int64_t channels() const { return channels_; }
  [[noreturn]] void broken(const std::string& name) const {
    const size_t left = created_ && info_.src ? info_.src->bytes_in_buffer : 0;
    user_error("{}: byte {}: broken JPEG image: {}", name,
               left <= bytes_.size() ? bytes_.size() - left : 0, errors_.message);
  }

 private:
  int stored_orientation() const {
    for (jpeg_saved_marker_ptr m = info_.marker_list; m; m = m->next)
      if (m->marker == kExifMarker) return exif_orientation({m->data, m->data_length});
    return 1;
  }

  Bytes bytes_;
  Errors errors_{};
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct info_{};
  bool created_ = false;
  int64_t channels_ = 0;
  int orientation_ = 1;
};

void rgb_to_bgr(const Array& image) {
  uint8_t* p = image.data<uint8_t>();
  for (int64_t i = 0; i + 2 < image.count(); i += 3) std::swap(p[i], p[i + 2]);
}

/// Inverted CMYK, as Adobe writes it, to BGR or grey.
Array from_cmyk(const Array& cmyk, int64_t channels) {
  Array out(Shape{cmyk.shape()[0], cmyk.shape()[1], channels}, DType::u8);
  const uint8_t* in = cmyk.data<uint8_t>();
  uint8_t* to = out.data<uint8_t>();
  for (int64_t i = 0, pixels = cmyk.count() / 4; i < pixels; ++i, in += 4) {
    const int k = in[3];
    const int r = k - ((255 - in[0]) * k >> 8), g = k - ((255 - in[1]) * k >> 8),
              b = k - ((255 - in[2]) * k >> 8);
    if (channels == 1) {
      *to++ = static_cast<uint8_t>((r * 4899 + g * 9617 + b * 1868 + (1 << 13)) >> 14);
    } else {
      *to++ = static_cast<uint8_t>(b);
      *to++ = static_cast<uint8_t>(g);
      *to++ = static_cast<uint8_t>(r);
    }
  }
  return out;
}

class JpegWriter {
 public:
  JpegWriter() { info_.err = quiet(&errors_); }
  ~JpegWriter() {
    if (created_) jpeg_destroy_compress(&info_);
    std::free(buffer_);
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;

  bool write(const Array& image, int quality) {
    if (setjmp(errors_.mark)) return false;
    jpeg_create_compress(&info_);
    created_ = true;
    jpeg_mem_dest(&info_, &buffer_, &bytes_);
    info_.image_height = static_cast<JDIMENSION>(image.shape()[0]);
    info_.image_width = static_cast<JDIMENSION>(image.shape()[1]);
    info_.input_components = static_cast<int>(image.shape()[2]);
    info_.in_color_space = image.shape()[2] == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, quality, TRUE);
    jpeg_start_compress(&info_, TRUE);
    const size_t row_bytes =
        size_t{info_.image_width} * static_cast<size_t>(info_.input_components);
    while (info_.next_scanline < info_.image_height) {
      JSAMPROW row = image.data<uint8_t>() + info_.next_scanline * row_bytes;
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }
  std::string result() const { return {reinterpret_cast<char*>(buffer_), bytes_}; }
  const char* message() const { return errors_.message; }

 private:
  Errors errors_{};
  jpeg_compress_struct info_{};
  bool created_ = false;
  unsigned char* buffer_ = nullptr;
  unsigned long bytes_ = 0;
};

}  // namespace

Array decode_jpeg(Bytes bytes, ImageMode mode, const std::string& name, uint64_t max_bytes) {
  JpegReader reader(bytes);
  if (!reader.start(mode)) reader.broken(name);
  const Shape shape{reader.height(), reader.width(), reader.stored_channels()};
  if (static_cast<uint64_t>(shape.count()) > max_bytes)
    user_error("{}: {} x {} pixels pass the limit of {} bytes", name, reader.width(),
               reader.height(), max_bytes);
  if (reader.width() * reader.height() / kMaxPixelsPerByte > static_cast<int64_t>(bytes.size()))
    user_error("{}: {} x {} pixels cannot come from {} bytes", name, reader.width(),
               reader.height(), bytes.size());
  Array image = Array::zeros(shape, DType::u8);
  if (!reader.read_rows(image.data<uint8_t>())) reader.broken(name);
  if (reader.stored_channels() == 4)
    image = from_cmyk(image, reader.channels());
  else if (reader.channels() == 3)
    rgb_to_bgr(image);
  return mode == ImageMode::as_stored ? image : upright(image, reader.orientation());
}

std::string encode_jpeg(const Array& image, int quality) {
  const int64_t channels = image.shape().rank() == 3 ? image.shape()[2] : 0;
  if (image.dtype() != DType::u8 || image.count() == 0 || (channels != 1 && channels != 3))
    user_error("encode_jpeg: uint8[height, width, 1 or 3] expected, received {}", image.text());
  if (quality < 1 || quality > 100)
    user_error("encode_jpeg: a quality of 1 to 100 expected, received {}", quality);
  const Array rgb = image.clone();
  if (channels == 3) rgb_to_bgr(rgb);
  JpegWriter writer;
  if (!writer.write(rgb, quality)) user_error("encode_jpeg: {}", writer.message());
  return writer.result();
}

#else
Array decode_jpeg(Bytes, ImageMode, const std::string& name, uint64_t) {
  user_error("{}: built without JPEG; install libjpeg62-turbo-dev and build again", name);
}
std::string encode_jpeg(const Array&, int) {
  user_error("encode_jpeg: built without JPEG; install libjpeg62-turbo-dev and build again");
}
#endif

}  // namespace trivium::formats
