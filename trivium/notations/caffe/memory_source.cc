#include "trivium/notations/caffe/memory_source.h"

#include "trivium/notations/caffe/prefetch.h"

namespace trivium::caffe {

void MemorySource::set(const Array& data, const Array& labels) {
  const Shape& shape = data.shape();
  const bool fits = shape.rank() == 4 && shape[1] == item_[0] && shape[2] == item_[1] &&
                    shape[3] == item_[2] && shape[0] > 0 && shape[0] % batch_size_ == 0;
  if (!fits)
    user_error("MemoryData: expected data [n, {}, {}, {}] with n a multiple of {}, received {}",
               item_[0], item_[1], item_[2], batch_size_, shape.text());
  if (labels.count() != shape[0])
    user_error("MemoryData: expected {} labels, received {}", shape[0], labels.shape().text());
  if (data.dtype() != DType::f32 || labels.dtype() != DType::f32)
    user_error("MemoryData: expected float32 arrays, received {} and {}", name_of(data.dtype()),
               name_of(labels.dtype()));
  data_ = data;
  labels_ = labels;
  position_ = 0;
}

const Batch& MemorySource::next() {
  if (!data_.defined())
    user_error("MemoryData: no data was handed over; set it before the first run");
  position_ %= data_.shape()[0];
  const int64_t size = item_.count();
  const float* from = data_.data<float>() + position_ * size;
  std::copy(from, from + batch_size_ * size,
            batch_array(batch_, 0, Shape{batch_size_, item_[0], item_[1], item_[2]}));
  const float* labels = labels_.data<float>() + position_;
  std::copy(labels, labels + batch_size_, batch_array(batch_, 1, Shape{batch_size_, 1, 1, 1}));
  position_ = (position_ + batch_size_) % data_.shape()[0];
  return batch_;
}

}  // namespace trivium::caffe
