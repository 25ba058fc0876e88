// Switch and Merge, the form in which graph files have conditions: what lies behind an output of a
// Switch counts only when its predicate has that value, and a Merge gives the input that counts.
#pragma once

#include <map>

#include "trivium/notations/tf/graph.h"

namespace trivium::tf {

/// Predicates (as map keys) and the values under which something counts.
using Conditions = std::map<int64_t, std::pair<Operation::Edge, bool>>;

/// Under which conditions an output counts; empty: always.
Conditions conditions_of(const Operation::Edge& edge);
/// The same for an operation: those of all it needs and waits for.
Conditions conditions_of(Operation* op);

}  // namespace trivium::tf
