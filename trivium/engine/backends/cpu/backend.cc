// Puts the kernel families together and measures the machine once: a few milliseconds of
// multiply-adds and of copying, enough to rank formats, not to quote.
#include "trivium/engine/backends/cpu/backend.h"

#include <chrono>
#include <cstring>
#include <mutex>

#include "trivium/engine/backends/cpu/gemm.h"
#include "trivium/engine/backends/cpu/nblock_conv.h"
#include "trivium/engine/backends/cpu/support.h"

namespace trivium::cpu {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The best of several runs, in seconds: interruptions only ever slow one down.
template <typename Body>
double best_of(int runs, Body&& body) {
  double best = 1e9;
  for (int i = 0; i < runs; ++i) {
    const auto start = Clock::now();
    body();
    best = std::min(best, seconds_since(start));
  }
  return best;
}

/// A product of 96 × 128 × 256 stays in the L2 cache: 6.3 Mflop, about 60 µs.
double probe_gflops() {
  GemmShape s{.m = 96, .n = 128, .k = 256, .lda = 256, .ldb = 128, .ldc = 128};
  std::vector<float> a(s.m * s.k, 1.0f), b(s.k * s.n, 1.0f), c(s.m * s.n),
      scratch(gemm_scratch_bytes(s, 4) / 4);
  const double t = best_of(8, [&] {
    gemm(s, a.data(), b.data(), static_cast<const float*>(nullptr), c.data(), scratch.data(),
         false);
  });
  return 2.0 * static_cast<double>(s.m * s.n * s.k) / t / 1e9;
}

/// Copies 4 MiB on all threads; read and write count.
double probe_bandwidth() {
  constexpr int64_t kBytes = 4 << 20, kChunk = 256 << 10;
  std::vector<char> from(kBytes, 1), to(kBytes);
  const double t = best_of(4, [&] {
    parallel_for(kBytes, kChunk, [&](int64_t begin, int64_t end) {
      std::memcpy(to.data() + begin, from.data() + begin, static_cast<size_t>(end - begin));
    });
  });
  return 2.0 * kBytes / t / 1e9;
}

run::Machine probe() {
  run::Machine m;
  m.gflops_per_thread = std::clamp(probe_gflops(), 1.0, 1000.0);
  m.gbytes_per_second = std::clamp(probe_bandwidth(), 1.0, 2000.0);
  m.step_microseconds = 0.3;
  m.name = fmt::format("cpu, {} threads, {:.0f} GFLOP/s a thread, {:.0f} GB/s", threads(),
                       m.gflops_per_thread, m.gbytes_per_second);
  return m;
}

class CpuBackend final : public run::Backend {
 public:
  CpuBackend() {
    for (auto add : {register_elementwise, register_reduce, register_matmul, register_conv,
                     register_pool, register_lrn, register_norm, register_softmax, register_loss,
                     register_shape, register_index, register_random, register_reorder})
      add(kernels_);
  }
  const std::string& name() const override { return name_; }
  const KernelTable& kernels() const override { return kernels_; }
  const run::Machine& machine() const override { return cpu::machine(); }
  std::vector<Format> formats(int64_t batch) const override {
    constexpr int64_t kLeastBatch = 4;  // fewer images leave most lanes idle
    if (batch < kLeastBatch) return {};
    return {{Format::nblock, static_cast<uint8_t>(nblock::best_lanes(batch))}};
  }

 private:
  std::string name_ = "cpu";
  KernelTable kernels_;
};

}  // namespace

const run::Machine& machine() {
  static const run::Machine measured = probe();
  return measured;
}

void register_backend() {
  static CpuBackend instance;
  static std::once_flag once;
  std::call_once(once, [] { run::register_backend(&instance); });
}

}  // namespace trivium::cpu
