// Sums over the planes of channel-blocked activations [n][C/B][h·w][B]: batch normalisation and
// reductions to one number a channel.
#pragma once

#include <cstddef>
#include <cstdint>

namespace trivium::cpu::c16 {

struct Planes {
  int64_t images = 1, channels = 1, plane = 1;
  int lanes = 16;

  int64_t blocks() const { return (channels + lanes - 1) / lanes; }
  int64_t block_size() const { return plane * lanes; }
  double count() const { return static_cast<double>(images * plane); }
  /// For every function below.
  size_t scratch_bytes() const {
    return static_cast<size_t>(images * blocks() * lanes) * 2 * sizeof(double);
  }
};

struct NormForward {
  const float *x, *gamma, *beta;  // gamma and beta may be null
  const float* addend;            // may be null
  float *y, *mean, *variance, *invstd;
  double eps;
  bool relu;
};
/// Population variance; y may be x. Channels past the end become zero.
void norm_forward(const Planes& s, const NormForward& a, double* scratch);

struct NormBackward {
  const float *dy, *x, *mean, *invstd, *gamma;  // gamma may be null
  const float* y;  // output of a relu that dy passes first; may be null
  float *dx, *dgamma, *dbeta;
};
/// dx may be dy.
void norm_backward(const Planes& s, const NormBackward& a, double* scratch);

/// out[c] = scale * the sum over images and planes.
void sum_channels(const Planes& s, const float* x, double scale, float* out, double* scratch);
/// out[n][C/B][B] = scale * the sum over the plane.
void sum_planes(const Planes& s, const float* x, double scale, float* out);

}  // namespace trivium::cpu::c16
