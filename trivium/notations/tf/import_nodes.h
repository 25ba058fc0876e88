// The inside of import_graph: one node at a time, and what old or other forms of nodes become.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "trivium/notations/tf/attr_values.h"
#include "trivium/notations/tf/graph_def.h"
#include "trivium/notations/tf/op_spec.h"

namespace trivium::tf {

/// What a node became.
struct ImportedNode {
  std::shared_ptr<Operation> op;
  std::vector<Tensor> outputs;
};

/// A node whose inputs are there already.
struct NodeToImport {
  proto::NodeDef node;  // its name is the name wanted
  std::vector<Tensor> inputs;
  std::vector<Operation*> controls;
};

/// How the nodes of one graph file are made.
struct ImportContext {
  Graph& graph;
  const ImportOptions& options;
  int producer = 0;  // the version of the file
};

/// Whether nodes of a type can be imported: it has a spec, or becomes something that has.
bool importable(const std::string& type);
/// The operation of a type with a spec; what older TensorFlow wrote in another form is rewritten.
/// ValueError / TypeError with TensorFlow's words when the node does not fit its signature.
ImportedNode import_node(ImportContext& context, NodeToImport made);
/// An operation that stands for a node that can not be run. `types`: the dtypes of its outputs.
ImportedNode import_opaque(ImportContext& context, const NodeToImport& made,
                           std::vector<DataType> types);
/// What a node says its outputs' dtypes are; an empty list when it says nothing.
std::vector<DataType> declared_outputs(const proto::NodeDef& node);
/// Turns a node in an older or another form into one with a spec; adds constants it needs.
void rewrite_node(ImportContext& context, NodeToImport* made);

}  // namespace trivium::tf
