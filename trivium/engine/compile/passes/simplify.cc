// Rewrites that are exact: they never change a bit of any result.
#include <cmath>

#include <algorithm>

#include "trivium/engine/compile/passes/passes.h"
#include "trivium/engine/graph/interpret.h"

namespace trivium::compile {
namespace {

constexpr int64_t kFoldLimit =
    4096;  // elements: larger literals cost more memory than they save time

/// Literals are computed in double: integers beyond 2^53, and what is no integer at all (a division
/// by zero), are left to the kernels.
bool exact_in_double(double v, DType dtype) { return !is_integer(dtype) || std::abs(v) <= 0x1p53; }

struct Simplifier {
  Unit& unit;
  Rewriter rw;
  int changed = 0;

  explicit Simplifier(Unit& u) : unit(u), rw(u) {}

  const Node& made_by(Value v) { return rw.to().node(v.node); }
  bool is_op(Value v, const char* op) { return made_by(v).op->name() == op; }

  /// The value of a constant whose elements are all equal.
  std::optional<double> uniform_constant(Value v) {
    const Node& node = made_by(v);
    if (node.op->name() == "broadcast_to") return uniform_constant(rw.to().value(node.inputs[0]));
    if (node.op->name() != "constant") return {};
    const Array& a = rw.to().constants()[node.literal];
    if (a.count() == 0 || a.count() > kFoldLimit) return {};
    for (int64_t i = 1; i < a.count(); ++i)
      if (a.at(i) != a.at(0)) return {};
    return a.at(0);
  }

  bool same_meta(Value a, const ValueMeta& m) {
    return a.shape() == m.shape && a.dtype() == m.dtype;
  }

  /// An operand that was broadcast by a node of its own is read directly: the op broadcasts by
  /// itself.
  void strip_broadcasts(const Node& node, const ValueMeta& out, std::vector<Value>& in) {
    if (!node.op->scalar()) return;
    for (size_t i = 0; i < in.size(); ++i) {
      if (!is_op(in[i], "broadcast_to")) continue;
      const Value source = rw.to().value(made_by(in[i]).inputs[0]);
      Shape rest = source.shape();
      for (size_t j = 0; j < in.size(); ++j)
        if (j != i) rest = broadcast_shapes(rest, in[j].shape());
      if (rest == out.shape) in[i] = source;
    }
  }

  /// A Value that equals the node's result already, or an undefined one.
  Value shortcut(const Node& node, const ValueMeta& out, const std::vector<Value>& in) {
    const std::string& op = node.op->name();
    if (op == "stop_gradient" || op == "copy") return in[0];
    if ((op == "reshape" || op == "broadcast_to" || op == "cast" || op == "sum_to") &&
        same_meta(in[0], out))
      return in[0];
    if (op == "permute") {
      const auto& perm = node.attrs->integers("perm");
      if (std::is_sorted(perm.begin(), perm.end())) return in[0];
    }
    if (op == "add_n" && in.size() == 1) return in[0];
    if (op == "concat" && in.size() == 1) return in[0];
    if (op == "sum" && same_meta(in[0], out)) return in[0];
    if (op == "neg" && is_op(in[0], "neg")) return rw.to().value(made_by(in[0]).inputs[0]);
    if (in.size() == 2) {
      const auto a = uniform_constant(in[0]), b = uniform_constant(in[1]);
      if (op == "mul" && b == 1.0 && same_meta(in[0], out)) return in[0];
      if (op == "mul" && a == 1.0 && same_meta(in[1], out)) return in[1];
      if (op == "div" && b == 1.0 && same_meta(in[0], out)) return in[0];
      if (op == "sub" && b == 0.0 && same_meta(in[0], out)) return in[0];
    }
    return {};
  }

  /// Whether axes longer than 1 stay in their order: then no element moves.
  static bool keeps_elements(const Shape& shape, const std::vector<int64_t>& perm) {
    int last = -1;
    for (const int64_t axis : perm) {
      const int own = shape.axis(static_cast<int>(axis));
      if (shape[own] == 1) continue;
      if (own < last) return false;
      last = own;
    }
    return true;
  }

