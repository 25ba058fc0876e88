// What shape rules and gradient rules of several families share.
#pragma once

#include <functional>

#include "trivium/engine/graph/op.h"
#include "trivium/engine/ops/build.h"
#include "trivium/engine/ops/geometry.h"

namespace trivium::ops {

// Checks of operands; each fails naming the operand and the rule.
void require_floating(const InferCtx& c, int input);
void require_number(const InferCtx& c, int input);
void require_same_dtype(const InferCtx& c, int a, int b);
void require_rank_at_least(const InferCtx& c, int input, int rank);
void require_label_dtype(const InferCtx& c, int input);  // f32, f64, i32 or i64
/// Attribute `name` of `count` entries, each >= least.
const std::vector<int64_t>& require_integers(const InferCtx& c, const std::string& name,
                                             int64_t count, int64_t least);
/// Attribute `name` as a shape; fails on negative sizes or too many axes.
Shape require_shape(const InferCtx& c, const std::string& name);
/// Output 0 has the shape and dtype of input `i`.
OpDef::Infer like_input(int i);

/// Cost rule: `per_element` operations an element of output 0.
OpDef::CostFn flops_per_output(double per_element);

/// For ops that carry no gradient although they are made of floats: derivative zero wherever it
/// exists.
OpDef::Gradient zero_gradient();

/// Gradient of an op through its expression in ordinary ops. The expression is recorded and
/// differentiated in a graph of its own, whose inputs have no past; only the result moves to the
/// node's graph.
using Expression =
    std::function<std::vector<Value>(const std::vector<Value>& inputs, const Attrs& attrs)>;
OpDef::Gradient through(Expression expression);

/// For ops that backends need not compute in half precision: the same op in float32, its floating
/// results rounded to the operands' dtype. Operands of other dtypes go to `otherwise`, or to the op
/// itself.
OpDef::Decompose half_through_float(const OpDef& op, OpDef::Decompose otherwise);

/// Zeros, or any number, of the dtype of `like`, rank 0.
Value number_like(Value like, double value);
/// x with axes of size 1 put in at `axes` (normal positions in the result).
Value insert_axes(Value x, const std::vector<int64_t>& axes);
/// labels truncated → mask [outer…, C at axis, inner…] of bool: true at the label's class.
Value label_mask(Value labels, int axis, int64_t classes);

}  // namespace trivium::ops
