// TensorFlow's GraphDef as operations of a graph.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "trivium/notations/tf/graph_def.h"
#include "trivium/notations/tf/import_nodes.h"
#include "trivium/notations/tf/switches.h"
#include "trivium/notations/tf/translator.h"

namespace trivium::tf {
namespace {

constexpr int kMaxCalls = 32;           // functions inside functions
constexpr int64_t kMaxNodes = 1 << 20;  // of functions, written out

bool is_call(const std::string& type) {
  return type == "PartitionedCall" || type == "StatefulPartitionedCall";
}

/// Nodes of a graph or of a function's body, and what they became.
class Importer {
 public:
  Importer(ImportContext& context, const proto::FunctionDefLibrary& library, Imported* out,
           int depth)
      : context_(context), library_(library), out_(out), depth_(depth) {}

  /// Arguments of a function by their names.
  void argument(const std::string& name, const Tensor& value) { made_[name] = {nullptr, {value}}; }

  void add_all(const google::protobuf::RepeatedPtrField<proto::NodeDef>& nodes) {
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

  /// A tensor by the name a node's input has: "x", "x:1", in functions "x:output:0".
  Tensor tensor(const std::string& text) {
    const auto mapped = context_.options.input_map.find(text);
    if (depth_ == 0 && mapped != context_.options.input_map.end()) {
      used_.insert(text);
      return mapped->second;
    }
    const Place place = place_of(text);
    if (const auto again =
            context_.options.input_map.find(fmt::format("{}:{}", place.node, place.port));
        depth_ == 0 && again != context_.options.input_map.end()) {
      used_.insert(again->first);
      return again->second;
    }
    const auto it = made_.find(place.node);
    if (it == made_.end()) return {};
    if (place.port >= static_cast<int>(it->second.outputs.size()))
      raise<ValueError>("Node '{}' has {} outputs here, output {} was asked for", place.node,
                        it->second.outputs.size(), place.port);
    return it->second.outputs[static_cast<size_t>(place.port)];
  }

  const std::unordered_map<std::string, ImportedNode>& made() const { return made_; }
  const std::set<std::string>& used() const { return used_; }

 private:
  struct Place {
    std::string node;
    int port = 0;
  };

  /// Splits a name; the port of "node:output:1" is found through the signature of the node.
  Place place_of(const std::string& text) const {
    const formats::TensorName name = formats::parse_tensor_name(text, "node input");
    const size_t colon = name.node.find(':');
    if (colon == std::string::npos) return {name.node, name.port};
    const std::string node = name.node.substr(0, colon), output = name.node.substr(colon + 1);
    const auto it = nodes_.find(node);
    const OpSignature* signature = it == nodes_.end() ? nullptr : op_signature(it->second->op());
    int before = 0;
    if (signature)
      for (const auto& arg : signature->outputs) {
        if (arg.name == output) return {node, before + name.port};
        ++before;  // lists come last in every type that has one
      }
    if (it != nodes_.end() && is_call(it->second->op())) return {node, name.port};
    raise<ValueError>("Node '{}': the output \"{}\" is not one of its outputs", node, output);
  }

  std::string node_of(const std::string& text) const {
    const std::string name = formats::parse_tensor_name(text, "node input").node;
    return name.substr(0, name.find(':'));
  }

  void check_input(const proto::NodeDef& node, const std::string& text) const {
    const std::string from = node_of(text);
    if (!nodes_.count(from) && !made_.count(from) && !mapped(text))
      raise<ValueError>("Node '{}': Unknown input node '{}'", node.name(), text);
  }

  bool mapped(const std::string& text) const {
    if (depth_ > 0) return false;
    const auto& map = context_.options.input_map;
    return map.count(text) || map.count(text + ":0");
  }

  /// Remembers the dtypes that known operations expect of others, and which outputs are used.
  void note_uses(const proto::NodeDef& node) {
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
  void add_with_inputs(const proto::NodeDef& first) {
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

  void cycle(const proto::NodeDef& node, const std::string& text) const {
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

  void add(const proto::NodeDef& node) {
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
  static bool needs_opaque(const NodeToImport& node) {
    return std::any_of(node.inputs.begin(), node.inputs.end(),
                       [](const Tensor& t) { return t.dtype() == DataType::invalid; });
  }

  /// Whether a node that changes something lies behind a Switch: both sides of one are computed.
  static bool runs_conditionally(const NodeToImport& node) {
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

  ImportedNode opaque(const NodeToImport& wanted) {
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
  static void hints(const proto::NodeDef& node, const ImportedNode& made) {
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

  /// Writes out the body of a function in place of a node that calls it.
  ImportedNode call(NodeToImport wanted) {
    const proto::AttrValue* f = formats::find_attr(wanted.node, "f");
    const std::string name = f ? f->func().name() : "";
    const auto it = std::find_if(library_.function().begin(), library_.function().end(),
                                 [&](const auto& d) { return d.signature().name() == name; });
    if (it == library_.function().end())
      raise<ValueError>("Node '{}' ({}) calls the function \"{}\", which is not in the library",
                        wanted.node.name(), wanted.node.op(), name);
    if (depth_ >= kMaxCalls)
      raise<ValueError>("Node '{}' calls functions inside functions more than {} deep",
                        wanted.node.name(), kMaxCalls);
    const int inputs = it->signature().input_arg_size();
    const bool gradient = wanted.node.op() == "SymbolicGradient";
    const int expected = inputs + (gradient ? it->signature().output_arg_size() : 0);
    if (static_cast<int>(wanted.inputs.size()) != expected)
      raise<ValueError>("Node '{}' ({}) has {} inputs, its function \"{}\" needs {}",
                        wanted.node.name(), wanted.node.op(), wanted.inputs.size(), name, expected);
    if (context_.graph.size() + it->node_def_size() > kMaxNodes)
      raise<ValueError>(
          "Node '{}': the graph has more than {} operations once its functions are "
          "written out",
          wanted.node.name(), kMaxNodes);
    Importer body(context_, library_, out_, depth_ + 1);
    const std::string scope = context_.graph.push_scope(wanted.node.name());
    context_.graph.push_control(wanted.controls, true);
    ImportedNode result;
    try {
      if (gradient) make_independent(&wanted.inputs, inputs, used_ports_[wanted.node.name()]);
      for (int i = 0; i < inputs; ++i)
        body.argument(it->signature().input_arg(i).name(), wanted.inputs[static_cast<size_t>(i)]);
      body.add_all(it->node_def());
      for (const auto& out : it->signature().output_arg()) {
        const auto ret = it->ret().find(out.name());
        const Tensor value = ret == it->ret().end() ? Tensor() : body.tensor(ret->second);
        if (!value.defined())
          raise<ValueError>("function \"{}\" does not say what its result {} is", name, out.name());
        result.outputs.push_back(value);
      }
      if (gradient) result = derivative(wanted, result.outputs, scope);
    } catch (...) {
      context_.graph.pop_control();
      context_.graph.pop_scope();
      throw;
    }
    context_.graph.pop_control();
    context_.graph.pop_scope();
    if (!result.op && !result.outputs.empty()) result.op = result.outputs[0].operation();
    return result;
  }

  /// The arguments of a function that is differentiated do not depend on each other: those that do
  /// are passed through operations that keep them apart.
  void make_independent(std::vector<Tensor>* arguments, int count, const std::set<int>& used) {
    std::set<int64_t> by;  // what is differentiated by
    for (int i : used)
      if (i < count) by.insert(key_of((*arguments)[static_cast<size_t>(i)]));
    for (int i = 0; i < count; ++i) {
      Tensor& argument = (*arguments)[static_cast<size_t>(i)];
      if (!is_floating(argument.dtype()) || !depends_on(argument, by)) continue;
      const bool differentiated = used.count(i) != 0;
      const auto apart = context_.graph.create(differentiated ? "Identity" : "StopGradient",
                                               {argument}, {}, fmt::format("argument_{}", i));
      if (differentiated) apart->set_attr("_distinct", true);
      argument = apart->output();
    }
  }

  /// Whether a tensor is computed from one of `keys` (and is not itself one).
  static bool depends_on(const Tensor& tensor, const std::set<int64_t>& keys) {
    std::unordered_set<Operation*> seen{tensor.op()};
    std::vector<Operation*> stack{tensor.op()};
    while (!stack.empty()) {
      Operation* op = stack.back();
      stack.pop_back();
      for (const auto& e : op->edges()) {
        if (keys.count(key_of(e))) return true;
        if (seen.insert(e.op).second) stack.push_back(e.op);
      }
    }
    return false;
  }

  /// The Gradients operation of a function that has been written out, under the node's own name.
  ImportedNode derivative(const NodeToImport& wanted, const std::vector<Tensor>& ys,
                          const std::string& scope) {
    const size_t total = wanted.inputs.size() - ys.size();
    std::vector<Tensor> inputs = ys, xs;
    std::vector<size_t> place(total, 0);
    for (size_t i = 0; i < total; ++i)
      if (is_floating(wanted.inputs[i].dtype())) {
        place[i] = xs.size();
        xs.push_back(wanted.inputs[i]);
      }
    inputs.insert(inputs.end(), xs.begin(), xs.end());
    for (size_t i = total; i < wanted.inputs.size(); ++i) inputs.push_back(wanted.inputs[i]);
    ImportedNode result;
    if (xs.empty()) return result;
    for (const Tensor& x : xs)
      if (x.op()->type() == "Identity" && x.op()->edges()[0].op->type() != "VariableV2")
        x.op()->set_attr("_distinct", true);
    result.op = context_.graph.create("Gradients", inputs,
                                      {{"ys", static_cast<int64_t>(ys.size())},
                                       {"xs", static_cast<int64_t>(xs.size())},
                                       {"seeds", static_cast<int64_t>(ys.size())},
                                       {"stops", int64_t{0}}},
                                      scope);
    for (size_t i = 0; i < total; ++i)
      result.outputs.push_back(result.op->output(static_cast<int>(place[i])));
    return result;
  }

  static constexpr int kMaxOutputs = 4096;
  ImportContext& context_;
  const proto::FunctionDefLibrary& library_;
  Imported* out_;
  int depth_;
  std::unordered_map<std::string, const proto::NodeDef*> nodes_;
  std::unordered_map<std::string, ImportedNode> made_;
  std::unordered_map<std::string, std::vector<DataType>> uses_;
  std::unordered_map<std::string, std::set<int>> used_ports_;
  std::unordered_set<std::string> open_;
  std::set<std::string> used_;
};

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
