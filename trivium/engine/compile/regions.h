// Nodes whose work is other plans: a while or cond gets a plan for each of its regions, made once
// and shared like every plan.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/compile/compile.h"
#include "trivium/engine/graph/op.h"
#include "trivium/engine/run/kernel.h"

namespace trivium::compile {

/// Stands for what no backend has a kernel for where an entry is wanted; never built from.
const run::KernelEntry& region_entry();

struct RegionStep {
  run::Kernel kernel;
  std::vector<std::pair<int, int>> in_place;  // carries the body writes where they are
  std::vector<std::pair<std::string, std::shared_ptr<const run::Plan>>> regions;
};
RegionStep region_step(const Graph& graph, int node, const Options& options);

}  // namespace trivium::compile
