// Graph + layout → steps. In order: one step per node and per reorder; where each value lives
// (views share memory, results go straight into output and Cell memory where nobody still reads the
// old content); the order of steps; what may be written in place; offsets in the arena.
#include "trivium/engine/compile/lower.h"

#include <algorithm>
#include <set>

#include "trivium/engine/compile/memory.h"
#include "trivium/engine/compile/regions.h"
#include "trivium/engine/compile/windows.h"
#include "trivium/engine/run/frame.h"

namespace trivium::compile {
namespace {

using run::Format;
using run::Place;

/// A piece of memory. Views of a value are the same storage.
struct Storage {
  Place place = Place::arena;
  int slot = 0;
  run::TensorDesc desc;
  std::string label;
  int writer = -1;           // draft step that makes it; -1 for leaves
  std::vector<int> readers;  // draft steps
  int root = -1;             // joined in place with this one; -1: itself
  int whole = -1;            // the storage that this one is a part of; -1: none
  size_t offset = 0;         // there, in bytes
  bool in_parts = false;     // steps write parts of it
};

struct Draft {
  int node = -1;  // graph node, or -1 for a reorder or copy
  const run::KernelEntry* entry = nullptr;
  std::optional<run::Kernel> built;  // instead of an entry
  run::KernelRequest request;
  std::vector<int> in, out;  // storages; -1 absent
  std::vector<int> after;    // steps that must run before (beside the writers of `in`)
  std::string scope;
  bool elementwise = false;
  bool pure = true;                  // the same results from the same operands
  bool prologue = false;             // runs only when a Cell has changed
  std::optional<RegionStep> region;  // a node that runs other plans, or the host
};

class Lowering {
 public:
  Lowering(Unit& unit, const Layout& layout, const run::Backend& backend)
      : unit_(unit),
        g_(*unit.graph),
        layout_(layout),
        backend_(backend),
        steady_(steady_nodes(g_, unit.options.steady)) {}

  std::shared_ptr<run::Plan> run() {
    if (unit_.enabled("windows")) windows_ = find_windows(unit_, layout_);
    for (const int n : windows_.joined) wholes_[n] = -1;
    draft_steps();
    draft_cell_results();
    place_outputs();
    place_cells();
    finish_copies();
    find_prologue();
    schedule();
    join_in_place();
    return build();
  }

 private:
  // --- steps
  // ---------------------------------------------------------------------------------------
  int new_storage(Place place, int slot, run::TensorDesc desc, std::string label, int writer = -1) {
    storages_.push_back({place, slot, std::move(desc), std::move(label), writer, {}, -1});
    return static_cast<int>(storages_.size()) - 1;
  }

  run::TensorDesc desc(Edge e, Format f = {}) const {
    return {g_.meta(e).shape, g_.meta(e).dtype, f};
  }

  void draft_leaves() {
    for (size_t i = 0; i < g_.inputs().size(); ++i)
      at_[{g_.inputs()[i].value, 0}] = new_storage(Place::input, static_cast<int>(i),
                                                   desc(g_.inputs()[i].value), g_.inputs()[i].name);
    for (size_t i = 0; i < g_.scalars().size(); ++i)
      at_[{g_.scalars()[i].value, 0}] = new_storage(
          Place::scalar, static_cast<int>(i), desc(g_.scalars()[i].value), g_.scalars()[i].name);
    for (size_t i = 0; i < g_.cells().size(); ++i)
      at_[{g_.cells()[i].initial, 0}] =
          new_storage(Place::cell, static_cast<int>(i), desc(g_.cells()[i].initial),
                      g_.cells()[i].cell->name());
    for (int n = 0; n < g_.size(); ++n)
      if (g_.node(n).op->name() == "constant")
        at_[{{n, 0}, 0}] =
            new_storage(Place::constant, g_.node(n).literal, desc({n, 0}), "constant");
  }

  static int format_key(Format f) { return f.kind * 256 + f.lanes; }

