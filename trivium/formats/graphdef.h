// GraphDef files: frozen graphs, graphs of training programs, and the MetaGraphDef beside a
// checkpoint; in binary and in text.
//
//   auto graph = read_graph("frozen.pb");
//   for (const auto& node : graph.node())
//     if (node.op() == "Const") Array value = constant_of(node);
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "trivium/formats/proto/tf_saved.pb.h"
#include "trivium/formats/tf_messages.h"
#include "trivium/formats/tf_tensor.h"

namespace trivium::formats {

/// Reads a graph, binary or text. EnvironmentError when it cannot be read; UserError naming the
/// byte or line when it is no GraphDef. Unknown fields of the binary form are kept.
tf_proto::GraphDef read_graph(const std::string& path);
tf_proto::GraphDef parse_graph(Bytes bytes, const std::string& name);
/// Writes atomically; UserError for more than 2^31 - 1 bytes.
void write_graph(const std::string& path, const tf_proto::GraphDef& graph,
                 TfForm form = TfForm::binary);

/// The file ".meta" beside a checkpoint, or a graph that export_meta_graph wrote.
tf_proto::MetaGraphDef read_meta_graph(const std::string& path);
tf_proto::MetaGraphDef parse_meta_graph(Bytes bytes, const std::string& name);
void write_meta_graph(const std::string& path, const tf_proto::MetaGraphDef& graph,
                      TfForm form = TfForm::binary);

/// An input of a node: "name", "name:2" or "^name".
struct TensorName {
  std::string node;
  int port = 0;
  bool control = false;
};
/// UserError naming `where` for an empty name or a port that is no number below 2^31. In functions
/// an input reads "name:output:2", which comes back with the node "name:output".
TensorName parse_tensor_name(const std::string& text, const std::string& where = "tensor name");

/// Checks what every reader of a graph relies on: node names are there and differ, inputs name
/// nodes, control inputs come last, and `versions.min_consumer` does not pass kTfGraphVersion.
/// UserError naming the node and the nearest name. Cycles are legal (loops have them).
void check_graph(const tf_proto::GraphDef& graph, const std::string& name);
/// The newest producer whose graphs are understood.
inline constexpr int kTfGraphVersion = 2474;

/// The attribute of a node; null when it is not there.
const tf_proto::AttrValue* find_attr(const tf_proto::NodeDef& node, const std::string& name);
/// The value of a Const node. UserError naming the node for other nodes and for broken values.
Array constant_of(const tf_proto::NodeDef& node, uint64_t max_bytes = kMaxTensorBytes);

/// The nodes that `outputs` (node names) need, in the order of the graph, with functions and
/// versions. UserError naming an output that is not there.
tf_proto::GraphDef extract_sub_graph(const tf_proto::GraphDef& graph,
                                     const std::vector<std::string>& outputs);
/// Freezes: extract_sub_graph with every variable replaced by a Const of the same name that holds
/// `value_of(key)`. The key is the node's name, or for a resource variable its shared_name when it
/// has one; reads of resource variables become Identity nodes. Devices are kept. UserError when a
/// value's shape or type does not fit its variable, or the kept part still writes to a variable.
/// Variables in `kept` (names of nodes) stay variables.
tf_proto::GraphDef freeze_graph(const tf_proto::GraphDef& graph,
                                const std::vector<std::string>& outputs,
                                const std::function<Array(const std::string& key)>& value_of,
                                const std::vector<std::string>& kept = {});

}  // namespace trivium::formats
