// Lowering, what may be written over what: a step writes its output over an operand when the kernel
// allows that and nobody reads the operand later. Both then are one storage, `root`.
#include "trivium/engine/compile/lowering.h"

#include <algorithm>
#include <set>

namespace trivium::compile {

/// Outputs written over an arena input that dies in the same step.
void Lowering::join_in_place() {
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

int Lowering::root(int storage) const {
  storage = whole(storage);
  while (storages_[storage].root >= 0) storage = storages_[storage].root;
  return storage;
}

/// Whether another operand of the step lies in the same memory as `in`.
bool Lowering::shared_operand(int s, int memory, int in) const {
  for (int other : drafts_[s].in)
    if (other >= 0 && other != in && root(other) == memory) return true;
  return false;
}

/// Whether `step` may write output storage `out` over input storage `in`.
bool Lowering::may_overwrite(int step, int in, int out) const {
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
    if (a == position && b == o) return d.request.in[position].bytes() == d.request.out[o].bytes();
  return false;
}

bool Lowering::same_memory(const run::TensorDesc& a, const run::TensorDesc& b) const {
  return a.shape == b.shape && a.dtype == b.dtype && a.format == b.format && a.strides.empty() &&
         b.strides.empty();
}

}  // namespace trivium::compile
