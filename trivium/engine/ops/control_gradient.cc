// Gradients of loops and choices. A choice: the same choice between the gradients of its regions,
// which compute what they need of the region once more. A loop: the loop is recorded again with
// what the derivative of its body reads added to what it saves (the compiler joins the two), and a
// second loop walks the saved rows from the other end. Products that only sum over iterations
// (gradients of weights) are taken out of the second loop: one product over all its rows.
#include <algorithm>
#include <set>

#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/graph/rewrite.h"
#include "trivium/engine/graph/text.h"
#include "trivium/engine/ops/control.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

Edge edge_of(Value v) { return {v.node, v.output}; }

Value zeros(Graph& g, const ValueMeta& m) {
  return g.op("broadcast_to", {g.constant(0.0, m.dtype)}, {{"shape", m.shape.vec()}});
}

/// A copy of a region's graph, node by node under the same numbers.
std::unique_ptr<Graph> copied(const Region& region) {
  Rewriter rewriter(*region.graph);
  for (int n = 0; n < region.graph->size(); ++n) rewriter.copy(n);
  return rewriter.take();
}

/// Which nodes change with an input, through floating values.
std::vector<char> reached_from(const Graph& g, int input) {
  std::vector<char> reached(g.size(), 0);
  reached[g.inputs()[input].value.node] = 1;
  for (int n = 0; n < g.size(); ++n)
    for (const Edge& e : g.node(n).inputs)
      if (reached[e.node] && is_floating(g.meta(e).dtype)) reached[n] = 1;
  return reached;
}

/// The gradient of one while node.
class LoopGradient {
 public:
  LoopGradient(GradCtx& c)
      : c_(c), loop_(c.attrs(), c.inputs()), body_(*loop_.body), graph_(copied(body_)) {}

  void run() {
    if (loop_.from_tape())
      user_error(
          "while: the second derivative of a loop whose number of iterations is known only when "
          "it runs; give the loop a fixed number of iterations (a condition on a counter and a "
          "literal bound)");
    find_flow();
    if (adjoint_.empty() && saved_.empty()) return;
    differentiate();
    take_out_products();
    collect_reads();
    const std::vector<Value> stacks = save();
    record(stacks);
  }

 private:
  bool floating(int input) const { return is_floating(body_.input(input).dtype); }
  int operand(int input) const { return input; }  // rows come from stacks here: one operand each

  /// Carries whose adjoint is not zero and matters; results of the body that have a gradient.
  void find_flow() {
    const int inputs = body_.inputs();
    std::vector<std::vector<char>> reach;
    for (int i = 0; i < inputs; ++i)
      reach.push_back(floating(i) ? reached_from(*graph_, i) : std::vector<char>(graph_->size()));
    const auto depends = [&](int result, int input) {
      return reach[input][body_.results[result].node] != 0;
    };
    active_.assign(inputs, 0);
    for (int i = 0; i < inputs; ++i) active_[i] = floating(i) && c_.wants(operand(i));
    std::vector<char> live(loop_.carries, 0);
    for (int i = 0; i < loop_.carries; ++i) live[i] = c_.has_upstream(i);
    for (int s = 0; s < loop_.saves && !loop_.to_tape(); ++s)
      if (c_.has_upstream(loop_.carries + s)) saved_.push_back(s);
    for (bool changed = true; changed;) {
      changed = false;
      for (int i = 0; i < loop_.carries; ++i) {
        if (!floating(i)) continue;
        bool now_active = active_[i] != 0, now_live = live[i] != 0;
        for (int j = 0; j < inputs; ++j) now_active |= active_[j] && depends(i, j);
        for (int j = 0; j < loop_.carries; ++j) now_live |= live[j] && depends(j, i);
        for (int s : saved_) now_live |= depends(loop_.carries + s, i);
        changed |= now_active != (active_[i] != 0) || now_live != (live[i] != 0);
        active_[i] = now_active;
        live[i] = now_live;
      }
    }
    for (int i = 0; i < loop_.carries; ++i)
      if (active_[i] && live[i]) adjoint_.push_back(i);
  }

