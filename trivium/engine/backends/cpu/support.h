// What every kernel file shares: reading requests, predicting costs, building entries. The one
// idea: a kernel is a struct of frozen sizes with `void run(const KernelArgs&) const`.
#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <utility>

#include "trivium/engine/core/error.h"
#include "trivium/engine/core/parallel.h"
#include "trivium/engine/run/backend.h"

namespace trivium::cpu {

using run::Format;
using run::Kernel;
using run::KernelArgs;
using run::KernelEntry;
using run::KernelRequest;
using run::KernelTable;
using run::Placement;
using run::TensorDesc;

using Ints = std::vector<int64_t>;
using PlaceFn = std::function<std::optional<Placement>(const KernelRequest&, Format, std::string&)>;
using BuildFn = std::function<Kernel(const KernelRequest&)>;

inline constexpr Format kPlain{};

/// Elements a chunk of memory-bound work holds: 64 KiB of floats, about 5 µs.
inline constexpr int64_t kGrain = 16384;

template <typename T>
const T* input(const KernelArgs& args, int i) {
  return static_cast<const T*>(args.in[i]);
}
template <typename T>
T* output(const KernelArgs& args, int i = 0) {
  return static_cast<T*>(args.out[i]);
}

/// Wraps a struct that has `run`.
template <typename State>
Kernel kernel_of(std::string name, std::shared_ptr<const State> state, size_t scratch_bytes = 0) {
  return {[](const KernelArgs& args) { static_cast<const State*>(args.state)->run(args); },
          std::move(state), scratch_bytes, std::move(name)};
}
template <typename State>
Kernel kernel_of(std::string name, State state, size_t scratch_bytes = 0) {
  return kernel_of<State>(std::move(name), std::make_shared<const State>(std::move(state)),
                          scratch_bytes);
}

/// What this machine can do: constants of its vector width.
const run::Machine& machine();

/// Bytes of all operands in the formats they have.
double operand_bytes(const KernelRequest& request);
/// The prediction of every kernel: arithmetic at `efficiency` of the peak or memory traffic,
/// whichever is slower, and the fixed cost of a call.
double predict_us(const KernelRequest& request, double flops, double efficiency);

/// All operands plain.
Placement plain_placement(const KernelRequest& request, double microseconds);
/// A place function for kernels that take plain operands only; `supported` gives "" or a reason.
PlaceFn place_plain(std::function<std::string(const KernelRequest&)> supported,
                    std::function<double(const KernelRequest&)> flops = nullptr,
                    double efficiency = 0.05);

/// What `place` does for kernels that work on physical shapes: all tensors of rank >= 1 whose axis
/// 0 is the batch are in `family`. `batch` names the axis-0 size that makes an operand take part.
bool takes_part(const TensorDesc& tensor, int64_t batch, int rank_at_least = 1);

/// Position of an attribute axis that may count from the end.
inline int normalized_axis(int64_t axis, int rank) {
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}
/// An optional attribute.
Ints ints_or(const Attrs& attrs, const std::string& name, Ints fallback);
int64_t int_or(const Attrs& attrs, const std::string& name, int64_t fallback);
bool flag_or(const Attrs& attrs, const std::string& name, bool fallback);
double real_or(const Attrs& attrs, const std::string& name, double fallback);
bool wants_relu(const Attrs& attrs);

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Calls `f` with a null pointer of the element type; InternalError for types kernels never accept.
template <typename F>
auto visit_numeric(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f32:
      return f(static_cast<float*>(nullptr));
    case DType::f64:
      return f(static_cast<double*>(nullptr));
    case DType::i8:
      return f(static_cast<int8_t*>(nullptr));
    case DType::u8:
      return f(static_cast<uint8_t*>(nullptr));
    case DType::i16:
      return f(static_cast<int16_t*>(nullptr));
    case DType::i32:
      return f(static_cast<int32_t*>(nullptr));
    case DType::i64:
      return f(static_cast<int64_t*>(nullptr));
    case DType::bool_:
      return f(static_cast<bool*>(nullptr));
    default:
      internal_error("no cpu kernel computes in {}", name_of(dtype));
  }
}
template <typename F>
auto visit_floating(DType dtype, F&& f) {
  if (dtype == DType::f64) return f(static_cast<double*>(nullptr));
  if (dtype != DType::f32) internal_error("no cpu kernel computes in {}", name_of(dtype));
  return f(static_cast<float*>(nullptr));
}
template <typename F>
auto visit_index(DType dtype, F&& f) {
  if (dtype == DType::i64) return f(static_cast<int64_t*>(nullptr));
  if (dtype != DType::i32) internal_error("indices of {}", name_of(dtype));
  return f(static_cast<int32_t*>(nullptr));
}
/// Calls `f` with a null pointer of an unsigned integer of that many bytes: for moves of elements.
template <typename F>
auto visit_size(size_t bytes, F&& f) {
  switch (bytes) {
    case 1:
      return f(static_cast<uint8_t*>(nullptr));
    case 2:
      return f(static_cast<uint16_t*>(nullptr));
    case 4:
      return f(static_cast<uint32_t*>(nullptr));
    default:
      return f(static_cast<uint64_t*>(nullptr));
  }
}
template <typename Pointer>
using Pointee = std::remove_pointer_t<Pointer>;

inline bool is_numeric(DType d) { return d != DType::f16 && d != DType::bf16; }
/// "" when every operand is f32 or f64 alike, else why not.
std::string floating_only(const KernelRequest& request);
/// Whether some operand or result has no elements.
bool has_empty(const KernelRequest& request);
std::string numeric_only(const KernelRequest& request);

// One function per family file; backend.cc calls them all.
void register_elementwise(KernelTable& table);
void register_reduce(KernelTable& table);
void register_matmul(KernelTable& table);
void register_conv(KernelTable& table);
void register_pool(KernelTable& table);
void register_lrn(KernelTable& table);
void register_norm(KernelTable& table);
void register_layer_norm(KernelTable& table);
void register_softmax(KernelTable& table);
void register_loss(KernelTable& table);
void register_shape(KernelTable& table);
void register_select_along(KernelTable& table);
void register_index(KernelTable& table);
void register_scatter(KernelTable& table);
void register_scan(KernelTable& table);
void register_random(KernelTable& table);
void register_reorder(KernelTable& table);
void register_c16(KernelTable& table);

}  // namespace trivium::cpu
