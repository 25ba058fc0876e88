// Gradients operations as TensorFlow's SymbolicGradient: a function holds what lies between xs and
// ys, and TensorFlow differentiates it. What the function takes from outside (constants, masks that
// were drawn) comes in as further arguments, so nothing is drawn twice.
#include <set>
#include <unordered_map>

#include "trivium/notations/tf/graph_def_parts.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/translator.h"

namespace trivium::tf {
namespace {

class ForwardFunction {
 public:
  explicit ForwardFunction(const Operation& gradients) : op_(gradients) {
    const auto count = [&](const char* name) {
      return static_cast<size_t>(op_.attr<int64_t>(name));
    };
    const auto& e = op_.edges();
    auto at = e.begin();
    for (auto* part : {&ys_, &xs_, &seeds_, &stops_}) {
      const char* name = part == &ys_      ? "ys"
                         : part == &xs_    ? "xs"
                         : part == &seeds_ ? "seeds"
                                           : "stops";
      part->assign(at, at + static_cast<std::ptrdiff_t>(count(name)));
      at += static_cast<std::ptrdiff_t>(count(name));
    }
  }

  std::string build() {
    for (const auto& x : xs_) argument(x);
    for (const auto& s : stops_) outside_.insert(key_of(s));
    const std::string problem = find_path();
    if (!problem.empty()) return problem;
    for (const Operation* op : path_) {
      const std::string reason = add_node(*op);
      if (!reason.empty()) return fmt::format("{} ({}): {}", op->name(), op->type(), reason);
    }
    auto* signature = function_.mutable_signature();
    for (size_t i = 0; i < ys_.size(); ++i) {
      auto* out = signature->add_output_arg();
      out->set_name(fmt::format("y{}", i));
      out->set_type(type_of(ys_[i]));
      (*function_.mutable_ret())[out->name()] = inside(ys_[i]);
    }
    return "";
  }

  /// Named after its content: equal functions of several graphs have one name.
  proto::FunctionDef finished() {
    uint64_t hash = 14695981039346656037u;
    for (unsigned char c : formats::serialize_tf(function_, "function"))
      hash = (hash ^ c) * 1099511628211u;
    function_.mutable_signature()->set_name(fmt::format("trivium_forward_{:016x}", hash));
    return function_;
  }

  void add_to(std::vector<proto::NodeDef>* nodes) {
    proto::NodeDef node;
    node.set_name(op_.name());
    node.set_op("SymbolicGradient");
    auto& attrs = *node.mutable_attr();
    attrs["f"].mutable_func()->set_name(function_.signature().name());
    for (const auto& a : arguments_) {
      node.add_input(edge_name(a));
      attrs["Tin"].mutable_list()->add_type(type_of(a));
      attrs["Tout"].mutable_list()->add_type(type_of(a));
    }
    for (size_t i = 0; i < ys_.size(); ++i) {
      attrs["Tin"].mutable_list()->add_type(type_of(ys_[i]));
      node.add_input(seeds_.empty() ? ones_like(i, nodes) : edge_name(seeds_[i]));
    }
    for (const Operation* c : op_.control_inputs()) node.add_input("^" + c->name());
    nodes->push_back(std::move(node));
    const std::string gate = gradient_gate(op_);
    if (gate.empty()) return;
    proto::NodeDef ready;
    ready.set_name(gate);
    ready.set_op("NoOp");
    ready.add_input("^" + op_.name());
    nodes->push_back(std::move(ready));
  }

 private:
  static proto::DataType type_of(const Operation::Edge& e) {
    return static_cast<proto::DataType>(e.op->out(e.index).type);
  }

  /// The name of an argument of the function that stands for a tensor.
  std::string argument(const Operation::Edge& e) {
    const auto [it, fresh] = names_.emplace(key_of(e), fmt::format("a{}", arguments_.size()));
    if (fresh) {
      arguments_.push_back(e);
      auto* arg = function_.mutable_signature()->add_input_arg();
      arg->set_name(it->second);
      arg->set_type(type_of(e));
    }
    return it->second;
  }

  bool is_outside(const Operation::Edge& e) const {
    return names_.count(key_of(e)) != 0 || outside_.count(key_of(e)) != 0;
  }

