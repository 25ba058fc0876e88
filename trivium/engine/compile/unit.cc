#include "trivium/engine/compile/unit.h"

#include <algorithm>
#include <cstdlib>

namespace trivium::compile {
namespace {

bool listed(const std::string& list, const std::string& word) {
  return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

std::vector<char> reachable(const Unit& unit) {
  const Graph& g = *unit.graph;
  std::vector<char> needed(g.size(), 0);
  for (const Edge& e : unit.fetches) needed[e.node] = 1;
  for (const auto& cell : g.cells()) needed[cell.current.node] = 1;
  for (int n = g.size() - 1; n >= 0; --n)
    if (needed[n])
      for (const Edge& e : g.node(n).inputs) needed[e.node] = 1;
  return needed;
}

}  // namespace

bool Unit::enabled(const std::string& pass) const {
  const char* env = std::getenv("TRIVIUM_DISABLE");
  return !listed(options.disable, pass) && !(env && listed(env, pass));
}

Rewriter::Rewriter(Unit& unit)
    : unit_(unit), to_(std::make_unique<Graph>()), needed_(reachable(unit)) {
  const Graph& g = from();
  for (const auto& in : g.inputs())
    map(in.value, to_->input(in.name, g.meta(in.value).shape, g.meta(in.value).dtype));
  for (const auto& s : g.scalars()) map(s.value, to_->scalar(s.name, g.meta(s.value).dtype));
  for (const auto& c : g.cells()) map(c.initial, to_->read(c.cell));
  for (int n = 0; n < g.size(); ++n)
    if (needed_[n] && g.node(n).op->name() == "constant")
      map({n, 0}, to_->constant(g.constants()[g.node(n).literal]));
}

Value Rewriter::at(Edge old) const {
  auto found = mapped_.find(old);
  if (found == mapped_.end())
    internal_error("rewrite: value %{}.{} used before it was copied", old.node, old.output);
  return found->second;
}

std::vector<Value> Rewriter::inputs_of(int node) const {
  std::vector<Value> in;
  for (const Edge& e : from().node(node).inputs) in.push_back(at(e));
  return in;
}

Value Rewriter::copy(int n) {
  const Node& node = from().node(n);
  to_->set_scope(from().scope_name(node.scope));
  const Value v = to_->op(*node.op, inputs_of(n), *node.attrs);
  for (int o = 0; o < node.outputs; ++o) map({n, o}, to_->output_of(v, o));
  return v;
}

void Rewriter::finish() {
  for (Edge& e : unit_.fetches) {
    const Value v = at(e);
    e = {v.node, v.output};
  }
  for (const auto& cell : from().cells()) to_->assign(cell.cell, at(cell.current));
  unit_.graph = std::move(to_);
}

std::vector<char> steady_nodes(const Graph& graph, const std::vector<int>& inputs) {
  std::vector<char> steady(static_cast<size_t>(graph.size()), 0);
  for (const int i : inputs) steady[graph.inputs()[static_cast<size_t>(i)].value.node] = 1;
  for (const auto& cell : graph.cells())
    if (cell.initial.node >= 0 && cell.current == cell.initial) steady[cell.initial.node] = 1;
  for (int n = 0; n < graph.size(); ++n) {
    const Node& node = graph.node(n);
    if (node.op->name() == "constant") steady[n] = 1;
    if (node.literal >= 0 || node.op->effect() != Effect::none) continue;
    steady[n] = std::all_of(node.inputs.begin(), node.inputs.end(),
                            [&](const Edge& e) { return steady[e.node] != 0; });
  }
  return steady;
}

std::map<Edge, int> count_uses(const Unit& unit) {
  std::map<Edge, int> uses;
  const Graph& g = *unit.graph;
  const std::vector<char> needed = reachable(unit);
  for (int n = 0; n < g.size(); ++n)
    if (needed[n])
      for (const Edge& e : g.node(n).inputs) ++uses[e];
  for (const Edge& e : unit.fetches) ++uses[e];
  for (const auto& cell : g.cells())
    if (!(cell.current == cell.initial)) ++uses[cell.current];
  return uses;
}

}  // namespace trivium::compile
