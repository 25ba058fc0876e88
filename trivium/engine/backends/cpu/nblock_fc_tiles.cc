// The tiles of nblock_fc_tiles.h, compiled once per SIMD level.
#include "trivium/engine/backends/cpu/nblock_fc_tiles.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/nblock_fc_tiles.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trivium/engine/core/error.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::nblock::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3
constexpr int kFcRegisters = 16;
constexpr int kPanelVectors = 2;
constexpr int kGradOutputs = 6;
#else
constexpr int kFcRegisters = 32;
constexpr int kPanelVectors = 4;
constexpr int kGradOutputs = 6;
#endif

constexpr bool fc_fits(int m, int g) {
  if (g == 1) return m <= (kFcRegisters == 32 ? 16 : 12);
  return m <= 8 && m * g + (m < g ? m : g) + 1 <= kFcRegisters;
}

template <class D>
HWY_INLINE hn::Vec<D> fc_activate(D d, hn::Vec<D> v, Activation activation, hn::Vec<D> slope) {
  if (activation == Activation::none) return v;
  const auto negative = hn::Lt(v, hn::Zero(d));
  if (activation == Activation::relu) return hn::IfThenZeroElse(negative, v);
  return hn::IfThenElse(negative, hn::Mul(v, slope), v);
}

template <class D, int M, int G>
void fc(const FcTile& t) {
  const D d;
  hn::Vec<D> acc[M][G];
  const float* x[G];
#pragma GCC unroll 16
  for (int g = 0; g < G; ++g) x[g] = t.x[g];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 16
    for (int g = 0; g < G; ++g)
      acc[m][g] = t.first ? hn::Zero(d) : hn::LoadU(d, t.out[g] + m * t.out_step);
  }
  const float* HWY_RESTRICT w = t.w;
  const int64_t row = t.w_row;
  for (int64_t begin = 0; begin < t.depth; begin += 16) {
    const int64_t count = t.depth - begin < 16 ? t.depth - begin : 16;
    if (t.prefetch) {
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) hwy::Prefetch(w + m * row + t.prefetch);
    }
    for (int64_t i = 0; i < count; ++i, w += t.w_step) {
      hn::Vec<D> value[G];
#pragma GCC unroll 16
      for (int g = 0; g < G; ++g) value[g] = hn::LoadU(d, x[g]), x[g] += t.x_step;
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const auto weight = hn::Set(d, w[m * row]);
#pragma GCC unroll 16
        for (int g = 0; g < G; ++g) acc[m][g] = hn::MulAdd(weight, value[g], acc[m][g]);
      }
    }
  }
  // The bias comes last, as in a matrix product followed by an addition: the products are summed
  // first.
  const auto slope = hn::Set(d, t.slope);
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
    const auto bias = t.bias && t.last ? hn::Set(d, t.bias[m]) : hn::Zero(d);
#pragma GCC unroll 16
    for (int g = 0; g < G; ++g) {
      const auto v =
          t.last ? fc_activate(d, hn::Add(acc[m][g], bias), t.activation, slope) : acc[m][g];
      hn::StoreU(v, d, t.out[g] + m * t.out_step);
    }
  }
}

template <int M>
void fc_grad(const FcGradTile& t) {
  const hn::ScalableTag<float> d;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(decltype(d)()));
  hn::Vec<decltype(d)> acc[M][kPanelVectors];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 16
    for (int v = 0; v < kPanelVectors; ++v) acc[m][v] = hn::Zero(d);
  }
  const float* HWY_RESTRICT panel = t.panel;
  const int64_t lanes = t.lanes;
  for (int64_t begin = 0, block = 0; begin < t.items; begin += lanes, ++block) {
    const float* HWY_RESTRICT dy = t.dy + block * t.dy_block;
    const int64_t count = t.items - begin < lanes ? t.items - begin : lanes;
    for (int64_t i = 0; i < count; ++i, ++dy, panel += t.panel_row) {
      hn::Vec<decltype(d)> value[kPanelVectors];
#pragma GCC unroll 16
      for (int v = 0; v < kPanelVectors; ++v) value[v] = hn::LoadU(d, panel + v * kLanes);
#pragma GCC unroll 16
      for (int m = 0; m < M; ++m) {
        const auto upstream = hn::Set(d, dy[m * lanes]);
#pragma GCC unroll 16
        for (int v = 0; v < kPanelVectors; ++v)
          acc[m][v] = hn::MulAdd(upstream, value[v], acc[m][v]);
      }
    }
  }
  if (t.columns == kPanelVectors * kLanes) {
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 16
      for (int v = 0; v < kPanelVectors; ++v) {
        float* out = t.dw + m * t.dw_row + v * kLanes;
        if (t.stream) {
          hn::Stream(acc[m][v], d, out);
        } else {
          hn::StoreU(acc[m][v], d, out);
        }
      }
    }
    return;
  }
  for (int m = 0; m < M; ++m) {
    float rest[kPanelVectors * kLanes];
    for (int v = 0; v < kPanelVectors; ++v) hn::StoreU(acc[m][v], d, rest + v * kLanes);
    std::memcpy(t.dw + m * t.dw_row, rest, t.columns * sizeof(float));
  }
}

