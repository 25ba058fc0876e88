// Register-tiled matrix product. b is packed once into panels of a few vectors [k][panel]; a tile
// keeps rows × panel accumulators in registers and walks a block of k. Work is split by the shape
// alone.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/gemm.cc"
#include "hwy/foreach_target.h"
//
#include "hwy/highway.h"

#include <algorithm>
#include <cstring>

#include "trivium/engine/backends/cpu/gemm.h"
#include "trivium/engine/backends/cpu/nblock_transform.h"
#include "trivium/engine/core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 32 vector registers allow tiles of 24 accumulators, 16 allow 12.
constexpr int kMaxVectors = HWY_TARGET == HWY_AVX3 ? 4 : 2;
constexpr int64_t kBlockK =
    256;  // a panel block of 64 columns is then 64 KiB: half of it stays in L1
constexpr int64_t kMostDots = 8;  // rows up to which a transposed b is read in place
constexpr int64_t kBlockM = 96;   // rows of a chunk: a block of a [96, 256] stays in L2

/// Columns of a panel: whole vectors.
template <typename T>
constexpr int64_t kMostPanel = kMaxVectors* hn::MaxLanes(hn::ScalableTag<T>());

constexpr int rows_of_tile(int vectors) {
  if (HWY_TARGET == HWY_AVX3) return vectors == 4 ? 6 : vectors == 3 ? 8 : 12;
  return vectors == 2 ? 6 : 8;
}

/// One tile: where it reads and writes, and whether this block of k is the first or the last.
template <typename T>
struct Tile {
  const T* a;
  int64_t a_row, a_step;
  const T* b;
  int64_t b_step, b_vector;  // from one k, and from one vector of columns, to the next
  T* c;
  int64_t ldc, k;
  int64_t columns;      // valid columns of the panel
  bool load_c, finish;  // add to c; apply bias and relu
  const T* bias;        // of the tile's first row or column, or null
  bool bias_per_row, relu;
};

template <class D, int kRows, int kVectors, typename T = hn::TFromD<D>>
HWY_INLINE void run_tile(D d, const Tile<T>& t) {
  using V = hn::Vec<D>;
  const int64_t lanes = hn::Lanes(d);
  V acc[kRows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) acc[r][v] = hn::Zero(d);
  // Three row pointers keep every row within base + {0, 1, 2, 3} * stride: no address is spilled.
  const T* a0 = t.a;
  const T* a1 = t.a + 4 * t.a_row;
  const T* a2 = t.a + 8 * t.a_row;
  const T* b = t.b;
  for (int64_t p = 0; p < t.k; ++p) {
    V bv[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) bv[v] = hn::LoadU(d, b + v * t.b_vector);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const T* base = r < 4 ? a0 : r < 8 ? a1 : a2;
      const V av = hn::Set(d, base[(r & 3) * t.a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; ++v) acc[r][v] = hn::MulAdd(av, bv[v], acc[r][v]);
    }
    a0 += t.a_step;
    a1 += t.a_step;
    a2 += t.a_step;
    b += t.b_step;
  }
  const int64_t tail = t.columns - (kVectors - 1) * lanes;  // valid lanes of the last vector
  const auto mask = hn::FirstN(d, static_cast<size_t>(tail));
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      T* c = t.c + r * t.ldc + v * lanes;
      const bool partial = v == kVectors - 1 && tail < lanes;
      V x = acc[r][v];
      if (t.load_c) x = hn::Add(x, partial ? hn::MaskedLoad(mask, d, c) : hn::LoadU(d, c));
      if (t.finish) {
        if (t.bias && t.bias_per_row) x = hn::Add(x, hn::Set(d, t.bias[r]));
        if (t.bias && !t.bias_per_row) {
          const T* bias = t.bias + v * lanes;
          x = hn::Add(x, partial ? hn::MaskedLoad(mask, d, bias) : hn::LoadU(d, bias));
        }
        // max(0, x) with x second: a NaN stays a NaN on x86.
        if (t.relu) x = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Zero(d), x);
      }
      if (partial)
        hn::BlendedStore(x, mask, d, c);
      else
        hn::StoreU(x, d, c);
    }
  }
}

/// Rows of any count: whole tiles, then halves down to single rows.
template <class D, int kVectors, int kRows, typename T>
void run_rows(D d, Tile<T> t, int64_t rows) {
  while (rows >= kRows) {
    run_tile<D, kRows, kVectors>(d, t);
    rows -= kRows;
    t.a += kRows * t.a_row;
    t.c += kRows * t.ldc;
    if (t.bias && t.bias_per_row) t.bias += kRows;
  }
  if constexpr (kRows > 1) {
    constexpr int kNext = kRows > 8 ? 8 : kRows > 4 ? 4 : kRows > 2 ? 2 : 1;
    if (rows > 0) run_rows<D, kVectors, kNext>(d, t, rows);
  }
}