  /// Records the derivative of the body behind its copy.
  void differentiate() {
    forward_ = graph_->size();
    std::vector<Value> ys, xs;
    const auto result = [&](int i) {
      return Value{graph_.get(), body_.results[i].node, body_.results[i].output};
    };
    const auto seed = [&](int i) {
      ys.push_back(result(i));
      seeds_.push_back(graph_->input("gradient", body_.result(i).shape, body_.result(i).dtype));
    };
    for (int i : adjoint_) seed(i);
    for (int s : saved_) seed(loop_.carries + s);
    for (int i = 0; i < body_.inputs(); ++i) {
      const bool carry = i < loop_.carries;
      const bool wanted =
          carry ? std::find(adjoint_.begin(), adjoint_.end(), i) != adjoint_.end() : active_[i];
      if (!wanted) continue;
      xs.push_back(graph_->value(graph_->inputs()[i].value));
      xs_.push_back(i);
    }
    if (xs.empty()) return;
    gradients_ = gradients(ys, xs, seeds_);
    for (size_t k = 0; k < xs.size(); ++k)
      if (!gradients_[k].defined() && xs_[k] < first_capture())
        gradients_[k] = zeros(*graph_, body_.input(xs_[k]));
  }

  int first_capture() const { return loop_.carries + loop_.rows; }
  bool is_capture(int input) const { return input >= first_capture(); }
  bool is_row(int input) const { return input >= loop_.carries && input < first_capture(); }

  // --- products that only sum over iterations
  struct Product {
    size_t x;    // of xs_
    Edge a, b;   // values [k, m] and [k, n]: sum over iterations of aᵀ b
    Value node;  // where the product stood
  };
  struct Total {  // sum over iterations of sum_to(a)
    size_t x;
    Edge a;
    Value node;
  };

  /// Through views, to the value whose memory it is.
  Edge stripped(Edge e) const {
    while (e.node >= 0 && graph_->node(e.node).op->is_view()) e = graph_->node(e.node).inputs[0];
    return e;
  }

  /// Whether a value changes from one iteration to the next, and so may come as a stack.
  bool varies(Edge e) {
    if (e.node >= forward_) return true;
    return !invariant(e.node);
  }

  bool invariant(int n) {
    if (invariant_.empty()) {
      invariant_.assign(forward_, 0);
      for (int i = 0; i < forward_; ++i) {
        const Node& node = graph_->node(i);
        if (node.op->name() == "input")
          invariant_[i] = is_capture(node.literal);
        else if (node.literal < 0 && node.op->effect() == Effect::none)
          invariant_[i] = std::all_of(node.inputs.begin(), node.inputs.end(),
                                      [&](const Edge& e) { return invariant_[e.node]; });
        else
          invariant_[i] = node.op->name() == "constant";
      }
    }
    return invariant_[n] != 0;
  }

  void take_out_products() {
    for (size_t k = 0; k < xs_.size(); ++k) {
      terms_.emplace_back();
      if (!gradients_[k].defined()) continue;
      if (!is_capture(xs_[k])) {
        terms_[k].push_back(gradients_[k]);
        continue;
      }
      std::vector<Value> parts = {gradients_[k]};
      const Node& node = graph_->node(gradients_[k].node);
      if (node.op->name() == "add_n") {
        parts.clear();
        for (const Edge& e : node.inputs) parts.push_back(graph_->value(e));
      }
      for (const Value& part : parts)
        if (!take_out_product(k, part)) terms_[k].push_back(part);
    }
    std::set<Edge> stacked;
    for (const Product& p : products_) stacked.insert({stripped(p.a), stripped(p.b)});
    for (size_t k = 0; k < xs_.size(); ++k) {
      if (!is_capture(xs_[k])) continue;
      std::vector<Value> rest;
      for (const Value& part : terms_[k]) {
        const Node& node = graph_->node(part.node);
        if (node.op->name() == "sum_to" && stacked.count(stripped(node.inputs[0])))
          totals_.push_back({k, node.inputs[0], part});
        else
          rest.push_back(part);
      }
      terms_[k] = rest;
    }
  }

