#include "trivium/engine/compile/regions.h"

#include "trivium/engine/compile/layout.h"
#include "trivium/engine/ops/control.h"
#include "trivium/engine/run/regions.h"

namespace trivium::compile {
namespace {

/// `changing`: inputs from this one on are the same in all iterations.
run::RegionPlan plan_of(const Region& region, int carries, int changing, Options options) {
  options.carried.clear();
  options.steady.clear();
  if (changing == region.inputs()) options.disable += ",keep";  // a region that runs once
  for (int i = 0; i < carries; ++i) options.carried.emplace_back(i, i);
  for (int i = changing; i < region.inputs(); ++i) options.steady.push_back(i);
  Prepared p = prepare(*region.graph, {}, region.results, false, options);
  return {p.plan, p.inputs};
}

size_t bytes_of(const ValueMeta& m) {
  return static_cast<size_t>(m.shape.count()) * size_of(m.dtype);
}

RegionStep loop_step(const Node& node, const Options& options) {
  const ops::Loop loop(*node.attrs, static_cast<int>(node.inputs.size()));
  run::LoopParts parts;
  RegionStep step;
  parts.body = plan_of(*loop.body, loop.carries, loop.carries + loop.rows, options);
  step.regions.emplace_back("body", parts.body.plan);
  if (loop.condition) {
    parts.condition = plan_of(*loop.condition, 0, loop.condition->inputs(), options);
    step.regions.emplace_back("condition", parts.condition.plan);
  }
  parts.carries = loop.carries;
  parts.rows = loop.rows;
  parts.captures = loop.captures;
  parts.saves = loop.saves;
  parts.trips = loop.trips;
  parts.reverse = loop.reverse;
  for (int i = 0; i < loop.carries; ++i) {
    parts.carry_bytes.push_back(bytes_of(loop.body->input(i)));
    if (parts.body.plan->output_stays[i]) step.in_place.emplace_back(i, i);
  }
  for (int i = 0; i < loop.rows; ++i)
    parts.row_bytes.push_back(bytes_of(loop.body->input(loop.carries + i)));
  for (int i = 0; i < loop.saves; ++i)
    parts.save_bytes.push_back(bytes_of(loop.body->result(loop.carries + i)));
  step.kernel = run::loop_kernel(std::move(parts));
  return step;
}

RegionStep choice_step(const Node& node, const Options& options) {
  RegionStep step;
  const auto once = [&](const std::string& text) {
    const auto region = region_of(text);
    return plan_of(*region, 0, region->inputs(), options);
  };
  run::RegionPlan then = once(node.attrs->string("then"));
  run::RegionPlan otherwise = once(node.attrs->string("otherwise"));
  step.regions = {{"then", then.plan}, {"otherwise", otherwise.plan}};
  step.kernel = run::choice_kernel(std::move(then), std::move(otherwise));
  return step;
}

}  // namespace

const run::KernelEntry& region_entry() {
  static const run::KernelEntry entry{"region", "region", nullptr, nullptr, {}};
  return entry;
}

RegionStep region_step(const Graph& graph, int n, const Options& options) {
  const Node& node = graph.node(n);
  if (node.op->name() == "while") return loop_step(node, options);
  if (node.op->name() == "cond") return choice_step(node, options);
  const run::KernelRequest r =
      request_for(graph, n, options.threads, std::vector<char>(graph.size(), 0));
  RegionStep step;
  step.kernel =
      run::host_call_kernel({r.in.begin() + 2, r.in.end()}, {r.out.begin() + 1, r.out.end()});
  return step;
}

}  // namespace trivium::compile
