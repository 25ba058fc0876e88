// One node of a graph file as an operation: its attributes checked against TensorFlow's signature.
#include "trivium/notations/tf/import_nodes.h"

#include <algorithm>

namespace trivium::tf {
namespace {

constexpr int64_t kMaxOutputs = 4095;

/// A dtype as TensorFlow's messages name it.
const char* message_name(DataType type) {
  switch (type) {
    case DataType::float32:
      return "float";
    case DataType::float64:
      return "double";
    case DataType::float16:
      return "half";
    default:
      return name_of(type);
  }
}

std::string where_of(const proto::NodeDef& node, const std::string& attr) {
  return fmt::format("Node '{}' ({}): attribute {}", node.name(), node.op(), attr);
}

/// Every attribute of the signature the node gives or that has a default.
AttrMap attributes(const ImportContext& context, const proto::NodeDef& node,
                   const OpSignature& signature) {
  AttrMap attrs;
  for (const auto& attr : signature.attrs) {
    const proto::AttrValue* given = formats::find_attr(node, attr.name);
    if (given && given->value_case() != proto::AttrValue::VALUE_NOT_SET) {
      attrs[attr.name] = attr_data(*given, attr.kind, where_of(node, attr.name),
                                   context.options.max_constant_bytes);
    } else if (attr.fallback) {
      attrs[attr.name] = parse_default(*attr.fallback, attr.kind);
    } else if (attr.kind != "type" && attr.kind != "types" && attr.kind != "int" &&
               attr.kind != "func") {
      raise<ValueError>("NodeDef missing attr '{}' from Op<name={}>; NodeDef: '{}'", attr.name,
                        node.op(), node.name());
    }
  }
  return attrs;
}

/// How many tensors a list of inputs has by the node's own attributes; -1 when they do not say.
int64_t listed(const AttrMap& attrs, const OpSignature::Arg& arg) {
  const auto it = attrs.find(arg.list ? arg.type : arg.count);
  if (it == attrs.end()) return -1;
  if (const auto* n = std::get_if<int64_t>(&it->second)) return *n;
  if (const auto* types = std::get_if<std::vector<DataType>>(&it->second))
    return static_cast<int64_t>(types->size());
  return -1;
}

[[noreturn]] void wrong_count(const NodeToImport& made, const OpSignature& signature) {
  std::vector<std::string> names;
  for (const auto& arg : signature.inputs) names.push_back(arg.name);
  raise<ValueError>("Node '{}' ({}) expected inputs '{}', which do not match {} inputs specified",
                    made.node.name(), made.node.op(), fmt::join(names, ", "), made.inputs.size());
}

/// Checks the number of the inputs, and their dtypes against those the node names.
void check_inputs(const ImportContext& context, const NodeToImport& made,
                  const OpSignature& signature, const AttrMap& attrs) {
  size_t lists = 0;
  for (const auto& arg : signature.inputs) lists += arg.list || !arg.count.empty() ? 1 : 0;
  const size_t singles = signature.inputs.size() - lists;
  if (made.inputs.size() < singles || (lists == 0 && made.inputs.size() != singles))
    wrong_count(made, signature);
  size_t at = 0;
  for (const auto& arg : signature.inputs) {
    const bool many = arg.list || !arg.count.empty();
    const size_t rest = made.inputs.size() - singles;
    size_t count = many ? (lists > 1 ? rest / lists : rest) : 1;
    if (many) {
      const int64_t said = listed(attrs, arg);
      if (said >= 0 && lists > 1) count = static_cast<size_t>(said);
      if ((said >= 0 && static_cast<size_t>(said) != count) || at + count > made.inputs.size())
        wrong_count(made, signature);
      if (count == 0 && !arg.count.empty()) wrong_count(made, signature);
    }
    for (size_t k = 0; k < count; ++k, ++at) {
      DataType expected = DataType::invalid;
      if (const auto it = attrs.find(arg.type); it != attrs.end()) {
        if (const auto* type = std::get_if<DataType>(&it->second)) expected = *type;
        if (const auto* types = std::get_if<std::vector<DataType>>(&it->second))
          if (k < types->size()) expected = (*types)[k];
      } else if (!signature.attr(arg.type) && arg.type != "resource" && arg.type != "variant") {
        expected = parse_data_type(arg.type);
      }
      const DataType given = made.inputs[at].dtype();
      if (expected == DataType::invalid || expected == given || arg.type == "resource") continue;
      const std::string& scope = context.graph.scope();
      raise<ValueError>(
          "Input {} of node {}{} was passed {} from {} incompatible with expected {}.", at,
          scope.empty() ? "" : scope + "/", made.node.name(), message_name(given),
          made.inputs[at].name(), message_name(expected));
    }
  }
  if (at != made.inputs.size()) wrong_count(made, signature);
}

/// Keeps hostile counts of outputs from taking memory.
void check_outputs(const proto::NodeDef& node, const OpSignature& signature, const AttrMap& attrs) {
  for (const auto& arg : signature.outputs) {
    if (!arg.list && arg.count.empty()) continue;
    const int64_t count = listed(attrs, arg);
    if (count < (arg.list ? 0 : 1) || count > kMaxOutputs)
      raise<ValueError>("{} is {}; 1 to {} outputs expected",
                        where_of(node, arg.list ? arg.type : arg.count), count, kMaxOutputs);
  }
}

/// Devices, control inputs and the name are those of the node.
class NodeFrame {
 public:
  NodeFrame(Graph& graph, const NodeToImport& made) : graph_(graph) {
    graph.push_control(made.controls, true);
    graph.push_device(made.node.device());
  }
  ~NodeFrame() {
    graph_.pop_device();
    graph_.pop_control();
  }
  NodeFrame(const NodeFrame&) = delete;
  NodeFrame& operator=(const NodeFrame&) = delete;

