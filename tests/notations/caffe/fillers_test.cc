// Random numbers of nets against those recorded from Caffe (tests/golden/caffe/random.npz), bit for
// bit.
#include "trivium/notations/caffe/fillers.h"

#include "tests/notations/caffe/golden.h"
#include "tests/notations/caffe/net_fixture.h"
#include "trivium/formats/npy.h"

namespace trivium::caffe {
namespace {

const formats::NpzFile& recorded() {
  static const formats::NpzFile file(std::string(TRIVIUM_SOURCE_DIR) +
                                     "/tests/golden/caffe/random.npz");
  return file;
}

nlohmann::json index() {
  const Array text = recorded().read("index");
  return nlohmann::json::parse(std::string(static_cast<const char*>(text.raw()), text.bytes()));
}

void expect_same_bits(const Array& got, const Array& want, const std::string& what) {
  ASSERT_EQ(got.bytes(), want.bytes()) << what;
  EXPECT_EQ(std::memcmp(got.raw(), want.raw(), got.bytes()), 0) << what;
}

class Recorded : public testing::TestWithParam<uint32_t> {
 protected:
  std::string key(const std::string& rest) const { return std::to_string(GetParam()) + "/" + rest; }
};

TEST_P(Recorded, FillersGiveTheSameBits) {
  const nlohmann::json cases = index();
  for (const auto& [name, filler] : cases.items()) {
    if (name.rfind("filler/", 0) != 0) continue;
    const auto net = build_train(
        layer_text("d", "DummyData", {}, {"a", "b"},
                   "dummy_data_param { shape { dim: 7 dim: 3 dim: 2 dim: 2 } shape { dim: 3 }\n"
                   "  data_filler { " +
                       filler.get<std::string>() + " } }"),
        GetParam());
    const std::vector<Array> got = net->forward({"a", "b"});
    expect_same_bits(got[0], recorded().read(key(name + "/a")), name + "/a");
    expect_same_bits(got[1], recorded().read(key(name + "/b")), name + "/b");
  }
}

TEST_P(Recorded, LayersThatShareStillDrawTheirOwn) {
  const auto net = build_train(index()["net/shared"].get<std::string>(), GetParam());
  for (const char* layer : {"a", "b", "c"})
    for (int i = 0; i < 2; ++i) {
      const int param = net->layers()[net->layer_index(layer)].params[i];
      const std::string name = key("shared/" + std::string(layer) + std::to_string(i));
      expect_same_bits(net->params()[param].cell->value(), recorded().read(name), name);
    }
}

TEST_P(Recorded, DropoutKeepsTheSameElements) {
  for (const char* ratio : {"0.5", "0.3", "0.9"}) {
    const auto net =
        build_train(input_text("x", {30, 41}) +
                        layer_text("d", "Dropout", {"x"}, {"y"},
                                   "dropout_param { dropout_ratio: " + std::string(ratio) + " }"),
                    GetParam());
    net->set_input("x", Array::full(Shape{30, 41}, 1));
    const std::string name = key("dropout/" + std::string(ratio));
    const Array bits = recorded().read(name + "/mask_bits");
    const double kept = recorded().read(name + "/kept_value").at(0);
    int64_t bit = 0;
    for (int pass = 0; pass < 3; ++pass) {
      const Array y = net->forward({"y"})[0];
      for (int64_t i = 0; i < y.count(); ++i, ++bit) {
        const bool keep = bits.data<uint8_t>()[bit / 8] >> (7 - bit % 8) & 1;
        ASSERT_EQ(y.at(i), keep ? kept : 0.0) << name << " pass " << pass << " element " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Recorded, testing::Values(1u, 1701u));

TEST(Filler, BilinearWeightsEnlargeLinearly) {
  const auto net = build_train(
      layer_text("d", "DummyData", {}, {"w"},
                 "dummy_data_param { shape { dim: 1 dim: 1 dim: 4 dim: 4 } data_filler { type: "
                 "\"bilinear\" } }"));
  const Array w = net->forward({"w"})[0];
  for (int y = 0; y < 4; ++y)
    for (int x = 0; x < 4; ++x) {
      const float row[] = {0.25f, 0.75f, 0.75f, 0.25f};
      EXPECT_FLOAT_EQ(w.at(y * 4 + x), row[y] * row[x]);
    }
}

TEST(Filler, RefusalsNameTheLayerAndTheRule) {
  const auto refused = [](const std::string& filler, const std::string& shape) {
    return user_error_of([&] {
      build_train(
          layer_text("ip", "DummyData", {}, {"w"},
                     "dummy_data_param { shape { " + shape + " } data_filler { " + filler + " } }"))
          ->forward({"w"});
    });
  };
  EXPECT_NE(refused("type: \"gausian\"", "dim: 2").find("did you mean \"gaussian\"?"),
            std::string::npos);
  EXPECT_NE(refused("type: \"gaussian\" std: 0", "dim: 2").find("std must be positive"),
            std::string::npos);
  EXPECT_NE(refused("type: \"uniform\" sparse: 1", "dim: 2").find("only gaussian takes sparse"),
            std::string::npos);
  EXPECT_NE(refused("type: \"gaussian\" sparse: 3", "dim: 2").find("layer \"ip\""),
            std::string::npos);
  EXPECT_NE(refused("type: \"bilinear\"", "dim: 2").find("expected a shape [out, in, k, k]"),
            std::string::npos);
}

}  // namespace
}  // namespace trivium::caffe
