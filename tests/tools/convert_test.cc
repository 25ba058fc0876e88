// trivium convert between notations, and trivium inspect: published weights of PyTorch give the
// same outputs in a Caffe net, and every tensor comes back from a trip through each format.
#include "tests/tools/run_program.h"
#include "tools/weights_match.h"
#include "trivium/formats/safetensors.h"
#include "trivium/formats/torch_file.h"
#include "trivium/notations/caffe/net.h"
#include "trivium/notations/caffe/net_file.h"

namespace trivium::tools {
namespace {

const std::string kGolden = std::string(TRIVIUM_SOURCE_DIR) + "/tests/golden/convert/";

Ran trivium(const Workplace& place, const std::string& command) {
  return run_program(place, "trivium", words_of(command));
}

NamedArrays state_dict(const fs::path& path) {
  return formats::state_dict_of(formats::load_torch(path));
}

void expect_equal(const NamedArrays& a, const NamedArrays& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].first, b[i].first);
    ASSERT_EQ(a[i].second.dtype(), b[i].second.dtype()) << a[i].first;
    ASSERT_EQ(a[i].second.shape(), b[i].second.shape()) << a[i].first;
    EXPECT_EQ(std::memcmp(a[i].second.raw(), b[i].second.raw(), a[i].second.bytes()), 0)
        << a[i].first;
  }
}

Array values(const Shape& shape, double first) {
  Array a(shape, DType::f32);
  for (int64_t i = 0; i < a.count(); ++i) a.set(i, first + 0.25 * static_cast<double>(i));
  return a;
}

TEST(ConvertNotations, LenetOfPytorchGivesItsLogitsInCaffe) {
  const Workplace place("convert_lenet");
  fs::copy(kGolden + "lenet.pth", place / "lenet.pth");
  fs::copy(kGolden + "lenet.prototxt", place / "lenet.prototxt");
  const Ran ran = trivium(place, "convert lenet.pth a.caffemodel --net lenet.prototxt");
  ASSERT_EQ(ran.status, 0) << ran.err;
  for (const char* part : {"same name", "by order", "fc1.weight", "ip1.weight", "[120, 256]",
                           "matched 10 (44426 numbers), missing 0, unexpected 0"})
    EXPECT_NE(ran.out.find(part), std::string::npos) << part << "\n" << ran.out;

  caffe::Net net(caffe::read_net_file(place / "lenet.prototxt").net, {.phase = caffe::proto::TEST});
  net.copy_trained_from(place / "a.caffemodel");
  Array image(Shape{1, 1, 28, 28}, DType::f32);
  for (int64_t i = 0; i < 784; ++i)
    image.set(i, (static_cast<double>(i * 37 % 256) / 255 - 0.1307) / 0.3081);
  net.set_input("data", image);
  const Array logits = net.forward({"ip3"})[0];
  // From make.py there.
  const std::vector<double> expected = {-7.081434, 7.530167,  2.351915,  -5.155924, -0.9795053,
                                        -3.039619, -1.511457, -4.537014, -3.742548, -0.1256877};
  for (int64_t i = 0; i < 10; ++i)
    EXPECT_NEAR(logits.at(i), expected[static_cast<size_t>(i)], 2e-5);

  ASSERT_EQ(trivium(place, "convert a.caffemodel b.safetensors --like lenet.pth").status, 0);
  ASSERT_EQ(trivium(place, "convert b.safetensors c.pt --like lenet.pth").status, 0);
  ASSERT_EQ(trivium(place, "convert c.pt d.h5 --net lenet.prototxt").status, 0);
  ASSERT_EQ(trivium(place, "convert d.h5 e.pth --net lenet.prototxt --like lenet.pth").status, 0);
  expect_equal(state_dict(place / "lenet.pth"), state_dict(place / "c.pt"));
  expect_equal(state_dict(place / "lenet.pth"), state_dict(place / "e.pth"));
}

