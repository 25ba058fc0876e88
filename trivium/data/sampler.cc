// The samplers. Each pass is a small state machine; what it draws, and when, follows PyTorch.
#include "trivium/data/sampler.h"

#include <algorithm>

namespace trivium::data {
namespace {

using random::TorchGenerator;

constexpr int64_t kReplacementDraws = 32;  // drawn at a time

/// Gives out lists of indices that `refill` makes when the last one is used up.
template <typename Refill>
class Refilled : public IndexStream {
 public:
  explicit Refilled(Refill refill) : refill_(std::move(refill)) {}
  std::optional<int64_t> next() override {
    while (at_ == indices_.size()) {
      std::optional<std::vector<int64_t>> more = refill_();
      if (!more) return std::nullopt;
      indices_ = std::move(*more);
      at_ = 0;
    }
    return indices_[at_++];
  }

 private:
  Refill refill_;
  std::vector<int64_t> indices_;
  size_t at_ = 0;
};

template <typename Refill>
std::unique_ptr<IndexStream> refilled(Refill refill) {
  return std::make_unique<Refilled<Refill>>(std::move(refill));
}

std::vector<int64_t> as_vector(const Array& indices, int64_t count) {
  return {indices.data<int64_t>(), indices.data<int64_t>() + count};
}

class Sequential : public Sampler {
 public:
  explicit Sequential(int64_t size) : size_(size) {}
  int64_t size() const override { return size_; }
  std::unique_ptr<IndexStream> start() const override {
    struct Counter : IndexStream {
      int64_t at = 0, end = 0;
      std::optional<int64_t> next() override {
        return at < end ? std::optional<int64_t>(at++) : std::nullopt;
      }
    };
    auto counter = std::make_unique<Counter>();
    counter->end = size_;
    return counter;
  }

 private:
  int64_t size_;
};

class Random : public Sampler {
 public:
  explicit Random(RandomSamplerOptions options) : o_(std::move(options)) {}
  int64_t size() const override { return o_.samples.value_or(o_.size); }
  std::unique_ptr<IndexStream> start() const override {
    return refilled([o = o_, left = size(), ended = false,
                     generator = o_.generator]() mutable -> std::optional<std::vector<int64_t>> {
      if (ended) return std::nullopt;
      if (!generator) {
        const Array seed =
            random::random_full(random::default_generator(), Array(Shape{}, DType::i64));
        generator =
            std::make_shared<TorchGenerator>(static_cast<uint64_t>(seed.data<int64_t>()[0]));
      }
      // The last list may be empty and is drawn all the same: a generator that goes on elsewhere
      // must have moved as far as PyTorch's.
      const int64_t list = o.replacement ? kReplacementDraws : o.size;
      ended = left < list;
      const int64_t count = std::min(left, list);
      left -= count;
      if (o.replacement) return as_vector(random::randint(*generator, 0, o.size, {count}), count);
      return as_vector(random::randperm(*generator, o.size), count);
    });
  }

 private:
  RandomSamplerOptions o_;
};

/// A pass that is one list.
template <typename Draw>
class Drawn : public Sampler {
 public:
  Drawn(int64_t size, Draw draw) : size_(size), draw_(std::move(draw)) {}
  int64_t size() const override { return size_; }
  std::unique_ptr<IndexStream> start() const override {
    return refilled([draw = draw_, done = false]() mutable -> std::optional<std::vector<int64_t>> {
      if (done) return std::nullopt;
      done = true;
      return draw();
    });
  }

 private:
  int64_t size_;
  Draw draw_;
};

template <typename Draw>
SamplerRef drawn(int64_t size, Draw draw) {
  return std::make_shared<Drawn<Draw>>(size, std::move(draw));
}

class Batches : public BatchedSampler {
 public:
  Batches(SamplerRef sampler, int64_t batch_size, bool drop_last)
      : sampler_(std::move(sampler)), batch_size_(batch_size), drop_last_(drop_last) {}
  int64_t size() const override {
    const int64_t n = sampler_->size();
    return drop_last_ ? n / batch_size_ : (n + batch_size_ - 1) / batch_size_;
  }
  std::unique_ptr<BatchStream> start() const override {
    auto pass = std::make_unique<Pass>();
    pass->indices = sampler_->start();
    pass->batch_size = static_cast<size_t>(batch_size_);
    pass->drop_last = drop_last_;
    return pass;
  }

 private:
  struct Pass : BatchStream {
    std::unique_ptr<IndexStream> indices;
    size_t batch_size = 1;
    bool drop_last = false;
    std::optional<std::vector<int64_t>> next() override {
      if (!indices) return std::nullopt;
      std::vector<int64_t> batch;
      while (batch.size() < batch_size) {
        const std::optional<int64_t> index = indices->next();
        if (!index) {
          indices.reset();
          break;
        }
        batch.push_back(*index);
      }
      if (batch.empty() || (drop_last && batch.size() < batch_size)) return std::nullopt;
      return batch;
    }
  };
  SamplerRef sampler_;
  int64_t batch_size_;
  bool drop_last_;
};

}  // namespace

SamplerRef sequential_sampler(int64_t size) { return std::make_shared<Sequential>(size); }

SamplerRef random_sampler(RandomSamplerOptions options) {
  if (options.size < 1 || options.samples.value_or(1) < 1)
    user_error(
        "random_sampler: expected a dataset of at least 1 sample and at least 1 draw, "
        "received {} and {}",
        options.size, options.samples.value_or(options.size));
  return std::make_shared<Random>(std::move(options));
}

SamplerRef subset_random_sampler(std::vector<int64_t> indices, GeneratorRef generator) {
  const int64_t n = static_cast<int64_t>(indices.size());
  return drawn(n, [indices = std::move(indices), generator = std::move(generator), n] {
    std::vector<int64_t> order = as_vector(random::randperm(generator_or_default(generator), n), n);
    for (int64_t& i : order) i = indices[i];
    return order;
  });
}

SamplerRef weighted_random_sampler(std::vector<double> weights, int64_t samples, bool replacement,
                                   GeneratorRef generator) {
  if (samples < 1 || weights.empty())
    user_error("weighted_random_sampler: expected weights and at least 1 draw, received {} and {}",
               weights.size(), samples);
  return drawn(samples, [=, generator = std::move(generator)] {
    const Array p = Array::from(weights, {static_cast<int64_t>(weights.size())});
    return as_vector(random::multinomial(generator_or_default(generator), p, samples, replacement),
                     samples);
  });
}

BatchSamplerRef batch_sampler(SamplerRef sampler, int64_t batch_size, bool drop_last) {
  if (!sampler) user_error("batch_sampler: expected a sampler, received none");
  if (batch_size < 1)
    user_error("batch_sampler: expected batch_size >= 1, received {}", batch_size);
  return std::make_shared<Batches>(std::move(sampler), batch_size, drop_last);
}

}  // namespace trivium::data
