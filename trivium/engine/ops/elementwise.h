// What makes an elementwise record from an opcode: shape rule, reference, cost and names follow
// from it; what is left to say is the gradient and the domain.
#pragma once

#include <functional>

#include "trivium/engine/graph/op.h"

namespace trivium::ops {

/// What operands may be: `truth` means bool operands, `bits` integers (or bool, for the operations
/// that have a meaning on single bits).
enum class Operands { floating, number, any, truth, bits };

/// Defines the op named name_of(opcode) over NumPy-broadcast operands of one dtype. Opcodes that
/// give truth values make bool outputs, others the dtype of the operands; select's condition is
/// bool.
OpDef& define_scalar_op(OpRegistry& ops, ScalarOp opcode, Operands operands);

/// The same for one operand, with dx as an expression of dy, x and y.
using Unary = std::function<Value(Value dy, Value x, Value y)>;
OpDef& unary(OpRegistry& ops, ScalarOp op, const Unary& gradient,
             Operands operands = Operands::floating);

/// The range of operand `operand` in all samples becomes `range` (domain of log, divisors, …).
void restrict_samples(OpDef& op, SampleInput::Range range, int operand);
/// Gives `gradient` (of the broadcast shape) to operand i.
void give(GradCtx& c, int i, Value gradient);

}  // namespace trivium::ops
