// Operations whose work a program wrote itself: Python functions, queues, positions in data sets.
// The host runs them; everything else in a graph is computed by plans.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "trivium/notations/tf/input.h"
#include "trivium/notations/tf/session.h"

namespace trivium::tf {

/// A host operation of one of the types PyFunc, IteratorGetNext, QueueDequeueV2, … (computed
/// before the numbers of a run, which may use its outputs) or MakeIterator, QueueEnqueueV2, …
/// (after them, for its effect). `fn` gets the inputs' values and returns one value per output;
/// OpError when they are not of the types and shapes promised here.
std::shared_ptr<Operation> host_operation(
    const std::string& type, const std::vector<Input>& inputs,
    const std::vector<std::pair<DataType, PartialShape>>& outputs, HostFunction fn,
    const std::string& name = "");

}  // namespace trivium::tf
