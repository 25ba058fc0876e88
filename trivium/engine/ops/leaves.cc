// The leaves of a graph. Only Graph's own functions record them: their payload (name, bytes, Cell)
// lives in the graph, not in attributes.
#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

OpDef& leaf(OpRegistry& ops, const std::string& name, const std::string& how) {
  return ops.define(name)
      .infer([how](InferCtx& c) { c.fail("is a leaf of the graph", "record it with " + how); })
      .reference([name](RefCtx&) { internal_error("{}: leaves are bound, not computed", name); })
      .not_differentiable("a leaf has no operands");
}

}  // namespace

void define_leaves(OpRegistry& ops) {
  leaf(ops, "input", "Graph::input")
      .summary("An array given at every run, bound by position in recording order.")
      .output("y", "the array; shape and dtype are fixed when it is recorded");
  leaf(ops, "scalar", "Graph::scalar")
      .summary(
          "A number given at every run (learning rate, seed, dropout ratio). Plans never depend on "
          "it.")
      .output("y", "rank 0");
  leaf(ops, "constant", "Graph::constant")
      .summary("A literal. Its bytes are part of the plan's key, so it should be small.")
      .output("y", "the literal");
  leaf(ops, "cell", "Graph::read")
      .summary("What a Cell holds when the run starts.")
      .output("y", "shape and dtype of the Cell");
}

}  // namespace trivium::ops
