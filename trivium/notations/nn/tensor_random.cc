// Random tensors. Values are drawn at the call, on the host, in PyTorch's order.
#include <algorithm>
#include <cmath>

#include "trivium/notations/nn/creation.h"
#include "trivium/notations/nn/tensor_detail.h"

namespace trivium::nn {
namespace {

TorchGenerator& generator(Generator rng) { return rng ? *rng : random::default_generator(); }

DType floating_for(const TensorOptions& options, DType fallback, const char* op) {
  const DType d = options.dtype.value_or(fallback);
  if (!is_floating(d))
    raise<NotImplementedError>("{}: a floating dtype expected, {} received", op, name_of(d));
  return d;
}

Tensor leaf(const Array& a, const TensorOptions& options) {
  if (options.device) require_available(*options.device);
  start_engine();
  return Tensor(a, options.requires_grad);
}

/// Whether the elements of x fill their storage's part densely, and the axes in storage order.
bool is_dense(const Tensor& x, Dims* order) {
  std::vector<int64_t> strides;
  int64_t offset = 0;
  if (!x.strides(&strides, &offset)) return false;
  std::vector<int> axes;
  for (int i = 0; i < x.shape().rank(); ++i) axes.push_back(i);
  std::stable_sort(axes.begin(), axes.end(), [&](int a, int b) {
    return strides[static_cast<size_t>(a)] > strides[static_cast<size_t>(b)];
  });
  int64_t expected = x.count();
  for (int a : axes) {
    const int64_t size = x.shape()[a];
    expected /= std::max<int64_t>(size, 1);
    if (size != 1 && strides[static_cast<size_t>(a)] != expected) return false;
    order->push_back(a);
  }
  return true;
}

/// Whether x is a dense view whose axes lie in another order than they are named.
bool permuted_dense(const Tensor& x, Dims* order) {
  return x.is_view() && !x.is_contiguous() && x.count() > 0 && is_dense(x, order);
}

/// Shape in storage order, and the permutation back from there.
struct Permuted {
  Shape stored;
  Dims back;
};
Permuted permuted(const Shape& shape, const Dims& order) {
  Permuted p{{}, order};
  for (int i = 0; i < order.size(); ++i) {
    p.stored.push_back(shape[static_cast<int>(order[i])]);
    p.back[static_cast<int>(order[i])] = i;
  }
  return p;
}

/// Draws the elements of x: `fill` gets memory in storage order and whether x lies contiguous.
template <typename Fill>
void redraw(const Tensor& x, Fill&& fill) {
  if (!x.is_view() || x.is_contiguous() || x.count() == 0) {
    Array a(x.shape(), x.dtype());
    fill(a, true);
    write_back(x, Tensor(a), "draw");
    return;
  }
  Dims order;
  if (!is_dense(x, &order)) {
    Array a(x.shape(), x.dtype());
    fill(a, false);
    write_back(x, Tensor(a), "draw");
    return;
  }
  const Permuted p = permuted(x.shape(), order);
  Array a(p.stored, x.dtype());
  fill(a, false);
  write_back(x, Tensor(a).permute(p.back), "draw");
}

void require_floating(const Tensor& x, const char* op) {
  if (!is_floating(x.dtype()))
    raise<NotImplementedError>("{}: a floating tensor expected, {} received", op,
                               name_of(x.dtype()));
}

}  // namespace

TorchGenerator& manual_seed(uint64_t seed) { return random::default_generator().manual_seed(seed); }

namespace draw {

void uniform(const Tensor& x, double from, double to, Generator rng) {
  require_floating(x, "uniform_");
  redraw(x, [&](const Array& a, bool) { random::uniform(generator(rng), a, from, to); });
}

void normal(const Tensor& x, double mean, double std, Generator rng) {
  require_floating(x, "normal_");
  redraw(x, [&](const Array& a, bool contiguous) {
    random::normal(generator(rng), a, mean, std,
                   contiguous ? random::NormalOrder::blocks : random::NormalOrder::elements);
  });
}

void bernoulli(const Tensor& x, double p, Generator rng) {
  redraw(x, [&](const Array& a, bool) { random::bernoulli(generator(rng), a, p); });
}

void bernoulli(const Tensor& x, const Tensor& p, Generator rng) {
  const Array probability = broadcast(p.detach(), x.shape()).array();
  Array a(x.shape(), x.dtype());
  random::bernoulli(generator(rng), a, probability);
  write_back(x, Tensor(a), "bernoulli_");
}

void random_full(const Tensor& x, Generator rng) {
  redraw(x, [&](const Array& a, bool) { random::random_full(generator(rng), a); });
}

void random_range(const Tensor& x, int64_t from, int64_t to, Generator rng) {
  redraw(x, [&](const Array& a, bool) { random::random_range(generator(rng), a, from, to); });
}

void exponential(const Tensor& x, double lambd, Generator rng) {
  require_floating(x, "exponential_");
  redraw(x, [&](const Array& a, bool) { random::exponential(generator(rng), a, lambd); });
}

void geometric(const Tensor& x, double p, Generator rng) {
  redraw(x, [&](const Array& a, bool) { random::geometric(generator(rng), a, p); });
}

void cauchy(const Tensor& x, double median, double sigma, Generator rng) {
  require_floating(x, "cauchy_");
  redraw(x, [&](const Array& a, bool) { random::cauchy(generator(rng), a, median, sigma); });
}

void log_normal(const Tensor& x, double mean, double std, Generator rng) {
  require_floating(x, "log_normal_");
  redraw(x, [&](const Array& a, bool) { random::log_normal(generator(rng), a, mean, std); });
}

}  // namespace draw

const Tensor& Tensor::uniform_(double from, double to) const {
  return draw::uniform(*this, from, to), *this;
}
const Tensor& Tensor::normal_(double mean, double std) const {
  return draw::normal(*this, mean, std), *this;
}
const Tensor& Tensor::bernoulli_(double p) const { return draw::bernoulli(*this, p), *this; }
const Tensor& Tensor::bernoulli_(const Tensor& p) const { return draw::bernoulli(*this, p), *this; }
Tensor Tensor::bernoulli() const { return nn::bernoulli(*this); }
const Tensor& Tensor::random_() const { return draw::random_full(*this), *this; }
const Tensor& Tensor::random_(int64_t to) const { return draw::random_range(*this, 0, to), *this; }
const Tensor& Tensor::random_(int64_t from, int64_t to) const {
  return draw::random_range(*this, from, to), *this;
}
const Tensor& Tensor::exponential_(double lambd) const {
  return draw::exponential(*this, lambd), *this;
}
const Tensor& Tensor::geometric_(double p) const { return draw::geometric(*this, p), *this; }
const Tensor& Tensor::cauchy_(double median, double sigma) const {
  return draw::cauchy(*this, median, sigma), *this;
}
const Tensor& Tensor::log_normal_(double mean, double std) const {
  return draw::log_normal(*this, mean, std), *this;
}
Tensor Tensor::multinomial(int64_t num_samples, bool replacement) const {
  return nn::multinomial(*this, num_samples, replacement);
}

Tensor rand(const Dims& sizes, const TensorOptions& options, Generator rng) {
  const DType d = floating_for(options, default_dtype(), "rand");
  return leaf(random::rand(generator(rng), sizes.shape(), d), options);
}

Tensor randn(const Dims& sizes, const TensorOptions& options, Generator rng) {
  const DType d = floating_for(options, default_dtype(), "randn");
  return leaf(random::randn(generator(rng), sizes.shape(), d), options);
}

Tensor randint(int64_t high, const Dims& sizes, const TensorOptions& options, Generator rng) {
  return randint(0, high, sizes, options, rng);
}

Tensor randint(int64_t low, int64_t high, const Dims& sizes, const TensorOptions& options,
               Generator rng) {
  const DType d = options.dtype.value_or(DType::i64);
  return leaf(random::randint(generator(rng), low, high, sizes.shape(), d), options);
}

Tensor randperm(int64_t n, const TensorOptions& options, Generator rng) {
  return leaf(random::randperm(generator(rng), n, options.dtype.value_or(DType::i64)), options);
}

namespace {

TensorOptions like(const Tensor& x, TensorOptions options) {
  if (!options.dtype) options.dtype = x.dtype();
  return options;
}

}  // namespace

// What is drawn like a dense view lies as it does, and is drawn in that order.
Tensor empty_like(const Tensor& x, const TensorOptions& options) {
  Dims order;
  if (!permuted_dense(x, &order)) return empty(x.shape(), like(x, options));
  const Permuted p = permuted(x.shape(), order);
  return empty(p.stored, like(x, options)).permute(p.back);
}
Tensor rand_like(const Tensor& x, const TensorOptions& options, Generator rng) {
  Dims order;
  if (!permuted_dense(x, &order)) return rand(x.shape(), like(x, options), rng);
  const Tensor made = empty_like(x, options);
  draw::uniform(made, 0, 1, rng);
  return made;
}
Tensor randn_like(const Tensor& x, const TensorOptions& options, Generator rng) {
  Dims order;
  if (!permuted_dense(x, &order)) return randn(x.shape(), like(x, options), rng);
  const Tensor made = empty_like(x, options);
  draw::normal(made, 0, 1, rng);
  return made;
}
Tensor randint_like(const Tensor& x, int64_t low, int64_t high, const TensorOptions& options,
                    Generator rng) {
  Dims order;
  if (!permuted_dense(x, &order)) return randint(low, high, x.shape(), like(x, options), rng);
  const Tensor made = empty_like(x, options);
  draw::random_range(made, low, high, rng);
  return made;
}

Tensor normal(const Tensor& mean, const Tensor& std, Generator rng) {
  const Shape shape = broadcast_shapes(mean.shape(), std.shape());
  const DType d = floating_type(result_type(mean, std));
  if (std.detach().lt(0).any().is_nonzero()) user_error("normal: a std below 0 received");
  return Tensor(random::randn(generator(rng), shape, d)) * std.detach() + mean.detach();
}

Tensor normal(const Tensor& mean, double std, Generator rng) {
  Array a(mean.shape(), mean.dtype());
  random::normal(generator(rng), a, 0, std);
  start_engine();
  return Tensor(a) + mean.detach();
}

Tensor normal(double mean, const Tensor& std, Generator rng) {
  const Array a = random::randn(generator(rng), std.shape(), std.dtype());
  start_engine();
  return Tensor(a) * std.detach() + mean;
}

Tensor normal(double mean, double std, const Dims& sizes, const TensorOptions& options,
              Generator rng) {
  Array a(sizes.shape(), floating_for(options, default_dtype(), "normal"));
  random::normal(generator(rng), a, mean, std);
  return leaf(a, options);
}

Tensor bernoulli(const Tensor& p, Generator rng) {
  require_floating(p, "bernoulli");
  Array a(p.shape(), p.dtype());
  random::bernoulli(generator(rng), a, p.detach().contiguous().array());
  return Tensor(a);
}

Tensor bernoulli(const Tensor& like, double p, Generator rng) {
  Array a(like.shape(), like.dtype());  // in logical order, unlike the draws that fill a place
  random::bernoulli(generator(rng), a, p);
  return Tensor(a);
}

Tensor multinomial(const Tensor& weights, int64_t num_samples, bool replacement, Generator rng) {
  require_floating(weights, "multinomial");
  Array w = weights.detach().contiguous().array();
  if (w.dtype() != DType::f32 && w.dtype() != DType::f64) w = w.cast(DType::f32);
  return Tensor(random::multinomial(generator(rng), w, num_samples, replacement));
}

}  // namespace trivium::nn
