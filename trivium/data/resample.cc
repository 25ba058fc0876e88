// Resizing with PIL's filters. A destination pixel is a weighted sum of the source pixels under the
// filter, whose support grows when the picture shrinks; one pass along rows, one along columns.
// Images use weights of 22 fractional bits and round each pass to 8 bits, exactly as PIL.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "trivium/data/picture.h"

namespace trivium::data {
namespace {

constexpr int kFractionBits = 32 - 8 - 2;

double box(double x) { return x > -.5 && x <= .5 ? 1 : 0; }

double triangle(double x) { return std::max(0.0, 1 - std::fabs(x)); }

double cubic(double x) {
  constexpr double a = -.5;
  x = std::fabs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

double sinc(double x) {
  if (x == 0) return 1;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

struct Filter {
  double (*at)(double);
  double support;
};

Filter filter_of(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::box:
      return {box, .5};
    case Interpolation::bicubic:
      return {cubic, 2};
    case Interpolation::lanczos:
      return {lanczos, 3};
    default:
      return {triangle, 1};
  }
}

/// For each destination place: the first source place, how many, and their weights.
template <typename W>
struct Weights {
  std::vector<int64_t> first, count;
  std::vector<W> values;  // `most` for each destination place
  int64_t most = 0;
  const W* of(int64_t i) const { return values.data() + i * most; }
};

void put_weight(double w, int32_t& out) {
  const double scaled = w * (1 << kFractionBits);
  out = static_cast<int32_t>(scaled < 0 ? scaled - .5 : scaled + .5);
}
void put_weight(double w, float& out) { out = static_cast<float>(w); }

template <typename W>
Weights<W> weights(int64_t from, int64_t to, const Filter& filter) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double stretch = std::max(scale, 1.0), support = filter.support * stretch;
  Weights<W> w;
  w.most = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  w.values.resize(static_cast<size_t>(to * w.most));
  std::vector<double> row(static_cast<size_t>(w.most));
  for (int64_t i = 0; i < to; ++i) {
    const double center = (static_cast<double>(i) + .5) * scale;
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(center - support + .5), 0);
    const int64_t end = std::min(static_cast<int64_t>(center + support + .5), from);
    double sum = 0;
    for (int64_t k = first; k < end; ++k)
      sum += row[k - first] = filter.at((static_cast<double>(k) - center + .5) * (1.0 / stretch));
    for (int64_t k = 0; k < end - first; ++k)
      put_weight(sum != 0 ? row[k] / sum : row[k], w.values[i * w.most + k]);
    w.first.push_back(first);
    w.count.push_back(end - first);
  }
  return w;
}

uint8_t clip(int32_t sum) { return static_cast<uint8_t>(std::clamp(sum >> kFractionBits, 0, 255)); }

/// One output value: elements `stride` apart.
uint8_t weighted(const uint8_t* from, int64_t stride, const int32_t* w, int64_t count) {
  int32_t sum = 1 << (kFractionBits - 1);
  for (int64_t k = 0; k < count; ++k) sum += from[k * stride] * w[k];
  return clip(sum);
}
float weighted(const float* from, int64_t stride, const float* w, int64_t count) {
  float sum = 0;
  for (int64_t k = 0; k < count; ++k) sum += from[k * stride] * w[k];
  return sum;
}

/// Along rows: [rows, from, c] to [rows, to, c].
template <typename T, typename W>
void horizontal(const T* from, int64_t rows, int64_t from_width, int64_t c, const Weights<W>& w,
                T* to) {
  const int64_t to_width = static_cast<int64_t>(w.first.size());
  for (int64_t y = 0; y < rows; ++y, from += from_width * c)
    for (int64_t x = 0; x < to_width; ++x) {
      const T* source = from + w.first[x] * c;
      for (int64_t i = 0; i < c; ++i) *to++ = weighted(source + i, c, w.of(x), w.count[x]);
    }
}

/// Along columns: rows of `width` elements, source row 0 being `first_row`.
template <typename T, typename W>
void vertical(const T* from, int64_t width, int64_t first_row, const Weights<W>& w, T* to) {
  const int64_t to_height = static_cast<int64_t>(w.first.size());
  for (int64_t y = 0; y < to_height; ++y) {
    const T* source = from + (w.first[y] - first_row) * width;
    for (int64_t x = 0; x < width; ++x) *to++ = weighted(source + x, width, w.of(y), w.count[y]);
  }
}

/// Which pass comes first decides how an image is rounded in between: the columns when the height
/// shrinks by more than twice what the width does (PIL since version 13; the rows before that).
bool columns_first(int64_t h, int64_t w, int64_t to_h, int64_t to_w) {
  return to_h < h && h - to_h > 2 * (w - to_w);
}

/// One plane of [height, width, c]. A pass that would change no size is left out, and the first of
/// two takes only the rows that the second needs.
template <typename T, typename W>
void resample(const T* from, int64_t h, int64_t w, int64_t c, T* to, int64_t to_h, int64_t to_w,
              const Filter& filter) {
  if (h == to_h) return horizontal(from, h, w, c, weights<W>(w, to_w, filter), to);
  const Weights<W> down = weights<W>(h, to_h, filter);
  if (w == to_w) return vertical(from, w * c, 0, down, to);
  const Weights<W> across = weights<W>(w, to_w, filter);
  std::vector<T> between;
  if (columns_first(h, w, to_h, to_w)) {
    between.resize(static_cast<size_t>(to_h * w * c));
    vertical(from, w * c, 0, down, between.data());
    horizontal(between.data(), to_h, w, c, across, to);
    return;
  }
  const int64_t first_row = down.first.front();
  const int64_t rows = down.first.back() + down.count.back() - first_row;
  between.resize(static_cast<size_t>(rows * to_w * c));
  horizontal(from + first_row * w * c, rows, w, c, across, between.data());
  vertical(between.data(), to_w * c, first_row, down, to);
}

/// Source places of nearest: PIL takes pixel centres, PyTorch's tensors the lower edge.
std::vector<int64_t> nearest(int64_t from, int64_t to, bool centres) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  std::vector<int64_t> places;
  double at = centres ? scale * .5 : 0;
  for (int64_t i = 0; i < to; ++i) {
    const double place =
        centres ? at : static_cast<double>(static_cast<float>(i) * static_cast<float>(scale));
    places.push_back(std::min(static_cast<int64_t>(place), from - 1));
    at += scale;  // a running sum, as PIL's, whose rounding decides at some borders
  }
  return places;
}

