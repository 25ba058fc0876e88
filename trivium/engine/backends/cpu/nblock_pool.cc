// Pooling over batch-blocked planes, one output row after the other; backward gathers, for each
// input pixel, from the windows that cover it, so every gradient is written once and nothing is
// zeroed first.
#include "trivium/engine/backends/cpu/nblock_pool.h"

#include <cfloat>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/nblock_pool.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

#ifndef TRIVIUM_NBLOCK_POOL_COMMON
#define TRIVIUM_NBLOCK_POOL_COMMON
namespace trivium::cpu::nblock {

struct PoolSpan {
  int64_t begin, end;  // clipped to what exists
  int64_t start;       // window: first tap's input position; pixel: unused
  float inverse;       // of the divisor along this axis
};

// What the windows of one axis read, and which windows cover each input position.
struct PoolAxis {
  std::vector<PoolSpan> windows, covers;
};

struct PoolPlane {
  const PoolShape& s;
  const PoolAxis& h;
  const PoolAxis& w;
};

}  // namespace trivium::cpu::nblock
#endif

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::nblock::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kPoolWidth = HWY_LANES(float);
template <int kLanes>
using PoolTag = hn::FixedTag<float, (kLanes < kPoolWidth ? kLanes : kPoolWidth)>;

template <class D>
void max_plane(D d, const PoolPlane& p, const float* x, float* y, uint8_t* positions) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint8_t, D> d8;
  const int64_t lanes = p.s.lanes, row = p.s.in_w * lanes;
  for (const PoolSpan& v : p.h.windows) {
    for (const PoolSpan& u : p.w.windows) {
      const bool empty = v.begin >= v.end || u.begin >= u.end;
      for (int64_t lane = 0; lane < lanes; lane += hn::Lanes(d)) {
        auto best =
            empty ? hn::Set(d, -FLT_MAX) : hn::LoadU(d, x + v.begin * row + u.begin * lanes + lane);
        auto index = hn::Set(di, empty ? int32_t{kNoPosition}
                                       : static_cast<int32_t>((v.begin - v.start) * p.s.kernel_w +
                                                              u.begin - u.start));
        for (int64_t i = v.begin; i < v.end; ++i) {
          const float* pixel = x + i * row + u.begin * lanes + lane;
          int32_t at = static_cast<int32_t>((i - v.start) * p.s.kernel_w + u.begin - u.start);
          for (int64_t j = u.begin; j < u.end; ++j, pixel += lanes, ++at) {
            const auto value = hn::LoadU(d, pixel);
            // Larger than the best, or a number where the best is NaN.
            const auto take = hn::AndNot(hn::Le(value, best), hn::Eq(value, value));
            best = hn::IfThenElse(take, value, best);
            index = hn::IfThenElse(hn::RebindMask(di, take), hn::Set(di, at), index);
          }
        }
        hn::StoreU(best, d, y + lane);
        if (positions) hn::StoreU(hn::DemoteTo(d8, index), d8, positions + lane);
      }
      y += lanes;
      if (positions) positions += lanes;
    }
  }
}

template <class D>
void max_plane_backward(D d, const PoolPlane& p, const float* dy, const uint8_t* positions,
                        float* dx) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<uint8_t, D> d8;
  const int64_t lanes = p.s.lanes, row = p.s.out_w * lanes;
  for (int64_t i = 0; i < p.s.in_h; ++i) {
    const PoolSpan& v = p.h.covers[i];
    for (int64_t j = 0; j < p.s.in_w; ++j, dx += lanes) {
      const PoolSpan& u = p.w.covers[j];
      for (int64_t lane = 0; lane < lanes; lane += hn::Lanes(d)) {
        auto sum = hn::Zero(d);
        for (int64_t a = v.begin; a < v.end; ++a) {
          const int64_t tap_row = (i - p.h.windows[a].start) * p.s.kernel_w;
          for (int64_t b = u.begin; b < u.end; ++b) {
            const int64_t at = a * row + b * lanes + lane;
            const auto index = hn::PromoteTo(di, hn::LoadU(d8, positions + at));
            const auto tap = hn::Set(di, static_cast<int32_t>(tap_row + j - p.w.windows[b].start));
            const auto mine = hn::RebindMask(d, hn::Eq(index, tap));
            sum = hn::Add(sum, hn::IfThenElseZero(mine, hn::LoadU(d, dy + at)));
          }
        }
        hn::StoreU(sum, d, dx + lane);
      }
    }
  }
}

