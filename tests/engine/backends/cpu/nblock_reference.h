// Plain double-precision convolution and fully connected layers, and the data the nblock tests
// share.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "trivium/engine/backends/cpu/nblock_conv.h"
#include "trivium/engine/backends/cpu/nblock_transform.h"

namespace trivium::cpu::nblock::testing {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

inline Floats random_floats(int64_t count, std::mt19937& rng) {
  std::uniform_real_distribution<float> uniform(-1.f, 1.f);
  Floats out(count);
  for (float& v : out) v = uniform(rng);
  return out;
}

/// nblock copy of a plain [batch, per_item] array with NaN in the idle lanes.
inline Floats blocked(const Floats& plain, int64_t batch, int lanes) {
  const int64_t per_item = static_cast<int64_t>(plain.size()) / batch;
  Floats out(nblock_size(batch, per_item, lanes), std::numeric_limits<float>::quiet_NaN());
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t r = 0; r < per_item; ++r) {
      out[(n / lanes * per_item + r) * lanes + n % lanes] = plain[n * per_item + r];
    }
  }
  return out;
}

inline Floats unblocked(const Floats& block, int64_t batch, int64_t per_item, int lanes) {
  Floats out(batch * per_item);
  for (int64_t n = 0; n < batch; ++n) {
    for (int64_t r = 0; r < per_item; ++r) {
      out[n * per_item + r] = block[(n / lanes * per_item + r) * lanes + n % lanes];
    }
  }
  return out;
}

/// Results with, for each element, the sum of the absolute values of what was added: rounding
/// errors are bounded by that sum, the number of terms and the unit roundoff.
struct Sums {
  Doubles value, magnitude;
  explicit Sums(int64_t count) : value(count), magnitude(count) {}
  void add(int64_t i, double v) {
    value[i] += v;
    magnitude[i] += std::fabs(v);
  }
};

struct ConvReference {
  Sums y, dx, dw, db;
};

inline ConvReference reference(const ConvShape& s, const Floats& x, const Floats& w,
                               const Floats& bias, const Floats& dy) {
  const int64_t cg = s.in_channels / s.groups, og = s.out_channels / s.groups;
  ConvReference r{Sums(dy.size()), Sums(x.size()), Sums(w.size()), Sums(s.out_channels)};
  for (int64_t n = 0; n < s.batch; ++n)
    for (int64_t o = 0; o < s.out_channels; ++o)
      for (int64_t oy = 0; oy < s.out_h; ++oy)
        for (int64_t ox = 0; ox < s.out_w; ++ox) {
          const int64_t yi = ((n * s.out_channels + o) * s.out_h + oy) * s.out_w + ox;
          if (!bias.empty()) r.y.add(yi, bias[o]);
          r.db.add(o, dy[yi]);
          for (int64_t c = 0; c < cg; ++c)
            for (int64_t ky = 0; ky < s.kernel_h; ++ky)
              for (int64_t kx = 0; kx < s.kernel_w; ++kx) {
                const int64_t iy = oy * s.stride_h + ky * s.dilation_h - s.pad_top;
                const int64_t ix = ox * s.stride_w + kx * s.dilation_w - s.pad_left;
                if (iy < 0 || iy >= s.in_h || ix < 0 || ix >= s.in_w) continue;
                const int64_t xi =
                    ((n * s.in_channels + o / og * cg + c) * s.in_h + iy) * s.in_w + ix;
                const int64_t wi = ((o * cg + c) * s.kernel_h + ky) * s.kernel_w + kx;
                r.y.add(yi, double(x[xi]) * w[wi]);
                r.dx.add(xi, double(dy[yi]) * w[wi]);
                r.dw.add(wi, double(dy[yi]) * x[xi]);
              }
        }
  return r;
}

/// Largest |got - want| / (magnitude + tiny), the error in units of the data that was summed.
inline double worst_error(const Floats& got, const Sums& want) {
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double error = std::fabs(got[i] - want.value[i]);
    const double relative = error / (want.magnitude[i] + 1e-30);
    if (!(relative <= worst)) worst = relative;  // NaN counts as worse
  }
  return worst;
}

/// Bound of worst_error for sums of `terms` products in float: γ_n = n u / (1 - n u), u = 2^-24.
inline double rounding_bound(int64_t terms) { return (double(terms) + 2) * std::ldexp(1.0, -24); }

}  // namespace trivium::cpu::nblock::testing
