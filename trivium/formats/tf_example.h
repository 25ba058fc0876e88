// tf.train.Example and SequenceExample: the records of training data, as named lists of byte
// strings, floats or integers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/formats/file.h"

namespace trivium::formats {

/// One of three lists; `kind` says which (none: no list was written).
struct Feature {
  enum class Kind { none, bytes, floats, ints };
  Kind kind = Kind::none;
  std::vector<std::string> bytes = {};
  std::vector<float> floats = {};
  std::vector<int64_t> ints = {};

  static Feature of_bytes(std::vector<std::string> values);
  static Feature of_floats(std::vector<float> values);
  static Feature of_ints(std::vector<int64_t> values);
  size_t size() const;
};

using Features = std::map<std::string, Feature>;

struct SequenceExample {
  Features context;
  std::map<std::string, std::vector<Feature>> lists;
};

/// UserError naming `name` when the bytes are no Example.
Features parse_example(Bytes bytes, const std::string& name = "Example");
SequenceExample parse_sequence_example(Bytes bytes, const std::string& name = "SequenceExample");
/// Keys are written in their order, so equal examples become equal bytes.
std::string serialize_example(const Features& features);
std::string serialize_sequence_example(const SequenceExample& example);

/// The feature `key` as numbers of a fixed shape: floats as float32, integers as int64. A feature
/// that is missing or empty gives `default_value`. UserError naming the key when it is missing
/// without one, is of another kind than `dtype` (float32 or int64), or has another count than the
/// shape.
Array fixed_feature(const Features& features, const std::string& key, const Shape& shape,
                    DType dtype, const std::optional<Array>& default_value = std::nullopt,
                    const std::string& name = "Example");
/// The same for one byte string, such as an encoded image.
std::string bytes_feature(const Features& features, const std::string& key,
                          const std::optional<std::string>& default_value = std::nullopt,
                          const std::string& name = "Example");

}  // namespace trivium::formats
