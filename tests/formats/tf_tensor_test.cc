#include "trivium/formats/tf_tensor.h"

#include <cmath>
#include <limits>

#include "tests/formats/hostile.h"
#include "trivium/engine/core/half.h"
#include "trivium/formats/graphdef.h"

namespace trivium::formats {
namespace {

const tf_proto::TensorProto& value_of(const tf_proto::GraphDef& graph, const std::string& name) {
  for (const auto& node : graph.node())
    if (node.name() == name) return find_attr(node, "value")->tensor();
  ADD_FAILURE() << name;
  return tf_proto::TensorProto::default_instance();
}

void expect_values(const Array& array, const std::string& text, const std::vector<double>& values) {
  EXPECT_EQ(array.text(), text);
  ASSERT_EQ(array.count(), static_cast<int64_t>(values.size()));
  for (size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(array.at(static_cast<int64_t>(i)), values[i]) << text << " " << i;
}

const std::vector<double> kSigned = {-4, -1, 2, 5, 8, 11}, kUnsigned = {0, 3, 6, 9, 12, 15};

TEST(TfTensor, ReadsWhatTensorFlowWrites) {
  for (const char* file : {"tf_files/graph/constants.pb", "tf_files/graph/constants.pbtxt"}) {
    const tf_proto::GraphDef graph = read_graph(golden(file));
    const struct {
      const char* name;
      const char* dtype;
      bool is_signed;
    } kinds[] = {{"f32", "float32", true}, {"f64", "float64", true}, {"f16", "float16", true},
                 {"i8", "int8", true},     {"u8", "uint8", false},   {"i16", "int16", true},
                 {"u16", "int32", false},  {"i32", "int32", true},   {"i64", "int64", true},
                 {"u32", "int64", false},  {"u64", "int64", false}};
    for (const auto& kind : kinds) {
      const auto& values = kind.is_signed ? kSigned : kUnsigned;
      expect_values(tensor_to_array(value_of(graph, kind.name)),
                    fmt::format("{}[2, 3]", kind.dtype), values);
      expect_values(tensor_to_array(value_of(graph, std::string(kind.name) + "_one")),
                    fmt::format("{}[]", kind.dtype), {values[5]});
    }
    expect_values(tensor_to_array(value_of(graph, "bf16")), "bfloat16[2]", {1.5, -2});
    expect_values(tensor_to_array(value_of(graph, "bool")), "bool[3]", {1, 0, 1});
    expect_values(tensor_to_array(value_of(graph, "repeated")), "int32[2, 3]", {7, 7, 7, 7, 7, 7});
    expect_values(tensor_to_array(value_of(graph, "last_repeats")), "float32[5]", {1, 2, 2, 2, 2});
    expect_values(tensor_to_array(value_of(graph, "empty")), "float32[0, 3]", {});
    const StringTensor text = tensor_to_strings(value_of(graph, "text"));
    EXPECT_EQ(text.shape, (Shape{3}));
    EXPECT_EQ(text.values, (std::vector<std::string>{"a", "", std::string("h\0i", 3)}));
  }
}

TEST(TfTensor, WritesWhatTensorFlowWrites) {
  const tf_proto::GraphDef graph = read_graph(golden("tf_files/graph/constants.pb"));
  for (const char* name :
       {"f32", "f64", "i8", "u8", "i16", "i32", "i64", "bool", "bf16", "f16", "f16_one", "f32_one",
        "f64_one", "i8_one", "u8_one", "i32_one", "i64_one", "empty"}) {
    const tf_proto::TensorProto& theirs = value_of(graph, name);
    EXPECT_EQ(array_to_tensor(tensor_to_array(theirs)).SerializeAsString(),
              theirs.SerializeAsString())
        << name;
  }
  const tf_proto::TensorProto& text = value_of(graph, "text");
  EXPECT_EQ(strings_to_tensor(tensor_to_strings(text)).SerializeAsString(),
            text.SerializeAsString());
}

tf_proto::TensorProto floats(const std::vector<int64_t>& shape, int values) {
  tf_proto::TensorProto tensor;
  tensor.set_dtype(tf_proto::DT_FLOAT);
  for (const int64_t size : shape) tensor.mutable_tensor_shape()->add_dim()->set_size(size);
  for (int i = 0; i < values; ++i) tensor.add_float_val(static_cast<float>(i));
  return tensor;
}

std::string refusal(const tf_proto::TensorProto& tensor, uint64_t max_bytes = kMaxTensorBytes) {
  return message_of<UserError>([&] { tensor_to_array(tensor, "node \"c\"", max_bytes); });
}

TEST(TfTensor, NoValueMeansZeros) {
  expect_values(tensor_to_array(floats({3}, 0)), "float32[3]", {0, 0, 0});
}

TEST(TfTensor, ReferencesAndQuantisedTypes) {
  tf_proto::TensorProto tensor = floats({2}, 2);
  tensor.set_dtype(tf_proto::DT_FLOAT_REF);
  expect_values(tensor_to_array(tensor), "float32[2]", {0, 1});
  tensor.set_dtype(tf_proto::DT_QUINT8);
  tensor.add_int_val(255);
  expect_values(tensor_to_array(tensor), "uint8[2]", {255, 255});
  EXPECT_EQ(dtype_of_tf(tf_proto::DT_COMPLEX64), std::nullopt);
  EXPECT_EQ(dtype_of_tf(12345), std::nullopt);
  EXPECT_EQ(tf_type_of(DType::bf16), tf_proto::DT_BFLOAT16);
}

TEST(TfTensor, HostileShapesAndCountsAreRefused) {
  expect_contains(refusal(floats({2}, 3)), "3 values given, shape [2] holds 2");
  expect_contains(refusal(floats({-1}, 1)), "a known size expected");
  expect_contains(refusal(floats({1 << 20, 1 << 20}, 1)), "takes 4398046511104 bytes, at most");
  expect_contains(refusal(floats({int64_t{1} << 40, int64_t{1} << 40}, 1)), "2^62");
  expect_contains(refusal(floats({0, int64_t{1} << 40, int64_t{1} << 40}, 0)), "2^62");
  expect_contains(refusal(floats({1, 1, 1, 1, 1, 1, 1, 1, 1}, 1)), "at most 8 axes");
  expect_contains(refusal(floats({1000}, 1), 3999), "at most 3999 are allowed");
  tf_proto::TensorProto content = floats({2}, 0);
  content.set_tensor_content("1234567");
  expect_contains(refusal(content), "takes 8 bytes, 7 are there");
  content.mutable_tensor_shape()->set_unknown_rank(true);
  expect_contains(refusal(content), "its rank is unknown");
  tf_proto::TensorProto large = floats({1}, 0);
  large.set_dtype(tf_proto::DT_UINT64);
  large.add_uint64_val(uint64_t{1} << 63);
  expect_contains(refusal(large), "2^63 - 1");
  large.set_dtype(tf_proto::DT_STRING);
  expect_contains(refusal(large), "the type is DT_STRING");
  tf_proto::TensorProto text = floats({int64_t{1} << 40}, 0);
  text.set_dtype(tf_proto::DT_STRING);
  EXPECT_THROW(tensor_to_strings(text), UserError);
}

TEST(TfTensor, HalvesKeepTheirBits) {
  Array halves({65536}, DType::f16);
  for (int i = 0; i < 65536; ++i)
    static_cast<uint16_t*>(halves.raw())[i] = static_cast<uint16_t>(i);
  const Array back = tensor_to_array(array_to_tensor(halves));
  EXPECT_EQ(std::memcmp(back.raw(), halves.raw(), halves.bytes()), 0);
}

}  // namespace
}  // namespace trivium::formats
