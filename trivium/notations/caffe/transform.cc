#include "trivium/notations/caffe/transform.h"

#include "trivium/formats/caffemodel.h"
#include "trivium/formats/image.h"

namespace trivium::caffe {

Transformer::Transformer(const proto::TransformationParameter& param, bool training,
                         const std::string& mean_path)
    : param_(param), training_(training) {
  random_.seed(0);
  if (param.force_color() && param.force_gray())
    user_error("transform_param: force_color and force_gray exclude each other");
  if (param.has_mean_file() && param.mean_value_size() > 0)
    user_error("transform_param: give either mean_file or mean_value, not both");
  values_.assign(param.mean_value().begin(), param.mean_value().end());
  if (!param.has_mean_file()) return;
  mean_ = formats::read_mean_file(mean_path);
  mean_data_ = mean_.data<float>();
}

Shape Transformer::shape_of(int64_t channels, int64_t height, int64_t width) const {
  const int64_t crop = param_.crop_size();
  if (crop == 0) return Shape{channels, height, width};
  if (height < crop || width < crop)
    user_error("an image of {}x{} is smaller than crop_size {}", height, width, crop);
  return Shape{channels, crop, crop};
}

void Transformer::check_mean(const Pixels& image) {
  if (mean_.defined()) {
    if (mean_.shape() != Shape{image.channels, image.height, image.width})
      user_error(
          "the mean image is {}, an image before cropping is [{}, {}, {}]; they must be equal",
          mean_.shape().text(), image.channels, image.height, image.width);
  } else if (!values_.empty()) {
    // One value serves all channels; how many is settled by the first image.
    if (values_.size() == 1) values_.resize(image.channels, values_[0]);
    if (static_cast<int64_t>(values_.size()) != image.channels)
      user_error("expected one mean_value or one for each of the {} channels, there are {}",
                 image.channels, values_.size());
  }
}

void Transformer::apply(const Pixels& image, const Shape& shape, float* out) {
  check_mean(image);
  const int64_t crop = param_.crop_size();
  const Shape result = shape_of(image.channels, image.height, image.width);
  if (result != shape)
    user_error(
        "an image of {} does not fit a batch of {}; images of different sizes need batch_size "
        "1, crop_size or resizing",
        result.text(), shape.text());
  const bool mirror = param_.mirror() && random_.next() % 2;
  int64_t top = 0, left = 0;
  if (crop > 0 && training_) {
    top = random_.next() % (image.height - crop + 1);
    left = random_.next() % (image.width - crop + 1);
  } else if (crop > 0) {
    top = (image.height - crop) / 2;
    left = (image.width - crop) / 2;
  }
  const int64_t rows = shape[1], columns = shape[2];
  const float scale = param_.scale();
  for (int64_t c = 0; c < image.channels; ++c)
    for (int64_t h = 0; h < rows; ++h) {
      const int64_t from = (c * image.height + top + h) * image.width + left;
      float* row = out + (c * rows + h) * columns;
      for (int64_t w = 0; w < columns; ++w) {
        const float pixel = image.bytes ? image.bytes[from + w] : image.floats[from + w];
        // The mean belongs to where the pixel comes from, mirrored or not.
        row[mirror ? columns - 1 - w : w] = (pixel - mean_at(c, top + h, left + w)) * scale;
      }
    }
}

Pixels pixels_of(const proto::Datum& datum, const proto::TransformationParameter& param,
                 const std::string& name, Array& decoded, LogLines* log) {
  if (datum.encoded()) {
    const auto mode = param.force_color()  ? formats::ImageMode::color
                      : param.force_gray() ? formats::ImageMode::grey
                                           : formats::ImageMode::as_stored;
    decoded =
        formats::to_planar(formats::decode_image(formats::as_bytes(datum.data()), mode, name));
    const Shape& shape = decoded.shape();
    return {decoded.data<uint8_t>(), nullptr, shape[0], shape[1], shape[2]};
  }
  if (param.force_color() || param.force_gray())
    add_line(log, LogLevel::error, "force_color and force_gray only for encoded datum");
  const int64_t c = datum.channels(), h = datum.height(), w = datum.width();
  const int64_t values =
      datum.data().empty() ? datum.float_data_size() : static_cast<int64_t>(datum.data().size());
  if (c <= 0 || h <= 0 || w <= 0 || c > INT32_MAX / h || c * h > INT32_MAX / w ||
      c * h * w != values)
    user_error("{}: the record says [{}, {}, {}] but holds {} values", name, c, h, w, values);
  if (datum.data().empty()) return {nullptr, datum.float_data().data(), c, h, w};
  return {reinterpret_cast<const uint8_t*>(datum.data().data()), nullptr, c, h, w};
}

}  // namespace trivium::caffe
