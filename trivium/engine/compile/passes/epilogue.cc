// bias, relu and what else comes after a matmul or convolution cost a pass over memory of their
// own; the kernel that has just made the values applies them for nothing.
#include "trivium/engine/compile/passes/passes.h"

namespace trivium::compile {
namespace {

bool is_anchor(const Node& node) {
  return node.op->name() == "matmul" || node.op->name() == "conv";
}

/// The bias operand [O] when `other` is added along the output features of anchor result `y`.
Value as_bias(Graph& g, const Node& anchor, Value y, Value other) {
  if (anchor.inputs.size() != 2 || other.dtype() != y.dtype()) return {};
  const bool conv = anchor.op->name() == "conv";
  const int rank = y.shape().rank();
  const int feature_axis = conv ? 1 : rank - 1;
  if (!conv && rank != 2) return {};
  const int64_t features = y.shape()[feature_axis];
  const Shape& s = other.shape();
  if (s.count() != features || features == 1) return {};
  // Right-aligned position of the one axis that is not 1.
  for (int i = 0; i < s.rank(); ++i)
    if (s[i] != 1 && i + rank - s.rank() != feature_axis) return {};
  return s.rank() == 1 ? other
                       : g.op("reshape", {other}, {{"shape", std::vector<int64_t>{features}}});
}

struct Fuser {
  Unit& unit;
  Rewriter rw;
  std::map<Edge, int> uses;
  int biases = 0, addends = 0, relus = 0;

  explicit Fuser(Unit& u) : unit(u), rw(u), uses(count_uses(u)) {}

  const Node& old_maker(Edge e) { return rw.from().node(e.node); }

  /// add(anchor, bias) → anchor with bias. The anchor has been copied already; the copy goes
  /// unused.
  bool fuse_bias(int n) {
    const Node& node = rw.from().node(n);
    if (node.op->name() != "add") return false;
    for (int side = 0; side < 2; ++side) {
      const Edge made = node.inputs[side];
      if (!is_anchor(old_maker(made)) || uses[made] != 1) continue;
      const Value y = rw.at(made), other = rw.at(node.inputs[1 - side]);
      const Node anchor = rw.to().node(y.node);
      if (!is_anchor(anchor) || anchor.attrs->string("activation") != "none") continue;
      const Value bias = as_bias(rw.to(), anchor, y, other);
      if (!bias.defined() || rw.from().meta({n, 0}).shape != y.shape()) continue;
      rw.to().set_scope(rw.from().scope_name(old_maker(made).scope));
      const std::vector<Value> in = {rw.to().value(anchor.inputs[0]),
                                     rw.to().value(anchor.inputs[1]), bias};
      rw.map({n, 0}, rw.to().op(*anchor.op, in, *anchor.attrs));
      ++biases;
      return true;
    }
    return false;
  }

  /// add(conv, other) of equal shapes → conv that adds its results to other's.
  bool fuse_addend(int n) {
    const Node& node = rw.from().node(n);
    if (node.op->name() != "add") return false;
    // The convolution recorded later has the other operand more likely at hand.
    const int later = node.inputs[1].node > node.inputs[0].node ? 1 : 0;
    for (const int side : {later, 1 - later}) {
      const Edge made = node.inputs[side];
      if (old_maker(made).op->name() == "constant" || uses[made] != 1) continue;
      const Value y = rw.at(made), other = rw.at(node.inputs[1 - side]);
      const Node conv = rw.to().node(y.node);
      if (conv.op->name() != "conv" || conv.inputs.size() > 3 ||
          conv.attrs->string("activation") != "none" || other.shape() != y.shape() ||
          other.dtype() != y.dtype() || rw.from().meta({n, 0}).shape != y.shape())
        continue;
      rw.to().set_scope(rw.to().scope_name(conv.scope));
      std::vector<Value> in;
      for (const Edge& e : conv.inputs) in.push_back(rw.to().value(e));
      if (in.size() == 2) in.push_back(rw.to().constant(0.0, y.dtype(), Shape{y.shape()[1]}));
      in.push_back(other);
      rw.map({n, 0}, rw.to().op(*conv.op, in, *conv.attrs));
      ++addends;
      return true;
    }
    return false;
  }

  /// clip(conv, constants) → conv that clips. Bounds around 0 only: channels past the end are zero
  /// in blocked memory and must stay so.
  bool fuse_clip(int n) {
    const Node& node = rw.from().node(n);
    if (node.op->name() != "clip" || uses[node.inputs[0]] != 1) return false;
    double bounds[2];
    for (int i = 0; i < 2; ++i) {
      const Edge e = node.inputs[static_cast<size_t>(1 + i)];
      if (old_maker(e).op->name() != "constant" || rw.from().meta(e).shape.count() != 1)
        return false;
      bounds[i] = rw.from().constants()[old_maker(e).literal].at(0);
    }
    const Value y = rw.at(node.inputs[0]);
    const Node conv = rw.to().node(y.node);
    if (conv.op->name() != "conv" || conv.attrs->string("activation") != "none" ||
        !(bounds[0] <= 0 && bounds[1] >= 0) || rw.from().meta({n, 0}).shape != y.shape())
      return false;
    Attrs attrs = *conv.attrs;
    attrs.set("activation", std::string("clip"));
    attrs.set("low", bounds[0]);
    attrs.set("high", bounds[1]);
    std::vector<Value> in;
    for (const Edge& e : conv.inputs) in.push_back(rw.to().value(e));
    rw.to().set_scope(rw.to().scope_name(conv.scope));
    rw.map({n, 0}, rw.to().op(*conv.op, in, attrs));
    ++relus;
    return true;
  }

  bool fuse_relu(int n) {
    const Node& node = rw.from().node(n);
    if (node.op->name() != "relu" || uses[node.inputs[0]] != 1) return false;
    const Value y = rw.at(node.inputs[0]);
    const Node anchor = rw.to().node(y.node);
    if (!is_anchor(anchor) || anchor.attrs->string("activation") != "none") return false;
    Attrs attrs = *anchor.attrs;
    attrs.set("activation", std::string("relu"));
    std::vector<Value> in;
    for (const Edge& e : anchor.inputs) in.push_back(rw.to().value(e));
    rw.to().set_scope(rw.to().scope_name(anchor.scope));
    rw.map({n, 0}, rw.to().op(*anchor.op, in, attrs));
    ++relus;
    return true;
  }
};

}  // namespace

void fuse_epilogues(Unit& unit) {
  Fuser f(unit);
  for (int n = 0; n < f.rw.from().size(); ++n) {
    if (!f.rw.needed(n) || f.rw.is_leaf(n)) continue;
    if (!f.fuse_bias(n) && !f.fuse_addend(n) && !f.fuse_clip(n) && !f.fuse_relu(n)) f.rw.copy(n);
  }
  f.rw.finish();
  if (f.biases + f.addends + f.relus)
    unit.note(
        fmt::format("fuse: {} biases and {} relus joined the op before them", f.biases, f.relus) +
        (f.addends ? fmt::format(", and {} second addends", f.addends) : ""));
}

}  // namespace trivium::compile
