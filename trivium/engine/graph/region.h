// A region: a graph that a node holds as an attribute (the body of a loop, the branches of a
// choice). The attribute is text, so regions print, parse, compare and enter keys like any other
// attribute; this is the graph that the text describes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/graph/graph.h"

namespace trivium {

/// Inputs are those of the graph, in order. Everything a region needs comes in through them: it
/// has no scalars, reads no Cells and assigns none. Never changed once made.
struct Region {
  std::unique_ptr<Graph> graph;
  std::vector<Value> results;
  std::string text;

  int inputs() const { return static_cast<int>(graph->inputs().size()); }
  const ValueMeta& input(int i) const { return graph->meta(graph->inputs()[i].value); }
  const ValueMeta& result(int i) const { return graph->meta({results[i].node, results[i].output}); }
};

/// The region of a text; one object per text for the life of the process. UserError when the text
/// is wrong.
std::shared_ptr<const Region> region_of(const std::string& text);

/// A region that is being recorded: inputs a node binds by position, and values of the graph
/// around it, which become further inputs when they are first used.
struct RegionDraft {
  std::unique_ptr<Graph> graph = std::make_unique<Graph>();
  std::vector<Value> inputs;
  struct Captured {
    Value outer, inner;
  };
  std::vector<Captured> captures, literals;
  std::vector<Value> results;

  Value input(const std::string& name, const ValueMeta& meta);
  /// `outer` inside the region. A small literal of integers or bools is repeated there.
  Value capture(Value outer);
};

}  // namespace trivium
