// Three stages: tiles of 6x6 pixels are transformed to V [36][in/16][tile][16]; for each of the 36
// points M [out/16][tile][16] is a small matrix product with the transformed weights
// U [36][out/16][in][16], in which a number of V is broadcast to 16 results; tiles of M are
// transformed back. A group of tiles is small enough for V and M to stay in cache, and large enough
// for U to be read seldom.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/c16_winograd.cc"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"

#include <algorithm>
#include <atomic>

#include "trivium/engine/backends/cpu/c16_winograd.h"
#include "trivium/engine/backends/cpu/nblock_conv.h"
#include "trivium/engine/backends/cpu/winograd_points.h"
#include "trivium/engine/core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::c16::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using namespace winograd;  // NOLINT: the constants of the points

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr int64_t kLanes = 16, kPoints = 36, kMostTiles = 12;

/// Bᵀ d: six inputs of a line to six points.
HWY_INLINE void to_points(V d0, V d1, V d2, V d3, V d4, V d5, V* out, int64_t step) {
  const D d;
  const V a2 = hn::Set(d, kA2), b2 = hn::Set(d, kB2), sum2 = hn::Set(d, kSum2);
  const V product2 = hn::Set(d, kProduct2), at_a = hn::Set(d, kA), at_b = hn::Set(d, kB);
  const V a = hn::NegMulAdd(b2, d2, d4), b = hn::NegMulAdd(b2, d1, d3);
  const V e = hn::NegMulAdd(a2, d2, d4), f = hn::NegMulAdd(a2, d1, d3);
  out[0] = hn::MulAdd(product2, d0, hn::NegMulAdd(sum2, d2, d4));
  out[step] = hn::MulAdd(at_a, b, a);
  out[2 * step] = hn::NegMulAdd(at_a, b, a);
  out[3 * step] = hn::MulAdd(at_b, f, e);
  out[4 * step] = hn::NegMulAdd(at_b, f, e);
  out[5 * step] = hn::MulAdd(product2, d1, hn::NegMulAdd(sum2, d3, d5));
}

/// Aᵀ m: six points to four results.
HWY_INLINE void to_results(V m0, V m1, V m2, V m3, V m4, V m5, V* out, int64_t step) {
  const D d;
  const V sum = hn::Add(m1, m2), difference = hn::Sub(m1, m2);
  const V sum2 = hn::Add(m3, m4), difference2 = hn::Sub(m3, m4);
  out[0] = hn::Add(hn::Add(m0, sum), sum2);
  out[step] = hn::MulAdd(hn::Set(d, kB), difference2, hn::Mul(hn::Set(d, kA), difference));
  out[2 * step] = hn::MulAdd(hn::Set(d, kB2), sum2, hn::Mul(hn::Set(d, kA2), sum));
  out[3 * step] =
      hn::MulAdd(hn::Set(d, kB3), difference2, hn::MulAdd(hn::Set(d, kA3), difference, m5));
}

/// G g: three weights of a line to six points.
HWY_INLINE void weights_to_points(V g0, V g1, V g2, V* out, int64_t step) {
  const D d;
  const V scale_a = hn::Set(d, kScaleA), scale_b = hn::Set(d, kScaleB);
  const V even = hn::Mul(scale_a, hn::MulAdd(hn::Set(d, kA2), g2, g0));
  const V odd = hn::Mul(hn::Set(d, kScaleA * kA), g1);
  const V even2 = hn::Mul(scale_b, hn::MulAdd(hn::Set(d, kB2), g2, g0));
  const V odd2 = hn::Mul(hn::Set(d, kScaleB * kB), g1);
  out[0] = hn::Mul(hn::Set(d, kScale0), g0);
  out[step] = hn::Add(even, odd);
  out[2 * step] = hn::Sub(even, odd);
  out[3 * step] = hn::Add(even2, odd2);
  out[4 * step] = hn::Sub(even2, odd2);
  out[5 * step] = g2;
}

