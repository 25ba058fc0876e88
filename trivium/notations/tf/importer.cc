// Nodes in the order in which they need each other, without recursion; each becomes an operation,
// an operation that can not be run, or the written-out body of a function.
#include "trivium/notations/tf/importer.h"

#include <algorithm>

#include "trivium/notations/tf/switches.h"

namespace trivium::tf {

bool is_call(const std::string& type) {
  return type == "PartitionedCall" || type == "StatefulPartitionedCall";
}

void Importer::add_all(const google::protobuf::RepeatedPtrField<proto::NodeDef>& nodes) {
  for (const proto::NodeDef& node : nodes) {
    if (!nodes_.emplace(node.name(), &node).second || made_.count(node.name()))
      raise<ValueError>("Node '{}' is not unique", node.name());
  }
  for (const proto::NodeDef& node : nodes) {
    for (const std::string& text : node.input()) check_input(node, text);
    note_uses(node);
  }
  for (const proto::NodeDef& node : nodes) add_with_inputs(node);
}

void Importer::check_input(const proto::NodeDef& node, const std::string& text) const {
  const std::string from = node_of(text);
  if (!nodes_.count(from) && !made_.count(from) && !mapped(text))
    raise<ValueError>("Node '{}': Unknown input node '{}'", node.name(), text);
}

/// Remembers the dtypes that known operations expect of others, and which outputs are used.
void Importer::note_uses(const proto::NodeDef& node) {
  const OpSignature* signature = op_signature(node.op());
  for (int i = 0; i < node.input_size() && node.input(i)[0] != '^'; ++i) {
    const Place place = place_of(node.input(i));
    used_ports_[place.node].insert(place.port);
    auto& types = uses_[place.node];
    if (place.port >= static_cast<int>(types.size()) && place.port < kMaxOutputs)
      types.resize(static_cast<size_t>(place.port) + 1, DataType::invalid);
    if (!signature || i >= static_cast<int>(signature->inputs.size())) continue;
    const auto& arg = signature->inputs[static_cast<size_t>(i)];
    if (arg.list || !arg.count.empty()) {
      signature = nullptr;  // what follows is not counted
      continue;
    }
    const proto::AttrValue* type = formats::find_attr(node, arg.type);
    if (type && place.port < kMaxOutputs)
      if (const auto known = known_data_type(type->type()))
        types[static_cast<size_t>(place.port)] = *known;
  }
}

/// Adds a node after the nodes it needs, without recursion.
void Importer::add_with_inputs(const proto::NodeDef& first) {
  if (made_.count(first.name())) return;
  std::vector<std::pair<const proto::NodeDef*, int>> stack{{&first, 0}};
  open_.insert(first.name());
  while (!stack.empty()) {
    auto& [node, next] = stack.back();
    if (next < node->input_size()) {
      const std::string& text = node->input(next++);
      const std::string from = node_of(text);
      const auto it = nodes_.find(from);
      if (it == nodes_.end() || made_.count(from) || mapped(text)) continue;
      if (!open_.insert(from).second) {
        cycle(*node, text);
        continue;
      }
      stack.emplace_back(it->second, 0);
      continue;
    }
    const proto::NodeDef* done = node;
    stack.pop_back();
    open_.erase(done->name());
    add(*done);
  }
}

void Importer::cycle(const proto::NodeDef& node, const std::string& text) const {
  const bool loop = node.op() == "Merge" || node.op() == "RefMerge";
  if (loop && !context_.options.strict) return;
  if (loop)
    raise<NotImplementedError>(
        "Node '{}' ({}) begins a loop (its input {} comes from its own result); loops of "
        "imported "
        "graphs are not supported",
        node.name(), node.op(), text);
  raise<ValueError>("The graph has a cycle through node '{}' ({}), by its input {}", node.name(),
                    node.op(), text);
}

void Importer::add(const proto::NodeDef& node) {
  NodeToImport wanted{node, {}, {}};
  bool complete = true;
  for (const std::string& text : node.input()) {
    if (text[0] == '^') {
      const auto mapped = context_.options.input_map.find(text);
      const auto it = made_.find(text.substr(1));
      if (depth_ == 0 && mapped != context_.options.input_map.end())
        wanted.controls.push_back(mapped->second.op()), used_.insert(text);
      else if (it != made_.end() && it->second.op)
        wanted.controls.push_back(it->second.op.get());
      continue;
    }
    const Tensor input = tensor(text);
    if (input.defined())
      wanted.inputs.push_back(input);
    else
      complete = false;  // what a loop brings back
  }
  ImportedNode& result = made_[node.name()];
  const bool calls = is_call(node.op()) || node.op() == "SymbolicGradient";
  if (calls)
    result = call(wanted);
  else if (complete && importable(node.op()) && !needs_opaque(wanted) &&
           !runs_conditionally(wanted))
    result = import_node(context_, std::move(wanted));
  else
    result = opaque(wanted);
  hints(node, result);
  if (depth_ == 0 && result.op) out_->operations[node.name()] = result.op.get();
}

/// Whether an input has a dtype this notation does not have.
bool Importer::needs_opaque(const NodeToImport& node) {
  return std::any_of(node.inputs.begin(), node.inputs.end(),
                     [](const Tensor& t) { return t.dtype() == DataType::invalid; });
}

/// Whether a node that changes something lies behind a Switch: both sides of one are computed.
bool Importer::runs_conditionally(const NodeToImport& node) {
  const std::string& type = node.node.op();
  const auto starts = [&](const char* what) { return type.rfind(what, 0) == 0; };
  if (!(starts("Assign") || starts("Apply") || starts("Scatter") || starts("Resource") ||
        starts("SparseApply") || type == "Assert" || type == "Print" || type == "SaveV2"))
    return false;
  return std::any_of(node.inputs.begin(), node.inputs.end(),
                     [](const Tensor& t) {
                       return !conditions_of(Operation::Edge{t.op(), t.index()}).empty();
                     }) ||
         std::any_of(node.controls.begin(), node.controls.end(),
                     [](Operation* c) { return !conditions_of(c).empty(); });
}

ImportedNode Importer::opaque(const NodeToImport& wanted) {
  std::vector<DataType> types = declared_outputs(wanted.node);
  const auto uses = uses_.find(wanted.node.name());
  if (uses != uses_.end()) {
    if (types.size() < uses->second.size()) types.resize(uses->second.size(), DataType::invalid);
    for (size_t i = 0; i < uses->second.size(); ++i)
      if (uses->second[i] != DataType::invalid) types[i] = uses->second[i];
  }
  out_->not_supported.push_back(fmt::format("{} ({})", wanted.node.name(), wanted.node.op()));
  return import_opaque(context_, wanted, types);
}

/// Shapes that the file knows besides.
void Importer::hints(const proto::NodeDef& node, const ImportedNode& made) {
  const proto::AttrValue* shapes = formats::find_attr(node, "_output_shapes");
  if (!shapes) return;
  const int count =
      std::min<int>(shapes->list().shape_size(), static_cast<int>(made.outputs.size()));
  for (int i = 0; i < count; ++i) {
    const PartialShape shape = partial_shape_of(shapes->list().shape(i), node.name());
    const Tensor& output = made.outputs[static_cast<size_t>(i)];
    if (output.shape().compatible(shape)) output.set_shape(shape);
  }
}

}  // namespace trivium::tf
