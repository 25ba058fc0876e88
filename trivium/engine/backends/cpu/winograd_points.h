// The points 0, ±a, ±b, ∞ on which the Winograd kernels with 6x6 tiles evaluate polynomials, and
// the constants that follow. With the usual 1 and 2 the transforms multiply rounding by about ten;
// with 5/8 and 3/2 by about five, for the same work (Barabasz et al., "Error analysis and improving
// the accuracy of Winograd convolution for deep neural networks", 2020, on the choice of points).
// All but the three divisions are exact in float32.
#pragma once

namespace trivium::cpu::winograd {

constexpr float kA = 0.625f, kA2 = kA * kA, kA3 = kA2 * kA, kA4 = kA2 * kA2;
constexpr float kB = 1.5f, kB2 = kB * kB, kB3 = kB2 * kB, kB4 = kB2 * kB2;
constexpr float kSum2 = kA2 + kB2, kProduct2 = kA2 * kB2;

// Rows of G are scaled by one over the product of a point's distances to the other finite points.
constexpr float kScale0 = 1 / kProduct2;
constexpr float kScaleA = 1 / (2 * kA2 * (kA2 - kB2)), kScaleB = 1 / (2 * kB2 * (kB2 - kA2));

}  // namespace trivium::cpu::winograd
