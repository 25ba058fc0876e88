// Random graphs: the compiled plan against the double-precision interpreter, with every pass on and
// with each pass off. TRIVIUM_FUZZ_SEEDS sets how many graphs (CI: a few hundred; the long run:
// 10,000).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/compile/compile.h"
#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/graph/interpret.h"
#include "trivium/engine/graph/op.h"
#include "trivium/engine/graph/text.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/run/backend.h"

namespace trivium::compile {
namespace {

class RandomGraph {
 public:
  /// A wide graph has few images of many channels, for which channel-blocked kernels are the best.
  explicit RandomGraph(uint32_t seed, bool wide = false) : random_(seed), wide_(wide) {
    batch_ = wide ? pick({1, 2, 5}) : pick({1, 3, 5, 16, 20});
    const int leaves = 1 + number(3);
    for (int i = 0; i < leaves; ++i) add_leaf();
    const int ops = 3 + number(14);
    for (int i = 0; i < ops; ++i) add_op();
    fetch();
    if (number(3) == 0) update();
  }

  Graph graph;
  std::vector<Value> fetches;
  InterpretInputs inputs;
  std::vector<Value> updates;  // new contents of the assigned cells, in cell order
  std::vector<CellRef> cells;

 private:
  int number(int below) { return static_cast<int>(random_() % static_cast<uint32_t>(below)); }
  int64_t pick(std::initializer_list<int64_t> from) {
    return *(from.begin() + number(static_cast<int>(from.size())));
  }
  Value any() { return values_[number(static_cast<int>(values_.size()))]; }
  Value any(int rank) {
    for (int tries = 0; tries < 20; ++tries)
      if (const Value v = any(); v.shape().rank() == rank) return v;
    return {};
  }

  Array contents(const Shape& shape) {
    Array a(shape, DType::f32);
    std::uniform_real_distribution<float> uniform(-1.5f, 1.5f);
    for (float& v : a.span<float>()) v = uniform(random_);
    return a;
  }

  Shape leaf_shape() {
    if (wide_ && number(3)) return {batch_, pick({3, 16, 24, 32}), pick({8, 10}), pick({8, 9})};
    switch (number(4)) {
      case 0:
        return {batch_, pick({1, 3, 8}), pick({4, 6}), pick({4, 7})};
      case 1:
        return {batch_, pick({2, 7, 16})};
      case 2:
        return {pick({2, 7, 16})};
      default:
        return {batch_, pick({1, 4}), 5};
    }
  }

  void add_leaf() {
    const Shape shape = leaf_shape();
    const Value v = graph.input("x" + std::to_string(graph.inputs().size()), shape);
    inputs.inputs.push_back(contents(shape));
    values_.push_back(v);
  }

  Value parameter(const Shape& shape) {
    cells.push_back(std::make_shared<Cell>("w" + std::to_string(cells.size()), contents(shape)));
    return graph.read(cells.back());
  }

  Value slot() {
    inputs.scalars.push_back(0.25 + 0.25 * number(4));
    return graph.scalar("s" + std::to_string(inputs.scalars.size()));
  }

  void add_op() {
    const Value v = make_op();
    // Keeps numbers in a range where f32 and f64 stay comparable.
    if (v.defined() && v.shape().count() < 20000) values_.push_back(ops::tanh(v));
    if (v.defined() && number(4) == 0 && v.shape().count() < 20000) values_.push_back(v);
  }

  Value make_op() {
    const Value x = any();
    if (wide_ && number(2)) return layer(any(4));
    switch (number(22)) {
      case 0:
        return ops::exp(x);
      case 1:
        return ops::relu(x);
      case 2:
        return ops::sigmoid(x) * slot();
      case 3:
        return ops::sqrt(ops::abs(x) + 1.0);
      case 4:
        return same_shape(x, [](Value a, Value b) { return a * b; });
      case 5:
        return same_shape(x, [](Value a, Value b) { return a - b; });
      case 6:
        return same_shape(x, [](Value a, Value b) { return ops::maximum(a, b); });
      case 7:
        return ops::select(ops::greater(x, graph.constant(0.1)), x, ops::neg(x));
      case 8:
        return x + parameter({x.shape().rank() ? x.shape()[-1] : 1});
      case 9:
        return x.shape().rank() ? ops::sum(x, {number_axis(x)}, number(2) == 0) : ops::exp(x);
      case 10:
        return ops::mean(x);
      case 11:
        return x.shape().rank() ? ops::softmax(x, number_axis(x)) : Value{};
      case 12:
        return ops::reshape(x, {x.shape().count()});
      case 13:
        return x.shape().rank() >= 2 ? ops::reshape(x, {x.shape()[0], x.shape().count(1)})
                                     : Value{};
      case 14:
        return permuted(x);
      case 15:
        return x.shape().rank() ? ops::concat({x, x * 0.5}, number_axis(x)) : Value{};
      case 16:
        return sliced(x);
      case 17:
      case 18:
        return convolved(any(4));
      case 19:
        return pooled(any(4));
      case 20:
      case 21:
        return multiplied(any(2));
    }
    return {};
  }

