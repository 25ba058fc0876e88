#include "trivium/engine/graph/gradient.h"

#include <map>

#include "trivium/engine/graph/op.h"

namespace trivium {
namespace {

struct Walk {
  Graph& graph;
  int end;                                     // nodes recorded before the walk began
  std::vector<char> leads_to_x;                // node lies on a path from some x
  std::map<Edge, std::vector<Value>> arrived;  // gradients collected per value

  Walk(Graph& g, const std::vector<Value>& xs) : graph(g), end(g.size()), leads_to_x(g.size(), 0) {
    for (const Value& x : xs) leads_to_x[x.node] = 1;
    for (int n = 0; n < end; ++n)
      for (const Edge& e : graph.node(n).inputs)
        if (leads_to_x[e.node] && is_floating(graph.meta(e).dtype)) leads_to_x[n] = 1;
  }

  /// One fan-in sum per value, in the order the gradients were recorded.
  Value total(Edge e) {
    auto at = arrived.find(e);
    if (at == arrived.end()) return {};
    std::vector<Value>& parts = at->second;
    if (parts.size() > 1) parts.assign(1, add_up(graph, parts));
    return parts[0];
  }

  void visit(int n) {
    const Node node = graph.node(n);  // a copy: recording moves the node table
    std::vector<Value> upstream;
    bool any = false;
    for (int o = 0; o < node.outputs; ++o) {
      upstream.push_back(total({n, o}));
      any |= upstream.back().defined();
    }
    if (!any || node.inputs.empty()) return;
    std::vector<bool> wanted;
    bool any_wanted = false;
    for (const Edge& e : node.inputs) {
      wanted.push_back(leads_to_x[e.node] && is_floating(graph.meta(e).dtype));
      any_wanted |= wanted.back();
    }
    if (!any_wanted) return;
    if (!node.op->gradient())
      user_error("gradient: {} has none ({}); layer \"{}\"", node.op->name(),
                 node.op->no_gradient().empty() ? "no rule" : node.op->no_gradient(),
                 graph.scope_name(node.scope));
    graph.set_scope(graph.scope_name(node.scope));
    GradCtx ctx(graph, n, std::move(upstream), wanted);
    node.op->gradient()(ctx);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Value g = ctx.results()[i];
      if (!g.defined() || !wanted[i]) continue;
      const ValueMeta& meta = graph.meta(node.inputs[i]);
      if (g.shape() != meta.shape || g.dtype() != meta.dtype)
        internal_error("gradient of {} for input {}: expected {}{}, the rule gave {}{}",
                       node.op->name(), i, name_of(meta.dtype), meta.shape.text(),
                       name_of(g.dtype()), g.shape().text());
      arrived[node.inputs[i]].push_back(g);
    }
  }
};

/// A gradient of gather that can be put row by row into a sum.
bool is_scattered_rows(const Graph& graph, Value v) {
  const Node& node = graph.node(v.node);
  return node.op->name() == "scatter_add" &&
         (node.attrs->integer("axis") == 0 || graph.meta(node.inputs[1]).shape.rank() == 1);
}

/// sum + scatter_add(updates, index), without the zeros between.
Value put_rows(Graph& graph, Value sum, const Node& scatter) {
  Value updates = graph.value(scatter.inputs[0]), index = graph.value(scatter.inputs[1]);
  if (index.shape().rank() != 1) {  // along axis 0
    std::vector<int64_t> rows = sum.shape().vec();
    rows[0] = index.shape().count();
    updates = graph.op("reshape", {updates}, {{"shape", rows}});
    index = graph.op("reshape", {index}, {{"shape", std::vector<int64_t>{rows[0]}}});
  }
  return graph.op("index_update", {sum, index, updates},
                  {{"axis", scatter.attrs->integer("axis")}, {"mode", std::string("add")}});
}

}  // namespace

Value add_up(Graph& graph, const std::vector<Value>& parts) {
  if (parts.size() == 1) return parts[0];
  std::vector<Value> whole, rows;
  for (const Value& v : parts) (is_scattered_rows(graph, v) ? rows : whole).push_back(v);
  if (whole.empty()) {
    whole.push_back(rows[0]);
    rows.erase(rows.begin());
  }
  Value sum = whole.size() == 1 ? whole[0] : graph.op("add_n", whole);
  for (const Value& v : rows) sum = put_rows(graph, sum, Node(graph.node(v.node)));
  return sum;
}

std::vector<Value> gradients(const std::vector<Value>& ys, const std::vector<Value>& xs,
                             const std::vector<Value>& seeds, Unconnected unconnected) {
  if (ys.empty() || xs.empty()) return std::vector<Value>(xs.size());
  if (!seeds.empty() && seeds.size() != ys.size())
    user_error("gradients: {} seeds for {} values", seeds.size(), ys.size());
  Graph& graph = *ys[0].graph;
  const std::string scope = graph.scope_name(graph.current_scope());
  Walk walk(graph, xs);
  for (size_t i = 0; i < ys.size(); ++i) {
    const Value y = ys[i];
    if (!is_floating(y.dtype())) user_error("gradients: {} values have none", name_of(y.dtype()));
    Value seed = seeds.empty() ? Value{} : seeds[i];
    if (!seed.defined())
      seed =
          graph.op("broadcast_to", {graph.constant(1.0, y.dtype())}, {{"shape", y.shape().vec()}});
    if (seed.shape() != y.shape())
      user_error("gradients: seed {} for a value of shape {}", seed.shape().text(),
                 y.shape().text());
    walk.arrived[{y.node, y.output}].push_back(seed);
  }
  for (int n = walk.end - 1; n >= 0; --n) walk.visit(n);
  std::vector<Value> result;
  for (const Value& x : xs) {
    Value g = walk.total({x.node, x.output});
    if (!g.defined() && unconnected == Unconnected::error)
      user_error("gradients: the values do not depend on {}{}", name_of(x.dtype()),
                 x.shape().text());
    if (!g.defined() && unconnected == Unconnected::zeros)
      g = graph.op("broadcast_to", {graph.constant(0.0, x.dtype())}, {{"shape", x.shape().vec()}});
    result.push_back(g);
  }
  graph.set_scope(scope);
  return result;
}

}  // namespace trivium
