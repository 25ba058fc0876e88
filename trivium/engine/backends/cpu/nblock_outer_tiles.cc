// The tiles of nblock_outer_tiles.h, compiled once per SIMD level.
#include "trivium/engine/backends/cpu/nblock_outer_tiles.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/nblock_outer_tiles.cc"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trivium/engine/core/error.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::nblock::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3
constexpr int kOuterRegisters = 16;
constexpr int kOuterVectors = 2;
#else
constexpr int kOuterRegisters = 32;
constexpr int kOuterVectors = 4;
#endif
static_assert(kOuterVectors <= kMaxOuterVectors);

// Accumulators, the vectors of an item, and one scalar spread over a vector.
constexpr bool outer_fits(int rows, int vectors) {
  return vectors <= kOuterVectors && rows * vectors + vectors + 1 <= kOuterRegisters;
}

template <int M, int V, class D, class Vector>
HWY_INLINE void outer_store(D d, const OuterTile& t, const Vector (&acc)[M][V]) {
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  if (t.columns == V * kLanes) {
#pragma GCC unroll 8
    for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) {
        float* out = t.out + m * t.out_row + v * kLanes;
        if (t.stream) {
          hn::Stream(acc[m][v], d, out);
        } else if (t.accumulate) {
          hn::StoreU(hn::Add(hn::LoadU(d, out), acc[m][v]), d, out);
        } else {
          hn::StoreU(acc[m][v], d, out);
        }
      }
    }
    return;
  }
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
    float rest[V * kLanes];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) hn::StoreU(acc[m][v], d, rest + v * kLanes);
    float* out = t.out + m * t.out_row;
    for (int64_t i = 0; i < t.columns; ++i) out[i] = t.accumulate ? out[i] + rest[i] : rest[i];
  }
}

template <int M, int V>
void outer(const OuterTile& t) {
  const hn::ScalableTag<float> d;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(decltype(d)()));
  hn::Vec<decltype(d)> acc[M][V];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[m][v] = hn::Zero(d);
  }
  int64_t row[M];
#pragma GCC unroll 8
  for (int m = 0; m < M; ++m) row[m] = t.a_row[m];
  const float* HWY_RESTRICT panel = t.panel;
  const float* block = t.a;
  for (int64_t begin = 0; begin < t.items; begin += t.block, block += t.a_block) {
    const int64_t count = t.items - begin < t.block ? t.items - begin : t.block;
    const float* HWY_RESTRICT a = block;
    for (int64_t i = 0; i < count; ++i, ++a, panel += t.panel_row) {
      hn::Vec<decltype(d)> value[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) value[v] = hn::LoadU(d, panel + v * kLanes);
#pragma GCC unroll 8
      for (int m = 0; m < M; ++m) {
        const auto scalar = hn::Set(d, a[row[m]]);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[m][v] = hn::MulAdd(scalar, value[v], acc[m][v]);
      }
    }
  }
  outer_store<M, V>(d, t, acc);
}

template <int M, int V>
constexpr OuterFn outer_entry() {
  if constexpr (outer_fits(M, V)) {
    return &outer<M, V>;
  } else {
    return nullptr;
  }
}

OuterFn OuterFor(int rows, int vectors) {
#define TRIVIUM_ROW(M) \
  { outer_entry<M, 1>(), outer_entry<M, 2>(), outer_entry<M, 3>(), outer_entry<M, 4>() }
  static constexpr OuterFn table[kMaxOuterRows][kMaxOuterVectors] = {
      TRIVIUM_ROW(1), TRIVIUM_ROW(2), TRIVIUM_ROW(3), TRIVIUM_ROW(4),
      TRIVIUM_ROW(5), TRIVIUM_ROW(6), TRIVIUM_ROW(7), TRIVIUM_ROW(8)};
#undef TRIVIUM_ROW
  return table[rows - 1][vectors - 1];
}
int OuterLanesFor() { return HWY_LANES(float); }
int OuterVectorsFor() { return kOuterVectors; }
int OuterRowsFor(int vectors) {
  int best = 1;
  for (int m = 1; m <= kMaxOuterRows; ++m) best = outer_fits(m, vectors) ? m : best;
  return best;
}

}  // namespace trivium::cpu::nblock::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu::nblock {

HWY_EXPORT(OuterFor);
HWY_EXPORT(OuterLanesFor);
HWY_EXPORT(OuterVectorsFor);
HWY_EXPORT(OuterRowsFor);

int outer_lanes() { return HWY_DYNAMIC_DISPATCH(OuterLanesFor)(); }
int outer_max_vectors() { return HWY_DYNAMIC_DISPATCH(OuterVectorsFor)(); }
int outer_max_rows(int vectors) { return HWY_DYNAMIC_DISPATCH(OuterRowsFor)(vectors); }
OuterFn outer_tile(int rows, int vectors) {
  const OuterFn fn = HWY_DYNAMIC_DISPATCH(OuterFor)(rows, vectors);
  if (!fn) internal_error("no outer product tile of {} rows x {} vectors", rows, vectors);
  return fn;
}

}  // namespace trivium::cpu::nblock
#endif  // HWY_ONCE
