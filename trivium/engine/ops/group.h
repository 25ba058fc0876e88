// The code of an elementwise_group: a straight line of scalar instructions over one iteration
// space. One numbering of registers: inputs first, then constants, then the result of each
// instruction.
#pragma once

#include <vector>

#include "trivium/engine/core/attrs.h"
#include "trivium/engine/core/dtype.h"
#include "trivium/engine/core/scalar_op.h"

namespace trivium::ops {

struct GroupCode {
  struct Instruction {
    ScalarOp op;
    int32_t a = -1, b = -1, c = -1;  // registers; -1 where the op has fewer operands
  };
  struct Output {
    int32_t reg = 0;
    DType dtype = DType::f32;  // the value is converted to it when stored (to bool: not equal to 0)
  };
  int32_t inputs = 0;
  std::vector<double> constants;
  std::vector<Instruction> code;
  std::vector<Output> outputs;

  int32_t constant_register(int i) const { return inputs + i; }
  int32_t result_register(int i) const {
    return inputs + static_cast<int32_t>(constants.size()) + i;
  }

  /// Attributes "inputs", "constants", "code" ([op, a, b, c]*) and "outputs" ([register, dtype]*).
  Attrs to_attrs() const;
  /// UserError when registers, opcodes or dtypes are out of range (plans can be read from text).
  static GroupCode from_attrs(const Attrs& attrs);
};

}  // namespace trivium::ops
