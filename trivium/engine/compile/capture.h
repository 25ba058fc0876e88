// Capture: the part of a recorded graph that is wanted, as a key and as a Unit.
#pragma once

#include <cstdint>
#include <vector>

#include "trivium/engine/compile/unit.h"

namespace trivium::compile {

/// The wanted nodes of a recorded graph in recording order, and the leaves among them in slot
/// order.
struct Capture {
  const Graph& graph;
  std::vector<Edge> feeds, fetches;
  bool commit;
  std::vector<char> needed;                 // per node
  std::vector<int> inputs, scalars, cells;  // needed leaves: indices into the graph's lists
  std::vector<int> fed;                     // needed feeds: indices into `feeds`
  std::vector<uint64_t> key;                // everything the plan depends on, compared word by word
  uint64_t hash = 0;

  Capture(const Graph& graph, const std::vector<Value>& feeds, const std::vector<Value>& fetches,
          bool commit, const Options& options);
  bool is_fed(Edge e) const;
  /// A graph of its own with the same leaves, nodes, fetches and assignments.
  Unit to_unit(const Options& options) const;

 private:
  void mark();
  void write_key(const Options& options);
};

}  // namespace trivium::compile
