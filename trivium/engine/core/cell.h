// Cell: a mutable place (parameter, optimizer slot, running statistic, generator state). A graph
// reads and assigns Cells; a plan updates them in place. Its memory stays where it is for the
// Cell's life.
#pragma once

#include <memory>
#include <string>

#include "trivium/engine/core/array.h"

namespace trivium {

class Cell {
 public:
  Cell(std::string name, Array value) : name_(std::move(name)), value_(std::move(value)) {}

  const std::string& name() const { return name_; }
  const Shape& shape() const { return value_.shape(); }
  DType dtype() const { return value_.dtype(); }
  /// The memory itself, plain row-major: writing through it is seen by the next run.
  const Array& value() const { return value_; }
  /// Copies `value` in; UserError unless shape and dtype are the Cell's.
  void set(const Array& value) {
    value_.copy_from(value);
    ++version_;
  }
  /// Goes up with every write by set() or by a plan: caches derived from the value compare it.
  int64_t version() const { return version_; }
  void touched() { ++version_; }

 private:
  std::string name_;
  Array value_;
  int64_t version_ = 0;
};

using CellRef = std::shared_ptr<Cell>;

}  // namespace trivium
