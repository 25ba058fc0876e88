// Moves elements between two walks of memory: every op that only rearranges is one or a few of
// these.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "trivium/engine/run/kernel.h"

namespace trivium::cpu {

/// to[to_offset + i · to_strides] = from[from_offset + i · from_strides] for all i of the box
/// `sizes`. Strides and offsets count elements; strides may be 0 or negative on the side that is
/// read.
struct StridedCopy {
  std::vector<int64_t> sizes, from_strides, to_strides;
  int64_t from_offset = 0, to_offset = 0;
  size_t element_bytes = 4;

  /// Merges axes and chooses the loops; call once the rest is set.
  void finish();
  void run(const void* from, void* to) const;

 private:
  enum class Inner : uint8_t { copy, repeat, strided, transpose };
  template <typename T>
  void run_typed(const T* from, T* to) const;
  Inner inner_ = Inner::copy;
  int64_t count_ = 0;
};

/// Strides with which `in` is read while walking the memory of `out` (NumPy broadcasting from the
/// last axis). Both have their formats set; a plain operand of a batch-blocked result repeats along
/// blocks and lanes, one of a channel-blocked result has one channel or whole blocks of them.
std::vector<int64_t> walk_strides(const run::TensorDesc& in, const run::TensorDesc& out);

}  // namespace trivium::cpu