  /// reshape of reshape, permute of permute, and a permute that is a reshape.
  Value join_views(const Node& node, const ValueMeta& out, const std::vector<Value>& in) {
    const std::string& op = node.op->name();
    if (op == "reshape" && is_op(in[0], "reshape"))
      return rw.to().op("reshape", {rw.to().value(made_by(in[0]).inputs[0])}, *node.attrs);
    if (op == "permute" && is_op(in[0], "permute")) {
      const Node& first = made_by(in[0]);
      std::vector<int64_t> joined;
      const Shape& middle = in[0].shape();  // axes may be counted from the end
      for (int64_t p : node.attrs->integers("perm"))
        joined.push_back(middle.axis(
            static_cast<int>(first.attrs->integers("perm")[middle.axis(static_cast<int>(p))])));
      const Value source = rw.to().value(first.inputs[0]);
      if (std::is_sorted(joined.begin(), joined.end())) return source;
      return rw.to().op("permute", {source}, {{"perm", joined}});
    }
    if (op == "permute" && keeps_elements(in[0].shape(), node.attrs->integers("perm")))
      return rw.to().op("reshape", {in[0]}, {{"shape", out.shape.vec()}});
    return {};
  }

  /// Computes the node now when all operands are literals; uniform results stay small.
  Value fold(const Node& node, const ValueMeta& out, const std::vector<Value>& in) {
    if (node.outputs != 1 || in.empty() || out.shape.count() > kFoldLimit) return {};
    if (node.op->effect() != Effect::none || !node.op->reference()) return {};
    const std::string& op = node.op->name();
    if (op == "broadcast_to" || op == "while" || op == "cond") return {};
    Graph small;
    std::vector<Value> copies;
    for (const Value& v : in) {
      if (!is_op(v, "constant")) return {};
      const Array& literal = rw.to().constants()[made_by(v).literal];
      for (int64_t i = 0; i < literal.count(); ++i)
        if (!exact_in_double(literal.at(i), literal.dtype())) return {};
      copies.push_back(small.constant(literal));
    }
    const Value result = small.op(*node.op, copies, *node.attrs);
    const RefTensor t = interpret(small, {result}, {})[0];
    Array literal(out.shape, out.dtype);
    for (int64_t i = 0; i < literal.count(); ++i) {
      if (!exact_in_double(t.data[i], out.dtype)) return {};
      literal.set(i, t.data[i]);
      if (is_integer(out.dtype) && literal.at(i) != t.data[i]) return {};
    }
    return rw.to().constant(literal);
  }

  void visit(int n) {
    const Node& node = rw.from().node(n);
    const ValueMeta out = rw.from().meta({n, 0});
    std::vector<Value> in = rw.inputs_of(n);
    rw.to().set_scope(rw.from().scope_name(node.scope));
    strip_broadcasts(node, out, in);
    if (node.op->is_commutative() && in.size() == 2 && in[1].node < in[0].node)
      std::swap(in[0], in[1]);
    Value v = shortcut(node, out, in);
    if (!v.defined()) v = join_views(node, out, in);
    if (!v.defined()) v = fold(node, out, in);
    if (v.defined()) {
      ++changed;
      rw.map({n, 0}, v);
      return;
    }
    v = rw.to().op(*node.op, in, *node.attrs);
    for (int o = 0; o < node.outputs; ++o) rw.map({n, o}, rw.to().output_of(v, o));
  }
};

}  // namespace

void simplify(Unit& unit) {
  Simplifier s(unit);
  for (int n = 0; n < s.rw.from().size(); ++n)
    if (s.rw.needed(n) && !s.rw.is_leaf(n)) s.visit(n);
  s.rw.finish();
  if (s.changed)
    unit.note(fmt::format("simplify: {} nodes replaced by what they equal", s.changed));
}

}  // namespace trivium::compile