/// U for 16 results of block ob and 16 inputs of block ib.
void transform_weights(const Winograd& s, const float* w, int64_t ob, int64_t ib, float* u) {
  const D d;
  const int64_t outs = std::min(kLanes, s.out - ob * kLanes),
                ins = std::min(kLanes, s.in - ib * kLanes);
  HWY_ALIGN float tile[kLanes * 9 * kLanes] = {};  // [input][tap][result]
  for (int64_t o = 0; o < outs; ++o)
    for (int64_t i = 0; i < ins; ++i) {
      const int64_t result = ob * kLanes + o, input = ib * kLanes + i;
      const float* from = w + 9 * (s.turned ? input * s.out + result : result * s.in + input);
      for (int64_t t = 0; t < 9; ++t) tile[(i * 9 + t) * kLanes + o] = from[s.turned ? 8 - t : t];
    }
  const int64_t point = s.out_blocks() * s.in_blocks() * 256;
  for (int64_t i = 0; i < kLanes; ++i) {
    const float* g = tile + i * 9 * kLanes;
    V half[18], all[6];
    for (int64_t c = 0; c < 3; ++c)
      weights_to_points(hn::Load(d, g + c * kLanes), hn::Load(d, g + (3 + c) * kLanes),
                        hn::Load(d, g + (6 + c) * kLanes), half + c, 3);
    float* to = u + ((ob * s.in_blocks() + ib) * kLanes + i) * kLanes;
    for (int64_t r = 0; r < 6; ++r) {
      weights_to_points(half[3 * r], half[3 * r + 1], half[3 * r + 2], all, 1);
      for (int64_t c = 0; c < 6; ++c) hn::Store(all[c], d, to + (r * 6 + c) * point);
    }
  }
}

/// Where a tile lies.
struct Spot {
  int64_t n, top, left;  // of its results
};
HWY_INLINE Spot spot_of(const Winograd& s, int64_t tile) {
  const int64_t across = s.tiles_across(), image = s.tiles_down() * across;
  return {tile / image, tile % image / across * 4, tile % across * 4};
}

/// V of `count` tiles from `first` for channel block ib; `together` tiles share a V.
void transform_in(const Winograd& s, const float* x, int64_t ib, int64_t first, int64_t count,
                  int64_t at, int64_t together, float* v) {
  const D d;
  const int64_t point = s.in_blocks() * together * kLanes;
  for (int64_t t = 0; t < count; ++t) {
    const Spot spot = spot_of(s, first + t);
    const int64_t top = spot.top - s.pad_top, left = spot.left - s.pad_left;
    const float* plane = x + (spot.n * s.in_blocks() + ib) * s.h * s.w * kLanes;
    V half[36];
    for (int64_t c = 0; c < 6; ++c) {
      V line[6];
      const int64_t column = left + c;
      const bool inside = column >= 0 && column < s.w;
      for (int64_t r = 0; r < 6; ++r) {
        const int64_t row = top + r;
        line[r] = inside && row >= 0 && row < s.h
                      ? hn::LoadU(d, plane + (row * s.w + column) * kLanes)
                      : hn::Zero(d);
      }
      to_points(line[0], line[1], line[2], line[3], line[4], line[5], half + c, 6);
    }
    float* to = v + (ib * together + at + t) * kLanes;
    for (int64_t r = 0; r < 6; ++r) {
      V all[6];
      const V* h = half + 6 * r;
      to_points(h[0], h[1], h[2], h[3], h[4], h[5], all, 1);
      for (int64_t c = 0; c < 6; ++c) hn::StoreU(all[c], d, to + (r * 6 + c) * point);
    }
  }
}

/// y of `count` tiles for channel block ob.
void transform_out(const Winograd& s, const float* m, const float* bias, const float* addend,
                   int64_t ob, int64_t first, int64_t count, int64_t at, int64_t together,
                   float* y) {
  const D d;
  const int64_t point = s.out_blocks() * together * kLanes;
  HWY_ALIGN float shift[kLanes] = {};
  if (bias) std::copy_n(bias + ob * kLanes, std::min(kLanes, s.out - ob * kLanes), shift);
  const V add = hn::Load(d, shift);
  const V low = hn::Set(d, static_cast<float>(s.last.low)),
          high = hn::Set(d, static_cast<float>(s.last.high));
  for (int64_t t = 0; t < count; ++t) {
    const Spot spot = spot_of(s, first + t);
    const float* from = m + (ob * together + at + t) * kLanes;
    V half[24];
    for (int64_t c = 0; c < 6; ++c) {
      V line[6];
      for (int64_t r = 0; r < 6; ++r) line[r] = hn::LoadU(d, from + (r * 6 + c) * point);
      to_results(line[0], line[1], line[2], line[3], line[4], line[5], half + c, 6);
    }
    const int64_t plane = (spot.n * s.out_blocks() + ob) * s.oh * s.ow * kLanes;
    const int64_t rows = std::min<int64_t>(4, s.oh - spot.top),
                  columns = std::min<int64_t>(4, s.ow - spot.left);
    for (int64_t r = 0; r < rows; ++r) {
      V all[4];
      const V* h = half + 6 * r;
      to_results(h[0], h[1], h[2], h[3], h[4], h[5], all, 1);
      const int64_t line = plane + ((spot.top + r) * s.ow + spot.left) * kLanes;
      for (int64_t c = 0; c < columns; ++c) {
        V result = hn::Add(all[c], add);
        if (addend) result = hn::Add(result, hn::LoadU(d, addend + line + c * kLanes));
        if (s.last.limits) {  // NaN compares with nothing and stays
          result = hn::IfThenElse(hn::Le(result, low), low, result);
          result = hn::IfThenElse(hn::Ge(result, high), high, result);
        }
        hn::StoreU(result, d, y + line + c * kLanes);
      }
    }
  }
}

