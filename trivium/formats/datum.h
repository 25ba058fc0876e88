// Datum, the record of Caffe's databases: an image as planes of bytes, as floats, or as an encoded
// file, with a label.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "trivium/engine/core/array.h"
#include "trivium/formats/image.h"
#include "trivium/formats/proto/caffe.pb.h"

namespace trivium::formats {

namespace proto = trivium::caffe::proto;

/// Parses the value of a record; `where` (database and key) is named in the UserError.
proto::Datum parse_datum(std::string_view bytes, const std::string& where = "record");
std::string serialize_datum(const proto::Datum& datum);

/// The image as [channels, height, width]: uint8 from `data` (B, G, R planes as stored) or from the
/// encoded file under `mode`, float32 from `float_data` when `data` is empty. `mode` changes
/// encoded records only. UserError when the number of values is not channels x height x width.
Array datum_to_array(const proto::Datum& datum, ImageMode mode = ImageMode::as_stored,
                     const std::string& where = "record");

/// [channels, height, width]: uint8 becomes `data`, anything else `float_data`. `encoded: false` is
/// written explicitly, as Caffe's converters do; the label only when given.
proto::Datum array_to_datum(const Array& planar, std::optional<int> label = std::nullopt);
/// A record that holds an image file as it is.
proto::Datum encoded_datum(std::string image_file, int label);

}  // namespace trivium::formats
