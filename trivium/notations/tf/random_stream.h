// TensorFlow's random numbers: each random operation of a session has a Philox stream of its own,
// which every execution moves on by 256 blocks an element. The numbers are a pure function of the
// two seeds and the position.
#pragma once

#include <cstdint>
#include <span>

#include "trivium/engine/core/array.h"

namespace trivium::tf {

class RandomStream {
 public:
  /// Seeds (0, 0) mean: from the system.
  RandomStream(uint64_t seed, uint64_t seed2);

  /// Each fills `out` (any floating dtype) with the numbers of one execution and moves on.
  void uniform(Array& out);           // [0, 1)
  void normal(Array& out);            // mean 0, deviation 1
  void truncated_normal(Array& out);  // of absolute value below 2
  /// int32 or int64 in [low, high).
  void integers(Array& out, int64_t low, int64_t high);
  /// out (int32, one axis) becomes the order in which random_shuffle puts its rows.
  void permutation(Array& out);
  /// The uniform doubles [rows, samples] by which multinomial chooses.
  void multinomial(Array& out);
  /// out (float64, one axis): classes k below `range` with P(k) = log((k+2)/(k+1)) / log(range+1),
  /// none twice when `unique`; the last element is the number of tries.
  void log_uniform(Array& out, int64_t range, bool unique);

  uint64_t position() const { return block_; }

 private:
  void advance(int64_t elements) { block_ += 256 * static_cast<uint64_t>(elements); }
  uint64_t seed_, stream_;
  uint64_t block_ = 0;
};

}  // namespace trivium::tf
