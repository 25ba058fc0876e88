// Data layers: what they refuse, what they draw, how they fail, and how they go on after a restart.
#include "trivium/notations/caffe/transform.h"

#include <filesystem>
#include <fstream>

#include "tests/notations/caffe/golden.h"
#include "tests/notations/caffe/net_fixture.h"
#include "trivium/formats/hdf5.h"
#include "trivium/formats/image.h"
#include "trivium/formats/npy.h"

namespace trivium::caffe {
namespace {

std::string data_folder() { return std::string(TRIVIUM_SOURCE_DIR) + "/tests/golden/caffe/data"; }

std::unique_ptr<Net> data_net(const std::string& layer, proto::Phase phase = proto::TEST,
                              uint32_t seed = 1, LogSink log = {}) {
  NetOptions options;
  options.phase = phase;
  options.folder = data_folder();
  options.random = std::make_shared<RandomState>(seed);
  options.log = std::move(log);
  return build(layer, options);
}

std::string database(const std::string& source, int batch, const std::string& transform = "") {
  return layer_text("d", "Data", {}, {"data", "label"},
                    "data_param { source: \"" + source + "\" backend: LMDB batch_size: " +
                        std::to_string(batch) + " }\n  transform_param { " + transform + " }");
}

/// The refusal of a data layer, at setup or at one of the first forwards.
std::string refusal(const std::string& layer) {
  return user_error_of([&] {
    const auto net = data_net(layer);
    for (int i = 0; i < 4; ++i) net->forward({});
  });
}

TEST(DataLayer, RefusesWhatCaffeRefuses) {
  const std::pair<std::string, const char*> cases[] = {
      {database("raw_lmdb", 2, "mean_file: \"mean_small.binaryproto\" crop_size: 4"),
       "the mean image is"},
      {database("raw_lmdb", 2, "mean_value: 1 mean_value: 2"),
       "one mean_value or one for each of the 3"},
      {database("raw_lmdb", 2, "mean_value: 1 mean_file: \"mean.binaryproto\""),
       "mean_file or mean_value"},
      {database("raw_lmdb", 2, "crop_size: 7"), "smaller than crop_size 7"},
      {database("png_lmdb", 2), "does not fit a batch"},
      {database("png_lmdb", 1, "mean_value: 7"), "one mean_value"},
      {database("png_lmdb", 2, "force_gray: true force_color: true"), "exclude each other"},
      {database("sizes_lmdb", 2), "does not fit a batch"},
  };
  for (const auto& [layer, expected] : cases) {
    const std::string message = refusal(layer);
    EXPECT_NE(message.find(expected), std::string::npos) << message;
    EXPECT_NE(message.find("layer \"d\" (Data)"), std::string::npos) << message;
  }
}

TEST(DataLayer, AnErrorOfTheReadingThreadNamesFileAndRecord) {
  const std::string message = refusal(database("png_lmdb", 2));
  EXPECT_NE(message.find("png_lmdb, record \"3\""), std::string::npos) << message;
}

TEST(DataLayer, AMissingImageIsReportedWhenItsBatchIsDue) {
  EXPECT_THROW(
      data_net(layer_text("d", "ImageData", {}, {"data", "label"},
                          "image_data_param { source: \"list_missing.txt\" batch_size: 1 }"))
          ->forward({}),
      Error);
}

TEST(DataLayer, Hdf5RefusesTransformsUnequalRowsAndMissingDatasets) {
  const auto hdf5 = [](const std::string& top, const std::string& source, const std::string& more) {
    return layer_text("d", "HDF5Data", {}, {"x", top},
                      "hdf5_data_param { source: \"" + source + "\" batch_size: 2 }\n  " + more);
  };
  EXPECT_NE(
      refusal(hdf5("y", "h5list.txt", "transform_param { scale: 2 }")).find("transform_param"),
      std::string::npos);
  EXPECT_NE(refusal(hdf5("y", "h5bad.txt", "")).find("has 2 rows, \"x\" has 3"), std::string::npos);
  EXPECT_NE(refusal(hdf5("nosuch", "h5list.txt", "")).find("nosuch"), std::string::npos);
}

TEST(DataLayer, WrapsAroundAndLogsIt) {
  std::vector<std::string> lines;
  const auto net = data_net(database("raw_lmdb", 2), proto::TEST, 1,
                            [&](LogLevel, const std::string& text) { lines.push_back(text); });
  std::vector<float> labels;
  for (int i = 0; i < 5; ++i) {
    const Array batch = net->forward({"label"})[0];
    labels.insert(labels.end(), {static_cast<float>(batch.at(0)), static_cast<float>(batch.at(1))});
  }
  // Keys are 07 03 09 01 05 for labels 10 … 14; records come in key order.
  EXPECT_EQ(labels, (std::vector<float>{13, 11, 14, 10, 12, 13, 11, 14, 10, 12}));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), "Restarting data prefetching from start."), 2);
}

TEST(DataLayer, ANetThatIsNeverRunClosesItsThread) {
  for (int i = 0; i < 20; ++i) data_net(database("raw_lmdb", 1));
}

