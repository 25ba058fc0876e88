// Local response normalisation across channels of batch-blocked activations, one vector of lanes at
// a spatial position through all channels. s^-0.75 is two square roots and a division.
#include <cmath>
#include <vector>

#include "trivium/engine/backends/cpu/nblock_pool.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/nblock_lrn.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::nblock::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr int kLrnWidth = HWY_LANES(float);
template <int kLanes>
using LrnTag = hn::FixedTag<float, (kLanes < kLrnWidth ? kLanes : kLrnWidth)>;

template <class D>
HWY_INLINE hn::Vec<D> negative_power(D d, hn::Vec<D> s, float beta) {
  if (beta == 0.75f) {
    const auto root = hn::Sqrt(s);
    return hn::Div(hn::Set(d, 1.f), hn::Mul(root, hn::Sqrt(root)));
  }
  if (beta == 0.5f) return hn::Div(hn::Set(d, 1.f), hn::Sqrt(s));
  if (beta == 1.f) return hn::Div(hn::Set(d, 1.f), s);
  float lanes[16];
  hn::StoreU(s, d, lanes);
  for (size_t i = 0; i < hn::Lanes(d); ++i) lanes[i] = std::pow(lanes[i], -beta);
  return hn::LoadU(d, lanes);
}

// k + alpha/size * Σ of squares around channel c; `stride` floats between channels.
template <class D>
HWY_INLINE hn::Vec<D> scale_at(D d, const LrnShape& s, const float* x, int64_t c, int64_t stride) {
  const int64_t reach = (s.size - 1) / 2;
  const int64_t end = c + reach + 1 < s.channels ? c + reach + 1 : s.channels;
  auto sum = hn::Zero(d);
  for (int64_t i = c > reach ? c - reach : 0; i < end; ++i) {
    const auto v = hn::LoadU(d, x + i * stride);
    sum = hn::MulAdd(v, v, sum);
  }
  return hn::MulAdd(sum, hn::Set(d, s.alpha / static_cast<float>(s.size)), hn::Set(d, s.k));
}

template <class D>
void lrn_forward_of(D d, const LrnShape& s, const float* x, float* y, int64_t count) {
  const int64_t stride = s.spatial * s.lanes;
  for (int64_t c = 0; c < s.channels; ++c) {
    for (int64_t i = 0; i < count; i += hn::Lanes(d)) {
      const auto power = negative_power(d, scale_at(d, s, x + i, c, stride), s.beta);
      hn::StoreU(hn::Mul(hn::LoadU(d, x + c * stride + i), power), d, y + c * stride + i);
    }
  }
}

// `ratio` holds dy y / s of every channel, and `power` s^-beta; a vector each.
template <class D>
void lrn_backward_of(D d, const LrnShape& s, const float* x, const float* dy, float* dx,
                     int64_t count, float* ratio, float* power) {
  const int64_t stride = s.spatial * s.lanes, reach = (s.size - 1) / 2, n = hn::Lanes(d);
  const auto factor = hn::Set(d, 2.f * s.alpha * s.beta / static_cast<float>(s.size));
  for (int64_t i = 0; i < count; i += n) {
    for (int64_t c = 0; c < s.channels; ++c) {
      const auto scale = scale_at(d, s, x + i, c, stride);
      const auto p = negative_power(d, scale, s.beta);
      const auto y = hn::Mul(hn::LoadU(d, x + c * stride + i), p);
      hn::StoreU(p, d, power + c * n);
      hn::StoreU(hn::Div(hn::Mul(hn::LoadU(d, dy + c * stride + i), y), scale), d, ratio + c * n);
    }
    for (int64_t c = 0; c < s.channels; ++c) {
      const int64_t end = c + reach + 1 < s.channels ? c + reach + 1 : s.channels;
      auto sum = hn::Zero(d);
      for (int64_t k = c > reach ? c - reach : 0; k < end; ++k)
        sum = hn::Add(sum, hn::LoadU(d, ratio + k * n));
      const auto x_term = hn::Mul(hn::Mul(factor, hn::LoadU(d, x + c * stride + i)), sum);
      const auto direct = hn::Mul(hn::LoadU(d, dy + c * stride + i), hn::LoadU(d, power + c * n));
      hn::StoreU(hn::Sub(direct, x_term), d, dx + c * stride + i);
    }
  }
}

void LrnForward(const LrnShape& s, const float* x, float* y, int64_t count) {
  if (s.lanes >= 16) return lrn_forward_of(LrnTag<16>(), s, x, y, count);
  if (s.lanes >= 8) return lrn_forward_of(LrnTag<8>(), s, x, y, count);
  lrn_forward_of(LrnTag<4>(), s, x, y, count);
}
void LrnBackward(const LrnShape& s, const float* x, const float* dy, float* dx, int64_t count,
                 float* ratio, float* power) {
  if (s.lanes >= 16) return lrn_backward_of(LrnTag<16>(), s, x, dy, dx, count, ratio, power);
  if (s.lanes >= 8) return lrn_backward_of(LrnTag<8>(), s, x, dy, dx, count, ratio, power);
  lrn_backward_of(LrnTag<4>(), s, x, dy, dx, count, ratio, power);
}

}  // namespace trivium::cpu::nblock::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu::nblock {
namespace {

// Calls body(offset, count): `count` floats (whole positions) of every channel, from `offset` on.
template <typename Body>
void for_positions(const LrnShape& s, Body&& body) {
  if (s.size < 1 || s.size % 2 == 0) {
    user_error("local response normalisation: an odd size expected, {} received", s.size);
  }
  const int64_t blocks = (s.batch + s.lanes - 1) / s.lanes;
  int64_t step = 8192 / (s.channels * s.lanes) + 1;  // positions a chunk: about one L1
  if (step > s.spatial) step = s.spatial;
  const int64_t pieces = (s.spatial + step - 1) / step;
  parallel_chunks(blocks * pieces, [&](int64_t chunk) {
    const int64_t first = chunk % pieces * step;
    const int64_t count = s.spatial - first < step ? s.spatial - first : step;
    body((chunk / pieces * s.channels * s.spatial + first) * s.lanes, count * s.lanes);
  });
}

}  // namespace

HWY_EXPORT(LrnForward);
HWY_EXPORT(LrnBackward);

void lrn_forward(const LrnShape& s, const float* x, float* y) {
  for_positions(s, [&](int64_t offset, int64_t count) {
    HWY_DYNAMIC_DISPATCH(LrnForward)(s, x + offset, y + offset, count);
  });
}

void lrn_backward(const LrnShape& s, const float* x, const float* dy, float* dx) {
  for_positions(s, [&](int64_t offset, int64_t count) {
    std::vector<float> buffer(2 * s.channels * 16);
    HWY_DYNAMIC_DISPATCH(LrnBackward)
    (s, x + offset, dy + offset, dx + offset, count, buffer.data(),
     buffer.data() + s.channels * 16);
  });
}

}  // namespace trivium::cpu::nblock
#endif  // HWY_ONCE
