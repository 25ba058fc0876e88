// Makes the inputs that the samples of op records ask for: from a seed, the same everywhere.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

#include "trivium/engine/graph/op.h"

namespace trivium::testing {

/// SplitMix64: enough for test data, and independent of the library under test.
class Splitmix {
 public:
  explicit Splitmix(uint64_t seed) : state_(seed) {}
  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
  }
  /// In [0, 1), never within 2^-53 of 1.
  double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  int64_t below(int64_t limit) {
    return static_cast<int64_t>(next() % static_cast<uint64_t>(limit));
  }

 private:
  uint64_t state_;
};

/// Numbers of a sample's operand `operand`. `distinct` values are multiples of 0.1 plus 0.05 in
/// random order, shifted by the operand's number: no two are equal within or between operands, none
/// is zero, an integer or halfway between two, so no kink lies within 0.01.
inline std::vector<double> sample_numbers(const SampleInput& in, uint64_t seed, int operand) {
  Splitmix random(seed * 1000003 + static_cast<uint64_t>(operand));
  std::vector<double> out(static_cast<size_t>(in.shape.count()));
  if (in.range == SampleInput::distinct) {
    const double middle = static_cast<double>(out.size() / 2);
    for (size_t i = 0; i < out.size(); ++i)
      out[i] = 0.1 * (static_cast<double>(i) - middle) + 0.05 + 0.013 * operand;
    for (size_t i = out.size(); i > 1; --i)
      std::swap(out[i - 1], out[random.below(static_cast<int64_t>(i))]);
    return out;
  }
  for (double& v : out) switch (in.range) {
      case SampleInput::positive:
        v = 0.5 + 1.5 * random.unit();
        break;
      case SampleInput::unit:
        v = 0.001 + 0.998 * random.unit();
        break;
      case SampleInput::integers:
        v = static_cast<double>(random.below(std::max<int64_t>(in.limit, 1)));
        break;
      case SampleInput::booleans:
        v = static_cast<double>(random.below(2));
        break;
      case SampleInput::bytes:
        v = static_cast<double>(random.below(256));
        break;
      case SampleInput::inside:
        v = 1.6 * random.unit() - 0.8;
        break;
      case SampleInput::above_one:
        v = 1.3 + 2 * random.unit();
        break;
      default:
        v = 2 * random.unit() - 1;
        break;
    }
  return out;
}

/// True for operands a derivative may be taken of.
inline bool is_continuous(const SampleInput& in) {
  return is_floating(in.dtype) && in.range != SampleInput::integers &&
         in.range != SampleInput::booleans && in.range != SampleInput::bytes;
}

/// The operand as an Array of its dtype, or of float64 when `wide` and it is continuous.
inline Array sample_array(const SampleInput& in, uint64_t seed, int operand, bool wide = false) {
  const std::vector<double> numbers = sample_numbers(in, seed, operand);
  Array a(in.shape, wide && is_continuous(in) ? DType::f64 : in.dtype);
  for (size_t i = 0; i < numbers.size(); ++i) a.set(static_cast<int64_t>(i), numbers[i]);
  return a;
}

/// "conv(float32[2, 3, 5, 4], float32[4, 3, 3, 2]) {groups=1, …}"
inline std::string sample_text(const OpDef& op, const Sample& sample) {
  std::string out = op.name() + "(";
  for (size_t i = 0; i < sample.inputs.size(); ++i)
    out += (i ? ", " : "") + std::string(name_of(sample.inputs[i].dtype)) +
           sample.inputs[i].shape.text();
  return out + ") {" + sample.attrs.text() + "}";
}

}  // namespace trivium::testing
