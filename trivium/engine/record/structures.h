// StructureTable: what was made for each structure met so far, by hash and key. Reuse: whether the
// structures that a program records come back, which decides how new ones are run.
#pragma once

#include <array>
#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace trivium::record {

inline uint64_t pack(int32_t a, int32_t b) {
  return static_cast<uint64_t>(static_cast<uint32_t>(a)) << 32 | static_cast<uint32_t>(b);
}

/// T has a `key`. When there are more than `most` structures the oldest half goes.
template <typename T>
class StructureTable {
 public:
  explicit StructureTable(size_t most) : most_(most) {}

  std::shared_ptr<T> find(uint64_t hash, const std::vector<uint64_t>& key) {
    std::lock_guard<std::mutex> hold(lock_);
    const auto at = by_hash_.find(hash);
    if (at == by_hash_.end()) return nullptr;
    for (const std::shared_ptr<T>& c : at->second)
      if (c->key == key) return c;
    return nullptr;
  }

  void add(uint64_t hash, std::shared_ptr<T> made) {
    std::lock_guard<std::mutex> hold(lock_);
    by_hash_[hash].push_back(std::move(made));
    order_.push_back(hash);
    for (size_t extra = order_.size() > most_ ? most_ / 2 : 0; extra > 0; --extra) {
      by_hash_.erase(order_.front());
      order_.pop_front();
    }
  }

 private:
  const size_t most_;
  std::mutex lock_;  // guards the rest
  std::unordered_map<uint64_t, std::list<std::shared_ptr<T>>> by_hash_;
  std::list<uint64_t> order_;
};

/// Planning a structure as a whole costs as much as running it in chunks several times. That pays
/// when the structure comes back often. A program whose structures mostly do not (episodes and
/// sentences of all lengths, trees) is run in chunks, which do come back; a structure that it has
/// recorded kPays times gets a plan all the same. Counted, not timed: a program runs the same way
/// every time.
class Reuse {
 public:
  using Meetings = std::shared_ptr<std::atomic<int>>;
  /// True when a structure that has no plan should get one now; `nodes` and `bytes` are its ops and
  /// the size of all their results.
  bool worth_a_plan(uint64_t hash, size_t nodes, size_t bytes);
  /// A plan was made; `meetings` counts how often its structure is met again.
  void planned(size_t nodes, Meetings meetings);

 private:
  static constexpr int kPays = 8;
  static constexpr size_t kSmall = 16;           // ops: fewer are a chunk anyway
  static constexpr size_t kBytesAnOp = 1 << 18;  // work beside which planning does not count
  static constexpr size_t kLatest = 16, kUnpaid = 8;
  static constexpr size_t kMostMet = 8192;
  std::mutex lock_;  // guards the rest
  std::array<Meetings, kLatest> latest_;
  size_t next_ = 0;
  std::unordered_map<uint64_t, int> met_;
};

}  // namespace trivium::record