TEST(DataLayer, ContinuesBitForBitFromASavedState) {
  const std::string layer = database("raw_lmdb", 2, "mirror: true crop_size: 3");
  const auto net = data_net(layer, proto::TRAIN);
  net->forward({});
  net->forward({});
  const std::string state = net->save_state();
  const std::vector<int64_t> positions = net->data_positions();
  EXPECT_EQ(positions, std::vector<int64_t>{4});
  const auto fresh = data_net(layer, proto::TRAIN, 99);
  fresh->restore_state(state);
  for (int i = 0; i < 4; ++i) {
    const Array want = net->forward({"data"})[0], got = fresh->forward({"data"})[0];
    EXPECT_EQ(std::memcmp(want.raw(), got.raw(), want.bytes()), 0) << "batch " << i;
  }
  EXPECT_THROW(fresh->restore_state(state.substr(0, 20)), UserError);
}

TEST(DataLayer, Hdf5ShuffleContinuesFromASavedState) {
  const std::string layer =
      layer_text("d", "HDF5Data", {}, {"y"},
                 "hdf5_data_param { source: \"h5list.txt\" batch_size: 3 shuffle: true }");
  const auto net = data_net(layer);
  for (int i = 0; i < 4; ++i) net->forward({});
  const std::string state = net->save_state();
  const auto fresh = data_net(layer);
  fresh->restore_state(state);
  for (int i = 0; i < 6; ++i) {
    const Array want = net->forward({"y"})[0], got = fresh->forward({"y"})[0];
    EXPECT_EQ(std::memcmp(want.raw(), got.raw(), want.bytes()), 0) << "batch " << i;
  }
}

/// 23 grey images of 7x9 whose pixels tell where they lie, as the recording used.
std::string image_folder() {
  const auto folder = std::filesystem::temp_directory_path() / "trivium_transform_test";
  std::filesystem::create_directories(folder);
  Array image(Shape{7, 9, 1}, DType::u8);
  for (int i = 0; i < 63; ++i) image.data<uint8_t>()[i] = static_cast<uint8_t>(i);
  const std::string png = formats::encode_png(image);
  std::ofstream list(folder / "list.txt");
  for (int i = 0; i < 23; ++i) {
    const std::string name = fmt::format("{:02}.png", i);
    std::ofstream(folder / name, std::ios::binary) << png;
    list << name << " " << i << "\n";
  }
  return folder;
}

TEST(DataLayer, DrawsTheRecordedOrderMirrorsAndCrops) {
  const formats::NpzFile file(std::string(TRIVIUM_SOURCE_DIR) + "/tests/golden/caffe/random.npz");
  const Array text = file.read("index");
  const auto index =
      nlohmann::json::parse(std::string(static_cast<const char*>(text.raw()), text.bytes()));
  const std::string folder = image_folder();
  for (uint32_t seed : {1u, 1701u})
    for (const auto& [name, c] : index.items()) {
      if (name.rfind("imagedata/", 0) != 0) continue;
      NetOptions options;
      options.phase = c["phase"] == "TRAIN" ? proto::TRAIN : proto::TEST;
      options.folder = folder;
      options.random = std::make_shared<RandomState>(seed);
      const auto net = build(
          layer_text("d", "ImageData", {}, {"data", "label"},
                     "image_data_param { source: \"list.txt\" batch_size: 10 is_color: false " +
                         c["image_data_param"].get<std::string>() + " }\n  transform_param { " +
                         c["transform_param"].get<std::string>() + " }"),
          options);
      const Array want = file.read(std::to_string(seed) + "/" + name);
      for (int row = 0; row < 60; ++row) {
        static std::vector<Array> batch;
        if (row % 10 == 0) batch = net->forward({"data", "label"});
        const int64_t width = batch[0].shape()[3], count = batch[0].shape().count(1);
        const int64_t at = row % 10 * count;
        const int first = static_cast<int>(batch[0].at(at)),
                  last = static_cast<int>(batch[0].at(at + width - 1));
        const int corner = std::min(first, last);
        const int got[] = {static_cast<int>(batch[1].at(row % 10)), first > last, corner / 9,
                           corner % 9};
        for (int k = 0; k < 4; ++k)
          ASSERT_EQ(got[k], want.at(row * 4 + k))
              << seed << " " << name << " row " << row << " " << k;
      }
    }
  std::filesystem::remove_all(folder);
}

TEST(Transformer, MeanComesBeforeScaleAndStaysWithTheSourcePixelWhenMirrored) {
  proto::TransformationParameter param;
  param.set_scale(0.5f);
  param.set_mirror(true);
  for (float m : {1.0f, 2.0f}) param.add_mean_value(m);
  Transformer transformer(param, false, "");
  const uint8_t bytes[] = {10, 20, 30, 40};  // two channels of 1x2
  bool straight = false, mirrored = false;
  transformer.seed(1);
  for (int i = 0; i < 16; ++i) {
    float out[4];
    transformer.apply({bytes, nullptr, 2, 1, 2}, Shape{2, 1, 2}, out);
    straight |= std::vector<float>(out, out + 4) == std::vector<float>{4.5f, 9.5f, 14, 19};
    mirrored |= std::vector<float>(out, out + 4) == std::vector<float>{9.5f, 4.5f, 19, 14};
  }
  EXPECT_TRUE(straight && mirrored);
}

TEST(Pixels, ARecordThatHoldsLessThanItSaysIsRefused) {
  proto::Datum datum;
  datum.set_channels(3);
  datum.set_height(1 << 20);
  datum.set_width(1 << 20);
  datum.set_data("xy");
  Array decoded;
  EXPECT_THROW(pixels_of(datum, {}, "record", decoded, nullptr), UserError);
}

}  // namespace
}  // namespace trivium::caffe
