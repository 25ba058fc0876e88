// Puts the kernel families together and says what the machine can do.
#include "trivium/engine/backends/cpu/backend.h"

#include <mutex>

#include "trivium/engine/backends/cpu/nblock_conv.h"
#include "trivium/engine/backends/cpu/support.h"

namespace trivium::cpu {
namespace {

/// What a thread of current machines does at each vector width. Known numbers, not timings: plans,
/// and with them the bits of results, must not depend on how busy the machine was. Only ratios
/// matter for the choices made from them.
run::Machine known() {
  run::Machine m;
  const int lanes = nblock::vector_lanes(16);
  m.gflops_per_thread = lanes >= 16 ? 110 : lanes >= 8 ? 70 : 15;
  m.gbytes_per_second = 55;  // of two threads; tensors of a step are mostly in cache
  m.step_microseconds = 0.3;
  m.name = fmt::format("cpu, {} float lanes", lanes);
  return m;
}

class CpuBackend final : public run::Backend {
 public:
  CpuBackend() {
    for (auto add :
         {register_elementwise, register_reduce, register_matmul, register_conv, register_pool,
          register_lrn, register_norm, register_layer_norm, register_softmax, register_loss,
          register_shape, register_select_along, register_index, register_scatter, register_scan,
          register_random, register_reorder, register_c16})
      add(kernels_);
  }
  const std::string& name() const override { return name_; }
  const KernelTable& kernels() const override { return kernels_; }
  const run::Machine& machine() const override { return cpu::machine(); }
  std::vector<Format> formats(int64_t batch) const override {
    constexpr int64_t kLeastBatch = 4;   // fewer images leave most lanes of batch blocks idle
    constexpr int64_t kAmpleBatch = 16;  // fills batch blocks, which need no channels to be full
    std::vector<Format> formats;
    if (batch >= kLeastBatch)
      formats.push_back({Format::nblock, static_cast<uint8_t>(nblock::best_lanes(batch))});
    const int lanes = nblock::vector_lanes(16);
    if (batch < kAmpleBatch && lanes >= 8)
      formats.push_back({Format::channels, static_cast<uint8_t>(lanes)});
    return formats;
  }

 private:
  std::string name_ = "cpu";
  KernelTable kernels_;
};

}  // namespace

const run::Machine& machine() {
  static const run::Machine cpu = known();
  return cpu;
}

void register_backend() {
  static CpuBackend instance;
  static std::once_flag once;
  std::call_once(once, [] { run::register_backend(&instance); });
}

}  // namespace trivium::cpu
