// What stands around a batch normalisation joins it: factors and offsets of channels that follow as
// ops of their own become its gamma and beta, another value that is added and a relu are done where
// it writes its results, and its gradient reads through the relu. Each of them was a sweep over
// memory.
#include <set>

#include "trivium/engine/compile/passes/passes.h"

namespace trivium::compile {
namespace {

/// One batch_norm of the old graph and the nodes that join it; -1: none.
struct Match {
  int norm = -1;
  int scale = -1, shift = -1;           // y = norm * gamma + beta
  int add = -1, relu = -1;              // after that
  Edge gamma, beta, addend;             // old operands of scale, shift and add
  int grad = -1;                        // the batch_norm_grad
  int spread = -1;                      // mul(dy, gamma) before it
  int product = -1, dgamma = -1;        // sum(mul(dy, norm)), the gradient of gamma
  int dbeta = -1;                       // sum(dy)
  int mask = -1;                        // relu_grad before all these
  Edge dy;                              // what arrives at them
  Value mean, invstd, x, gamma_now, y;  // new values
  bool grad_recorded = false;
};

class NormFuser {
 public:
  explicit NormFuser(Unit& unit) : unit_(unit), rw_(unit), g_(rw_.from()), uses_(count_uses(unit)) {
    for (int n = 0; n < g_.size(); ++n)
      if (rw_.needed(n))
        for (const Edge& e : g_.node(n).inputs) readers_[e].insert(n);
  }

  void run() {
    for (int n = 0; n < g_.size(); ++n)
      if (rw_.needed(n) && g_.node(n).op->name() == "batch_norm") find(n);
    for (int n = 0; n < g_.size(); ++n)
      if (rw_.needed(n) && !rw_.is_leaf(n)) visit(n);
    rw_.finish();
    if (joined_)
      unit_.note(fmt::format("norm: {} ops joined the batch normalisations beside them", joined_));
  }

 private:
  const std::string& op_of(int n) const { return g_.node(n).op->name(); }
  int sole_reader(Edge e, const char* op) const {
    const auto uses = uses_.find(e);
    const auto readers = readers_.find(e);
    if (uses == uses_.end() || uses->second != 1 || readers == readers_.end()) return -1;
    const int n = *readers->second.begin();
    return op_of(n) == op ? n : -1;
  }
  Edge other_operand(int n, Edge than) const {
    const auto& in = g_.node(n).inputs;
    return in[0] == than ? in[1] : in[0];
  }

  /// Whether the value has one number a channel of [N, C, …].
  bool per_channel(Edge e, const Shape& x) const {
    const Shape& s = g_.meta(e).shape;
    const int axis = s.rank() - (x.rank() - 1);
    return axis >= 0 && s[axis] == x[1] && s.count() == x[1];
  }

  /// The value behind reshapes.
  Edge behind_reshapes(Edge e) const {
    while (op_of(e.node) == "reshape") e = g_.node(e.node).inputs[0];
    return e;
  }
  /// Whether node n may already read it.
  bool at_hand(Edge e, int n) const { return e.node < n || rw_.is_leaf(e.node); }

  /// Whether node n sums [N, C, …] to one number a channel.
  bool sums_to_channels(int n) const {
    const Node& node = g_.node(n);
    const Shape& x = g_.meta(node.inputs[0]).shape;
    if (x.rank() < 3 || g_.meta({n, 0}).shape.count() != x[1]) return false;
    if (node.op->name() == "sum_to") return per_channel({n, 0}, x);
    if (node.op->name() != "sum") return false;
    std::vector<bool> summed(static_cast<size_t>(x.rank()), false);
    for (const int64_t a : node.attrs->integers("axes"))
      summed[static_cast<size_t>(a < 0 ? a + x.rank() : a)] = true;
    for (int i = 0; i < x.rank(); ++i)
      if (summed[static_cast<size_t>(i)] == (i == 1)) return false;
    return true;
  }

