// The one generator of Caffe's main thread: a MT19937 whose state is a Cell, so that graphs draw
// from it (Dropout, fillers) and the host does too (seeds of data layers), in one sequence.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "trivium/engine/core/cell.h"
#include "trivium/engine/core/random.h"

namespace trivium::caffe {

class RandomState {
 public:
  /// Seeded from the system, as an unseeded Caffe.
  RandomState() : RandomState(random::seed_from_system()) {}
  explicit RandomState(uint32_t value)
      : cell_(std::make_shared<Cell>("random",
                                     Array::zeros(Shape{random::kMt19937StateSize}, DType::i32))) {
    seed(value);
  }

  void seed(uint32_t value) {
    generator().seed(value);
    cell_->touched();
  }
  /// The state, int32[625]; graphs read and assign it.
  const CellRef& cell() const { return cell_; }
  /// The next word, drawn by the host.
  uint32_t word() {
    cell_->touched();
    return generator().next();
  }

  /// rand() of the C library, which shuffles HDF5Data: Caffe never seeds it, so neither does
  /// seed().
  random::GlibcRand& c_rand() { return c_rand_; }

  /// The generator's state as bytes, for checkpoints.
  std::string save() const {
    return {static_cast<const char*>(cell_->value().raw()), cell_->value().bytes()};
  }
  /// UserError when `bytes` is not what save() gave.
  void restore(const std::string& bytes) {
    if (bytes.size() != cell_->value().bytes())
      user_error("random state: expected {} bytes, received {}", cell_->value().bytes(),
                 bytes.size());
    std::memcpy(cell_->value().raw(), bytes.data(), bytes.size());
    cell_->touched();
  }

 private:
  random::Mt19937& generator() { return random::mt19937_at(cell_->value().data<int32_t>()); }
  CellRef cell_;
  random::GlibcRand c_rand_;
};

using RandomRef = std::shared_ptr<RandomState>;

}  // namespace trivium::caffe
