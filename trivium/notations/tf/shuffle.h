// The order in which tf.data's shuffle gives elements out: TensorFlow's own for its seeds.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace trivium::tf {

class Shuffler {
 public:
  /// Seeds (0, 0) mean: from the system.
  Shuffler(uint64_t seed, uint64_t seed2);
  /// The next random word.
  uint32_t word();
  /// Indices of the elements 0 to n - 1 as a buffer of `buffer` elements gives them out: filled in
  /// order, each time one of its elements at random, replaced by the next.
  std::vector<int64_t> order(int64_t n, int64_t buffer);

 private:
  uint64_t seed_, stream_;
  uint64_t next_ = 0;
  std::array<uint32_t, 4> block_{};
};

}  // namespace trivium::tf
