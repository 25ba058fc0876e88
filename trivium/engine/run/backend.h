// Backend: a device that runs plans. The compiler sees only this interface.
#pragma once

#include <string>

#include "trivium/engine/run/kernel.h"

namespace trivium::run {

/// What the machine can do, measured or known: bounds and cost models start here.
struct Machine {
  double gflops_per_thread = 50;   // f32 fused multiply-adds count two
  double gbytes_per_second = 10;   // main memory, all threads together
  double step_microseconds = 1.0;  // fixed cost of one step
  std::string name;
};

class Backend {
 public:
  virtual ~Backend() = default;
  virtual const std::string& name() const = 0;
  virtual const KernelTable& kernels() const = 0;
  virtual const Machine& machine() const = 0;
  /// Blocked formats worth trying for values whose axis 0 has `batch` elements, best first.
  virtual std::vector<Format> formats(int64_t batch) const = 0;
};

/// The CPU backend (defined in backends/cpu) registers itself here once; "cpu" is always there
/// after `cpu::register_backend()`. EnvironmentError with the list when the name is unknown.
Backend& backend(const std::string& name);
void register_backend(Backend* backend);

}  // namespace trivium::run
