// The one helper that makes an elementwise record from an opcode: shape rule, reference, cost and
// names follow from it.
#pragma once

#include "trivium/engine/graph/op.h"

namespace trivium::ops {

/// What operands may be: `truth` means bool operands, `bits` integers (or bool, for the operations
/// that have a meaning on single bits).
enum class Operands { floating, number, any, truth, bits };

/// Defines the op named name_of(opcode) over NumPy-broadcast operands of one dtype. Opcodes that
/// give truth values make bool outputs, others the dtype of the operands; select's condition is
/// bool.
OpDef& define_scalar_op(OpRegistry& ops, ScalarOp opcode, Operands operands);

}  // namespace trivium::ops