  bool take_out_product(size_t k, Value part) {
    if (!loop_.known() || loop_.trips == 0) return false;
    const Node& node = graph_->node(stripped(edge_of(part)).node);
    if (node.op->name() != "matmul" || node.inputs.size() != 2) return false;
    const Attrs& a = *node.attrs;
    if (!a.flag("transpose_a") || a.flag("transpose_b") || a.string("activation") != "none")
      return false;
    for (const Edge& e : node.inputs)
      if (graph_->meta(e).shape.rank() != 2 || !varies(stripped(e))) return false;
    products_.push_back({k, node.inputs[0], node.inputs[1], part});
    return true;
  }

  // --- what the second loop reads
  /// Makes a value of the body available in the second loop.
  void need(Edge e) {
    if (!needed_.insert(e).second) return;
    const Node& node = graph_->node(e.node);
    if (e.node >= forward_) {
      for (const Edge& in : node.inputs) need(in);
      return;
    }
    if (node.op->name() == "constant") return;
    if (node.op->name() == "input") {
      if (is_row(node.literal) && loop_.known())
        rows_.insert(node.literal);
      else if (!is_capture(node.literal))
        add_residual(e);
      return;
    }
    if (!recomputed(e.node)) return add_residual(e);
    for (const Edge& in : node.inputs) need(in);
  }

  /// Cheaper to make again than to keep: what never changes, and other shapes of one value.
  bool recomputed(int n) {
    const Node& node = graph_->node(n);
    if (node.op->effect() != Effect::none) return false;
    const std::string& op = node.op->name();
    return invariant(n) || node.op->is_view() || op == "broadcast_to" || op == "stop_gradient";
  }

  void add_residual(Edge e) {
    if (std::find(residuals_.begin(), residuals_.end(), e) == residuals_.end())
      residuals_.push_back(e);
  }

  void collect_reads() {
    for (const auto& terms : terms_)
      for (const Value& v : terms) need(edge_of(v));
    std::vector<Edge> outside;
    for (const Product& p : products_) outside.insert(outside.end(), {p.a, p.b});
    for (const Total& t : totals_) outside.push_back(t.a);
    for (const Edge& e : outside) {
      const Edge s = stripped(e);
      need(s);
      if (s.node >= forward_ &&
          std::find(handed_out_.begin(), handed_out_.end(), s) == handed_out_.end())
        handed_out_.push_back(s);
      // An operand the loop would make again is kept instead: the product reads its stack.
      if (s.node < forward_ && graph_->node(s.node).op->name() != "input") add_residual(s);
      if (s.node < forward_ && graph_->node(s.node).op->name() == "input" &&
          !is_row(graph_->node(s.node).literal))
        add_residual(s);
    }
    if (!loop_.known() && residuals_.empty())  // the tape tells how often the loop ran
      add_residual(edge_of(Value{graph_.get(), body_.results[0].node, body_.results[0].output}));
  }

  /// The loop again, with the residuals saved. Returns their stacks, or the tape.
  std::vector<Value> save() {
    if (residuals_.empty()) return {};
    std::vector<Value> inputs, results;
    for (int i = 0; i < body_.inputs(); ++i)
      inputs.push_back(graph_->value(graph_->inputs()[i].value));
    for (const Value& v : body_.results) results.push_back({graph_.get(), v.node, v.output});
    for (const Edge& e : residuals_) results.push_back(graph_->value(e));
    Attrs attrs = c_.attrs();
    attrs.set("body", region_text(*graph_, inputs, results));
    std::vector<Value> operands;
    for (int i = 0; i < c_.inputs(); ++i) operands.push_back(c_.input(i));
    const Value first = c_.graph().op("while", operands, attrs);
    std::vector<Value> stacks;
    const int count = loop_.known() ? static_cast<int>(residuals_.size()) : 1;
    const int at = loop_.carries + (loop_.known() ? loop_.saves : 0);
    for (int i = 0; i < count; ++i) stacks.push_back(c_.graph().output_of(first, at + i));
    return stacks;
  }

