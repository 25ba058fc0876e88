// The two inner loops of torch_random.cc that decide its speed, compiled once per SIMD level.
#pragma once

#include <cstdint>

namespace trivium::random::detail {

/// Next 624 words of the Mersenne twister, in place.
void mt_refill(uint32_t* words);
/// out[i] = words[i] tempered.
void mt_temper(const uint32_t* words, uint32_t* out, int64_t count);
/// out[i] = fma(word's low 24 bits * 2^-24, width, low); a result equal to `high` becomes `low`.
void uniform_floats(const uint32_t* words, float* out, int64_t count, float low, float high);
/// Turns blocks of 16 uniforms into 16 normals with PyTorch's polynomials, in place.
void normal_blocks(float* data, int64_t blocks, float mean, float std);

}  // namespace trivium::random::detail
