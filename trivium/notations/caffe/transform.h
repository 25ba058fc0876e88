// transform_param: what happens to an image on its way into a batch. Crop, subtract the mean,
// scale, mirror, in Caffe's order and with its own random numbers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/engine/core/random.h"
#include "trivium/formats/proto/caffe.pb.h"
#include "trivium/notations/caffe/log_line.h"

namespace trivium::caffe {

/// An image [channels, height, width], bytes or floats (the other pointer is null).
struct Pixels {
  const uint8_t* bytes = nullptr;
  const float* floats = nullptr;
  int64_t channels = 0, height = 0, width = 0;
};

class Transformer {
 public:
  /// `mean_path` is where mean_file lies. UserError for parameters that exclude each other,
  /// EnvironmentError when the mean file cannot be read.
  Transformer(const proto::TransformationParameter& param, bool training,
              const std::string& mean_path);

  /// Whether mirrors or crops are drawn: then a word of the main generator seeds the transformer.
  bool draws() const { return param_.mirror() || (training_ && param_.crop_size() > 0); }
  void seed(uint32_t word) { random_.seed(word); }

  /// [channels, height, width] of the result for such an image. UserError when it is smaller than
  /// the crop.
  Shape shape_of(int64_t channels, int64_t height, int64_t width) const;
  /// Writes the transformed image; `shape` is that of the batch's items, which the result must
  /// have.
  void apply(const Pixels& image, const Shape& shape, float* out);

  const proto::TransformationParameter& param() const { return param_; }
  random::Mt19937& generator() { return random_; }

 private:
  void check_mean(const Pixels& image);
  float mean_at(int64_t c, int64_t h, int64_t w) const {
    return mean_.defined()   ? mean_data_[(c * mean_.shape()[1] + h) * mean_.shape()[2] + w]
           : values_.empty() ? 0.0f
                             : values_[c];
  }

  proto::TransformationParameter param_;
  bool training_;
  Array mean_;  // [channels, height, width] when a file is given
  const float* mean_data_ = nullptr;
  std::vector<float> values_;
  random::Mt19937 random_;
};

/// The pixels of a record, decoded when needed; `decoded` keeps their memory. A forced colour on a
/// raw record is only worth a log line. UserError when the record does not hold what it says.
Pixels pixels_of(const proto::Datum& datum, const proto::TransformationParameter& param,
                 const std::string& name, Array& decoded, LogLines* log);

}  // namespace trivium::caffe