  // --- the second loop
  /// A value of the body or its derivative, inside the second loop.
  Value inside(Edge e) {
    if (const auto at = mapped_.find(e); at != mapped_.end()) return at->second;
    const Node& node = graph_->node(e.node);
    Graph& to = *draft_.graph;
    if (node.op->name() == "constant")
      return mapped_[e] = to.constant(graph_->constants()[node.literal]);
    if (node.op->name() == "input")  // what varies is mapped already
      return mapped_[e] = draft_.capture(c_.input(operand(node.literal)));
    std::vector<Value> in;
    for (const Edge& i : node.inputs) in.push_back(inside(i));
    to.set_scope(graph_->scope_name(node.scope));
    const Value first = to.op(*node.op, in, *node.attrs);
    for (int o = 0; o < node.outputs; ++o) mapped_.emplace(Edge{e.node, o}, to.output_of(first, o));
    return mapped_.at(e);
  }

  void record(const std::vector<Value>& stacks) {
    std::vector<Value> initial, rows, results;
    std::vector<int> accumulators;  // of xs_
    for (size_t k = 0; k < adjoint_.size(); ++k) {
      mapped_[edge_of(seeds_[k])] = draft_.input("adjoint", body_.input(adjoint_[k]));
      initial.push_back(c_.upstream(adjoint_[k]));
    }
    for (size_t k = 0; k < xs_.size(); ++k)
      if (is_capture(xs_[k]) && !terms_[k].empty()) {
        sums_[k] = draft_.input("sum", body_.input(xs_[k]));
        initial.push_back(zeros(c_.graph(), body_.input(xs_[k])));
        accumulators.push_back(static_cast<int>(k));
      }
    for (size_t i = 0; i < residuals_.size(); ++i)
      mapped_[residuals_[i]] = draft_.input("saved", graph_->meta(residuals_[i]));
    rows = stacks;
    for (int input : rows_) {
      mapped_[graph_->inputs()[input].value] = draft_.input("row", body_.input(input));
      rows.push_back(c_.input(operand(input)));
    }
    for (size_t s = 0; s < saved_.size(); ++s) {
      const Value seed = seeds_[adjoint_.size() + s];
      mapped_[edge_of(seed)] = draft_.input("gradient", {seed.shape(), seed.dtype()});
      rows.push_back(c_.upstream(loop_.carries + saved_[s]));
    }
    for (int i : adjoint_) results.push_back(inside(edge_of(term_of(i))));
    for (int k : accumulators) {
      std::vector<Value> parts = {sums_[k]};
      for (const Value& v : terms_[k]) parts.push_back(inside(edge_of(v)));
      results.push_back(add_up(*draft_.graph, parts));
    }
    const size_t carries = results.size();
    std::vector<int> row_inputs;
    for (size_t k = 0; k < xs_.size(); ++k)
      if (is_row(xs_[k])) {
        results.push_back(inside(edge_of(gradients_[k])));
        row_inputs.push_back(xs_[k]);
      }
    for (const Edge& e : handed_out_) results.push_back(inside(e));
    draft_.results = results;
    std::vector<Value> out;
    if (!results.empty()) out = second_loop(initial, rows);
    for (size_t i = 0; i < adjoint_.size(); ++i)
      if (c_.wants(adjoint_[i])) c_.to(adjoint_[i], out[i]);
    for (size_t i = 0; i < row_inputs.size(); ++i) c_.to(operand(row_inputs[i]), out[carries + i]);
    std::map<Edge, Value> outside;
    for (size_t i = 0; i < handed_out_.size(); ++i)
      outside[handed_out_[i]] = out[carries + row_inputs.size() + i];
    for (size_t i = 0; loop_.known() && i < residuals_.size(); ++i)
      outside.emplace(residuals_[i], stacks[i]);
    for (int input : rows_)
      outside.emplace(graph_->inputs()[input].value, c_.input(operand(input)));
    std::map<size_t, std::vector<Value>> total;
    for (size_t i = 0; i < accumulators.size(); ++i)
      total[accumulators[i]].push_back(out[adjoint_.size() + i]);
    for (const Product& p : products_)
      total[p.x].push_back(reshape(matmul(joined(outside.at(stripped(p.a)), p.a),
                                          joined(outside.at(stripped(p.b)), p.b), true),
                                   body_.input(xs_[p.x]).shape));
    for (const Total& t : totals_)
      total[t.x].push_back(reshape(sum_to(stacked(outside.at(stripped(t.a)), t.a), t.node.shape()),
                                   body_.input(xs_[t.x]).shape));
    for (const auto& [k, parts] : total) c_.to(operand(xs_[k]), add_up(c_.graph(), parts));
  }

