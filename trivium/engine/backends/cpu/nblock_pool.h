// Pooling and local response normalisation on batch-blocked activations (layout: nblock_conv.h).
// All of it works lane by lane, so idle lanes stay idle: whatever they hold never reaches a lane of
// the batch.
#pragma once

#include <cstdint>

namespace trivium::cpu::nblock {

struct PoolShape {
  int64_t batch = 1, channels = 1, in_h = 1, in_w = 1, out_h = 1, out_w = 1;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
  /// Average pooling divides by the window clipped to the padded image (true) or to the image
  /// (false).
  bool count_padding = true;
  bool nan_wins = false;  // the last NaN of a window is its maximum
  int lanes = 16;
};

/// In `positions`, a window without a pixel.
constexpr uint8_t kNoPosition = 255;

/// y = maximum over the part of the window inside the image; positions (u8, shaped like y) =
/// kernel_y * kernel_w + kernel_x of the first maximum in row-major order. NaN is chosen only when
/// all are NaN; then the first pixel. With nan_wins the last NaN is chosen. An empty window gives
/// -FLT_MAX and kNoPosition. positions may be null. Throws UserError for kernels of more than 255
/// elements when positions are wanted.
void max_pool_forward(const PoolShape& shape, const float* x, float* y, uint8_t* positions);
/// dx = dy routed to the stored positions; every element of dx is written.
void max_pool_backward(const PoolShape& shape, const float* dy, const uint8_t* positions,
                       float* dx);

/// y = sum over the pixels of the window / divisor (see count_padding); 0 for an empty window.
void average_pool_forward(const PoolShape& shape, const float* x, float* y);
void average_pool_backward(const PoolShape& shape, const float* dy, float* dx);

/// Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3, with alpha
/// divided by size): s_c = k + alpha/size * Σ x_c'^2 over the size channels around c; y = x *
/// s^-beta.
struct LrnShape {
  int64_t batch = 1, channels = 1, spatial = 1;  // spatial = h * w
  int64_t size = 5;                              // odd
  float alpha = 1.f, beta = 0.75f, k = 1.f;
  int lanes = 16;
};
void lrn_forward(const LrnShape& shape, const float* x, float* y);
/// dx = dy s^-beta - 2 alpha beta/size * x Σ dy y/s; recomputes s from x, so forward saves nothing.
void lrn_backward(const LrnShape& shape, const float* x, const float* dy, float* dx);

}  // namespace trivium::cpu::nblock