  /// The operations that carry a change of xs to ys, in order of creation.
  std::string find_path() {
    std::set<std::pair<int, const Operation*>> behind;  // what ys need
    std::vector<const Operation*> stack;
    const auto visit = [&](const Operation::Edge& e) {
      if (is_outside(e) || e.op->spec().gradient != Differentiable::yes) return;
      if (behind.insert({e.op->id(), e.op}).second) stack.push_back(e.op);
    };
    for (const auto& y : ys_) visit(y);
    while (!stack.empty()) {
      const Operation* op = stack.back();
      stack.pop_back();
      for (const auto& e : op->edges()) visit(e);
    }
    std::set<const Operation*> on_path;
    for (const auto& [id, op] : behind) {
      for (const auto& e : op->edges())
        if (names_.count(key_of(e)) || on_path.count(e.op)) on_path.insert(op);
      if (!on_path.count(op)) continue;
      if (op->type() == "Gradients") return "a derivative of a derivative";
      path_.push_back(op);
    }
    // A tensor of xs is cut off from what lies before it, so it may not depend on another.
    for (const auto& x : xs_)
      for (const auto& other : xs_)
        if (key_of(x) != key_of(other) && reaches(other, x))
          return fmt::format("{} depends on {}, and both are differentiated by", x.op->name(),
                             other.op->name());
    return "";
  }

  /// Whether `to` changes with `from`.
  static bool reaches(const Operation::Edge& from, const Operation::Edge& to) {
    if (from.op->id() >= to.op->id()) return false;
    std::set<const Operation*> seen;
    std::vector<const Operation*> stack{to.op};
    while (!stack.empty()) {
      const Operation* op = stack.back();
      stack.pop_back();
      if (op->spec().gradient != Differentiable::yes) continue;
      for (const auto& e : op->edges()) {
        if (key_of(e) == key_of(from)) return true;
        if (e.op->id() >= from.op->id() && seen.insert(e.op).second) stack.push_back(e.op);
      }
    }
    return false;
  }

  static std::string node_name(const Operation& op) { return fmt::format("n{}", op.id()); }

  /// A tensor as the function's nodes name it: an argument, or "node:output:0".
  std::string inside(const Operation::Edge& e) {
    if (const auto it = names_.find(key_of(e)); it != names_.end()) return it->second;
    if (!inside_.count(e.op) || outside_.count(key_of(e))) return argument(e);
    if (sums_.count(e.op)) return node_name(*e.op) + ":output:0";
    const OpSignature& signature = *op_signature(e.op->type());
    int at = 0;
    for (const auto& arg : signature.outputs) {
      const bool many = arg.list || !arg.count.empty();
      const int size =
          many ? e.op->num_outputs() - static_cast<int>(signature.outputs.size()) + 1 : 1;
      if (e.index < at + size)
        return fmt::format("{}:{}:{}", node_name(*e.op), arg.name, e.index - at);
      at += size;
    }
    internal_error("tf: {} has no output {} in its signature", e.op->name(), e.index);
  }

  proto::NodeDef* add(const std::string& type, const std::string& name, proto::DataType dtype) {
    proto::NodeDef* node = function_.add_node_def();
    node->set_name(name);
    node->set_op(type);
    (*node->mutable_attr())["T"].set_type(dtype);
    return node;
  }

  /// The sum of a node over some axes, under the name of `op`.
  void add_sum(const Operation& op, const std::string& summed, const std::vector<int32_t>& axes) {
    const std::string name = node_name(op);
    proto::NodeDef* constant = function_.add_node_def();
    constant->set_name(name + "_axes");
    constant->set_op("Const");
    (*constant->mutable_attr())["dtype"].set_type(proto::DT_INT32);
    *(*constant->mutable_attr())["value"].mutable_tensor() =
        formats::array_to_tensor(Array::from(axes, Shape{static_cast<int64_t>(axes.size())}));
    proto::NodeDef* sum = add("Sum", name, type_of({const_cast<Operation*>(&op), 0}));
    sum->add_input(summed);
    sum->add_input(constant->name() + ":output:0");
    (*sum->mutable_attr())["Tidx"].set_type(proto::DT_INT32);
    (*sum->mutable_attr())["keep_dims"].set_b(false);
    sums_.insert(&op);
  }

