// Numerics::exact: a sum of float products is made in double and rounded once, so that a result is
// the true one but for its last bit, whatever the vector length, the threads or the kernel.
#include <string_view>

#include "trivium/engine/compile/passes/passes.h"

namespace trivium::compile {
namespace {

bool sums_products(const Node& node) {
  static constexpr std::string_view kOps[] = {"matmul", "conv", "conv_bwd_data", "conv_bwd_weights",
                                              "sum",    "mean", "sum_to"};
  for (std::string_view op : kOps)
    if (node.op->name() == op) return true;
  return false;
}

}  // namespace

void widen_sums(Unit& unit) {
  if (unit.options.numerics != Numerics::exact) return;
  Rewriter rw(unit);
  int widened = 0;
  for (int n = 0; n < rw.from().size(); ++n) {
    if (!rw.needed(n) || rw.is_leaf(n)) continue;
    const Node& node = rw.from().node(n);
    if (!sums_products(node) || rw.from().meta({n, 0}).dtype != DType::f32) {
      rw.copy(n);
      continue;
    }
    rw.to().set_scope(rw.from().scope_name(node.scope));
    std::vector<Value> in = rw.inputs_of(n);
    for (Value& v : in)
      if (v.dtype() == DType::f32)
        v = rw.to().op("cast", {v}, {{"dtype", std::string(name_of(DType::f64))}});
    const Value wide = rw.to().op(*node.op, in, *node.attrs);
    rw.map({n, 0}, rw.to().op("cast", {wide}, {{"dtype", std::string(name_of(DType::f32))}}));
    ++widened;
  }
  rw.finish();
  if (widened) unit.note(fmt::format("widen: {} sums are made in double", widened));
}

}  // namespace trivium::compile
