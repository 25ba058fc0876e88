#include "trivium/engine/run/tape.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace trivium::run {
namespace {

constexpr size_t kChunkBytes = 1u << 20;
constexpr size_t kSpareBytes = 64u << 20;  // kept between runs

}  // namespace

size_t RunMemory::limit() {
  static const size_t bytes = [] {
    if (const char* text = std::getenv("TRIVIUM_LOOP_MEMORY_MB"))
      return static_cast<size_t>(std::strtoull(text, nullptr, 10)) << 20;
    const auto pages = static_cast<size_t>(std::max(sysconf(_SC_PHYS_PAGES), 1L));
    return pages * static_cast<size_t>(sysconf(_SC_PAGESIZE)) / 2;
  }();
  return bytes;
}

Tape& RunMemory::tape(size_t record_bytes) {
  if (tapes_used_ == tapes_.size()) tapes_.push_back(std::make_unique<Tape>());
  Tape& tape = *tapes_[tapes_used_++];
  tape.owner_ = this;
  tape.record_bytes_ = std::max<size_t>(record_bytes, 8);
  tape.per_chunk_ = std::max<int64_t>(1, static_cast<int64_t>(kChunkBytes / tape.record_bytes_));
  return tape;
}

std::shared_ptr<Buffer> RunMemory::chunk(size_t bytes, int64_t records) {
  if (bytes_ + bytes > limit())
    user_error(
        "while: after {} iterations, what the loop keeps for its gradient takes more than {} MiB; "
        "bound the number of iterations, or raise TRIVIUM_LOOP_MEMORY_MB",
        records, limit() >> 20);
  bytes_ += bytes;
  for (size_t i = 0; i < spare_.size(); ++i)
    if (spare_[i]->bytes() == bytes) {
      std::swap(spare_[i], spare_.back());
      std::shared_ptr<Buffer> found = std::move(spare_.back());
      spare_.pop_back();
      return found;
    }
  return Buffer::allocate(bytes);
}

char* Tape::push() {
  if (records_ == static_cast<int64_t>(chunks_.size()) * per_chunk_)
    chunks_.push_back(owner_->chunk(record_bytes_ * static_cast<size_t>(per_chunk_), records_));
  return at(records_++);
}

void RunMemory::clear() {
  size_t kept = 0;
  for (const auto& buffer : spare_) kept += buffer->bytes();
  for (size_t i = 0; i < tapes_used_; ++i) {
    for (auto& buffer : tapes_[i]->chunks_) {
      kept += buffer->bytes();
      if (kept <= kSpareBytes) spare_.push_back(std::move(buffer));
    }
    tapes_[i]->chunks_.clear();
    tapes_[i]->records_ = 0;
  }
  tapes_used_ = 0;
  bytes_ = 0;
}

}  // namespace trivium::run
