// BlobProto, Caffe's array on disk <-> Array. Knows the two ways a shape was written over the
// years.
#pragma once

#include <string>

#include "trivium/engine/core/array.h"
#include "trivium/formats/proto/caffe.pb.h"

namespace trivium::formats {

namespace proto = trivium::caffe::proto;

/// True when the blob uses num/channels/height/width: any of them present wins over `shape`.
bool has_legacy_shape(const proto::BlobProto& blob);
/// The blob's shape: [num, channels, height, width] for legacy blobs (missing ones are 0), else
/// shape.dim (none at all: a scalar). UserError naming `where` for negative or more than 8 sizes.
Shape blob_shape(const proto::BlobProto& blob, const std::string& where = "blob");

/// The values: float64 when double_data is there, else float32. UserError naming `where` (say, the
/// layer) when their number is not the product of the shape.
Array blob_to_array(const proto::BlobProto& blob, const std::string& where = "blob");
/// The gradient stored beside the values; an undefined Array when there is none.
Array blob_diff_to_array(const proto::BlobProto& blob, const std::string& where = "blob");
/// Writes shape.dim and packed data (double_data for float64); other dtypes are converted to
/// float32.
proto::BlobProto array_to_blob(const Array& array);
/// The same, with `diff` of equal shape and dtype stored as diff or double_diff.
proto::BlobProto array_to_blob(const Array& array, const Array& diff);

/// Whether a blob fits a target of shape `target`: equal shapes; for a legacy blob equality after
/// the target (rank <= 4) is padded with ones on the left, so a bias [N] fits 1x1x1xN and a weight
/// [N, K] fits 1x1xNxK.
bool legacy_shape_equal(const proto::BlobProto& blob, const Shape& target);
/// The same for a legacy blob whose four sizes are at hand.
bool legacy_shape_equal(const Shape& four_sizes, const Shape& target);

}  // namespace trivium::formats
