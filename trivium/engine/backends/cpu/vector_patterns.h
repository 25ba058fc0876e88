// Small expressions that run as one tile operation instead of several: whole terms of optimizers
// and of gradients of activations. They round like the separate operations, in the same order; what
// they save is the trips through the L1 cache and the loads of scalar operands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "trivium/engine/core/scalar_op.h"

namespace trivium::cpu {

/// A node of a pattern: an operation, or an operand that must be an array or a scalar. Operands
/// with equal numbers must be the same value.
struct PatternNode {
  enum Kind : uint8_t { array, scalar, operation } kind;
  uint8_t operand;     // number of the array (0 … 4) or scalar (0 … 2)
  ScalarOp op;         // of an operation, with one or two children
  int8_t left, right;  // positions in Pattern::nodes; right is -1 for one operand
};

inline constexpr int kPatternArrays = 5, kPatternScalars = 3;
inline constexpr int kPatternOperands = kPatternArrays + kPatternScalars;

/// dst[i] = the expression, i < n (a multiple of kTileStep). x holds the arrays, then from
/// kPatternArrays on the scalars, of which the first element is read; unused places may be
/// anything.
using PatternFunction = void (*)(float* dst, const float* const* x, size_t n);

struct Pattern {
  std::vector<PatternNode> nodes;  // children before parents; the root is last
  PatternFunction run;
  int operations() const;
};

/// Largest patterns first.
const std::vector<Pattern>& vector_patterns();

}  // namespace trivium::cpu