template <class D, typename T>
void run_panel(D d, const Tile<T>& t, int64_t rows) {
  const int64_t lanes = hn::Lanes(d);
  switch ((t.columns + lanes - 1) / lanes) {
    case 1:
      return run_rows<D, 1, rows_of_tile(1)>(d, t, rows);
    case 2:
      return run_rows<D, 2, rows_of_tile(2)>(d, t, rows);
    case 3:
      if constexpr (kMaxVectors > 2) return run_rows<D, 3, rows_of_tile(3)>(d, t, rows);
      break;
    default:
      if constexpr (kMaxVectors > 3) return run_rows<D, 4, rows_of_tile(4)>(d, t, rows);
  }
}

/// dst [k][lanes] = columns [first, first + columns) of b, zero past them.
template <typename T>
void pack_strip(const GemmShape& s, const T* b, int64_t first, int64_t columns, int64_t lanes,
                T* dst) {
  if (!s.transpose_b) {
    for (int64_t p = 0; p < s.k; ++p) {
      const T* row = b + p * s.ldb + first;
      T* out = dst + p * lanes;
      for (int64_t j = 0; j < columns; ++j) out[j] = row[j];
      for (int64_t j = columns; j < lanes; ++j) out[j] = T(0);
    }
    return;
  }
  const T* rows = b + first * s.ldb;
  if constexpr (sizeof(T) == sizeof(float)) {
    nblock::rows_to_block(rows, s.ldb, s.k, columns, static_cast<int>(lanes), dst);
  } else {
    constexpr int64_t kTile = 16;
    for (int64_t p0 = 0; p0 < s.k; p0 += kTile) {
      const int64_t count = std::min(kTile, s.k - p0);
      T tile[kTile][kTile];  // [column][k]: rows are read whole, then turned inside the cache
      for (int64_t j = 0; j < lanes; ++j) {
        if (j < columns)
          std::copy_n(rows + j * s.ldb + p0, count, tile[j]);
        else
          std::fill_n(tile[j], kTile, T(0));
      }
      for (int64_t p = 0; p < count; ++p)
        for (int64_t j = 0; j < lanes; ++j) dst[(p0 + p) * lanes + j] = tile[j][p];
    }
  }
}

/// kRows rows of a times one row of b: b is loaded once for all of them.
template <int kRows, class D, typename T = hn::TFromD<D>>
HWY_INLINE void run_dot(D d, const GemmShape& s, const T* a, const T* row, T* totals) {
  const int64_t lanes = hn::Lanes(d), whole = s.k / (2 * lanes) * (2 * lanes);
  hn::Vec<D> sum0[kRows], sum1[kRows];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) sum0[r] = sum1[r] = hn::Zero(d);
  for (int64_t p = 0; p < whole; p += 2 * lanes) {
    const auto b0 = hn::LoadU(d, row + p), b1 = hn::LoadU(d, row + p + lanes);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      sum0[r] = hn::MulAdd(hn::LoadU(d, a + r * s.lda + p), b0, sum0[r]);
      sum1[r] = hn::MulAdd(hn::LoadU(d, a + r * s.lda + p + lanes), b1, sum1[r]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    totals[r] = hn::GetLane(hn::SumOfLanes(d, hn::Add(sum0[r], sum1[r])));
    for (int64_t p = whole; p < s.k; ++p) totals[r] += a[r * s.lda + p] * row[p];
  }
}

/// Few rows times a transposed b: dot products that read b once, row by row.
template <class D, typename T = hn::TFromD<D>>
void run_dots(D d, const GemmShape& s, const T* a, const T* b, const T* bias, T* c, bool parallel) {
  const int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(1, s.k * s.m));
  auto body = [&](int64_t begin, int64_t end) {
    T totals[kMostDots + 3];
    for (int64_t j = begin; j < end; ++j) {
      const T* row = b + j * s.ldb;
      int64_t i = 0;
      for (; i + 4 <= s.m; i += 4) run_dot<4>(d, s, a + i * s.lda, row, totals + i);
      if (i + 2 <= s.m) run_dot<2>(d, s, a + i * s.lda, row, totals + i), i += 2;
      if (i < s.m) run_dot<1>(d, s, a + i * s.lda, row, totals + i);
      for (i = 0; i < s.m; ++i) {
        T& out = c[i * s.ldc + j];
        T total = totals[i];
        if (s.accumulate) total += out;
        if (bias) total += bias[s.bias_per_row ? i : j];
        out = s.relu && total < T(0) ? T(0) : total;
      }
    }
  };
  if (parallel)
    parallel_for(s.n, grain, body);
  else
    body(int64_t{0}, s.n);
}

