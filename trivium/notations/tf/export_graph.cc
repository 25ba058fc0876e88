// A graph as TensorFlow's GraphDef.
#include <set>
#include <unordered_set>

#include "trivium/notations/tf/graph_def.h"
#include "trivium/notations/tf/graph_def_parts.h"
#include "trivium/notations/tf/op_spec.h"

namespace trivium::tf {
namespace {

constexpr int kProducer = 134;  // the version of TensorFlow 1.15's graphs

/// Whether TensorFlow places the operation with the variable it refers to.
bool with_variable(const Operation& op) {
  if (op.num_inputs() == 0 || op.edges()[0].op->type() != "VariableV2") return false;
  const std::string& type = op.type();
  return type == "Identity" || type.rfind("Assign", 0) == 0 || type.rfind("Apply", 0) == 0 ||
         type.rfind("Scatter", 0) == 0 || type.rfind("SparseApply", 0) == 0 ||
         type == "IsVariableInitialized";
}

void add_shapes(const Operation& op, proto::NodeDef* node) {
  auto* list = (*node->mutable_attr())["_output_shapes"].mutable_list();
  for (int i = 0; i < op.num_outputs(); ++i) *list->add_shape() = shape_proto(op.out(i).shape);
}

/// The type of the node that holds what a host operation reads from; null for other operations.
const char* handle_type(const Operation& op) {
  if (op.num_inputs() > 0) return nullptr;
  if (op.type() == "IteratorGetNext") return "IteratorV2";
  return op.type() == "QueueDequeueV2" ? "FIFOQueueV2" : nullptr;
}

/// An iterator or a queue is no operation here; in the file it is a node, which has no content.
void handle_nodes(const Operation& op, const char* type, std::vector<proto::NodeDef>* nodes) {
  const bool iterator = std::string(type) == "IteratorV2";
  proto::NodeDef handle, node;
  handle.set_name(op.name() + "/handle");
  handle.set_op(type);
  auto& attrs = *handle.mutable_attr();
  for (const char* name : {"container", "shared_name"}) attrs[name].set_s("");
  if (!iterator) attrs["capacity"].set_i(-1);
  node.set_name(op.name());
  node.set_op(op.type());
  node.add_input(handle.name());
  const char* types = iterator ? "output_types" : "component_types";
  const char* shapes = iterator ? "output_shapes" : "shapes";
  for (int i = 0; i < op.num_outputs(); ++i) {
    attrs[types].mutable_list()->add_type(static_cast<proto::DataType>(op.out(i).type));
    if (iterator) *attrs[shapes].mutable_list()->add_shape() = shape_proto(op.out(i).shape);
  }
  if (!iterator) {
    attrs[shapes].mutable_list();
    (*node.mutable_attr())["timeout_ms"].set_i(-1);
  }
  (*node.mutable_attr())[types] = attrs[types];
  if (iterator) (*node.mutable_attr())[shapes] = attrs[shapes];
  for (const Operation* c : op.control_inputs()) node.add_input("^" + c->name());
  nodes->push_back(std::move(handle));
  nodes->push_back(std::move(node));
}

class Exporter {
 public:
  Exporter(const Graph& graph, const ExportOptions& options) : graph_(graph), options_(options) {}

  Exported run() {
    for (int i = 0; i < graph_.size(); ++i) {
      const Operation& op = *graph_.op(i);
      if (const std::string reason = add(op); !reason.empty()) {
        missing_.insert(&op);
        out_.left_out.push_back(fmt::format("{} ({}): {}", op.name(), op.type(), reason));
      }
    }
    out_.graph.mutable_versions()->set_producer(kProducer);
    return std::move(out_);
  }

 private:
  /// "" or why the operation can not be in the file.
  std::string add(const Operation& op) {
    for (const auto& e : op.edges())
      if (missing_.count(e.op)) return "needs " + e.op->name();
    for (const Operation* c : op.control_inputs())
      if (missing_.count(c)) return "waits for " + c->name();
    std::vector<proto::NodeDef> nodes;
    std::string reason;
    if (op.type() == "Gradients")
      reason = gradient_nodes(op, &nodes, out_.graph.mutable_library());
    else if (const char* handle = handle_type(op))
      handle_nodes(op, handle, &nodes);
    else
      reason = export_node(op, &nodes.emplace_back());
    if (!reason.empty() || op.id() < options_.from_version) return reason;
    for (proto::NodeDef& node : nodes) {
      if (options_.add_shapes && node.op() == op.type()) add_shapes(op, &node);
      *out_.graph.add_node() = std::move(node);
    }
    return "";
  }

