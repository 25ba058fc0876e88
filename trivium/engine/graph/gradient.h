// Derivatives, recorded as ops: one reverse walk over the graph. Gradients of gradients come for
// free.
#pragma once

#include <vector>

#include "trivium/engine/graph/graph.h"

namespace trivium {

enum class Unconnected { none, zeros, error };

/// Gradients of sum(ys[i] * seeds[i]) with respect to each x. Empty seeds mean ones. A value that
/// feeds several consumers gets one fan-in sum in recording order. Integer and bool values carry
/// none. `none` leaves an undefined Value for an x that ys do not depend on.
std::vector<Value> gradients(const std::vector<Value>& ys, const std::vector<Value>& xs,
                             const std::vector<Value>& seeds = {},
                             Unconnected unconnected = Unconnected::none);

/// Sum of gradients of one value. Rows that were scattered into zeros are added in place instead.
Value add_up(Graph& graph, const std::vector<Value>& parts);

}  // namespace trivium
