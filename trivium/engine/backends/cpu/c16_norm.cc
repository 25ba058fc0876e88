// Two sums a channel: float32 for at most 64 steps, then double, one pair for each image and
// channel, added in the order of images. The variance is taken around a value near the mean, so one
// sweep over the data is enough. Blocks that fit the cache do all sweeps at once.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/c16_norm.cc"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"

#include <algorithm>
#include <cmath>

#include "trivium/engine/backends/cpu/c16_norm.h"
#include "trivium/engine/core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::c16::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kMostLanes = 16;
using Tag = hn::CappedTag<float, 8>;  // works for blocks of 8
using WideTag = hn::CappedTag<float, 16>;

/// Per-channel numbers of one block.
struct Lanes {
  float v[kMostLanes] = {};
};

/// first[l] += Σ term, second[l] += Σ term' over the plane; term(at, first, second) gives the pair
/// of vectors at an element.
template <typename D, typename Term>
HWY_INLINE void add_plane(D d, int64_t plane, int lanes, double* first, double* second,
                          const Term& term) {
  constexpr int64_t kFlush = 256;  // four accumulators of 64 steps
  const auto width = static_cast<int64_t>(hn::Lanes(d));
  for (int64_t v = 0; v < lanes; v += width) {
    for (int64_t p = 0; p < plane;) {
      const int64_t end = std::min(plane, p + kFlush);
      auto a0 = hn::Zero(d), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
      for (; p + 4 <= end; p += 4) {
        term(p * lanes + v, v, a0, b0);
        term((p + 1) * lanes + v, v, a1, b1);
        term((p + 2) * lanes + v, v, a2, b2);
        term((p + 3) * lanes + v, v, a3, b3);
      }
      for (; p < end; ++p) term(p * lanes + v, v, a0, b0);
      HWY_ALIGN float sums[kMostLanes], others[kMostLanes];
      hn::Store(hn::Add(hn::Add(a0, a1), hn::Add(a2, a3)), d, sums);
      hn::Store(hn::Add(hn::Add(b0, b1), hn::Add(b2, b3)), d, others);
      for (int64_t i = 0; i < width; ++i) first[v + i] += sums[i], second[v + i] += others[i];
    }
  }
}

template <typename D>
struct Norm {
  using V = hn::Vec<D>;
  D d;
  const Planes& s;

  int64_t at(int64_t n, int64_t b) const { return (n * s.blocks() + b) * s.block_size(); }
  int64_t real(int64_t b) const { return std::min<int64_t>(s.lanes, s.channels - b * s.lanes); }
  double* sums_of(double* scratch, int64_t n, int64_t b) const {
    return scratch + (n * s.blocks() + b) * 2 * s.lanes;
  }

  /// A value near the mean: that of the first pixels.
  Lanes near_mean(const float* x, int64_t b) const {
    const int64_t pixels = std::min<int64_t>(s.plane, 32);
    Lanes m;
    for (int64_t p = 0; p < pixels; ++p)
      for (int l = 0; l < s.lanes; ++l) m.v[l] += x[at(0, b) + p * s.lanes + l];
    for (float& v : m.v) v /= static_cast<float>(pixels);
    return m;
  }

  /// Σ (x - shift) and Σ (x - shift)^2 of one plane.
  HWY_INLINE void moments(const float* x, const Lanes& shift, double* sums) const {
    std::fill_n(sums, 2 * s.lanes, 0.0);
    const D tag = d;
    add_plane(d, s.plane, s.lanes, sums, sums + s.lanes,
              [&](int64_t i, int64_t v, V& a, V& b) HWY_ATTR {
                const V c = hn::Sub(hn::LoadU(tag, x + i), hn::LoadU(tag, shift.v + v));
                a = hn::Add(a, c);
                b = hn::MulAdd(c, c, b);
              });
  }

