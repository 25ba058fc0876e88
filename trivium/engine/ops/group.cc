#include "trivium/engine/ops/group.h"

#include "trivium/engine/core/error.h"

namespace trivium::ops {
namespace {

constexpr int kLastOp = kScalarOpCount - 1;

void check(bool ok, const char* what) {
  if (!ok) user_error("elementwise_group: {}", what);
}

}  // namespace

Attrs GroupCode::to_attrs() const {
  std::vector<int64_t> packed, outs;
  for (const Instruction& i : code)
    packed.insert(packed.end(), {static_cast<int64_t>(i.op), i.a, i.b, i.c});
  for (const Output& o : outputs) outs.insert(outs.end(), {o.reg, static_cast<int64_t>(o.dtype)});
  return {
      {"inputs", int64_t{inputs}}, {"constants", constants}, {"code", packed}, {"outputs", outs}};
}

GroupCode GroupCode::from_attrs(const Attrs& attrs) {
  GroupCode g;
  const int64_t inputs = attrs.integer("inputs");
  const auto &packed = attrs.integers("code"), &outs = attrs.integers("outputs");
  check(inputs >= 0 && inputs <= 1024, "inputs: 0 to 1024 expected");
  check(packed.size() % 4 == 0 && outs.size() % 2 == 0,
        "code in fours and outputs in pairs expected");
  g.inputs = static_cast<int32_t>(inputs);
  g.constants = attrs.reals("constants");
  int32_t registers = g.inputs + static_cast<int32_t>(g.constants.size());
  for (size_t i = 0; i < packed.size(); i += 4) {
    check(packed[i] >= 0 && packed[i] <= kLastOp, "unknown opcode");
    const auto op = static_cast<ScalarOp>(packed[i]);
    for (int k = 1; k <= arity_of(op); ++k)
      check(packed[i + k] >= 0 && packed[i + k] < registers, "operand register out of range");
    g.code.push_back({op, static_cast<int32_t>(packed[i + 1]), static_cast<int32_t>(packed[i + 2]),
                      static_cast<int32_t>(packed[i + 3])});
    ++registers;
  }
  for (size_t i = 0; i < outs.size(); i += 2) {
    check(outs[i] >= 0 && outs[i] < registers, "output register out of range");
    check(outs[i + 1] >= 0 && outs[i + 1] <= static_cast<int>(DType::bool_),
          "unknown output dtype");
    g.outputs.push_back({static_cast<int32_t>(outs[i]), static_cast<DType>(outs[i + 1])});
  }
  return g;
}

}  // namespace trivium::ops
