// Copying a graph node by node: how passes make a new graph from an old one. A pass walks the old
// nodes in order, copies most of them, and maps the values it replaces.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "trivium/engine/graph/graph.h"

namespace trivium {

/// Old leaf indices by new leaf index: inputs[i] is the position in the old Graph::inputs().
struct LeafOrigins {
  std::vector<int> inputs, scalars;
};

class Rewriter {
 public:
  explicit Rewriter(const Graph& from);

  const Graph& from() const { return from_; }
  Graph& to() { return *to_; }
  /// The new value that stands for an old one; InternalError when it was neither copied nor mapped.
  Value map(Edge old_value) const;
  bool mapped(Edge old_value) const;
  /// Makes `replacement`, a value of to(), stand for an old value.
  void set(Edge old_value, Value replacement);

  /// Records old node `node` (leaf or op) with its mapped operands, under its old scope, and maps
  /// its outputs. Returns the first one.
  Value copy(int node);
  /// The same with other operands or attributes; shapes are inferred afresh.
  Value copy(int node, std::span<const Value> operands);
  Value copy(int node, std::span<const Value> operands, const Attrs& attrs);
  /// Under the scope of an old node, for what a pass records itself.
  void enter_scope_of(int node);
  /// Repeats the assignments; every assigned value must be mapped. Call it once, at the end.
  void copy_assigns();

  const LeafOrigins& origins() const { return origins_; }
  /// Gives the new graph away; the Rewriter is done then.
  std::unique_ptr<Graph> take() { return std::move(to_); }

 private:
  Value copy_leaf(const Node& node);

  const Graph& from_;
  std::unique_ptr<Graph> to_;
  std::vector<int32_t> first_;  // per old node: index of its first output in values_
  std::vector<Value> values_;
  LeafOrigins origins_;
};

/// 1 for the nodes that `roots` and, when `keep_assigns`, the values assigned to Cells depend on.
std::vector<char> needed_nodes(const Graph& graph, std::span<const Value> roots, bool keep_assigns);

/// A copy with only what `roots` (and the assignments, when `keep_assigns`) need, leaves included.
/// `mapped_roots`, when given, receives the roots in the copy, `origins` where its leaves come
/// from.
std::unique_ptr<Graph> clone_pruned(const Graph& graph, std::span<const Value> roots,
                                    bool keep_assigns, std::vector<Value>* mapped_roots = nullptr,
                                    LeafOrigins* origins = nullptr);

}  // namespace trivium
