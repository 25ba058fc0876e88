// Elementwise chains become one node: what used to be a pass over memory for every op is one pass
// for all. A producer joins its consumer when both walk the same iteration space, nothing outside
// the group lies between them, and the group stays small enough for one kernel.
#include <algorithm>
#include <numeric>

#include "trivium/engine/compile/passes/passes.h"
#include "trivium/engine/ops/group.h"

namespace trivium::compile {
namespace {

constexpr int kMostOperands = 24, kMostInstructions = 64;

enum class Class { none, f32, f64 };  // what a group computes in

bool fits_f32(DType d) { return d == DType::f32 || d == DType::bool_ || d == DType::u8; }

/// A node the grouper understands: an op with an opcode, add_n, or a cast between floats and bool.
Class class_of(const Graph& g, int n) {
  const Node& node = g.node(n);
  const std::string& op = node.op->name();
  const bool cast = op == "cast";
  if (!node.op->scalar() && op != "add_n" && !cast) return Class::none;
  bool f32 = true, f64 = true;
  const auto look = [&](const ValueMeta& m) {
    f32 &= fits_f32(m.dtype);
    f64 &= m.dtype == DType::f64 || m.dtype == DType::bool_;
  };
  for (const Edge& e : node.inputs) look(g.meta(e));
  look(g.meta({n, 0}));
  // A u8 result would have to wrap: only u8 operands read as numbers are safe.
  if (g.meta({n, 0}).dtype == DType::u8) return Class::none;
  return f32 ? Class::f32 : f64 ? Class::f64 : Class::none;
}

struct Group {
  std::vector<int> nodes;  // in order
  Class kind = Class::none;
  Shape space;
};

class Grouper {
 public:
  Grouper(Unit& unit)
      : unit_(unit),
        g_(*unit.graph),
        rw_(unit),
        group_of_(g_.size(), -1),
        inside_(g_.size(), 0),
        seen_(g_.size(), 0),
        group_start_(g_.size()) {
    std::iota(group_start_.begin(), group_start_.end(), 0);
    for (int n = 0; n < g_.size(); ++n)
      for (const Edge& e : g_.node(n).inputs)
        if (rw_.needed(n)) consumers_[e].push_back(n);
    for (const Edge& e : unit.fetches) escapes_[e] = true;
    for (const auto& c : g_.cells()) escapes_[c.current] = true;
  }

  void run() {
    for (int n = 0; n < g_.size(); ++n)
      if (rw_.needed(n) && !rw_.is_leaf(n)) place(n);
    emit();
  }

 private:
  void place(int n) {
    placing_ = n;
    const Class kind = class_of(g_, n);
    if (kind == Class::none) return;
    const Shape& space = g_.meta({n, 0}).shape;
    // The latest producing group first: joining it keeps values closest.
    std::vector<int> candidates;
    for (const Edge& e : g_.node(n).inputs)
      if (group_of_[e.node] >= 0) candidates.push_back(group_of_[e.node]);
    std::sort(candidates.rbegin(), candidates.rend());
    candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
    for (int c : candidates) {
      Group& group = groups_[c];
      if (group.kind != kind || !(group.space == space)) continue;
      if (!fits(group, n)) {
        unit_.note(fmt::format(
            "fuse stops at node {} ({}): the group has its most operands or instructions", n,
            g_.node(n).op->name()));
        continue;
      }
      if (blocked(c, n)) {
        unit_.note(fmt::format("fuse stops at node {} ({}): another op lies between", n,
                               g_.node(n).op->name()));
        continue;
      }
      group.nodes.push_back(n);
      group_of_[n] = c;
      group_start_[n] = group.nodes[0];
      merge_others(candidates, c);
      return;
    }
    group_of_[n] = static_cast<int>(groups_.size());
    groups_.push_back({{n}, kind, space});
  }

  /// A node may connect groups: pull the other producing groups in as well where that stays legal.
  void merge_others(const std::vector<int>& candidates, int into) {
    for (int c : candidates) {
      if (c == into || groups_[c].nodes.empty()) continue;
      if (groups_[c].kind != groups_[into].kind || !(groups_[c].space == groups_[into].space))
        continue;
      Group joined = groups_[into];
      joined.nodes.insert(joined.nodes.end(), groups_[c].nodes.begin(), groups_[c].nodes.end());
      std::sort(joined.nodes.begin(), joined.nodes.end());
      if (!small(joined) || cyclic(joined)) continue;
      for (int m : groups_[c].nodes) group_of_[m] = into;
      groups_[c].nodes.clear();
      groups_[into] = std::move(joined);
      group_start_[placing_] = groups_[into].nodes[0];
    }
  }

