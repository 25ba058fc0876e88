#include "trivium/notations/caffe/prefetch.h"

namespace trivium::caffe {

float* batch_array(Batch& batch, size_t index, const Shape& shape) {
  if (batch.tops.size() <= index) batch.tops.resize(index + 1);
  Array& array = batch.tops[index];
  if (!array.defined() || array.shape() != shape || array.buffer().use_count() > 1)
    array = Array(shape, DType::f32);
  return array.data<float>();
}

Prefetcher::Prefetcher(std::unique_ptr<BatchReader> reader, size_t depth)
    : reader_(std::move(reader)), depth_(std::max<size_t>(depth, 1)) {
  position_ = reader_->position();
  state_ = reader_->save_state();
  start();
}

Prefetcher::~Prefetcher() { stop(); }

void Prefetcher::start() {
  stopping_ = false;
  thread_ = std::thread([this] { work(); });
}

void Prefetcher::stop() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  ready_.clear();
}

void Prefetcher::work() {
  while (true) {
    Item item;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stopping_ || ready_.size() < depth_; });
      if (stopping_) return;
      if (!spare_.empty()) {
        item.batch = std::move(spare_.front());
        spare_.pop_front();
      }
    }
    item.batch.log.clear();
    try {
      reader_->read(item.batch);
      item.position = reader_->position();
      item.state = reader_->save_state();
    } catch (...) {
      item.error = std::current_exception();
    }
    const bool failed = item.error != nullptr;
    {
      std::lock_guard lock(mutex_);
      ready_.push_back(std::move(item));
    }
    changed_.notify_all();
    if (failed) return;  // the error stays in the queue for every later call
  }
}

Prefetcher::Item& Prefetcher::front(std::unique_lock<std::mutex>& lock) {
  changed_.wait(lock, [&] { return !ready_.empty(); });
  if (ready_.front().error) std::rethrow_exception(ready_.front().error);
  return ready_.front();
}

std::vector<Shape> Prefetcher::shapes() {
  std::unique_lock lock(mutex_);
  std::vector<Shape> shapes;
  for (const Array& top : front(lock).batch.tops) shapes.push_back(top.shape());
  return shapes;
}

const Batch& Prefetcher::next() {
  {
    std::unique_lock lock(mutex_);
    Item& item = front(lock);
    if (!previous_.tops.empty()) spare_.push_back(std::move(previous_));
    previous_ = std::move(current_);
    current_ = std::move(item.batch);
    position_ = item.position;
    state_ = std::move(item.state);
    ready_.pop_front();
  }
  changed_.notify_all();
  return current_;
}

void Prefetcher::skip_to(int64_t position) {
  const std::string state = state_;
  stop();
  reader_->restore_state(state);
  reader_->skip_to(position);
  position_ = reader_->position();
  state_ = reader_->save_state();
  start();
}

void Prefetcher::restore_state(const std::string& state) {
  stop();
  reader_->restore_state(state);
  position_ = reader_->position();
  state_ = reader_->save_state();
  start();
}

}  // namespace trivium::caffe