  int number_axis(Value x) { return x.shape().rank() ? number(x.shape().rank()) : 0; }

  template <typename F>
  Value same_shape(Value x, F f) {
    for (int tries = 0; tries < 10; ++tries)
      if (const Value y = any(); y.shape() == x.shape()) return f(x, y);
    return f(x, x);
  }

  Value permuted(Value x) {
    std::vector<int64_t> perm(x.shape().rank());
    for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
    std::shuffle(perm.begin(), perm.end(), random_);
    return ops::permute(x, perm);
  }

  Value sliced(Value x) {
    if (x.shape().rank() == 0 || x.shape()[-1] < 2) return {};
    std::vector<int64_t> starts(x.shape().rank(), 0), stops = x.shape().vec();
    starts.back() = 1;
    return ops::slice(x, starts, stops);
  }

  Value convolved(Value x) {
    if (!x.defined() || x.shape()[2] < 3 || x.shape()[3] < 3) return {};
    ops::ConvAttrs a{{pick({1, 2}), 1}, {1, 0}, {1, 0}, {1, 1}, 1};
    const int64_t out = wide_ ? pick({16, 24, 48}) : pick({1, 4, 9});
    const Value w = parameter({out, x.shape()[1], 3, pick({1, 3})}) * (wide_ ? 0.07 : 0.2);
    return number(2) ? ops::conv(x, w, a, parameter({out})) : ops::relu(ops::conv(x, w, a));
  }

  /// A convolution with the factors and offsets that normalisation leaves at inference, perhaps
  /// another value added, perhaps a bounded activation.
  Value normalised(Value x) {
    Value y = convolved(x);
    if (!y.defined()) return {};
    const int64_t c = y.shape()[1];
    if (number(2)) y = y - parameter({c, 1, 1});
    if (number(2)) y = y * parameter({1, c, 1, 1});
    if (number(2)) y = y / (ops::square(parameter({c, 1, 1})) + 0.5) + parameter({c, 1, 1});
    if (number(2)) y = same_shape(y, [](Value a, Value b) { return a + b; });
    return number(2) ? ops::clip(y, graph.constant(-0.5), graph.constant(0.75)) : ops::relu(y);
  }

  /// Normalised by the batch; factors and offsets inside or as ops of their own.
  Value by_batch(Value x) {
    const int64_t c = x.shape()[1];
    Value y;
    if (number(2))
      y = ops::batch_norm(x, 1e-3, parameter({c}), parameter({c})).y;
    else
      y = ops::batch_norm(x, 1e-3).y * parameter({c, 1, 1}) +
          ops::reshape(parameter({c}), {c, 1, 1});
    if (number(2)) y = same_shape(y, [](Value a, Value b) { return b + a; });
    return number(2) ? ops::relu(y) : y;
  }

  /// What nets of convolutions are made of.
  Value layer(Value x) {
    if (!x.defined()) return {};
    const int64_t c = x.shape()[1];
    switch (number(8)) {
      case 6:
      case 7:
        return normalised(x);
      case 0:
        return by_batch(x);
      case 1:
        return x + parameter({c, 1, 1});
      case 2:
        return same_shape(x, [](Value a, Value b) { return a + b; });
      case 3:
        return pooled(x);
      case 4:
        return ops::mean(x, {2, 3}, true);
      default:
        return convolved(x);
    }
  }

  Value pooled(Value x) {
    if (!x.defined() || x.shape()[2] < 2 || x.shape()[3] < 2) return {};
    const ops::PoolAttrs a{{2, 2}, {2, pick({1, 2})}, {0, 0}, {0, 0}, number(2) == 0};
    return number(2) ? ops::max_pool(x, a).y : ops::avg_pool(x, a);
  }

  Value multiplied(Value x) {
    if (!x.defined() || x.shape()[1] > 2000) return {};
    const int64_t out = pick({1, 5, 16});
    const Value y = ops::matmul(
        x, parameter({out, x.shape()[1]}) * (1.0 / static_cast<double>(x.shape()[1])), false, true);
    return number(2) ? ops::relu(y + parameter({out})) : y;
  }

  void fetch() {
    const int n = 1 + number(3);
    for (int i = 0; i < n; ++i) fetches.push_back(any());
  }

