#include "trivium/engine/graph/verify.h"

#include "trivium/engine/graph/op.h"

namespace trivium {
namespace {

class Verifier {
 public:
  explicit Verifier(const Graph& graph) : graph_(graph) {}

  void run() {
    for (n_ = 0; n_ < graph_.size(); ++n_) {
      const Node& node = graph_.node(n_);
      if (!node.op) wrong("has no op");
      if (OpRegistry::instance().find(node.op->name()) != node.op)
        wrong("is of an op that is not registered");
      check_edges(node);
      node.literal >= 0 ? check_leaf(node) : check_op(node);
    }
    check_cells();
  }

 private:
  template <typename... Args>
  [[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) const {
    const Node& node = graph_.node(n_);
    internal_error("graph: node {} ({}{}) {}", n_, node.op ? node.op->name() : "?",
                   node.scope ? fmt::format(", layer \"{}\"", graph_.scope_name(node.scope)) : "",
                   fmt::format(format, std::forward<Args>(args)...));
  }

  void check_edges(const Node& node) const {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Edge e = node.inputs[i];
      if (e.node < 0 || e.node >= n_)
        wrong("reads node {} as operand {}; only earlier nodes may be read", e.node, i);
      if (e.output < 0 || e.output >= graph_.node(e.node).outputs)
        wrong("reads output {} of node {}, which has {}", e.output, e.node,
              graph_.node(e.node).outputs);
    }
  }

  void expect_meta(int output, const Shape& shape, DType dtype) const {
    const ValueMeta& held = graph_.meta({n_, output});
    if (held.shape != shape || held.dtype != dtype)
      wrong("holds {}{} as output {}; its rule gives {}{}", name_of(held.dtype), held.shape.text(),
            output, name_of(dtype), shape.text());
  }

  void expect_index(int index, size_t count) const {
    if (index < 0 || static_cast<size_t>(index) >= count) wrong("is leaf {} of {}", index, count);
  }

  void check_leaf(const Node& node) const {
    const std::string& op = node.op->name();
    if (!node.inputs.empty()) wrong("is a leaf with operands");
    if (op == "constant") {
      expect_index(node.literal, graph_.constants().size());
      const Array& value = graph_.constants()[node.literal];
      return expect_meta(0, value.shape(), value.dtype());
    }
    if (op == "cell") {
      expect_index(node.literal, graph_.cells().size());
      const Graph::CellState& state = graph_.cells()[node.literal];
      if (state.initial != Edge{n_, 0})
        wrong("is not the leaf its Cell \"{}\" names", state.cell->name());
      return expect_meta(0, state.cell->shape(), state.cell->dtype());
    }
    if (op != "input" && op != "scalar") wrong("has a leaf's payload but is none");
    const auto& leaves = op == "input" ? graph_.inputs() : graph_.scalars();
    expect_index(node.literal, leaves.size());
    if (leaves[node.literal].value != Edge{n_, 0})
      wrong("is not the leaf \"{}\" names", leaves[node.literal].name);
    if (op == "scalar" && !graph_.meta({n_, 0}).shape.is_scalar())
      wrong("is a scalar of rank above 0");
  }

  void check_arity(const Node& node) const {
    const auto& operands = node.op->inputs();
    size_t required = 0;
    for (const auto& operand : operands) required += !operand.optional;
    const bool variadic = !operands.empty() && operands.back().variadic;
    if (node.inputs.size() < required || (!variadic && node.inputs.size() > operands.size()))
      wrong("has {} operands, {}{} expected", node.inputs.size(), required,
            variadic || operands.size() > required ? " or more" : "");
  }

  void check_op(const Node& node) const {
    check_arity(node);
    if (!node.attrs) wrong("has no attributes");
    std::vector<ValueMeta> metas;
    for (const Edge& e : node.inputs) metas.push_back(graph_.meta(e));
    try {
      if (*complete_attrs(*node.op, *node.attrs) != *node.attrs)
        wrong("lacks attributes: {}", node.attrs->text());
      InferCtx ctx(*node.op, std::move(metas), *node.attrs, "");
      node.op->infer()(ctx);
      if (static_cast<int>(ctx.outputs().size()) != node.outputs)
        wrong("has {} outputs, its rule gives {}", node.outputs, ctx.outputs().size());
      for (int o = 0; o < node.outputs; ++o)
        expect_meta(o, ctx.outputs()[o].shape, ctx.outputs()[o].dtype);
    } catch (const UserError& e) {
      wrong("breaks its rule: {}", e.what());
    }
  }

  void check_cells() const {
    for (const Graph::CellState& state : graph_.cells()) {
      const Edge e = state.current;
      const std::string& name = state.cell->name();
      if (e.node < 0 || e.node >= graph_.size() || e.output < 0 ||
          e.output >= graph_.node(e.node).outputs)
        internal_error("graph: Cell \"{}\" holds output {} of node {}, which does not exist", name,
                       e.output, e.node);
      const ValueMeta& held = graph_.meta(e);
      if (held.shape != state.cell->shape() || held.dtype != state.cell->dtype())
        internal_error("graph: Cell \"{}\" {}{} is assigned {}{}", name,
                       name_of(state.cell->dtype()), state.cell->shape().text(),
                       name_of(held.dtype), held.shape.text());
    }
  }

  const Graph& graph_;
  int n_ = 0;
};

}  // namespace

void verify(const Graph& graph) { Verifier(graph).run(); }

}  // namespace trivium
