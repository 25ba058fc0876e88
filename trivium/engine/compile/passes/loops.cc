// The gradient of a loop records the loop once more, with the rows it needs saved; that of a choice
// the choice, with what it may make only once. The one that gives less is the beginning of the one
// that gives more, so one run of the latter gives both.
#include "trivium/engine/compile/passes/passes.h"
#include "trivium/engine/graph/text.h"
#include "trivium/engine/ops/control.h"

namespace trivium::compile {
namespace {

/// Whether `longer` gives all results of `shorter`, and more, the same way.
bool begins_with(const Region& longer, const Region& shorter) {
  if (longer.results.size() < shorter.results.size()) return false;
  std::vector<Value> inputs;
  for (const auto& in : longer.graph->inputs()) inputs.push_back(longer.graph->value(in.value));
  return region_text(*longer.graph, inputs,
                     std::span(longer.results).first(shorter.results.size())) == shorter.text;
}

const std::vector<std::string>& regions_of(const Node& node) {
  static const std::vector<std::string> loop{"body"}, choice{"then", "otherwise"};
  return node.op->name() == "while" ? loop : choice;
}

/// A tape is a whole: two that hold different rows differ.
bool same_tape(const Node& longer, const Node& shorter) {
  if (longer.op->name() != "while") return true;
  const ops::Loop a(*longer.attrs, static_cast<int>(longer.inputs.size())),
      b(*shorter.attrs, static_cast<int>(shorter.inputs.size()));
  return !b.to_tape() || a.saves == b.saves;
}

bool extends(const Node& longer, const Node& shorter) {
  if (longer.op != shorter.op || longer.inputs != shorter.inputs) return false;
  Attrs a = *longer.attrs, b = *shorter.attrs;
  for (const std::string& name : regions_of(shorter)) {
    if (!begins_with(*region_of(a.string(name)), *region_of(b.string(name)))) return false;
    a.set(name, std::string());
    b.set(name, std::string());
  }
  return a == b && same_tape(longer, shorter);
}

}  // namespace

void join_loops(Unit& unit) {
  const Graph& g = *unit.graph;
  std::vector<int> loops;
  for (int n = 0; n < g.size(); ++n)
    if (const std::string& op = g.node(n).op->name(); op == "while" || op == "cond")
      loops.push_back(n);
  if (loops.size() < 2) return;
  std::vector<int> longest(g.size(), -1);
  for (size_t i = 0; i < loops.size(); ++i)
    for (size_t j = i + 1; j < loops.size(); ++j) {
      const Node &longer = g.node(loops[j]), &shorter = g.node(loops[i]);
      if (extends(longer, shorter)) longest[loops[i]] = loops[j];
    }
  for (size_t i = loops.size(); i-- > 0;)  // a longer one may have a longer one itself
    if (int& to = longest[loops[i]]; to >= 0 && longest[to] >= 0) to = longest[to];
  Rewriter rw(unit);
  std::map<int, Value> made;
  int joined = 0;
  for (int n = 0; n < g.size(); ++n) {
    if (!rw.needed(n) || rw.is_leaf(n)) continue;
    if (made.count(n)) continue;  // recorded where the shorter one stood
    const int to = longest[n];
    if (to < 0 || !rw.needed(to)) {
      rw.copy(n);
      continue;
    }
    if (!made.count(to)) made[to] = rw.copy(to);
    for (int o = 0; o < g.node(n).outputs; ++o) rw.map({n, o}, rw.to().output_of(made[to], o));
    ++joined;
  }
  rw.finish();
  if (joined) unit.note(fmt::format("loops: {} joined the one that gives more", joined));
}

}  // namespace trivium::compile
