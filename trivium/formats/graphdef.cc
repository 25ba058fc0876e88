// Files of graphs, and the checks that make one safe to walk.
#include "trivium/formats/graphdef.h"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <unordered_set>

namespace trivium::formats {
namespace {

void check_inputs(const tf_proto::NodeDef& node, const std::unordered_set<std::string>& names,
                  const std::string& where) {
  bool control_seen = false;
  for (const std::string& text : node.input()) {
    const TensorName input = parse_tensor_name(text, where);
    if (control_seen && !input.control)
      user_error("{}: input \"{}\" comes after a control input, which must be last", where, text);
    control_seen |= input.control;
    if (names.count(input.node)) continue;
    // Comparing long names takes the product of their lengths.
    const std::string near = input.node.size() > 200 ? "" : closest_match(input.node, names);
    user_error("{}: input \"{}\" names no node of the graph{}", where, text,
               near.empty() ? "" : fmt::format("; did you mean \"{}\"?", near));
  }
}

}  // namespace

tf_proto::GraphDef read_graph(const std::string& path) {
  tf_proto::GraphDef graph;
  read_tf(path, "a GraphDef", &graph);
  return graph;
}

tf_proto::GraphDef parse_graph(Bytes bytes, const std::string& name) {
  tf_proto::GraphDef graph;
  parse_tf(bytes, name, "a GraphDef", &graph);
  return graph;
}

void write_graph(const std::string& path, const tf_proto::GraphDef& graph, TfForm form) {
  write_tf(path, graph, form);
}

tf_proto::MetaGraphDef read_meta_graph(const std::string& path) {
  tf_proto::MetaGraphDef graph;
  read_tf(path, "a MetaGraphDef", &graph);
  return graph;
}

tf_proto::MetaGraphDef parse_meta_graph(Bytes bytes, const std::string& name) {
  tf_proto::MetaGraphDef graph;
  parse_tf(bytes, name, "a MetaGraphDef", &graph);
  return graph;
}

void write_meta_graph(const std::string& path, const tf_proto::MetaGraphDef& graph, TfForm form) {
  write_tf(path, graph, form);
}

TensorName parse_tensor_name(const std::string& text, const std::string& where) {
  TensorName name;
  std::string_view rest = text;
  name.control = !rest.empty() && rest.front() == '^';
  if (name.control) rest.remove_prefix(1);
  const size_t colon = rest.rfind(':');
  if (colon != std::string_view::npos) {
    const std::string_view digits = rest.substr(colon + 1);
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), name.port);
    if (error != std::errc() || end != digits.data() + digits.size() || name.port < 0)
      user_error("{}: \"{}\": the number of an output expected after the colon", where, text);
    rest = rest.substr(0, colon);
  }
  if (rest.empty()) user_error("{}: \"{}\": the name of a node expected", where, text);
  name.node = rest;
  return name;
}

void check_graph(const tf_proto::GraphDef& graph, const std::string& name) {
  if (graph.versions().min_consumer() > kTfGraphVersion)
    user_error("{}: the graph asks for version {} of its reader, this one knows {}", name,
               graph.versions().min_consumer(), kTfGraphVersion);
  std::unordered_set<std::string> names;
  for (int i = 0; i < graph.node_size(); ++i) {
    const tf_proto::NodeDef& node = graph.node(i);
    if (node.name().empty()) user_error("{}: node {} ({}) has no name", name, i, node.op());
    if (node.op().empty()) user_error("{}: node \"{}\" has no op", name, node.name());
    if (!names.insert(node.name()).second)
      user_error("{}: node \"{}\" is there twice; names must differ", name, node.name());
  }
  for (const tf_proto::NodeDef& node : graph.node())
    check_inputs(node, names, fmt::format("{}: node \"{}\" ({})", name, node.name(), node.op()));
}

const tf_proto::AttrValue* find_attr(const tf_proto::NodeDef& node, const std::string& name) {
  const auto found = node.attr().find(name);
  return found == node.attr().end() ? nullptr : &found->second;
}

Array constant_of(const tf_proto::NodeDef& node, uint64_t max_bytes) {
  const tf_proto::AttrValue* value = find_attr(node, "value");
  if (node.op() != "Const" || !value || value->value_case() != tf_proto::AttrValue::kTensor)
    user_error("node \"{}\": a Const with a tensor as its value expected, it is {}", node.name(),
               node.op());
  return tensor_to_array(value->tensor(), fmt::format("node \"{}\"", node.name()), max_bytes);
}

}  // namespace trivium::formats
