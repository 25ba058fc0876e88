// Layout assignment: which kernel computes each node and in which memory format, so that the sum of
// predicted kernel and reorder times is small.
#pragma once

#include <vector>

#include "trivium/engine/compile/unit.h"
#include "trivium/engine/run/backend.h"

namespace trivium::compile {

/// The way one node runs. A view has no kernel: its output is its input's memory.
struct Choice {
  const run::KernelEntry* entry = nullptr;
  run::Placement placement;
  bool view = false;
};

struct Layout {
  std::vector<Choice> nodes;  // per node of the graph; leaves have none
  double predicted_us = 0;    // kernels and reorders
};

/// What a kernel is asked for node n, formats still plain. `steady`: of steady_nodes().
run::KernelRequest request_for(const Graph& graph, int n, int threads,
                               const std::vector<char>& steady);
/// Predicted time of changing the format of a value.
double reorder_us(const ValueMeta& meta, const run::Machine& machine);

/// UserError naming op, dtype and the kernels there are when no kernel takes a node.
Layout choose_layout(Unit& unit, const run::Backend& backend);
/// The same by trying everything: for tests, graphs of at most about twelve nodes.
Layout choose_layout_exhaustively(Unit& unit, const run::Backend& backend);

}  // namespace trivium::compile