Array resize_nearest(const Array& picture, const Layout& l, int64_t height, int64_t width) {
  const Layout to = l.sized(height, width);
  const Array out(to.shape(), to.dtype());
  const std::vector<int64_t> rows = nearest(l.height, height, l.image);
  const std::vector<int64_t> columns = nearest(l.width, width, l.image);
  const auto* from = static_cast<const char*>(picture.raw());
  auto* target = static_cast<char*>(out.raw());
  const size_t pixel = l.pixel();
  for (int64_t p = 0; p < l.planes(); ++p)
    for (const int64_t y : rows)
      for (const int64_t x : columns) {
        std::memcpy(target, from + static_cast<size_t>((p * l.height + y) * l.width + x) * pixel,
                    pixel);
        target += pixel;
      }
  return out;
}

}  // namespace

Array resize(const Array& picture, int64_t height, int64_t width, Interpolation interpolation) {
  const Layout l = layout_of(picture, "Resize");
  if (height < 1 || width < 1)
    user_error("Resize: expected a size of at least 1 x 1, received {} x {}", height, width);
  if (l.height < 1 || l.width < 1) user_error("Resize: the picture {} is empty", picture.text());
  if (height == l.height && width == l.width) return picture;
  if (interpolation == Interpolation::nearest) return resize_nearest(picture, l, height, width);
  const Layout to = l.sized(height, width);
  const Array out(to.shape(), to.dtype());
  const Filter filter = filter_of(interpolation);
  if (l.image) {
    resample<uint8_t, int32_t>(picture.data<uint8_t>(), l.height, l.width, l.channels,
                               out.data<uint8_t>(), height, width, filter);
    return out;
  }
  for (int64_t c = 0; c < l.channels; ++c)
    resample<float, float>(picture.data<float>() + c * l.height * l.width, l.height, l.width, 1,
                           out.data<float>() + c * height * width, height, width, filter);
  return out;
}

}  // namespace trivium::data
