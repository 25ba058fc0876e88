// A convolution followed by factors and offsets that stay the same from run to run — batch
// normalisation by running statistics — is one convolution with other weights and another bias.
// Those are computed when a Cell has changed (see lower_keep.cc), not in every run.
#include <set>

#include "trivium/engine/compile/passes/passes.h"

namespace trivium::compile {
namespace {

struct Folder {
  Unit& unit;
  Rewriter rw;
  std::map<Edge, int> uses;
  std::vector<char> steady;
  std::set<Edge> open;  // old values that are convolutions with steady weights by now
  int folded = 0;

  explicit Folder(Unit& u) : unit(u), rw(u), uses(count_uses(u)), steady(steady_nodes(rw.from())) {}

  /// The operand as [O] when it has one number for each channel of y [N, O, …].
  Value per_channel(Value v, const Shape& y) {
    const Shape& s = v.shape();
    const int64_t channels = y[1];
    const int axis = s.rank() - (y.rank() - 1);  // of the channels in v
    if (axis < 0 || s[axis] != channels || s.count() != channels) return {};
    return rw.to().op("reshape", {v}, {{"shape", std::vector<int64_t>{channels}}});
  }

  /// Whether old node n is a convolution that may take factors in.
  bool opens(int n) {
    const Node& node = rw.from().node(n);
    if (node.op->name() != "conv" || node.inputs.size() > 3) return false;
    for (size_t i = 1; i < node.inputs.size(); ++i)
      if (!steady[node.inputs[i].node]) return false;
    return node.attrs->string("activation") == "none";
  }

  /// Records an open convolution again with the factor or offset of node n applied.
  bool fold(int n) {
    const Node& node = rw.from().node(n);
    const std::string& op = node.op->name();
    const bool commutes = op == "mul" || op == "add";
    if (node.inputs.size() != 2 || (!commutes && op != "div" && op != "sub")) return false;
    for (int side = 0; side < (commutes ? 2 : 1); ++side) {
      const Edge made = node.inputs[side], other = node.inputs[1 - side];
      if (!open.count(made) || uses[made] != 1 || !steady[other.node]) continue;
      const Value y = rw.at(made);
      if (rw.from().meta({n, 0}).shape != y.shape() || rw.from().meta(other).dtype != y.dtype())
        continue;
      const Value v = per_channel(rw.at(other), y.shape());
      if (!v.defined()) continue;
      rw.map({n, 0}, record(rw.to().node(y.node), op, v));
      open.insert({n, 0});
      ++folded;
      return true;
    }
    return false;
  }

  void visit(int n) {
    if (fold(n)) return;
    rw.copy(n);
    if (opens(n)) open.insert({n, 0});
  }

  Value record(Node conv,  // a copy: recording moves nodes
               const std::string& op, Value v) {
    Graph& g = rw.to();
    g.set_scope(g.scope_name(conv.scope));
    Value w = g.value(conv.inputs[1]);
    Value bias = conv.inputs.size() > 2 ? g.value(conv.inputs[2]) : Value{};
    if (op == "mul" || op == "div") {
      std::vector<int64_t> rows(static_cast<size_t>(w.shape().rank()), 1);
      rows[0] = w.shape()[0];
      w = g.op(op, {w, g.op("reshape", {v}, {{"shape", rows}})});
      if (bias.defined()) bias = g.op(op, {bias, v});
    } else if (bias.defined()) {
      bias = g.op(op, {bias, v});
    } else {
      bias = op == "sub" ? g.op("neg", {v}) : v;
    }
    std::vector<Value> in{g.value(conv.inputs[0]), w};
    if (bias.defined()) in.push_back(bias);
    return g.op(*conv.op, in, *conv.attrs);
  }
};

}  // namespace

void fold_affine(Unit& unit) {
  if (unit.options.numerics == Numerics::exact) return;  // the weights would be rounded again
  Folder f(unit);
  for (int n = 0; n < f.rw.from().size(); ++n)
    if (f.rw.needed(n) && !f.rw.is_leaf(n)) f.visit(n);
  f.rw.finish();
  if (f.folded)
    unit.note(
        fmt::format("affine: {} factors and offsets joined the convolution before them", f.folded));
}

}  // namespace trivium::compile
