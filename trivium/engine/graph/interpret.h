// The reference interpreter: runs any graph in double precision through the references of the op
// records. Slow and obvious; what every kernel, pass and gradient is checked against.
#pragma once

#include <map>
#include <vector>

#include "trivium/engine/graph/region.h"

namespace trivium {

struct InterpretInputs {
  std::vector<Array> inputs;    // in the order of Graph::inputs()
  std::vector<double> scalars;  // in the order of Graph::scalars()
};

/// Values of `fetches` in double precision. Cells are read, never written.
std::vector<struct RefTensor> interpret(const Graph& graph, const std::vector<Value>& fetches,
                                        const InterpretInputs& inputs);

/// Results of a region, from its inputs in order.
std::vector<struct RefTensor> interpret_region(const Region& region,
                                               const std::vector<const struct RefTensor*>& inputs);
/// The same for some of the values of a region's graph.
std::vector<struct RefTensor> interpret_region(const Graph& graph,
                                               const std::vector<Value>& fetches,
                                               const std::vector<const struct RefTensor*>& inputs);

}  // namespace trivium
