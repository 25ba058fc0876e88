// What is cut from a value, and what is put together from pieces: the gradient of a split is one
// concatenation, a part of a product is the product of a part, and axes are exchanged where there
// is less to move.
#include <algorithm>

#include "trivium/engine/compile/passes/passes.h"

namespace trivium::compile {
namespace {

using Ints = std::vector<int64_t>;

struct Pieces {
  Unit& unit;
  Rewriter rw;
  std::map<Edge, int> uses;
  std::vector<char> steady;
  int joined = 0, parts = 0, moved = 0;

  explicit Pieces(Unit& u)
      : unit(u), rw(u), uses(count_uses(u)), steady(steady_nodes(rw.from(), u.options.steady)) {}

  const Node& maker(Edge e) { return rw.from().node(e.node); }
  bool made_by(Edge e, const char* op) { return maker(e).op->name() == op; }
  const Shape& shape_of(Edge e) { return rw.from().meta(e).shape; }

  /// The only axis that a pad of zeros makes longer; -1 where there are more or none.
  int padded_axis(const Node& pad) {
    if (pad.attrs->real("value") != 0) return -1;
    const Ints &before = pad.attrs->integers("before"), &after = pad.attrs->integers("after");
    int axis = -1;
    for (size_t i = 0; i < before.size(); ++i)
      if (before[i] + after[i] > 0) {
        if (axis >= 0) return -1;
        axis = static_cast<int>(i);
      }
    return axis;
  }

  /// Pieces that zeros were put around to be added up, side by side, fill the sum.
  bool join(int n) {
    const Node& node = rw.from().node(n);
    if (node.op->name() != "add_n" && node.op->name() != "add") return false;
    std::vector<std::pair<int64_t, Edge>> pieces;  // where they begin
    int axis = -1;
    for (const Edge& e : node.inputs) {
      if (!made_by(e, "pad") || !(shape_of(e) == shape_of({n, 0}))) return false;
      const int own = padded_axis(maker(e));
      if (own < 0 || (axis >= 0 && own != axis)) return false;
      axis = own;
      pieces.emplace_back(maker(e).attrs->integers("before")[static_cast<size_t>(axis)],
                          maker(e).inputs[0]);
    }
    std::sort(pieces.begin(), pieces.end());
    int64_t end = 0;
    std::vector<Value> in;
    for (const auto& [begin, piece] : pieces) {
      if (begin != end) return false;
      end += shape_of(piece)[axis];
      in.push_back(rw.at(piece));
    }
    if (end != shape_of({n, 0})[axis]) return false;
    rw.map({n, 0}, rw.to().op("concat", in, {{"axis", static_cast<int64_t>(axis)}}));
    return ++joined;
  }

  /// Only some columns of a product are wanted: the others are not computed. Cutting b is work too,
  /// but not where b is the same for many runs.
  bool cut_product(int n) {
    const Node& node = rw.from().node(n);
    const Edge product = node.inputs[0];
    if (!made_by(product, "matmul") || uses[product] != 1) return false;
    const Node& matmul = maker(product);
    const Edge b = matmul.inputs[1];
    if (matmul.inputs.size() != 2 || shape_of(product).rank() != 2 || shape_of(b).rank() != 2 ||
        shape_of(matmul.inputs[0]).rank() != 2)
      return false;
    const int64_t rows = shape_of(product)[0], columns = shape_of(product)[1];
    const Ints &starts = node.attrs->integers("starts"), &stops = node.attrs->integers("stops");
    if (starts[0] != 0 || stops[0] != rows || node.attrs->integers("steps") != Ints{1, 1})
      return false;
    constexpr int64_t kCopied = 64;  // products an element copied costs
    const int64_t wanted = stops[1] - starts[1];
    if (wanted == columns || wanted == 0) return false;
    if (!steady[b.node] && rows * (columns - wanted) < kCopied * wanted) return false;
    const size_t axis = matmul.attrs->flag("transpose_b") ? 0 : 1;
    Ints from{0, 0}, to = shape_of(b).vec();
    from[axis] = starts[1];
    to[axis] = stops[1];
    const Value part =
        rw.to().op("slice", {rw.at(b)}, {{"starts", from}, {"stops", to}, {"steps", Ints{1, 1}}});
    rw.map({n, 0}, rw.to().op("matmul", {rw.at(matmul.inputs[0]), part}, *matmul.attrs));
    return ++parts;
  }

  /// slice(permute(x)) = permute(slice(x)).
  bool cut_first(int n) {
    const Node& node = rw.from().node(n);
    const Edge turned = node.inputs[0];
    if (!made_by(turned, "permute") || uses[turned] != 1) return false;
    const Attrs& permute = *maker(turned).attrs;
    const int rank = shape_of(turned).rank();
    Attrs own = *node.attrs;
    for (const char* name : {"starts", "stops", "steps"}) {
      const Ints& given = node.attrs->integers(name);
      Ints values(given.size());
      for (int i = 0; i < rank; ++i) values[axis_of(permute, i, rank)] = given[i];
      own.set(name, values);
    }
    const Value part = rw.to().op("slice", {rw.at(maker(turned).inputs[0])}, own);
    rw.map({n, 0}, rw.to().op("permute", {part}, permute));
    return ++moved;
  }

  /// permute(pad(x)) = pad(permute(x)).
  bool pad_last(int n) {
    const Node& node = rw.from().node(n);
    const Edge padded = node.inputs[0];
    if (!made_by(padded, "pad") || uses[padded] != 1) return false;
    const int rank = shape_of(padded).rank();
    Attrs pad = *maker(padded).attrs;
    for (const char* name : {"before", "after"}) {
      const Ints& given = maker(padded).attrs->integers(name);
      Ints values(given.size());
      for (int i = 0; i < rank; ++i) values[i] = given[axis_of(*node.attrs, i, rank)];
      pad.set(name, values);
    }
    const Value turned = rw.to().op("permute", {rw.at(maker(padded).inputs[0])}, *node.attrs);
    rw.map({n, 0}, rw.to().op("pad", {turned}, pad));
    return ++moved;
  }

  static size_t axis_of(const Attrs& permute, int i, int rank) {
    const int64_t axis = permute.integers("perm")[static_cast<size_t>(i)];
    return static_cast<size_t>(axis < 0 ? axis + rank : axis);
  }

  bool rewrite(int n) {
    const std::string& op = rw.from().node(n).op->name();
    rw.to().set_scope(rw.from().scope_name(rw.from().node(n).scope));
    if (op == "slice") return cut_product(n) || cut_first(n);
    if (op == "permute") return pad_last(n);
    return join(n);
  }
};

}  // namespace

void join_pieces(Unit& unit) {
  Pieces p(unit);
  for (int n = 0; n < p.rw.from().size(); ++n)
    if (p.rw.needed(n) && !p.rw.is_leaf(n) && !p.rewrite(n)) p.rw.copy(n);
  p.rw.finish();
  if (p.joined + p.parts + p.moved)
    unit.note(fmt::format(
        "pieces: {} sums of padded pieces are concatenations, {} products are made in part only, "
        "{} axes are exchanged where there is less",
        p.joined, p.parts, p.moved));
}

}  // namespace trivium::compile
