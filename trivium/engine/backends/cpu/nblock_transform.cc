// Blocked transposes: 4x4 tiles in registers, in an order that reads and writes whole cache lines.
#include "trivium/engine/backends/cpu/nblock_transform.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "trivium/engine/backends/cpu/nblock_transform.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "trivium/engine/core/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace trivium::cpu::nblock::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET != HWY_SCALAR
constexpr int kTile = 4;

// Transposes 4x4 floats: to[j * to_stride + i] = from[i * from_stride + j].
HWY_INLINE void transpose4(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> d2;
  const auto a = hn::LoadU(d, from), b = hn::LoadU(d, from + from_stride);
  const auto c = hn::LoadU(d, from + 2 * from_stride), e = hn::LoadU(d, from + 3 * from_stride);
  const auto ab_lo = hn::BitCast(d2, hn::InterleaveLower(d, a, b));
  const auto ab_hi = hn::BitCast(d2, hn::InterleaveUpper(d, a, b));
  const auto ce_lo = hn::BitCast(d2, hn::InterleaveLower(d, c, e));
  const auto ce_hi = hn::BitCast(d2, hn::InterleaveUpper(d, c, e));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d2, ab_lo, ce_lo)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d2, ab_lo, ce_lo)), d, to + to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d2, ab_hi, ce_hi)), d, to + 2 * to_stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d2, ab_hi, ce_hi)), d, to + 3 * to_stride);
}
#else
constexpr int kTile = 1;
HWY_INLINE void transpose4(const float* from, int64_t, float* to, int64_t) { *to = *from; }
#endif

void BlockToRows(const float* block, int64_t count, int64_t items, int lanes, float* rows,
                 int64_t row_stride) {
  const int64_t full_items = items / kTile * kTile, full = count / 16 * 16;
  for (int64_t r = 0; r < full; r += 16) {
    for (int64_t i = 0; i < full_items; i += kTile) {
      for (int64_t q = r; q < r + 16; q += kTile) {
        transpose4(block + q * lanes + i, lanes, rows + i * row_stride + q, row_stride);
      }
    }
  }
  for (int64_t i = 0; i < items; ++i) {
    for (int64_t r = i < full_items ? full : 0; r < count; ++r) {
      rows[i * row_stride + r] = block[r * lanes + i];
    }
  }
}

void RowsToBlock(const float* rows, int64_t row_stride, int64_t count, int64_t items, int lanes,
                 float* block) {
  const int64_t full_items = items / kTile * kTile, full = count / 16 * 16;
  for (int64_t r = 0; r < full; r += 16) {
    for (int64_t i = 0; i < full_items; i += kTile) {
      for (int64_t q = r; q < r + 16; q += kTile) {
        transpose4(rows + i * row_stride + q, row_stride, block + q * lanes + i, lanes);
      }
    }
  }
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t i = r < full ? full_items : 0; i < items; ++i) {
      block[r * lanes + i] = rows[i * row_stride + r];
    }
    for (int64_t i = items; i < lanes; ++i) block[r * lanes + i] = 0.f;
  }
}

}  // namespace trivium::cpu::nblock::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace trivium::cpu::nblock {
namespace {

constexpr int64_t kPieceRows = 1024;

// Calls body(block, items, first, count) for pieces of at most kPieceRows values an item of every
// block.
template <typename Body>
void for_pieces(int64_t batch, int64_t per_item, int lanes, Body&& body) {
  const int64_t blocks = (batch + lanes - 1) / lanes;
  const int64_t pieces = (per_item + kPieceRows - 1) / kPieceRows;
  parallel_for(
      blocks * pieces, per_item < 256 ? 256 / (per_item + 1) + 1 : 1,
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t block = i / pieces, first = i % pieces * kPieceRows;
          const int64_t items = batch - block * lanes < lanes ? batch - block * lanes : lanes;
          body(block, items, first, per_item - first < kPieceRows ? per_item - first : kPieceRows);
        }
      });
}

}  // namespace

HWY_EXPORT(BlockToRows);
HWY_EXPORT(RowsToBlock);

void block_to_rows(const float* block, int64_t count, int64_t items, int lanes, float* rows,
                   int64_t row_stride) {
  HWY_DYNAMIC_DISPATCH(BlockToRows)(block, count, items, lanes, rows, row_stride);
}

void rows_to_block(const float* rows, int64_t row_stride, int64_t count, int64_t items, int lanes,
                   float* block) {
  HWY_DYNAMIC_DISPATCH(RowsToBlock)(rows, row_stride, count, items, lanes, block);
}

void plain_to_nblock(const float* x, int64_t batch, int64_t per_item, int lanes, float* y) {
  for_pieces(batch, per_item, lanes,
             [&](int64_t block, int64_t items, int64_t first, int64_t count) {
               rows_to_block(x + block * lanes * per_item + first, per_item, count, items, lanes,
                             y + (block * per_item + first) * lanes);
             });
}

void nblock_to_plain(const float* x, int64_t batch, int64_t per_item, int lanes, float* y) {
  for_pieces(batch, per_item, lanes,
             [&](int64_t block, int64_t items, int64_t first, int64_t count) {
               block_to_rows(x + (block * per_item + first) * lanes, count, items, lanes,
                             y + block * lanes * per_item + first, per_item);
             });
}

}  // namespace trivium::cpu::nblock
#endif  // HWY_ONCE