  bool fits(const Group& group, int n) {
    Group bigger = group;
    bigger.nodes.push_back(n);
    return small(bigger);
  }

  bool small(const Group& group) {
    std::map<Edge, bool> operands;
    enter(group);
    int instructions = 0;
    for (int m : group.nodes) {
      const Node& node = g_.node(m);
      instructions += std::max<int>(1, static_cast<int>(node.inputs.size()) - 1);
      for (const Edge& e : node.inputs)
        if (!inside(e.node) && g_.node(e.node).op->name() != "constant") operands[e] = true;
      if (leaves(m)) operands[{m, 0}] = true;
    }
    return static_cast<int>(operands.size()) <= kMostOperands && instructions <= kMostInstructions;
  }

  /// Makes `group` the one that inside() asks about. A number per node instead of a flag, so that
  /// the work follows the group's size and not the graph's.
  void enter(const Group& group) {
    ++entered_;
    for (int m : group.nodes) inside_[m] = entered_;
  }
  bool inside(int n) const { return inside_[n] == entered_; }

  /// Whether the value is read outside the group.
  bool leaves(int m) {
    const Edge e{m, 0};
    if (escapes_.count(e)) return true;
    for (int c : consumers_[e])
      if (!inside(c)) return true;
    return false;
  }

  /// Whether an operand of n outside group c depends on a member of c (n would then have to run
  /// both before and after it). Other groups count as single nodes.
  bool blocked(int c, int n) {
    Group bigger = groups_[c];
    bigger.nodes.push_back(n);
    return cyclic(bigger);
  }

  /// Whether something outside the group lies between its members. A graph is in topological order,
  /// so only groups that reach beyond the first member can lead back to it, and nothing before the
  /// first node of all those can: the search stays near the group.
  bool cyclic(const Group& group) {
    enter(group);
    ++search_;
    const int first = *std::min_element(group.nodes.begin(), group.nodes.end());
    int floor = first;
    for (int n = first + 1; n <= placing_; ++n) floor = std::min(floor, group_start_[n]);
    std::vector<int> waiting;
    const auto look = [&](int m) {
      for (const Edge& e : g_.node(m).inputs) {
        if (inside(e.node)) return true;
        if (seen_[e.node] == search_) continue;
        seen_[e.node] = search_;
        waiting.push_back(e.node);
      }
      return false;
    };
    for (int m : group.nodes)
      for (const Edge& e : g_.node(m).inputs)
        if (!inside(e.node) && seen_[e.node] != search_) {
          seen_[e.node] = search_;
          waiting.push_back(e.node);
        }
    while (!waiting.empty()) {
      const int at = waiting.back();
      waiting.pop_back();
      // Another group runs as a whole, so everything any of its members reads comes first.
      const int other = group_of_[at];
      if (other >= 0 && !groups_[other].nodes.empty() &&
          groups_[other].nodes[0] != group.nodes[0]) {
        if (groups_[other].nodes.back() < floor) continue;
        for (int m : groups_[other].nodes) {
          seen_[m] = search_;
          if (look(m)) return true;
        }
      } else if (at >= floor && look(at)) {
        return true;
      }
    }
    return false;
  }

  /// Records groups and other nodes in an order in which everything is ready.
  void emit() {
    std::vector<char> done(g_.size(), 0);
    for (int n = 0; n < g_.size(); ++n)
      if (rw_.is_leaf(n)) done[n] = 1;
    for (int n = 0; n < g_.size(); ++n)
      if (rw_.needed(n) && !done[n]) emit_after_inputs(n, done);
    rw_.finish();
  }