/// How the output is cut into chunks: rows × panels. A function of the shape only.
struct Split {
  int64_t rows, panels;
};
template <typename T>
Split split_of(const GemmShape& s, int64_t panel) {
  Split split{std::min(s.m, kBlockM), 4};
  const int64_t panels = (s.n + panel - 1) / panel;
  split.panels = std::min(split.panels, panels);
  const auto chunks = [&] {
    return (s.m + split.rows - 1) / split.rows * ((panels + split.panels - 1) / split.panels);
  };
  const auto flops = [&] { return 2 * split.rows * split.panels * panel * s.k; };
  while (chunks() < 16 && split.panels > 1 && flops() > 2'000'000)
    split.panels = (split.panels + 1) / 2;
  while (chunks() < 16 && split.rows > 24 && flops() > 2'000'000)
    split.rows = (split.rows / 2 + 11) / 12 * 12;
  return split;
}

/// Panel j of all of b's columns.
template <typename T>
void pack_panel(const GemmShape& s, const T* b, int64_t j, int64_t panel, int64_t lanes,
                T* packed) {
  const int64_t end = std::min(s.n, (j + 1) * panel);
  T* strip = packed + j * panel * s.k;
  for (int64_t first = j * panel; first < end; first += lanes, strip += lanes * s.k)
    pack_strip(s, b, first, std::min(lanes, end - first), lanes, strip);
}

template <typename T>
void pack_all(const GemmShape& s, const T* b, T* packed) {
  const int64_t lanes = hn::Lanes(hn::ScalableTag<T>()), panel = kMaxVectors * lanes;
  parallel_chunks((s.n + panel - 1) / panel,
                  [&](int64_t j) { pack_panel(s, b, j, panel, lanes, packed); });
}

bool wants_dots(const GemmShape& s) { return s.transpose_b && !s.transpose_a && s.m <= kMostDots; }

/// A large b that few groups of rows read is packed block by block where it is used: it passes
/// through memory once instead of three times.
template <typename T>
bool packs_by_blocks(const GemmShape& s) {
  constexpr int64_t kLarge = 1 << 20;
  return !s.transpose_b && !s.packed_b && s.m > 24 && s.m <= 2 * kBlockM &&
         s.k * s.n * static_cast<int64_t>(sizeof(T)) > kLarge;
}

/// dst [vectors][k][lanes] = a block of b, zero past its columns.
template <class D, typename T = hn::TFromD<D>>
void pack_block(D d, const T* b, int64_t ldb, int64_t k, int64_t columns, T* dst) {
  const int64_t lanes = hn::Lanes(d);
  for (int64_t p = 0; p < k; ++p, b += ldb, dst += lanes)
    for (int64_t first = 0; first < columns; first += lanes)
      hn::Store(
          columns - first >= lanes
              ? hn::LoadU(d, b + first)
              : hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(columns - first)), d, b + first),
          d, dst + first * k);
}

