#include "trivium/engine/graph/rewrite.h"

#include "trivium/engine/graph/op.h"

namespace trivium {

Rewriter::Rewriter(const Graph& from) : from_(from), to_(std::make_unique<Graph>()) {
  int32_t outputs = 0;
  for (int n = 0; n < from.size(); ++n) {
    first_.push_back(outputs);
    outputs += from.node(n).outputs;
  }
  values_.resize(outputs);
}

bool Rewriter::mapped(Edge e) const { return values_[first_[e.node] + e.output].defined(); }

Value Rewriter::map(Edge e) const {
  const Value v = values_[first_[e.node] + e.output];
  if (!v.defined())
    internal_error("rewrite: output {} of node {} ({}) is used before it was copied", e.output,
                   e.node, from_.node(e.node).op->name());
  return v;
}

void Rewriter::set(Edge e, Value replacement) {
  if (replacement.graph != to_.get())
    internal_error("rewrite: the replacement for node {} is not a value of the new graph", e.node);
  values_[first_[e.node] + e.output] = replacement;
}

void Rewriter::enter_scope_of(int node) {
  to_->set_scope(from_.scope_name(from_.node(node).scope));
}

Value Rewriter::copy_leaf(const Node& node) {
  const std::string& op = node.op->name();
  if (op == "constant") return to_->constant(from_.constants()[node.literal]);
  if (op == "cell") return to_->read(from_.cells()[node.literal].cell);
  const bool is_input = op == "input";
  if (!is_input && op != "scalar") internal_error("rewrite: {} is not a leaf", op);
  const Graph::NamedLeaf& leaf = (is_input ? from_.inputs() : from_.scalars())[node.literal];
  (is_input ? origins_.inputs : origins_.scalars).push_back(node.literal);
  const ValueMeta& meta = from_.meta(leaf.value);
  return is_input ? to_->input(leaf.name, meta.shape, meta.dtype)
                  : to_->scalar(leaf.name, meta.dtype);
}

Value Rewriter::copy(int node) {
  if (from_.node(node).literal >= 0) {
    enter_scope_of(node);
    const Value v = copy_leaf(from_.node(node));
    set({node, 0}, v);
    return v;
  }
  std::vector<Value> operands;
  for (const Edge& e : from_.node(node).inputs) operands.push_back(map(e));
  return copy(node, operands);
}

Value Rewriter::copy(int node, std::span<const Value> operands) {
  return copy(node, operands, *from_.node(node).attrs);
}

Value Rewriter::copy(int node, std::span<const Value> operands, const Attrs& attrs) {
  const Node& old = from_.node(node);
  enter_scope_of(node);
  const Value first = to_->op(*old.op, operands, attrs);
  for (int o = 0; o < old.outputs; ++o) set({node, o}, to_->output_of(first, o));
  return first;
}

void Rewriter::copy_assigns() {
  for (const Graph::CellState& state : from_.cells())
    if (state.current != state.initial) to_->assign(state.cell, map(state.current));
}

std::vector<char> needed_nodes(const Graph& graph, std::span<const Value> roots,
                               bool keep_assigns) {
  std::vector<char> needed(graph.size(), 0);
  for (const Value& v : roots) {
    if (v.graph != &graph) internal_error("needed_nodes: a root belongs to another graph");
    needed[v.node] = 1;
  }
  if (keep_assigns)
    for (const Graph::CellState& state : graph.cells())
      if (state.current != state.initial) needed[state.current.node] = 1;
  for (int n = graph.size() - 1; n >= 0; --n)
    if (needed[n])
      for (const Edge& e : graph.node(n).inputs) needed[e.node] = 1;
  return needed;
}

std::unique_ptr<Graph> clone_pruned(const Graph& graph, std::span<const Value> roots,
                                    bool keep_assigns, std::vector<Value>* mapped_roots,
                                    LeafOrigins* origins) {
  const std::vector<char> needed = needed_nodes(graph, roots, keep_assigns);
  Rewriter rewriter(graph);
  for (int n = 0; n < graph.size(); ++n)
    if (needed[n]) rewriter.copy(n);
  if (keep_assigns) rewriter.copy_assigns();
  if (mapped_roots) {
    mapped_roots->clear();
    for (const Value& v : roots) mapped_roots->push_back(rewriter.map({v.node, v.output}));
  }
  if (origins) *origins = rewriter.origins();
  return rewriter.take();
}

}  // namespace trivium
