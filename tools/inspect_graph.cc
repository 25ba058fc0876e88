#include "tools/inspect_graph.h"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "tools/graph_picture.h"
#include "trivium/engine/core/error.h"
#include "trivium/formats/checkpoint_file.h"
#include "trivium/formats/saved_model.h"

namespace trivium::tools {
namespace {

namespace fs = std::filesystem;
using formats::tf_proto::GraphDef;
using formats::tf_proto::MetaGraphDef;
using formats::tf_proto::NodeDef;
using formats::tf_proto::TensorShapeProto;

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string shape_text(const TensorShapeProto& shape) {
  if (shape.unknown_rank()) return "<unknown>";
  std::vector<std::string> sizes;
  for (const auto& d : shape.dim()) sizes.push_back(d.size() < 0 ? "?" : std::to_string(d.size()));
  return fmt::format("[{}]", fmt::join(sizes, ", "));
}

std::string type_text(int type) {
  std::string name = formats::tf_type_name(type);
  if (name.rfind("DT_", 0) == 0) name = name.substr(3);
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

/// The shape a node says it has: an attribute, a hint, or that of its constant.
std::string node_shape(const NodeDef& node) {
  const auto* hint = formats::find_attr(node, "_output_shapes");
  if (hint && hint->list().shape_size() > 0) return shape_text(hint->list().shape(0));
  if (const auto* shape = formats::find_attr(node, "shape")) return shape_text(shape->shape());
  if (const auto* value = formats::find_attr(node, "value"))
    return shape_text(value->tensor().tensor_shape());
  return "";
}

std::string node_type(const NodeDef& node) {
  for (const char* name : {"dtype", "T"})
    if (const auto* type = formats::find_attr(node, name)) return type_text(type->type());
  return "";
}

void show_nodes(const char* title, const std::vector<const NodeDef*>& nodes) {
  constexpr size_t kShown = 40;
  fmt::print("{}: {}\n", title, nodes.size());
  for (size_t i = 0; i < nodes.size() && i < kShown; ++i)
    fmt::print("  {}  {} {} {}\n", nodes[i]->name(), nodes[i]->op(), node_type(*nodes[i]),
               node_shape(*nodes[i]));
  if (nodes.size() > kShown) fmt::print("  … and {} more\n", nodes.size() - kShown);
}

void show_graph(const GraphDef& graph) {
  std::map<std::string, int> counts;
  std::set<std::string> used;
  std::vector<const NodeDef*> inputs, outputs, variables;
  uint64_t constants = 0;
  for (const NodeDef& node : graph.node()) {
    ++counts[node.op()];
    for (const std::string& input : node.input())
      used.insert(formats::parse_tensor_name(input, node.name()).node);
    if (node.op().rfind("Placeholder", 0) == 0 || node.op() == "IteratorGetNext")
      inputs.push_back(&node);
    if (node.op() == "VariableV2" || node.op() == "Variable" || node.op() == "VarHandleOp")
      variables.push_back(&node);
    if (node.op() == "Const")
      if (const auto* value = formats::find_attr(node, "value"))
        constants += value->tensor().tensor_content().size();
  }
  for (const NodeDef& node : graph.node())
    if (!used.count(node.name()) && node.op() != "NoOp" && node.op() != "Const" &&
        node.op().rfind("Assign", 0) != 0)
      outputs.push_back(&node);
  fmt::print("{} nodes, producer {}, {} bytes of constants, {} functions\n", graph.node_size(),
             graph.versions().producer(), constants, graph.library().function_size());
  show_nodes("inputs", inputs);
  show_nodes("outputs (nothing uses them)", outputs);
  if (!variables.empty()) show_nodes("variables", variables);
  std::vector<std::pair<int, std::string>> sorted;
  for (const auto& [op, count] : counts) sorted.emplace_back(-count, op);
  std::sort(sorted.begin(), sorted.end());
  fmt::print("operations:\n");
  for (const auto& [count, op] : sorted) fmt::print("  {:6}  {}\n", -count, op);
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.flush();
  if (!out) throw EnvironmentError(fmt::format("cannot write {}", path));
  fmt::print("wrote {}\n", path);
}

/// Constants and what only reads one are left out: they are as many as all the rest.
Picture picture_of(const GraphDef& graph, const std::string& title) {
  Picture picture;
  picture.title = title;
  std::map<std::string, int> place;
  for (const NodeDef& node : graph.node()) {
    const bool reads = node.op() == "Identity" && node.input_size() == 1 &&
                       !place.count(formats::parse_tensor_name(node.input(0), "input").node);
    if (node.op() == "Const" || reads) continue;
    place[node.name()] = static_cast<int>(picture.nodes.size());
    picture.nodes.push_back({node.name(), node.op(), node_shape(node)});
  }
  for (const NodeDef& node : graph.node()) {
    const auto to = place.find(node.name());
    if (to == place.end()) continue;
    for (const std::string& input : node.input()) {
      const auto from = place.find(formats::parse_tensor_name(input, node.name()).node);
      if (from != place.end() && from->second != to->second)
        picture.edges.emplace_back(from->second, to->second);
    }
  }
  return picture;
}

void draw(const GraphDef& graph, const std::string& title, const GraphPictures& pictures) {
  if (pictures.dot.empty() && pictures.svg.empty()) return;
  const Picture picture = picture_of(graph, title);
  if (!pictures.dot.empty()) write_text(pictures.dot, dot_picture(picture));
  if (!pictures.svg.empty()) write_text(pictures.svg, svg_picture(picture));
}

void show_meta(const MetaGraphDef& meta) {
  for (const auto& [name, collection] : std::map<std::string, formats::tf_proto::CollectionDef>(
           meta.collection_def().begin(), meta.collection_def().end()))
    fmt::print("collection {}: {} entries\n", name,
               collection.node_list().value_size() + collection.bytes_list().value_size() +
                   collection.int64_list().value_size() + collection.float_list().value_size() +
                   collection.any_list().value_size());
  if (meta.has_saver_def()) fmt::print("saver: {}\n", meta.saver_def().restore_op_name());
  const std::map<std::string, formats::tf_proto::SignatureDef> signatures(
      meta.signature_def().begin(), meta.signature_def().end());
  for (const auto& [name, signature] : signatures) {
    fmt::print("signature {} ({})\n", name, signature.method_name());
    const auto rows = [](const char* what, const auto& infos) {
      const std::map<std::string, formats::tf_proto::TensorInfo> sorted(infos.begin(), infos.end());
      for (const auto& [key, info] : sorted)
        fmt::print("  {} {}: {} {} {}\n", what, key, info.name(), type_text(info.dtype()),
                   shape_text(info.tensor_shape()));
    };
    rows("input", signature.inputs());
    rows("output", signature.outputs());
  }
  show_graph(meta.graph_def());
}

void show_checkpoint(const std::string& prefix) {
  const formats::CheckpointReader reader(prefix);
  fmt::print("{}: checkpoint of version {}, {} tensors\n", prefix, reader.version(),
             reader.tensors().size());
  int64_t numbers = 0;
  for (const auto& tensor : reader.tensors()) {
    int64_t count = 1;
    for (int64_t d : tensor.shape) count *= d;
    numbers += count;
    fmt::print("  {}  {} [{}]\n", tensor.name, type_text(tensor.type),
               fmt::join(tensor.shape, ", "));
  }
  fmt::print("  sum: {} elements\n", numbers);
}

/// The prefix of a checkpoint that a path means; "" none.
std::string checkpoint_prefix(const std::string& path) {
  if (fs::exists(path + ".index")) return path;
  if (ends_with(path, ".index")) return path.substr(0, path.size() - 6);
  const size_t data = path.rfind(".data-");
  return data != std::string::npos && fs::exists(path.substr(0, data) + ".index")
             ? path.substr(0, data)
             : "";
}

}  // namespace

bool inspect_tensorflow(const std::string& path, const GraphPictures& pictures) {
  if (fs::is_directory(path)) {
    if (!formats::is_saved_model(path)) return false;
    const formats::SavedModelDirectory model(path);
    for (const auto& meta : model.proto().meta_graphs()) {
      fmt::print("{}: SavedModel, tags {}\n", path, fmt::join(meta.meta_info_def().tags(), ", "));
      show_meta(meta);
    }
    if (model.has_variables()) show_checkpoint(model.variables_prefix());
    if (model.proto().meta_graphs_size() > 0)
      draw(model.proto().meta_graphs(0).graph_def(), path, pictures);
    return true;
  }
  if (ends_with(path, ".meta")) {
    const MetaGraphDef meta = formats::read_meta_graph(path);
    fmt::print("{}: MetaGraph\n", path);
    show_meta(meta);
    draw(meta.graph_def(), path, pictures);
    return true;
  }
  if (ends_with(path, ".pb") || ends_with(path, ".pbtxt")) {
    const GraphDef graph = formats::read_graph(path);
    fmt::print("{}: GraphDef\n", path);
    show_graph(graph);
    draw(graph, path, pictures);
    return true;
  }
  if (const std::string prefix = checkpoint_prefix(path); !prefix.empty()) {
    if (!pictures.dot.empty() || !pictures.svg.empty())
      user_error("{}: a checkpoint holds tensors and no graph to draw; its .meta file does", path);
    show_checkpoint(prefix);
    return true;
  }
  return false;
}

}  // namespace trivium::tools
