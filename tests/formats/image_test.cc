#include "trivium/formats/image.h"

#include "tests/formats/hostile.h"
#include "trivium/formats/image_codecs.h"
#include "trivium/formats/npy.h"

namespace trivium::formats {
namespace {

Array noise(const Shape& shape, unsigned seed = 3) {
  Array a(shape, DType::u8);
  std::mt19937 random(seed);
  for (uint8_t& v : a.span<uint8_t>()) v = static_cast<uint8_t>(random());
  return a;
}

/// The largest difference to recorded float values.
double difference(const Array& a, const Array& recorded) {
  EXPECT_EQ(a.count(), recorded.count());
  double worst = 0;
  for (int64_t i = 0; i < a.count(); ++i)
    worst = std::max(worst, std::abs(a.at(i) - recorded.at(i)));
  return worst;
}

const NpzFile& recorded() {
  static const NpzFile file(golden("caffe/data.npz"));
  return file;
}

/// Image `index` of a recorded batch, [channels, h, w].
Array image_of(const std::string& key, int64_t index) {
  const Array batch = recorded().read(key);
  const Shape& s = batch.shape();
  Array out(Shape{s[1], s[2], s[3]}, DType::f32);
  std::memcpy(out.raw(), batch.data<float>() + index * s.count(1), out.bytes());
  return out;
}

TEST(Png, GivesTheBluesFirstPlanesOfCaffe) {
  const Array a = read_image(golden("caffe/data/a.png"), ImageMode::color);
  EXPECT_EQ(a.text(), "uint8[6, 5, 3]");
  EXPECT_EQ(difference(to_planar(a), image_of("image/out1/data", 0)), 0);
  const Array b = read_image(golden("caffe/data/b c.png"), ImageMode::color);
  EXPECT_EQ(difference(to_planar(b), image_of("image/out1/data", 1)), 0);
  const Array grey_as_color = read_image(golden("caffe/data/grey.png"), ImageMode::color);
  EXPECT_EQ(difference(to_planar(grey_as_color), image_of("image/out2/data", 0)), 0);
}

TEST(Png, GreyTruncatesAsRecorded) {
  const Array a = read_image(golden("caffe/data/a.png"), ImageMode::grey);
  EXPECT_EQ(a.text(), "uint8[6, 5, 1]");
  EXPECT_EQ(difference(to_planar(a), image_of("image_grey/out1/data", 0)), 0);
  EXPECT_EQ(read_image(golden("caffe/data/grey.png"), ImageMode::as_stored).shape()[2], 1);
  EXPECT_EQ(read_image(golden("caffe/data/a.png"), ImageMode::as_stored).shape()[2], 3);
}

TEST(Resize, FollowsTheRecordedValues) {
  const Array big = read_image(golden("caffe/data/big.png"), ImageMode::color);
  EXPECT_EQ(big.text(), "uint8[8, 12, 3]");
  EXPECT_EQ(difference(to_planar(resize_linear(big, 4, 6)), image_of("image_resize/out1/data", 0)),
            0);
  EXPECT_EQ(
      difference(to_planar(resize_linear(big, 16, 18)), image_of("image_resize_up/out1/data", 0)),
      0);
}

TEST(Resize, KeepsConstantsAndOneSize) {
  const Array flat = Array::full({5, 7, 3}, 201, DType::u8);
  for (const auto& [h, w] : {std::pair{3, 9}, {11, 2}, {1, 1}, {10, 14}, {5, 7}}) {
    const Array out = resize_linear(flat, h, w);
    ASSERT_EQ(out.shape(), (Shape{h, w, 3}));
    for (uint8_t v : out.span<uint8_t>()) ASSERT_EQ(v, 201);
  }
  const Array image = noise({5, 7, 3});
  EXPECT_EQ(std::memcmp(resize_linear(image, 5, 7).raw(), image.raw(), image.bytes()), 0);
  EXPECT_THROW(resize_linear(image, 0, 7), UserError);
  EXPECT_THROW(resize_linear(Array::zeros({5, 7, 3}), 2, 2), UserError);
}

TEST(Png, EveryChannelCountSurvives) {
  for (int64_t channels : {1, 3, 4}) {
    const Array image = noise({9, 7, channels});
    const std::string png = encode_png(image);
    EXPECT_EQ(image_format(as_bytes(png)), "png");
    const Array back = decode_image(as_bytes(png), ImageMode::as_stored, "x");
    ASSERT_EQ(back.text(), image.text());
    EXPECT_EQ(std::memcmp(back.raw(), image.raw(), image.bytes()), 0);
    EXPECT_EQ(decode_image(as_bytes(png), ImageMode::color, "x").shape()[2], 3);
    EXPECT_EQ(decode_image(as_bytes(png), ImageMode::grey, "x").shape()[2], 1);
  }
  EXPECT_THROW(encode_png(noise({2, 2, 2})), UserError);
}

TEST(Jpeg, SmoothImagesSurviveWithinTheCodecsLoss) {
  Array image(Shape{24, 32, 3}, DType::u8);
  for (int64_t i = 0; i < image.count(); ++i)
    image.data<uint8_t>()[i] =
        static_cast<uint8_t>(40 + 2 * (i / 96) + (i / 3 % 32) + 60 * (i % 3));
  const std::string jpeg = encode_jpeg(image);
  EXPECT_EQ(image_format(as_bytes(jpeg)), "jpeg");
  const Array back = decode_image(as_bytes(jpeg), ImageMode::color, "x");
  ASSERT_EQ(back.text(), image.text());
  EXPECT_LE(difference(back, image), 6);  // quality 95, colour planes at half size
  const Array grey = decode_image(as_bytes(jpeg), ImageMode::grey, "x");
  for (int64_t i = 0; i < grey.count(); ++i) {
    const uint8_t* p = image.data<uint8_t>() + 3 * i;
    EXPECT_NEAR(grey.at(i), 0.114 * p[0] + 0.587 * p[1] + 0.299 * p[2], 3);
  }
  const std::string one = encode_jpeg(noise({8, 8, 1}), 100);
  EXPECT_EQ(decode_image(as_bytes(one), ImageMode::as_stored, "x").shape()[2], 1);
  EXPECT_THROW(encode_jpeg(image, 0), UserError);
}

std::string with_orientation(const std::string& jpeg, int orientation) {
  std::string exif(
      "\xff\xe1\x00\x22"
      "Exif\0\0"
      "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0",
      29);
  exif += static_cast<char>(orientation);
  exif += std::string(6, '\0');
  return jpeg.substr(0, 2) + exif + jpeg.substr(2);
}

TEST(Jpeg, IsTurnedUprightByItsExif) {
  Array image = Array::zeros({16, 32, 3}, DType::u8);
  std::memset(image.raw(), 250, 3 * 32 * 4);  // a bright band on top
  const std::string jpeg = encode_jpeg(image, 100);
  const auto bright = [&](int orientation, int64_t y, int64_t x) {
    const Array a =
        decode_image(as_bytes(with_orientation(jpeg, orientation)), ImageMode::color, "x");
    EXPECT_EQ(a.shape()[0], orientation >= 5 ? 32 : 16);
    return a.at((y * a.shape()[1] + x) * 3) > 128;
  };
  EXPECT_TRUE(bright(1, 0, 5));
  EXPECT_TRUE(bright(3, 15, 5));
  EXPECT_TRUE(bright(4, 15, 5));
  EXPECT_TRUE(bright(6, 5, 15));  // turned clockwise: the top comes to the right
  EXPECT_FALSE(bright(6, 5, 0));
  EXPECT_TRUE(bright(8, 5, 0));
  const Array stored = decode_image(as_bytes(with_orientation(jpeg, 6)), ImageMode::as_stored, "x");
  EXPECT_EQ(stored.shape(), (Shape{16, 32, 3}));
}

TEST(Image, OrientationsAreTheEightOfTheStandard) {
  const Array image = Array::from<uint8_t>({1, 2, 3, 4, 5, 6}, {2, 3, 1});  // 1 2 3 / 4 5 6
  const auto turned = [&](int orientation) {
    const Array a = upright(image, orientation);
    return std::vector<int>(a.data<uint8_t>(), a.data<uint8_t>() + 6);
  };
  EXPECT_EQ(turned(1), (std::vector<int>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(turned(2), (std::vector<int>{3, 2, 1, 6, 5, 4}));
  EXPECT_EQ(turned(3), (std::vector<int>{6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(turned(4), (std::vector<int>{4, 5, 6, 1, 2, 3}));
  EXPECT_EQ(turned(5), (std::vector<int>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(turned(6), (std::vector<int>{4, 1, 5, 2, 6, 3}));
  EXPECT_EQ(turned(7), (std::vector<int>{6, 3, 5, 2, 4, 1}));
  EXPECT_EQ(turned(8), (std::vector<int>{3, 6, 2, 5, 1, 4}));
}

TEST(Image, PlanarAndInterleavedAreInverse) {
  const Array image = noise({4, 5, 3});
  const Array planar = to_planar(image);
  EXPECT_EQ(planar.text(), "uint8[3, 4, 5]");
  EXPECT_EQ(planar.at(1), image.at(3));
  EXPECT_EQ(std::memcmp(to_interleaved(planar).raw(), image.raw(), image.bytes()), 0);
}

TEST(Image, ErrorsNameTheFile) {
  expect_contains(
      message_of<UserError>([] { decode_image(as_bytes("GIF89a"), ImageMode::color, "x.gif"); }),
      "x.gif: byte 0: a PNG or JPEG image expected");
  EXPECT_THROW(read_image("/nowhere.png", ImageMode::color), EnvironmentError);
  const std::string png = encode_png(noise({50, 50, 3}));
  expect_contains(message_of<UserError>([&] {
                    decode_image(as_bytes(png.substr(0, png.size() / 2)), ImageMode::color,
                                 "cut.png");
                  }),
                  "cut.png: byte");
  expect_contains(
      message_of<UserError>([&] { decode_image(as_bytes(png), ImageMode::color, "x", 100); }),
      "limit");
}

TEST(Image, SurvivesDamage) {
  const auto decode = [](const std::string& b) {
    for (const ImageMode mode : {ImageMode::as_stored, ImageMode::color, ImageMode::grey})
      decode_image(as_bytes(b), mode, "x", 1 << 22);
  };
  const std::string png = slurp(golden("caffe/data/a.png"));
  damage(png, decode, 5000);
  damage(encode_jpeg(noise({16, 20, 3})), decode, 3000);
  damage(with_orientation(encode_jpeg(noise({16, 20, 1})), 5), decode, 2000);
}

}  // namespace
}  // namespace trivium::formats
