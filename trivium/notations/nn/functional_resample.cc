// Padding, resampling and shuffling of images.
#include <algorithm>
#include <cmath>

#include "trivium/notations/nn/functional_detail.h"

namespace trivium::nn::functional {
namespace {

/// Positions of a padded axis in the original one.
std::vector<int64_t> reflected(int64_t size, int64_t before, int64_t after) {
  std::vector<int64_t> at;
  for (int64_t i = -before; i < size + after; ++i) {
    int64_t p = i < 0 ? -i : i;
    if (p >= size) p = 2 * (size - 1) - p;
    at.push_back(p);
  }
  return at;
}

std::vector<int64_t> border(int64_t size, int64_t before, int64_t after) {
  std::vector<int64_t> at;
  for (int64_t i = -before; i < size + after; ++i)
    at.push_back(std::clamp<int64_t>(i, 0, size - 1));
  return at;
}

std::vector<int64_t> wrapped(int64_t size, int64_t before, int64_t after) {
  std::vector<int64_t> at;
  for (int64_t i = -before; i < size + after; ++i) at.push_back(((i % size) + size) % size);
  return at;
}

Tensor pad_constant(const Tensor& x, const Dims& amounts, double value) {
  const int rank = x.shape().rank();
  std::vector<int64_t> before(static_cast<size_t>(rank)), after = before;
  bool grows = false;
  Tensor y = x;
  for (int i = 0; i < amounts.size() / 2; ++i) {
    const int axis = rank - 1 - i;
    const int64_t low = amounts[2 * i], high = amounts[2 * i + 1];
    const int64_t size = x.shape()[axis];
    if (size + low + high < 0)
      user_error("pad: dim {} of size {} cannot be cropped by {} and {}", axis, size, -low, -high);
    if (low < 0 || high < 0)
      y = cut(y, axis, std::max<int64_t>(0, -low), size - std::max<int64_t>(0, -high));
    before[static_cast<size_t>(axis)] = std::max<int64_t>(0, low);
    after[static_cast<size_t>(axis)] = std::max<int64_t>(0, high);
    grows = grows || low > 0 || high > 0;
  }
  if (grows) return padded(y, before, after, value);
  return y.is_view() || y.same_as(x) ? y.clone() : y;
}

}  // namespace

Tensor pad(const Tensor& x, const Dims& amounts, const std::string& mode, double value) {
  const int rank = x.shape().rank(), axes = amounts.size() / 2;
  if (amounts.size() % 2 != 0 || axes > rank)
    user_error("pad: pairs for at most {} dims expected, {} received", rank, amounts.text());
  if (mode == "constant") return pad_constant(x, amounts, value);
  if (mode != "reflect" && mode != "replicate" && mode != "circular")
    raise<NotImplementedError>(
        "pad: mode \"{}\" received; constant, reflect, replicate or circular expected", mode);
  Tensor y = x;
  for (int i = 0; i < axes; ++i) {
    const int axis = rank - 1 - i;
    const int64_t size = y.shape()[axis];
    int64_t before = amounts[2 * i], after = amounts[2 * i + 1];
    if (before == 0 && after == 0) continue;
    const int64_t most = std::max(before, after);
    if (mode == "reflect" && most >= size)
      user_error("pad: reflecting {} of a dim of size {}; less than the size expected", most, size);
    if (mode == "circular" && most > size)
      user_error("pad: wrapping {} of a dim of size {}", most, size);
    if (size + before + after < 0) user_error("pad: dim {} cannot be cropped that much", axis);
    const auto at = mode == "reflect"     ? reflected(size, before, after)
                    : mode == "replicate" ? border(size, before, after)
                                          : wrapped(size, before, after);
    y = picked(y, axis, at);
  }
  return y.same_as(x) ? y.clone() : y;
}

namespace {

/// Every output place is a weighted sum of `taps` input places.
struct Taps {
  int64_t taps = 0;
  std::vector<int64_t> at;      // [out, taps]
  std::vector<double> weights;  // the same
};

/// Keys' cubic with a = -0.75.
template <typename T>
T cubic(T x) {
  const T a = static_cast<T>(-0.75);
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

/// Places in the arithmetic of T, as the tensor's dtype has it.
template <typename T>
Taps linear_taps(int64_t in, int64_t out, T scale, bool align) {
  Taps t{2, {}, {}};
  for (int64_t i = 0; i < out; ++i) {
    T place = align ? scale * static_cast<T>(i) : scale * (static_cast<T>(i) + T(0.5)) - T(0.5);
    if (!align) place = std::max(place, T(0));
    const int64_t low = std::min(static_cast<int64_t>(place), in - 1);
    const T w = std::clamp(place - static_cast<T>(low), T(0), T(1));
    t.at.insert(t.at.end(), {low, std::min(low + 1, in - 1)});
    t.weights.insert(t.weights.end(), {static_cast<double>(1 - w), static_cast<double>(w)});
  }
  return t;
}

template <typename T>
Taps cubic_taps(int64_t in, int64_t out, T scale, bool align) {
  Taps t{4, {}, {}};
  for (int64_t i = 0; i < out; ++i) {
    const T place =
        align ? scale * static_cast<T>(i) : scale * (static_cast<T>(i) + T(0.5)) - T(0.5);
    const T low = std::floor(place), w = place - low;
    for (int k = -1; k <= 2; ++k) {
      t.at.push_back(std::clamp<int64_t>(static_cast<int64_t>(low) + k, 0, in - 1));
      t.weights.push_back(static_cast<double>(cubic<T>(static_cast<T>(k) - w)));
    }
  }
  return t;
}

/// A filter as wide as the shrinking asks for; the weights of a place sum to 1.
template <typename T>
Taps antialias_taps(int64_t in, int64_t out, T scale, bool is_cubic) {
  const T half = is_cubic ? 2 : 1;
  const T support = scale >= 1 ? half * scale : half, shrink = scale >= 1 ? 1 / scale : T(1);
  Taps t{static_cast<int64_t>(std::ceil(support)) * 2 + 1, {}, {}};
  for (int64_t i = 0; i < out; ++i) {
    const T centre = scale * (static_cast<T>(i) + T(0.5));
    const int64_t from = std::max<int64_t>(static_cast<int64_t>(centre - support + T(0.5)), 0);
    const int64_t to = std::min(static_cast<int64_t>(centre + support + T(0.5)), in);
    std::vector<T> w;
    T total = 0;
    for (int64_t k = from; k < to; ++k) {
      const T x = (static_cast<T>(k) - centre + T(0.5)) * shrink;
      T v = std::abs(x) < 1 ? 1 - std::abs(x) : T(0);
      if (is_cubic) {  // a = -0.5, as image libraries filter
        const T a = T(-0.5), y = std::abs(x);
        v = y < 1   ? ((a + 2) * y - (a + 3)) * y * y + 1
            : y < 2 ? (((y - 5) * y + 8) * y - 4) * a
                    : T(0);
      }
      w.push_back(v);
      total += v;
    }
    for (int64_t k = 0; k < t.taps; ++k) {
      const bool inside = k < static_cast<int64_t>(w.size());
      t.at.push_back(std::min(from + k, in - 1));
      t.weights.push_back(
          inside && total != 0 ? static_cast<double>(w[static_cast<size_t>(k)] / total) : 0.0);
    }
  }
  return t;
}

Tensor resampled(const Tensor& x, int axis, const Taps& t) {
  const int64_t out = static_cast<int64_t>(t.at.size()) / t.taps;
  const Tensor taken = gather_rows(x, index_tensor(t.at, Shape{out, t.taps}), axis);
  Shape w{out, t.taps};
  for (int i = axis + 1; i < x.shape().rank(); ++i) w.push_back(1);
  const Array weights = Array::from(t.weights, w);
  return (taken * Tensor(x.dtype() == DType::f64 ? weights : weights.cast(x.dtype())))
      .sum(axis + 1);
}

struct Sampling {
  std::string mode;
  bool align = false, antialias = false, exact = false;
};

template <typename T>
Taps taps_for(const Sampling& s, int64_t in, int64_t out, double factor) {
  const bool is_cubic = s.mode == "bicubic";
  T scale = factor > 0 ? static_cast<T>(1.0 / factor) : static_cast<T>(in) / static_cast<T>(out);
  if (s.align) scale = out > 1 ? static_cast<T>(in - 1) / static_cast<T>(out - 1) : T(0);
  if (s.antialias) return antialias_taps<T>(in, out, scale, is_cubic);
  return is_cubic ? cubic_taps<T>(in, out, scale, s.align)
                  : linear_taps<T>(in, out, scale, s.align);
}

std::vector<int64_t> nearest_places(int64_t in, int64_t out, double factor, bool exact) {
  const float scale = factor > 0 ? static_cast<float>(1.0 / factor)
                                 : static_cast<float>(in) / static_cast<float>(out);
  std::vector<int64_t> at;
  for (int64_t i = 0; i < out; ++i) {
    const float place =
        exact ? (static_cast<float>(i) + 0.5f) * scale : static_cast<float>(i) * scale;
    at.push_back(std::min(static_cast<int64_t>(std::floor(place)), in - 1));
  }
  return at;
}

void check_mode(const std::string& mode, int spatial, std::optional<bool> align, bool antialias) {
  const char* op = "interpolate";
  static const std::pair<const char*, int> kRanks[] = {
      {"nearest", 0},  {"nearest-exact", 0}, {"area", 0},     {"linear", 1},
      {"bilinear", 2}, {"bicubic", 2},       {"trilinear", 3}};
  for (const auto& [name, rank] : kRanks) {
    if (mode != name) continue;
    if (rank != 0 && rank != spatial)
      raise<NotImplementedError>("{}: mode {} is for {} spatial dims, the input has {}", op, mode,
                                 rank, spatial);
    if (rank == 0 && align)
      raise<ValueError>("{}: align_corners has no meaning in mode {}", op, mode);
    if (antialias && mode != "bilinear" && mode != "bicubic")
      raise<ValueError>("{}: antialias goes with bilinear and bicubic only", op);
    return;
  }
  raise<NotImplementedError>("{}: mode \"{}\" is not known", op, mode);
}

}  // namespace

Tensor interpolate(const Tensor& x, const Dims& size, const std::vector<double>& scale_factor,
                   const std::string& mode, std::optional<bool> align_corners,
                   bool recompute_scale_factor, bool antialias) {
  const int spatial = x.shape().rank() - 2;
  if (spatial < 1 || spatial > 3)
    raise<NotImplementedError>("interpolate: three to five dims expected, shape {} received",
                               x.shape().text());
  if (size.empty() == scale_factor.empty())
    raise<ValueError>("interpolate: exactly one of size and scale_factor expected");
  check_mode(mode, spatial, align_corners, antialias);
  Dims out;
  std::vector<double> factors(static_cast<size_t>(spatial), 0.0);  // 0: from the sizes
  if (!size.empty()) {
    out = spread_over(size, spatial, "interpolate", "size");
  } else {
    if (scale_factor.size() != 1 && static_cast<int>(scale_factor.size()) != spatial)
      raise<ValueError>("interpolate: {} scale factors for {} dims", scale_factor.size(), spatial);
    for (int i = 0; i < spatial; ++i) {
      const double f = scale_factor[scale_factor.size() == 1 ? 0 : static_cast<size_t>(i)];
      out.push_back(static_cast<int64_t>(std::floor(static_cast<double>(x.shape()[i + 2]) * f)));
      if (!recompute_scale_factor) factors[static_cast<size_t>(i)] = f;
    }
  }
  for (int64_t n : out)
    if (n < 1) user_error("interpolate: an output size of {} is asked for", n);
  if (mode == "area")
    return spatial == 1   ? adaptive_avg_pool1d(x, out)
           : spatial == 2 ? adaptive_avg_pool2d(x, out)
                          : adaptive_avg_pool3d(x, out);
  Tensor y = x;
  const bool nearest = mode == "nearest" || mode == "nearest-exact";
  const Sampling sampling{mode, align_corners.value_or(false), antialias, mode == "nearest-exact"};
  for (int i = spatial; i-- > 0;) {
    const int axis = i + 2;
    const int64_t in = x.shape()[axis];
    const double factor = factors[static_cast<size_t>(i)];
    if (nearest)
      y = picked(y, axis, nearest_places(in, out[i], factor, sampling.exact));
    else if (x.dtype() == DType::f64)
      y = resampled(y, axis, taps_for<double>(sampling, in, out[i], factor));
    else
      y = resampled(y, axis, taps_for<float>(sampling, in, out[i], factor));
  }
  return y;
}

Tensor upsample(const Tensor& x, const Dims& size, const std::vector<double>& scale_factor,
                const std::string& mode, std::optional<bool> align_corners) {
  return interpolate(x, size, scale_factor, mode, align_corners);
}

Tensor affine_grid(const Tensor& theta, const Dims& size, bool align_corners) {
  if (size.size() != 4 || theta.shape().rank() != 3)
    raise<NotImplementedError>("affine_grid: theta [N, 2, 3] and a size of four dims expected");
  const auto places = [&](int64_t n) {
    const Tensor line = linspace(-1, 1, n, {.dtype = theta.dtype()});
    if (n <= 1) return line * 0;
    return align_corners ? line : line * (static_cast<double>(n - 1) / static_cast<double>(n));
  };
  const std::vector<Tensor> mesh = meshgrid({places(size[2]), places(size[3])});
  const Tensor base =
      stack({mesh[1], mesh[0], ones_like(mesh[0])}, -1).reshape({size[2] * size[3], 3});
  const Tensor grid = base.unsqueeze(0).matmul(theta.transpose(1, 2));
  return reshape_view(grid, Shape{size[0], size[2], size[3], 2});
}

namespace {

/// Coordinates in pixels, brought inside as padding_mode says.
Tensor pixel_places(const Tensor& grid, int64_t size, const std::string& padding_mode, bool align) {
  const double n = static_cast<double>(size);
  Tensor at = align ? (grid + 1) * ((n - 1) / 2) : ((grid + 1) * n - 1) / 2;
  if (padding_mode == "border") return at.clamp(0, n - 1);
  if (padding_mode != "reflection") return at;
  const double low = align ? 0 : -0.5, span = align ? n - 1 : n;
  if (span == 0) return at * 0;
  const Tensor away = (at - low).abs();
  const Tensor extra = away.fmod(span), flips = (away / span).floor();
  const Tensor odd = flips.remainder(2).ne(0);
  return pick(odd, span - extra + low, extra + low).clamp(0, n - 1);
}

}  // namespace

Tensor grid_sample(const Tensor& x, const Tensor& grid, const std::string& mode,
                   const std::string& padding_mode, bool align_corners) {
  if (x.shape().rank() != 4 || grid.shape().rank() != 4 || grid.shape()[-1] != 2)
    raise<NotImplementedError>("grid_sample: [N, C, H, W] and a grid [N, h, w, 2] expected");
  if (mode != "bilinear" && mode != "nearest")
    raise<NotImplementedError>("grid_sample: mode \"{}\"; bilinear or nearest expected", mode);
  if (padding_mode != "zeros" && padding_mode != "border" && padding_mode != "reflection")
    raise<ValueError>("grid_sample: padding_mode \"{}\" received", padding_mode);
  const Shape& s = x.shape();
  const int64_t places = grid.shape()[1] * grid.shape()[2];
  const Tensor px = pixel_places(grid.select(-1, 0), s[3], padding_mode, align_corners),
               py = pixel_places(grid.select(-1, 1), s[2], padding_mode, align_corners);
  const Tensor flat = reshaped(x, Shape{s[0], s[1], s[2] * s[3]});
  const auto corner = [&](const Tensor& cx, const Tensor& cy) {
    const Tensor inside =
        cx.ge(0).logical_and(cx.le(s[3] - 1)).logical_and(cy.ge(0)).logical_and(cy.le(s[2] - 1));
    const Tensor at = cast_to(cy.clamp(0, s[2] - 1), DType::i64) * s[3] +
                      cast_to(cx.clamp(0, s[3] - 1), DType::i64);
    const Tensor wide = broadcast(reshaped(at, Shape{s[0], 1, places}), Shape{s[0], s[1], places});
    const Tensor v = flat.gather(2, wide);
    return pick(reshaped(inside, Shape{s[0], 1, places}), v, number_of(0, x.dtype()));
  };
  const auto flat_weight = [&](const Tensor& w) { return reshaped(w, Shape{s[0], 1, places}); };
  Tensor y;
  if (mode == "nearest") {
    y = corner(px.detach().round(), py.detach().round());
  } else {
    const Tensor x0 = px.detach().floor(), y0 = py.detach().floor();
    const Tensor wx = px - x0, wy = py - y0;
    y = corner(x0, y0) * flat_weight((1 - wx) * (1 - wy)) +
        corner(x0 + 1, y0) * flat_weight(wx * (1 - wy)) +
        corner(x0, y0 + 1) * flat_weight((1 - wx) * wy) +
        corner(x0 + 1, y0 + 1) * flat_weight(wx * wy);
  }
  return reshape_view(y, Shape{s[0], s[1], grid.shape()[1], grid.shape()[2]});
}

Tensor pixel_shuffle(const Tensor& x, int64_t r) {
  const int rank = x.shape().rank();
  if (rank < 3 || r < 1 || x.shape()[-3] % (r * r) != 0)
    user_error("pixel_shuffle: channels that divide by {} expected, shape {} received", r * r,
               x.shape().text());
  const int64_t c = x.shape()[-3] / (r * r), h = x.shape()[-2], w = x.shape()[-1];
  const int64_t n = x.shape().count(0, rank - 3);
  const Tensor apart = reshaped(x, Shape{n, c, r, r, h, w}).permute({0, 1, 4, 2, 5, 3});
  Shape to(x.shape().dims().first(rank - 3));
  for (int64_t d : {c, h * r, w * r}) to.push_back(d);
  return reshaped(apart, to);
}

Tensor pixel_unshuffle(const Tensor& x, int64_t r) {
  const int rank = x.shape().rank();
  if (rank < 3 || r < 1 || x.shape()[-2] % r != 0 || x.shape()[-1] % r != 0)
    user_error("pixel_unshuffle: sizes that divide by {} expected, shape {} received", r,
               x.shape().text());
  const int64_t c = x.shape()[-3], h = x.shape()[-2] / r, w = x.shape()[-1] / r;
  const int64_t n = x.shape().count(0, rank - 3);
  const Tensor apart = reshaped(x, Shape{n, c, h, r, w, r}).permute({0, 1, 3, 5, 2, 4});
  Shape to(x.shape().dims().first(rank - 3));
  for (int64_t d : {c * r * r, h, w}) to.push_back(d);
  return reshaped(apart, to);
}

Tensor channel_shuffle(const Tensor& x, int64_t groups) {
  const Shape& s = x.shape();
  if (s.rank() < 3 || groups < 1 || s[1] % groups != 0)
    user_error("channel_shuffle: channels that divide by {} expected, shape {} received", groups,
               s.text());
  const Tensor apart = reshaped(x, Shape{s[0], groups, s[1] / groups, s.count(2)});
  return reshaped(apart.transpose(1, 2), s);
}

}  // namespace trivium::nn::functional
