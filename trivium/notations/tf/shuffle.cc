#include "trivium/notations/tf/shuffle.h"

#include <algorithm>

#include "trivium/engine/core/random.h"

namespace trivium::tf {

Shuffler::Shuffler(uint64_t seed, uint64_t seed2) : seed_(seed), stream_(seed2) {
  if (seed_ != 0 || stream_ != 0) return;
  seed_ = uint64_t{random::seed_from_system()} << 32 | random::seed_from_system();
  stream_ = uint64_t{random::seed_from_system()} << 32 | random::seed_from_system();
}

uint32_t Shuffler::word() {
  if (next_ % 4 == 0) block_ = random::philox_block(seed_, stream_, next_ / 4);
  return block_[next_++ % 4];
}

std::vector<int64_t> Shuffler::order(int64_t n, int64_t buffer) {
  std::vector<int64_t> ring(static_cast<size_t>(std::min(n, buffer))), out;
  out.reserve(static_cast<size_t>(n));
  const auto size = static_cast<int64_t>(ring.size());
  int64_t taken = 0, filled = 0;
  while (taken < n) {
    for (; filled < n && filled - taken < size; ++filled) ring[filled % size] = filled;
    const int64_t j = taken + word() % static_cast<uint64_t>(filled - taken);
    std::swap(ring[j % size], ring[taken % size]);
    out.push_back(ring[taken % size]);
    ++taken;
  }
  return out;
}

}  // namespace trivium::tf
