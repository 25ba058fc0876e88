// Elementwise ops and fused groups: every one becomes a bytecode Program over the memory of its
// output. A batch-blocked output is the space [blocks, rest…, lanes]; operands without the batch
// have stride 0 along blocks and lanes. A channel-blocked one is [N, blocks, rest…, lanes].
#include <cstring>

#include "trivium/engine/backends/cpu/bytecode.h"
#include "trivium/engine/backends/cpu/strided_copy.h"
#include "trivium/engine/backends/cpu/support.h"
#include "trivium/engine/core/scalar_op.h"
#include "trivium/engine/ops/group.h"

namespace trivium::cpu {
namespace {

/// Wide arithmetic where float32 would lose bits.
bool needs_double(DType d) { return d == DType::f64 || d == DType::i32 || d == DType::i64; }

/// Integers compute in 64-bit integers; and they are converted from there, rounded once.
bool is_integral(const KernelRequest& r) {
  bool integer = false, floating = false;
  for (const TensorDesc& t : r.in) {
    integer |= is_integer(t.dtype) && (r.op != "cast" || needs_double(t.dtype));
    floating |= is_floating(t.dtype);
  }
  return integer && !floating;
}

DType arithmetic_of(const KernelRequest& r) {
  if (r.op != "elementwise_group" && is_integral(r)) return DType::i64;
  bool wide = false;
  for (const TensorDesc& t : r.in) wide |= needs_double(t.dtype);
  for (const TensorDesc& t : r.out) wide |= needs_double(t.dtype);
  return wide ? DType::f64 : DType::f32;
}

Program program_for(const KernelRequest& r) {
  const Shape space = r.out[0].physical();
  Program p(space, arithmetic_of(r));
  for (const TensorDesc& t : r.in) p.input(t.dtype, walk_strides(t, r.out[0]));
  return p;
}

struct Elementwise {
  ElementwiseKernel kernel;
  void run(const KernelArgs& args) const { kernel.run(args.in, args.out); }
};

Kernel compiled_padded(const KernelRequest& r, const Program& program);

Kernel compiled(const KernelRequest& r, const Program& program) {
  if (r.out[0].format.kind == Format::channels && r.out[0].shape[1] % r.out[0].format.lanes)
    return compiled_padded(r, program);
  const std::string format =
      r.out[0].format.kind == Format::plain ? "" : ":" + r.out[0].format.text();
  return kernel_of(r.op + format,
                   std::make_shared<const Elementwise>(Elementwise{ElementwiseKernel(program)}));
}

/// "" when bytecode reads and writes these operands.
std::string supported(const KernelRequest& r) {
  for (const TensorDesc& t : r.out)
    if (t.shape.rank() > Shape::kMaxRank) return "too many axes";
  return "";
}

/// Idle lanes hold anything, also zeros, by which integers are not divided.
bool divides_integers(const KernelRequest& r) {
  return is_integral(r) && (r.op == "mod" || r.op == "fmod" || r.op == "floor_div");
}

// ---- channel blocks
// -----------------------------------------------------------------------------

/// How an operand meets a channel-blocked result.
enum class Meeting : uint8_t {
  blocked,   // blocked as well
  vector,    // one number a channel, plain
  constant,  // the same for all channels, plain
  refused
};

Meeting meeting_of(const TensorDesc& in, const Shape& out) {
  const int axis = in.shape.rank() - (out.rank() - 1);
  if (axis < 0 || in.shape[axis] == 1)
    return out[1] == 1 && in.shape.rank() == out.rank() ? Meeting::blocked : Meeting::constant;
  if (in.shape[axis] == in.shape.count()) return Meeting::vector;
  return in.shape.rank() == out.rank() ? Meeting::blocked : Meeting::refused;
}

/// A number that channels past the end have; unknown where it depends on what is not zero there.
struct Idle {
  double value = 0;
  bool known = true;
};

/// The results of the op in channels past the end, where blocked operands and vectors are zero.
std::vector<Idle> idle_results(const KernelRequest& r, std::vector<Idle> at) {
  const auto apply_to = [&](ScalarOp op, int a, int b, int c) {
    Idle result;
    double x[3] = {};
    const int places[3] = {a, b, c};
    for (int i = 0; i < arity_of(op); ++i) {
      const Idle& operand = at[static_cast<size_t>(places[i])];
      result.known &= operand.known;
      x[i] = operand.value;
    }
    if (result.known) result.value = apply(op, x[0], x[1], x[2]);
    at.push_back(result);
  };
  if (r.op == "cast") return {at[0]};
  if (r.op == "add_n") {
    Idle sum;
    for (const Idle& i : at) sum.known &= i.known;
    return {sum};
  }
  if (r.op != "elementwise_group") {
    apply_to(parse_scalar_op(r.op), 0, 1, 2);
    return {at.back()};
  }
  const ops::GroupCode group = ops::GroupCode::from_attrs(*r.attrs);
  for (const double number : group.constants) at.push_back({number, true});
  for (const auto& i : group.code) apply_to(i.op, i.a, i.b, i.c);
  std::vector<Idle> results;
  for (const auto& o : group.outputs) results.push_back(at[static_cast<size_t>(o.reg)]);
  return results;
}

/// Channels past the end must stay zero.
bool keeps_zeros(const KernelRequest& r) {
  std::vector<Idle> in;
  for (const TensorDesc& t : r.in)
    in.push_back({0, meeting_of(t, r.out[0].shape) != Meeting::constant});
  for (const Idle& result : idle_results(r, std::move(in)))
    if (!result.known || !(result.value == 0)) return false;
  return true;
}

/// Elementwise over channel blocks with vectors that end inside a block: they are copied to where
/// zeros follow.
struct PaddedElementwise {
  struct Vector {
    size_t operand, bytes, padded;
  };
  static constexpr size_t kMostOperands = 64;
  ElementwiseKernel kernel;
  std::vector<Vector> vectors;
  size_t operands;
  void run(const KernelArgs& args) const {
    const void* in[kMostOperands];
    std::copy_n(args.in, operands, in);
    char* at = static_cast<char*>(args.scratch);
    for (const Vector& v : vectors) {
      std::memcpy(at, args.in[v.operand], v.bytes);
      std::memset(at + v.bytes, 0, v.padded - v.bytes);
      in[v.operand] = at;
      at += v.padded;
    }
    kernel.run(in, args.out);
  }
};

std::string channels_supported(const KernelRequest& r, int lanes) {
  const Shape& shape = r.out[0].shape;
  if (shape.rank() < 3 || shape.rank() >= Shape::kMaxRank || shape.count() == 0)
    return fmt::format("no channels to block in {}", shape.text());
  for (const TensorDesc& t : r.out)
    if (t.shape != shape) return "results of several shapes";
  for (const TensorDesc& t : r.in)
    if (meeting_of(t, shape) == Meeting::refused)
      return fmt::format("an operand of {} for {}", t.shape.text(), shape.text());
  if (divides_integers(r)) return "integers are divided in plain memory only";
  if (r.in.size() > PaddedElementwise::kMostOperands) return "too many operands";
  if (shape[1] % lanes && !keeps_zeros(r)) return "channels past the end would not stay zero";
  return "";
}

Kernel compiled_padded(const KernelRequest& r, const Program& program) {
  std::vector<PaddedElementwise::Vector> vectors;
  size_t scratch = 0;
  const int lanes = r.out[0].format.lanes;
  for (size_t i = 0; i < r.in.size(); ++i) {
    const TensorDesc& t = r.in[i];
    if (t.format.kind != Format::plain || meeting_of(t, r.out[0].shape) != Meeting::vector)
      continue;
    const size_t element = size_of(t.dtype), count = static_cast<size_t>(t.shape.count());
    const size_t padded = static_cast<size_t>(ceil_div(t.shape.count(), lanes) * lanes);
    vectors.push_back({i, count * element, (padded * element + 63) / 64 * 64});
    scratch += vectors.back().padded;
  }
  return kernel_of(r.op + ":" + r.out[0].format.text(),
                   std::make_shared<const PaddedElementwise>(PaddedElementwise{
                       ElementwiseKernel(program), std::move(vectors), r.in.size()}),
                   scratch);
}

/// Plain: everything plain. Batch-blocked: operands of the output's rank whose axis 0 is the batch
/// join. Channel-blocked: see Meeting.
std::optional<Placement> place(const KernelRequest& r, Format family, std::string& reason,
                               double operations) {
  reason = supported(r);
  if (reason.empty() && family.kind == Format::channels)
    reason = channels_supported(r, family.lanes);
  const Shape& shape = r.out[0].shape;
  if (reason.empty() && family.kind == Format::nblock && divides_integers(r))
    reason = "integers are divided in plain memory only";
  if (reason.empty() && family.kind == Format::nblock &&
      (shape.rank() < 1 || shape.rank() >= Shape::kMaxRank))
    reason = fmt::format("no batch axis to block in {}", shape.text());
  if (!reason.empty()) return std::nullopt;
  Placement p =
      plain_placement(r, predict_us(r, operations * static_cast<double>(shape.count()), 0.08));
  if (family.kind == Format::nblock) {
    p.out.assign(r.out.size(), family);
    for (size_t i = 0; i < r.in.size(); ++i)
      if (r.in[i].shape.rank() == shape.rank() && r.in[i].shape[0] == shape[0]) p.in[i] = family;
  }
  if (family.kind == Format::channels) {
    p.out.assign(r.out.size(), family);
    for (size_t i = 0; i < r.in.size(); ++i)
      if (meeting_of(r.in[i], shape) == Meeting::blocked) p.in[i] = family;
  }
  return p;
}

KernelEntry entry_of(const std::string& op, std::function<double(const KernelRequest&)> operations,
                     BuildFn build, int in_place_inputs, int in_place_outputs = 1) {
  KernelEntry e{op, op, nullptr, std::move(build), {}};
  e.place = [operations](const KernelRequest& r, Format family, std::string& reason) {
    return place(r, family, reason, operations(r));
  };
  e.windows = true;
  for (int o = 0; o < in_place_outputs; ++o)
    for (int i = 0; i < in_place_inputs; ++i) e.in_place.emplace_back(i, o);
  return e;
}

/// Operations one element costs, in units of a multiply.
double weight_of(ScalarOp op) {
  switch (op) {
    case ScalarOp::exp:
    case ScalarOp::log:
    case ScalarOp::log1p:
    case ScalarOp::expm1:
    case ScalarOp::sin:
    case ScalarOp::cos:
    case ScalarOp::tan:
    case ScalarOp::tanh:
    case ScalarOp::sigmoid:
    case ScalarOp::erf:
    case ScalarOp::softplus:
    case ScalarOp::pow:
    case ScalarOp::mod:
    case ScalarOp::atan2:
      return 10;
    case ScalarOp::fmod:
    case ScalarOp::floor_div:
    case ScalarOp::asin:
    case ScalarOp::acos:
    case ScalarOp::atan:
    case ScalarOp::sinh:
    case ScalarOp::cosh:
    case ScalarOp::asinh:
    case ScalarOp::acosh:
    case ScalarOp::atanh:
    case ScalarOp::log2:
    case ScalarOp::log10:
    case ScalarOp::exp2:
    case ScalarOp::erfc:
    case ScalarOp::erfinv:
    case ScalarOp::lgamma:
    case ScalarOp::digamma:
    case ScalarOp::trigamma:
      return 40;
    default:
      return 1;
  }
}

Kernel build_scalar(const KernelRequest& r, ScalarOp op) {
  Program p = program_for(r);
  const int n = arity_of(op);
  p.output(p.apply(op, 0, n > 1 ? 1 : -1, n > 2 ? 2 : -1), r.out[0].dtype, r.out[0].strides);
  return compiled(r, p);
}

Kernel build_cast(const KernelRequest& r) {
  Program p = program_for(r);
  p.output(0, r.out[0].dtype, r.out[0].strides);
  return compiled(r, p);
}

Kernel build_add_n(const KernelRequest& r) {
  Program p = program_for(r);
  Program::Value sum = 0;
  for (size_t i = 1; i < r.in.size(); ++i) sum = p.apply(ScalarOp::add, sum, static_cast<int>(i));
  p.output(sum, r.out[0].dtype, r.out[0].strides);
  return compiled(r, p);
}

Kernel build_group(const KernelRequest& r) {
  const ops::GroupCode group = ops::GroupCode::from_attrs(*r.attrs);
  Program p = program_for(r);
  for (double number : group.constants) p.constant(number);
  for (const auto& i : group.code) p.apply(i.op, i.a, i.b, i.c);
  for (size_t i = 0; i < group.outputs.size(); ++i)
    p.output(group.outputs[i].reg, group.outputs[i].dtype, r.out[i].strides);
  return compiled(r, p);
}

double group_operations(const KernelRequest& r) {
  double sum = 0;
  const Ints& code = r.attrs->integers("code");
  for (size_t i = 0; i < code.size(); i += 4) sum += weight_of(static_cast<ScalarOp>(code[i]));
  return sum;
}

}  // namespace

void register_elementwise(KernelTable& table) {
  for (const ScalarOpInfo& info : scalar_ops()) {
    const ScalarOp op = info.op;
    table.add(entry_of(
        info.name, [op](const KernelRequest&) { return weight_of(op); },
        [op](const KernelRequest& r) { return build_scalar(r, op); }, info.arity));
  }
  const auto one = [](const KernelRequest&) { return 1.0; };
  table.add(entry_of("cast", one, build_cast, 1));
  table.add(entry_of(
      "add_n", [](const KernelRequest& r) { return static_cast<double>(r.in.size()); }, build_add_n,
      16));
  table.add(entry_of("elementwise_group", group_operations, build_group, 32, 16));
}

}  // namespace trivium::cpu
