// Loops that go through a stack: what the body reads of a stack at its counter comes in row by row,
// and what it writes into one at its counter goes out so. Neither is then searched, checked and
// copied, and gradients go through the rows as well.
#include <algorithm>

#include "trivium/engine/graph/rewrite.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/ops/control.h"

namespace trivium::ops {
namespace {

class RowFinder {
 public:
  RowFinder(int64_t trips, const std::vector<Value>& carried, RegionDraft& body)
      : trips_(trips), carried_(carried), body_(body), g_(*body.graph), uses_(g_.size()) {
    for (int n = 0; n < g_.size(); ++n)
      for (const Edge& e : g_.node(n).inputs) uses_[e.node].push_back(n);
    for (const Value& v : body_.results) ++fetched_[{v.node, v.output}];
  }

  LoopRows run() {
    find_counters();
    if (counters_.empty()) return {};
    LoopRows rows;
    for (const auto& c : body_.captures)
      if (is_read_by_row(c)) rows.stacks.push_back(c.outer), read_.push_back(c.inner.node);
    for (size_t i = 0; i < carried_.size(); ++i)
      if (is_written_by_row(i)) rows.saved.push_back(i);
    if (!rows.stacks.empty() || !rows.saved.empty()) rewrite(rows);
    return rows;
  }

 private:
  const Node& node(int n) const { return g_.node(n); }
  bool is_op(int n, const char* op) const { return node(n).op->name() == op; }

  bool is_literal(int n, double number) const {
    if (!is_op(n, "constant")) return false;
    const Array& a = g_.constants()[node(n).literal];
    return a.count() == 1 && is_integer(a.dtype()) && a.at(0) == number;
  }

  /// Carries that count iterations from 0.
  void find_counters() {
    for (size_t i = 0; i < carried_.size(); ++i) {
      const int next = body_.results[i].node, now = body_.inputs[i].node;
      RefTensor first;
      if (!is_integer(carried_[i].dtype()) || carried_[i].shape().count() != 1 ||
          !is_op(next, "add") || !follows_from_literals(carried_[i], &first) || first.data[0] != 0)
        continue;
      const int a = node(next).inputs[0].node, b = node(next).inputs[1].node;
      if ((a == now && is_literal(b, 1)) || (b == now && is_literal(a, 1)))
        counters_.push_back(now);
    }
  }

  /// Whether a value is the number of the iteration.
  bool counts(Edge e) const {
    if (g_.meta(e).shape.count() != 1) return false;
    while (is_op(e.node, "reshape") || (is_op(e.node, "cast") && is_integer(g_.meta(e).dtype)))
      e = node(e.node).inputs[0];
    return std::find(counters_.begin(), counters_.end(), e.node) != counters_.end();
  }

  bool has_rows(const Shape& stack) const { return stack.rank() > 0 && stack[0] == trips_; }

  bool is_read_by_row(const RegionDraft::Captured& c) const {
    const auto& readers = uses_[c.inner.node];
    return has_rows(c.outer.shape()) && !readers.empty() && !fetched_.count({c.inner.node, 0}) &&
           std::all_of(readers.begin(), readers.end(), [&](int n) {
             return is_op(n, "gather") && node(n).inputs[0].node == c.inner.node &&
                    g_.meta({n, 0}).shape.rank() > 0 && axis_of(n) == 0 &&
                    counts(node(n).inputs[1]);
           });
  }

  bool is_written_by_row(size_t i) const {
    const int stack = body_.inputs[i].node, update = body_.results[i].node;
    return has_rows(carried_[i].shape()) && uses_[stack] == std::vector<int>{update} &&
           !fetched_.count({stack, 0}) && fetched_.at({update, 0}) == 1 && uses_[update].empty() &&
           is_op(update, "index_update") && node(update).inputs[0].node == stack &&
           node(update).attrs->string("mode") == "set" && axis_of(update) == 0 &&
           counts(node(update).inputs[1]);
  }

  int axis_of(int n) const {
    return g_.meta(node(n).inputs[0]).shape.axis(static_cast<int>(node(n).attrs->integer("axis")));
  }

  static Shape row_of(const Shape& stack) {
    const std::vector<int64_t> dims = stack.vec();
    return Shape(std::vector<int64_t>(dims.begin() + 1, dims.end()));
  }

  void rewrite(const LoopRows& rows) {
    trivium::Rewriter rw(g_);
    std::map<int, Value> row;  // by the stack's input
    for (size_t i = 0; i < read_.size(); ++i)
      row[read_[i]] = rw.to().input("row", row_of(rows.stacks[i].shape()), rows.stacks[i].dtype());
    for (int n = 0; n < g_.size(); ++n) {
      const bool reads = is_op(n, "gather") && row.count(node(n).inputs[0].node);
      if (!reads) {
        rw.copy(n);
        continue;
      }
      rw.enter_scope_of(n);
      rw.set({n, 0}, reshape(row.at(node(n).inputs[0].node), g_.meta({n, 0}).shape));
    }
    const auto now = [&](Value v) { return rw.map({v.node, v.output}); };
    std::vector<Value> inputs, results, saves;
    for (size_t i = 0; i < carried_.size(); ++i) {
      if (std::find(rows.saved.begin(), rows.saved.end(), i) == rows.saved.end()) {
        inputs.push_back(now(body_.inputs[i]));
        results.push_back(now(body_.results[i]));
      } else {
        saves.push_back(
            reshape(rw.map(node(body_.results[i].node).inputs[2]), row_of(carried_[i].shape())));
      }
    }
    for (const int stack : read_) inputs.push_back(row.at(stack));
    results.insert(results.end(), saves.begin(), saves.end());
    std::vector<RegionDraft::Captured> captures;
    for (const auto& c : body_.captures)
      if (!row.count(c.inner.node)) captures.push_back({c.outer, now(c.inner)});
    body_.inputs = std::move(inputs);
    body_.results = std::move(results);
    body_.captures = std::move(captures);
    body_.graph = rw.take();
  }

  const int64_t trips_;
  const std::vector<Value>& carried_;
  RegionDraft& body_;
  const Graph& g_;
  std::vector<std::vector<int>> uses_;
  std::map<Edge, int> fetched_;
  std::vector<int> counters_, read_;
};

}  // namespace

LoopRows take_rows(int64_t trips, const std::vector<Value>& carried, RegionDraft& body) {
  return trips > 0 ? RowFinder(trips, carried, body).run() : LoopRows{};
}

}  // namespace trivium::ops
