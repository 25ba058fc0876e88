// Looking at batches: many pictures in one, and pictures to files.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "trivium/engine/core/array.h"

namespace trivium::data {

struct GridOptions {
  int64_t nrow = 8;  ///< pictures in a row
  int64_t padding = 2;
  bool normalize = false;  ///< to [0, 1], from value_range or else from the values there are
  std::optional<std::pair<double, double>> value_range = std::nullopt;
  bool scale_each = false;  ///< normalize every picture by its own values
  double pad_value = 0;
};

/// float32 [n, channels, height, width], or one picture [channels, height, width], to one picture
/// [channels, …, …]; a grey one gets three channels, a single one no padding. UserError for other
/// arrays, no pictures, nrow < 1 or padding < 0.
Array make_grid(const Array& pictures, const GridOptions& options = {});

/// uint8 [height, width, channels], red first, of a tensor with values in [0, 1]: x * 255 + .5, cut
/// to [0, 255].
Array to_bytes(const Array& tensor);

/// make_grid as a file: PNG, or JPEG when the name ends in .jpg or .jpeg.
void save_image(const Array& pictures, const std::string& path, const GridOptions& options = {});

}  // namespace trivium::data
