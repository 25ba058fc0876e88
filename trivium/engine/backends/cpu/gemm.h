// Matrix product on plain memory, float32 and float64: packed columns of b, register tiles, fixed
// split.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trivium::cpu {

/// c [m, n] = act(a [m, k] * b [k, n] + bias). Transposed operands are stored [k, m] and [n, k].
/// The sum over k runs in order in blocks, so results do not depend on threads. `ld*` count
/// elements of a stored row.
struct GemmShape {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false, transpose_b = false;
  int64_t lda = 0, ldb = 0, ldc = 0;
  bool accumulate = false;    // adds to what c holds
  bool bias_per_row = false;  // bias [m] instead of [n]
  bool relu = false;
  bool packed_b = false;  // b is what gemm_pack has made of it
};

/// Bytes of scratch `gemm` needs for elements of `element_size` bytes.
size_t gemm_scratch_bytes(const GemmShape& shape, size_t element_size);
/// Whether a packed b changes only the time: some shapes read b as it lies, in another order.
bool gemm_takes_packed(const GemmShape& shape);
/// b as `gemm` reads it fastest, gemm_scratch_bytes long: for products that repeat with one b.
void gemm_pack(const GemmShape& shape, const float* b, float* packed);
void gemm_pack(const GemmShape& shape, const double* b, double* packed);
/// `parallel` false: runs on the calling thread only (for callers that split the work themselves).
void gemm(const GemmShape& shape, const float* a, const float* b, const float* bias, float* c,
          void* scratch, bool parallel = true);
void gemm(const GemmShape& shape, const double* a, const double* b, const double* bias, double* c,
          void* scratch, bool parallel = true);

}  // namespace trivium::cpu
