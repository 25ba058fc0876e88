// execute: the second half of the narrow waist. Binds arrays and Cells to a plan's slots and runs
// its steps in order. After the first run nothing is allocated.
#pragma once

#include <vector>

#include "trivium/engine/run/plan.h"

namespace trivium::run {

class Profile;

/// Everything a run needs, in the order of Plan::inputs, scalars and cells.
struct Bindings {
  std::vector<Array> inputs;
  std::vector<double> scalars;
  std::vector<CellRef> cells;
};

/// Runs the plan. outputs[i] is reused when it already has the right shape and dtype and nobody
/// else holds its memory, else newly allocated. Cells the plan assigns are updated in place and
/// touched(). UserError when a binding does not fit (which slot, what was expected); on an error
/// thrown by a step (for example a label out of range) Cells may be part-way only if the plan had
/// begun to update them.
void execute(const Plan& plan, const Bindings& bindings, std::vector<Array>& outputs,
             Profile* profile = nullptr);

}  // namespace trivium::run
