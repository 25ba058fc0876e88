#include "trivium/engine/compile/windows.h"

#include <algorithm>
#include <set>

namespace trivium::compile {
namespace {

using run::Format;

bool is_plain(const Choice& c) {
  const auto plain = [](Format f) { return f == Format{}; };
  return std::all_of(c.placement.in.begin(), c.placement.in.end(), plain) &&
         std::all_of(c.placement.out.begin(), c.placement.out.end(), plain);
}

/// Runs along the last axis are long enough to be walked one by one.
bool has_runs(const Shape& shape) {
  constexpr int64_t kShortest = 16;
  return shape.rank() > 0 && shape.count() > 0 && shape[-1] >= kShortest;
}

std::vector<int64_t> strides_in(const Shape& larger) {
  const auto dense = strides_of(larger);
  return {dense.begin(), dense.begin() + larger.rank()};
}

class Finder {
 public:
  Finder(Unit& unit, const Layout& layout)
      : g_(*unit.graph), layout_(layout), steady_(steady_nodes(g_, unit.options.steady)) {
    for (int n = 0; n < g_.size(); ++n)
      if (layout_.nodes[n].entry || layout_.nodes[n].view)
        for (const Edge& e : g_.node(n).inputs) readers_[e].push_back(n);
    for (const Edge& e : unit.fetches) kept_.insert(e);
    for (const auto& c : g_.cells()) kept_.insert(c.current);
  }

  Windows run() {
    for (int n = 0; n < g_.size(); ++n)
      if (is_copying(n, "slice")) add_slice(n);
    for (int n = 0; n < g_.size(); ++n)
      if (is_copying(n, "concat") && joins_results(n)) add_pieces(n);
    return std::move(found_);
  }

 private:
  bool is_copying(int n, const char* op) const {
    const Choice& c = layout_.nodes[n];
    return c.entry && is_plain(c) && g_.node(n).op->name() == op;
  }

  bool takes_windows(int n) const {
    const Choice& c = layout_.nodes[n];
    return c.entry && c.entry->windows && is_plain(c);
  }

  /// Whether nobody wants the value as it is, and all its readers but `except` take a part.
  bool all_read_windows(Edge e, int except) {
    const std::vector<int>& readers = readers_[e];
    return !kept_.count(e) && std::all_of(readers.begin(), readers.end(),
                                          [&](int r) { return r == except || takes_windows(r); });
  }

  void add_slice(int n) {
    const Node& node = g_.node(n);
    const auto &starts = node.attrs->integers("starts"), &steps = node.attrs->integers("steps");
    if (!has_runs(g_.meta({n, 0}).shape) || steps.back() != 1 ||
        found_.parts.count(node.inputs[0]) || !all_read_windows({n, 0}, -1))
      return;
    Window w{n, 0, strides_in(g_.meta(node.inputs[0]).shape)};
    for (size_t i = 0; i < starts.size(); ++i) {
      w.offset += starts[i] * w.strides[i];
      w.strides[i] *= steps[i];
    }
    found_.parts[{n, 0}] = std::move(w);
  }

  /// All operands are results of steps that write parts, each once, and are read as parts. Steps
  /// that run at different times (a prologue's and others) do not share memory.
  bool joins_results(int n) {
    const Node& node = g_.node(n);
    std::set<Edge> distinct;
    bool steady = false, several = false;
    for (const Edge& e : node.inputs) {
      if (!takes_windows(e.node) || found_.parts.count(e) || !distinct.insert(e).second ||
          !has_runs(g_.meta(e).shape) || !all_read_windows(e, n))
        return false;
      steady |= steady_[e.node] != 0;
      several |= e.node != node.inputs[0].node;
    }
    return !several || !steady;
  }

  void add_pieces(int n) {
    const Node& node = g_.node(n);
    const Shape& out = g_.meta({n, 0}).shape;
    const int axis = out.axis(static_cast<int>(node.attrs->integer("axis")));
    int64_t at = 0;
    for (const Edge& e : node.inputs) {
      Window w{n, 0, strides_in(out)};
      w.offset = at * w.strides[static_cast<size_t>(axis)];
      at += g_.meta(e).shape[axis];
      found_.parts[e] = std::move(w);
    }
    found_.joined.push_back(n);
  }

  const Graph& g_;
  const Layout& layout_;
  const std::vector<char> steady_;
  std::map<Edge, std::vector<int>> readers_;
  std::set<Edge> kept_;  // somebody outside wants them as they are
  Windows found_;
};

}  // namespace

Windows find_windows(Unit& unit, const Layout& layout) {
  Windows found = Finder(unit, layout).run();
  if (!found.parts.empty())
    unit.note(fmt::format("windows: {} values are read and written inside larger ones",
                          found.parts.size()));
  return found;
}

}  // namespace trivium::compile
