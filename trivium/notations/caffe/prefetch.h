// A thread that reads batches ahead. What goes wrong there is thrown on the trainer's thread, in
// turn.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "trivium/notations/caffe/data_source.h"

namespace trivium::caffe {

/// Reads batches one after the other; used by one thread at a time.
class BatchReader {
 public:
  virtual ~BatchReader() = default;
  /// Fills `batch`, reusing its arrays where shape and ownership allow (see batch_array).
  virtual void read(Batch& batch) = 0;
  virtual int64_t position() const = 0;
  virtual void skip_to(int64_t position) = 0;
  virtual std::string save_state() const = 0;
  virtual void restore_state(const std::string& state) = 0;
};

/// `tops[index]` as an array of this shape that nobody else holds.
float* batch_array(Batch& batch, size_t index, const Shape& shape);

class Prefetcher : public DataSource {
 public:
  /// Starts the thread; at most `depth` batches wait at a time.
  Prefetcher(std::unique_ptr<BatchReader> reader, size_t depth);
  ~Prefetcher() override;

  std::vector<Shape> shapes() override;
  const Batch& next() override;
  int64_t position() const override { return position_; }
  void skip_to(int64_t position) override;
  std::string save_state() const override { return state_; }
  void restore_state(const std::string& state) override;

 private:
  struct Item {
    Batch batch;
    int64_t position = 0;
    std::string state;
    std::exception_ptr error;
  };
  void start();
  void stop();
  void work();
  Item& front(std::unique_lock<std::mutex>& lock);

  std::unique_ptr<BatchReader> reader_;
  size_t depth_;
  Batch current_, previous_;  // a caller may still have the previous one bound to a plan
  int64_t position_ = 0;
  std::string state_;

  std::mutex mutex_;  // guards all below
  std::condition_variable changed_;
  std::deque<Item> ready_;
  std::deque<Batch> spare_;  // used batches whose arrays are filled again
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace trivium::caffe