/// M of kTiles tiles and kBlocks blocks of results at one point.
template <int kTiles, int kBlocks>
HWY_NOINLINE void multiply(int64_t in_blocks, const float* v, int64_t v_step, const float* u,
                           int64_t u_step, float* m, int64_t m_step) {
  const D d;
  V sum[kTiles * kBlocks];
  for (auto& one : sum) one = hn::Zero(d);
  for (int64_t ib = 0; ib < in_blocks; ++ib, v += v_step, u += 256) {
    for (int64_t i = 0; i < kLanes; ++i) {
      V weight[kBlocks];
      for (int b = 0; b < kBlocks; ++b) weight[b] = hn::LoadU(d, u + b * u_step + i * kLanes);
      for (int t = 0; t < kTiles; ++t) {
        const V pixel = hn::Set(d, v[t * kLanes + i]);
        for (int b = 0; b < kBlocks; ++b)
          sum[t * kBlocks + b] = hn::MulAdd(pixel, weight[b], sum[t * kBlocks + b]);
      }
    }
  }
  for (int t = 0; t < kTiles; ++t)
    for (int b = 0; b < kBlocks; ++b)
      hn::StoreU(sum[t * kBlocks + b], d, m + b * m_step + t * kLanes);
}

using Multiply = void (*)(int64_t, const float*, int64_t, const float*, int64_t, float*, int64_t);

template <int kBlocks>
Multiply multiply_of(int64_t tiles) {
  static constexpr Multiply kAll[] = {
      multiply<1, kBlocks>, multiply<2, kBlocks>,  multiply<3, kBlocks>,  multiply<4, kBlocks>,
      multiply<5, kBlocks>, multiply<6, kBlocks>,  multiply<7, kBlocks>,  multiply<8, kBlocks>,
      multiply<9, kBlocks>, multiply<10, kBlocks>, multiply<11, kBlocks>, multiply<12, kBlocks>};
  return kAll[tiles - 1];
}

/// M of point p for result blocks [from, to) and `count` tiles.
void multiply_point(const Winograd& s, int64_t p, int64_t from, int64_t to, int64_t count,
                    int64_t together, const float* v, const float* u, float* m) {
  const int64_t pieces = (count + kMostTiles - 1) / kMostTiles;
  const int64_t v_step = together * kLanes, u_step = s.in_blocks() * 256;
  const float* v_at = v + p * s.in_blocks() * v_step;
  const float* u_at = u + p * s.out_blocks() * u_step;
  float* m_at = m + p * s.out_blocks() * v_step;
  for (int64_t ob = from; ob < to; ob += 2) {
    const bool pair = ob + 1 < to;
    for (int64_t i = 0; i < pieces; ++i) {
      const int64_t first = count * i / pieces, tiles = count * (i + 1) / pieces - first;
      const Multiply f = pair ? multiply_of<2>(tiles) : multiply_of<1>(tiles);
      f(s.in_blocks(), v_at + first * kLanes, v_step, u_at + ob * u_step, u_step,
        m_at + ob * v_step + first * kLanes, v_step);
    }
  }
}

void run_groups(const Winograd& s, const float* x, const float* u, const float* bias,
                const float* addend, float* y, float* stages) {
  const int64_t group = s.group(), groups = (s.tiles() + group - 1) / group;
  const int64_t own = s.stage_floats() / s.threads;
  std::atomic<int64_t> next{0};
  parallel_chunks(s.threads, [&](int64_t slot) {
    float* v = stages + slot * own;
    float* m = v + kPoints * s.in_blocks() * kLanes * group;
    for (int64_t g; (g = next.fetch_add(1, std::memory_order_relaxed)) < groups;) {
      const int64_t first = s.tiles() * g / groups, count = s.tiles() * (g + 1) / groups - first;
      for (int64_t ib = 0; ib < s.in_blocks(); ++ib)
        transform_in(s, x, ib, first, count, 0, group, v);
      for (int64_t p = 0; p < kPoints; ++p)
        multiply_point(s, p, 0, s.out_blocks(), count, group, v, u, m);
      for (int64_t ob = 0; ob < s.out_blocks(); ++ob)
        transform_out(s, m, bias, addend, ob, first, count, 0, group, y);
    }
  });
}

