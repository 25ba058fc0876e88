// Nodes that say the same in another form: names of older versions of TensorFlow, variables that
// are resources, and composites that one node stood for.
#include <map>
#include <set>

#include "trivium/notations/tf/import_nodes.h"

namespace trivium::tf {
namespace {

/// The type a node gets, and what else changes (null: nothing).
struct Form {
  const char* type;
  void (*change)(ImportContext&, NodeToImport*);
};

void move_attr(proto::NodeDef* node, const char* from, const char* to) {
  auto& attrs = *node->mutable_attr();
  const auto it = attrs.find(from);
  if (it == attrs.end()) return;
  const proto::AttrValue value = it->second;
  attrs[to] = value;
}

/// An operation on a variable's handle becomes one on the variable itself.
void by_reference(ImportContext&, NodeToImport* n) { move_attr(&n->node, "dtype", "T"); }

Tensor constant_input(ImportContext& context, const NodeToImport& n, const char* name,
                      Array value) {
  const DataType type = data_type(value.dtype());
  return context.graph
      .create("Const", {}, {{"value", Data(std::move(value))}, {"dtype", type}},
              n.node.name() + "/" + name)
      ->output();
}

/// Old graphs write a shape without axes where it is not known.
void shape_may_be_unknown(ImportContext& context, NodeToImport* n) {
  const bool variable = n->node.op() == "Variable";
  const bool old = variable || n->node.op() == "PlaceholderV2" || context.producer <= 21;
  auto& shape = (*n->node.mutable_attr())["shape"];
  if (old && shape.shape().dim_size() == 0) shape.mutable_shape()->set_unknown_rank(true);
}

void concat(ImportContext&, NodeToImport* n) {  // concat_dim came first
  if (!n->inputs.empty()) {
    n->inputs.push_back(n->inputs.front());
    n->inputs.erase(n->inputs.begin());
  }
}

void gather(ImportContext& context, NodeToImport* n) {
  move_attr(&n->node, "dtype", "Tparams");
  n->inputs.push_back(constant_input(context, *n, "axis", Array::full({}, 0, DType::i32)));
}

/// t, m, v, beta, gamma, as the first Inception graphs have it.
void batch_norm(ImportContext& context, NodeToImport* n) {
  if (n->inputs.size() != 5)
    raise<ValueError>("Node '{}' ({}) has {} inputs, 5 expected", n->node.name(), n->node.op(),
                      n->inputs.size());
  Graph& graph = context.graph;
  const auto* eps = formats::find_attr(n->node, "variance_epsilon");
  const auto* scaled = formats::find_attr(n->node, "scale_after_normalization");
  const auto make = [&](const char* type, std::vector<Tensor> in, const char* name) {
    return graph.create(type, in, {}, n->node.name() + "/" + name)->output();
  };
  const Tensor epsilon =
      constant_input(context, *n, "epsilon",
                     Array::full({}, eps ? eps->f() : 0.0, engine_type(n->inputs[0].dtype())));
  Tensor factor = make("Rsqrt", {make("Add", {n->inputs[2], epsilon}, "add")}, "Rsqrt");
  if (scaled && scaled->b()) factor = make("Mul", {factor, n->inputs[4]}, "mul");
  const Tensor centred = make("Sub", {n->inputs[0], n->inputs[1]}, "sub");
  n->inputs = {make("Mul", {centred, factor}, "mul_1"), n->inputs[3]};
}

const std::map<std::string, Form>& forms() {
  static const auto* const all = new std::map<std::string, Form>{
      {"Placeholder", {"Placeholder", shape_may_be_unknown}},
      {"PlaceholderV2", {"Placeholder", shape_may_be_unknown}},
      {"Variable", {"VariableV2", shape_may_be_unknown}},
      {"Concat", {"ConcatV2", concat}},
      {"Gather", {"GatherV2", gather}},
      {"ResourceGather", {"GatherV2", gather}},
      {"BatchNormWithGlobalNormalization", {"Add", batch_norm}},
      {"BiasAddV1", {"BiasAdd", nullptr}},
      {"BatchMatMulV3", {"BatchMatMulV2", nullptr}},
      {"Mod", {"TruncateMod", nullptr}},
      {"Snapshot", {"Identity", nullptr}},
      {"DeepCopy", {"Identity", nullptr}},
      {"GuaranteeConst", {"Identity", nullptr}},
      {"RefIdentity", {"Identity", nullptr}},
      {"RefSwitch", {"Switch", nullptr}},
      {"RefMerge", {"Merge", nullptr}},
      {"VarHandleOp", {"VariableV2", nullptr}},
      {"ReadVariableOp", {"Identity", by_reference}},
      {"AssignVariableOp", {"Assign", by_reference}},
      {"AssignAddVariableOp", {"AssignAdd", by_reference}},
      {"AssignSubVariableOp", {"AssignSub", by_reference}},
      {"VarIsInitializedOp", {"IsVariableInitialized", nullptr}},
      {"ResourceScatterAdd", {"ScatterAdd", by_reference}},
      {"ResourceScatterSub", {"ScatterSub", by_reference}},
      {"ResourceScatterUpdate", {"ScatterUpdate", by_reference}},
      {"ResourceApplyGradientDescent", {"ApplyGradientDescent", nullptr}},
      {"ResourceApplyMomentum", {"ApplyMomentum", nullptr}},
      {"ResourceApplyAdagrad", {"ApplyAdagrad", nullptr}},
      {"ResourceApplyAdadelta", {"ApplyAdadelta", nullptr}},
      {"ResourceApplyRMSProp", {"ApplyRMSProp", nullptr}},
      {"ResourceApplyCenteredRMSProp", {"ApplyCenteredRMSProp", nullptr}},
      {"ResourceApplyAdam", {"ApplyAdam", nullptr}},
      {"ResourceApplyFtrl", {"ApplyFtrl", nullptr}},
      {"ResourceApplyFtrlV2", {"ApplyFtrlV2", nullptr}}};
  return *all;
}

/// The form a type is rewritten to; null when it stays what it is.
const Form* form_of(const std::string& type) {
  const auto it = forms().find(type);
  if (it == forms().end()) return nullptr;
  const bool own = find_op_spec(type) != nullptr && type != it->second.type;
  return own ? nullptr : &it->second;
}

/// Types whose work a program gives them; a file can not bring it.
bool needs_program(const std::string& type) {
  static const auto* const types = new std::set<std::string>{"PyFunc",
                                                             "IteratorGetNext",
                                                             "IteratorToStringHandle",
                                                             "QueueDequeueV2",
                                                             "QueueDequeueManyV2",
                                                             "QueueDequeueUpToV2",
                                                             "QueueSizeV2",
                                                             "QueueIsClosedV2",
                                                             "ReaderReadV2",
                                                             "ReaderReadUpToV2",
                                                             "MakeIterator",
                                                             "QueueEnqueueV2",
                                                             "QueueEnqueueManyV2",
                                                             "QueueCloseV2"};
  return types->count(type) != 0;
}

}  // namespace

bool importable(const std::string& type) {
  if (needs_program(type)) return false;
  const Form* form = form_of(type);
  const std::string result = form ? form->type : type;
  return find_op_spec(result) != nullptr && op_signature(result) != nullptr;
}

void rewrite_node(ImportContext& context, NodeToImport* made) {
  const Form* form = form_of(made->node.op());
  if (!form) return;
  if (form->change) form->change(context, made);
  made->node.set_op(form->type);
}

}  // namespace trivium::tf
