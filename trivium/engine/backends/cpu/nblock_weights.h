// Internal entry of nblock_conv_weights.cc; call conv_backward_weights.
#pragma once

#include "trivium/engine/backends/cpu/nblock_conv.h"

namespace trivium::cpu::nblock {

void direct_backward_weights(const ConvShape& shape, const float* x, const float* dy, float* dw,
                             float* db);

}  // namespace trivium::cpu::nblock
