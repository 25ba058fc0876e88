// prepare: the first half of the narrow waist. A recorded graph and what is wanted of it become a
// Plan. Equal structure gives the same Plan object; contents of inputs, scalars and Cells never
// matter.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "trivium/engine/graph/graph.h"
#include "trivium/engine/run/executor.h"

namespace trivium::compile {

/// exact: sums and products of f32 matrices are made in f64 and rounded once, so that results do
/// not depend on kernels, vector lengths and threads (several times slower); standard: f32,
/// Winograd where it pays, errors of a few 1e-6 relative; fast: the same as standard on CPUs.
enum class Numerics { exact, standard, fast };

struct Options {
  std::string backend = "cpu";
  Numerics numerics = Numerics::standard;
  int threads = 0;  // 0: trivium::threads()
  std::string
      disable;  // passes to leave out, comma separated ("fuse,layout"); TRIVIUM_DISABLE adds to it
  /// Fetch number → index of the graph input whose memory it may take over: what a loop carries.
  std::vector<std::pair<int, int>> carried = {};
  /// Graph inputs that are the same in many runs, as what a loop captures is: what follows from
  /// them alone becomes the plan's prologue.
  std::vector<int> steady = {};
};

/// A plan together with the graph's own leaves in the plan's slot order.
struct Prepared {
  std::shared_ptr<const run::Plan> plan;
  std::vector<int> inputs;     // plan input slot → index into Graph::inputs()
  std::vector<int> scalars;    // plan scalar slot → index into Graph::scalars()
  std::vector<CellRef> cells;  // plan cell slot → Cell
};

/// Plans the part of `graph` that `fetches` and, when `commit` is true, all assigned Cells need.
/// Values in `feeds` become inputs (after Graph::inputs() in slot numbering: index =
/// inputs().size() + i). UserError when the graph is at fault; InternalError naming the pass (graph
/// saved beside) when we are.
Prepared prepare(const Graph& graph, const std::vector<Value>& feeds,
                 const std::vector<Value>& fetches, bool commit = true,
                 const Options& options = {});

/// While it lives, sees every graph that prepare() is given on this thread: all notations pass
/// here. For people who want to look at what they wrote, and for tests that compare notations. What
/// a notation has prepared before is not seen again.
class Watch {
 public:
  using See = std::function<void(const Graph&, const std::vector<Value>& fetches)>;
  explicit Watch(See see);
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

 private:
  See before_;
};

/// Plans built, found and evicted so far in this process: tests assert steady state builds none.
struct CacheCounters {
  int64_t built = 0, hit = 0, evicted = 0;
};
CacheCounters cache_counters();
void clear_plan_cache();

/// Key, steps, formats, reorders, fusions done and refused, memory table: for people. See docs.
std::string explain(const run::Plan& plan);
/// Stable text of a plan's steps (kernels, formats, buffers), for golden tests.
std::string plan_text(const run::Plan& plan);

}  // namespace trivium::compile
