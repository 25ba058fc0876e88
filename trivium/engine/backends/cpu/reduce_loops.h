// The loops of reductions over row-major memory: kept and folded axes are frozen in a plan, work is
// split by it alone, and sums gather in double, so results do not depend on threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "trivium/engine/core/dtype.h"

namespace trivium::cpu {

enum class Fold : uint8_t { sum, prod, max, min };

/// Output o (row-major over `keep`) folds rows of `inner` contiguous elements, or, when `columns`,
/// whole rows of `inner` outputs are folded element by element.
struct ReducePlan {
  Fold fold = Fold::sum;
  DType dtype = DType::f32;
  std::vector<int64_t> keep_sizes, keep_strides;
  std::vector<int64_t> fold_sizes, fold_strides;
  int64_t inner = 1;
  bool columns = false;
  double divisor = 1;  // of the total (mean)
  /// Batch-blocked input summed over its batch: rows are [.., lanes]; fold axis 0 counts the full
  /// blocks, and one more block at `tail_offset` has `tail_valid` valid lanes. 0 lanes: plain.
  int64_t lanes = 0, tail_offset = 0, tail_valid = 0;

  /// Fixes the split; call once the rest is set.
  void finish();
  size_t scratch_bytes() const;

  // Set by finish().
  int64_t keep_count = 1, fold_count = 1, segments = 1, splits = 1;
};

void run_reduce(const ReducePlan& plan, const void* x, void* y, void* scratch);

}  // namespace trivium::cpu
