#include "trivium/engine/compile/layout.h"

#include <algorithm>
#include <set>

#include "trivium/engine/compile/regions.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::compile {
namespace {

using run::Format;

/// Choices are made for two threads however many there are: other choices would give other bits.
constexpr int kNominalThreads = 2;

std::string operand_text(const run::KernelRequest& r) {
  std::vector<std::string> parts;
  for (const auto& d : r.in) parts.push_back(fmt::format("{}{}", name_of(d.dtype), d.shape.text()));
  return fmt::format("{}", fmt::join(parts, ", "));
}

class Assignment {
 public:
  Assignment(Unit& unit, const run::Backend& backend)
      : unit_(unit),
        g_(*unit.graph),
        backend_(backend),
        options_(g_.size()),
        pick_(g_.size(), -1),
        needed_(g_.size(), 0),
        steady_(steady_nodes(g_, unit.options.steady)) {
    mark_needed();
    if (unit.enabled("layout")) families_ = families_of_batch();
    for (int n = 0; n < g_.size(); ++n) {
      if (!needed_[n] || g_.node(n).literal >= 0) continue;
      collect(n, families_);
      for (const Edge& e : g_.node(n).inputs) readers_[e].push_back(n);
    }
    for (const Edge& e : unit.fetches) plain_readers_.insert(e);
    for (const auto& c : g_.cells()) plain_readers_.insert(c.current);
  }

  /// Every node that can is in `family`, the others are as they come first.
  void start(Format family) {
    for (int n = 0; n < g_.size(); ++n) {
      if (options_[n].empty()) continue;
      pick_[n] = 0;
      for (size_t i = 0; i < options_[n].size(); ++i) {
        if (format_of(options_[n][i]) == family) {
          pick_[n] = static_cast<int>(i);
          break;
        }
      }
    }
  }
  const std::vector<Format>& families() const { return families_; }

  /// Changes one node at a time while that helps.
  void improve() {
    for (int round = 0; round < 50; ++round) {
      bool better = false;
      for (int n = 0; n < g_.size(); ++n) {
        if (options_[n].size() < 2) continue;
        const int before = pick_[n];
        int best = before;
        double best_us = around(n);
        for (int i = 0; i < static_cast<int>(options_[n].size()); ++i) {
          pick_[n] = i;
          const double us = around(n);
          if (us < best_us - 1e-9) best_us = us, best = i;
        }
        pick_[n] = best;
        better |= best != before;
      }
      if (!better) return;
    }
  }

  double total() const {
    double us = 0;
    for (int n = 0; n < g_.size(); ++n) {
      if (pick_[n] < 0) continue;
      us += options_[n][pick_[n]].placement.microseconds;
      for (int o = 0; o < g_.node(n).outputs; ++o) us += conversions({n, o});
    }
    for (int n = 0; n < g_.size(); ++n)
      if (g_.node(n).literal >= 0) us += conversions({n, 0});
    return us;
  }

  Layout result() const {
    Layout layout;
    layout.nodes.resize(g_.size());
    for (int n = 0; n < g_.size(); ++n)
      if (pick_[n] >= 0) layout.nodes[n] = options_[n][pick_[n]];
    layout.predicted_us = total();
    return layout;
  }

  std::vector<int>& picks() { return pick_; }
  const std::vector<std::vector<Choice>>& options() const { return options_; }

 private:
  void mark_needed() {
    for (const Edge& e : unit_.fetches) needed_[e.node] = 1;
    for (const auto& c : g_.cells()) needed_[c.current.node] = 1;
    for (int n = g_.size() - 1; n >= 0; --n)
      if (needed_[n])
        for (const Edge& e : g_.node(n).inputs) needed_[e.node] = 1;
  }

  static Format format_of(const Choice& c) {
    for (const Format& f : c.placement.out)
      if (!(f == Format{})) return f;
    for (const Format& f : c.placement.in)
      if (!(f == Format{})) return f;
    return {};
  }