  void find(int n) {
    const Node& node = g_.node(n);
    const Shape& x = g_.meta(node.inputs[0]).shape;
    if (x.rank() < 3 || node.inputs.size() == 2 || node.inputs.size() > 3 ||
        node.attrs->string("activation") != "none")
      return;
    Match m;
    m.norm = n;
    const bool affine = node.inputs.size() == 3;
    if (affine) m.gamma = node.inputs[1];
    if (!find_grad(m, affine)) return;
    if (!affine && !find_scale(m)) return;
    Edge out = m.shift >= 0 ? Edge{m.shift, 0} : Edge{n, 0};
    find_finish(m, out);
    find_mask(m);
    int joining = 0;
    for (const int other : {m.scale, m.shift, m.add, m.relu, m.mask}) joining += other >= 0;
    if (!joining) return;
    joined_ += joining;
    const int index = static_cast<int>(matches_.size());
    for (const int other : {m.norm, m.scale, m.shift, m.add, m.relu, m.grad, m.spread, m.product,
                            m.dgamma, m.dbeta, m.mask})
      if (other >= 0) match_of_[other] = index;
    matches_.push_back(m);
  }

  /// The one gradient, if there is any.
  bool find_grad(Match& m, bool affine) const {
    const auto readers = readers_.find({m.norm, 3});
    if (readers == readers_.end()) return true;
    for (const int r : readers->second) {
      if (op_of(r) != "batch_norm_grad") continue;
      const auto& in = g_.node(r).inputs;
      if (m.grad >= 0 || in.size() != (affine ? 5u : 4u) || in[1] != g_.node(m.norm).inputs[0] ||
          in[2] != Edge{m.norm, 1} || in[3] != Edge{m.norm, 3} || (affine && in[4] != m.gamma))
        return false;
      m.grad = r;
      m.dy = in[0];
    }
    return true;
  }

  /// norm * gamma + beta, and in the gradient mul(dy, gamma), sum(dy * norm) and sum(dy).
  bool find_scale(Match& m) const {
    const Edge y{m.norm, 0};
    const auto readers = readers_.find(y);
    if (readers == readers_.end()) return false;
    const Shape& x = g_.meta(y).shape;
    for (const int r : readers->second)
      if (op_of(r) == "mul" && per_channel(other_operand(r, y), x)) m.scale = r;
    if (m.scale < 0 || (m.shift = sole_reader({m.scale, 0}, "add")) < 0) return false;
    m.gamma = other_operand(m.scale, y);
    m.beta = other_operand(m.shift, {m.scale, 0});
    if (!per_channel(m.beta, x) || !at_hand(behind_reshapes(m.gamma), m.norm) ||
        !at_hand(behind_reshapes(m.beta), m.norm))
      return false;
    return m.grad < 0 ? uses_.at(y) == 1 : find_scale_grad(m, y);
  }

  bool find_scale_grad(Match& m, Edge y) const {
    m.spread = m.dy.node;
    if (op_of(m.spread) != "mul" || uses_.at(m.dy) != 1 || uses_.count({m.grad, 1}) ||
        uses_.count({m.grad, 2}))
      return false;
    const auto& in = g_.node(m.spread).inputs;
    if (in[0] != m.gamma && in[1] != m.gamma) return false;
    m.dy = other_operand(m.spread, m.gamma);
    for (const int r : readers_.at(y)) {
      if (r == m.scale) continue;
      if (m.product >= 0 || op_of(r) != "mul" || other_operand(r, y) != m.dy) return false;
      m.product = r;
    }
    if (uses_.at(y) != (m.product >= 0 ? 2 : 1)) return false;
    if (m.product >= 0) {
      const auto sum = readers_.find({m.product, 0});
      if (uses_.at({m.product, 0}) != 1 || sum == readers_.end()) return false;
      m.dgamma = *sum->second.begin();
      if (!sums_to_channels(m.dgamma)) return false;
    }
    for (const int r : readers_.at(m.dy))
      if (m.dbeta < 0 && sums_to_channels(r)) m.dbeta = r;
    return true;
  }

  void find_finish(Match& m, Edge out) const {
    const bool affine = m.shift >= 0 || g_.node(m.norm).inputs.size() == 3;
    m.add = affine ? sole_reader(out, "add") : -1;
    if (m.add >= 0) {
      m.addend = other_operand(m.add, out);
      if (g_.meta(m.addend).shape == g_.meta(out).shape && !(m.addend == out) &&
          at_hand(m.addend, m.norm))
        out = {m.add, 0};
      else
        m.add = -1;
    }
    m.relu = sole_reader(out, "relu");
  }