  const Graph& graph_;
  const ExportOptions& options_;
  Exported out_;
  std::unordered_set<const Operation*> missing_;
};

/// How many tensors each argument of a signature has among `total`; empty when they do not fit.
std::vector<int> group_sizes(const std::vector<OpSignature::Arg>& args, const Operation& op,
                             int total) {
  int singles = 0, lists = 0;
  for (const auto& arg : args) (arg.list || !arg.count.empty() ? lists : singles)++;
  std::vector<int> sizes;
  int sum = 0;
  for (const auto& arg : args) {
    int size = 1;
    if (arg.list || !arg.count.empty()) {
      size = (total - singles) / std::max(1, lists);
      if (lists > 1 && op.has_attr(arg.count)) size = static_cast<int>(op.attr<int64_t>(arg.count));
    }
    sizes.push_back(size);
    sum += size;
  }
  return sum == total ? sizes : std::vector<int>();
}

using Bound = std::map<std::string, AttrData>;

/// What the dtypes and numbers of some arguments say of the attributes that name them.
void bind_attributes(const std::vector<OpSignature::Arg>& args, const std::vector<int>& sizes,
                     const std::vector<DataType>& types, const OpSignature& signature,
                     Bound* bound) {
  size_t at = 0;
  for (size_t i = 0; i < args.size(); ++i) {
    const OpSignature::Arg& arg = args[i];
    const auto begin = types.begin() + static_cast<std::ptrdiff_t>(at);
    if (arg.list)
      bound->emplace(arg.type, std::vector<DataType>(begin, begin + sizes[i]));
    else if (sizes[i] > 0 && signature.attr(arg.type))
      bound->emplace(arg.type, *begin);
    if (!arg.count.empty()) bound->emplace(arg.count, int64_t{sizes[i]});
    at += static_cast<size_t>(sizes[i]);
  }
}

}  // namespace

std::string edge_name(const Operation::Edge& edge) {
  int index = edge.index;
  if (edge.op->type() == "Gradients") index = gradient_output(*edge.op, index);
  return index == 0 ? edge.op->name() : fmt::format("{}:{}", edge.op->name(), index);
}

std::string fill_attributes(const Operation& op, proto::NodeDef* node) {
  const OpSignature* signature = op_signature(op.type());
  if (!signature) return "TensorFlow has no such operation";
  std::vector<DataType> in, out;
  for (const auto& e : op.edges()) in.push_back(e.op->out(e.index).type);
  for (int i = 0; i < op.num_outputs(); ++i) out.push_back(op.out(i).type);
  const auto in_sizes = group_sizes(signature->inputs, op, op.num_inputs());
  if (in_sizes.empty() && !signature->inputs.empty())
    return "its inputs are not those of TensorFlow's operation";
  Bound bound;
  bind_attributes(signature->inputs, in_sizes, in, *signature, &bound);
  // Where an operation has fewer outputs here, those it has come first.
  const auto out_sizes = group_sizes(signature->outputs, op, op.num_outputs());
  if (!out_sizes.empty()) bind_attributes(signature->outputs, out_sizes, out, *signature, &bound);
  for (const OpSignature::Attr& attr : signature->attrs) {
    const std::string where =
        fmt::format("attribute {} of {} ({})", attr.name, op.name(), op.type());
    AttrData value;
    if (const auto it = bound.find(attr.name); it != bound.end())
      value = it->second;
    else if (op.has_attr(attr.name))
      value = op.attr(attr.name);
    else if (attr.fallback)
      value = parse_default(*attr.fallback, attr.kind);
    else
      return fmt::format("its attribute {} is not known", attr.name);
    (*node->mutable_attr())[attr.name] = attr_value(value, attr.kind, where);
  }
  return "";
}

std::string export_node(const Operation& op, proto::NodeDef* node) {
  if (op.type() == "Gradients") return "it stands for a whole derivative";
  if (!op.has_attr(kOpaqueNode)) {
    const std::string reason = fill_attributes(op, node);
    if (!reason.empty()) return reason;
  } else if (!node->ParseFromString(op.attr<std::string>(kOpaqueNode))) {
    internal_error("tf: the node of {} is damaged", op.name());
  }
  node->set_name(op.name());
  node->set_op(op.type());
  node->set_device(op.device());
  for (const auto& e : op.edges()) node->add_input(edge_name(e));
  std::set<std::string> gates;
  for (const auto& e : op.edges())
    if (e.op->type() == "Gradients") gates.insert(gradient_gate(*e.op));
  for (const Operation* c : op.control_inputs()) node->add_input("^" + c->name());
  for (const std::string& gate : gates)
    if (!gate.empty()) node->add_input("^" + gate);
  if (with_variable(op))
    (*node->mutable_attr())["_class"].mutable_list()->add_s("loc:@" + op.edges()[0].op->name());
  return "";
}

Exported export_graph(const Graph& graph, const ExportOptions& options) {
  return Exporter(graph, options).run();
}

}  // namespace trivium::tf
