// DataLoader: batches of a dataset in a fixed order, read ahead by worker threads when asked to.
// Whatever the number of workers, the batches and their order are the same, and so are the words
// drawn from the generators.
//
//   data::DataLoader loader({.dataset = train, .batch_size = 64, .shuffle = true, .workers = 2});
//   for (const data::Batch& batch : loader) step(batch[0], batch[1]);
#pragma once

#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>

#include "trivium/data/dataset.h"
#include "trivium/data/sampler.h"

namespace trivium::data {

struct DataLoaderOptions {
  DatasetRef dataset;
  /// Absent: no batching, every sample comes as it is.
  std::optional<int64_t> batch_size = 1;
  bool shuffle = false;
  SamplerRef sampler = nullptr;             ///< instead of shuffle
  BatchSamplerRef batch_sampler = nullptr;  ///< instead of batch_size, shuffle, sampler, drop_last
  int workers = 0;                          ///< threads; 0 reads in the caller
  std::function<Batch(const std::vector<Sample>&)> collate = nullptr;  ///< data::collate when null
  bool drop_last = false;
  double timeout = 0;  ///< seconds to wait for a batch of the workers; 0 waits for ever
  std::function<void(int)> worker_init = nullptr;  ///< called in each worker with its number
  GeneratorRef generator = nullptr;
  std::optional<int> prefetch_factor = std::nullopt;  ///< batches ahead per worker; 2 when absent
};

/// What a dataset can ask about the worker it runs in.
struct WorkerInfo {
  int id = 0;
  int workers = 0;
  uint64_t seed = 0;  ///< of this worker's sample_generator()
};
/// Null outside a worker.
const WorkerInfo* worker_info();

/// One pass over the data. Destroying it stops its workers after the batch they are at.
class Epoch {
 public:
  virtual ~Epoch() = default;
  /// The next batch, or nothing at the end. An error of a dataset comes out here, as the same type
  /// of error, with the worker's and the item's number in front; the pass can go on after it. A
  /// batch that takes longer than the timeout is an EnvironmentError.
  virtual std::optional<Batch> next() = 0;
};

class DataLoader {
 public:
  /// UserError for no dataset, batch_size < 1, negative workers or timeout, and options that
  /// exclude each other.
  explicit DataLoader(DataLoaderOptions options);

  /// Batches a pass gives.
  int64_t size() const;
  const DataLoaderOptions& options() const { return state_->options; }

  /// Starts a pass: draws its base seed, then (with workers at once, else with the first batch) the
  /// sampler's numbers.
  std::unique_ptr<Epoch> epoch() const;

  class Iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = Batch;
    using difference_type = std::ptrdiff_t;
    using pointer = const Batch*;
    using reference = const Batch&;
    Iterator() = default;
    explicit Iterator(std::shared_ptr<Epoch> epoch) : epoch_(std::move(epoch)) { ++*this; }
    const Batch& operator*() const { return *batch_; }
    const Batch* operator->() const { return &*batch_; }
    Iterator& operator++() {
      batch_ = epoch_->next();
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) {
      return a.batch_.has_value() == b.batch_.has_value();
    }

   private:
    std::shared_ptr<Epoch> epoch_;
    std::optional<Batch> batch_;
  };
  Iterator begin() const { return Iterator(std::shared_ptr<Epoch>(epoch())); }
  Iterator end() const { return {}; }

  /// Shared with the passes, which may outlive the loader.
  struct State {
    DataLoaderOptions options;
    SamplerRef sampler;  // when not batching
    BatchSamplerRef batches;
  };

 private:
  std::shared_ptr<const State> state_;
};

}  // namespace trivium::data
