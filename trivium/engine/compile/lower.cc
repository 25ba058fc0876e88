// Graph + layout → steps. In order: one step per node and per reorder; where each value lives; what
// is kept between runs; the order of steps; what may be written in place; the plan. Here stand that
// order and what the stages share: new storages, new drafts, a value in the format that one wants.
#include "trivium/engine/compile/lower.h"

#include "trivium/engine/compile/lowering.h"

namespace trivium::compile {

Lowering::Lowering(Unit& unit, const Layout& layout, const run::Backend& backend)
    : unit_(unit),
      g_(*unit.graph),
      layout_(layout),
      backend_(backend),
      steady_(steady_nodes(g_, unit.options.steady)) {}

std::shared_ptr<run::Plan> Lowering::run() {
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

/// Storage of a value in a format; a reorder step is drafted at the first request.
int Lowering::value_in(Edge e, Format f, const std::string& scope) {
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

int Lowering::add_reorder(int from, run::TensorDesc from_desc, int to, run::TensorDesc to_desc,
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

int Lowering::add(Draft d) {
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

int Lowering::new_storage(Place place, int slot, run::TensorDesc desc, std::string label,
                          int writer) {
  storages_.push_back({place, slot, std::move(desc), std::move(label), writer, {}, -1});
  return static_cast<int>(storages_.size()) - 1;
}

std::shared_ptr<run::Plan> lower(Unit& unit, const Layout& layout, const run::Backend& backend) {
  return Lowering(unit, layout, backend).run();
}

}  // namespace trivium::compile
