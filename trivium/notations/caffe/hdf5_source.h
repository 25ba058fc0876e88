// Batches from a list of HDF5 files, rows running on across files (HDF5Data layers). Each file is
// held in memory; nothing is read ahead.
#pragma once

#include "trivium/notations/caffe/data_source.h"
#include "trivium/notations/caffe/random_state.h"

namespace trivium::caffe {

class Hdf5Source : public DataSource {
 public:
  /// `files`: paths, at least one. `datasets`: one per top. Shuffling draws from random->c_rand(),
  /// as Caffe draws from the C library: file order and row order, never across files. `log`
  /// receives the class of the datasets, once a process and class.
  Hdf5Source(std::vector<std::string> files, std::vector<std::string> datasets, int64_t batch_size,
             bool shuffle, RandomRef random, LogLines* log);

  std::vector<Shape> shapes() override;
  const Batch& next() override;
  int64_t position() const override { return row_; }
  void skip_to(int64_t position) override;
  std::string save_state() const override;
  void restore_state(const std::string& state) override;

 private:
  void load(int64_t file, LogLines* log);
  void advance();
  void shuffle(std::vector<int64_t>& order);
  int64_t rows() const { return data_[0].shape()[0]; }

  std::vector<std::string> files_, datasets_;
  int64_t batch_size_;
  bool shuffle_;
  RandomRef random_;
  std::vector<int64_t> file_order_, row_order_;
  int64_t file_ = 0, row_ = 0;
  std::vector<Array> data_;  // of the loaded file, one per top
  Batch batch_;
};

}  // namespace trivium::caffe