  /// Storage of a value in a format; a reorder step is drafted at the first request.
  int value_in(Edge e, Format f, const std::string& scope) {
    auto found = at_.find({e, format_key(f)});
    if (found != at_.end()) return found->second;
    int source = -1;
    Format own;
    for (const auto& [key, storage] : at_)
      if (key.first == e) {
        source = storage;
        own = views_.count({e, key.second}) ? views_.at({e, key.second})
                                            : storages_[storage].desc.format;
        break;
      }
    if (source < 0) internal_error("lower: value %{}.{} is not there", e.node, e.output);
    if (own.kind != Format::plain && f.kind != Format::plain) {  // no reorder between blocks
      source = value_in(e, {}, scope);
      own = {};
    }
    const int to = new_storage(Place::arena, 0, desc(e, f), "reordered");
    add_reorder(source, desc(e, own), to, desc(e, f), scope);
    at_[{e, format_key(f)}] = to;
    return to;
  }

  int add_reorder(int from, run::TensorDesc from_desc, int to, run::TensorDesc to_desc,
                  const std::string& scope) {
    Draft d;
    d.request = {"reorder", &no_attrs_, {from_desc}, {to_desc}, unit_.options.threads};
    std::string reason;
    for (const run::KernelEntry* entry : backend_.kernels().of("reorder")) {
      auto placement = entry->place(
          d.request, to_desc.format == Format{} ? from_desc.format : to_desc.format, reason);
      if (placement) d.entry = entry;
      if (d.entry) break;
    }
    if (!d.entry)
      internal_error("lower: no reorder of {} from {} to {} ({})", name_of(from_desc.dtype),
                     from_desc.format.text(), to_desc.format.text(), reason);
    d.in = {from};
    d.out = {to};
    d.scope = scope;
    return add(std::move(d));
  }

  int add(Draft d) {
    const int index = static_cast<int>(drafts_.size());
    for (int s : d.in) {
      if (s < 0) continue;
      storages_[s].readers.push_back(index);
      if (whole(s) != s) storages_[whole(s)].readers.push_back(index);
    }
    for (int s : d.out) {
      Storage& all = storages_[whole(s)];  // complete when the last one has written its part
      if (whole(s) != s && all.writer >= 0 && all.writer != index) d.after.push_back(all.writer);
      storages_[s].writer = all.writer = index;
    }
    drafts_.push_back(std::move(d));
    return index;
  }

  void draft_steps() {
    draft_leaves();
    for (int n = 0; n < g_.size(); ++n) {
      const Choice& choice = layout_.nodes[n];
      if (choice.view) {
        const Edge source = g_.node(n).inputs[0];
        const Format f = choice.placement.in[0];
        const int storage = value_in(source, f, g_.scope_name(g_.node(n).scope));
        at_[{{n, 0}, format_key(choice.placement.out[0])}] = storage;
        views_[{{n, 0}, format_key(choice.placement.out[0])}] = choice.placement.out[0];
      } else if (const auto w = windows_.parts.find({n, 0});
                 w != windows_.parts.end() && w->second.node == n) {
        draft_window(n);
      } else if (wholes_.count(n)) {
        at_[{{n, 0}, 0}] = wholes_.at(n);  // its pieces lie there already
      } else if (choice.entry) {
        draft_node(n, choice);
      }
    }
  }

  void draft_node(int n, const Choice& choice) {
    const Node& node = g_.node(n);
    Draft d;
    d.node = n;
    d.entry = choice.entry;
    d.scope = g_.scope_name(node.scope);
    d.request = request_for(g_, n, unit_.options.threads, steady_);
    d.pure = node.op->effect() == Effect::none;
    if (node.op->is_run_by_executor()) d.region = region_step(g_, n, unit_.options);
    d.elementwise = node.op->scalar().has_value() || node.op->name() == "elementwise_group";
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      d.request.in[i].format = choice.placement.in[i];
      d.in.push_back(value_in(node.inputs[i], choice.placement.in[i], d.scope));
      d.request.in[i].strides = storages_[d.in[i]].desc.strides;
    }
    for (int o = 0; o < node.outputs; ++o) d.request.out[o].format = choice.placement.out[o];
    if (unit_.enabled("keep")) pack_operands(d);
    for (int o = 0; o < node.outputs; ++o) {
      const int storage = windows_.parts.count({n, o})
                              ? storage_of_piece({n, o})
                              : new_storage(Place::arena, 0, d.request.out[o], node.op->name());
      d.request.out[o].strides = storages_[storage].desc.strides;
      d.out.push_back(storage);
      at_[{{n, o}, format_key(choice.placement.out[o])}] = storage;
    }
    add(std::move(d));
  }

