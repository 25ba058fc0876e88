// The one IR. A Graph is an append-only list of Nodes in topological order; a Value names one
// output of one Node. Notations record into it, gradients are recorded into it, the compiler reads
// it.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "trivium/engine/core/array.h"
#include "trivium/engine/core/attrs.h"
#include "trivium/engine/core/cell.h"

namespace trivium {

class Graph;
class OpDef;

/// One output of one node of a graph. Cheap to copy; valid while the graph lives.
struct Value {
  Graph* graph = nullptr;
  int32_t node = -1;
  int32_t output = 0;

  bool defined() const { return graph != nullptr; }
  const Shape& shape() const;
  DType dtype() const;
  friend bool operator==(const Value& a, const Value& b) {
    return a.graph == b.graph && a.node == b.node && a.output == b.output;
  }
};

struct ValueMeta {
  Shape shape;
  DType dtype = DType::f32;
};

/// An input edge: node index and output index inside the same graph.
struct Edge {
  int32_t node = -1;
  int32_t output = 0;
  friend bool operator==(const Edge&, const Edge&) = default;
  friend auto operator<=>(const Edge&, const Edge&) = default;
};

struct Node {
  const OpDef* op = nullptr;
  std::vector<Edge> inputs;
  std::shared_ptr<const Attrs> attrs;  // complete: defaults filled in
  int32_t first_meta = 0;              // outputs are metas [first_meta, first_meta + outputs)
  int32_t outputs = 1;
  int32_t scope = 0;  // Graph::scope_name(scope): layer or module, for messages and profiles only
  int32_t literal =
      -1;  // leaf payload: index into inputs, scalars, constants or cells of the graph
};

class Graph {
 public:
  Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // Leaves. Inputs and scalars are bound at every run, by position in recording order.
  Value input(const std::string& name, Shape shape, DType dtype = DType::f32);
  /// A rank-0 slot filled at run time (learning rate, momentum, dropout ratio, …): never looked at
  /// by the compiler.
  Value scalar(const std::string& name, DType dtype = DType::f32);
  /// A literal known for ever; its bytes are part of the plan's key, so keep it small.
  Value constant(const Array& value);
  Value constant(double value, DType dtype = DType::f32, Shape shape = {});
  /// Current Value of a Cell in this graph (its content at the start of the run until assigned).
  Value read(const CellRef& cell);
  /// Rebinds the Cell: it holds `value` when the run has ended, and for reads recorded from here
  /// on.
  void assign(const CellRef& cell, Value value);

  /// Records an op after checking shapes and dtypes; returns its first output.
  /// UserError naming op, operands, rule and scope when they do not fit.
  Value op(const std::string& name, std::span<const Value> inputs, const Attrs& attrs = {});
  Value op(const std::string& name, std::initializer_list<Value> inputs, const Attrs& attrs = {}) {
    return op(name, std::span<const Value>(inputs.begin(), inputs.size()), attrs);
  }
  Value op(const OpDef& def, std::span<const Value> inputs, const Attrs& attrs);
  Value output_of(Value first, int index) const { return {first.graph, first.node, index}; }

  // Looking at it.
  int size() const { return static_cast<int>(nodes_.size()); }
  const Node& node(int index) const { return nodes_[index]; }
  const ValueMeta& meta(Edge e) const { return metas_[nodes_[e.node].first_meta + e.output]; }
  Value value(Edge e) { return {this, e.node, e.output}; }
  struct NamedLeaf {
    std::string name;
    Edge value;
  };
  const std::vector<NamedLeaf>& inputs() const { return inputs_; }
  const std::vector<NamedLeaf>& scalars() const { return scalars_; }
  const std::vector<Array>& constants() const { return constants_; }
  struct CellState {
    CellRef cell;
    Edge initial;  // the leaf that reads it (node -1 when never read)
    Edge current;  // what it holds at the end (== initial when never assigned)
  };
  const std::vector<CellState>& cells() const { return cells_; }

  /// Names the layer that following nodes belong to; used in errors and profiles.
  void set_scope(const std::string& name);
  const std::string& scope_name(int32_t scope) const { return scopes_[scope]; }
  int32_t current_scope() const { return scope_; }

 private:
  Value append(Node node, std::span<const ValueMeta> outputs);
  int cell_index(const CellRef& cell);

  std::vector<Node> nodes_;
  std::deque<ValueMeta>
      metas_;  // a deque, so that Value::shape() stays valid while ops are recorded
  std::vector<NamedLeaf> inputs_, scalars_;
  std::vector<Array> constants_;
  std::vector<CellState> cells_;
  std::unordered_map<const Cell*, int> cell_index_;
  std::vector<std::string> scopes_;
  std::map<std::string, int32_t> scope_ids_;
  int32_t scope_ = 0;
};

inline const Shape& Value::shape() const { return graph->meta({node, output}).shape; }
inline DType Value::dtype() const { return graph->meta({node, output}).dtype; }

}  // namespace trivium
