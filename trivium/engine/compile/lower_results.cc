// Lowering, where results live: straight in the memory of outputs, loop variables and Cells where
// nobody still reads the old content, and copied there at the end where somebody does.
#include "trivium/engine/compile/lowering.h"

namespace trivium::compile {

/// Storages that will become the new contents of Cells. A leaf (another Cell's old content, an
/// input) is copied aside first, so that Cells may exchange contents.
void Lowering::draft_cell_results() {
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

/// What a loop carries is written over its old content where that is possible, at once; else, as
/// all results, into memory of its own.
void Lowering::place_outputs() {
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

void Lowering::place_output(size_t i, int storage) {
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

/// A result goes straight into the Cell's memory when everybody who reads the old content can run
/// before; otherwise it is copied at the end.
void Lowering::place_cells() {
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

/// Copies into Cells run after every reader of the old content.
void Lowering::finish_copies() {
  for (const auto& [from, home, slot] : pending_copies_) {
    const run::TensorDesc d = storages_[home].desc;
    const int to = new_storage(Place::cell, slot, d, storages_[home].label);
    const std::vector<int> readers = storages_[home].readers;
    const int step = add_reorder(from, d, to, d, "");
    for (int r : readers)
      if (r != step) drafts_[step].after.push_back(r);
  }
}

bool Lowering::try_direct(int home, int result, int slot, Place place) {
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

/// Whether step `from` depends on step `on`.
bool Lowering::depends(int from, int on) const {
  std::vector<char> seen(drafts_.size(), 0);
  std::vector<int> waiting = {from};
  while (!waiting.empty()) {
    const int s = waiting.back();
    waiting.pop_back();
    if (s == on) return true;
    const auto push = [&](int p) {
      if (p >= 0 && !seen[p]) seen[p] = 1, waiting.push_back(p);
    };
    for (int in : drafts_[s].in)
      if (in >= 0) push(storages_[in].writer);
    for (int p : drafts_[s].after) push(p);
  }
  return false;
}

}  // namespace trivium::compile
