#include "trivium/notations/caffe/hdf5_source.h"

#include <atomic>

#include "trivium/formats/hdf5.h"
#include "trivium/notations/caffe/prefetch.h"
#include "trivium/notations/caffe/state_bytes.h"

namespace trivium::caffe {
namespace {

std::vector<int64_t> identity(size_t count) {
  std::vector<int64_t> order(count);
  for (size_t i = 0; i < count; ++i) order[i] = static_cast<int64_t>(i);
  return order;
}

void log_class(DType dtype, LogLines* log) {
  static std::atomic<bool> floats{false}, integers{false};
  std::atomic<bool>& seen = is_floating(dtype) ? floats : integers;
  if (!seen.exchange(true))
    add_line(log, LogLevel::info,
             is_floating(dtype) ? "Datatype class: H5T_FLOAT" : "Datatype class: H5T_INTEGER");
}

Shape item_shape(const Shape& dataset, int64_t batch_size) {
  Shape shape = dataset;
  shape.set(0, batch_size);
  return shape;
}

}  // namespace

Hdf5Source::Hdf5Source(std::vector<std::string> files, std::vector<std::string> datasets,
                       int64_t batch_size, bool shuffle, RandomRef random, LogLines* log)
    : files_(std::move(files)),
      datasets_(std::move(datasets)),
      batch_size_(batch_size),
      shuffle_(shuffle),
      random_(std::move(random)),
      file_order_(identity(files_.size())) {
  if (shuffle_) this->shuffle(file_order_);
  load(file_order_[0], log);
  if (shuffle_) this->shuffle(row_order_);
}

void Hdf5Source::shuffle(std::vector<int64_t>& order) {
  random::caffe::hdf5_shuffle(random_->c_rand(), static_cast<int64_t>(order.size()),
                              [&](int64_t i, int64_t j) { std::swap(order[i], order[j]); });
}

void Hdf5Source::load(int64_t index, LogLines* log) {
  const std::string& path = files_[index];
  const formats::Hdf5File file(path);
  std::vector<Array> data;
  for (size_t t = 0; t < datasets_.size(); ++t) {
    Array array = file.read(datasets_[t]);
    log_class(array.dtype(), log);
    if (array.shape().rank() < 1)
      user_error("{}: dataset \"{}\" is a single value; expected rows along its first axis", path,
                 datasets_[t]);
    if (t > 0 && array.shape()[0] != data[0].shape()[0])
      user_error("{}: dataset \"{}\" has {} rows, \"{}\" has {}; they must be equal", path,
                 datasets_[t], array.shape()[0], datasets_[0], data[0].shape()[0]);
    if (!data_.empty() && item_shape(array.shape(), 1) != item_shape(data_[t].shape(), 1))
      user_error("{}: rows of dataset \"{}\" are {}, in the file before they were {}", path,
                 datasets_[t], item_shape(array.shape(), 1).text(),
                 item_shape(data_[t].shape(), 1).text());
    data.push_back(array.dtype() == DType::f32 ? array : array.cast(DType::f32));
  }
  if (data[0].shape()[0] == 0) user_error("{}: dataset \"{}\" has no rows", path, datasets_[0]);
  data_ = std::move(data);
  row_order_ = identity(rows());
}

void Hdf5Source::advance() {
  if (++row_ < rows()) return;
  if (files_.size() > 1) {
    if (++file_ == static_cast<int64_t>(files_.size())) {
      file_ = 0;
      if (shuffle_) shuffle(file_order_);
    }
    load(file_order_[file_], nullptr);
    if (shuffle_) shuffle(row_order_);
  }
  row_ = 0;
  if (shuffle_) shuffle(row_order_);  // a second time for a file just loaded, as Caffe does
}

std::vector<Shape> Hdf5Source::shapes() {
  std::vector<Shape> shapes;
  for (const Array& array : data_) shapes.push_back(item_shape(array.shape(), batch_size_));
  return shapes;
}

const Batch& Hdf5Source::next() {
  for (size_t t = 0; t < data_.size(); ++t)
    batch_array(batch_, t, item_shape(data_[t].shape(), batch_size_));
  for (int64_t item = 0; item < batch_size_; ++item) {
    for (size_t t = 0; t < data_.size(); ++t) {
      const int64_t count = data_[t].shape().count(1);
      const float* from = data_[t].data<float>() + row_order_[row_] * count;
      std::copy(from, from + count, batch_.tops[t].data<float>() + item * count);
    }
    advance();
  }
  return batch_;
}

void Hdf5Source::skip_to(int64_t position) {
  if (position < 0 || position >= rows())
    user_error("{}: cannot go on at row {}, there are {}", files_[file_order_[file_]], position,
               rows());
  row_ = position;
}

std::string Hdf5Source::save_state() const {
  return StateWriter()
      .put(file_)
      .put(row_)
      .put_all(file_order_)
      .put_all(row_order_)
      .put(random_->c_rand())
      .take();
}

void Hdf5Source::restore_state(const std::string& bytes) {
  StateReader state(bytes);
  const int64_t file = state.get<int64_t>(), row = state.get<int64_t>();
  const std::vector<int64_t> files = state.get_all(), order = state.get_all();
  const auto within = [](const std::vector<int64_t>& list, int64_t count) {
    if (static_cast<int64_t>(list.size()) != count) return false;
    for (int64_t i : list)
      if (i < 0 || i >= count) return false;
    return true;
  };
  const int64_t count = static_cast<int64_t>(files_.size());
  if (!within(files, count) || file < 0 || file >= count)
    user_error("HDF5 data: the saved order is of another list of files");
  load(files[file], nullptr);
  if (!within(order, rows()) || row < 0 || row >= rows())
    user_error("{}: the saved order is of a file with other rows", files_[files[file]]);
  file_ = file;
  row_ = row;
  file_order_ = files;
  row_order_ = order;
  random_->c_rand() = state.get<random::GlibcRand>();
}

}  // namespace trivium::caffe
