#include <map>
#include <tuple>

#include "trivium/engine/compile/passes/passes.h"

namespace trivium::compile {

void eliminate_common_subexpressions(Unit& unit) {
  Rewriter rw(unit);
  // Attributes are interned, so pointers compare.
  std::map<std::tuple<const OpDef*, const Attrs*, std::vector<Edge>>, Value> seen;
  int merged = 0;
  for (int n = 0; n < rw.from().size(); ++n) {
    if (!rw.needed(n) || rw.is_leaf(n)) continue;
    const Node& node = rw.from().node(n);
    std::vector<Edge> inputs;
    for (const Value& v : rw.inputs_of(n)) inputs.push_back({v.node, v.output});
    if (node.op->effect() != Effect::none) {
      rw.copy(n);
      continue;
    }
    auto [at, fresh] =
        seen.emplace(std::make_tuple(node.op, node.attrs.get(), std::move(inputs)), Value{});
    if (fresh) {
      at->second = rw.copy(n);
      continue;
    }
    ++merged;
    for (int o = 0; o < node.outputs; ++o) rw.map({n, o}, rw.to().output_of(at->second, o));
  }
  rw.finish();
  if (merged) unit.note(fmt::format("cse: {} repeated nodes joined", merged));
}

}  // namespace trivium::compile
