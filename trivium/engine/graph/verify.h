// The IR's own rules, checked: run after every pass in tests and whenever a graph comes from
// outside.
#pragma once

#include "trivium/engine/graph/graph.h"

namespace trivium {

/// Every node is legal by its record: edges point backwards, arity and attributes fit, and the
/// shape rule gives the shapes and dtypes the graph holds. InternalError naming node, op and scope
/// when not.
void verify(const Graph& graph);

}  // namespace trivium