template <class D, int M, int G>
constexpr FcFn fc_entry() {
  if constexpr (fc_fits(M, G)) {
    return &fc<D, M, G>;
  } else {
    return nullptr;
  }
}

template <class D>
FcFn find_fc(int outputs, int groups) {
#define TRIVIUM_ROW(M)                                                                  \
  {                                                                                     \
    fc_entry<D, M, 1>(), fc_entry<D, M, 2>(), fc_entry<D, M, 3>(), fc_entry<D, M, 4>(), \
        fc_entry<D, M, 5>(), fc_entry<D, M, 6>()                                        \
  }
  static constexpr FcFn table[kFcMaxOutputs][kFcMaxGroups] = {
      TRIVIUM_ROW(1),  TRIVIUM_ROW(2),  TRIVIUM_ROW(3),  TRIVIUM_ROW(4),
      TRIVIUM_ROW(5),  TRIVIUM_ROW(6),  TRIVIUM_ROW(7),  TRIVIUM_ROW(8),
      TRIVIUM_ROW(9),  TRIVIUM_ROW(10), TRIVIUM_ROW(11), TRIVIUM_ROW(12),
      TRIVIUM_ROW(13), TRIVIUM_ROW(14), TRIVIUM_ROW(15), TRIVIUM_ROW(16)};
#undef TRIVIUM_ROW
  return table[outputs - 1][groups - 1];
}

constexpr int kFcWidth = HWY_LANES(float);
template <int kLanes>
using FcTag = hn::FixedTag<float, (kLanes < kFcWidth ? kLanes : kFcWidth)>;

FcFn FcFor(int vector, int outputs, int groups) {
  if (vector >= 16) return find_fc<FcTag<16>>(outputs, groups);
  if (vector >= 8) return find_fc<FcTag<8>>(outputs, groups);
  return find_fc<FcTag<4>>(outputs, groups);
}
int FcMaxOutputsFor(int groups) {
  int best = 1;
  for (int m = 1; m <= kFcMaxOutputs; ++m) best = fc_fits(m, groups) ? m : best;
  return best;
}
FcGradFn FcGradFor(int outputs) {
  static constexpr FcGradFn table[kGradOutputs] = {&fc_grad<1>, &fc_grad<2>, &fc_grad<3>,
                                                   &fc_grad<4>, &fc_grad<5>, &fc_grad<6>};
  return table[outputs - 1];
}
int PanelLanesFor() { return kFcWidth; }
int PanelVectorsFor() { return kPanelVectors; }
int GradMaxOutputsFor() { return kGradOutputs; }

}  // namespace trivium::cpu::nblock::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu::nblock {

HWY_EXPORT(FcFor);
HWY_EXPORT(FcMaxOutputsFor);
HWY_EXPORT(FcGradFor);
HWY_EXPORT(PanelLanesFor);
HWY_EXPORT(PanelVectorsFor);
HWY_EXPORT(GradMaxOutputsFor);

int fc_max_outputs(int groups) { return HWY_DYNAMIC_DISPATCH(FcMaxOutputsFor)(groups); }
FcFn fc_tile(int vector, int outputs, int groups) {
  const FcFn fn = HWY_DYNAMIC_DISPATCH(FcFor)(vector, outputs, groups);
  if (!fn) internal_error("no fully connected tile of {} outputs x {} groups", outputs, groups);
  return fn;
}
FcGradFn fc_grad_tile(int outputs) { return HWY_DYNAMIC_DISPATCH(FcGradFor)(outputs); }
int fc_panel_lanes() { return HWY_DYNAMIC_DISPATCH(PanelLanesFor)(); }
int fc_panel_vectors() { return HWY_DYNAMIC_DISPATCH(PanelVectorsFor)(); }
int fc_grad_max_outputs() { return HWY_DYNAMIC_DISPATCH(GradMaxOutputsFor)(); }

}  // namespace trivium::cpu::nblock
#endif  // HWY_ONCE