TEST(ConvertNotations, BatchNormIsTwoLayersInCaffe) {
  const Workplace place("convert_norm");
  const NamedArrays arrays = {{"module.conv.weight", values({2, 1, 3, 3}, 1)},
                              {"module.bn.weight", values({2}, 2)},
                              {"module.bn.bias", values({2}, 3)},
                              {"module.bn.running_mean", values({2}, 4)},
                              {"module.bn.running_var", values({2}, 5)},
                              {"module.bn.num_batches_tracked", Array::scalar<int64_t>(7)},
                              {"module.fc.weight", values({3, 2}, 6)}};
  formats::save_torch(place / "net.pth", formats::torch_state_dict(arrays));
  write_text(place / "net.prototxt", R"(
      layer { name: "data" type: "Data" top: "x" top: "y" data_param { source: "gone" } }
      layer { name: "c" type: "Convolution" bottom: "x" top: "c"
              convolution_param { num_output: 2 kernel_size: 3 bias_term: false } }
      layer { name: "n" type: "BatchNorm" bottom: "c" top: "n" }
      layer { name: "s" type: "Scale" bottom: "n" top: "n" scale_param { bias_term: true } }
      layer { name: "fc" type: "InnerProduct" bottom: "n" top: "f"
              inner_product_param { num_output: 3 bias_term: false transpose: true } })");
  const Ran ran = trivium(place, "convert net.pth net.caffemodel --net net.prototxt");
  ASSERT_EQ(ran.status, 0) << ran.err;
  const formats::WeightsFile weights = formats::load_weights(place / "net.caffemodel");
  EXPECT_EQ(weights.find("n")->blobs[1].at(0), 5);
  EXPECT_EQ(weights.find("n")->blobs[2].at(0), 1);
  EXPECT_EQ(weights.find("s")->blobs[0].at(1), 2.25);
  EXPECT_EQ(weights.find("s")->blobs[1].at(0), 3);
  EXPECT_EQ(weights.find("fc")->blobs[0].shape(), (Shape{2, 3}));
  EXPECT_EQ(weights.find("fc")->blobs[0].at(1), arrays[6].second.at(2));

  // Caffe keeps sums: doubled averages with the factor two are the same averages.
  formats::proto::NetParameter net = formats::read_net(place / "net.caffemodel");
  for (auto& blob : *net.mutable_layer(2)->mutable_blobs())
    for (float& v : *blob.mutable_data()) v *= 2;
  formats::write_net(place / "sums.caffemodel", net);
  ASSERT_EQ(trivium(place, "convert sums.caffemodel back.pth --like net.pth").status, 0);
  NamedArrays expected = arrays;
  expected[5].second = Array::scalar<int64_t>(0);
  expect_equal(expected, state_dict(place / "back.pth"));
  // Without a definition the layers keep the names, and come back.
  ASSERT_EQ(trivium(place, "convert net.pth plain.caffemodel").status, 0);
  ASSERT_EQ(trivium(place, "convert plain.caffemodel plain.pth").status, 0);
  for (auto& [name, array] : expected) name = name.substr(7);
  expect_equal(expected, state_dict(place / "plain.pth"));
  // An HDF5 file does not say which blob is which of three.
  ASSERT_EQ(trivium(place, "convert net.pth net.h5").status, 0);
  const Ran untyped = trivium(place, "convert net.h5 x.pth");
  EXPECT_EQ(untyped.status, 1);
  EXPECT_NE(untyped.err.find("--net"), std::string::npos) << untyped.err;
}

TEST(ConvertNotations, WhatDoesNotFitIsNamedAndNothingIsWritten) {
  const Workplace place("convert_misfit");
  fs::copy(kGolden + "lenet.pth", place / "lenet.pth");
  std::string text = read_text(kGolden + "lenet.prototxt");
  text.replace(text.find("num_output: 120"), 15, "num_output: 121");
  write_text(place / "net.prototxt", text);
  const Ran ran = trivium(place, "convert lenet.pth a.caffemodel --net net.prototxt");
  EXPECT_EQ(ran.status, 1);
  for (const char* part : {"MISSING", "ip1.weight", "UNEXPECTED", "fc1.weight", "--map"})
    EXPECT_NE(ran.err.find(part), std::string::npos) << part << "\n" << ran.err;
  EXPECT_FALSE(fs::exists(place / "a.caffemodel"));
  write_text(place / "names.txt", "# dense layers\nfc1 ip1\nfc2 ip2\n\nfc3 ip3\n");
  const Ran mapped =
      trivium(place, "convert lenet.pth a.caffemodel --net net.prototxt --map names.txt");
  EXPECT_EQ(mapped.status, 1);
  EXPECT_NE(mapped.err.find("[120, 256] into [121, 256]"), std::string::npos) << mapped.err;
  const Ran partial =
      trivium(place, "convert lenet.pth a.caffemodel --net net.prototxt --map names.txt --partial");
  EXPECT_EQ(partial.status, 0) << partial.err;
  const formats::WeightsFile weights = formats::load_weights(place / "a.caffemodel");
  EXPECT_EQ(weights.find("ip3")->blobs.size(), 2u);
  EXPECT_TRUE(weights.find("ip1")->blobs.empty());
  write_text(place / "wrong.txt", "fc9 ip1\n");
  const Ran wrong = trivium(place, "convert lenet.pth b.pth --map wrong.txt");
  EXPECT_EQ(wrong.status, 1);
  const Ran net = trivium(place, "convert lenet.pth b.pth --net net.prototxt");
  EXPECT_EQ(net.status, 1);
  EXPECT_NE(net.err.find("--net"), std::string::npos) << net.err;
  EXPECT_FALSE(fs::exists(place / "b.pth"));
  EXPECT_NE(wrong.err.find("did you mean \"fc"), std::string::npos) << wrong.err;
}