  // --- parts of larger tensors
  // ---------------------------------------------------------------------
  /// Where the memory of a storage is.
  int whole(int s) const { return storages_[s].whole >= 0 ? storages_[s].whole : s; }

  int new_part(Edge e, const Window& w, int larger) {
    run::TensorDesc d = desc(e);
    d.strides = w.strides;
    const Storage& of = storages_[larger];
    const int part = new_storage(of.place, of.slot, std::move(d), "part", of.writer);
    storages_[part].whole = whole(larger);
    storages_[part].offset =
        storages_[larger].offset + static_cast<size_t>(w.offset) * size_of(g_.meta(e).dtype);
    return part;
  }

  void draft_window(int n) {
    const Edge source = g_.node(n).inputs[0];
    const int larger = value_in(source, {}, g_.scope_name(g_.node(n).scope));
    at_[{{n, 0}, 0}] = new_part({n, 0}, windows_.parts.at({n, 0}), larger);
  }

  int storage_of_piece(Edge e) {
    const Window& w = windows_.parts.at(e);
    int& larger = wholes_.at(w.node);
    if (larger < 0) {
      larger = new_storage(Place::arena, 0, desc({w.node, 0}), "concat");
      storages_[larger].in_parts = true;
    }
    return new_part(e, w, larger);
  }

  /// Steady operands are brought into the form that the kernel reads fastest by a step of their
  /// own, which then runs seldom.
  void pack_operands(Draft& d) {
    if (!d.entry->pack) return;
    for (size_t i = 0; i < d.in.size() && i < 32; ++i) {
      if (!(d.request.steady >> i & 1)) continue;
      auto packing = d.entry->pack(d.request, static_cast<int>(i));
      if (!packing) continue;
      const run::TensorDesc packed{Shape{static_cast<int64_t>(packing->bytes)}, DType::u8, {}};
      Draft p;
      p.request = {"pack", &no_attrs_, {d.request.in[i]}, {packed}, unit_.options.threads};
      p.built = std::move(packing->kernel);
      p.in = {d.in[i]};
      p.out = {new_storage(Place::arena, 0, packed, "packed")};
      p.scope = d.scope;
      d.in[i] = p.out[0];
      d.request.packed |= 1u << i;
      add(std::move(p));
    }
  }

  // --- where results live
  // --------------------------------------------------------------------------
  /// Whether step `from` depends on step `on`.
  bool depends(int from, int on) const {
    std::vector<char> seen(drafts_.size(), 0);
    std::vector<int> todo = {from};
    while (!todo.empty()) {
      const int s = todo.back();
      todo.pop_back();
      if (s == on) return true;
      const auto push = [&](int p) {
        if (p >= 0 && !seen[p]) seen[p] = 1, todo.push_back(p);
      };
      for (int in : drafts_[s].in)
        if (in >= 0) push(storages_[in].writer);
      for (int p : drafts_[s].after) push(p);
    }
    return false;
  }

  bool same_memory(const run::TensorDesc& a, const run::TensorDesc& b) const {
    return a.shape == b.shape && a.dtype == b.dtype && a.format == b.format && a.strides.empty() &&
           b.strides.empty();
  }

