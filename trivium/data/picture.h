// What the transforms share: the two layouts of a picture seen as planes of rows of pixels, and
// resampling.
#pragma once

#include "trivium/data/transform.h"

namespace trivium::data {

/// A picture as [planes, height, width] pixels of `pixel` bytes: an image has one plane and its
/// channels inside the pixel, a tensor a plane for each channel.
struct Layout {
  bool image;
  int64_t channels, height, width;
  int64_t planes() const { return image ? 1 : channels; }
  size_t pixel() const { return image ? static_cast<size_t>(channels) : sizeof(float); }
  Shape shape() const {
    return image ? Shape{height, width, channels} : Shape{channels, height, width};
  }
  DType dtype() const { return image ? DType::u8 : DType::f32; }
  Layout sized(int64_t h, int64_t w) const { return {image, channels, h, w}; }
};

/// UserError with `name` unless the picture is uint8 [h, w, c] or float32 [c, h, w].
Layout layout_of(const Array& picture, const char* name);
/// The same for transforms that take one of them; UserError with the remedy.
Layout image_layout(const Array& picture, const char* name);
Layout tensor_layout(const Array& picture, const char* name);

/// A part of a picture; what lies outside is 0.
Array crop(const Array& picture, int64_t top, int64_t left, int64_t height, int64_t width);
/// {left, top, right, bottom}, none negative.
Array pad(const Array& picture, const std::array<int64_t, 4>& padding, double fill, PadMode mode);
Array flip_horizontal(const Array& picture);
Array flip_vertical(const Array& picture);
Array resize(const Array& picture, int64_t height, int64_t width, Interpolation interpolation);

/// One value of U[low, high) as torch.empty(1).uniform_(low, high).item() gives it.
double draw_uniform(random::TorchGenerator& rng, double low, double high);
/// torch.rand(1) < p.
bool draw_chance(random::TorchGenerator& rng, double p);
int64_t draw_below(random::TorchGenerator& rng, int64_t end);
/// Half to even.
int64_t rounded(double value);

}  // namespace trivium::data
