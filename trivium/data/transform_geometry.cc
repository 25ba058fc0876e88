// Crops, flips, Pad and Resize: pixels move, values stay.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "trivium/data/picture.h"

namespace trivium::data {
namespace {

constexpr int kTries = 10;

Size both(Size size) { return size.width == 0 ? Size(size.height, size.height) : size; }

/// Where a pixel outside comes from; -1 for the fill value.
int64_t source_place(int64_t at, int64_t size, PadMode mode) {
  if (at >= 0 && at < size) return at;
  switch (mode) {
    case PadMode::constant:
      return -1;
    case PadMode::edge:
      return std::clamp<int64_t>(at, 0, size - 1);
    case PadMode::reflect: {
      const int64_t period = std::max<int64_t>(2 * (size - 1), 1);
      const int64_t m = (at % period + period) % period;
      return size == 1 ? 0 : std::min(m, period - m);
    }
    case PadMode::symmetric: {
      const int64_t m = (at % (2 * size) + 2 * size) % (2 * size);
      return std::min(m, 2 * size - 1 - m);
    }
  }
  return -1;
}

std::array<int64_t, 4> sides(const std::vector<int64_t>& p) {
  for (const int64_t side : p)
    if (side < 0) user_error("Pad: expected paddings >= 0, received {}", side);
  if (p.size() == 1) return {p[0], p[0], p[0], p[0]};
  if (p.size() == 2) return {p[0], p[1], p[0], p[1]};
  if (p.size() == 4) return {p[0], p[1], p[2], p[3]};
  user_error("Pad: expected 1, 2 or 4 paddings, received {}", p.size());
}

/// Writes each output pixel from source row rows[y] and column columns[x]; -1 keeps `fill`.
Array gather(const Array& picture, const Layout& l, const std::vector<int64_t>& rows,
             const std::vector<int64_t>& columns, double fill) {
  const Layout to =
      l.sized(static_cast<int64_t>(rows.size()), static_cast<int64_t>(columns.size()));
  const Array out = Array::full(to.shape(), fill, to.dtype());
  const size_t pixel = l.pixel();
  const auto* from = static_cast<const char*>(picture.raw());
  auto* target = static_cast<char*>(out.raw());
  for (int64_t p = 0; p < l.planes(); ++p)
    for (const int64_t y : rows) {
      const char* row = from + static_cast<size_t>((p * l.height + y) * l.width) * pixel;
      for (const int64_t x : columns) {
        if (y >= 0 && x >= 0) std::memcpy(target, row + static_cast<size_t>(x) * pixel, pixel);
        target += pixel;
      }
    }
  return out;
}

std::vector<int64_t> places(int64_t from, int64_t count, int64_t size, PadMode mode) {
  std::vector<int64_t> result;
  for (int64_t i = from; i < from + count; ++i) result.push_back(source_place(i, size, mode));
  return result;
}

void check_size(const char* name, Size size) {
  if (size.height < 1 || size.width < 0)
    user_error("{}: expected a size of at least 1, received {} x {}", name, size.height,
               size.width);
}

void check_p(const char* name, double p) {
  if (!(p >= 0 && p <= 1)) user_error("{}: expected p in [0, 1], received {}", name, p);
}

}  // namespace

Layout layout_of(const Array& picture, const char* name) {
  if (picture.defined() && picture.shape().rank() == 3) {
    const Shape& s = picture.shape();
    if (picture.dtype() == DType::u8) return {true, s[2], s[0], s[1]};
    if (picture.dtype() == DType::f32) return {false, s[0], s[1], s[2]};
  }
  user_error(
      "{}: expected an image uint8[height, width, channels] or a tensor float32[channels, height, "
      "width], received {}",
      name, picture.defined() ? picture.text() : "an undefined array");
}

Layout image_layout(const Array& picture, const char* name) {
  const Layout l = layout_of(picture, name);
  if (!l.image)
    user_error(
        "{}: expected an image uint8[height, width, channels], received {}; put it before "
        "ToTensor",
        name, picture.text());
  return l;
}

Layout tensor_layout(const Array& picture, const char* name) {
  const Layout l = layout_of(picture, name);
  if (l.image)
    user_error(
        "{}: expected a tensor float32[channels, height, width], received {}; put it after "
        "ToTensor",
        name, picture.text());
  return l;
}

Array crop(const Array& picture, int64_t top, int64_t left, int64_t height, int64_t width) {
  const Layout l = layout_of(picture, "crop");
  const bool inside = top >= 0 && left >= 0 && top + height <= l.height && left + width <= l.width;
  if (!inside)
    return gather(picture, l, places(top, height, l.height, PadMode::constant),
                  places(left, width, l.width, PadMode::constant), 0);
  const Layout to = l.sized(height, width);
  const Array out(to.shape(), to.dtype());
  const size_t pixel = l.pixel(), row = static_cast<size_t>(width) * pixel;
  const auto* from = static_cast<const char*>(picture.raw());
  auto* target = static_cast<char*>(out.raw());
  for (int64_t p = 0; p < l.planes(); ++p)
    for (int64_t y = 0; y < height; ++y, target += row)
      std::memcpy(target,
                  from + static_cast<size_t>((p * l.height + top + y) * l.width + left) * pixel,
                  row);
  return out;
}

Array pad(const Array& picture, const std::array<int64_t, 4>& padding, double fill, PadMode mode) {
  const Layout l = layout_of(picture, "Pad");
  const auto [left, top, right, bottom] = padding;
  if (mode == PadMode::reflect &&
      (std::max(left, right) >= l.width || std::max(top, bottom) >= l.height))
    user_error("Pad: reflect needs paddings smaller than the picture {}", picture.text());
  if (mode != PadMode::constant && (l.height < 1 || l.width < 1))
    user_error("Pad: the picture {} is empty", picture.text());
  return gather(picture, l, places(-top, top + l.height + bottom, l.height, mode),
                places(-left, left + l.width + right, l.width, mode), fill);
}

Array flip_horizontal(const Array& picture) {
  const Layout l = layout_of(picture, "flip");
  std::vector<int64_t> columns = places(0, l.width, l.width, PadMode::constant);
  std::reverse(columns.begin(), columns.end());
  return gather(picture, l, places(0, l.height, l.height, PadMode::constant), columns, 0);
}

Array flip_vertical(const Array& picture) {
  const Layout l = layout_of(picture, "flip");
  std::vector<int64_t> rows = places(0, l.height, l.height, PadMode::constant);
  std::reverse(rows.begin(), rows.end());
  return gather(picture, l, rows, places(0, l.width, l.width, PadMode::constant), 0);
}

double draw_uniform(random::TorchGenerator& rng, double low, double high) {
  return random::uniform(rng, Array({1}, DType::f32), low, high).at(0);
}

bool draw_chance(random::TorchGenerator& rng, double p) {
  return random::rand(rng, {1}).data<float>()[0] < static_cast<float>(p);
}

int64_t draw_below(random::TorchGenerator& rng, int64_t end) {
  return random::randint(rng, 0, end, {1}).data<int64_t>()[0];
}

int64_t rounded(double value) { return static_cast<int64_t>(std::nearbyint(value)); }

Resize::Resize(Size size, Interpolation interpolation, std::optional<int64_t> max_size)
    : size_(size), interpolation_(interpolation), max_size_(max_size) {
  check_size("Resize", size);
  if (max_size && (size.width != 0 || *max_size <= size.height))
    user_error("Resize: max_size {} needs a size of one number below it", *max_size);
}

Array Resize::apply(const Array& picture, random::TorchGenerator& rng) const {
  if (size_.width != 0) return resize(picture, size_.height, size_.width, interpolation_);
  const Layout l = layout_of(picture, "Resize");
  int64_t shorter = std::min(l.height, l.width), longer = std::max(l.height, l.width);
  if (shorter < 1) user_error("Resize: the picture {} is empty", picture.text());
  longer = size_.height * longer / shorter;
  shorter = size_.height;
  if (max_size_ && longer > *max_size_) {
    shorter = *max_size_ * shorter / longer;
    longer = *max_size_;
  }
  const bool upright = l.width <= l.height;
  return resize(picture, upright ? longer : shorter, upright ? shorter : longer, interpolation_);
}

CenterCrop::CenterCrop(Size size) : size_(both(size)) { check_size("CenterCrop", size); }

Array CenterCrop::apply(const Array& picture, random::TorchGenerator& rng) const {
  Layout l = layout_of(picture, "CenterCrop");
  Array whole = picture;
  const int64_t more_h = std::max<int64_t>(size_.height - l.height, 0);
  const int64_t more_w = std::max<int64_t>(size_.width - l.width, 0);
  if (more_h > 0 || more_w > 0) {
    whole = pad(picture, {more_w / 2, more_h / 2, (more_w + 1) / 2, (more_h + 1) / 2}, 0,
                PadMode::constant);
    l = layout_of(whole, "CenterCrop");
  }
  return crop(whole, rounded(static_cast<double>(l.height - size_.height) / 2),
              rounded(static_cast<double>(l.width - size_.width) / 2), size_.height, size_.width);
}

Pad::Pad(std::vector<int64_t> padding, double fill, PadMode mode)
    : padding_(std::move(padding)), fill_(fill), mode_(mode) {
  sides(padding_);
}

Array Pad::apply(const Array& picture, random::TorchGenerator& rng) const {
  return pad(picture, sides(padding_), fill_, mode_);
}

RandomCrop::RandomCrop(Size size, RandomCropOptions options)
    : size_(both(size)), options_(std::move(options)) {
  check_size("RandomCrop", size);
  if (!options_.padding.empty()) sides(options_.padding);
}

Array RandomCrop::apply(const Array& picture, random::TorchGenerator& rng) const {
  Array whole = picture;
  if (!options_.padding.empty())
    whole = pad(whole, sides(options_.padding), options_.fill, options_.mode);
  const auto widen = [&](int64_t w, int64_t h) {
    whole = pad(whole, {w, h, w, h}, options_.fill, options_.mode);
  };
  Layout l = layout_of(whole, "RandomCrop");
  if (options_.pad_if_needed && l.width < size_.width) widen(size_.width - l.width, 0);
  if (options_.pad_if_needed && l.height < size_.height) widen(0, size_.height - l.height);
  l = layout_of(whole, "RandomCrop");
  if (l.height < size_.height || l.width < size_.width)
    user_error("RandomCrop: cannot cut {} x {} from {}; use Resize or pad_if_needed", size_.height,
               size_.width, whole.text());
  if (l.height == size_.height && l.width == size_.width) return whole;
  const int64_t top = draw_below(rng, l.height - size_.height + 1);
  const int64_t left = draw_below(rng, l.width - size_.width + 1);
  return crop(whole, top, left, size_.height, size_.width);
}

RandomHorizontalFlip::RandomHorizontalFlip(double p) : p_(p) { check_p("RandomHorizontalFlip", p); }

Array RandomHorizontalFlip::apply(const Array& picture, random::TorchGenerator& rng) const {
  return draw_chance(rng, p_) ? flip_horizontal(picture) : picture;
}

RandomVerticalFlip::RandomVerticalFlip(double p) : p_(p) { check_p("RandomVerticalFlip", p); }

Array RandomVerticalFlip::apply(const Array& picture, random::TorchGenerator& rng) const {
  return draw_chance(rng, p_) ? flip_vertical(picture) : picture;
}

RandomResizedCrop::RandomResizedCrop(Size size, RandomResizedCropOptions options)
    : size_(both(size)), options_(options) {
  check_size("RandomResizedCrop", size);
}

Array RandomResizedCrop::apply(const Array& picture, random::TorchGenerator& rng) const {
  const Layout l = layout_of(picture, "RandomResizedCrop");
  const auto [least, most] = options_.ratio;
  const double area = static_cast<double>(l.height * l.width);
  const auto cut = [&](int64_t top, int64_t left, int64_t h, int64_t w) {
    return resize(crop(picture, top, left, h, w), size_.height, size_.width,
                  options_.interpolation);
  };
  for (int i = 0; i < kTries; ++i) {
    const double part = area * draw_uniform(rng, options_.scale.first, options_.scale.second);
    const double ratio = std::exp(static_cast<float>(draw_uniform(
        rng, std::log(static_cast<float>(least)), std::log(static_cast<float>(most)))));
    const int64_t w = rounded(std::sqrt(part * ratio)), h = rounded(std::sqrt(part / ratio));
    if (w < 1 || w > l.width || h < 1 || h > l.height) continue;
    const int64_t top = draw_below(rng, l.height - h + 1);
    return cut(top, draw_below(rng, l.width - w + 1), h, w);
  }
  int64_t h = l.height, w = l.width;
  const double shape = static_cast<double>(w) / static_cast<double>(h);
  if (shape < least) h = rounded(static_cast<double>(w) / least);
  if (shape > most) w = rounded(static_cast<double>(h) * most);
  return cut((l.height - h) / 2, (l.width - w) / 2, h, w);
}

RandomErasing::RandomErasing(RandomErasingOptions options) : options_(std::move(options)) {
  check_p("RandomErasing", options_.p);
  if (options_.value.empty()) user_error("RandomErasing: expected a value, received none");
}

Array RandomErasing::apply(const Array& picture, random::TorchGenerator& rng) const {
  const Layout l = tensor_layout(picture, "RandomErasing");
  if (options_.value.size() != 1 && static_cast<int64_t>(options_.value.size()) != l.channels)
    user_error("RandomErasing: expected 1 or {} values, received {}", l.channels,
               options_.value.size());
  if (!draw_chance(rng, options_.p)) return picture;
  const double area = static_cast<double>(l.height * l.width);
  for (int i = 0; i < kTries; ++i) {
    const double part = area * draw_uniform(rng, options_.scale.first, options_.scale.second);
    const double ratio = std::exp(
        static_cast<float>(draw_uniform(rng, std::log(static_cast<float>(options_.ratio.first)),
                                        std::log(static_cast<float>(options_.ratio.second)))));
    const int64_t h = rounded(std::sqrt(part * ratio)), w = rounded(std::sqrt(part / ratio));
    if (h >= l.height || w >= l.width) continue;
    Array values;
    if (options_.random_value) values = random::randn(rng, {l.channels, h, w});
    const int64_t top = draw_below(rng, l.height - h + 1), left = draw_below(rng, l.width - w + 1);
    const Array out = picture.clone();
    for (int64_t c = 0; c < l.channels; ++c)
      for (int64_t y = 0; y < h; ++y)
        for (int64_t x = 0; x < w; ++x) {
          const size_t v = options_.value.size() == 1 ? 0 : static_cast<size_t>(c);
          out.data<float>()[(c * l.height + top + y) * l.width + left + x] =
              options_.random_value ? values.data<float>()[(c * h + y) * w + x]
                                    : static_cast<float>(options_.value[v]);
        }
    return out;
  }
  return picture;
}

}  // namespace trivium::data
