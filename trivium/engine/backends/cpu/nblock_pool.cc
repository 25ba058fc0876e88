// Average pooling over batch-blocked planes, one output row after the other; backward gathers, for
// each input pixel, from the windows that cover it, so every gradient is written once and nothing
// is zeroed first.
#include "trivium/engine/backends/cpu/nblock_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/nblock_pool.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trivium/engine/backends/cpu/nblock_pool_plan.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::nblock::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kPoolWidth = HWY_LANES(float);
template <int kLanes>
using PoolTag = hn::FixedTag<float, (kLanes < kPoolWidth ? kLanes : kPoolWidth)>;

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
HWY_EXPORT(AveragePlane);
HWY_EXPORT(AveragePlaneBackward);

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
