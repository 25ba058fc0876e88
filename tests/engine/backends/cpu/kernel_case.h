// Runs one kernel entry on one sample of an op in one memory format, with traps: NaN in the lanes
// past the batch, garbage in scratch and results, guard bytes behind every result. Independent of
// the reorder kernels.
#pragma once

#include <cmath>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/engine/ops/sample_inputs.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/graph/op.h"
#include "trivium/engine/run/backend.h"

namespace trivium::testing {

/// 64-byte aligned bytes with a guard behind them.
class Block {
 public:
  explicit Block(size_t bytes, int fill = 0xCD)
      : bytes_(bytes), raw_(bytes + 128 + kGuard, static_cast<char>(fill)) {
    std::memset(data() + bytes_, kPattern, kGuard);
  }
  char* data() const {
    const auto at = reinterpret_cast<uintptr_t>(raw_.data());
    return const_cast<char*>(raw_.data()) + ((at + 63) / 64 * 64 - at);
  }
  bool guard_intact() const {
    for (size_t i = 0; i < kGuard; ++i)
      if (data()[bytes_ + i] != static_cast<char>(kPattern)) return false;
    return true;
  }

 private:
  static constexpr size_t kGuard = 64;
  static constexpr int kPattern = 0x5A;
  size_t bytes_;
  std::vector<char> raw_;
};

/// Byte position of logical element `index` in memory of that format.
inline size_t place_of(const run::TensorDesc& t, int64_t index) {
  const size_t size = size_of(t.dtype);
  if (t.format.kind == run::Format::plain) return static_cast<size_t>(index) * size;
  const int axis = t.format.kind == run::Format::nblock ? 0 : 1;
  const int64_t inner = t.shape.count(axis + 1), n = index / inner % t.shape[axis],
                outer = index / inner / t.shape[axis];
  const int64_t lanes = t.format.lanes, blocks = (t.shape[axis] + lanes - 1) / lanes;
  return static_cast<size_t>(((outer * blocks + n / lanes) * inner + index % inner) * lanes +
                             n % lanes) *
         size;
}

/// The array in that format; everything that is not an element is all ones (NaN, 255, -1) in batch
/// blocks, and zero in channel blocks, as the format promises.
inline Block spread(const run::TensorDesc& t, const Array& a) {
  Block b(t.bytes(), t.format.kind == run::Format::channels ? 0 : 0xFF);
  const size_t size = size_of(t.dtype);
  for (int64_t i = 0; i < t.shape.count(); ++i)
    std::memcpy(b.data() + place_of(t, i),
                static_cast<const char*>(a.raw()) + static_cast<size_t>(i) * size, size);
  return b;
}
inline Array gather(const run::TensorDesc& t, const Block& b) {
  Array a(t.shape, t.dtype);
  const size_t size = size_of(t.dtype);
  for (int64_t i = 0; i < t.shape.count(); ++i)
    std::memcpy(static_cast<char*>(a.raw()) + static_cast<size_t>(i) * size,
                b.data() + place_of(t, i), size);
  return a;
}

/// Whether channels past the end are zero, as the format promises. Bytes (positions of maxima) may
/// be anything there: what they route is zero.
inline bool idle_channels_zero(const run::TensorDesc& t, const Block& b) {
  if (t.format.kind != run::Format::channels || t.dtype != DType::f32) return true;
  std::vector<char> real(t.bytes() / sizeof(float), 0);
  for (int64_t i = 0; i < t.shape.count(); ++i) real[place_of(t, i) / sizeof(float)] = 1;
  const float* at = reinterpret_cast<const float*>(b.data());
  for (size_t i = 0; i < real.size(); ++i)
    if (!real[i] && !(at[i] == 0)) return false;
  return true;
}

/// One sample of one op: arrays, complete attributes, and what the reference says.
struct Case {
  const OpDef* op;
  std::shared_ptr<const Attrs> attrs;
  std::vector<Array> in;
  std::vector<ValueMeta> out;
  std::vector<RefTensor> expected;
  std::string text;

