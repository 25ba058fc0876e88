#include "trivium/formats/caffemodel.h"

#include "tests/formats/hostile.h"
#include "trivium/formats/datum.h"
#include "trivium/formats/db.h"
#include "trivium/formats/hdf5.h"
#include "trivium/formats/npy.h"

namespace trivium::formats {
namespace {

Array ramp(const Shape& shape, double start = 0) {
  Array a(shape, DType::f32);
  for (int64_t i = 0; i < a.count(); ++i) a.set(i, start + 0.25 * static_cast<double>(i));
  return a;
}

void expect_same(const Array& a, const Array& b) {
  ASSERT_TRUE(a.defined() && b.defined());
  ASSERT_EQ(a.text(), b.text());
  EXPECT_EQ(std::memcmp(a.raw(), b.raw(), a.bytes()), 0);
}

proto::BlobProto legacy_blob(int n, int c, int h, int w, int values) {
  proto::BlobProto blob;
  blob.set_num(n);
  blob.set_channels(c);
  blob.set_height(h);
  blob.set_width(w);
  for (int i = 0; i < values; ++i) blob.add_data(static_cast<float>(i));
  return blob;
}

TEST(Blob, NewShapesSurvive) {
  for (const Shape& shape : {Shape{}, Shape{3}, Shape{2, 3}, Shape{1, 2, 3, 4, 5}, Shape{0, 4}}) {
    const Array array = ramp(shape);
    const proto::BlobProto blob = array_to_blob(array);
    EXPECT_FALSE(has_legacy_shape(blob));
    expect_same(blob_to_array(blob), array);
    EXPECT_FALSE(blob_diff_to_array(blob).defined());
  }
  const Array doubles = ramp({4}).cast(DType::f64);
  EXPECT_EQ(array_to_blob(doubles).double_data_size(), 4);
  expect_same(blob_to_array(array_to_blob(doubles)), doubles);
}

TEST(Blob, DoubleDataWinsAndGradientsAreKept) {
  proto::BlobProto blob = array_to_blob(ramp({2}), ramp({2}, 5));
  expect_same(blob_diff_to_array(blob), ramp({2}, 5));
  blob.add_double_data(7);
  blob.add_double_data(8);
  EXPECT_EQ(blob_to_array(blob).text(), "float64[2]");
  EXPECT_EQ(blob_to_array(blob).at(0), 7);
  EXPECT_THROW(array_to_blob(ramp({2}), ramp({3})), UserError);
}

TEST(Blob, AnyLegacyFieldMakesTheShapeLegacy) {
  proto::BlobProto blob = array_to_blob(ramp({6}));
  EXPECT_EQ(blob_to_array(legacy_blob(1, 2, 3, 1, 6)).shape(), (Shape{1, 2, 3, 1}));
  blob.set_width(6);  // the others count as 0 now, which does not fit six values
  expect_contains(message_of<UserError>([&] { blob_to_array(blob, "layer \"a\""); }),
                  "layer \"a\": shape [0, 0, 0, 6] holds 0 values, the blob has 6 of data");
}

TEST(Blob, HostileSizesAreRefused) {
  proto::BlobProto blob;
  blob.add_data(1);
  for (const auto& dims : std::vector<std::vector<int64_t>>{{-1},
                                                            {INT64_MAX, INT64_MAX, 4},
                                                            {1LL << 32, 1LL << 32},
                                                            {1, 1, 1, 1, 1, 1, 1, 1, 1},
                                                            {2},
                                                            {0}}) {
    blob.clear_shape();
    for (int64_t d : dims) blob.mutable_shape()->add_dim(d);
    EXPECT_THROW(blob_to_array(blob), UserError);
  }
}

TEST(Blob, LegacyShapesAlignOnTheRight) {
  EXPECT_TRUE(legacy_shape_equal(legacy_blob(1, 1, 1, 5, 5), Shape{5}));
  EXPECT_TRUE(legacy_shape_equal(legacy_blob(1, 1, 4, 5, 20), Shape{4, 5}));
  EXPECT_TRUE(legacy_shape_equal(legacy_blob(2, 3, 4, 5, 120), Shape{2, 3, 4, 5}));
  EXPECT_TRUE(legacy_shape_equal(legacy_blob(1, 1, 1, 1, 1), Shape{}));
  EXPECT_FALSE(legacy_shape_equal(legacy_blob(5, 1, 1, 1, 5), Shape{5}));
  EXPECT_FALSE(legacy_shape_equal(legacy_blob(1, 1, 5, 4, 20), Shape{4, 5}));
  EXPECT_FALSE(legacy_shape_equal(legacy_blob(1, 1, 1, 5, 5), Shape{1, 1, 1, 1, 5}));
  EXPECT_TRUE(legacy_shape_equal(array_to_blob(ramp({4, 5})), Shape{4, 5}));
  EXPECT_FALSE(legacy_shape_equal(array_to_blob(ramp({1, 1, 4, 5})), Shape{4, 5}));
}

TEST(Blob, PackedAndUnpackedValuesAreBothRead) {
  // Field 5 as two fixed32 (wire type 5), then as one packed run; shape.dim unpacked.
  const std::string one("\x2d\0\0\x80\x3f", 5), packed("\x2a\x04\0\0\0\x40", 6);
  const Array array =
      parse_blob_file(as_bytes(one + packed + std::string("\x3a\x02\x08\x02", 4)), "x");
  EXPECT_EQ(array.text(), "float32[2]");
  EXPECT_EQ(array.at(0), 1);
  EXPECT_EQ(array.at(1), 2);
}

TEST(Weights, OfMtcnnHaveTheirPublishedShapes) {
  const WeightsFile weights = load_weights(golden("models/mtcnn/det1.caffemodel"));
  EXPECT_FALSE(weights.hdf5);
  const LayerWeights* conv = weights.find("conv1");
  ASSERT_NE(conv, nullptr);
  ASSERT_EQ(conv->blobs.size(), 2u);
  EXPECT_EQ(conv->blobs[0].text(), "float32[10, 3, 3, 3]");
  EXPECT_EQ(conv->blobs[1].text(), "float32[10]");
  EXPECT_TRUE(conv->diffs.empty());
  EXPECT_TRUE(conv->fits(1, Shape{10}));
  EXPECT_FALSE(conv->fits(1, Shape{1, 10}));
  EXPECT_EQ(weights.find("conv4-2")->blobs[0].text(), "float32[4, 32, 1, 1]");
  EXPECT_EQ(weights.find("nosuch"), nullptr);
  EXPECT_EQ(load_weights(golden("models/mtcnn/det2.caffemodel")).find("conv1")->blobs[0].text(),
            "float32[28, 3, 3, 3]");
  EXPECT_EQ(
      load_weights(golden("models/mtcnn/det3.caffemodel")).find("conv6-3")->blobs[0].shape()[0],
      10);
}

TEST(Weights, OfThePublishedHdf5ModelAreRead) {
  const WeightsFile weights =
      load_weights(golden("models/caffe_h5_cifar10_m4/cifar10_m4_iter_70000.caffemodel.h5"));
  EXPECT_TRUE(weights.hdf5);
  EXPECT_EQ(weights.find("conv2")->blobs.at(0).text(), "float32[16, 32, 5, 5]");
  EXPECT_EQ(weights.find("ip1")->blobs.at(0).text(), "float32[10, 512]");
  EXPECT_EQ(weights.find("ip1")->blobs.at(1).text(), "float32[10]");
  ASSERT_NE(weights.find("pool1"), nullptr);  // every layer has a group
  EXPECT_TRUE(weights.find("pool1")->blobs.empty());
}

TEST(Weights, OfTheTwoFormsAgree) {
  // Both were written by one program for the same net: names and shapes are equal.
  const WeightsFile binary = load_weights(golden("caffe/cli/snap_iter_10.caffemodel"));
  const WeightsFile hdf5 = load_weights(golden("caffe/cli/snaph_iter_4.caffemodel.h5"));
  EXPECT_EQ(binary.layers.size(), hdf5.layers.size());
  for (const LayerWeights& layer : binary.layers) {
    const LayerWeights* other = hdf5.find(layer.name);
    ASSERT_NE(other, nullptr) << layer.name;
    ASSERT_EQ(layer.blobs.size(), other->blobs.size());
    for (size_t i = 0; i < layer.blobs.size(); ++i)
      EXPECT_EQ(layer.blobs[i].text(), other->blobs[i].text());
  }
}

TEST(Weights, OldLayerDefinitionsAreRead) {
  proto::NetParameter net;
  auto* v1 = net.add_layers();
  v1->set_name("conv");
  *v1->add_blobs() = legacy_blob(1, 1, 2, 3, 6);
  auto* v0 = net.add_layers()->mutable_layer();
  v0->set_name("ip");
  *v0->add_blobs() = legacy_blob(1, 1, 1, 4, 4);
  const WeightsFile weights = weights_of(net);
  EXPECT_TRUE(weights.find("conv")->fits(0, Shape{2, 3}));
  EXPECT_TRUE(weights.find("ip")->fits(0, Shape{4}));
  EXPECT_FALSE(weights.find("ip")->fits(0, Shape{2, 2}));
}

TEST(Weights, ErrorsNameFileLayerAndParameter) {
  Scratch dir;
  proto::NetParameter net;
  auto* layer = net.add_layer();
  layer->set_name("ip1");
  *layer->add_blobs() = array_to_blob(ramp({2}));
  *layer->add_blobs() = legacy_blob(1, 1, 1, 4, 3);
  write_net(dir / "w", net);
  const std::string message = message_of<UserError>([&] { load_weights(dir / "w"); });
  expect_contains(message, dir / "w");
  expect_contains(message, "layer \"ip1\", parameter 1");
  EXPECT_THROW(load_weights(dir / "none"), EnvironmentError);
  spill(dir / "lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n");
  expect_contains(message_of<UserError>([&] { load_weights(dir / "lfs"); }), "git-lfs");
  spill(dir / "cut", slurp(golden("models/mtcnn/det1.caffemodel")).substr(0, 20000));
  const std::string cut = message_of<UserError>([&] { load_weights(dir / "cut"); });
  expect_contains(cut, "of 20000");
  expect_contains(cut, dir / "cut: byte");
}

TEST(Weights, AnEmptyFileIsNoFile) {
  const std::string said = "the file is empty";
  expect_contains(message_of<UserError>([] { parse_net({}, "a.caffemodel"); }), said);
  expect_contains(message_of<UserError>([] { parse_solver_state({}, "a.solverstate"); }), said);
  expect_contains(message_of<UserError>([] { parse_blob_file({}, "mean.binaryproto"); }), said);
}

TEST(Weights, DeepNestingAndMissingFieldsAreErrors) {
  std::string nested;  // unknown groups inside each other
  for (int i = 0; i < 5000; ++i) nested += '\x0b';
  EXPECT_THROW(parse_net(as_bytes(nested), "x"), UserError);
  proto::NetParameter net;
  net.add_layer()->mutable_clip_param()->set_min(1);  // max is required
  std::string bytes;
  net.SerializePartialToString(&bytes);
  expect_contains(message_of<UserError>([&] { parse_net(as_bytes(bytes), "x"); }), "max");
}

TEST(Weights, NetsSurviveByteByByte) {
  Scratch dir;
  const std::string path = golden("caffe/solvers/init.caffemodel");
  write_net(dir / "w", read_net(path));
  EXPECT_EQ(slurp(dir / "w"), slurp(path));
}

#ifdef TRIVIUM_HAVE_HDF5
TEST(Weights, SurviveInHdf5WhateverTheNames) {
  Scratch dir;
  WeightsFile weights;
  const std::vector<std::string> names = {"conv1", "a/b",   "a%2Fb", "twice",
                                          "twice", "twice", ".",     "..",
                                          "",      "50%",   "x%~2",  "inception_3a/1x1"};
  for (size_t i = 0; i < names.size(); ++i) {
    LayerWeights layer{names[i], {ramp({2, 3}, static_cast<double>(i))}, {}};
    if (i == 0) layer.blobs.push_back(ramp({4}).cast(DType::f64));
    if (i == 1) layer.diffs = {ramp({2, 3}, 9)};
    if (i == 2) layer.blobs = {Array(), ramp({1})};  // the first is shared, its owner is elsewhere
    weights.layers.push_back(layer);
  }
  weights.layers.push_back({"pool", {}, {}});
  save_weights_hdf5(dir / "w.h5", weights);
  const WeightsFile back = load_weights(dir / "w.h5");
  ASSERT_EQ(back.layers.size(), weights.layers.size());
  for (const LayerWeights& layer : weights.layers) {
    const LayerWeights* other = back.find(layer.name);
    ASSERT_NE(other, nullptr) << layer.name;
    ASSERT_EQ(other->blobs.size(), layer.blobs.size()) << layer.name;
  }
  expect_same(back.find("conv1")->blobs[1], weights.layers[0].blobs[1]);
  expect_same(back.find("a/b")->diffs.at(0), ramp({2, 3}, 9));
  EXPECT_FALSE(back.find("a%2Fb")->blobs[0].defined());
  std::vector<double> twice;  // in their order
  for (const LayerWeights& layer : back.layers)
    if (layer.name == "twice") twice.push_back(layer.blobs[0].at(0));
  EXPECT_EQ(twice, (std::vector<double>{3, 4, 5}));
  EXPECT_TRUE(Hdf5File(dir / "w.h5").exists("/data/inception_3a%2F1x1/0"));
}

TEST(SolverState, SurvivesInBothForms) {
  Scratch dir;
  const SolverStateFile state{
      1234, "some/where/net_iter_1234.caffemodel", {ramp({2, 3}), ramp({})}, 3};
  for (const char* name : {"s.solverstate", "s.solverstate.h5"}) {
    save_solver_state(dir / name, state);
    const SolverStateFile back = load_solver_state(dir / name);
    EXPECT_EQ(back.iter, 1234);
    EXPECT_EQ(back.learned_net, state.learned_net);
    EXPECT_EQ(back.current_step, 3);
    ASSERT_EQ(back.history.size(), 2u);
    expect_same(back.history[0], state.history[0]);
    expect_same(back.history[1], state.history[1]);
  }
  EXPECT_TRUE(is_hdf5(as_bytes(slurp(dir / "s.solverstate.h5"))));
}
#endif

TEST(SolverState, OfCaffeIsReadInBothForms) {
  const SolverStateFile binary = load_solver_state(golden("caffe/cli/snap_iter_10.solverstate"));
  EXPECT_EQ(binary.iter, 10);
  EXPECT_EQ(binary.learned_net, "snap_iter_10.caffemodel");
  ASSERT_EQ(binary.history.size(), 4u);
  EXPECT_EQ(binary.history[0].text(), "float32[4, 5]");
  const SolverStateFile hdf5 = load_solver_state(golden("caffe/cli/snaph_iter_4.solverstate.h5"));
  EXPECT_EQ(hdf5.iter, 4);
  EXPECT_EQ(hdf5.learned_net, "snaph_iter_4.caffemodel.h5");
  ASSERT_EQ(hdf5.history.size(), 4u);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(hdf5.history[i].text(), binary.history[i].text());
}

TEST(Mean, FilesOfCaffeAreReadAndWrittenBack) {
  Scratch dir;
  for (const char* name : {"caffe/data/mean.binaryproto", "caffe/data/mean_small.binaryproto"}) {
    const Array mean = read_mean_file(golden(name));
    EXPECT_EQ(mean.shape().rank(), 3);
    EXPECT_EQ(mean.shape()[0], 3);
    EXPECT_GE(mean.at(0), 80);
    EXPECT_LE(mean.at(0), 160);
    write_mean_file(dir / "m", mean);
    EXPECT_EQ(slurp(dir / "m"), slurp(golden(name)));
  }
  EXPECT_EQ(read_mean_file(golden("caffe/data/mean.binaryproto")).text(), "float32[3, 6, 5]");
  write_net(dir / "scalar", {});
  EXPECT_THROW(read_mean_file(dir / "scalar"), UserError);
}

TEST(Datum, RecordsOfCaffeBecomeTheRecordedBlobs) {
  const NpzFile recorded(golden("caffe/data.npz"));
  const auto check = [&](const std::string& database, const std::string& key, ImageMode mode) {
    const auto db = Database::open(golden("caffe/data/" + database), DatabaseKind::lmdb);
    const Array blob = recorded.read(key + "/out1/data");
    const Array image = datum_to_array(parse_datum(db->value()), mode);
    ASSERT_EQ(image.shape(), (Shape{blob.shape()[1], blob.shape()[2], blob.shape()[3]}));
    for (int64_t i = 0; i < image.count(); ++i) ASSERT_EQ(image.at(i), blob.at(i)) << key;
    EXPECT_EQ(parse_datum(db->value()).label(), recorded.read(key + "/out1/label").at(0));
  };
  check("raw_lmdb", "raw", ImageMode::as_stored);
  check("png3_lmdb", "png", ImageMode::as_stored);
  check("png_lmdb", "png_force_grey", ImageMode::grey);
  check("sizes_lmdb", "sizes", ImageMode::color);  // the mode is for encoded records only
  const auto floats = Database::open(golden("caffe/data/float_lmdb"), DatabaseKind::lmdb);
  EXPECT_EQ(datum_to_array(parse_datum(floats->value())).text(), "float32[2, 2, 3]");
}

TEST(Datum, SurvivesAndChecksItsSizes) {
  const Array bytes = Array::from<uint8_t>({1, 2, 3, 4, 5, 6}, {1, 2, 3});
  const proto::Datum datum = parse_datum(serialize_datum(array_to_datum(bytes, 7)));
  EXPECT_EQ(datum.label(), 7);
  EXPECT_TRUE(datum.has_encoded());
  expect_same(datum_to_array(datum), bytes);
  expect_same(datum_to_array(array_to_datum(ramp({2, 1, 2}))), ramp({2, 1, 2}));
  EXPECT_FALSE(array_to_datum(bytes).has_label());
  const proto::Datum encoded = encoded_datum(slurp(golden("caffe/data/a.png")), 3);
  EXPECT_EQ(datum_to_array(encoded).text(), "uint8[3, 6, 5]");
  proto::Datum wrong = datum;
  wrong.set_height(3);
  expect_contains(
      message_of<UserError>([&] { datum_to_array(wrong, ImageMode::as_stored, "db, key 7"); }),
      "db, key 7: a Datum of 1 x 3 x 3 values expected, received 6");
  wrong.set_height(-2);
  EXPECT_THROW(datum_to_array(wrong), UserError);
  EXPECT_THROW(array_to_datum(ramp({3})), UserError);
}

TEST(Caffemodel, SurvivesDamage) {
  damage(
      slurp(golden("caffe/solvers/init.caffemodel")),
      [](const std::string& b) { weights_of(parse_net(as_bytes(b), "x")); }, 5000);
  damage(
      slurp(golden("caffe/cli/snap_iter_10.solverstate")),
      [](const std::string& b) { parse_solver_state(as_bytes(b), "x"); }, 5000);
  damage(
      slurp(golden("caffe/data/mean.binaryproto")),
      [](const std::string& b) { parse_blob_file(as_bytes(b), "x"); }, 5000);
  const auto db = Database::open(golden("caffe/data/png3_lmdb"), DatabaseKind::lmdb);
  damage(
      std::string(db->value()), [](const std::string& b) { datum_to_array(parse_datum(b)); }, 5000);
  damage(
      slurp(golden("caffe/cli/snaph_iter_4.caffemodel.h5")),
      [](const std::string& b) { load_weights_hdf5(Hdf5File(as_bytes(b), "x", 1 << 20)); }, 3000,
      500);
}

}  // namespace
}  // namespace trivium::formats