template <typename T>
void run_gemm(const GemmShape& s, const T* a, const T* b, const T* bias, T* c, void* scratch,
              bool parallel) {
  const hn::ScalableTag<T> d;
  const int64_t lanes = hn::Lanes(d), panel = kMaxVectors * lanes;
  if (s.m == 0 || s.n == 0) return;
  if (wants_dots(s)) return run_dots(d, s, a, b, bias, c, parallel);
  const int64_t panels = (s.n + panel - 1) / panel;
  const T* packed = s.packed_b ? b : static_cast<const T*>(scratch);
  const auto width_of = [&](int64_t j) {
    return (std::min(panel, s.n - j * panel) + lanes - 1) / lanes * lanes;
  };
  // Reading b in place costs nothing extra when few rows reuse it; a ragged last panel is always
  // packed.
  const bool in_place = !s.transpose_b && s.m <= 24 && !s.packed_b;
  const bool by_blocks = packs_by_blocks<T>(s);
  const auto packs = [&](int64_t j) { return !in_place || s.n - j * panel < width_of(j); };
  auto pack = [&](int64_t j) {
    if (packs(j) && !s.packed_b && !by_blocks)
      pack_panel(s, b, j, panel, lanes, static_cast<T*>(scratch));
  };
  // Rows of a transposed a lie together; where they are also on few pages they are read there.
  const bool near_rows = s.lda * static_cast<int64_t>(sizeof(T)) <= 1024;
  const Split split = split_of<T>(s, panel);
  const int64_t groups = (panels + split.panels - 1) / split.panels;
  const int64_t chunks = (s.m + split.rows - 1) / split.rows * groups;
  auto chunk_body = [&](int64_t chunk) {
    const int64_t i0 = chunk / groups * split.rows, rows = std::min(split.rows, s.m - i0);
    const int64_t j_begin = chunk % groups * split.panels,
                  j_end = std::min(panels, j_begin + split.panels);
    HWY_ALIGN T a_block[kBlockK * kBlockM];  // a transposed block copied together: [k][rows]
    HWY_ALIGN T b_block[kBlockK * kMostPanel<T>];
    for (int64_t p0 = 0; p0 == 0 || p0 < s.k; p0 += kBlockK) {
      Tile<T> t;
      t.k = std::min(kBlockK, s.k - p0);
      if (s.transpose_a && near_rows) {
        t.a = a + p0 * s.lda + i0, t.a_row = 1, t.a_step = s.lda;
      } else if (s.transpose_a) {
        for (int64_t p = 0; p < t.k; ++p)
          std::memcpy(a_block + p * rows, a + (p0 + p) * s.lda + i0,
                      static_cast<size_t>(rows) * sizeof(T));
        t.a = a_block, t.a_row = 1, t.a_step = rows;
      } else {
        t.a = a + i0 * s.lda + p0, t.a_row = s.lda, t.a_step = 1;
      }
      t.load_c = p0 > 0 || s.accumulate;
      t.finish = p0 + kBlockK >= s.k;
      t.bias_per_row = s.bias_per_row, t.relu = s.relu, t.ldc = s.ldc;
      for (int64_t j = j_begin; j < j_end; ++j) {
        t.columns = std::min(panel, s.n - j * panel);
        const bool packed_panel = packs(j);
        t.b_step = packed_panel ? lanes : s.ldb;
        t.b_vector = packed_panel ? lanes * s.k : lanes;
        t.b = packed_panel ? packed + j * panel * s.k + p0 * lanes : b + p0 * s.ldb + j * panel;
        if (by_blocks) {
          pack_block(d, b + p0 * s.ldb + j * panel, s.ldb, t.k, t.columns, b_block);
          t.b = b_block, t.b_vector = lanes * t.k;
        }
        t.c = c + i0 * s.ldc + j * panel;
        t.bias = bias ? bias + (s.bias_per_row ? i0 : j * panel) : nullptr;
        run_panel(d, t, rows);
      }
    }
  };
  if (!parallel || chunks == 1) {
    for (int64_t j = 0; j < panels; ++j) pack(j);
    for (int64_t i = 0; i < chunks; ++i) chunk_body(i);
    return;
  }
  if (in_place || s.packed_b || by_blocks)
    pack(panels - 1);
  else
    parallel_chunks(panels, pack);
  parallel_chunks(chunks, chunk_body);
}

void gemm_f32(const GemmShape& s, const float* a, const float* b, const float* bias, float* c,
              void* scratch, bool parallel) {
  run_gemm(s, a, b, bias, c, scratch, parallel);
}
void gemm_f64(const GemmShape& s, const double* a, const double* b, const double* bias, double* c,
              void* scratch, bool parallel) {
  run_gemm(s, a, b, bias, c, scratch, parallel);
}

void pack_f32(const GemmShape& s, const float* b, float* packed) { pack_all(s, b, packed); }
void pack_f64(const GemmShape& s, const double* b, double* packed) { pack_all(s, b, packed); }
bool takes_packed(const GemmShape& s) { return !wants_dots(s); }

}  // namespace trivium::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu {

HWY_EXPORT(gemm_f32);
HWY_EXPORT(gemm_f64);
HWY_EXPORT(pack_f32);
HWY_EXPORT(pack_f64);
HWY_EXPORT(takes_packed);

size_t gemm_scratch_bytes(const GemmShape& shape, size_t element_size) {
  constexpr int64_t kMostLanes =
      16;  // columns are padded to whole vectors of at most this many elements
  const int64_t columns = (shape.n + kMostLanes - 1) / kMostLanes * kMostLanes;
  return static_cast<size_t>(columns * std::max<int64_t>(1, shape.k)) * element_size;
}

bool gemm_takes_packed(const GemmShape& shape) { return HWY_DYNAMIC_DISPATCH(takes_packed)(shape); }
void gemm_pack(const GemmShape& shape, const float* b, float* packed) {
  HWY_DYNAMIC_DISPATCH(pack_f32)(shape, b, packed);
}
void gemm_pack(const GemmShape& shape, const double* b, double* packed) {
  HWY_DYNAMIC_DISPATCH(pack_f64)(shape, b, packed);
}

void gemm(const GemmShape& shape, const float* a, const float* b, const float* bias, float* c,
          void* scratch, bool parallel) {
  HWY_DYNAMIC_DISPATCH(gemm_f32)(shape, a, b, bias, c, scratch, parallel);
}
void gemm(const GemmShape& shape, const double* a, const double* b, const double* bias, double* c,
          void* scratch, bool parallel) {
  HWY_DYNAMIC_DISPATCH(gemm_f64)(shape, a, b, bias, c, scratch, parallel);
}

}  // namespace trivium::cpu
#endif