  Value term_of(int input) const {
    for (size_t k = 0; k < xs_.size(); ++k)
      if (xs_[k] == input) return gradients_[k];
    internal_error("while: input {} of the body has no gradient", input);
  }

  std::vector<Value> second_loop(const std::vector<Value>& initial,
                                 const std::vector<Value>& rows) {
    Graph& g = c_.graph();
    std::vector<Value> operands = initial, inputs = draft_.inputs;
    operands.insert(operands.end(), rows.begin(), rows.end());
    for (const auto& captured : draft_.captures) {
      operands.push_back(captured.outer);
      inputs.push_back(captured.inner);
    }
    const Value first = g.op("while", operands,
                             {{"body", region_text(*draft_.graph, inputs, draft_.results)},
                              {"carries", static_cast<int64_t>(initial.size())},
                              {"rows", static_cast<int64_t>(draft_.inputs.size() - initial.size())},
                              {"trips", loop_.trips},
                              {"reverse", !loop_.reverse}});
    std::vector<Value> out;
    for (int o = 0; o < g.node(first.node).outputs; ++o) out.push_back(g.output_of(first, o));
    return out;
  }

  /// The stack of a value seen as [k, m]: [trips * k, m].
  Value joined(Value stack, Edge e) const {
    const Shape& row = graph_->meta(e).shape;
    return reshape(stack, Shape{loop_.trips * row[0], row[1]});
  }
  Value stacked(Value stack, Edge e) const {
    std::vector<int64_t> dims = graph_->meta(e).shape.vec();
    dims.insert(dims.begin(), loop_.trips);
    return reshape(stack, Shape(dims));
  }

  GradCtx& c_;
  const Loop loop_;
  const Region& body_;
  std::unique_ptr<Graph> graph_;  // the body, then its derivative
  int forward_ = 0;               // nodes of the body
  std::vector<char> active_, invariant_;
  std::vector<int> adjoint_, saved_;       // carries; saved results with a gradient
  std::vector<Value> seeds_;               // of adjoint_, then of saved_
  std::vector<int> xs_;                    // inputs of the body with a gradient
  std::vector<Value> gradients_;           // of xs_
  std::vector<std::vector<Value>> terms_;  // of xs_: what is summed inside the loop
  std::vector<Product> products_;
  std::vector<Total> totals_;
  std::set<Edge> needed_;
  std::set<int> rows_;  // inputs of the body whose stacks are read again
  std::vector<Edge> residuals_, handed_out_;
  RegionDraft draft_;
  std::map<Edge, Value> mapped_;
  std::map<size_t, Value> sums_;
};

/// What the nodes of a region give that may be run only once (random numbers, calls of the host).
std::vector<Edge> once_only(const Graph& g) {
  std::vector<Edge> found;
  for (int n = 0; n < g.size(); ++n)
    if (g.node(n).op->effect() != Effect::none)
      for (int o = 0; o < g.node(n).outputs; ++o) found.push_back({n, o});
  return found;
}

std::vector<Value> inputs_of(Graph& g, int count) {
  std::vector<Value> inputs;
  for (int i = 0; i < count; ++i) inputs.push_back(g.value(g.inputs()[i].value));
  return inputs;
}

