// What the files behind onednn.h and onednn_blocked.h share: the engine and a stream for each
// thread.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

namespace trivium::cpu::onednn {

inline const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

inline dnnl::stream& stream() {
  thread_local dnnl::stream s(engine());
  return s;
}

}  // namespace trivium::cpu::onednn