  /// Whether `step` may write output storage `out` over input storage `in`.
  bool may_overwrite(int step, int in, int out) const {
    const Draft& d = drafts_[step];
    const auto o = std::find(d.out.begin(), d.out.end(), out) - d.out.begin();
    int uses = 0, position = -1;
    for (size_t i = 0; i < d.in.size(); ++i) {
      if (d.in[i] == in) ++uses, position = static_cast<int>(i);
      if (d.in[i] >= 0 && d.in[i] != in && whole(d.in[i]) == whole(in)) return false;
    }
    if (uses != 1) {  // the same operand twice is still one element at a time
      if (!d.elementwise) return false;
      for (size_t i = 0; i < d.in.size(); ++i)
        if (d.in[i] == in && !same_memory(d.request.in[i], d.request.out[o])) return false;
      return uses > 0;
    }
    if (d.elementwise) return same_memory(d.request.in[position], d.request.out[o]);
    if (!d.entry) return false;
    for (auto [a, b] : d.region ? d.region->in_place : d.entry->in_place)
      if (a == position && b == o)
        return d.request.in[position].bytes() == d.request.out[o].bytes();
    return false;
  }

  /// Storages that will become the new contents of Cells. A leaf (another Cell's old content, an
  /// input) is copied aside first, so that Cells may exchange contents.
  void draft_cell_results() {
    for (const auto& cell : g_.cells()) {
      int result = -1;
      if (!(cell.current == cell.initial)) {
        result = value_in(cell.current, {}, "");
        if (storages_[result].writer < 0) {
          const int aside = new_storage(Place::arena, 0, desc(cell.current), "copy");
          add_reorder(result, desc(cell.current), aside, desc(cell.current), "");
          result = aside;
        }
      }
      cell_results_.push_back(result);
    }
  }

  /// A result goes straight into the Cell's memory when everybody who reads the old content can run
  /// before; otherwise it is copied at the end.
  void place_cells() {
    for (size_t c = 0; c < g_.cells().size(); ++c) {
      const auto& cell = g_.cells()[c];
      const int result = cell_results_[c];
      if (result < 0) continue;
      const int home = at_.at({cell.initial, 0});
      if (try_direct(home, result, static_cast<int>(c), Place::cell)) continue;
      unit_.note(fmt::format(
          "memory: cell \"{}\" is written by a copy at the end (its old value is read later)",
          cell.cell->name()));
      pending_copies_.push_back({result, home, static_cast<int>(c)});
    }
  }

  bool try_direct(int home, int result, int slot, Place place) {
    Storage& r = storages_[result];
    if (r.place != Place::arena || r.writer < 0 || r.in_parts) return false;
    const int writer = r.writer;
    for (int reader : storages_[home].readers) {
      if (reader == writer) {
        if (!may_overwrite(writer, home, result)) return false;
      } else if (depends(reader, writer)) {
        return false;
      }
    }
    for (int reader : storages_[home].readers)
      if (reader != writer) drafts_[writer].after.push_back(reader);
    r.place = place;
    r.slot = slot;
    return true;
  }

  /// What a loop carries is written over its old content where that is possible, at once; else, as
  /// all results, into memory of its own.
  void place_outputs() {
    std::vector<int> storages;
    for (const Edge& e : unit_.fetches) storages.push_back(value_in(e, {}, ""));
    output_storage_.resize(unit_.fetches.size());
    output_stays_.assign(unit_.fetches.size(), 0);
    std::vector<char> is_carried(unit_.fetches.size(), 0);
    for (const auto& [fetch, input] : unit_.options.carried) is_carried[fetch] = 1;
    for (size_t i = 0; i < storages.size(); ++i)  // copies that read old content come first
      if (!is_carried[i] || storages_[storages[i]].writer < 0) place_output(i, storages[i]);
    for (const auto& [fetch, input] : unit_.options.carried) {
      const int storage = storages[fetch], home = at_.at({g_.inputs()[input].value, 0});
      if (storages_[storage].writer < 0) continue;
      if (unit_.enabled("donate") && try_direct(home, storage, input, Place::input)) {
        output_stays_[fetch] = 1;
        output_storage_[fetch] = storage;
      } else {
        place_output(static_cast<size_t>(fetch), storage);
      }
    }
  }