TEST(ConvertNotations, WrongFilesAreRefused) {
  const Workplace place("convert_wrong");
  write_text(place / "noise.pth", "not a file of weights\x01");
  write_text(place / "half.safetensors", std::string("\x40\0\0\0\0\0\0\0{\"a\":", 13));
  write_text(place / "cut.pth", read_text(kGolden + "lenet.pth").substr(0, 5000));
  for (const char* in : {"noise.pth", "half.safetensors", "cut.pth", "missing.pth"}) {
    const Ran ran = trivium(place, std::string("convert ") + in + " out.safetensors");
    EXPECT_EQ(ran.status, 1) << in;
    EXPECT_NE(ran.err.find(in), std::string::npos) << ran.err;
    EXPECT_EQ(trivium(place, std::string("inspect ") + in).status, 1) << in;
  }
  EXPECT_FALSE(fs::exists(place / "out.safetensors"));
}

TEST(Inspect, ListsEveryTensorAndTheSums) {
  const Workplace place("inspect");
  fs::copy(kGolden + "lenet.pth", place / "a.pth");
  ASSERT_EQ(trivium(place, "convert a.pth a.safetensors").status, 0);
  ASSERT_EQ(trivium(place, "convert a.pth a.caffemodel").status, 0);
  ASSERT_EQ(trivium(place, "convert a.pth a.npz").status, 0);
  for (const char* file : {"a.pth", "a.safetensors", "a.caffemodel", "a.npz"}) {
    const Ran ran = trivium(place, std::string("inspect ") + file);
    ASSERT_EQ(ran.status, 0) << ran.err;
    for (const char* part : {"[16, 6, 5, 5]", "2400", "44426", "10 tensors, 177704 bytes"})
      EXPECT_NE(ran.out.find(part), std::string::npos) << file << "\n" << ran.out;
  }
  EXPECT_NE(trivium(place, "inspect --help").out.find("example: trivium inspect"),
            std::string::npos);
}

/// Graphs, SavedModels and checkpoints of TensorFlow, and the pictures of a graph.
TEST(Inspect, TensorFlow) {
  const Workplace place("inspect_tf");
  const std::string golden = std::string(TRIVIUM_SOURCE_DIR) + "/tests/golden/tf_files/";
  const Ran graph = trivium(
      place, "inspect " + golden + "published/fsrcnn/FSRCNN_x2.pb --svg net.svg --dot net.dot");
  EXPECT_EQ(graph.status, 0) << graph.err;
  for (const char* text : {"92 nodes", "IteratorGetNext  Placeholder float", "8  Conv2D",
                           "NCHW_output  Transpose float"})
    EXPECT_NE(graph.out.find(text), std::string::npos) << graph.out;
  EXPECT_NE(read_text(place / "net.svg").find("<title>NHWC_output</title>"), std::string::npos);
  EXPECT_NE(read_text(place / "net.dot").find("digraph"), std::string::npos);
  const Ran model = trivium(place, "inspect " + golden + "published/half_plus_two");
  EXPECT_NE(model.out.find("output y: y:0 float [?, 1]"), std::string::npos) << model.out;
  const Ran checkpoint = trivium(place, "inspect " + golden + "checkpoint/model-2");
  EXPECT_NE(checkpoint.out.find("layer/weights  float [2, 3]"), std::string::npos)
      << checkpoint.out;
  EXPECT_EQ(trivium(place, "inspect " + golden + "checkpoint/model-2 --svg x.svg").status, 1);
}

WeightModule module_of(const std::string& name, const Shape& weight) {
  return {name, {{"weight", values(weight, 0), weight}}};
}

WeightModule open_module(const std::string& name, const Shape& weight) {
  return {name, {{"weight", Array(), weight, false, true}}};
}

TEST(WeightsMatch, TakesNamesFirstThenOrder) {
  // "b" is there by name, so order cannot give it to the first target of its shape.
  const WeightModules source = {module_of("b", {2, 2}), module_of("x", {2, 2}),
                                module_of("y", {3, 2})};
  const Match found =
      match(source, {module_of("a", {2, 2}), module_of("b", {2, 2}), open_module("c", {3, 0})});
  EXPECT_TRUE(found.complete());
  EXPECT_EQ(found.rows[0].from, "x.weight");
  EXPECT_EQ(found.rows[1].from, "b.weight");
  EXPECT_EQ(found.rows[2].from, "y.weight");
  EXPECT_EQ(found.count(MatchRow::Kind::order), 2);
  WeightModules numbered = {module_of("f.10", {1}), module_of("f.2", {1}), module_of("e.3", {1})};
  sort_naturally(&numbered);
  EXPECT_EQ(numbered[1].name, "f.2");
  EXPECT_EQ(numbered[2].name, "f.10");
  rename(&numbered, {{"f", "g"}, {"f.2", "h"}}, "pairs");
  EXPECT_EQ(numbered[1].name, "h");
  EXPECT_EQ(numbered[2].name, "g.10");
}

}  // namespace
}  // namespace trivium::tools