  /// TensorFlow differentiates functions by fewer rules than graphs. Only the derivative of what is
  /// in the function counts, so a loss may be logits * slope, and half a square a product.
  bool add_replacement(const Operation& op) {
    const std::string name = node_name(op);
    const proto::DataType dtype = type_of(op.edges().empty() ? ys_[0] : op.edges()[0]);
    if (op.type() == "SoftmaxCrossEntropyWithLogits" ||
        op.type() == "SparseSoftmaxCrossEntropyWithLogits") {
      proto::NodeDef* product = add("Mul", name + "_product", dtype);
      product->add_input(inside(op.edges()[0]));
      product->add_input(argument({const_cast<Operation*>(&op), 1}));
      add_sum(op, name + "_product:z:0", {1});
      return true;
    }
    const int rank =
        op.type() == "L2Loss" ? op.edges()[0].op->out(op.edges()[0].index).shape.rank() : -1;
    if (rank < 1) return false;
    proto::NodeDef* square = add("Square", name + "_square", dtype);
    square->add_input(inside(op.edges()[0]));
    proto::NodeDef* half = function_.add_node_def();
    half->set_name(name + "_half");
    half->set_op("Const");
    (*half->mutable_attr())["dtype"].set_type(dtype);
    *(*half->mutable_attr())["value"].mutable_tensor() =
        formats::array_to_tensor(Array::full({}, 0.5, engine_type(op.out(0).type)));
    proto::NodeDef* product = add("Mul", name + "_product", dtype);
    product->add_input(name + "_square:y:0");
    product->add_input(name + "_half:output:0");
    std::vector<int32_t> axes;
    for (int i = 0; i < rank; ++i) axes.push_back(i);
    add_sum(op, name + "_product:z:0", axes);
    return true;
  }

  std::string add_node(const Operation& op) {
    if (add_replacement(op)) {
      inside_.insert(&op);
      return "";
    }
    proto::NodeDef node;
    const std::string reason = fill_attributes(op, &node);
    if (!reason.empty()) return reason;
    node.set_name(node_name(op));
    node.set_op(op.type());
    for (const auto& e : op.edges()) node.add_input(inside(e));
    *function_.add_node_def() = std::move(node);
    inside_.insert(&op);
    return "";
  }

  std::string ones_like(size_t i, std::vector<proto::NodeDef>* nodes) {
    proto::NodeDef node;
    node.set_name(fmt::format("{}/ones_{}", op_.name(), i));
    node.set_op("OnesLike");
    node.add_input(edge_name(ys_[i]));
    (*node.mutable_attr())["T"].set_type(type_of(ys_[i]));
    nodes->push_back(node);
    return node.name();
  }

  const Operation& op_;
  std::vector<Operation::Edge> ys_, xs_, seeds_, stops_, arguments_;
  std::unordered_map<int64_t, std::string> names_;  // arguments
  std::set<int64_t> outside_;
  std::vector<const Operation*> path_;
  std::set<const Operation*> inside_, sums_;
  proto::FunctionDef function_;
};

}  // namespace

std::string gradient_gate(const Operation& op) {
  const std::string name = op.name() + "/ready";
  return op.graph().find(name) == nullptr ? name : "";  // an imported graph has its gate already
}

int gradient_output(const Operation& op, int index) {
  const auto first = static_cast<size_t>(op.attr<int64_t>("ys"));
  int output = 0;
  std::set<int64_t> seen;
  for (int i = 0; i <= index; ++i) {
    const int64_t key = key_of(op.edges()[first + static_cast<size_t>(i)]);
    if (key == key_of(op.edges()[first + static_cast<size_t>(index)])) return output;
    if (seen.insert(key).second) ++output;
  }
  return output;
}

std::string gradient_nodes(const Operation& op, std::vector<proto::NodeDef>* nodes,
                           proto::FunctionDefLibrary* library) {
  ForwardFunction forward(op);
  const std::string reason = forward.build();
  if (!reason.empty()) return reason;
  const proto::FunctionDef function = forward.finished();
  bool there = false;
  for (const auto& known : library->function())
    there |= known.signature().name() == function.signature().name();
  if (!there) *library->add_function() = function;
  forward.add_to(nodes);
  return "";
}

}  // namespace trivium::tf
