// Text views of a plan: the stable one that golden tests compare, and the long one for people.
#include <algorithm>
#include <sstream>

#include "trivium/engine/compile/compile.h"

namespace trivium::compile {
namespace {

const char* place_name(run::Place place) {
  constexpr const char* kNames[] = {"arena", "input",  "scalar", "constant",
                                    "cell",  "output", "kept"};
  return kNames[static_cast<int>(place)];
}

std::string operand_text(const run::Plan& plan, const run::Operand& o) {
  if (o.buffer < 0) return "-";
  const run::BufferInfo& b = plan.buffers[o.buffer];
  const char* format = b.desc.format == run::Format{} ? "" : " ";
  const std::string kind = *format ? format + b.desc.format.text() : "";
  const std::string at = o.offset ? fmt::format("+{}", o.offset) : "";
  const bool own = b.place == run::Place::arena || b.place == run::Place::kept;
  return own ? fmt::format("{}{}{}:{}{}{}", b.place == run::Place::arena ? "b" : "kept", o.buffer,
                           at, name_of(b.desc.dtype), b.desc.shape.text(), kind)
             : fmt::format("{}{}{}:{}{}", place_name(b.place), b.slot, at, name_of(b.desc.dtype),
                           b.desc.shape.text());
}

std::string operands_text(const run::Plan& plan, const std::vector<run::Operand>& operands) {
  std::vector<std::string> parts;
  for (const auto& o : operands) parts.push_back(operand_text(plan, o));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string memory_report(const run::Plan& plan) {
  size_t scratch = 0, cells = 0, outputs = 0, constants = 0;
  for (const auto& s : plan.steps) scratch = std::max(scratch, s.scratch_bytes);
  for (const auto& d : plan.cells) cells += d.bytes();
  for (const auto& d : plan.outputs) outputs += d.bytes();
  for (const auto& a : plan.constants) constants += a.bytes();
  std::string out = fmt::format(
      "memory: arena {} bytes (lower bound {}), largest scratch {}, cells {}, outputs {}, "
      "constants {}\n",
      plan.arena_bytes, plan.live_lower_bound, scratch, cells, outputs, constants);
  if (plan.prologue)
    out +=
        fmt::format("kept: {} bytes, made by the first {} steps when one of {} cells has changed\n",
                    plan.kept_bytes, plan.prologue, plan.kept_sources.size());
  std::vector<const run::BufferInfo*> largest;
  for (const auto& b : plan.buffers)
    if (b.place == run::Place::arena) largest.push_back(&b);
  std::stable_sort(largest.begin(), largest.end(),
                   [](auto* a, auto* b) { return a->bytes > b->bytes; });
  for (size_t i = 0; i < std::min<size_t>(largest.size(), 8); ++i)
    out += fmt::format("  {:10} bytes at {:10}, steps {}-{}: {} {}{} {}\n", largest[i]->bytes,
                       largest[i]->offset, largest[i]->first_step, largest[i]->last_step,
                       largest[i]->label, name_of(largest[i]->desc.dtype),
                       largest[i]->desc.shape.text(), largest[i]->desc.format.text());
  return out;
}

}  // namespace

std::string plan_text(const run::Plan& plan) {
  std::string out;
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    const run::Step& s = plan.steps[i];
    const run::Trace& t = plan.traces[s.trace];
    out += fmt::format("{:3} {} ({}) -> {}{}\n", i, t.kernel, operands_text(plan, s.in),
                       operands_text(plan, s.out), t.scope.empty() ? "" : "  # " + t.scope);
    for (const auto& [name, region] : t.regions) {
      out += fmt::format("    {}:\n", name);
      std::istringstream lines(plan_text(*region));
      for (std::string line; std::getline(lines, line);) out += "    " + line + "\n";
    }
  }
  return out;
}

std::string explain(const run::Plan& plan) {
  double predicted = 0, reorders = 0;
  for (const run::Trace& t : plan.traces) {
    predicted += t.predicted_us;
    if (t.op == "reorder") reorders += t.predicted_us;
  }
  std::string out =
      fmt::format("plan {:016x}: {} steps, {:.0f} us predicted, of which {:.0f} us reorders\n",
                  plan.key, plan.steps.size(), predicted, reorders);
  out += plan_text(plan) + memory_report(plan);
  for (const run::Step& s : plan.steps) {
    const run::Trace& t = plan.traces[s.trace];
    if (t.op == "reorder")
      out += fmt::format("reorder: {} -> {}: {:.0f} bytes, {:.1f} us predicted\n",
                         operands_text(plan, s.in), operands_text(plan, s.out), t.bytes,
                         t.predicted_us);
  }
  return out + (plan.notes.empty() ? "" : plan.notes + "\n");
}

}  // namespace trivium::compile
