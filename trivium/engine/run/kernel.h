// What a backend offers: kernels by op name. A kernel says which memory formats it can work in,
// what it would cost, and builds a frozen function. This layer knows arrays and attributes, never
// graphs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "trivium/engine/core/attrs.h"
#include "trivium/engine/core/dtype.h"
#include "trivium/engine/core/shape.h"

namespace trivium::run {

/// How a value lies in memory inside a plan.
///   plain:     row-major
///   nblock(L): [ceil(N/L)][rest…][L]: axis 0 split in blocks of L lanes, the lane index innermost.
///   Lanes
///              past N hold anything.
///   channels(B): [N][ceil(C/B)][spatial…][B] for rank >= 3; channels past C are zero.
struct Format {
  enum Kind : uint8_t { plain, nblock, channels } kind = plain;
  uint8_t lanes = 0;
  friend bool operator==(const Format&, const Format&) = default;
  std::string text() const;  // "plain", "n16", "c16"
};

struct TensorDesc {
  Shape shape;  // logical
  DType dtype = DType::f32;
  Format format;
  /// Of a plain tensor that lies inside a larger one: elements from one index to the next, an entry
  /// an axis, the last one 1. Empty: the tensor lies alone.
  std::vector<int64_t> strides = {};
  /// Bytes in memory, padding included.
  size_t bytes() const;
  /// The row-major shape of the memory: [7, 32, 16, 16, 16] for n16 of [100, 32, 16, 16].
  Shape physical() const;
};

class RunMemory;

/// Arguments of one execution: pointers in operand order. An absent optional operand is null.
struct KernelArgs {
  const void* const* in;
  void* const* out;
  void* scratch;
  const void* state;
  RunMemory* run = nullptr;  // of the run in progress: only steps that run other plans use it
};
using KernelFn = void (*)(const KernelArgs&);

/// What a kernel is asked for: operands with logical shapes (formats set from the chosen candidate
/// when building), attributes, threads.
struct KernelRequest {
  std::string op;
  const Attrs* attrs = nullptr;
  std::vector<TensorDesc> in, out;
  int threads = 1;
  /// Bit i: operand i is the same in many runs, so what is derived from it alone costs nothing.
  uint32_t steady = 0;
  /// Bit i: operand i comes as KernelEntry::pack leaves it.
  uint32_t packed = 0;
};

struct Kernel {
  KernelFn fn = nullptr;
  std::shared_ptr<const void> state;  // what `fn` needs: sizes, programs, library handles
  size_t scratch_bytes = 0;
  std::string name;  // for traces: "conv2d:nblock"
};

/// Brings one operand into the form that a kernel reads fastest, `bytes` long.
struct Packing {
  Kernel kernel;  // one operand in, one out
  size_t bytes = 0;
};

/// One way to place the operands, with the predicted time of a run.
struct Placement {
  std::vector<Format> in, out;
  double microseconds = 0;
};

struct KernelEntry {
  std::string op;
  std::string name;
  /// Placement when the operands come in `family` (plain, or nblock/channels with the lanes to
  /// use); nullopt with `reason` set when this kernel declines. Operands that stay plain say so.
  std::function<std::optional<Placement>(const KernelRequest&, Format family, std::string& reason)>
      place;
  std::function<Kernel(const KernelRequest&)> build;
  /// (input, output) pairs that may share memory when the input dies here.
  std::vector<std::pair<int, int>> in_place;
  /// How operand `operand` is packed before a run that `build` is told of by KernelRequest::packed;
  /// nullopt (or no function) where there is nothing to gain.
  std::function<std::optional<Packing>(const KernelRequest&, int operand)> pack;
  /// Whether plain operands and results may lie inside larger tensors (TensorDesc::strides).
  bool windows = false;
};

/// The kernels of one backend. Entries of an op are tried in order; the cheapest placement wins.
class KernelTable {
 public:
  void add(KernelEntry entry) { entries_.push_back(std::move(entry)); }
  std::vector<const KernelEntry*> of(const std::string& op) const;
  const std::vector<KernelEntry>& all() const { return entries_; }

 private:
  std::vector<KernelEntry> entries_;
};

}  // namespace trivium::run
