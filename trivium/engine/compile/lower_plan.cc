// Lowering, last stage: ordered drafts become the steps, buffers and traces of a Plan, with offsets
// in the arena and in what is kept between runs.
#include "trivium/engine/compile/lowering.h"

#include <algorithm>
#include <set>

#include "trivium/engine/compile/memory.h"
#include "trivium/engine/run/frame.h"

namespace trivium::compile {

std::shared_ptr<run::Plan> Lowering::build() {
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

void Lowering::add_buffers(run::Plan& plan) {
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

void Lowering::add_step(run::Plan& plan, int s) {
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

double Lowering::flops(int n) const {
  const Node& node = g_.node(n);
  if (!node.op->cost()) return 0;
  std::vector<ValueMeta> in, out;
  for (const Edge& e : node.inputs) in.push_back(g_.meta(e));
  for (int o = 0; o < node.outputs; ++o) out.push_back(g_.meta({n, o}));
  return node.op->cost()(in, out, *node.attrs).flops;
}

void Lowering::add_prologue(run::Plan& plan) const {
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

void Lowering::place_memory(run::Plan& plan) {
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

}  // namespace trivium::compile