  void emit_after_inputs(int root, std::vector<char>& done) {
    std::vector<int> stack = {root};
    while (!stack.empty()) {
      const int n = stack.back();
      if (done[n]) {
        stack.pop_back();
        continue;
      }
      const int group = group_of_[n];
      const std::vector<int> members = group >= 0 ? groups_[group].nodes : std::vector<int>{n};
      bool ready = true;
      for (int m : members)
        for (const Edge& e : g_.node(m).inputs)
          if (!done[e.node] && (group < 0 || group_of_[e.node] != group)) {
            stack.push_back(e.node);
            ready = false;
          }
      if (stack.size() > 4u * g_.size() + 16)
        internal_error("pass fuse: cycle through node {} ({})", n, g_.node(n).op->name());
      if (!ready) continue;
      stack.pop_back();
      if (members.size() == 1)
        rw_.copy(n);
      else
        emit_group(groups_[group]);
      for (int m : members) done[m] = 1;
    }
  }

  void emit_group(const Group& group) {
    enter(group);
    std::vector<Edge> operands;  // old edges read from outside
    std::vector<double> constants;
    std::map<Edge, int> operand_at, constant_at;
    for (int m : group.nodes)
      for (const Edge& e : g_.node(m).inputs) {
        if (inside(e.node) || operand_at.count(e) || constant_at.count(e)) continue;
        const Node& maker = g_.node(e.node);
        if (maker.op->name() == "constant" && g_.meta(e).shape.rank() == 0 &&
            is_floating(g_.meta(e).dtype)) {
          constant_at[e] = static_cast<int>(constants.size());
          constants.push_back(g_.constants()[maker.literal].at(0));
        } else {
          operand_at[e] = static_cast<int>(operands.size());
          operands.push_back(e);
        }
      }
    ops::GroupCode code;
    code.inputs = static_cast<int32_t>(operands.size());
    code.constants = constants;
    std::map<Edge, int32_t> reg;
    for (auto [e, i] : operand_at) reg[e] = i;
    for (auto [e, i] : constant_at) reg[e] = code.constant_register(i);
    std::vector<int> outputs;
    for (int m : group.nodes) {
      reg[{m, 0}] = translate(m, code, reg);
      if (leaves(m)) outputs.push_back(m);
    }
    for (int m : outputs) code.outputs.push_back({reg[{m, 0}], g_.meta({m, 0}).dtype});
    std::vector<Value> in;
    for (const Edge& e : operands) in.push_back(rw_.at(e));
    rw_.to().set_scope(g_.scope_name(g_.node(group.nodes.back()).scope));
    const Value v = rw_.to().op("elementwise_group", in, code.to_attrs());
    if (!(v.shape() == group.space))
      internal_error("pass fuse: group of shape {} became {}", group.space.text(),
                     v.shape().text());
    for (size_t o = 0; o < outputs.size(); ++o)
      rw_.map({outputs[o], 0}, rw_.to().output_of(v, static_cast<int>(o)));
    unit_.note(fmt::format("fuse: {} elementwise ops are one step with {} operands and {} results",
                           group.nodes.size(), operands.size(), outputs.size()));
  }

  /// Appends the instructions of node m; returns the register of its result.
  int32_t translate(int m, ops::GroupCode& code, const std::map<Edge, int32_t>& reg) {
    const Node& node = g_.node(m);
    std::vector<int32_t> in;
    for (const Edge& e : node.inputs) in.push_back(reg.at(e));
    const auto emit = [&](ScalarOp op, int32_t a, int32_t b = -1, int32_t c = -1) {
      code.code.push_back({op, a, b, c});
      return code.result_register(static_cast<int>(code.code.size()) - 1);
    };
    if (node.op->name() == "add_n") {
      int32_t sum = in[0];
      for (size_t i = 1; i < in.size(); ++i) sum = emit(ScalarOp::add, sum, in[i]);
      return sum;
    }
    if (node.op->name() == "cast") {
      if (g_.meta({m, 0}).dtype != DType::bool_) return in[0];
      return emit(ScalarOp::logical_not, emit(ScalarOp::logical_not, in[0]));
    }
    in.resize(3, -1);
    return emit(*node.op->scalar(), in[0], in[1], in[2]);
  }

  Unit& unit_;
  const Graph& g_;
  Rewriter rw_;
  std::vector<int> group_of_;
  std::vector<int> inside_, seen_;
  std::vector<int> group_start_;  // first node of the group that a node joined when it was placed
  int entered_ = 0, search_ = 0, placing_ = 0;
  std::vector<Group> groups_;
  std::map<Edge, std::vector<int>> consumers_;
  std::map<Edge, bool> escapes_;
};

}  // namespace

void group_elementwise(Unit& unit) { Grouper(unit).run(); }

}  // namespace trivium::compile
