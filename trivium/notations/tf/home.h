// Where a variable lives: in the order in which the engine computes with it. A filter [h, w, in,
// out] is kept as [out, in, h, w], the weight of a matrix product as [out, in]. A weight whose rows
// follow a flattened image with its channels last is kept as a filter of the image's size: that
// image is then flattened as it lies, channels first.
#pragma once

#include <vector>

#include "trivium/engine/graph/graph.h"
#include "trivium/notations/tf/graph.h"

namespace trivium::tf {

struct Home {
  /// How the Cell's axes come from the variable's; empty: the same.
  std::vector<int64_t> order;
  /// What the variable's axes are split in before that; empty: nothing is split.
  std::vector<int64_t> split;

  /// The value in the variable's order, and back into that of the Cell.
  Value logical(Value stored) const;
  Value stored(Value logical) const;
};

/// As the first user of a variable computes with it. A slot goes with its variable.
Home home_of(Operation* variable);

/// a · b for a flattened image and a weight that lives as above, or a weight that lives turned;
/// undefined where b is neither.
Value product_at_home(Value a, Value b, bool transpose_a, bool transpose_b);

}  // namespace trivium::tf
