// Time of fused elementwise programs: the Adam and momentum chains and a bias + activation, at
// sizes that live in the caches and in DRAM, against the same arithmetic as separate passes and as
// hand-written loops.
//
//   kernels_bytecode [threads]
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "trivium/engine/backends/cpu/bytecode.h"
#include "trivium/engine/backends/cpu/vector_math.h"
#include "trivium/engine/core/array.h"
#include "trivium/engine/core/parallel.h"

namespace trivium::cpu {
namespace {

using enum ScalarOp;

constexpr float kBeta1 = 0.9f, kBeta2 = 0.999f, kEpsilon = 1e-8f, kRate = 1e-6f, kDecay = 1e-4f;

/// Median and best time of one call in microseconds, over about a third of a second.
struct Time {
  double median, best;
};
Time measure(const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  const auto seconds = [](Clock::duration d) { return std::chrono::duration<double>(d).count(); };
  call();
  const auto first = Clock::now();
  call();
  const int repeat =
      std::max(1, static_cast<int>(100e-6 / std::max(1e-9, seconds(Clock::now() - first))));
  std::vector<double> samples;
  for (const auto start = Clock::now(); seconds(Clock::now() - start) < 0.35;) {
    const auto t = Clock::now();
    for (int i = 0; i < repeat; ++i) call();
    samples.push_back(seconds(Clock::now() - t) / repeat * 1e6);
  }
  std::sort(samples.begin(), samples.end());
  return {samples[samples.size() / 2], samples[0]};
}

struct Chain {
  std::string name;
  std::function<Program(const Shape&)> program;
  int arrays;                // leading inputs of the space's shape
  std::vector<int> outputs;  // the input whose memory each output takes
  std::vector<float> scalars;
  std::function<void(float* const*, int64_t, int64_t)> loop;  // hand-written
};

Program adam(const Shape& shape) {
  Program p(shape);
  const auto w = p.input(DType::f32, shape), g = p.input(DType::f32, shape);
  const auto m = p.input(DType::f32, shape), v = p.input(DType::f32, shape);
  const auto rate = p.input(DType::f32, Shape{});
  const auto m2 =
      p.apply(add, p.apply(mul, m, p.constant(kBeta1)), p.apply(mul, g, p.constant(1 - kBeta1)));
  const auto gg = p.apply(mul, p.apply(mul, g, g), p.constant(1 - kBeta2));
  const auto v2 = p.apply(add, p.apply(mul, v, p.constant(kBeta2)), gg);
  const auto down = p.apply(add, p.apply(sqrt, v2), p.constant(kEpsilon));
  p.output(p.apply(sub, w, p.apply(div, p.apply(mul, m2, rate), down)), DType::f32);
  p.output(m2, DType::f32);
  p.output(v2, DType::f32);
  return p;
}

void adam_loop(float* const* a, int64_t begin, int64_t end) {
  float *w = a[0], *g = a[1], *m = a[2], *v = a[3];
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    m[i] = m[i] * kBeta1 + g[i] * (1 - kBeta1);
    v[i] = v[i] * kBeta2 + g[i] * g[i] * (1 - kBeta2);
    w[i] -= m[i] * kRate / (__builtin_sqrtf(v[i]) + kEpsilon);
  }
}

Program momentum(const Shape& shape) {
  Program p(shape);
  const auto w = p.input(DType::f32, shape), g = p.input(DType::f32, shape),
             h = p.input(DType::f32, shape);
  const auto rate = p.input(DType::f32, Shape{}), decay = p.input(DType::f32, Shape{});
  const auto mu = p.input(DType::f32, Shape{});
  const auto step = p.apply(mul, rate, p.apply(add, g, p.apply(mul, decay, w)));
  const auto h2 = p.apply(add, p.apply(mul, mu, h), step);
  p.output(p.apply(sub, w, h2), DType::f32);
  p.output(h2, DType::f32);
  return p;
}

void momentum_loop(float* const* a, int64_t begin, int64_t end) {
  float *w = a[0], *g = a[1], *h = a[2];
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    h[i] = kBeta1 * h[i] + kRate * (g[i] + kDecay * w[i]);
    w[i] -= h[i];
  }
}

