#include "trivium/engine/compile/passes/passes.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/run/backend.h"

namespace trivium::compile {
namespace {

constexpr size_t kMostOperands = 32;  // an op with a shorter form is not run on more

run::TensorDesc desc(const ValueMeta& m) { return {m.shape, m.dtype, {}}; }

/// Whether some kernel takes the node in plain memory; otherwise `reason` says why not.
bool has_kernel(const Graph& g, int n, const run::Backend& backend, std::string& reason) {
  const Node& node = g.node(n);
  run::KernelRequest request{node.op->name(), node.attrs.get(), {}, {}, threads()};
  for (const Edge& e : node.inputs) request.in.push_back(desc(g.meta(e)));
  for (int o = 0; o < node.outputs; ++o) request.out.push_back(desc(g.meta({n, o})));
  const auto entries = backend.kernels().of(node.op->name());
  if (entries.empty()) reason = "no kernel";
  for (const run::KernelEntry* entry : entries)
    if (entry->place(request, {}, reason)) return true;
  return false;
}

}  // namespace

void decompose_composites(Unit& unit) {
  const run::Backend& backend = run::backend(unit.options.backend);
  for (int round = 0; round < 4; ++round) {
    Rewriter rw(unit);
    int opened = 0;
    for (int n = 0; n < rw.from().size(); ++n) {
      if (!rw.needed(n) || rw.is_leaf(n)) continue;
      const Node& node = rw.from().node(n);
      std::string reason;
      const bool wide = node.inputs.size() > kMostOperands;
      if (wide) reason = fmt::format("{} operands", node.inputs.size());
      if (!node.op->decompose() || (!wide && has_kernel(rw.from(), n, backend, reason))) {
        rw.copy(n);
        continue;
      }
      ++opened;
      rw.to().set_scope(rw.from().scope_name(node.scope));
      const std::vector<Value> parts = node.op->decompose()(rw.to(), rw.inputs_of(n), *node.attrs);
      for (int o = 0; o < node.outputs; ++o) rw.map({n, o}, parts.at(o));
      unit.note(fmt::format("decompose: {} written out ({})", node.op->name(), reason));
    }
    rw.finish();
    if (!opened) return;
  }
}

}  // namespace trivium::compile