  /// dy where the relu's output is positive.
  static HWY_INLINE V arriving(D tag, const float* dy, const float* y, int64_t i) {
    const V g = hn::LoadU(tag, dy + i);
    return y ? hn::IfThenElseZero(hn::Gt(hn::LoadU(tag, y + i), hn::Zero(tag)), g) : g;
  }

  /// Σ dy·x̂ and Σ dy of one plane.
  HWY_INLINE void products(const float* dy, const float* y, const float* x, const Lanes& mean,
                           const Lanes& invstd, double* sums) const {
    std::fill_n(sums, 2 * s.lanes, 0.0);
    const D tag = d;
    add_plane(d, s.plane, s.lanes, sums, sums + s.lanes,
              [&](int64_t i, int64_t v, V& a, V& b) HWY_ATTR {
                const V g = arriving(tag, dy, y, i);
                const V c = hn::Mul(hn::Sub(hn::LoadU(tag, x + i), hn::LoadU(tag, mean.v + v)),
                                    hn::LoadU(tag, invstd.v + v));
                a = hn::MulAdd(g, c, a);
                b = hn::Add(b, g);
              });
  }

  void total(double* scratch, int64_t b, double* sums) const {
    std::fill_n(sums, 2 * s.lanes, 0.0);
    for (int64_t n = 0; n < s.images; ++n)
      for (int64_t l = 0; l < 2 * s.lanes; ++l) sums[l] += sums_of(scratch, n, b)[l];
  }

  static Lanes load(const float* from, int64_t first, int64_t real, float otherwise) {
    Lanes out;
    for (int64_t l = 0; l < real; ++l) out.v[l] = from ? from[first + l] : otherwise;
    return out;
  }

  void statistics(const NormForward& a, const Lanes& shift, double* scratch, int64_t b) const {
    double sums[2 * kMostLanes];
    total(scratch, b, sums);
    const double count = s.count();
    for (int64_t l = 0; l < real(b); ++l) {
      const double first = sums[l], second = sums[s.lanes + l];
      const double variance = (second - first * first / count) / count;
      const double kept = variance < 0 ? 0 : variance;  // NaN stays
      const int64_t c = b * s.lanes + l;
      a.mean[c] = static_cast<float>(static_cast<double>(shift.v[l]) + first / count);
      a.variance[c] = static_cast<float>(kept);
      a.invstd[c] = static_cast<float>(1 / std::sqrt(kept + a.eps));
    }
  }

