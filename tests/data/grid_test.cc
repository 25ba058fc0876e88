// Grids of pictures against torchvision, and files of them read back.
#include "trivium/data/grid.h"

#include <filesystem>

#include "tests/data/golden.h"

namespace trivium::data {
namespace {

TEST(Grid, GridsAndTheirBytesAreThoseOfTorchvision) {
  struct Case {
    std::string name;
    Shape shape;
    GridOptions options;
  };
  const std::vector<Case> cases = {
      {"plain", {5, 3, 6, 7}, {}},
      {"gray", {10, 1, 4, 5}, {}},
      {"single", {1, 3, 6, 7}, {}},
      {"picture", {1, 6, 7}, {}},
      {"rows", {5, 3, 6, 7}, {.nrow = 2, .padding = 1, .pad_value = .5}},
      {"normal", {5, 3, 6, 7}, {.normalize = true}},
      {"range", {5, 3, 6, 7}, {.normalize = true, .value_range = std::pair<double, double>(-1, 1)}},
      {"each", {5, 3, 6, 7}, {.nrow = 3, .normalize = true, .scale_each = true}}};
  for (const Case& c : cases) {
    random::TorchGenerator rng(1);
    const Array grid = make_grid(random::randn(rng, c.shape), c.options);
    const Shape& s = grid.shape();
    EXPECT_EQ(
        fmt::format("{}x{}x{} {} {}", s[0], s[1], s[2], crc_text(grid), crc_text(to_bytes(grid))),
        golden("grid/" + c.name))
        << c.name;
  }
}

TEST(Grid, SavedImagesAreReadBack) {
  const std::string path = testing::TempDir() + "/trivium_grid.png";
  random::TorchGenerator rng(1);
  const Array pictures = random::rand(rng, {5, 3, 6, 7});
  save_image(pictures, path);
  EXPECT_EQ(crc_text(read_rgb(path)), crc_text(to_bytes(make_grid(pictures))));
  std::filesystem::remove(path);
  EXPECT_THROW(save_image(pictures, testing::TempDir() + "/grid.tiff"), UserError);
}

TEST(Grid, OtherArraysAreRefused) {
  EXPECT_THROW(make_grid(Array()), UserError);
  EXPECT_THROW(make_grid(Array::zeros({3, 4})), UserError);
  EXPECT_THROW(make_grid(Array::zeros({0, 3, 4, 4})), UserError);
  EXPECT_THROW(make_grid(Array::zeros({2, 3, 4, 4}), {.nrow = 0}), UserError);
}

}  // namespace
}  // namespace trivium::data
