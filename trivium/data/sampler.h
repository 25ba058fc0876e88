// Samplers: in which order a loader asks for samples. A sampler is a recipe; start() begins one
// pass, which draws its random numbers only as far as indices are asked for, as PyTorch's do.
#pragma once

#include <memory>
#include <optional>
#include <type_traits>
#include <vector>

#include "trivium/data/dataset.h"

namespace trivium::data {

/// One pass: indices until nothing is left.
class IndexStream {
 public:
  virtual ~IndexStream() = default;
  virtual std::optional<int64_t> next() = 0;
};

class Sampler {
 public:
  virtual ~Sampler() = default;
  /// How many indices a pass gives.
  virtual int64_t size() const = 0;
  virtual std::unique_ptr<IndexStream> start() const = 0;
};

/// One pass of batches: lists of indices until nothing is left.
class BatchStream {
 public:
  virtual ~BatchStream() = default;
  virtual std::optional<std::vector<int64_t>> next() = 0;
};

class BatchedSampler {
 public:
  virtual ~BatchedSampler() = default;
  virtual int64_t size() const = 0;
  virtual std::unique_ptr<BatchStream> start() const = 0;
};

using SamplerRef = std::shared_ptr<const Sampler>;
using BatchSamplerRef = std::shared_ptr<const BatchedSampler>;

/// 0, 1, 2, … size-1.
SamplerRef sequential_sampler(int64_t size);

struct RandomSamplerOptions {
  int64_t size = 0;  ///< of the dataset
  bool replacement = false;
  std::optional<int64_t> samples;  ///< a pass gives this many; the dataset's size when absent
  GeneratorRef generator;          ///< null: a fresh one, seeded from the default one every pass
};
/// Permutations one after the other, the last one cut; or independent draws. UserError when size or
/// samples is not positive.
SamplerRef random_sampler(RandomSamplerOptions options);

/// The given indices in random order.
SamplerRef subset_random_sampler(std::vector<int64_t> indices, GeneratorRef generator = nullptr);

/// `samples` draws by weight (multinomial in float64). UserError as multinomial, when a pass
/// starts; at once when samples < 1 or there is no weight.
SamplerRef weighted_random_sampler(std::vector<double> weights, int64_t samples,
                                   bool replacement = true, GeneratorRef generator = nullptr);

/// Groups of `batch_size`; a last smaller group is left out with drop_last. UserError when
/// batch_size < 1.
BatchSamplerRef batch_sampler(SamplerRef sampler, int64_t batch_size, bool drop_last = false);

}  // namespace trivium::data
