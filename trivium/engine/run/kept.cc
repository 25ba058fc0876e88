// Memory that another run still reads is never written: a run that finds it out of date makes new
// memory then.
#include "trivium/engine/run/kept.h"

#include "trivium/engine/core/log.h"

namespace trivium::run {
namespace {

constexpr int64_t kNever = -1;  // a version that no Cell has

std::shared_ptr<Buffer> allocate(const Plan& plan) {
  auto memory = Buffer::allocate(plan.kept_bytes);
  log::event(log::Topic::memory, "plan {:016x} keeps {} bytes between runs", plan.key,
             plan.kept_bytes);
  return memory;
}

/// Memory that somebody else holds may be written without a word.
int64_t version_of(const Cell& cell) {
  return cell.value().buffer().use_count() > 1 ? kNever : cell.version();
}

bool is_for(const Kept& kept, const std::vector<CellRef>& cells) {
  for (size_t i = 0; i < cells.size(); ++i)
    if (kept.cells[i].owner_before(cells[i]) || cells[i].owner_before(kept.cells[i])) return false;
  return true;
}

}  // namespace

KeptLease::KeptLease(std::shared_ptr<Kept> kept, const Plan& plan,
                     const std::vector<CellRef>& cells)
    : kept_(std::move(kept)), building_(kept_->lock) {
  fresh_ = kept_->memory != nullptr;
  versions_.reserve(cells.size());
  for (size_t i = 0; i < cells.size(); ++i) {
    versions_.push_back(version_of(*cells[i]));
    fresh_ &= versions_[i] != kNever && kept_->versions[i] == versions_[i];
  }
  if (!fresh_) {
    kept_->versions.assign(cells.size(), kNever);
    if (!kept_->memory || kept_->memory.use_count() > 1) kept_->memory = allocate(plan);
  }
  memory_ = kept_->memory;
  if (fresh_) building_.unlock();
}

void KeptLease::made() {
  kept_->versions = std::move(versions_);
  fresh_ = true;
  building_.unlock();
}

KeptStore::~KeptStore() {
  for (const auto& set : sets_)
    if (const auto kept = set.lock()) {
      std::lock_guard<std::mutex> hold(kept->lock);
      kept->memory = nullptr;
    }
}

KeptLease KeptStore::lease(const Plan& plan, const std::vector<CellRef>& bound) {
  std::vector<CellRef> cells;
  cells.reserve(plan.kept_sources.size());
  for (const int32_t slot : plan.kept_sources) cells.push_back(bound[static_cast<size_t>(slot)]);
  std::shared_ptr<Kept> kept;
  {
    std::lock_guard<std::mutex> hold(lock_);
    std::erase_if(sets_, [](const auto& set) { return set.expired(); });
    for (const auto& set : sets_) {
      const auto known = set.lock();
      if (!known || !is_for(*known, cells)) continue;
      kept = known;
      break;
    }
    if (!kept) {
      kept = std::make_shared<Kept>();
      kept->versions.assign(cells.size(), kNever);
      kept->cells.assign(cells.begin(), cells.end());
      // What depends on constants alone belongs to nobody: it lasts as long as this run.
      if (!cells.empty()) cells[0]->keep(kept, alive_);
      sets_.push_back(kept);
    }
  }
  return KeptLease(std::move(kept), plan, cells);
}

}  // namespace trivium::run