 private:
  Graph& graph_;
};

ImportedNode whole(std::shared_ptr<Operation> op) {
  ImportedNode out{std::move(op), {}};
  for (int i = 0; i < out.op->num_outputs(); ++i) out.outputs.push_back(out.op->output(i));
  return out;
}

/// Stands for every type without a spec.
const OpSpec& opaque_spec() {
  static const OpSpec* const spec = [] {
    auto* s = new OpSpec;
    s->type = "opaque";
    s->infer = [](Infer& c) {
      for (const DataType type : c.op().attr<std::vector<DataType>>("_types")) c.output({}, type);
    };
    s->translate = [](Translate& c) {
      throw OpError(
          Code::unimplemented,
          fmt::format("operation type {0} of node '{1}' is not supported; it came with an "
                      "imported graph and can not be run\n\t [[{{{{node {1}}}}}]]",
                      c.op().type(), c.op().name()),
          c.op().name());
    };
    s->gradient = Differentiable::missing;
    return s;
  }();
  return *spec;
}

/// Sessions hold no strings: an initialiser that sets a string variable (the path of an asset) does
/// nothing, and reading the variable says that it has no value.
const OpSpec& string_assign_spec() {
  static const OpSpec* const spec = [] {
    auto* s = new OpSpec(op_spec("Assign"));
    s->translate = [](Translate&) {};
    return s;
  }();
  return *spec;
}

}  // namespace

ImportedNode import_node(ImportContext& context, NodeToImport made) {
  rewrite_node(context, &made);
  const bool sets_strings = made.node.op() == "Assign" && !made.inputs.empty() &&
                            made.inputs[0].dtype() == DataType::string;
  const OpSpec& spec = sets_strings ? string_assign_spec() : op_spec(made.node.op());
  const OpSignature* signature = op_signature(made.node.op());
  if (!signature) internal_error("tf: {} has no signature", made.node.op());
  AttrMap attrs = attributes(context, made.node, *signature);
  check_inputs(context, made, *signature, attrs);
  check_outputs(made.node, *signature, attrs);
  const NodeFrame frame(context.graph, made);
  return whole(context.graph.create_as(spec, made.node.op(), made.inputs, std::move(attrs),
                                       made.node.name()));
}

ImportedNode import_opaque(ImportContext& context, const NodeToImport& made,
                           std::vector<DataType> types) {
  if (types.size() > static_cast<size_t>(kMaxOutputs))
    types.resize(static_cast<size_t>(kMaxOutputs));
  proto::NodeDef kept = made.node;
  kept.clear_input();
  AttrMap attrs{{"_types", std::move(types)},
                {"_node", formats::serialize_tf(kept, made.node.name())}};
  const NodeFrame frame(context.graph, made);
  return whole(context.graph.create_as(opaque_spec(), made.node.op(), made.inputs, std::move(attrs),
                                       made.node.name()));
}

std::vector<DataType> declared_outputs(const proto::NodeDef& node) {
  std::vector<DataType> out;
  const auto type = [](int number) { return known_data_type(number).value_or(DataType::invalid); };
  const OpSignature* signature = op_signature(node.op());
  if (!signature) {
    for (const char* name : {"output_types", "Tout", "dtypes", "component_types"})
      if (const auto* list = formats::find_attr(node, name)) {
        for (int t : list->list().type()) out.push_back(type(t));
        return out;
      }
    for (const char* name : {"dtype", "out_type", "T"})
      if (const auto* one = formats::find_attr(node, name)) return {type(one->type())};
    return out;
  }
  for (const auto& arg : signature->outputs) {
    const auto* named = formats::find_attr(node, arg.type);
    if (arg.list) {
      if (named)
        for (int t : named->list().type()) out.push_back(type(t));
      continue;
    }
    DataType each = named ? type(named->type()) : DataType::invalid;
    if (!signature->attr(arg.type) && arg.type != "variant" && arg.type.rfind("complex", 0) != 0)
      for (const DataType known : {float32, float64, int32, uint8, int16, int8, string, int64,
                                   bool_, float16, bfloat16, DataType::resource})
        if (arg.type == name_of(known)) each = known;
    int64_t count = 1;
    if (!arg.count.empty()) {
      const auto* n = formats::find_attr(node, arg.count);
      count = n ? std::clamp<int64_t>(n->i(), 0, kMaxOutputs) : 0;
    }
    out.insert(out.end(), static_cast<size_t>(count), each);
  }
  return out;
}

}  // namespace trivium::tf
