// Cutting a graph down to what its outputs need, and putting values in place of variables.
#include <deque>
#include <unordered_map>
#include <unordered_set>

#include "trivium/formats/graphdef.h"

namespace trivium::formats {
namespace {

bool is_ref_variable(const std::string& op) { return op == "VariableV2" || op == "Variable"; }

/// What a variable is saved under.
std::string key_of(const tf_proto::NodeDef& node) {
  const tf_proto::AttrValue* shared = find_attr(node, "shared_name");
  return node.op() == "VarHandleOp" && shared && !shared->s().empty() ? shared->s() : node.name();
}

void check_value(const tf_proto::NodeDef& node, const Array& value) {
  const std::string where = fmt::format("freeze: variable \"{}\"", node.name());
  if (!value.defined()) user_error("{}: a value expected, none was given", where);
  const tf_proto::AttrValue* type = find_attr(node, "dtype");
  if (type && dtype_of_tf(type->type()) != value.dtype())
    user_error("{}: {} expected, the value is {}", where, tf_type_name(type->type()), value.text());
  const tf_proto::AttrValue* declared = find_attr(node, "shape");
  if (!declared) return;
  const auto sizes = partial_shape_of_tf(declared->shape());
  // Old graphs write a shape without axes for one that is not known.
  if (!sizes || (sizes->empty() && node.op() == "Variable")) return;
  bool fits = static_cast<int>(sizes->size()) == value.shape().rank();
  for (int i = 0; fits && i < value.shape().rank(); ++i)
    fits = (*sizes)[static_cast<size_t>(i)] < 0 ||
           (*sizes)[static_cast<size_t>(i)] == value.shape()[i];
  if (!fits)
    user_error("{}: shape [{}] expected, the value is {}", where, fmt::join(*sizes, ", "),
               value.text());
}

tf_proto::NodeDef constant_node(const tf_proto::NodeDef& variable, const Array& value) {
  tf_proto::NodeDef out;
  out.set_name(variable.name());
  out.set_op("Const");
  out.set_device(variable.device());
  const tf_proto::AttrValue* declared = find_attr(variable, "dtype");
  const tf_proto::DataType type = declared ? declared->type() : tf_type_of(value.dtype());
  tf_proto::AttrValue& tensor = (*out.mutable_attr())["value"];
  *tensor.mutable_tensor() = array_to_tensor(value);
  (*out.mutable_attr())["dtype"].set_type(tf_type_of(value.dtype()));
  if (tf_type_of(value.dtype()) != type && tf_type_bytes(type) == size_of(value.dtype())) {
    tensor.mutable_tensor()->set_dtype(type);  // a quantised type over the same integers
    (*out.mutable_attr())["dtype"].set_type(type);
  }
  return out;
}

/// A read of a variable's resource is the variable's value itself now.
tf_proto::NodeDef identity_node(const tf_proto::NodeDef& read) {
  tf_proto::NodeDef out;
  out.set_name(read.name());
  out.set_op("Identity");
  out.set_device(read.device());
  *out.mutable_input() = read.input();
  if (const tf_proto::AttrValue* type = find_attr(read, "dtype"))
    (*out.mutable_attr())["T"].set_type(type->type());
  if (const tf_proto::AttrValue* group = find_attr(read, "_class"))
    (*out.mutable_attr())["_class"] = *group;
  return out;
}

bool writes_a_variable(const std::string& op) {
  return op.rfind("Assign", 0) == 0 || op.rfind("Scatter", 0) == 0 ||
         op.rfind("ResourceScatter", 0) == 0 || op.rfind("Apply", 0) == 0 ||
         op.rfind("ResourceApply", 0) == 0;
}

}  // namespace

tf_proto::GraphDef extract_sub_graph(const tf_proto::GraphDef& graph,
                                     const std::vector<std::string>& outputs) {
  std::unordered_map<std::string, int> position;
  for (int i = 0; i < graph.node_size(); ++i) position.emplace(graph.node(i).name(), i);
  std::vector<bool> needed(static_cast<size_t>(graph.node_size()));
  std::deque<int> open;
  const auto need = [&](const std::string& node, const std::string& who) {
    const auto found = position.find(node);
    if (found == position.end()) user_error("{} \"{}\" is not in the graph", who, node);
    if (needed[static_cast<size_t>(found->second)]) return;
    needed[static_cast<size_t>(found->second)] = true;
    open.push_back(found->second);
  };
  for (const std::string& output : outputs) need(output, "output");
  for (; !open.empty(); open.pop_front()) {
    const tf_proto::NodeDef& node = graph.node(open.front());
    for (const std::string& input : node.input())
      need(parse_tensor_name(input, node.name()).node,
           fmt::format("node \"{}\": input", node.name()));
  }
  tf_proto::GraphDef out;
  for (int i = 0; i < graph.node_size(); ++i)
    if (needed[static_cast<size_t>(i)]) *out.add_node() = graph.node(i);
  const auto* from = &graph;
  if (from->has_library()) *out.mutable_library() = from->library();
  if (graph.has_versions()) *out.mutable_versions() = graph.versions();
  return out;
}

tf_proto::GraphDef freeze_graph(const tf_proto::GraphDef& graph,
                                const std::vector<std::string>& outputs,
                                const std::function<Array(const std::string& key)>& value_of,
                                const std::vector<std::string>& kept) {
  tf_proto::GraphDef out = extract_sub_graph(graph, outputs);
  const std::unordered_set<std::string> stays(kept.begin(), kept.end());
  for (tf_proto::NodeDef& node : *out.mutable_node()) {
    const bool reads = node.op() == "ReadVariableOp" && node.input_size() > 0;
    if (stays.count(node.name()) || (reads && stays.count(node.input(0)))) continue;
    if (is_ref_variable(node.op()) || node.op() == "VarHandleOp") {
      const Array value = value_of(key_of(node));
      check_value(node, value);
      node = constant_node(node, value);
    } else if (node.op() == "ReadVariableOp") {
      node = identity_node(node);
    } else if (writes_a_variable(node.op())) {
      user_error("freeze: the outputs need node \"{}\" ({}), which writes to a variable",
                 node.name(), node.op());
    }
  }
  return out;
}

}  // namespace trivium::formats