void run_stages(const Winograd& s, const float* x, const float* u, const float* bias,
                const float* addend, float* y, float* stages) {
  const int64_t tiles = s.tiles();
  float* v = stages;
  float* m = v + kPoints * s.in_blocks() * kLanes * tiles;
  parallel_chunks(s.in_blocks(),
                  [&](int64_t ib) { transform_in(s, x, ib, 0, tiles, 0, tiles, v); });
  constexpr int64_t kStrip = 16;  // result blocks of a work item
  const int64_t strips = (s.out_blocks() + kStrip - 1) / kStrip;
  parallel_chunks(kPoints * strips, [&](int64_t task) {
    const int64_t from = task % strips * kStrip;
    multiply_point(s, task / strips, from, std::min(from + kStrip, s.out_blocks()), tiles, tiles, v,
                   u, m);
  });
  parallel_chunks(s.out_blocks(), [&](int64_t ob) {
    transform_out(s, m, bias, addend, ob, 0, tiles, 0, tiles, y);
  });
}

void pack(const Winograd& s, const float* w, float* u) {
  parallel_chunks(s.out_blocks() * s.in_blocks(), [&](int64_t task) {
    transform_weights(s, w, task / s.in_blocks(), task % s.in_blocks(), u);
  });
}

void winograd(const Winograd& s, const float* x, const float* u, const float* bias,
              const float* addend, float* y, float* stages) {
  s.shares_stages() ? run_stages(s, x, u, bias, addend, y, stages)
                    : run_groups(s, x, u, bias, addend, y, stages);
}

}  // namespace trivium::cpu::c16::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu::c16 {

HWY_EXPORT(pack);
HWY_EXPORT(winograd);

bool winograd_available() { return nblock::vector_lanes(16) == 16; }

int64_t Winograd::group() const {
  // V and M of small layers fit the second level cache; wide layers rather read U less often.
  return in_blocks() * out_blocks() >= 256 ? 48 : in_blocks() * out_blocks() >= 64 ? 36 : 24;
}

double Winograd::microseconds(double gflops_per_thread, double gbytes_per_second,
                              bool packed) const {
  const double peak = gflops_per_thread * 1e3 * threads;
  const double t = static_cast<double>(tiles()), ci = 16.0 * static_cast<double>(in_blocks()),
               co = 16.0 * static_cast<double>(out_blocks());
  const double products = 2 * 36 * t * ci * co / (0.88 * peak);
  // Vector operations of the transforms, loads and stores among them, as arithmetic.
  const double transforms = 2 * t * (330 * ci + 250 * co) / peak;
  const double u_bytes = 4.0 * static_cast<double>(weight_floats());
  const double readings = shares_stages() ? 1 : t / static_cast<double>(group());
  constexpr double kSecondCache = 4e6, kThirdCache = 16e6, kMainMemory = 20e3;  // bytes, bytes/us
  if (packed)  // U comes from main memory or the third cache
    return products + transforms + u_bytes * std::max(1.0, readings / 4) / kMainMemory + 3;
  double traffic = u_bytes / (gbytes_per_second * 1e3);
  if (u_bytes > kThirdCache)
    traffic = u_bytes * (2 + readings) / kMainMemory;
  else if (u_bytes > kSecondCache)
    traffic *= 1 + 0.5 * readings;
  return products + transforms + 2 * 150 * ci * co / peak + traffic + 3;
}

size_t Winograd::scratch_bytes() const {
  return static_cast<size_t>(stage_floats()) * sizeof(float);
}

void Winograd::pack(const float* weights, float* u) const {
  HWY_DYNAMIC_DISPATCH(pack)(*this, weights, u);
}

void Winograd::run(const float* x, const float* u, const float* bias, const float* addend, float* y,
                   void* scratch) const {
  HWY_DYNAMIC_DISPATCH(winograd)(*this, x, u, bias, addend, y, static_cast<float*>(scratch));
}

}  // namespace trivium::cpu::c16
#endif
