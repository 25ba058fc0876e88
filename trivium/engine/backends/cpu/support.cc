// Shared helpers of the kernel files: cost prediction, plain placement, optional attributes.
#include "trivium/engine/backends/cpu/support.h"

namespace trivium::cpu {

double operand_bytes(const KernelRequest& request) {
  double bytes = 0;
  for (const TensorDesc& t : request.in) bytes += static_cast<double>(t.bytes());
  for (const TensorDesc& t : request.out) bytes += static_cast<double>(t.bytes());
  return bytes;
}

double predict_us(const KernelRequest& request, double flops, double efficiency) {
  const run::Machine& m = machine();
  const double compute =
      flops / (std::max(1, request.threads) * m.gflops_per_thread * 1e3 * efficiency);
  const double memory = operand_bytes(request) / (m.gbytes_per_second * 1e3);
  return std::max(compute, memory) + 1.0;
}

Placement plain_placement(const KernelRequest& request, double microseconds) {
  Placement p;
  p.in.assign(request.in.size(), kPlain);
  p.out.assign(request.out.size(), kPlain);
  p.microseconds = microseconds;
  return p;
}

PlaceFn place_plain(std::function<std::string(const KernelRequest&)> supported,
                    std::function<double(const KernelRequest&)> flops, double efficiency) {
  return [=](const KernelRequest& request, Format family,
             std::string& reason) -> std::optional<Placement> {
    if (family.kind != Format::plain) {
      reason = "works on plain operands only";
      return std::nullopt;
    }
    if (supported) {
      reason = supported(request);
      if (!reason.empty()) return std::nullopt;
    }
    return plain_placement(request, predict_us(request, flops ? flops(request) : 0.0, efficiency));
  };
}

bool takes_part(const TensorDesc& tensor, int64_t batch, int rank_at_least) {
  return tensor.shape.rank() >= rank_at_least && tensor.shape.rank() < Shape::kMaxRank &&
         tensor.shape[0] == batch;
}

Ints ints_or(const Attrs& attrs, const std::string& name, Ints fallback) {
  if (!attrs.has(name)) return fallback;
  const Ints& given = attrs.integers(name);
  return given.empty() ? fallback : given;
}
int64_t int_or(const Attrs& attrs, const std::string& name, int64_t fallback) {
  return attrs.has(name) ? attrs.integer(name) : fallback;
}
bool flag_or(const Attrs& attrs, const std::string& name, bool fallback) {
  return attrs.has(name) ? attrs.flag(name) : fallback;
}
double real_or(const Attrs& attrs, const std::string& name, double fallback) {
  return attrs.has(name) ? attrs.real(name) : fallback;
}
bool wants_relu(const Attrs& attrs) {
  if (!attrs.has("activation")) return false;
  const std::string& activation = attrs.string("activation");
  if (activation == "clip") return false;  // see finish.h
  if (activation != "none" && activation != "relu" && !activation.empty())
    internal_error("activation \"{}\" has no cpu kernel", activation);
  return activation == "relu";
}

std::string floating_only(const KernelRequest& request) {
  const DType dtype = request.in.empty() ? request.out[0].dtype : request.in[0].dtype;
  if (dtype == DType::f32 || dtype == DType::f64) return "";
  return fmt::format("computes in float32 and float64, not {}", name_of(dtype));
}

bool has_empty(const KernelRequest& request) {
  for (const auto* list : {&request.in, &request.out})
    for (const TensorDesc& t : *list)
      if (t.shape.count() == 0) return true;
  return false;
}

std::string numeric_only(const KernelRequest& request) {
  for (const auto* list : {&request.in, &request.out})
    for (const TensorDesc& t : *list)
      if (!is_numeric(t.dtype)) return fmt::format("does not compute in {}", name_of(t.dtype));
  return "";
}

}  // namespace trivium::cpu
