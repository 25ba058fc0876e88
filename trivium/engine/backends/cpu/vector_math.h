// The elementwise operations on float arrays, as functions compiled for each SIMD level and chosen
// for the machine at run time. The bytecode interpreter calls them a tile at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "trivium/engine/core/scalar_op.h"

namespace trivium::cpu {

/// Lengths given to TileFunctions are multiples of this, whatever the SIMD level.
inline constexpr size_t kTileStep = 16;

/// dst[i] = op(a[i], b[i], c[i]) for i < n, n a multiple of kTileStep. No alignment needed. dst may
/// be one of the operands but must not overlap one otherwise. Operands beyond the arity may be
/// null.
using TileFunction = void (*)(float* dst, const float* a, const float* b, const float* c, size_t n);

/// Arithmetic that may be joined in one pass: add, sub, mul, div, in this order.
inline constexpr int kPairOps = 4;
/// Position of an operation in the pair table, or -1.
int pair_index(ScalarOp op);

struct VectorKernels {
  TileFunction op[kScalarOpCount];
  /// second(first(a, b), c) at [first][second][0], second(c, first(a, b)) at [first][second][1]:
  /// two roundings, as two separate passes, but the value between stays in a register.
  TileFunction pair[kPairOps][kPairOps][2];
  /// Sum of n floats (n a multiple of kTileStep) by a tree whose form depends on n only.
  float (*sum)(const float* x, size_t n);
  /// "AVX3", "AVX2", "SCALAR", …
  const char* target;
};

/// The kernels for this machine. All levels give the same bits for exact operations; the
/// transcendental ones agree between AVX2 and AVX-512.
const VectorKernels& vector_kernels();

/// out[i] = op(a[i], b[i], c[i]) for any count, on the calling thread. out may be one of the
/// operands.
void apply(ScalarOp op, const float* a, const float* b, const float* c, float* out, int64_t count);

}  // namespace trivium::cpu