template <class D>
void average_plane(D d, const PoolPlane& p, const float* x, float* y) {
  const int64_t lanes = p.s.lanes, row = p.s.in_w * lanes;
  for (const PoolSpan& v : p.h.windows) {
    for (const PoolSpan& u : p.w.windows) {
      const auto inverse = hn::Set(d, v.inverse * u.inverse);
      for (int64_t lane = 0; lane < lanes; lane += hn::Lanes(d)) {
        auto sum = hn::Zero(d);
        for (int64_t i = v.begin; i < v.end; ++i) {
          const float* pixel = x + i * row + u.begin * lanes + lane;
          for (int64_t j = u.begin; j < u.end; ++j, pixel += lanes)
            sum = hn::Add(sum, hn::LoadU(d, pixel));
        }
        hn::StoreU(hn::Mul(sum, inverse), d, y + lane);
      }
      y += lanes;
    }
  }
}

template <class D>
void average_plane_backward(D d, const PoolPlane& p, const float* dy, float* dx) {
  const int64_t lanes = p.s.lanes, row = p.s.out_w * lanes;
  for (int64_t i = 0; i < p.s.in_h; ++i) {
    const PoolSpan& v = p.h.covers[i];
    for (int64_t j = 0; j < p.s.in_w; ++j, dx += lanes) {
      const PoolSpan& u = p.w.covers[j];
      for (int64_t lane = 0; lane < lanes; lane += hn::Lanes(d)) {
        auto sum = hn::Zero(d);
        for (int64_t a = v.begin; a < v.end; ++a) {
          for (int64_t b = u.begin; b < u.end; ++b) {
            const auto inverse = hn::Set(d, p.h.windows[a].inverse * p.w.windows[b].inverse);
            sum = hn::MulAdd(hn::LoadU(d, dy + a * row + b * lanes + lane), inverse, sum);
          }
        }
        hn::StoreU(sum, d, dx + lane);
      }
    }
  }
}

#define TRIVIUM_BY_LANES(CALL) \
  if (lanes >= 16) {           \
    CALL(PoolTag<16>());       \
  } else if (lanes >= 8) {     \
    CALL(PoolTag<8>());        \
  } else {                     \
    CALL(PoolTag<4>());        \
  }

void MaxPlane(const PoolPlane& p, const float* x, float* y, uint8_t* positions) {
  const int lanes = p.s.lanes;
#define TRIVIUM_CALL(D) max_plane(D, p, x, y, positions)
  TRIVIUM_BY_LANES(TRIVIUM_CALL)
#undef TRIVIUM_CALL
}
void MaxPlaneBackward(const PoolPlane& p, const float* dy, const uint8_t* positions, float* dx) {
  const int lanes = p.s.lanes;
#define TRIVIUM_CALL(D) max_plane_backward(D, p, dy, positions, dx)
  TRIVIUM_BY_LANES(TRIVIUM_CALL)
#undef TRIVIUM_CALL
}
void AveragePlane(const PoolPlane& p, const float* x, float* y) {
  const int lanes = p.s.lanes;
#define TRIVIUM_CALL(D) average_plane(D, p, x, y)
  TRIVIUM_BY_LANES(TRIVIUM_CALL)
#undef TRIVIUM_CALL
}
void AveragePlaneBackward(const PoolPlane& p, const float* dy, float* dx) {
  const int lanes = p.s.lanes;
#define TRIVIUM_CALL(D) average_plane_backward(D, p, dy, dx)
  TRIVIUM_BY_LANES(TRIVIUM_CALL)
#undef TRIVIUM_CALL
}
#undef TRIVIUM_BY_LANES

}  // namespace trivium::cpu::nblock::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu::nblock {
namespace {

void check(const PoolShape& s) {
  const bool positive = s.batch > 0 && s.channels > 0 && s.in_h > 0 && s.in_w > 0 && s.out_h > 0 &&
                        s.out_w > 0 && s.kernel_h > 0 && s.kernel_w > 0 && s.stride_h > 0 &&
                        s.stride_w > 0;
  if (!positive) user_error("nblock pooling: every size and stride must be positive");
  if (s.lanes != 16 && s.lanes != 8 && s.lanes != 4) {
    user_error("nblock pooling: lanes 16, 8 or 4 expected, {} received", s.lanes);
  }
}

PoolAxis make_axis(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t pad_begin,
                   int64_t pad_end, bool count_padding) {
  PoolAxis axis;
  axis.covers.assign(in, {0, 0, 0, 0.f});
  for (int64_t o = 0; o < out; ++o) {
    const int64_t start = o * stride - pad_begin, stop = start + kernel;
    const int64_t begin = start > 0 ? start : 0, end = stop < in ? stop : in;
    const int64_t padded_end = stop < in + pad_end ? stop : in + pad_end;
    const int64_t divisor = count_padding ? padded_end - start : end - begin;
    axis.windows.push_back(
        {begin, end, start, divisor > 0 ? 1.f / static_cast<float>(divisor) : 0.f});
    for (int64_t i = begin; i < end; ++i) {
      PoolSpan& cover = axis.covers[i];
      if (cover.begin == cover.end) cover.begin = o;
      cover.end = o + 1;
    }
  }
  return axis;
}

// Calls body(plane, index) for the batch-blocked planes of all channels.
template <typename Body>
void for_planes(const PoolShape& s, Body&& body) {
  const PoolAxis h =
      make_axis(s.in_h, s.out_h, s.kernel_h, s.stride_h, s.pad_top, s.pad_bottom, s.count_padding);
  const PoolAxis w =
      make_axis(s.in_w, s.out_w, s.kernel_w, s.stride_w, s.pad_left, s.pad_right, s.count_padding);
  const int64_t planes = (s.batch + s.lanes - 1) / s.lanes * s.channels;
  const int64_t work = (s.in_h * s.in_w + s.out_h * s.out_w * s.kernel_h * s.kernel_w) * s.lanes;
  parallel_for(planes, work < 32768 ? 32768 / work + 1 : 1, [&](int64_t begin, int64_t end) {
    for (int64_t plane = begin; plane < end; ++plane) body(h, w, plane);
  });
}

}  // namespace