  /// The gradient of the relu, when only the gradient of the normalisation reads it.
  void find_mask(Match& m) const {
    if (m.grad < 0 || m.relu < 0) return;
    const bool affine = m.shift >= 0 || g_.node(m.norm).inputs.size() == 3;
    if (!affine || op_of(m.dy.node) != "relu_grad") return;
    int known = 0;
    for (const int other : {m.spread >= 0 ? m.spread : m.grad, m.product, m.dbeta})
      known += other >= 0;
    if (g_.node(m.dy.node).inputs[1] == Edge{m.relu, 0} && uses_.at(m.dy) == known)
      m.mask = m.dy.node;
  }

  void visit(int n) {
    const auto found = match_of_.find(n);
    if (found == match_of_.end()) {
      rw_.copy(n);
      return;
    }
    Match& m = matches_[static_cast<size_t>(found->second)];
    if (n == m.norm)
      record_norm(m);
    else if (n == m.grad || n == m.dgamma || n == m.dbeta)
      record_grad(m);
  }

  /// The value [C] of an old operand.
  Value channels(Edge e) {
    const Value v = rw_.at(behind_reshapes(e));
    return v.shape().rank() == 1 ? v : reshaped(v, Shape{v.shape().count()});
  }
  Value reshaped(Value v, const Shape& shape) {
    if (v.shape() == shape) return v;
    return rw_.to().op("reshape", {v}, {{"shape", shape.vec()}});
  }

  void record_norm(Match& m) {
    const Node& node = g_.node(m.norm);
    rw_.to().set_scope(g_.scope_name(node.scope));
    std::vector<Value> in = rw_.inputs_of(m.norm);
    if (m.shift >= 0) in = {in[0], channels(m.gamma), channels(m.beta)};
    m.x = in[0];
    if (in.size() > 1) m.gamma_now = in[1];
    if (m.add >= 0) in.push_back(rw_.at(m.addend));
    Attrs attrs = *node.attrs;
    if (m.relu >= 0) attrs.set("activation", std::string("relu"));
    m.y = rw_.to().op(*node.op, in, attrs);
    for (int o = 1; o < node.outputs; ++o) rw_.map({m.norm, o}, rw_.to().output_of(m.y, o));
    m.mean = rw_.to().output_of(m.y, 1);
    m.invstd = rw_.to().output_of(m.y, 3);
    const int last = m.relu >= 0 ? m.relu : m.add >= 0 ? m.add : m.shift >= 0 ? m.shift : m.norm;
    rw_.map({last, 0}, m.y);
  }

  void record_grad(Match& m) {
    if (m.grad_recorded) return;
    m.grad_recorded = true;
    const Node& node = g_.node(m.grad);
    rw_.to().set_scope(g_.scope_name(node.scope));
    std::vector<Value> in{{}, m.x, m.mean, m.invstd};
    in[0] = rw_.at(m.mask >= 0 ? g_.node(m.mask).inputs[0] : m.dy);
    if (m.gamma_now.defined()) in.push_back(m.gamma_now);
    if (m.mask >= 0) in.push_back(m.y);
    const Value first = rw_.to().op(*node.op, in, *node.attrs);
    for (int o = 0; o < node.outputs; ++o) rw_.map({m.grad, o}, rw_.to().output_of(first, o));
    const int sums[] = {m.dgamma, m.dbeta};
    for (int i = 0; i < 2; ++i)
      if (sums[i] >= 0)
        rw_.map({sums[i], 0},
                reshaped(rw_.to().output_of(first, 1 + i), g_.meta({sums[i], 0}).shape));
  }

  Unit& unit_;
  Rewriter rw_;
  const Graph& g_;
  std::map<Edge, int> uses_;
  std::map<Edge, std::set<int>> readers_;
  std::vector<Match> matches_;
  std::map<int, int> match_of_;  // node → index into matches_
  int joined_ = 0;
};

}  // namespace

void fuse_norms(Unit& unit) { NormFuser(unit).run(); }

}  // namespace trivium::compile
