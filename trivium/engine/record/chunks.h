// Chunks: how a tape is run whose structure as a whole is not worth a plan. It is cut where its ops
// say so, not where it begins, so that the same stretch of ops (a time step, a tree's node) is the
// same chunk wherever it lies; each chunk has a plan, and few are new.
#pragma once

#include <span>
#include <vector>

#include "trivium/engine/record/tape.h"

namespace trivium::record {

/// What a tape holds, to be read.
struct Recording {
  std::span<const Tape::NodeRecord> nodes;
  std::span<const int32_t> operands;
  std::span<const Tape::ValueRecord> values;
  std::span<const Tape::Leaf> leaves;
};

/// Runs what the values `wanted` need; their content, in that order, in memory that nobody else
/// has.
std::vector<Array> run_in_chunks(const Recording& recording, std::span<const int32_t> wanted);

}  // namespace trivium::record