  void place_output(size_t i, int storage) {
    Storage& s = storages_[storage];
    if (s.place == Place::arena && s.writer >= 0) {
      s.place = Place::output;
      s.slot = static_cast<int>(i);
      output_storage_[i] = storage;
      return;
    }
    const run::TensorDesc d = desc(unit_.fetches[i]);
    output_storage_[i] = new_storage(Place::output, static_cast<int>(i), d, "output");
    add_reorder(storage, d, output_storage_[i], d, "");
  }

  /// Copies into Cells run after every reader of the old content.
  void finish_copies() {
    for (const auto& [from, home, slot] : pending_copies_) {
      const run::TensorDesc d = storages_[home].desc;
      const int to = new_storage(Place::cell, slot, d, storages_[home].label);
      const std::vector<int> readers = storages_[home].readers;
      const int step = add_reorder(from, d, to, d, "");
      for (int r : readers)
        if (r != step) drafts_[step].after.push_back(r);
    }
  }

  // --- what is kept between runs
  // --------------------------------------------------------------------------
  /// Steps that read only what no run of this plan changes run once, and again when somebody else
  /// has written a Cell. What other steps read of them is kept.
  void find_prologue() {
    if (!unit_.enabled("keep")) return;
    std::vector<char> changing(drafts_.size(), 0);  // depends on more than constants
    for (size_t s = 0; s < drafts_.size(); ++s) {
      Draft& d = drafts_[s];
      d.prologue = d.pure && d.after.empty();
      for (int in : d.in) {
        if (in < 0) continue;
        const Storage& source = storages_[whole(in)];
        if (source.writer < 0) {
          d.prologue &= is_steady(source);
          changing[s] |= source.place != Place::constant;
        } else {
          d.prologue &= drafts_[source.writer].prologue;
          changing[s] |= changing[source.writer];
        }
      }
      for (int out : d.out) d.prologue &= storages_[whole(out)].place == Place::arena;
    }
    for (size_t s = drafts_.size(); s-- > 0;)
      if (drafts_[s].prologue && !worth_keeping(drafts_[s], changing[s]))
        drafts_[s].prologue = false;
    keep_results();
  }

  /// A leaf that has the same content in many runs.
  bool is_steady(const Storage& leaf) const {
    const std::vector<int>& inputs = unit_.options.steady;
    return leaf.place == Place::constant || (leaf.place == Place::cell && !is_written(leaf.slot)) ||
           (leaf.place == Place::input &&
            std::find(inputs.begin(), inputs.end(), leaf.slot) != inputs.end());
  }

  bool is_written(int cell) const {
    const auto& c = g_.cells()[static_cast<size_t>(cell)];
    return !(c.current == c.initial);
  }

  bool read_outside_prologue(int storage) const {
    const auto& readers = storages_[whole(storage)].readers;
    return std::any_of(readers.begin(), readers.end(), [&](int r) { return !drafts_[r].prologue; });
  }

  /// What grows from little, as a broadcast does, is sooner made than read from memory.
  bool worth_keeping(const Draft& d, bool changing) const {
    constexpr size_t kGrowth = 8, kSmall = 64 << 10;
    size_t in = 0, kept = 0;
    for (int s : d.in)
      if (s >= 0) in += storages_[s].desc.bytes();
    for (int s : d.out)
      if (read_outside_prologue(s)) kept += storages_[s].desc.bytes();
    if (!changing) return kept == 0;
    return kept <= kSmall || kept <= kGrowth * in;
  }

  void keep_results() {
    int steps = 0;
    size_t bytes = 0;
    for (const Draft& d : drafts_) {
      steps += d.prologue;
      for (int s : d.out)
        if (d.prologue && read_outside_prologue(s)) {
          storages_[whole(s)].place = Place::kept;
          bytes += storages_[s].desc.bytes();
        }
    }
    if (steps)
      unit_.note(fmt::format("keep: {} steps run again only when a Cell has changed; {} bytes",
                             steps, bytes));
  }

