// Graphs as text, one node a line, and back. For golden tests, for reports of errors, and for eyes.
//
//   %0 = input "data" : float32[64, 1, 28, 28]
//   %1 = cell @0 "conv1.weight" : float32[20, 1, 5, 5]
//   %2 = constant [0.5] : float32[]
//   %3 = conv(%0, %1) {groups=1, strides=[1, 1], …} : float32[64, 20, 24, 24]  # conv1
//   %4 = max_pool(%3) {…} : float32[64, 20, 12, 12], uint8[64, 20, 12, 12]
//   assign @0 "conv1.weight" = %9.1
//
// Output k > 0 of a node is written %n.k; the scope follows #. Contents of Cells are not part of
// the text.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "trivium/engine/graph/graph.h"

namespace trivium {

/// Stable: the same graph gives the same text.
std::string to_text(const Graph& graph);

/// The graph a text describes: to_text of it is the text again. Cells hold zeros. UserError with
/// line and column when the text is wrong, also where the shapes written differ from those the ops
/// give. Safe for text from anywhere.
std::unique_ptr<Graph> parse_text(std::string_view text);

/// What `fetches` and the assignments compute, without names, scopes and nodes that only hand a
/// value on (stop_gradient, a reshape to the same shape), numbered in the order in which operands
/// are first needed: equal for equal computations, whatever the order of recording.
std::string canonical_text(const Graph& graph, std::span<const Value> fetches);

/// A graph with its results, as an attribute of a region op holds it: `inputs` come first, in this
/// order, then what `results` need in the order it is needed; scopes stay, names do not.
std::string region_text(const Graph& graph, std::span<const Value> inputs,
                        std::span<const Value> results);
/// What region_text wrote; the last lines, "fetch %n", say what the results are.
std::unique_ptr<Graph> parse_region_text(std::string_view text, std::vector<Value>* results);

}  // namespace trivium
