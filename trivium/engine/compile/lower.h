// Lowering: a graph with a layout becomes the steps and buffers of a Plan.
#pragma once

#include <memory>

#include "trivium/engine/compile/layout.h"
#include "trivium/engine/run/plan.h"

namespace trivium::compile {

std::shared_ptr<run::Plan> lower(Unit& unit, const Layout& layout, const run::Backend& backend);

}  // namespace trivium::compile