/// The region's results, then `kept` of its own values and zeros for those of the other region.
std::string keeping_text(const Region& region, const std::vector<Edge>& kept,
                         const std::vector<ValueMeta>& before,
                         const std::vector<ValueMeta>& behind) {
  auto graph = copied(region);
  std::vector<Value> results;
  for (const Value& v : region.results) results.push_back({graph.get(), v.node, v.output});
  for (const ValueMeta& m : before) results.push_back(zeros(*graph, m));
  for (const Edge& e : kept) results.push_back(graph->value(e));
  for (const ValueMeta& m : behind) results.push_back(zeros(*graph, m));
  return region_text(*graph, inputs_of(*graph, region.inputs()), results);
}

/// The gradient of a region as a region: captures, `kept` values of both regions (its own from
/// `first` on) and upstreams in, gradients of `wanted` out.
std::string region_gradient(const Region& region, const std::vector<int>& ys,
                            const std::vector<int>& wanted, const std::vector<Edge>& own,
                            const std::vector<ValueMeta>& kept, size_t first) {
  const Graph& from = *region.graph;
  Rewriter rewriter(from);
  std::vector<Value> inputs, xs, seeds, values;
  for (int i = 0; i < region.inputs(); ++i)
    inputs.push_back(rewriter.copy(from.inputs()[i].value.node));
  for (size_t k = 0; k < kept.size(); ++k) {
    inputs.push_back(rewriter.to().input("kept", kept[k].shape, kept[k].dtype));
    if (k >= first && k - first < own.size()) rewriter.set(own[k - first], inputs.back());
  }
  for (int n = 0; n < from.size(); ++n)
    if (from.node(n).op->name() != "input" && from.node(n).op->effect() == Effect::none)
      rewriter.copy(n);
  for (int y : ys) {
    seeds.push_back(
        rewriter.to().input("gradient", region.result(y).shape, region.result(y).dtype));
    values.push_back(rewriter.map(edge_of(region.results[y])));
  }
  inputs.insert(inputs.end(), seeds.begin(), seeds.end());
  for (int w : wanted) xs.push_back(inputs[w]);
  const std::vector<Value> results = gradients(values, xs, seeds, Unconnected::zeros);
  return region_text(rewriter.to(), inputs, results);
}

}  // namespace

void grad_while(GradCtx& c) { LoopGradient(c).run(); }

void grad_cond(GradCtx& c) {
  const auto then = region_of(c.attrs().string("then")),
             otherwise = region_of(c.attrs().string("otherwise"));
  std::vector<int> ys, wanted;
  std::vector<Value> operands;
  for (int i = 0; i < c.inputs(); ++i) operands.push_back(c.input(i));
  const std::vector<Edge> first = once_only(*then->graph), second = once_only(*otherwise->graph);
  std::vector<ValueMeta> kept;
  for (const Edge& e : first) kept.push_back(then->graph->meta(e));
  for (const Edge& e : second) kept.push_back(otherwise->graph->meta(e));
  const auto middle = kept.begin() + static_cast<std::ptrdiff_t>(first.size());
  if (!kept.empty()) {  // the choice again, with what may be made only once among its results
    const std::string left = keeping_text(*then, first, {}, {middle, kept.end()}),
                      right = keeping_text(*otherwise, second, {kept.begin(), middle}, {});
    const Value again = c.graph().op("cond", operands, {{"then", left}, {"otherwise", right}});
    for (size_t k = 0; k < kept.size(); ++k)
      operands.push_back(c.graph().output_of(again, static_cast<int>(then->results.size() + k)));
  }
  for (int y = 0; y < static_cast<int>(then->results.size()); ++y)
    if (c.has_upstream(y)) {
      ys.push_back(y);
      operands.push_back(c.upstream(y));
    }
  for (int i = 1; i < c.inputs(); ++i)
    if (c.wants(i)) wanted.push_back(i - 1);
  const Value result = c.graph().op(
      "cond", operands,
      {{"then", region_gradient(*then, ys, wanted, first, kept, 0)},
       {"otherwise", region_gradient(*otherwise, ys, wanted, second, kept, first.size())}});
  for (size_t k = 0; k < wanted.size(); ++k)
    c.to(wanted[k] + 1, c.graph().output_of(result, static_cast<int>(k)));
}

}  // namespace trivium::ops
