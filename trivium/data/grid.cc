// make_grid and save_image with torchvision's arithmetic.
#include "trivium/data/grid.h"

#include <algorithm>
#include <cctype>

#include "trivium/data/picture.h"
#include "trivium/formats/file.h"
#include "trivium/formats/image.h"

namespace trivium::data {
namespace {

constexpr double kLeastRange = 1e-5;

/// [n, c, h, w] of its own memory, with at least three channels for grey.
Array as_batch(const Array& pictures) {
  const bool one = pictures.defined() && pictures.shape().rank() == 3;
  if (!pictures.defined() || pictures.dtype() != DType::f32 ||
      (!one && pictures.shape().rank() != 4) || pictures.count() == 0)
    user_error(
        "make_grid: expected float32[n, channels, height, width] or float32[channels, height, "
        "width], received {}",
        pictures.defined() ? pictures.text() : "an undefined array");
  const Shape& s = pictures.shape();
  const Shape batch = one ? Shape{1, s[0], s[1], s[2]} : s;
  if (batch[1] != 1) return pictures.reshaped(batch).clone();
  const Array out({batch[0], 3, batch[2], batch[3]}, DType::f32);
  const int64_t area = batch[2] * batch[3];
  for (int64_t i = 0; i < batch[0] * 3; ++i)
    std::copy_n(pictures.data<float>() + i / 3 * area, area, out.data<float>() + i * area);
  return out;
}

void normalize(float* values, int64_t count,
               const std::optional<std::pair<double, double>>& range) {
  const auto [least, most] = std::minmax_element(values, values + count);
  const double low = range ? range->first : *least, high = range ? range->second : *most;
  const float from = static_cast<float>(low), to = static_cast<float>(high);
  const float width = static_cast<float>(std::max(high - low, kLeastRange));
  for (int64_t i = 0; i < count; ++i)
    values[i] = (std::min(std::max(values[i], from), to) - from) / width;
}

}  // namespace

Array make_grid(const Array& pictures, const GridOptions& options) {
  if (options.nrow < 1 || options.padding < 0)
    user_error("make_grid: expected nrow >= 1 and padding >= 0, received {} and {}", options.nrow,
               options.padding);
  const Array batch = as_batch(pictures);
  const Shape& s = batch.shape();
  const int64_t n = s[0], c = s[1], h = s[2], w = s[3];
  if (options.normalize) {
    const int64_t parts = options.scale_each ? n : 1, count = batch.count() / parts;
    for (int64_t i = 0; i < parts; ++i)
      normalize(batch.data<float>() + i * count, count, options.value_range);
  }
  if (n == 1) return batch.reshaped({c, h, w});
  const int64_t columns = std::min(options.nrow, n), rows = (n + columns - 1) / columns;
  const int64_t pad = options.padding, height = (h + pad) * rows + pad;
  const int64_t width = (w + pad) * columns + pad;
  const Array grid = Array::full({c, height, width}, options.pad_value);
  for (int64_t i = 0; i < n * c * h; ++i) {  // every row of every channel of every picture
    const int64_t picture = i / (c * h), channel = i / h % c, y = i % h;
    const int64_t top = picture / columns * (h + pad) + pad;
    const int64_t left = picture % columns * (w + pad) + pad;
    std::copy_n(batch.data<float>() + i * w, w,
                grid.data<float>() + (channel * height + top + y) * width + left);
  }
  return grid;
}

Array to_bytes(const Array& tensor) {
  const Layout l = tensor_layout(tensor, "to_bytes");
  const Array out({l.height, l.width, l.channels}, DType::u8);
  const int64_t area = l.height * l.width;
  for (int64_t c = 0; c < l.channels; ++c)
    for (int64_t i = 0; i < area; ++i) {
      const float value = tensor.data<float>()[c * area + i] * 255.f + .5f;
      out.data<uint8_t>()[i * l.channels + c] =
          value > 0 ? static_cast<uint8_t>(std::min(value, 255.f)) : uint8_t{0};  // NaN too
    }
  return out;
}

void save_image(const Array& pictures, const std::string& path, const GridOptions& options) {
  Array image = to_bytes(make_grid(pictures, options));
  if (image.shape()[2] != 3 && image.shape()[2] != 4)
    user_error("save_image: expected pictures of 1, 3 or 4 channels, received {}", pictures.text());
  uint8_t* pixel = image.data<uint8_t>();  // the codecs take blue first
  for (int64_t i = 0; i < image.count(); i += image.shape()[2]) std::swap(pixel[i], pixel[i + 2]);
  std::string ending = path.substr(std::min(path.rfind('.'), path.size()));
  for (char& x : ending) x = static_cast<char>(std::tolower(static_cast<unsigned char>(x)));
  const bool jpeg = ending == ".jpg" || ending == ".jpeg";
  if (!jpeg && ending != ".png")
    user_error("save_image: expected a name that ends in .png, .jpg or .jpeg, received {}", path);
  formats::write_file_atomically(
      path, jpeg ? formats::encode_jpeg(image, 75) : formats::encode_png(image));
}

}  // namespace trivium::data
