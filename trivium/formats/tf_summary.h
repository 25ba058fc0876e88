// What a summary holds: a number, a histogram, a picture, a text. TensorBoard shows them.
#pragma once

#include <span>
#include <string>

#include "trivium/engine/core/array.h"
#include "trivium/formats/proto/tf_record.pb.h"

namespace trivium::formats {

namespace tf_proto = trivium::tf::proto;

/// Counts values into buckets whose limits grow by a tenth, symmetric around zero; runs of empty
/// buckets become one. min, max, sums are exact doubles. UserError naming `tag` for a value that is
/// not finite.
tf_proto::HistogramProto histogram_of(std::span<const double> values,
                                      const std::string& tag = "histogram");
tf_proto::HistogramProto histogram_of(const Array& values, const std::string& tag = "histogram");

/// float32 [height, width, channels] as uint8: scaled so that the largest value becomes 255 when
/// none is negative, otherwise so that the largest absolute value becomes 127 around 128. Pixels
/// with a value that is not finite become red (white where there is no colour). uint8 comes back as
/// it is. UserError for other dtypes and ranks.
Array summary_pixels(const Array& image);
/// [height, width, 1, 3 or 4], uint8 or float32, red first, as PNG.
tf_proto::Summary::Image image_summary(const Array& image);

}  // namespace trivium::formats
