// Caffe's distributions, as Boost 1.74 computes them on an MT19937. The order of operations and the
// conversions between float and double decide the last bit, and with rejection also how many words
// a draw takes: every line here is part of the format. Needs -ffp-contract=off (set for the whole
// project).
#include <cmath>
#include <limits>

#include "trivium/engine/core/error.h"
#include "trivium/engine/core/random.h"

namespace trivium::random::caffe {
namespace {

#include "trivium/engine/core/ziggurat_tables.inc"

/// A word as a float: rounds to nearest, so the largest words become 2^32.
float word(Mt19937& rng) { return static_cast<float>(rng.next()); }

float unit_open(Mt19937& rng) {
  float x;
  do x = word(rng) * 0x1p-32f;
  while (x == 1.0f);
  return x;
}

/// Exponential by ziggurat (Marsaglia and Tsang, 2000), 256 layers.
float exponential(Mt19937& rng) {
  const double* const p = kExponentialP;
  const double* const q = kExponentialQ;
  for (float shift = 0;;) {
    const uint32_t w = rng.next();
    const int i = static_cast<int>(w & 255);
    const float x = static_cast<float>(w >> 8) * 0x1p-24f * static_cast<float>(p[i]);
    if (x < static_cast<float>(p[i + 1])) return shift + x;
    if (i == 0) {  // beyond the last edge the tail is the same density again, shifted
      shift += static_cast<float>(p[1]);
      continue;
    }
    const float v = unit_open(rng);
    const float y = static_cast<float>(q[i]) + v * static_cast<float>(q[i + 1] - q[i]);
    const float above_chord =
        static_cast<float>(p[i] - p[i + 1]) * v - (static_cast<float>(p[i]) - x);
    const float above_tangent =
        y - (static_cast<float>(q[i + 1]) +
             (static_cast<float>(p[i + 1]) - x) * static_cast<float>(q[i + 1]));
    if (above_chord < 0 && (above_tangent < 0 || y < std::exp(-x))) return x + shift;
  }
}

/// |z| beyond the last edge (Marsaglia's method).
float normal_tail(Mt19937& rng) {
  const float edge = static_cast<float>(kNormalX[1]);
  float a, b;
  do {
    a = exponential(rng) / edge;
    b = exponential(rng);
  } while (!(2 * b > a * a));
  return a + edge;
}

/// Inside a layer but outside the box below it: whether the point (x, random y) lies under the
/// density.
bool under_normal(Mt19937& rng, int i, float x) {
  const double* const edge = kNormalX;
  const double* const height = kNormalY;
  const float xi = static_cast<float>(edge[i]), yi = static_cast<float>(height[i]);
  const float v = unit_open(rng);
  const float y = yi + v * static_cast<float>(height[i + 1] - height[i]);
  const float chord = static_cast<float>(edge[i] - edge[i + 1]) * v - (xi - x);
  const float tangent = y - (yi + (xi - x) * yi * xi);
  // The density bends the other way left of the inflection point at 1.
  const float upper = edge[i] >= 1 ? chord : tangent, lower = edge[i] >= 1 ? tangent : chord;
  return upper < 0 && (lower < 0 || y < std::exp(-(x * x / 2)));
}

/// Standard normal by ziggurat, 128 layers.
float standard_normal(Mt19937& rng) {
  for (;;) {
    const uint32_t w = rng.next();
    const float sign = w & 1 ? 1.0f : -1.0f;
    const int i = static_cast<int>(w >> 1 & 127);
    const float x = static_cast<float>(w >> 8) * 0x1p-24f * static_cast<float>(kNormalX[i]);
    if (static_cast<double>(x) < kNormalX[i + 1]) return x * sign;
    if (i == 0) return normal_tail(rng) * sign;
    if (under_normal(rng, i, x)) return x * sign;
  }
}

}  // namespace

void uniform(Mt19937& rng, float low, float high, std::span<float> out) {
  if (!(low <= high))
    user_error("uniform: min <= max expected, min {} and max {} received", low, high);
  const float end = std::nextafter(high, std::numeric_limits<float>::max());
  const float width = end - low;
  for (float& x : out) {
    do x = word(rng) / 0x1p32f * width + low;
    while (!(x < end));
  }
}

void gaussian(Mt19937& rng, float mean, float std, std::span<float> out) {
  if (!(std > 0)) user_error("gaussian: a positive std expected, {} received", std);
  for (float& x : out) x = standard_normal(rng) * std + mean;
}

void bernoulli(Mt19937& rng, float p, std::span<int32_t> out) {
  if (!(p >= 0 && p <= 1))
    user_error("bernoulli: a probability in [0, 1] expected, {} received", p);
  for (int32_t& x : out) x = p != 0 && word(rng) <= p * 0x1p32f;
}

void sparsify(Mt19937& rng, int sparse, int64_t shape0, std::span<float> values) {
  if (sparse < 0 || sparse > shape0)
    user_error("gaussian: sparse from 0 to shape[0] = {} expected, {} received", shape0, sparse);
  const float p = static_cast<float>(sparse) / static_cast<float>(shape0);
  for (float& x : values) x *= p != 0 && word(rng) <= p * 0x1p32f ? 1.0f : 0.0f;
}

float xavier_bound(float n) { return std::sqrt(3.0f / n); }
float msra_std(float n) { return std::sqrt(2.0f / n); }

void positive_unitball(Mt19937& rng, int64_t rows, std::span<float> out) {
  uniform(rng, 0, 1, out);
  const size_t width = rows > 0 ? out.size() / static_cast<size_t>(rows) : 0;
  for (int64_t row = 0; row < rows; ++row) {
    const std::span<float> slice = out.subspan(row * width, width);
    float sum = 0;
    for (float x : slice) sum += x;
    for (float& x : slice) x /= sum;
  }
}

void dropout_keep(Mt19937& rng, float ratio, std::span<uint8_t> keep) {
  if (!(ratio >= 0 && ratio < 1))
    user_error("dropout: a ratio in [0, 1) expected, {} received", ratio);
  const double limit = (1.0 - static_cast<double>(ratio)) * 4294967295.0;
  for (uint8_t& k : keep) k = static_cast<double>(rng.next()) <= limit;
}

float dropout_scale(float ratio) {
  return static_cast<float>(1.0 / (1.0 - static_cast<double>(ratio)));
}

}  // namespace trivium::random::caffe
