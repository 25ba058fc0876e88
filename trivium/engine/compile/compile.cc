// prepare: capture, look the key up, and only when it is new run the passes.
#include "trivium/engine/compile/compile.h"

#include <fstream>
#include <list>
#include <mutex>
#include <unordered_map>

#include "trivium/engine/compile/capture.h"
#include "trivium/engine/compile/layout.h"
#include "trivium/engine/compile/lower.h"
#include "trivium/engine/compile/passes/passes.h"
#include "trivium/engine/core/log.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/core/trace.h"
#include "trivium/engine/graph/text.h"
#include "trivium/engine/graph/verify.h"

namespace trivium::compile {
namespace {

constexpr size_t kMostPlans = 128;

/// Least recently used plans by key.
class PlanCache {
 public:
  std::shared_ptr<const run::Plan> find(const Capture& c) {
    std::lock_guard<std::mutex> hold(lock_);
    auto [at, end] = by_hash_.equal_range(c.hash);
    for (; at != end; ++at)
      if (at->second->key == c.key) {
        entries_.splice(entries_.begin(), entries_, at->second);
        ++counters_.hit;
        return at->second->plan;
      }
    return nullptr;
  }

  void add(const Capture& c, std::shared_ptr<const run::Plan> plan) {
    std::lock_guard<std::mutex> hold(lock_);
    ++counters_.built;
    entries_.push_front({c.key, c.hash, std::move(plan)});
    by_hash_.emplace(c.hash, entries_.begin());
    if (entries_.size() <= kMostPlans) return;
    ++counters_.evicted;
    auto [at, end] = by_hash_.equal_range(entries_.back().hash);
    for (; at != end; ++at)
      if (at->second == std::prev(entries_.end())) {
        by_hash_.erase(at);
        break;
      }
    entries_.pop_back();
  }

  CacheCounters counters() {
    std::lock_guard<std::mutex> hold(lock_);
    return counters_;
  }

  void clear() {
    std::lock_guard<std::mutex> hold(lock_);
    entries_.clear();
    by_hash_.clear();
  }

 private:
  struct Entry {
    std::vector<uint64_t> key;
    uint64_t hash;
    std::shared_ptr<const run::Plan> plan;
  };
  std::mutex lock_;  // guards everything below
  std::list<Entry> entries_;
  std::unordered_multimap<uint64_t, std::list<Entry>::iterator> by_hash_;
  CacheCounters counters_;
};

thread_local Watch::See watching;

PlanCache& cache() {
  static PlanCache plans;
  return plans;
}

using Pass = void (*)(Unit&);
struct NamedPass {
  const char* name;
  Pass run;
};
constexpr NamedPass kPasses[] = {{"widen", widen_sums},
                                 {"loops", join_loops},
                                 {"simplify", simplify},
                                 {"cse", eliminate_common_subexpressions},
                                 {"pieces", join_pieces},
                                 {"decompose", decompose_composites},
                                 {"simplify", simplify},
                                 {"cse", eliminate_common_subexpressions},
                                 {"affine", fold_affine},
                                 {"simplify", simplify},
                                 {"cse", eliminate_common_subexpressions},
                                 {"norm", fuse_norms},
                                 {"epilogue", fuse_epilogues},
                                 {"fuse", group_elementwise}};

/// The finding inside the message of an InternalError, without the words around it.
std::string finding(std::string text) {
  constexpr std::string_view kBefore = "internal error: ", kAfter = " — please report it";
  if (text.starts_with(kBefore)) text.erase(0, kBefore.size());
  if (text.ends_with(kAfter)) text.resize(text.size() - kAfter.size());
  return text;
}

bool runs(const NamedPass& pass, const Unit& unit) {
  return std::string_view(pass.name) == "decompose" || unit.enabled(pass.name);
}

/// The graph that pass `index` was given, made again: passes change it where it is.
std::string text_before(const Capture& capture, const Options& options, size_t index) {
  Unit unit = capture.to_unit(options);
  for (size_t i = 0; i < index; ++i)
    if (runs(kPasses[i], unit)) kPasses[i].run(unit);
  return to_text(*unit.graph);
}

/// Runs one pass; an internal error saves the graph it was given and says where.
void run_pass(size_t index, Unit& unit, const Capture& capture, const Options& options) {
  const NamedPass& pass = kPasses[index];
  if (!runs(pass, unit)) return;
  try {
    pass.run(unit);
    verify(*unit.graph);
  } catch (const InternalError& e) {
    const std::string file = fmt::format("trivium-{}.txt", pass.name);
    const bool saved = static_cast<bool>(std::ofstream(file)
                                         << text_before(capture, options, index) << std::flush);
    throw InternalError(fmt::format(
        "internal error in pass {}: {}; {}", pass.name, finding(e.what()),
        saved
            ? fmt::format("graph saved to {} — please report it with that file", file)
            : fmt::format("the graph could not be saved to {} — please report it with the program",
                          file)));
  }
}

std::shared_ptr<const run::Plan> build(const Capture& capture, const Options& options) {
  const trace::Span span("plan", "new plan");
  Unit unit = capture.to_unit(options);
  if (unit.options.threads <= 0) unit.options.threads = threads();
  for (size_t i = 0; i < std::size(kPasses); ++i) run_pass(i, unit, capture, options);
  const run::Backend& backend = run::backend(options.backend);
  const Layout layout = choose_layout(unit, backend);
  std::shared_ptr<run::Plan> plan = lower(unit, layout, backend);
  plan->key = capture.hash;
  plan->notes = fmt::format("{}", fmt::join(unit.notes, "\n"));
  log::event(log::Topic::plan,
             "new plan {:016x}: {} nodes, {} steps, arena {} bytes (lower bound {})", capture.hash,
             unit.graph->size(), plan->steps.size(), plan->arena_bytes, plan->live_lower_bound);
  if (log::enabled(log::Topic::plan))
    for (const std::string& line : unit.notes) log::write(log::Topic::plan, line);
  return plan;
}

}  // namespace

Watch::Watch(See see) : before_(std::exchange(watching, std::move(see))) {}
Watch::~Watch() { watching = std::move(before_); }

Prepared prepare(const Graph& graph, const std::vector<Value>& feeds,
                 const std::vector<Value>& fetches, bool commit, const Options& options) {
  if (watching) watching(graph, fetches);
  const Capture capture(graph, feeds, fetches, commit, options);
  Prepared p;
  p.plan = cache().find(capture);
  if (!p.plan) {
    p.plan = build(capture, options);
    cache().add(capture, p.plan);
  }
  p.inputs = capture.inputs;
  for (int f : capture.fed) p.inputs.push_back(static_cast<int>(graph.inputs().size()) + f);
  p.scalars = capture.scalars;
  for (int c : capture.cells) p.cells.push_back(graph.cells()[c].cell);
  return p;
}

CacheCounters cache_counters() { return cache().counters(); }
void clear_plan_cache() { cache().clear(); }

}  // namespace trivium::compile
