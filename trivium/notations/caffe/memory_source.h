// Batches from arrays the caller hands over (MemoryData layers).
#pragma once

#include "trivium/notations/caffe/data_source.h"

namespace trivium::caffe {

class MemorySource : public DataSource {
 public:
  MemorySource(int64_t batch_size, int64_t channels, int64_t height, int64_t width)
      : batch_size_(batch_size), item_{channels, height, width} {}

  /// data [n, channels, height, width] and n labels, float32; n a multiple of the batch size. The
  /// arrays are read, not copied, round and round. UserError when they do not fit.
  void set(const Array& data, const Array& labels);

  std::vector<Shape> shapes() override {
    return {Shape{batch_size_, item_[0], item_[1], item_[2]}, Shape{batch_size_}};
  }
  const Batch& next() override;
  int64_t position() const override { return position_; }
  void skip_to(int64_t position) override { position_ = position; }
  std::string save_state() const override { return std::to_string(position_); }
  void restore_state(const std::string& state) override { position_ = std::atoll(state.c_str()); }

 private:
  int64_t batch_size_;
  Shape item_;
  Array data_, labels_;
  int64_t position_ = 0;
  Batch batch_;
};

}  // namespace trivium::caffe
