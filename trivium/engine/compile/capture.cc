#include "trivium/engine/compile/capture.h"

#include <algorithm>

#include "trivium/engine/core/parallel.h"

namespace trivium::compile {
namespace {

std::vector<Edge> edges_of(const Graph& graph, const std::vector<Value>& values, const char* what) {
  std::vector<Edge> edges;
  for (const Value& v : values) {
    if (v.graph != &graph)
      user_error("prepare: a {} is undefined or belongs to another graph", what);
    edges.push_back({v.node, v.output});
  }
  return edges;
}

}  // namespace

Capture::Capture(const Graph& g, const std::vector<Value>& feed_values,
                 const std::vector<Value>& fetch_values, bool commit_cells, const Options& options)
    : graph(g),
      feeds(edges_of(g, feed_values, "feed")),
      fetches(edges_of(g, fetch_values, "fetch")),
      commit(commit_cells),
      needed(g.size(), 0) {
  mark();
  write_key(options);
}

bool Capture::is_fed(Edge e) const {
  return std::find(feeds.begin(), feeds.end(), e) != feeds.end();
}

void Capture::mark() {
  std::vector<char> fed_used(feeds.size(), 0);
  std::vector<char> has_feed(graph.size(), 0);
  for (const Edge& e : feeds) has_feed[e.node] = 1;
  const auto want = [&](Edge e) {
    if (has_feed[e.node]) {
      const auto at = std::find(feeds.begin(), feeds.end(), e);
      if (at != feeds.end()) {
        fed_used[at - feeds.begin()] = 1;
        return;
      }
    }
    needed[e.node] = 1;
  };
  for (const Edge& e : fetches) want(e);
  if (commit)
    for (const auto& c : graph.cells())
      if (!(c.current == c.initial)) want(c.current);
  for (int n = graph.size() - 1; n >= 0; --n)
    if (needed[n])
      for (const Edge& e : graph.node(n).inputs) want(e);
  for (size_t i = 0; i < graph.inputs().size(); ++i)
    if (needed[graph.inputs()[i].value.node]) inputs.push_back(static_cast<int>(i));
  for (size_t i = 0; i < graph.scalars().size(); ++i)
    if (needed[graph.scalars()[i].value.node]) scalars.push_back(static_cast<int>(i));
  for (size_t i = 0; i < graph.cells().size(); ++i) {
    const auto& c = graph.cells()[i];
    if ((c.initial.node >= 0 && needed[c.initial.node]) || (commit && !(c.current == c.initial)))
      cells.push_back(static_cast<int>(i));
  }
  for (size_t i = 0; i < feeds.size(); ++i)
    if (fed_used[i]) fed.push_back(static_cast<int>(i));
}

void Capture::write_key(const Options& options) {
  std::vector<int32_t> index(graph.size(), -1);  // canonical number of a needed node
  int32_t next = 0;
  const auto put_meta = [&](const ValueMeta& m) {
    key.push_back(static_cast<uint64_t>(m.dtype) << 8 | static_cast<uint64_t>(m.shape.rank()));
    for (int64_t d : m.shape) key.push_back(static_cast<uint64_t>(d));
  };
  const auto put_edge = [&](Edge e) {
    const auto at = std::find(feeds.begin(), feeds.end(), e);
    if (!feeds.empty() && at != feeds.end())
      key.push_back(0xfeed000000000000ull + static_cast<uint64_t>(at - feeds.begin()));
    else
      key.push_back(static_cast<uint64_t>(static_cast<uint32_t>(index[e.node])) << 8 |
                    static_cast<uint64_t>(e.output));
  };
  key.push_back(static_cast<uint64_t>(options.numerics) << 32 |
                static_cast<uint64_t>(options.threads > 0 ? options.threads : threads()));
  key.push_back(hash_bytes(options.backend.data(), options.backend.size()));
  key.push_back(hash_bytes(options.disable.data(), options.disable.size()));
  for (const auto& [fetch, input] : options.carried)
    key.push_back(static_cast<uint64_t>(fetch) << 32 | static_cast<uint64_t>(input));
  key.push_back(options.steady.size());
  for (const int input : options.steady) key.push_back(static_cast<uint64_t>(input));
  for (int f : fed) put_meta(graph.meta(feeds[f]));
  for (int n = 0; n < graph.size(); ++n) {
    if (!needed[n]) continue;
    const Node& node = graph.node(n);
    index[n] = next++;
    key.push_back(reinterpret_cast<uintptr_t>(node.op));
    key.push_back(reinterpret_cast<uintptr_t>(node.attrs.get()));
    key.push_back(node.inputs.size());
    for (const Edge& e : node.inputs) put_edge(e);
    for (int o = 0; o < node.outputs; ++o) put_meta(graph.meta({n, o}));
    if (node.op->name() == "constant") {
      const Array& a = graph.constants()[node.literal];
      key.push_back(hash_bytes(a.raw(), a.bytes(), 1));
      key.push_back(hash_bytes(a.raw(), a.bytes(), 2));
    }
  }
  key.push_back(fetches.size());
  for (const Edge& e : fetches) put_edge(e);
  for (int c : cells) {
    const auto& cell = graph.cells()[c];
    const bool read = cell.initial.node >= 0 && needed[cell.initial.node];
    put_meta({cell.cell->shape(), cell.cell->dtype()});
    key.push_back(read ? static_cast<uint64_t>(index[cell.initial.node]) : ~0ull);
    if (commit && !(cell.current == cell.initial)) put_edge(cell.current);
  }
  hash = hash_bytes(key.data(), key.size() * sizeof(uint64_t));
}

Unit Capture::to_unit(const Options& options) const {
  Unit unit;
  unit.options = options;
  unit.options.carried.clear();  // now by the unit's inputs; those nobody reads are not there
  unit.options.steady.clear();
  for (const auto& [fetch, input] : options.carried)
    if (const auto at = std::find(inputs.begin(), inputs.end(), input); at != inputs.end())
      unit.options.carried.emplace_back(fetch, static_cast<int>(at - inputs.begin()));
  for (const int input : options.steady)
    if (const auto at = std::find(inputs.begin(), inputs.end(), input); at != inputs.end())
      unit.options.steady.push_back(static_cast<int>(at - inputs.begin()));
  Graph& to = *unit.graph;
  std::map<Edge, Value> mapped;
  for (int i : inputs) {
    const auto& in = graph.inputs()[i];
    mapped[in.value] = to.input(in.name, graph.meta(in.value).shape, graph.meta(in.value).dtype);
  }
  for (int f : fed)
    mapped[feeds[f]] = to.input("feed", graph.meta(feeds[f]).shape, graph.meta(feeds[f]).dtype);
  for (int i : scalars) {
    const auto& s = graph.scalars()[i];
    mapped[s.value] = to.scalar(s.name, graph.meta(s.value).dtype);
  }
  for (int i : cells) {
    const Value v = to.read(graph.cells()[i].cell);
    if (graph.cells()[i].initial.node >= 0) mapped[graph.cells()[i].initial] = v;
  }
  for (int n = 0; n < graph.size(); ++n) {
    if (!needed[n]) continue;
    const Node& node = graph.node(n);
    if (node.op->name() == "constant")
      mapped[{n, 0}] = to.constant(graph.constants()[node.literal]);
    if (node.literal >= 0) continue;
    std::vector<Value> in;
    for (const Edge& e : node.inputs) in.push_back(mapped.at(e));
    to.set_scope(graph.scope_name(node.scope));
    const Value v = to.op(*node.op, in, *node.attrs);
    for (int o = 0; o < node.outputs; ++o)
      if (!is_fed({n, o})) mapped[{n, o}] = to.output_of(v, o);
  }
  for (const Edge& e : fetches) {
    const Value v = mapped.at(e);
    unit.fetches.push_back({v.node, v.output});
  }
  if (commit)
    for (int i : cells) {
      const auto& c = graph.cells()[i];
      if (!(c.current == c.initial)) to.assign(c.cell, mapped.at(c.current));
    }
  return unit;
}

}  // namespace trivium::compile
