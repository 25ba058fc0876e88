// Unit: the graph under compilation. Passes take it and leave it with a new graph; leaves keep
// their order through every pass, so slot numbers never move.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/compile/compile.h"
#include "trivium/engine/graph/graph.h"
#include "trivium/engine/graph/op.h"

namespace trivium::compile {

struct Unit {
  std::unique_ptr<Graph> graph = std::make_unique<Graph>();
  std::vector<Edge> fetches;
  Options options;
  std::vector<std::string> notes;  // what was done and what was refused, with the reason

  void note(std::string line) { notes.push_back(std::move(line)); }
  /// False when the options or TRIVIUM_DISABLE leave the pass out.
  bool enabled(const std::string& pass) const;
};

/// Builds the next graph of a Unit from the current one, node by node in order.
class Rewriter {
 public:
  /// Copies all leaves; `needed` nodes are the ones roots depend on.
  explicit Rewriter(Unit& unit);
  const Graph& from() const { return *unit_.graph; }
  Graph& to() { return *to_; }
  bool needed(int node) const { return needed_[node]; }
  bool is_leaf(int node) const { return from().node(node).literal >= 0; }
  /// The new Value of an old edge; it must have been copied or mapped before.
  Value at(Edge old) const;
  void map(Edge old, Value now) { mapped_[old] = now; }
  /// Records the node again on the new Values of its inputs and maps all its outputs.
  Value copy(int node);
  std::vector<Value> inputs_of(int node) const;
  /// Installs the new graph, fetches and assignments in the Unit.
  void finish();

 private:
  Unit& unit_;
  std::unique_ptr<Graph> to_;
  std::map<Edge, Value> mapped_;
  std::vector<char> needed_;
};

/// Per node: whether its results are the same in every run until somebody else writes a Cell. Such
/// nodes read nothing but constants, Cells that the graph does not assign, `inputs` (see
/// Options::steady), and each other.
std::vector<char> steady_nodes(const Graph& graph, const std::vector<int>& inputs = {});

/// Number of consuming edges of every value, fetches and assignments included.
std::map<Edge, int> count_uses(const Unit& unit);

}  // namespace trivium::compile