  HWY_INLINE void normalise(const NormForward& a, int64_t n, int64_t b) const {
    const int64_t first = b * s.lanes;
    const Lanes mean = load(a.mean, first, real(b), 0), gamma = load(a.gamma, first, real(b), 1),
                beta = load(a.beta, first, real(b), 0), invstd = load(a.invstd, first, real(b), 0);
    const float *x = a.x + at(n, b), *addend = a.addend ? a.addend + at(n, b) : nullptr;
    float* y = a.y + at(n, b);
    const auto width = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t v = 0; v < s.lanes; v += width) {
      const V m = hn::LoadU(d, mean.v + v), shift = hn::LoadU(d, beta.v + v),
              scale = hn::Mul(hn::LoadU(d, gamma.v + v), hn::LoadU(d, invstd.v + v));
      const V zero = hn::Zero(d);
      for (int64_t i = v; i < s.block_size(); i += s.lanes) {
        V out = hn::MulAdd(hn::Sub(hn::LoadU(d, x + i), m), scale, shift);
        if (addend) out = hn::Add(out, hn::LoadU(d, addend + i));
        if (a.relu) out = hn::IfThenElse(hn::Le(out, zero), zero, out);  // NaN stays
        hn::StoreU(out, d, y + i);
      }
    }
  }

  HWY_INLINE void spread(const NormBackward& a, int64_t n, int64_t b) const {
    const int64_t first = b * s.lanes;
    const Lanes mean = load(a.mean, first, real(b), 0), gamma = load(a.gamma, first, real(b), 1),
                invstd = load(a.invstd, first, real(b), 0);
    Lanes mean_dy, pull;
    for (int64_t l = 0; l < real(b); ++l) {
      mean_dy.v[l] = static_cast<float>(static_cast<double>(a.dbeta[first + l]) / s.count());
      pull.v[l] = static_cast<float>(static_cast<double>(invstd.v[l]) *
                                     (static_cast<double>(a.dgamma[first + l]) / s.count()));
    }
    const float *x = a.x + at(n, b), *dy = a.dy + at(n, b), *y = a.y ? a.y + at(n, b) : nullptr;
    float* dx = a.dx + at(n, b);
    const auto width = static_cast<int64_t>(hn::Lanes(d));
    for (int64_t v = 0; v < s.lanes; v += width) {
      const V m = hn::LoadU(d, mean.v + v), by = hn::LoadU(d, pull.v + v),
              less = hn::LoadU(d, mean_dy.v + v),
              scale = hn::Mul(hn::LoadU(d, gamma.v + v), hn::LoadU(d, invstd.v + v));
      for (int64_t i = v; i < s.block_size(); i += s.lanes) {
        const V centred = hn::Sub(hn::LoadU(d, x + i), m);
        const V g = hn::NegMulAdd(centred, by, hn::Sub(arriving(d, dy, y, i), less));
        hn::StoreU(hn::Mul(scale, g), d, dx + i);
      }
    }
  }

  bool fits_cache(int operands) const {
    constexpr int64_t kCache = 512 << 10;
    return s.images * s.block_size() * operands * static_cast<int64_t>(sizeof(float)) <= kCache;
  }

  void forward(const NormForward& a, double* scratch) const {
    const auto part = [&](int64_t n, int64_t b, const Lanes& shift)
                          HWY_ATTR { moments(a.x + at(n, b), shift, sums_of(scratch, n, b)); };
    if (fits_cache(2)) {
      parallel_chunks(s.blocks(), [&](int64_t b) HWY_ATTR {
        const Lanes shift = near_mean(a.x, b);
        for (int64_t n = 0; n < s.images; ++n) part(n, b, shift);
        statistics(a, shift, scratch, b);
        for (int64_t n = 0; n < s.images; ++n) normalise(a, n, b);
      });
      return;
    }
    parallel_chunks(s.images * s.blocks(), [&](int64_t task) HWY_ATTR {
      const int64_t b = task % s.blocks();
      part(task / s.blocks(), b, near_mean(a.x, b));
    });
    for (int64_t b = 0; b < s.blocks(); ++b) statistics(a, near_mean(a.x, b), scratch, b);
    parallel_chunks(s.images * s.blocks(), [&](int64_t task) HWY_ATTR {
      normalise(a, task / s.blocks(), task % s.blocks());
    });
  }

  void gradients(const NormBackward& a, double* scratch, int64_t b) const {
    double sums[2 * kMostLanes];
    total(scratch, b, sums);
    for (int64_t l = 0; l < real(b); ++l) {
      a.dgamma[b * s.lanes + l] = static_cast<float>(sums[l]);
      a.dbeta[b * s.lanes + l] = static_cast<float>(sums[s.lanes + l]);
    }
  }

  void backward(const NormBackward& a, double* scratch) const {
    const auto part = [&](int64_t n, int64_t b) HWY_ATTR {
      const int64_t first = b * s.lanes;
      products(a.dy + at(n, b), a.y ? a.y + at(n, b) : nullptr, a.x + at(n, b),
               load(a.mean, first, real(b), 0), load(a.invstd, first, real(b), 0),
               sums_of(scratch, n, b));
    };
    if (fits_cache(a.y ? 3 : 2)) {
      parallel_chunks(s.blocks(), [&](int64_t b) HWY_ATTR {
        for (int64_t n = 0; n < s.images; ++n) part(n, b);
        gradients(a, scratch, b);
        for (int64_t n = 0; n < s.images; ++n) spread(a, n, b);
      });
      return;
    }
    parallel_chunks(s.images * s.blocks(),
                    [&](int64_t task) HWY_ATTR { part(task / s.blocks(), task % s.blocks()); });
    for (int64_t b = 0; b < s.blocks(); ++b) gradients(a, scratch, b);
    parallel_chunks(s.images * s.blocks(), [&](int64_t task) HWY_ATTR {
      spread(a, task / s.blocks(), task % s.blocks());
    });
  }

  HWY_INLINE void plane_sum(const float* x, double* sums) const {
    std::fill_n(sums, 2 * s.lanes, 0.0);
    const D tag = d;
    add_plane(d, s.plane, s.lanes, sums, sums + s.lanes,
              [&](int64_t i, int64_t, V& a, V&)
                  HWY_ATTR { a = hn::Add(a, hn::LoadU(tag, x + i)); });
  }

  void channels(const float* x, double scale, float* out, double* scratch) const {
    parallel_chunks(s.images * s.blocks(), [&](int64_t task) HWY_ATTR {
      plane_sum(x + task * s.block_size(), scratch + task * 2 * s.lanes);
    });
    for (int64_t b = 0; b < s.blocks(); ++b) {
      double sums[2 * kMostLanes];
      total(scratch, b, sums);
      for (int64_t l = 0; l < real(b); ++l)
        out[b * s.lanes + l] = static_cast<float>(sums[l] * scale);
    }
  }

  void planes(const float* x, double scale, float* out) const {
    parallel_for(s.images * s.blocks(), std::max<int64_t>(1, 8192 / s.block_size()),
                 [&](int64_t from, int64_t to) HWY_ATTR {
                   for (int64_t t = from; t < to; ++t) {
                     double sums[2 * kMostLanes];
                     plane_sum(x + t * s.block_size(), sums);
                     for (int64_t l = 0; l < s.lanes; ++l)
                       out[t * s.lanes + l] = static_cast<float>(sums[l] * scale);
                   }
                 });
  }
};

