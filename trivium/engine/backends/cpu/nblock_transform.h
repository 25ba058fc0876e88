// Between plain [batch, per_item] and batch-blocked [ceil(batch/B)][per_item][B] (see
// nblock_conv.h).
#pragma once

#include <cstdint>

namespace trivium::cpu::nblock {

/// y (nblock) = x (plain). Lanes past the batch are set to zero.
void plain_to_nblock(const float* x, int64_t batch, int64_t per_item, int lanes, float* y);
/// y (plain) = x (nblock).
void nblock_to_plain(const float* x, int64_t batch, int64_t per_item, int lanes, float* y);

/// One block on the calling thread: rows[i * row_stride + r] = block[r * lanes + i], i < items <=
/// lanes, r < count.
void block_to_rows(const float* block, int64_t count, int64_t items, int lanes, float* rows,
                   int64_t row_stride);
/// The inverse; lanes items … lanes-1 of the block are set to zero.
void rows_to_block(const float* rows, int64_t row_stride, int64_t count, int64_t items, int lanes,
                   float* block);

}  // namespace trivium::cpu::nblock
