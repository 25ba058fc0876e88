// Lowering, the order of steps: list scheduling that keeps little memory alive, the prologue first.
// Positions in this order are the lifetimes that what follows works with.
#include "trivium/engine/compile/lowering.h"

#include <algorithm>
#include <set>

namespace trivium::compile {

/// List scheduling: among the ready steps the one that frees most and allocates least, then the
/// one that reads what was just written, then recording order.
void Lowering::schedule() {
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

double Lowering::gain(int s, const std::vector<int>& readers_left) const {
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

bool Lowering::reads(int s, int writer) const {
  for (int in : drafts_[s].in)
    if (in >= 0 && writer >= 0 && storages_[in].writer == writer) return true;
  return false;
}

int Lowering::last_use(int storage) const {
  int last = storages_[storage].writer < 0 ? -1 : position_[storages_[storage].writer];
  for (int r : storages_[storage].readers) last = std::max(last, position_[r]);
  return last;
}

}  // namespace trivium::compile