template <typename Use>
void with_width(const Planes& s, const Use& use) {
  if (s.lanes == 16)
    use(Norm<WideTag>{WideTag(), s});
  else
    use(Norm<Tag>{Tag(), s});
}

void forward(const Planes& s, const NormForward& a, double* scratch) {
  with_width(s, [&](const auto& norm) { norm.forward(a, scratch); });
}
void backward(const Planes& s, const NormBackward& a, double* scratch) {
  with_width(s, [&](const auto& norm) { norm.backward(a, scratch); });
}
void channel_sums(const Planes& s, const float* x, double scale, float* out, double* scratch) {
  with_width(s, [&](const auto& norm) { norm.channels(x, scale, out, scratch); });
}
void plane_sums(const Planes& s, const float* x, double scale, float* out) {
  with_width(s, [&](const auto& norm) { norm.planes(x, scale, out); });
}

}  // namespace trivium::cpu::c16::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu::c16 {

HWY_EXPORT(forward);
HWY_EXPORT(backward);
HWY_EXPORT(channel_sums);
HWY_EXPORT(plane_sums);

void norm_forward(const Planes& s, const NormForward& a, double* scratch) {
  HWY_DYNAMIC_DISPATCH(forward)(s, a, scratch);
}
void norm_backward(const Planes& s, const NormBackward& a, double* scratch) {
  HWY_DYNAMIC_DISPATCH(backward)(s, a, scratch);
}
void sum_channels(const Planes& s, const float* x, double scale, float* out, double* scratch) {
  HWY_DYNAMIC_DISPATCH(channel_sums)(s, x, scale, out, scratch);
}
void sum_planes(const Planes& s, const float* x, double scale, float* out) {
  HWY_DYNAMIC_DISPATCH(plane_sums)(s, x, scale, out);
}

}  // namespace trivium::cpu::c16
#endif
