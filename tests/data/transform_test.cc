// Transforms against torchvision and PIL: the same seed gives the same bytes and leaves the
// generator where PyTorch's is.
#include "trivium/data/transform.h"

#include <cmath>

#include "tests/data/golden.h"

namespace trivium::data {
namespace {

using random::TorchGenerator;

const std::vector<std::pair<std::string, Transform>>& recorded() {
  static const std::vector<std::pair<std::string, Transform>> list = {
      {"center_8", CenterCrop(8)},
      {"center_15_11", CenterCrop({15, 11})},
      {"center_big", CenterCrop(41)},
      {"center_tall", CenterCrop({50, 7})},
      {"crop_8", RandomCrop(8)},
      {"crop_same", RandomCrop({20, 31})},
      {"crop_pad", RandomCrop(20, {.padding = {4}})},
      {"crop_reflect", RandomCrop({20, 28}, {.padding = {3, 2}, .mode = PadMode::reflect})},
      {"crop_needed", RandomCrop(40, {.pad_if_needed = true, .fill = 7})},
      {"hflip", RandomHorizontalFlip()},
      {"vflip", RandomVerticalFlip(.7)},
      {"resized_crop", RandomResizedCrop(16)},
      {"resized_crop_wide", RandomResizedCrop({9, 12}, {.scale = {.5, 3}, .ratio = {2, 4}})},
      {"pad", Pad({3}, 9)},
      {"pad_edge", Pad({1, 2, 3, 4}, 0, PadMode::edge)},
      {"pad_symmetric", Pad({5, 2}, 0, PadMode::symmetric)},
      {"pad_reflect", Pad({6}, 0, PadMode::reflect)},
      {"gray", Grayscale()},
      {"gray3", Grayscale(3)},
      {"bright", ColorJitter({.brightness = .5})},
      {"contrast", ColorJitter({.contrast = .7})},
      {"saturation", ColorJitter({.saturation = .9})},
      {"hue", ColorJitter({.hue = .4})},
      {"jitter", ColorJitter({.4, .4, .4, .1})},
      {"jitter_strong", ColorJitter({2, 3, 2, .5})},
      {"apply", RandomApply({RandomCrop(9), RandomHorizontalFlip()}, .3)},
      {"tensor", ToTensor()},
      {"normal", Compose({ToTensor(), Normalize({.485, .456, .406}, {.229, .224, .225})})},
      {"train", Compose({RandomResizedCrop(16), RandomHorizontalFlip(), ColorJitter({.2, .2, .2}),
                         ToTensor(), Normalize({.5, .4, .3}, {.2, .3, .4})})},
      {"erase", Compose({ToTensor(), RandomErasing()})},
      {"erase_noise", Compose({ToTensor(), RandomErasing({.p = .9, .random_value = true})})},
      {"erase_color",
       Compose({ToTensor(), RandomErasing({.p = 1, .scale = {.1, .5}, .value = {.1, .2, .3}})})},
      {"tensor_crops", Compose({ToTensor(), RandomCrop(24, {.padding = {3}, .fill = 1}),
                                RandomHorizontalFlip(), CenterCrop(15)})},
  };
  return list;
}

TEST(Transform, EveryTransformGivesTorchvisionsBytesAndDraws) {
  for (const auto& [name, transform] : recorded())
    for (int seed = 0; seed < 6; ++seed) {
      TorchGenerator rng(static_cast<uint64_t>(seed));
      const Array out = transform(picture(20, 31, 3, seed), rng);
      const std::string key = fmt::format("transform/{}/{}", name, seed);
      EXPECT_EQ(crc_text(out) + " " + crc_text(rng.state()), golden(key)) << key;
    }
}

TEST(Transform, ResizingIsPilsBitForBit) {
  const std::vector<std::pair<std::string, Interpolation>> modes = {
      {"nearest", Interpolation::nearest},
      {"bilinear", Interpolation::bilinear},
      {"bicubic", Interpolation::bicubic},
      {"box", Interpolation::box},
      {"lanczos", Interpolation::lanczos}};
  TorchGenerator rng;
  for (const int64_t c : {1, 3})
    for (const auto& [h, w] :
         std::vector<std::pair<int64_t, int64_t>>{{17, 23}, {64, 48}, {5, 100}})
      for (const auto& [to_h, to_w] : std::vector<std::pair<int64_t, int64_t>>{
               {8, 8}, {17, 40}, {33, 23}, {50, 70}, {3, 200}, {1, 1}, {h, 9}})
        for (const auto& [name, mode] : modes) {
          const Array out = Resize({to_h, to_w}, mode).apply(picture(h, w, c), rng);
          const std::string key =
              fmt::format("resize/{}/{}/{}/{}/{}/{}", name, c, h, w, to_h, to_w);
          EXPECT_EQ(crc_text(out), golden(key)) << key;
        }
}

TEST(Transform, OneSizeIsTheShorterSide) {
  TorchGenerator rng;
  const auto size = [](const Array& image) {
    return fmt::format("{} {}", image.shape()[1], image.shape()[0]);
  };
  for (const auto& [h, w] : std::vector<std::pair<int64_t, int64_t>>{{17, 23}, {64, 48}, {30, 30}})
    for (const int64_t to : {12, 30, 61})
      EXPECT_EQ(size(Resize(to).apply(picture(h, w, 3), rng)),
                golden(fmt::format("resize_short/{}/{}/{}", h, w, to)));
  EXPECT_EQ(size(Resize(20, Interpolation::bilinear, 30).apply(picture(10, 100, 3), rng)),
            golden("resize_max"));
  EXPECT_THROW(Resize(20, Interpolation::bilinear, 20), UserError);
}

TEST(Transform, TensorsAreResizedAsImagesAreUpToTheirRounding) {
  TorchGenerator rng;
  const Array image = picture(40, 52, 3), tensor = ToTensor().apply(image, rng);
  const Array a = ToTensor().apply(Resize({19, 60}).apply(image, rng), rng);
  const Array b = Resize({19, 60}).apply(tensor, rng);
  // An image is rounded to a 255th after each of two passes: half a step each.
  for (int64_t i = 0; i < a.count(); ++i) ASSERT_NEAR(a.at(i), b.at(i), 1.01 / 255);
}

TEST(Transform, TabulatedTransformsGiveTheBitsOfTheStepByStepOnes) {
  TorchGenerator rng;
  const Transform t =
      Compose({CenterCrop(9), Compose({ToTensor(), Normalize({.1, .2, .3}, {.4, .5, .6})}),
               Normalize({.5}, {2})});
  const TabulatedTransform parts(t);
  EXPECT_EQ(parts.head.size(), 1u);
  EXPECT_EQ(parts.tail.size(), 3u);
  const Array image = picture(20, 31, 3), cropped = parts.head[0](image, rng);
  const Array out({3, 9, 9}, DType::f32);
  write_through(parts.table(3), cropped, out.data<float>());
  EXPECT_EQ(crc_text(out), crc_text(t(image, rng)));
  EXPECT_TRUE(TabulatedTransform(Compose({ToTensor(), RandomErasing()})).tail.empty());
}

TEST(Transform, FunctionsAreTransforms) {
  const Transform invert = [](const Array& image) {
    const Array out = image.clone();
    for (uint8_t& v : out.span<uint8_t>()) v = static_cast<uint8_t>(255 - v);
    return out;
  };
  const Transform both = Compose({invert, invert});
  EXPECT_EQ(crc_text(both(picture(3, 4, 3))), crc_text(picture(3, 4, 3)));
  EXPECT_THROW(Transform()(picture(3, 4, 3)), UserError);
  EXPECT_THROW(Compose({Transform()}), UserError);
}

TEST(Transform, AnImageSurvivesTheWayToATensorAndBack) {
  TorchGenerator rng;
  const Array image = picture(16, 16, 3);
  const Array back = Compose({ToTensor(), ToImage()}).apply(image, rng);
  for (int64_t i = 0; i < image.count(); ++i) ASSERT_NEAR(image.at(i), back.at(i), 1);
}

TEST(Transform, WrongPicturesAndArgumentsAreRefused) {
  TorchGenerator rng;
  const Array image = picture(8, 8, 3), tensor = ToTensor().apply(image, rng);
  EXPECT_THROW(ToTensor().apply(tensor, rng), UserError);
  EXPECT_THROW(Normalize({0}, {1}).apply(image, rng), UserError);
  EXPECT_THROW(Normalize({0, 0}, {1}).apply(tensor, rng), UserError);
  EXPECT_THROW(Normalize({0}, {0}), UserError);
  EXPECT_THROW(RandomCrop(9).apply(image, rng), UserError);
  EXPECT_THROW(Pad({-1}), UserError);
  EXPECT_THROW(Pad({1, 2, 3}), UserError);
  EXPECT_THROW(Pad({8}, 0, PadMode::reflect).apply(image, rng), UserError);
  EXPECT_THROW(Grayscale(2), UserError);
  EXPECT_THROW(Grayscale().apply(picture(8, 8, 2), rng), UserError);
  EXPECT_THROW(ColorJitter({.hue = .6}), UserError);
  EXPECT_THROW(ColorJitter({.hue = .1}).apply(picture(8, 8, 1), rng), UserError);
  EXPECT_THROW(RandomHorizontalFlip(1.5), UserError);
  EXPECT_THROW(Resize(0), UserError);
  EXPECT_THROW(CenterCrop(4).apply(arange(4), rng), UserError);
}

}  // namespace
}  // namespace trivium::data
