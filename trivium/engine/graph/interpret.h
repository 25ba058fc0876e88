// The reference interpreter: runs any graph in double precision through the references of the op
// records. Slow and obvious; what every kernel, pass and gradient is checked against.
#pragma once

#include <map>
#include <vector>

#include "trivium/engine/graph/graph.h"

namespace trivium {

struct InterpretInputs {
  std::vector<Array> inputs;    // in the order of Graph::inputs()
  std::vector<double> scalars;  // in the order of Graph::scalars()
};

/// Values of `fetches` in double precision. Cells are read, never written.
std::vector<struct RefTensor> interpret(const Graph& graph, const std::vector<Value>& fetches,
                                        const InterpretInputs& inputs);

}  // namespace trivium