  /// The batch that most of the arithmetic has, and the backend's formats for it.
  std::vector<Format> families_of_batch() const {
    std::map<int64_t, double> flops;
    for (int n = 0; n < g_.size(); ++n) {
      const Node& node = g_.node(n);
      if (!needed_[n] || node.inputs.empty() || !node.op->cost()) continue;
      const Shape& first = g_.meta(node.inputs[0]).shape;
      if (first.rank() < 2) continue;
      std::vector<ValueMeta> in, out;
      for (const Edge& e : node.inputs) in.push_back(g_.meta(e));
      for (int o = 0; o < node.outputs; ++o) out.push_back(g_.meta({n, o}));
      flops[first[0]] += node.op->cost()(in, out, *node.attrs).flops;
    }
    if (flops.empty()) return {};
    const auto most = std::max_element(flops.begin(), flops.end(),
                                       [](auto& a, auto& b) { return a.second < b.second; });
    return backend_.formats(most->first);
  }

  void collect(int n, const std::vector<Format>& families) {
    const Node& node = g_.node(n);
    if (node.op->is_view()) return collect_view(n, families);
    if (node.op->is_run_by_executor()) {  // plain all around
      const size_t in = node.inputs.size(), out = static_cast<size_t>(node.outputs);
      options_[n].push_back(
          {&region_entry(), {std::vector<Format>(in), std::vector<Format>(out), 0.0}, false});
      return;
    }
    const run::KernelRequest request = request_for(g_, n, kNominalThreads, steady_);
    std::string reasons;
    const auto offer = [&](const run::KernelEntry* entry, Format family) {
      std::string reason;
      auto placement = entry->place(request, family, reason);
      if (placement)
        options_[n].push_back({entry, std::move(*placement), false});
      else if (!reason.empty())
        reasons += fmt::format("; {} in {}: {}", entry->name, family.text(), reason);
    };
    const auto entries = backend_.kernels().of(node.op->name());
    for (const run::KernelEntry* entry : entries) offer(entry, {});
    for (const Format& family : families)
      for (const run::KernelEntry* entry : entries) offer(entry, family);
    if (options_[n].empty()) refuse(node, request, entries, reasons);
    if (!reasons.empty())
      unit_.note(fmt::format("layout: node {} {}{}", n, node.op->name(), reasons));
  }

  /// No kernel takes the operands: says for which dtypes there is one.
  [[noreturn]] void refuse(const Node& node, const run::KernelRequest& request,
                           const std::vector<const run::KernelEntry*>& entries,
                           const std::string& reasons) const {
    std::vector<std::string> others;
    for (const DType d :
         {DType::f32, DType::f64, DType::i32, DType::i64, DType::u8, DType::bool_}) {
      run::KernelRequest other = request;
      const DType given = request.in.empty() ? d : request.in[0].dtype;
      for (auto* side : {&other.in, &other.out})
        for (auto& desc : *side)
          if (desc.dtype == given) desc.dtype = d;
      std::string unused;
      if (std::any_of(entries.begin(), entries.end(), [&](const run::KernelEntry* e) {
            return e->place(other, {}, unused).has_value();
          }))
        others.push_back(name_of(d));
    }
    const std::string& scope = g_.scope_name(node.scope);
    user_error(
        "{}: no {} kernel for {}{}{}", node.op->name(), backend_.name(), operand_text(request),
        !others.empty()
            ? fmt::format(" ({} has {}); cast first", backend_.name(), fmt::join(others, ", "))
        : entries.empty() ? "; the backend has none for this op"
                          : reasons,
        scope.empty() ? "" : fmt::format("\n  at layer \"{}\"", scope));
  }

  void collect_view(int n, const std::vector<Format>& families) {
    const Shape& in = g_.meta(g_.node(n).inputs[0]).shape;
    const Shape& out = g_.meta({n, 0}).shape;
    options_[n].push_back({nullptr, {{Format{}}, {Format{}}, 0.0}, true});
    for (const Format& f : families)
      if (f.kind == Format::nblock && in.rank() > 0 && out.rank() > 0 && in[0] == out[0])
        options_[n].push_back({nullptr, {{f}, {f}, 0.0}, true});
      else if (f.kind == Format::channels && is_plain_in_blocks(in, f))
        options_[n].push_back({nullptr, {{f}, {Format{}}, 0.0}, true});
  }

