// Histograms by a fixed table of limits, pictures scaled to bytes.
#include "trivium/formats/tf_summary.h"

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <vector>

#include "trivium/formats/image.h"

namespace trivium::formats {
namespace {

/// The limits of buckets: -DBL_MAX, -v_n … -v_0, 0, v_0 … v_n, DBL_MAX with v_0 = 1e-12, each a
/// tenth more than the last.
class Buckets {
 public:
  Buckets() {
    for (double v = 1e-12; v < 1e20; v *= 1.1) positive_.push_back(v);
    limits_ = {-DBL_MAX};
    for (size_t i = positive_.size(); i-- > 0;) limits_.push_back(-positive_[i]);
    limits_.push_back(0);
    limits_.insert(limits_.end(), positive_.begin(), positive_.end());
    limits_.push_back(DBL_MAX);
    for (size_t i = 0; i < std::size(first_); ++i) {
      const auto from = std::bit_cast<double>(static_cast<uint64_t>(i) << kShift);
      const auto at = std::lower_bound(positive_.begin(), positive_.end(), from);
      first_[i] = static_cast<uint16_t>(at - positive_.begin());
    }
    positive_.push_back(std::numeric_limits<double>::infinity());
  }

  const std::vector<double>& limits() const { return limits_; }

  /// The first limit above a finite value; DBL_MAX, which has none above it, is in the last bucket.
  size_t of(double value) const {
    const size_t count = positive_.size() - 1;
    const double size = std::fabs(value);
    size_t i = first_[std::bit_cast<uint64_t>(size) >> kShift];
    if (value < 0) {
      while (positive_[i] < size) ++i;
      return count + 1 - i;
    }
    while (positive_[i] <= size) ++i;
    return count + 2 + i;
  }

 private:
  /// Sixteen slots from one power of two to the next: a slot holds two limits at most.
  static constexpr int kShift = 48;
  std::vector<double> positive_, limits_;
  uint16_t first_[1 << 15];  // of the limits v_i, by the leading bits of a value
};

const Buckets& buckets() {
  static const Buckets all;
  return all;
}

const std::vector<double>& limits() { return buckets().limits(); }

/// Runs of empty buckets become one, under the last limit of the run.
void put_buckets(const std::vector<double>& counts, tf_proto::HistogramProto* out) {
  for (size_t i = 0; i < counts.size();) {
    size_t last = i;
    if (counts[i] == 0)
      while (last + 1 < counts.size() && counts[last + 1] == 0) ++last;
    out->add_bucket_limit(limits()[last]);
    out->add_bucket(counts[i]);
    i = last + 1;
  }
}

/// A picture whose values stay below this is all dark.
constexpr float kDark = 1e-6f;

uint8_t scaled(float value, float scale, float offset) {
  return static_cast<uint8_t>(value * scale + offset);
}

void swap_red_and_blue(Array* image) {
  const int64_t channels = image->shape()[2];
  uint8_t* p = image->data<uint8_t>();
  for (int64_t i = 0; i + 2 < image->count(); i += channels) std::swap(p[i], p[i + 2]);
}

}  // namespace

tf_proto::HistogramProto histogram_of(std::span<const double> values, const std::string& tag) {
  tf_proto::HistogramProto out;
  double min = DBL_MAX, max = -DBL_MAX, sum = 0, squares = 0;
  const Buckets& find = buckets();
  std::vector<double> counts(limits().size(), 0);
  for (const double value : values) {
    if (std::isnan(value)) user_error("Nan in summary histogram for: {}", tag);
    if (std::isinf(value)) user_error("Infinity in summary histogram for: {}", tag);
    counts[find.of(value)] += 1;
    min = std::min(min, value);
    max = std::max(max, value);
    sum += value;
    squares += value * value;
  }
  out.set_min(min);
  out.set_max(max);
  out.set_num(static_cast<double>(values.size()));
  out.set_sum(sum);
  out.set_sum_squares(squares);
  put_buckets(counts, &out);
  return out;
}

tf_proto::HistogramProto histogram_of(const Array& values, const std::string& tag) {
  const Array wide = values.dtype() == DType::f64 ? values : values.cast(DType::f64);
  return histogram_of(wide.span<double>(), tag);
}

Array summary_pixels(const Array& image) {
  if (image.shape().rank() != 3 || (image.dtype() != DType::f32 && image.dtype() != DType::u8))
    user_error("image summary: uint8 or float32 [height, width, channels] expected, it is {}",
               image.text());
  if (image.dtype() == DType::u8) return image;
  const int64_t channels = image.shape()[2];
  const float* from = image.data<float>();
  const auto is_finite = [&](int64_t pixel) {
    return std::all_of(from + pixel, from + pixel + channels,
                       [](float v) { return std::isfinite(v); });
  };
  float low = 0, high = 0;
  for (int64_t pixel = 0; pixel < image.count(); pixel += channels) {
    if (!is_finite(pixel)) continue;
    low = std::min(low, *std::min_element(from + pixel, from + pixel + channels));
    high = std::max(high, *std::max_element(from + pixel, from + pixel + channels));
  }
  const bool is_signed = low < 0;
  const float most = std::max(high, -low);
  const float scale = most < kDark ? 0 : (is_signed ? 127.0f : 255.0f) / most;
  const float offset = is_signed ? 128.0f : 0.0f;
  Array out(image.shape(), DType::u8);
  uint8_t* to = out.data<uint8_t>();
  for (int64_t pixel = 0; pixel < image.count(); pixel += channels) {
    const bool finite = is_finite(pixel);
    for (int64_t c = 0; c < channels; ++c) {
      const uint8_t bad = channels < 3 || c == 0 || c == 3 ? 255 : 0;
      to[pixel + c] = finite ? scaled(from[pixel + c], scale, offset) : bad;
    }
  }
  return out;
}

tf_proto::Summary::Image image_summary(const Array& image) {
  Array pixels = summary_pixels(image);
  const int64_t channels = pixels.shape()[2];
  if (channels >= 3) {  // the encoder takes blue first
    pixels = pixels.clone();
    swap_red_and_blue(&pixels);
  }
  tf_proto::Summary::Image out;
  out.set_encoded_image_string(encode_png(pixels));
  out.set_height(static_cast<int32_t>(pixels.shape()[0]));
  out.set_width(static_cast<int32_t>(pixels.shape()[1]));
  out.set_colorspace(static_cast<int32_t>(channels));
  return out;
}

}  // namespace trivium::formats
