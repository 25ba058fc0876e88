// Grayscale and ColorJitter with PIL's arithmetic: blends of an image with a degenerate one, and
// hue turned in an HSV of 8 bits.
#include <algorithm>
#include <array>
#include <cmath>

#include "trivium/data/picture.h"

namespace trivium::data {
namespace {

uint8_t luma(const uint8_t* rgb) {
  return static_cast<uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

/// from + factor * (to - from), cut to 0 … 255.
uint8_t blend(int from, int to, float factor) {
  const float value = static_cast<float>(from) + factor * static_cast<float>(to - from);
  return static_cast<uint8_t>(std::clamp(value, 0.f, 255.f));
}

template <typename Degenerate>
Array blended(const Array& image, float factor, const Degenerate& degenerate) {
  const Array out(image.shape(), DType::u8);
  const uint8_t* from = image.data<uint8_t>();
  uint8_t* to = out.data<uint8_t>();
  for (int64_t i = 0; i < image.count(); i += 3) {
    const int other = degenerate(from + i);
    for (int c = 0; c < 3; ++c) to[i + c] = blend(other, from[i + c], factor);
  }
  return out;
}

Array adjust_brightness(const Array& image, float factor) {
  return blended(image, factor, [](const uint8_t*) { return 0; });
}

Array adjust_contrast(const Array& image, float factor) {
  int64_t sum = 0;
  const int64_t pixels = image.count() / 3;
  for (int64_t i = 0; i < pixels; ++i) sum += luma(image.data<uint8_t>() + 3 * i);
  const int mean =
      pixels == 0 ? 0
                  : static_cast<int>(static_cast<double>(sum) / static_cast<double>(pixels) + .5);
  return blended(image, factor, [=](const uint8_t*) { return mean; });
}

Array adjust_saturation(const Array& image, float factor) {
  return blended(image, factor, [](const uint8_t* rgb) { return luma(rgb); });
}

std::array<uint8_t, 3> to_hsv(const uint8_t* rgb) {
  const uint8_t r = rgb[0], g = rgb[1], b = rgb[2];
  const uint8_t most = std::max({r, g, b}), least = std::min({r, g, b});
  if (most == least) return {0, 0, most};
  const float range = static_cast<float>(most - least);
  const float s = range / static_cast<float>(most);
  const float rc = static_cast<float>(most - r) / range, gc = static_cast<float>(most - g) / range;
  const float bc = static_cast<float>(most - b) / range;
  float h = 0;
  if (r == most) {
    h = bc - gc;
  } else if (g == most) {
    h = static_cast<float>(2.0 + rc - bc);
  } else {
    h = static_cast<float>(4.0 + gc - rc);
  }
  h = static_cast<float>(std::fmod(h / 6.0 + 1.0, 1.0));
  const auto level = [](float x) {
    return static_cast<uint8_t>(std::clamp(static_cast<int>(x * 255.0), 0, 255));
  };
  return {level(h), level(s), most};
}

void from_hsv(const std::array<uint8_t, 3>& hsv, uint8_t* rgb) {
  const auto [h, s, v] = hsv;
  if (s == 0) {
    std::fill_n(rgb, 3, v);
    return;
  }
  const double turn = static_cast<float>(h) * 6.0 / 255.0;
  const int sector = static_cast<int>(std::floor(turn));
  const float f = static_cast<float>(turn - static_cast<double>(static_cast<float>(sector)));
  const float fs = static_cast<float>(static_cast<float>(s) / 255.0);
  const auto level = [value = v](double keep) {
    return static_cast<uint8_t>(
        std::clamp(static_cast<int>(std::round(static_cast<float>(value) * keep)), 0, 255));
  };
  const uint8_t p = level(1.0 - fs), q = level(1.0 - fs * f), t = level(1.0 - fs * (1.0 - f));
  const std::array<std::array<uint8_t, 3>, 6> by_sector = {
      {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}}};
  std::copy_n(by_sector[static_cast<size_t>(sector % 6)].begin(), 3, rgb);
}

Array adjust_hue(const Array& image, double factor) {
  const Array out(image.shape(), DType::u8);
  const auto shift = static_cast<uint8_t>(static_cast<int32_t>(factor * 255));
  for (int64_t i = 0; i < image.count(); i += 3) {
    std::array<uint8_t, 3> hsv = to_hsv(image.data<uint8_t>() + i);
    hsv[0] = static_cast<uint8_t>(hsv[0] + shift);
    from_hsv(hsv, out.data<uint8_t>() + i);
  }
  return out;
}

}  // namespace

Grayscale::Grayscale(int64_t channels) : channels_(channels) {
  if (channels != 1 && channels != 3)
    user_error("Grayscale: expected 1 or 3 channels, received {}", channels);
}

Array Grayscale::apply(const Array& picture, random::TorchGenerator& rng) const {
  const Layout l = layout_of(picture, "Grayscale");
  if (l.channels != 1 && l.channels != 3)
    user_error("Grayscale: expected a picture of 1 or 3 channels, received {}", picture.text());
  Layout to = l;
  to.channels = channels_;
  const Array out(to.shape(), to.dtype());
  const int64_t area = l.height * l.width;
  for (int64_t i = 0; i < area; ++i) {
    if (l.image) {
      const uint8_t* from = picture.data<uint8_t>() + i * l.channels;
      std::fill_n(out.data<uint8_t>() + i * channels_, channels_,
                  l.channels == 3 ? luma(from) : *from);
    } else {
      const float* from = picture.data<float>() + i;
      const float gray =
          l.channels == 3 ? .2989f * from[0] + .587f * from[area] + .114f * from[2 * area] : *from;
      for (int64_t c = 0; c < channels_; ++c) out.data<float>()[c * area + i] = gray;
    }
  }
  return out;
}

ColorJitter::ColorJitter(ColorJitterOptions options) : options_(options) {
  for (const double v : {options.brightness, options.contrast, options.saturation})
    if (!(v >= 0)) user_error("ColorJitter: expected strengths >= 0, received {}", v);
  if (!(options.hue >= 0 && options.hue <= .5))
    user_error("ColorJitter: expected hue in [0, 0.5], received {}", options.hue);
}

Array ColorJitter::apply(const Array& picture, random::TorchGenerator& rng) const {
  const Layout l = image_layout(picture, "ColorJitter");
  if (l.channels != 3)
    user_error("ColorJitter: expected an RGB image, received {}", picture.text());
  const Array order = random::randperm(rng, 4);
  std::array<std::optional<double>, 4> factors;
  const std::array<double, 3> strengths = {options_.brightness, options_.contrast,
                                           options_.saturation};
  for (size_t i = 0; i < 3; ++i)
    if (strengths[i] > 0)
      factors[i] = draw_uniform(rng, std::max(0.0, 1 - strengths[i]), 1 + strengths[i]);
  if (options_.hue > 0) factors[3] = draw_uniform(rng, -options_.hue, options_.hue);
  Array image = picture;
  for (const int64_t which : order.span<int64_t>()) {
    if (!factors[static_cast<size_t>(which)]) continue;
    const double factor = *factors[static_cast<size_t>(which)];
    const float f = static_cast<float>(factor);
    if (which == 0) image = adjust_brightness(image, f);
    if (which == 1) image = adjust_contrast(image, f);
    if (which == 2) image = adjust_saturation(image, f);
    if (which == 3) image = adjust_hue(image, factor);
  }
  return image;
}

}  // namespace trivium::data
