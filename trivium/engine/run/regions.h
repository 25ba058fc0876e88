// Steps that run other plans: loops and choices; and calls into the host. An iteration costs its
// kernels and a few pointers: carries change places between two buffers, or stay where they are
// when the body can write them there; rows of stacks are read and written where they lie.
#pragma once

#include <functional>

#include "trivium/engine/run/plan.h"

namespace trivium::run {

/// The plan of a region, and which of the region's inputs each of its input slots is.
struct RegionPlan {
  std::shared_ptr<const Plan> plan;
  std::vector<int> inputs;
};

/// A while node: operands and results in its order (ops/control.h).
struct LoopParts {
  RegionPlan condition;  // without a plan: known, or a tape's
  RegionPlan body;
  int carries = 0, rows = 0, captures = 0, saves = 0;
  int64_t trips = -1;
  bool reverse = false;
  std::vector<size_t> carry_bytes, row_bytes, save_bytes;
};
Kernel loop_kernel(LoopParts parts);
/// Operands: predicate, captures.
Kernel choice_kernel(RegionPlan then, RegionPlan otherwise);

/// What a host_call calls: arguments, and results to be filled in (both live only during the call).
struct HostFunction {
  std::function<void(const std::vector<Array>& arguments, const std::vector<Array>& results)> call;
  /// An int64 that refers to the function and keeps it alive: what host_call's operand is bound to.
  static Array bound(
      std::function<void(const std::vector<Array>&, const std::vector<Array>&)> call);
};
Kernel host_call_kernel(std::vector<TensorDesc> in, std::vector<TensorDesc> out);

}  // namespace trivium::run
