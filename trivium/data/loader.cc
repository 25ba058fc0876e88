// The two kinds of pass: in the caller, and with worker threads. Batch b belongs to worker
// b % workers, which owns a generator of its own, so random transforms do not depend on timing.
#include "trivium/data/loader.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <thread>

#include "trivium/engine/core/trace.h"

namespace trivium::data {
namespace {

using State = DataLoader::State;
constexpr int kPrefetch = 2;

struct WorkerContext {
  WorkerInfo info;
  random::TorchGenerator generator;
};
thread_local WorkerContext* this_worker = nullptr;

/// Lists of indices; without batching, lists of one.
class Order {
 public:
  explicit Order(const State& state) {
    if (state.batches) {
      batches_ = state.batches->start();
    } else {
      indices_ = state.sampler->start();
    }
  }
  std::optional<std::vector<int64_t>> next() {
    if (batches_) return batches_->next();
    const std::optional<int64_t> index = indices_->next();
    if (!index) return std::nullopt;
    return std::vector<int64_t>{*index};
  }

 private:
  std::unique_ptr<BatchStream> batches_;
  std::unique_ptr<IndexStream> indices_;
};

Batch read(const State& state, const std::vector<int64_t>& indices) {
  const DataLoaderOptions& o = state.options;
  if (!state.batches) {
    Sample sample;
    with_item(indices[0], [&] { sample = o.dataset->get(indices[0]); });
    return sample;
  }
  if (!o.collate) return o.dataset->get_batch(indices);
  std::vector<Sample> samples(indices.size());
  for (size_t i = 0; i < indices.size(); ++i)
    with_item(indices[i], [&] { samples[i] = o.dataset->get(indices[i]); });
  return o.collate(samples);
}

class DirectEpoch : public Epoch {
 public:
  explicit DirectEpoch(std::shared_ptr<const State> state)
      : state_(std::move(state)), order_(*state_) {}
  std::optional<Batch> next() override {
    const std::optional<std::vector<int64_t>> indices = order_.next();
    if (!indices) return std::nullopt;
    const trace::Span span("data", "batch read by the trainer");
    return read(*state_, *indices);
  }

 private:
  std::shared_ptr<const State> state_;
  Order order_;
};

/// The current exception with the worker's number in front, as the same type of error.
std::exception_ptr named_error(int worker) {
  const auto text = [&](const std::exception& e) {
    return fmt::format("DataLoader worker {}: {}", worker, e.what());
  };
  try {
    throw;
  } catch (const EnvironmentError& e) {
    return std::make_exception_ptr(EnvironmentError(text(e)));
  } catch (const InternalError& e) {
    return std::make_exception_ptr(InternalError(text(e)));
  } catch (const std::exception& e) {
    return std::make_exception_ptr(UserError(text(e)));
  } catch (...) {
    return std::current_exception();
  }
}

class WorkerEpoch : public Epoch {
 public:
  WorkerEpoch(std::shared_ptr<const State> state, uint64_t base_seed)
      : state_(std::move(state)), order_(*state_), queues_(workers()) {
    // Should a thread or the sampler fail here, the ones that run must end before the members go.
    try {
      for (size_t i = 0; i < workers(); ++i)
        threads_.emplace_back([=, this] { work(i, base_seed); });
      const int ahead = state_->options.prefetch_factor.value_or(kPrefetch);
      for (size_t i = 0; i < workers() * static_cast<size_t>(ahead); ++i) send();
    } catch (...) {
      stop();
      throw;
    }
  }
  ~WorkerEpoch() override { stop(); }

  std::optional<Batch> next() override {
    if (received_ == sent_) return std::nullopt;
    Result result = receive();
    ++received_;
    send();
    if (result.error) std::rethrow_exception(result.error);
    return std::move(result.batch);
  }

 private:
  struct Job {
    int64_t number;
    std::vector<int64_t> indices;
  };
  struct Result {
    Batch batch;
    std::exception_ptr error;
  };

  size_t workers() const { return static_cast<size_t>(state_->options.workers); }

  void send() {
    std::optional<std::vector<int64_t>> indices = order_.next();
    if (!indices) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    queues_[static_cast<size_t>(sent_) % workers()].push_back({sent_, std::move(*indices)});
    ++sent_;
    job_.notify_all();
  }

  Result receive() {
    const trace::Span span("wait", "loader wait");
    std::unique_lock<std::mutex> lock(mutex_);
    const auto ready = [&] { return results_.count(received_) > 0; };
    const double timeout = state_->options.timeout;
    if (timeout <= 0) {
      result_.wait(lock, ready);
    } else if (!result_.wait_for(lock, std::chrono::duration<double>(timeout), ready)) {
      environment_error("DataLoader: worker {} has not delivered batch {} within {} seconds",
                        static_cast<size_t>(received_) % workers(), received_, timeout);
    }
    auto found = results_.extract(received_);
    return std::move(found.mapped());
  }

