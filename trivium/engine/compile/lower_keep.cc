// Lowering, what is kept between runs: steps that read only what no run of the plan changes are
// its prologue. What other steps read of them is kept, until somebody else has written a Cell.
#include "trivium/engine/compile/lowering.h"

#include <algorithm>

namespace trivium::compile {

/// Steps that read only what no run of this plan changes run once, and again when somebody else
/// has written a Cell. What other steps read of them is kept.
void Lowering::find_prologue() {
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
    if (drafts_[s].prologue && !worth_keeping(drafts_[s], changing[s])) drafts_[s].prologue = false;
  keep_results();
}

void Lowering::keep_results() {
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
    unit_.note(fmt::format("keep: {} steps run again only when a Cell has changed; {} bytes", steps,
                           bytes));
}

/// A leaf that has the same content in many runs.
bool Lowering::is_steady(const Storage& leaf) const {
  const std::vector<int>& inputs = unit_.options.steady;
  return leaf.place == Place::constant || (leaf.place == Place::cell && !is_written(leaf.slot)) ||
         (leaf.place == Place::input &&
          std::find(inputs.begin(), inputs.end(), leaf.slot) != inputs.end());
}

bool Lowering::is_written(int cell) const {
  const auto& c = g_.cells()[static_cast<size_t>(cell)];
  return !(c.current == c.initial);
}

bool Lowering::read_outside_prologue(int storage) const {
  const auto& readers = storages_[whole(storage)].readers;
  return std::any_of(readers.begin(), readers.end(), [&](int r) { return !drafts_[r].prologue; });
}

/// What grows from little, as a broadcast does, is sooner made than read from memory.
bool Lowering::worth_keeping(const Draft& d, bool changing) const {
  constexpr size_t kGrowth = 8, kSmall = 64 << 10;
  size_t in = 0, kept = 0;
  for (int s : d.in)
    if (s >= 0) in += storages_[s].desc.bytes();
  for (int s : d.out)
    if (read_outside_prologue(s)) kept += storages_[s].desc.bytes();
  if (!changing) return kept == 0;
  return kept <= kSmall || kept <= kGrowth * in;
}

}  // namespace trivium::compile
