// Winograd passes behind the `algorithm` argument of nblock_conv.h. Internal to nblock_*.cc.
#pragma once

#include <cstddef>

#include "trivium/engine/backends/cpu/nblock_conv.h"

namespace trivium::cpu::nblock {

/// Whether the shape has a Winograd form: 3x3 or 5x5, stride and dilation 1.
bool winograd_possible(const ConvShape& shape);
/// Modelled time of Winograd over that of the direct kernel; below 1 it wins.
double winograd_advantage(const ConvShape& shape, Pass pass);

/// The weight gradient's time in vector operations, one group, and its scratch.
double winograd_gradient_cost(const ConvShape& shape);
size_t winograd_gradient_bytes(const ConvShape& shape);

size_t winograd_scratch_bytes(const ConvShape& shape, Pass pass);
void winograd_forward(const ConvShape& shape, const float* x, const float* w, const float* bias,
                      Activation activation, float slope, float* y, void* scratch);
void winograd_backward_data(const ConvShape& shape, const float* dy, const float* w, float* dx,
                            void* scratch);
void winograd_backward_weights(const ConvShape& shape, const float* x, const float* dy, float* dw,
                               float* db, void* scratch);

}  // namespace trivium::cpu::nblock
