// Making tensors: from memory, filled, in steps, and random ones in PyTorch's draws. Random values
// are drawn at the call, in program order, and become plain leaves.
#pragma once

#include <vector>

#include "trivium/engine/core/torch_random.h"
#include "trivium/notations/nn/tensor.h"

namespace trivium::nn {

using random::TorchGenerator;
/// Draws come from here; null means the default generator.
using Generator = TorchGenerator*;

/// Seeds the default generator.
TorchGenerator& manual_seed(uint64_t seed);

/// A copy of `data`, converted when a dtype is asked for.
Tensor tensor(const Array& data, const TensorOptions& options = {});
Tensor tensor(const Scalar& value, const TensorOptions& options = {});
Tensor tensor(std::initializer_list<double> values, const TensorOptions& options = {});
template <typename T>
Tensor tensor(const std::vector<T>& values, const Dims& sizes, const TensorOptions& options = {}) {
  return tensor(Array::from(values, sizes.shape()), options);
}
/// Shares the memory.
Tensor from_array(const Array& data, bool requires_grad = false);

Tensor zeros(const Dims& sizes, const TensorOptions& options = {});
Tensor ones(const Dims& sizes, const TensorOptions& options = {});
Tensor empty(const Dims& sizes, const TensorOptions& options = {});
/// dtype follows the value: bool, int64 or the default.
Tensor full(const Dims& sizes, const Scalar& value, const TensorOptions& options = {});
/// end excluded; int64 when all three are integers. UserError when step is 0 or points away.
Tensor arange(const Scalar& end, const TensorOptions& options = {});
Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step = 1,
              const TensorOptions& options = {});
Tensor linspace(double start, double end, int64_t steps, const TensorOptions& options = {});
Tensor logspace(double start, double end, int64_t steps, double base = 10,
                const TensorOptions& options = {});
Tensor eye(int64_t n, std::optional<int64_t> m = {}, const TensorOptions& options = {});
/// int64[2, count]: rows and columns of the lower (upper) triangle.
Tensor tril_indices(int64_t rows, int64_t columns, int64_t offset = 0);
Tensor triu_indices(int64_t rows, int64_t columns, int64_t offset = 0);

Tensor zeros_like(const Tensor& x, const TensorOptions& options = {});
Tensor ones_like(const Tensor& x, const TensorOptions& options = {});
Tensor empty_like(const Tensor& x, const TensorOptions& options = {});
Tensor full_like(const Tensor& x, const Scalar& value, const TensorOptions& options = {});

Tensor rand(const Dims& sizes, const TensorOptions& options = {}, Generator rng = nullptr);
Tensor randn(const Dims& sizes, const TensorOptions& options = {}, Generator rng = nullptr);
Tensor randint(int64_t high, const Dims& sizes, const TensorOptions& options = {},
               Generator rng = nullptr);
Tensor randint(int64_t low, int64_t high, const Dims& sizes, const TensorOptions& options = {},
               Generator rng = nullptr);
Tensor randperm(int64_t n, const TensorOptions& options = {}, Generator rng = nullptr);
Tensor rand_like(const Tensor& x, const TensorOptions& options = {}, Generator rng = nullptr);
Tensor randn_like(const Tensor& x, const TensorOptions& options = {}, Generator rng = nullptr);
Tensor randint_like(const Tensor& x, int64_t low, int64_t high, const TensorOptions& options = {},
                    Generator rng = nullptr);
Tensor normal(const Tensor& mean, const Tensor& std, Generator rng = nullptr);
Tensor normal(const Tensor& mean, double std = 1, Generator rng = nullptr);
Tensor normal(double mean, const Tensor& std, Generator rng = nullptr);
Tensor normal(double mean, double std, const Dims& sizes, const TensorOptions& options = {},
              Generator rng = nullptr);
Tensor bernoulli(const Tensor& p, Generator rng = nullptr);
Tensor bernoulli(const Tensor& like, double p, Generator rng = nullptr);
Tensor multinomial(const Tensor& weights, int64_t num_samples, bool replacement = false,
                   Generator rng = nullptr);

/// The in-place draws of Tensor with a generator of the caller's choice. Elements are drawn in the
/// order of the storage for dense tensors, in logical order for strided ones.
namespace draw {
void uniform(const Tensor& x, double from, double to, Generator rng = nullptr);
void normal(const Tensor& x, double mean, double std, Generator rng = nullptr);
void bernoulli(const Tensor& x, double p, Generator rng = nullptr);
void bernoulli(const Tensor& x, const Tensor& p, Generator rng = nullptr);
void random_full(const Tensor& x, Generator rng = nullptr);
void random_range(const Tensor& x, int64_t from, int64_t to, Generator rng = nullptr);
void exponential(const Tensor& x, double lambd, Generator rng = nullptr);
void geometric(const Tensor& x, double p, Generator rng = nullptr);
void cauchy(const Tensor& x, double median, double sigma, Generator rng = nullptr);
void log_normal(const Tensor& x, double mean, double std, Generator rng = nullptr);
}  // namespace draw

}  // namespace trivium::nn