  // --- order
  // ---------------------------------------------------------------------------------------
  /// List scheduling: among the ready steps the one that frees most and allocates least, then the
  /// one that reads what was just written, then recording order.
  void schedule() {
    const int count = static_cast<int>(drafts_.size());
    std::vector<std::set<int>> before(count);
    for (int s = 0; s < count; ++s) {
      for (int in : drafts_[s].in)
        if (in >= 0 && storages_[in].writer >= 0) before[s].insert(storages_[in].writer);
      before[s].insert(drafts_[s].after.begin(), drafts_[s].after.end());
    }
    std::vector<std::vector<int>> next(count);
    std::vector<int> waiting(count), readers_left(storages_.size(), 0);
    for (int s = 0; s < count; ++s) {
      waiting[s] = static_cast<int>(before[s].size());
      for (int b : before[s]) next[b].push_back(s);
    }
    for (size_t i = 0; i < storages_.size(); ++i) {
      std::set<int> distinct(storages_[i].readers.begin(), storages_[i].readers.end());
      readers_left[i] = static_cast<int>(distinct.size());
    }
    std::set<int> ready;
    for (int s = 0; s < count; ++s)
      if (!waiting[s]) ready.insert(s);
    int latest = -1;
    while (!ready.empty()) {
      int best = -1;
      double best_score = 0;
      const bool prologue =
          std::any_of(ready.begin(), ready.end(), [&](int s) { return drafts_[s].prologue; });
      for (int s : ready) {
        if (drafts_[s].prologue != prologue) continue;
        const double score = gain(s, readers_left) + (reads(s, latest) ? 0.5 : 0.0);
        if (best < 0 || score > best_score) best = s, best_score = score;
      }
      ready.erase(best);
      order_.push_back(best);
      std::set<int> distinct(drafts_[best].in.begin(), drafts_[best].in.end());
      for (int in : distinct)
        if (in >= 0) --readers_left[in];
      for (int s : next[best])
        if (--waiting[s] == 0) ready.insert(s);
      latest = best;
    }
    if (static_cast<int>(order_.size()) != count)
      internal_error("pass schedule: cycle among {} steps", count - order_.size());
    position_.resize(count);
    for (int i = 0; i < count; ++i) position_[order_[i]] = i;
  }

  double gain(int s, const std::vector<int>& readers_left) const {
    double bytes = 0;
    std::set<int> distinct(drafts_[s].in.begin(), drafts_[s].in.end());
    for (int in : distinct)
      if (in >= 0 && storages_[in].place == Place::arena && readers_left[in] == 1)
        bytes += static_cast<double>(storages_[in].desc.bytes());
    for (int out : drafts_[s].out)
      if (storages_[out].place == Place::arena)
        bytes -= static_cast<double>(storages_[out].desc.bytes());
    return bytes;
  }

  bool reads(int s, int writer) const {
    for (int in : drafts_[s].in)
      if (in >= 0 && writer >= 0 && storages_[in].writer == writer) return true;
    return false;
  }

  int last_use(int storage) const {
    int last = storages_[storage].writer < 0 ? -1 : position_[storages_[storage].writer];
    for (int r : storages_[storage].readers) last = std::max(last, position_[r]);
    return last;
  }

  int root(int storage) const {
    storage = whole(storage);
    while (storages_[storage].root >= 0) storage = storages_[storage].root;
    return storage;
  }

  /// Outputs written over an arena input that dies in the same step.
  void join_in_place() {
    if (!unit_.enabled("donate")) return;
    std::vector<int> end(storages_.size());
    for (size_t i = 0; i < storages_.size(); ++i) end[i] = last_use(static_cast<int>(i));
    for (int s : order_) {
      std::set<int> taken;
      for (int out : drafts_[s].out) {
        if (storages_[out].place != Place::arena || whole(out) != out) continue;
        for (int in : drafts_[s].in) {
          if (in < 0 || whole(in) != in) continue;
          const int r = root(in);
          if (storages_[r].place != Place::arena || storages_[in].place != Place::arena ||
              taken.count(r))
            continue;
          if (end[r] != position_[s] || !may_overwrite(s, in, out)) continue;
          if (shared_operand(s, r, in)) continue;
          storages_[out].root = r;
          end[r] = end[out];
          taken.insert(r);
          break;
        }
      }
    }
  }