  /// Whole blocks of one pixel each lie in memory as plain values do: flattening is free.
  static bool is_plain_in_blocks(const Shape& shape, Format f) {
    return shape.rank() >= 3 && shape.rank() < Shape::kMaxRank && shape[1] % f.lanes == 0 &&
           shape.count(2) == 1;
  }

  Format produced(Edge e) const {
    return pick_[e.node] < 0 ? Format{} : options_[e.node][pick_[e.node]].placement.out[e.output];
  }

  /// Time of all reorders that readers of a value need: one for each format other than its own.
  double conversions(Edge e) const {
    const Format own = produced(e);
    Format others[8];
    int count = 0;
    const auto want = [&](Format f) {
      if (f == own) return;
      for (int i = 0; i < count; ++i)
        if (others[i] == f) return;
      if (count < 8) others[count++] = f;
    };
    if (plain_readers_.count(e)) want({});
    bool crosses = false;  // between two blocked formats a value goes through plain memory
    if (auto at = readers_.find(e); at != readers_.end())
      for (int r : at->second) {
        if (pick_[r] < 0) continue;
        const auto& in = g_.node(r).inputs;
        for (size_t i = 0; i < in.size(); ++i)
          if (in[i] == e) want(options_[r][pick_[r]].placement.in[i]);
      }
    if (!(own == Format{}))
      for (int i = 0; i < count; ++i) crosses |= !(others[i] == Format{});
    if (crosses) want({});
    return count * reorder_us(g_.meta(e), backend_.machine());
  }

  double around(int n) const {
    double us = options_[n][pick_[n]].placement.microseconds;
    for (int o = 0; o < g_.node(n).outputs; ++o) us += conversions({n, o});
    const auto& in = g_.node(n).inputs;
    for (size_t i = 0; i < in.size(); ++i)
      if (std::find(in.begin(), in.begin() + i, in[i]) == in.begin() + i) us += conversions(in[i]);
    return us;
  }

  Unit& unit_;
  const Graph& g_;
  const run::Backend& backend_;
  std::vector<Format> families_;
  std::vector<std::vector<Choice>> options_;
  std::vector<int> pick_;
  std::vector<char> needed_, steady_;
  std::map<Edge, std::vector<int>> readers_;
  std::set<Edge> plain_readers_;
};

}  // namespace

run::KernelRequest request_for(const Graph& g, int n, int threads_wanted,
                               const std::vector<char>& steady) {
  const Node& node = g.node(n);
  run::KernelRequest r;
  r.op = node.op->name();
  r.attrs = node.attrs.get();
  r.threads = threads_wanted > 0 ? threads_wanted : threads();
  for (const Edge& e : node.inputs) {
    if (steady[e.node] && r.in.size() < 32) r.steady |= 1u << r.in.size();
    r.in.push_back({g.meta(e).shape, g.meta(e).dtype, {}});
  }
  for (int o = 0; o < node.outputs; ++o)
    r.out.push_back({g.meta({n, o}).shape, g.meta({n, o}).dtype, {}});
  return r;
}

double reorder_us(const ValueMeta& meta, const run::Machine& machine) {
  const double bytes = static_cast<double>(meta.shape.count()) * size_of(meta.dtype);
  return machine.step_microseconds + 2 * bytes / (machine.gbytes_per_second * 1e3);
}

Layout choose_layout(Unit& unit, const run::Backend& backend) {
  Assignment a(unit, backend);
  a.start(Format{});
  a.improve();
  Layout best = a.result();
  for (const Format& family : a.families()) {
    a.start(family);
    a.improve();
    if (Layout other = a.result(); other.predicted_us <= best.predicted_us) best = std::move(other);
  }
  return best;
}

Layout choose_layout_exhaustively(Unit& unit, const run::Backend& backend) {
  Assignment a(unit, backend);
  a.start(Format{});
  Layout best = a.result();
  std::vector<int>& pick = a.picks();
  const auto& options = a.options();
  while (true) {  // counts through all combinations
    size_t n = 0;
    for (; n < pick.size(); ++n) {
      if (options[n].empty()) continue;
      if (++pick[n] < static_cast<int>(options[n].size())) break;
      pick[n] = 0;
    }
    if (n == pick.size()) return best;
    if (a.total() < best.predicted_us) best = a.result();
  }
}

}  // namespace trivium::compile