  void work(size_t id, uint64_t base_seed) {
    WorkerContext context;
    context.info = {static_cast<int>(id), static_cast<int>(workers()), base_seed + id};
    context.generator.manual_seed(base_seed + id);
    this_worker = &context;
    std::exception_ptr no_start;
    try {
      if (state_->options.worker_init) state_->options.worker_init(static_cast<int>(id));
    } catch (...) {
      no_start = named_error(static_cast<int>(id));
    }
    while (std::optional<Job> job = take(id)) {
      Result result{{}, no_start};
      if (!no_start) {
        const trace::Span span("data", "batch read by a worker");
        try {
          result.batch = read(*state_, job->indices);
        } catch (...) {
          result.error = named_error(static_cast<int>(id));
        }
      }
      const std::lock_guard<std::mutex> lock(mutex_);
      results_[job->number] = std::move(result);
      result_.notify_one();
    }
    this_worker = nullptr;
  }

  std::optional<Job> take(size_t id) {
    std::unique_lock<std::mutex> lock(mutex_);
    job_.wait(lock, [&] { return stopped_ || !queues_[id].empty(); });
    if (stopped_) return std::nullopt;
    Job job = std::move(queues_[id].front());
    queues_[id].pop_front();
    return job;
  }

  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      stopped_ = true;
      job_.notify_all();
    }
    for (std::thread& thread : threads_) thread.join();
  }

  std::shared_ptr<const State> state_;
  Order order_;
  int64_t sent_ = 0, received_ = 0;  // batches; touched by the consumer only
  std::mutex mutex_;                 // guards what follows
  std::condition_variable job_, result_;
  std::vector<std::deque<Job>> queues_;
  std::map<int64_t, Result> results_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

void check(const DataLoaderOptions& o) {
  if (!o.dataset) user_error("DataLoader: expected a dataset, received none");
  if (o.batch_size && *o.batch_size < 1)
    user_error("DataLoader: expected batch_size >= 1, received {}", *o.batch_size);
  if (o.workers < 0) user_error("DataLoader: expected workers >= 0, received {}", o.workers);
  if (!(o.timeout >= 0)) user_error("DataLoader: expected timeout >= 0, received {}", o.timeout);
  if (o.prefetch_factor && o.workers == 0)
    user_error("DataLoader: prefetch_factor needs workers, received workers 0");
  if (o.prefetch_factor && *o.prefetch_factor < 1)
    user_error("DataLoader: expected prefetch_factor >= 1, received {}", *o.prefetch_factor);
  if (o.sampler && o.shuffle)
    user_error("DataLoader: sampler and shuffle exclude each other; a sampler decides the order");
  if (o.batch_sampler && (o.batch_size != 1 || o.shuffle || o.sampler || o.drop_last))
    user_error(
        "DataLoader: batch_sampler excludes batch_size, shuffle, sampler and drop_last; it decides "
        "all of them");
  if (!o.batch_size && o.drop_last)
    user_error("DataLoader: drop_last needs a batch_size, received none");
}

SamplerRef sampler_of(const DataLoaderOptions& o) {
  if (o.sampler) return o.sampler;
  const int64_t size = o.dataset->size();
  if (!o.shuffle) return sequential_sampler(size);
  return random_sampler({.size = size, .generator = o.generator});
}

}  // namespace

const WorkerInfo* worker_info() { return this_worker ? &this_worker->info : nullptr; }

random::TorchGenerator& sample_generator() {
  return this_worker ? this_worker->generator : random::default_generator();
}

DataLoader::DataLoader(DataLoaderOptions options) {
  check(options);
  auto state = std::make_shared<State>();
  if (options.batch_sampler) {
    state->batches = options.batch_sampler;
  } else {
    state->sampler = sampler_of(options);
    if (options.batch_size)
      state->batches = batch_sampler(state->sampler, *options.batch_size, options.drop_last);
  }
  state->options = std::move(options);
  state_ = std::move(state);
}

int64_t DataLoader::size() const {
  return state_->batches ? state_->batches->size() : state_->sampler->size();
}

std::unique_ptr<Epoch> DataLoader::epoch() const {
  // Drawn even when no worker needs it: what comes after must not depend on the workers.
  const Array seed =
      random::random_full(generator_or_default(options().generator), Array(Shape{}, DType::i64));
  if (options().workers == 0) return std::make_unique<DirectEpoch>(state_);
  return std::make_unique<WorkerEpoch>(state_, static_cast<uint64_t>(seed.data<int64_t>()[0]));
}

}  // namespace trivium::data