  /// Whether another operand of the step lies in the same memory as `in`.
  bool shared_operand(int s, int memory, int in) const {
    for (int other : drafts_[s].in)
      if (other >= 0 && other != in && root(other) == memory) return true;
    return false;
  }

  // --- the plan
  // ------------------------------------------------------------------------------------
  std::shared_ptr<run::Plan> build() {
    auto plan = std::make_shared<run::Plan>();
    plan->output_stays = output_stays_;
    plan->constants = g_.constants();
    for (const auto& in : g_.inputs()) plan->inputs.push_back(desc(in.value));
    for (const auto& s : g_.scalars()) plan->scalars.push_back(desc(s.value));
    for (const auto& c : g_.cells()) {
      plan->cells.push_back(desc(c.initial));
      plan->cell_written.push_back(!(c.current == c.initial));
    }
    for (const Edge& e : unit_.fetches) plan->outputs.push_back(desc(e));
    add_buffers(*plan);
    for (int s : order_) add_step(*plan, s);
    add_prologue(*plan);
    place_memory(*plan);
    run::link(*plan);
    for (int s : output_storage_) plan->output_buffers.push_back(buffer_of_[root(s)]);
    return plan;
  }

  void add_buffers(run::Plan& plan) {
    buffer_of_.assign(storages_.size(), -1);
    for (size_t i = 0; i < storages_.size(); ++i) {
      if (root(static_cast<int>(i)) != static_cast<int>(i)) continue;
      const Storage& s = storages_[i];
      if (s.writer < 0 && s.readers.empty()) continue;
      buffer_of_[i] = static_cast<int>(plan.buffers.size());
      run::BufferInfo info;
      info.place = s.place;
      info.slot = s.slot;
      info.bytes = s.desc.bytes();
      info.desc = s.desc;
      info.label = s.label;
      info.first_step = s.writer < 0 ? 0 : position_[s.writer];
      info.last_step = info.first_step;
      plan.buffers.push_back(std::move(info));
    }
    for (size_t i = 0; i < storages_.size(); ++i) {
      const int b = buffer_of_[root(static_cast<int>(i))];
      if (b < 0) continue;
      run::BufferInfo& info = plan.buffers[b];
      info.last_step = std::max(info.last_step, last_use(static_cast<int>(i)));
      if (storages_[i].whole >= 0 && storages_[i].writer >= 0)  // one of several that write it
        info.first_step = std::min(info.first_step, position_[storages_[i].writer]);
    }
  }

  void add_step(run::Plan& plan, int s) {
    const Draft& d = drafts_[s];
    const run::Kernel kernel = d.built    ? *d.built
                               : d.region ? d.region->kernel
                                          : d.entry->build(d.request);
    run::Step step;
    step.fn = kernel.fn;
    step.state = kernel.state.get();
    plan.states.push_back(kernel.state);
    double bytes = 0;
    for (size_t i = 0; i < d.in.size(); ++i) {
      step.in.push_back({buffer_of_[root(d.in[i])], storages_[d.in[i]].offset});
      bytes += static_cast<double>(d.request.in[i].bytes());
    }
    for (size_t i = 0; i < d.out.size(); ++i) {
      step.out.push_back({buffer_of_[root(d.out[i])], storages_[d.out[i]].offset});
      bytes += static_cast<double>(d.request.out[i].bytes());
    }
    step.scratch_bytes = kernel.scratch_bytes;
    step.trace = static_cast<int32_t>(plan.traces.size());
    run::Trace trace{kernel.name.empty() && d.entry ? d.entry->name : kernel.name,
                     d.request.op,
                     d.scope,
                     0,
                     bytes,
                     0,
                     {}};
    if (d.region) trace.regions = d.region->regions;
    if (d.node >= 0) {
      trace.flops = flops(d.node);
      trace.predicted_us = layout_.nodes[d.node].placement.microseconds;
    } else {
      trace.predicted_us =
          reorder_us({d.request.in[0].shape, d.request.in[0].dtype}, backend_.machine());
    }
    plan.traces.push_back(std::move(trace));
    plan.steps.push_back(std::move(step));
  }

