#include "trivium/engine/graph/interpret.h"

#include <cmath>

#include "trivium/engine/graph/op.h"

namespace trivium {
namespace {

RefTensor from_array(const Array& a) {
  RefTensor t{a.shape(), a.dtype(), std::vector<double>(a.count())};
  for (int64_t i = 0; i < a.count(); ++i) t.data[i] = a.at(i);
  return t;
}

RefTensor leaf_value(const Graph& graph, const Node& node, const InterpretInputs& in) {
  const std::string& op = node.op->name();
  if (op == "input") return from_array(in.inputs.at(node.literal));
  if (op == "constant") return from_array(graph.constants()[node.literal]);
  if (op == "cell") return from_array(graph.cells()[node.literal].cell->value());
  return RefTensor{Shape{}, DType::f32, {in.scalars.at(node.literal)}};
}

/// Runs what `fetches` need; `leaf` gives the value of an input, scalar, constant or cell.
template <typename Leaf>
std::vector<RefTensor> evaluate(const Graph& graph, const std::vector<Value>& fetches,
                                Leaf&& leaf) {
  std::vector<char> needed(graph.size(), 0);
  for (const Value& v : fetches) needed[v.node] = 1;
  for (int n = graph.size() - 1; n >= 0; --n)
    if (needed[n])
      for (const Edge& e : graph.node(n).inputs) needed[e.node] = 1;
  std::map<Edge, RefTensor> values;
  for (int n = 0; n < graph.size(); ++n) {
    if (!needed[n]) continue;
    const Node& node = graph.node(n);
    if (node.literal >= 0) {
      values[{n, 0}] = leaf(node);
      values[{n, 0}].dtype = graph.meta({n, 0}).dtype;
      continue;
    }
    RefCtx ctx{*node.attrs, {}, {}};
    for (const Edge& e : node.inputs) ctx.in.push_back(&values.at(e));
    for (int o = 0; o < node.outputs; ++o) {
      const ValueMeta& meta = graph.meta({n, o});
      RefTensor& t = values[{n, o}];
      t = {meta.shape, meta.dtype, std::vector<double>(meta.shape.count(), 0.0)};
      ctx.out.push_back(&t);
    }
    if (!node.op->reference()) internal_error("op {} has no reference", node.op->name());
    node.op->reference()(ctx);
  }
  std::vector<RefTensor> out;
  for (const Value& v : fetches) out.push_back(values.at({v.node, v.output}));
  return out;
}

}  // namespace

std::vector<RefTensor> interpret(const Graph& graph, const std::vector<Value>& fetches,
                                 const InterpretInputs& inputs) {
  return evaluate(graph, fetches,
                  [&](const Node& node) { return leaf_value(graph, node, inputs); });
}

std::vector<RefTensor> interpret_region(const Graph& graph, const std::vector<Value>& fetches,
                                        const std::vector<const RefTensor*>& inputs) {
  static const InterpretInputs none;
  return evaluate(graph, fetches, [&](const Node& node) {
    return node.op->name() == "input" ? *inputs.at(node.literal) : leaf_value(graph, node, none);
  });
}

std::vector<RefTensor> interpret_region(const Region& region,
                                        const std::vector<const RefTensor*>& inputs) {
  return interpret_region(*region.graph, region.results, inputs);
}

}  // namespace trivium
