// Graphs <-> TensorFlow's GraphDef: what Python's as_graph_def and import_graph_def do.
//
//   tf::import_graph(formats::read_graph("frozen.pb"), {});
//   formats::write_graph("graph.pb", tf::export_graph(*tf::default_graph()).graph);
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trivium/formats/graphdef.h"
#include "trivium/notations/tf/graph.h"

namespace trivium::tf {

struct ExportOptions {
  bool add_shapes = false;  ///< "_output_shapes" on every node
  int from_version = 0;     ///< only operations from this number on
};

struct Exported {
  formats::tf_proto::GraphDef graph;
  /// Operations without an equivalent in TensorFlow, and those that need them: "name (type)". They
  /// are not in `graph`.
  std::vector<std::string> left_out;
};

/// The operations of a graph in the order of creation, with TensorFlow's attributes. Gradients
/// become SymbolicGradient nodes over functions that hold what lies between ys and xs.
Exported export_graph(const Graph& graph, const ExportOptions& options = {});

/// One operation as a node. "", or why TensorFlow has no such node.
std::string export_node(const Operation& op, formats::tf_proto::NodeDef* node);

struct ImportOptions {
  /// The scope of the nodes, made unique; "" none.
  std::string name = "import";
  /// Tensors to take in place of nodes' outputs ("x:0"), and operations in place of control inputs
  /// ("^x").
  std::map<std::string, Tensor> input_map = {};
  std::vector<std::string> return_elements = {};  ///< "y:0" or "y", by the names of the graph file
  /// Whether a type that is not supported is an error. If not, its nodes are kept as operations
  /// that can not be run.
  bool strict = true;
  uint64_t max_constant_bytes = formats::kMaxTensorBytes;
};

struct Imported {
  /// A tensor, or the operation when the second is -1; in the order of return_elements.
  std::vector<std::pair<std::shared_ptr<Operation>, int>> returned;
  /// What each node became: its name in the file -> operation.
  std::map<std::string, Operation*> operations;
  std::string scope;  ///< what was put before the names, with its "/"; "" nothing
  std::vector<std::string> not_supported;  ///< "name (type)", when not strict
};

/// Adds the nodes of a graph file to the default graph. ValueError / TypeError with TensorFlow's
/// words for a graph that is not sound; NotImplementedError listing every type that is not
/// supported, with counts and the name of one node each.
Imported import_graph(const formats::tf_proto::GraphDef& graph, const ImportOptions& options = {});

}  // namespace trivium::tf
