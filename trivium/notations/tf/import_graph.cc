// TensorFlow's GraphDef as operations of a graph: what is checked of a file before and after, and
// what is handed back. The nodes themselves are the Importer's.
#include <map>
#include <set>

#include "trivium/notations/tf/graph_def.h"
#include "trivium/notations/tf/importer.h"

namespace trivium::tf {
namespace {

/// NotImplementedError that lists every type without support.
void check_types(const proto::GraphDef& graph) {
  struct Seen {
    int count = 0;
    std::string node;
  };
  std::map<std::string, Seen> unknown;
  const auto look = [&](const google::protobuf::RepeatedPtrField<proto::NodeDef>& nodes) {
    for (const proto::NodeDef& node : nodes) {
      if (importable(node.op()) || is_call(node.op()) || node.op() == "SymbolicGradient") continue;
      Seen& seen = unknown[node.op()];
      if (++seen.count == 1) seen.node = node.name();
    }
  };
  look(graph.node());
  for (const auto& function : graph.library().function()) look(function.node_def());
  if (unknown.empty()) return;
  std::string text =
      fmt::format("Op type not registered '{}': the graph has operations that are not supported:",
                  unknown.begin()->first);
  int shown = 0;
  for (const auto& [type, seen] : unknown) {
    if (++shown > 40) {
      text += fmt::format("\n  … and {} more types", unknown.size() - 40);
      break;
    }
    const std::string near = type.size() > 60 ? "" : closest_match(type, op_types());
    text += fmt::format("\n  {} ({} node{}, one is '{}'){}", type, seen.count,
                        seen.count == 1 ? "" : "s", seen.node,
                        near.empty() ? "" : "; the nearest supported is " + near);
  }
  throw NotImplementedError(
      text +
      "\nimport with strict=False to keep them as operations that can not be run, or cut the "
      "graph down to what its outputs need (tf.graph_util.extract_sub_graph)");
}

/// Opens the scope of an import and closes it again.
class ImportScope {
 public:
  ImportScope(Graph& graph, const std::string& name) : graph_(graph) { graph.push_scope(name); }
  ~ImportScope() { graph_.pop_scope(); }
  ImportScope(const ImportScope&) = delete;
  ImportScope& operator=(const ImportScope&) = delete;

 private:
  Graph& graph_;
};

void check_map(const ImportOptions& options, const proto::GraphDef& graph,
               const std::set<std::string>& used) {
  std::set<std::string> names;
  for (const auto& node : graph.node()) names.insert(node.name());
  std::vector<std::string> lost;
  for (const auto& [key, value] : options.input_map) {
    const std::string node = formats::parse_tensor_name(key, "input_map").node;
    if (!used.count(key) && !names.count(node)) lost.push_back(key);
  }
  if (!lost.empty())
    raise<ValueError>("Attempted to map inputs that were not found in graph_def: [{}]",
                      fmt::join(lost, ", "));
}

}  // namespace

Imported import_graph(const proto::GraphDef& graph_def, const ImportOptions& options) {
  if (graph_def.versions().min_consumer() > formats::kTfGraphVersion)
    raise<ValueError>(
        "GraphDef min consumer version {} above current version {} for TensorFlow 1.15.  Please "
        "upgrade TensorFlow.",
        graph_def.versions().min_consumer(), formats::kTfGraphVersion);
  for (int i = 0; i < graph_def.node_size(); ++i)
    if (graph_def.node(i).name().empty() || graph_def.node(i).op().empty())
      raise<ValueError>("Node {} of the graph has no {}", i,
                        graph_def.node(i).name().empty() ? "name" : "op");
  if (options.strict) check_types(graph_def);
  const auto graph = default_graph();
  ImportContext context{*graph, options, graph_def.versions().producer()};
  Imported out;
  const ImportScope scope(*graph, options.name);
  out.scope = graph->scope().empty() ? "" : graph->scope() + "/";
  Importer importer(context, graph_def.library(), &out, 0);
  importer.add_all(graph_def.node());
  for (const std::string& element : options.return_elements) {
    const formats::TensorName name = formats::parse_tensor_name(element, "return_elements");
    const auto it = importer.made().find(name.node);
    const bool tensor = element.find(':') != std::string::npos;
    if (tensor) {
      const bool there =
          it != importer.made().end() && name.port < static_cast<int>(it->second.outputs.size());
      if (!there && !options.input_map.count(element))
        raise<ValueError>("Requested return tensor '{}' not found in graph def", element);
      const Tensor t = importer.tensor(element);
      out.returned.emplace_back(t.operation(), t.index());
    } else {
      if (it == importer.made().end() || !it->second.op)
        raise<ValueError>("Requested return node '{}' not found in graph def", element);
      out.returned.emplace_back(it->second.op, -1);
    }
  }
  check_map(options, graph_def, importer.used());
  return out;
}

}  // namespace trivium::tf
