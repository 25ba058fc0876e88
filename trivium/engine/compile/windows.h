// Windows: values that are parts of larger tensors and need no memory of their own. What a slice
// takes out of its operand is read where it lies; the operands of a concat are written into its
// result.
#pragma once

#include <map>
#include <vector>

#include "trivium/engine/compile/layout.h"

namespace trivium::compile {

/// A part of a tensor that kernels can read and write where it lies.
struct Window {
  int node;        // the slice or concat
  int64_t offset;  // elements from the beginning of the larger tensor
  std::vector<int64_t> strides;
};

struct Windows {
  std::map<Edge, Window> parts;
  std::vector<int> joined;  // concats whose operands are all written into their results
};

/// Values that only kernels with KernelEntry::windows make and read.
Windows find_windows(Unit& unit, const Layout& layout);

}  // namespace trivium::compile