  void add_prologue(run::Plan& plan) const {
    std::set<int> sources;
    for (const Draft& d : drafts_) {
      if (!d.prologue) continue;
      ++plan.prologue;
      for (int in : d.in)
        if (in >= 0 && storages_[whole(in)].place == Place::cell)
          sources.insert(storages_[whole(in)].slot);
      for (int in : d.in)
        plan.prologue_reads_inputs |= in >= 0 && storages_[whole(in)].place == Place::input;
    }
    plan.kept_sources.assign(sources.begin(), sources.end());
    constexpr size_t kAlignment = 64;
    for (run::BufferInfo& b : plan.buffers) {
      if (b.place != Place::kept) continue;
      b.offset = plan.kept_bytes;
      plan.kept_bytes += (b.bytes + kAlignment - 1) / kAlignment * kAlignment;
    }
  }

  double flops(int n) const {
    const Node& node = g_.node(n);
    if (!node.op->cost()) return 0;
    std::vector<ValueMeta> in, out;
    for (const Edge& e : node.inputs) in.push_back(g_.meta(e));
    for (int o = 0; o < node.outputs; ++o) out.push_back(g_.meta({n, o}));
    return node.op->cost()(in, out, *node.attrs).flops;
  }

  void place_memory(run::Plan& plan) {
    std::vector<Interval> intervals;
    std::vector<int> buffers;  // interval → buffer, or -1 - step for scratch
    for (size_t b = 0; b < plan.buffers.size(); ++b) {
      if (plan.buffers[b].place != Place::arena) continue;
      intervals.push_back(
          {plan.buffers[b].bytes, plan.buffers[b].first_step, plan.buffers[b].last_step});
      buffers.push_back(static_cast<int>(b));
    }
    for (size_t s = 0; s < plan.steps.size(); ++s) {
      if (!plan.steps[s].scratch_bytes) continue;
      intervals.push_back(
          {plan.steps[s].scratch_bytes, static_cast<int32_t>(s), static_cast<int32_t>(s)});
      buffers.push_back(-1 - static_cast<int>(s));
    }
    const MemoryPlan memory = plan_memory(intervals);
    for (size_t i = 0; i < intervals.size(); ++i) {
      if (buffers[i] >= 0)
        plan.buffers[buffers[i]].offset = memory.offsets[i];
      else
        plan.steps[-1 - buffers[i]].scratch_offset = memory.offsets[i];
    }
    plan.arena_bytes = memory.arena_bytes;
    plan.live_lower_bound = memory.lower_bound;
  }

  struct Copy {
    int from, home, slot;
  };
  Unit& unit_;
  const Graph& g_;
  const Layout& layout_;
  const run::Backend& backend_;
  const Attrs no_attrs_;
  const std::vector<char> steady_;
  std::vector<Storage> storages_;
  std::vector<Draft> drafts_;
  std::map<std::pair<Edge, int>, int> at_;        // (value, format) → storage
  std::map<std::pair<Edge, int>, Format> views_;  // format a view is read in
  Windows windows_;
  std::map<int, int> wholes_;  // concat whose operands are written into it → its storage, -1 yet
  std::vector<Copy> pending_copies_;
  std::vector<char> output_stays_;
  std::vector<int> cell_results_, output_storage_, order_, position_, buffer_of_;
};

}  // namespace

std::shared_ptr<run::Plan> lower(Unit& unit, const Layout& layout, const run::Backend& backend) {
  return Lowering(unit, layout, backend).run();
}

}  // namespace trivium::compile