  Case(const OpDef& def, const Sample& sample, bool wide)
      : op(&def), attrs(complete_attrs(def, sample.attrs)) {
    std::vector<ValueMeta> metas;
    for (size_t i = 0; i < sample.inputs.size(); ++i) {
      in.push_back(sample_array(sample.inputs[i], 7, static_cast<int>(i), wide));
      metas.push_back({in.back().shape(), in.back().dtype()});
    }
    text = sample_text(def, sample) + (wide ? " in float64" : "");
    InferCtx infer(def, metas, *attrs, "");
    def.infer()(infer);
    out = infer.outputs();
  }
  void compute_reference() {
    std::vector<RefTensor> inputs(in.size());
    expected.resize(out.size());
    RefCtx ref{*attrs, {}, {}};
    for (size_t i = 0; i < in.size(); ++i) {
      inputs[i] = {in[i].shape(), in[i].dtype(),
                   std::vector<double>(static_cast<size_t>(in[i].count()))};
      for (int64_t k = 0; k < in[i].count(); ++k)
        inputs[i].data[static_cast<size_t>(k)] = in[i].at(k);
      ref.in.push_back(&inputs[i]);
    }
    for (size_t i = 0; i < out.size(); ++i) {
      expected[i] = {out[i].shape, out[i].dtype,
                     std::vector<double>(static_cast<size_t>(out[i].shape.count()), 0.0)};
      ref.out.push_back(&expected[i]);
    }
    op->reference()(ref);
  }
  run::KernelRequest request() const {
    run::KernelRequest r{op->name(), attrs.get(), {}, {}, threads()};
    for (const Array& a : in) r.in.push_back({a.shape(), a.dtype(), {}});
    for (const ValueMeta& m : out) r.out.push_back({m.shape, m.dtype, {}});
    return r;
  }
};

struct RunResult {
  std::vector<Array> out;
  bool guards_intact = true, idle_zero = true;
  std::string kernel;
};

/// Builds and runs the entry with the placement's formats. `in_place` writes that output over that
/// input.
inline RunResult run_entry(const run::KernelEntry& entry, const Case& c,
                           const run::Placement& placement,
                           std::optional<std::pair<int, int>> in_place = {}, int repeats = 1,
                           void (*before_last)() = nullptr, void (*after_last)() = nullptr) {
  run::KernelRequest r = c.request();
  for (size_t i = 0; i < r.in.size(); ++i) r.in[i].format = placement.in.at(i);
  for (size_t i = 0; i < r.out.size(); ++i) r.out[i].format = placement.out.at(i);
  const run::Kernel kernel = entry.build(r);
  std::vector<Block> in, out;
  for (size_t i = 0; i < r.in.size(); ++i) in.push_back(spread(r.in[i], c.in[i]));
  for (const auto& t : r.out) out.emplace_back(t.bytes());
  Block scratch(kernel.scratch_bytes, 0xFF);
  std::vector<const void*> in_at;
  std::vector<void*> out_at;
  for (const Block& b : in) in_at.push_back(b.data());
  for (const Block& b : out) out_at.push_back(b.data());
  if (in_place) out_at[in_place->second] = in[in_place->first].data();
  const run::KernelArgs args{in_at.data(), out_at.data(), scratch.data(), kernel.state.get()};
  for (int i = 0; i < repeats; ++i) {
    if (i + 1 == repeats && before_last) before_last();
    kernel.fn(args);
    if (i + 1 == repeats && after_last) after_last();
  }
  RunResult result;
  result.kernel = kernel.name;
  result.guards_intact = scratch.guard_intact();
  for (size_t i = 0; i < r.out.size(); ++i) {
    const bool over = in_place && in_place->second == static_cast<int>(i);
    const Block& memory = over ? in[in_place->first] : out[i];
    result.out.push_back(gather(r.out[i], memory));
    result.idle_zero &= idle_channels_zero(r.out[i], memory);
    result.guards_intact &= out[i].guard_intact();
  }
  for (const Block& b : in) result.guards_intact &= b.guard_intact();
  return result;
}

/// Half the distance of 1 to the next number; 0 for what is exact.
inline double precision_of(DType dtype) {
  switch (dtype) {
    case DType::f64:
      return 0x1p-53;
    case DType::f32:
      return 0x1p-24;
    case DType::f16:
      return 0x1.01p-11;  // and what float32 adds to it
    case DType::bf16:
      return 0x1.01p-8;
    default:
      return 0;
  }
}

/// "" when every element is as expected, else the first that is not. Errors are allowed in units of
/// the dtype's precision, relative to the element or to `scale`, whichever is larger.
inline std::string difference(const Array& got, const RefTensor& want, double steps = 32) {
  const double unit = precision_of(want.dtype);
  if (want.dtype == DType::f16 || want.dtype == DType::bf16) steps = 1;  // float32, rounded once
  for (int64_t i = 0; i < got.count(); ++i) {
    const double a = got.at(i), b = want.data[static_cast<size_t>(i)];
    if (std::isnan(a) && std::isnan(b)) continue;
    if (a == b || std::abs(a - b) <= steps * unit * std::max(1.0, std::abs(b))) continue;
    return fmt::format("element {} of {}: {} expected, {} received", i, want.shape.text(), b, a);
  }
  return "";
}

}  // namespace trivium::testing
