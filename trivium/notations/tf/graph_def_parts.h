// What the writers of GraphDefs share: single nodes, and the functions gradients become.
#pragma once

#include <string>
#include <vector>

#include "trivium/notations/tf/attr_values.h"

namespace trivium::tf {

/// The attribute in which an operation of a type that is not supported keeps its node.
inline constexpr const char* kOpaqueNode = "_node";

/// Sets every attribute of the signature. "", or why TensorFlow has no such node.
std::string fill_attributes(const Operation& op, proto::NodeDef* node);
/// "name" or "name:1", as the inputs of nodes are written.
std::string edge_name(const Operation::Edge& edge);

/// A Gradients operation as a SymbolicGradient node, with the nodes it needs before it and the
/// function of what lies between xs and ys. "", or why that is not possible.
std::string gradient_nodes(const Operation& op, std::vector<proto::NodeDef>* nodes,
                           proto::FunctionDefLibrary* library);
/// The node that waits for all outputs of that node, "" when the graph has one. TensorFlow takes
/// the function apart, and its updates of reference variables would otherwise overtake gradients
/// that still read them; optimizers of TensorFlow (GATE_OP) put tuples there for the same reason.
std::string gradient_gate(const Operation& op);
/// The output of that node for x number `index`.
int gradient_output(const Operation& op, int index);

}  // namespace trivium::tf
