// What the prologue of a plan derives from Cells and keeps between runs: packed weights, factors of
// running statistics. It is made again when a Cell has changed, and goes with the Cells or the
// plan.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "trivium/engine/run/plan.h"

namespace trivium::run {

/// Memory of the buffers in Place::kept for one set of Cells.
struct Kept {
  std::mutex lock;  // guards all below; held while the prologue runs
  std::vector<int64_t> versions;
  std::shared_ptr<Buffer> memory;
  std::vector<std::weak_ptr<Cell>> cells;  // never changes
};

/// One run's hold on the memory. When it is not `fresh`, the prologue runs and then `made()` is
/// called; until then other runs that want the same memory wait.
class KeptLease {
 public:
  KeptLease() = default;
  KeptLease(std::shared_ptr<Kept> kept, const Plan& plan, const std::vector<CellRef>& cells);
  bool fresh() const { return fresh_; }
  void* memory() const { return memory_ ? memory_->data() : nullptr; }
  void made();

 private:
  std::shared_ptr<Kept> kept_;
  std::unique_lock<std::mutex> building_;
  std::vector<int64_t> versions_;
  std::shared_ptr<Buffer> memory_;
  bool fresh_ = true;
};

/// The sets of Cells that a plan was run with. The memory belongs to the first Cell of a set, so
/// that it does not outlive a model whose plans stay in the cache.
class KeptStore {
 public:
  KeptStore() = default;
  KeptStore(const KeptStore&) = delete;
  ~KeptStore();
  /// `bound`: all Cells of the run, in the plan's order.
  KeptLease lease(const Plan& plan, const std::vector<CellRef>& bound);

 private:
  std::shared_ptr<const int> alive_ = std::make_shared<int>(0);
  std::mutex lock_;  // guards sets_
  std::vector<std::weak_ptr<Kept>> sets_;
};

}  // namespace trivium::run