  /// A training step on the last value: gradients, and Cells assigned.
  void update() {
    if (cells.empty()) return;
    const Value loss = ops::mean(ops::square(values_.back()));
    std::vector<Value> ws;
    for (const CellRef& c : cells) ws.push_back(graph.read(c));
    const auto grads = gradients({loss}, ws);
    const Value rate = slot();
    for (size_t i = 0; i < ws.size(); ++i)
      if (grads[i].defined()) graph.assign(cells[i], ws[i] - grads[i] * rate);
    fetches.push_back(loss);
    for (const CellRef& c : cells) updates.push_back(graph.read(c));
  }

  std::mt19937 random_;
  bool wide_;
  int64_t batch_;
  std::vector<Value> values_;
};

/// Largest difference relative to the size of the reference values.
double difference(const Array& a, const RefTensor& b) {
  double scale = 1e-3, worst = 0;
  for (double v : b.data) scale = std::max(scale, std::abs(v));
  for (int64_t i = 0; i < a.count(); ++i) {
    const double d = std::abs(a.at(i) - b.data[i]);
    if (!(d <= worst)) worst = std::isnan(a.at(i)) && std::isnan(b.data[i]) ? worst : d;
  }
  return worst / scale;
}

/// Whether the plan had channel-blocked steps.
bool check(uint32_t seed, const std::string& disable, bool wide = false) {
  RandomGraph r(seed, wide);
  std::vector<Value> wanted = r.fetches;
  wanted.insert(wanted.end(), r.updates.begin(), r.updates.end());
  const std::vector<RefTensor> expected = interpret(r.graph, wanted, r.inputs);
  Options options;
  options.disable = disable;
  const Prepared p = prepare(r.graph, {}, r.fetches, true, options);
  run::Bindings b;
  for (int i : p.inputs) b.inputs.push_back(r.inputs.inputs[i]);
  for (int i : p.scalars) b.scalars.push_back(r.inputs.scalars[i]);
  b.cells = p.cells;
  std::vector<Array> out;
  run::execute(*p.plan, b, out);
  const auto compare = [&](const Array& a, size_t i) {
    // Chains of up to twenty f32 operations with sums over a few hundred terms.
    EXPECT_LE(difference(a, expected[i]), 3e-4)
        << "result " << i << " of seed " << seed << " disable \"" << disable << "\"\n"
        << to_text(r.graph) << plan_text(*p.plan);
  };
  for (size_t i = 0; i < out.size(); ++i) compare(out[i], i);
  for (size_t i = 0; i < r.updates.size(); ++i) compare(r.cells[i]->value(), r.fetches.size() + i);
  if (r.updates.empty()) {  // what was derived from the Cells follows them
    for (const CellRef& c : r.cells) {
      Array other = c->value().clone();
      for (float& v : other.span<float>()) v = 0.25f - v;
      c->set(other);
    }
    const std::vector<RefTensor> now = interpret(r.graph, wanted, r.inputs);
    run::execute(*p.plan, b, out);
    for (size_t i = 0; i < out.size(); ++i)
      EXPECT_LE(difference(out[i], now[i]), 3e-4)
          << "result " << i << " of seed " << seed << " with other Cells\n"
          << to_text(r.graph) << plan_text(*p.plan);
  }
  return std::any_of(p.plan->buffers.begin(), p.plan->buffers.end(), [](const auto& buffer) {
    return buffer.desc.format.kind == run::Format::channels;
  });
}

uint32_t seeds() {
  const char* text = std::getenv("TRIVIUM_FUZZ_SEEDS");
  return text ? static_cast<uint32_t>(std::atoi(text)) : 300;
}

TEST(GraphFuzz, PlansAgreeWithTheInterpreter) {
  ops::register_all();
  cpu::register_backend();
  for (uint32_t seed = 0; seed < seeds() && !HasFailure(); ++seed) check(seed, "");
}

TEST(GraphFuzz, PlansOfWideGraphsAgreeAndMixFormats) {
  ops::register_all();
  cpu::register_backend();
  uint32_t blocked = 0;
  for (uint32_t seed = 0; seed < seeds() && !HasFailure(); ++seed) blocked += check(seed, "", true);
  const bool has_blocks = !run::backend("cpu").formats(1).empty();
  if (has_blocks && !HasFailure()) {
    EXPECT_GT(blocked, seeds() / 10);
  }
}

TEST(GraphFuzz, AnyPassCanBeSwitchedOff) {
  ops::register_all();
  cpu::register_backend();
  for (const char* pass : {"simplify", "cse", "affine", "norm", "epilogue", "fuse", "layout",
                           "donate", "keep", "pieces", "windows"})
    for (uint32_t seed = 0; seed < seeds() / 10 && !HasFailure(); ++seed) check(seed, pass);
}

}  // namespace
}  // namespace trivium::compile