Program gelu(const Shape& shape) {
  Program p(shape);
  const auto x = p.input(DType::f32, shape);
  const auto phi =
      p.apply(add, p.apply(erf, p.apply(mul, x, p.constant(0.70710678))), p.constant(1));
  p.output(p.apply(mul, p.apply(mul, x, p.constant(0.5)), phi), DType::f32);
  return p;
}

void gelu_loop(float* const* a, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i)
    a[0][i] = 0.5f * a[0][i] * (1 + std::erf(a[0][i] * 0.70710678f));
}

/// The program one operation at a time, each a pass over memory on the thread team.
void separate_passes(const Program& p, float* const* arrays, const std::vector<float>& scalars,
                     std::vector<std::vector<float>>& values, int64_t n) {
  values.resize(p.value_count());
  std::vector<const float*> at(p.value_count());
  const auto filled = [&](int value, float number) {
    if (values[value].empty()) values[value].assign(n, number);
    at[value] = values[value].data();
  };
  for (size_t i = 0, scalar = 0; i < p.inputs().size(); ++i) {
    const auto& in = p.inputs()[i];
    if (in.strides[0] == 0)
      filled(in.value, scalars[scalar++]);
    else
      at[in.value] = arrays[i];
  }
  for (const auto& c : p.constants()) filled(c.value, static_cast<float>(c.number));
  for (const auto& i : p.instructions()) {
    values[i.dst].resize(n);
    float* dst = values[i.dst].data();
    at[i.dst] = dst;
    parallel_for(n, 1 << 14, [&](int64_t b, int64_t e) {
      trivium::cpu::apply(i.op, at[i.a] + b, i.b < 0 ? nullptr : at[i.b] + b,
                          i.c < 0 ? nullptr : at[i.c] + b, dst + b, e - b);
    });
  }
}

const Chain kChains[] = {
    {"adam", adam, 4, {0, 2, 3}, {kRate}, adam_loop},
    {"momentum", momentum, 3, {0, 2}, {kRate, kDecay, kBeta1}, momentum_loop},
    {"gelu", gelu, 1, {0}, {}, gelu_loop},
};

void report(const Chain& chain, int64_t n) {
  const Program program = chain.program(Shape{n});
  const ElementwiseKernel kernel(program);
  std::vector<Array> arrays;
  std::vector<float*> memory;
  std::vector<const void*> in;
  std::vector<void*> out;
  for (int i = 0; i < chain.arrays; ++i) arrays.push_back(Array::full(Shape{n}, 0.5 + i));
  for (const Array& a : arrays) memory.push_back(a.data<float>()), in.push_back(a.raw());
  for (const float& s : chain.scalars) in.push_back(&s);
  for (int k : chain.outputs) out.push_back(arrays[k].raw());
  std::vector<std::vector<float>> values;
  const Time separate =
      measure([&] { separate_passes(program, memory.data(), chain.scalars, values, n); });
  const Time fused = measure([&] { kernel.run(in.data(), out.data()); });
  const Time loop = measure([&] {
    parallel_for(n, 1 << 14, [&](int64_t b, int64_t e) { chain.loop(memory.data(), b, e); });
  });
  const double bytes =
      4.0 * static_cast<double>(n) * static_cast<double>(chain.arrays + chain.outputs.size());
  std::printf("%-10s %9lld %7d %12.1f %12.1f %12.1f %12.1f %10.1f\n", chain.name.c_str(),
              static_cast<long long>(n), kernel.tape_length(), separate.median, fused.median,
              fused.best, loop.median, bytes / fused.median * 1e-3);
}

}  // namespace
}  // namespace trivium::cpu

int main(int argc, char** argv) {
  using namespace trivium::cpu;
  using trivium::set_threads, trivium::threads;
  if (argc > 1) set_threads(std::atoi(argv[1]));
  std::printf("%d threads, %s kernels; microseconds per call (median unless said)\n", threads(),
              vector_kernels().target);
  std::printf("%-10s %9s %7s %12s %12s %12s %12s %10s\n", "chain", "elements", "steps", "separate",
              "bytecode", "best", "plain loop", "GB/s");
  for (const Chain& chain : kChains)
    for (int64_t n : {int64_t{1} << 10, int64_t{1} << 14, int64_t{1} << 17, int64_t{1} << 22})
      report(chain, n);
  return 0;
}
