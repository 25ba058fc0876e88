// What a run allocates on the way: the tapes of loops whose number of iterations nobody knows
// beforehand. Belongs to one run at a time, never to a plan; memory is kept for the next run.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "trivium/engine/core/array.h"

namespace trivium::run {

class RunMemory;

/// One record an iteration, in chunks that never move.
class Tape {
 public:
  int64_t records() const { return records_; }
  /// The next record. UserError when the tapes of the run outgrow their limit.
  char* push();
  char* at(int64_t record) const {
    return static_cast<char*>(chunks_[record / per_chunk_]->data()) +
           static_cast<size_t>(record % per_chunk_) * record_bytes_;
  }

 private:
  friend class RunMemory;
  RunMemory* owner_ = nullptr;
  size_t record_bytes_ = 0;
  int64_t per_chunk_ = 1, records_ = 0;
  std::vector<std::shared_ptr<Buffer>> chunks_;
};

class RunMemory {
 public:
  /// A tape for records of this size; it lives until clear().
  Tape& tape(size_t record_bytes);
  /// The run is over: all tapes are empty again.
  void clear();
  /// Bytes all tapes of one run may take: half of the machine's memory, or the environment's
  /// TRIVIUM_LOOP_MEMORY_MB.
  static size_t limit();

 private:
  friend class Tape;
  std::shared_ptr<Buffer> chunk(size_t bytes, int64_t records);

  std::vector<std::unique_ptr<Tape>> tapes_;
  size_t tapes_used_ = 0, bytes_ = 0;
  std::vector<std::shared_ptr<Buffer>> spare_;
};

}  // namespace trivium::run
