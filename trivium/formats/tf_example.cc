// The messages as plain lists, and the checks of a parser that knows what it wants.
#include "trivium/formats/tf_example.h"

#include "trivium/formats/proto/tf_record.pb.h"
#include "trivium/formats/tf_messages.h"

namespace trivium::formats {
namespace {

namespace tf_proto = trivium::tf::proto;

const char* name_of_kind(Feature::Kind kind) {
  switch (kind) {
    case Feature::Kind::bytes:
      return "string";
    case Feature::Kind::floats:
      return "float";
    case Feature::Kind::ints:
      return "int64";
    case Feature::Kind::none:
      break;
  }
  return "none";
}

Feature feature_of(const tf_proto::Feature& proto) {
  const auto all = [](const auto& list) {
    return std::vector<typename std::decay_t<decltype(list)>::value_type>(list.begin(), list.end());
  };
  switch (proto.kind_case()) {
    case tf_proto::Feature::kBytesList:
      return Feature::of_bytes(all(proto.bytes_list().value()));
    case tf_proto::Feature::kFloatList:
      return Feature::of_floats(all(proto.float_list().value()));
    case tf_proto::Feature::kInt64List:
      return Feature::of_ints(all(proto.int64_list().value()));
    case tf_proto::Feature::KIND_NOT_SET:
      break;
  }
  return {};
}

tf_proto::Feature proto_of(const Feature& feature) {
  tf_proto::Feature proto;
  switch (feature.kind) {
    case Feature::Kind::bytes:
      for (const std::string& value : feature.bytes) proto.mutable_bytes_list()->add_value(value);
      proto.mutable_bytes_list();
      break;
    case Feature::Kind::floats:
      proto.mutable_float_list()->mutable_value()->Add(feature.floats.begin(),
                                                       feature.floats.end());
      break;
    case Feature::Kind::ints:
      proto.mutable_int64_list()->mutable_value()->Add(feature.ints.begin(), feature.ints.end());
      break;
    case Feature::Kind::none:
      break;
  }
  return proto;
}

Features features_of(const tf_proto::Features& proto) {
  Features features;
  for (const auto& entry : proto.feature()) features[entry.first] = feature_of(entry.second);
  return features;
}

tf_proto::Features proto_of(const Features& features) {
  tf_proto::Features proto;
  for (const auto& entry : features)
    (*proto.mutable_feature())[entry.first] = proto_of(entry.second);
  return proto;
}

/// The feature, or null when it is missing or has no values.
const Feature* find(const Features& features, const std::string& key, Feature::Kind kind,
                    const std::string& name) {
  const auto found = features.find(key);
  if (found == features.end() || found->second.kind == Feature::Kind::none) return nullptr;
  if (found->second.kind != kind)
    user_error("{}: Key: {}.  Data types don't match. Data type: {} but expected type: {}", name,
               key, name_of_kind(found->second.kind), name_of_kind(kind));
  return found->second.size() == 0 ? nullptr : &found->second;
}

[[noreturn]] void missing(const std::string& key, Feature::Kind kind, const std::string& name) {
  user_error("{}: Feature: {} (data type: {}) is required but could not be found.", name, key,
             name_of_kind(kind));
}

[[noreturn]] void wrong_count(const std::string& key, const Feature& feature, int64_t wanted,
                              const std::string& name) {
  user_error("{}: Key: {}.  Can't parse serialized Example: {} values expected, it has {}", name,
             key, wanted, feature.size());
}

}  // namespace

Feature Feature::of_bytes(std::vector<std::string> values) {
  Feature feature;
  feature.kind = Kind::bytes;
  feature.bytes = std::move(values);
  return feature;
}

Feature Feature::of_floats(std::vector<float> values) {
  Feature feature;
  feature.kind = Kind::floats;
  feature.floats = std::move(values);
  return feature;
}

Feature Feature::of_ints(std::vector<int64_t> values) {
  Feature feature;
  feature.kind = Kind::ints;
  feature.ints = std::move(values);
  return feature;
}

size_t Feature::size() const { return bytes.size() + floats.size() + ints.size(); }

Features parse_example(Bytes bytes, const std::string& name) {
  tf_proto::Example proto;
  parse_tf_binary(bytes, name, "a tf.train.Example", &proto);
  return features_of(proto.features());
}

SequenceExample parse_sequence_example(Bytes bytes, const std::string& name) {
  tf_proto::SequenceExample proto;
  parse_tf_binary(bytes, name, "a tf.train.SequenceExample", &proto);
  SequenceExample example;
  example.context = features_of(proto.context());
  for (const auto& entry : proto.feature_lists().feature_list()) {
    auto& list = example.lists[entry.first];
    for (const auto& feature : entry.second.feature()) list.push_back(feature_of(feature));
  }
  return example;
}

std::string serialize_example(const Features& features) {
  tf_proto::Example proto;
  *proto.mutable_features() = proto_of(features);
  return serialize_tf(proto, "Example");
}

std::string serialize_sequence_example(const SequenceExample& example) {
  tf_proto::SequenceExample proto;
  if (!example.context.empty()) *proto.mutable_context() = proto_of(example.context);
  for (const auto& entry : example.lists) {
    auto& list = (*proto.mutable_feature_lists()->mutable_feature_list())[entry.first];
    for (const Feature& feature : entry.second) *list.add_feature() = proto_of(feature);
  }
  return serialize_tf(proto, "SequenceExample");
}

Array fixed_feature(const Features& features, const std::string& key, const Shape& shape,
                    DType dtype, const std::optional<Array>& default_value,
                    const std::string& name) {
  if (dtype != DType::f32 && dtype != DType::i64)
    user_error("{}: Key: {}.  float32 or int64 expected, {} asked for", name, key, name_of(dtype));
  const Feature::Kind kind = dtype == DType::f32 ? Feature::Kind::floats : Feature::Kind::ints;
  const Feature* feature = find(features, key, kind, name);
  if (!feature) {
    if (!default_value && shape.count() > 0) missing(key, kind, name);
    return default_value ? *default_value : Array(shape, dtype);
  }
  if (static_cast<int64_t>(feature->size()) != shape.count())
    wrong_count(key, *feature, shape.count(), name);
  return dtype == DType::f32 ? Array::from(feature->floats, shape)
                             : Array::from(feature->ints, shape);
}

std::string bytes_feature(const Features& features, const std::string& key,
                          const std::optional<std::string>& default_value,
                          const std::string& name) {
  const Feature* feature = find(features, key, Feature::Kind::bytes, name);
  if (!feature && !default_value) missing(key, Feature::Kind::bytes, name);
  if (!feature) return *default_value;
  if (feature->size() != 1) wrong_count(key, *feature, 1, name);
  return feature->bytes[0];
}

}  // namespace trivium::formats
