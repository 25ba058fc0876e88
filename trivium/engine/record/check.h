// The debug modes of recording: what they look at after an op has run.
#pragma once

#include <string>
#include <vector>

#include "trivium/engine/graph/graph.h"

namespace trivium::record {

/// UserError naming the op and layer when one of its results holds NaN or infinity.
void require_finite(const std::string& op, const std::string& scope,
                    const std::vector<Array>& results);
/// Runs `fetches` through the plan road and through the float64 reference interpreter;
/// InternalError naming the op when they part by more than float32 rounding explains.
void check_against_reference(const Graph& graph, const std::vector<Value>& fetches,
                             const std::vector<Array>& inputs, const std::vector<double>& scalars);

}  // namespace trivium::record