HWY_EXPORT(MaxPlane);
HWY_EXPORT(MaxPlaneBackward);
HWY_EXPORT(AveragePlane);
HWY_EXPORT(AveragePlaneBackward);

void max_pool_forward(const PoolShape& s, const float* x, float* y, uint8_t* positions) {
  check(s);
  if (positions && s.kernel_h * s.kernel_w > 255) {
    user_error(
        "nblock max pooling: positions are bytes; kernels of at most 255 elements, {}x{} received",
        s.kernel_h, s.kernel_w);
  }
  const int64_t in = s.in_h * s.in_w * s.lanes, out = s.out_h * s.out_w * s.lanes;
  for_planes(s, [&](const PoolAxis& h, const PoolAxis& w, int64_t plane) {
    HWY_DYNAMIC_DISPATCH(MaxPlane)
    (PoolPlane{s, h, w}, x + plane * in, y + plane * out,
     positions ? positions + plane * out : nullptr);
  });
}

void max_pool_backward(const PoolShape& s, const float* dy, const uint8_t* positions, float* dx) {
  check(s);
  const int64_t in = s.in_h * s.in_w * s.lanes, out = s.out_h * s.out_w * s.lanes;
  for_planes(s, [&](const PoolAxis& h, const PoolAxis& w, int64_t plane) {
    HWY_DYNAMIC_DISPATCH(MaxPlaneBackward)
    (PoolPlane{s, h, w}, dy + plane * out, positions + plane * out, dx + plane * in);
  });
}

void average_pool_forward(const PoolShape& s, const float* x, float* y) {
  check(s);
  const int64_t in = s.in_h * s.in_w * s.lanes, out = s.out_h * s.out_w * s.lanes;
  for_planes(s, [&](const PoolAxis& h, const PoolAxis& w, int64_t plane) {
    HWY_DYNAMIC_DISPATCH(AveragePlane)(PoolPlane{s, h, w}, x + plane * in, y + plane * out);
  });
}

void average_pool_backward(const PoolShape& s, const float* dy, float* dx) {
  check(s);
  const int64_t in = s.in_h * s.in_w * s.lanes, out = s.out_h * s.out_w * s.lanes;
  for_planes(s, [&](const PoolAxis& h, const PoolAxis& w, int64_t plane) {
    HWY_DYNAMIC_DISPATCH(AveragePlaneBackward)
    (PoolPlane{s, h, w}, dy + plane * out, dx + plane * in);
  });
}

}  // namespace trivium::cpu::nblock
#endif  // HWY_ONCE
