// Cell: a mutable place (parameter, optimizer slot, running statistic, generator state). A graph
// reads and assigns Cells; a plan updates them in place. Its memory stays where it is for the
// Cell's life.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "trivium/engine/core/array.h"

namespace trivium {

class Cell {
 public:
  Cell(std::string name, Array value) : name_(std::move(name)), value_(std::move(value)) {}

  const std::string& name() const { return name_; }
  const Shape& shape() const { return value_.shape(); }
  DType dtype() const { return value_.dtype(); }
  /// The memory itself, plain row-major. Who writes through it says so by touched(), or still holds
  /// a copy of the Array when the next run begins.
  const Array& value() const { return value_; }
  /// Copies `value` in; UserError unless shape and dtype are the Cell's.
  void set(const Array& value) {
    value_.copy_from(value);
    ++version_;
  }
  /// Goes up with every write by set() or by a plan: caches derived from the value compare it.
  int64_t version() const { return version_; }
  void touched() { ++version_; }
  /// Keeps what somebody derived from the value for as long as both the Cell and `user` live.
  void keep(std::shared_ptr<void> derived, std::weak_ptr<const void> user) {
    std::lock_guard<std::mutex> hold(lock_);
    std::erase_if(derived_, [](const auto& d) { return d.user.expired(); });
    derived_.push_back({std::move(derived), std::move(user)});
  }

 private:
  std::string name_;
  Array value_;
  int64_t version_ = 0;
  std::mutex lock_;  // guards derived_
  struct Derived {
    std::shared_ptr<void> what;
    std::weak_ptr<const void> user;
  };
  std::vector<Derived> derived_;
};

using CellRef = std::shared_ptr<Cell>;

}  // namespace trivium
