// Elementwise ops beyond arithmetic: trigonometry, special functions, bits.
#include <numbers>

#include "trivium/engine/ops/elementwise.h"
#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

void define_trigonometry(OpRegistry& ops) {
  using V = Value;
  restrict_samples(
      unary(ops, ScalarOp::tan, [](V dy, V, V y) { return mul(dy, add(square(y), 1.0)); }),
      SampleInput::inside, 0);
  unary(ops, ScalarOp::atan, [](V dy, V x, V) { return div(dy, add(square(x), 1.0)); });
  unary(ops, ScalarOp::sinh, [](V dy, V x, V) { return mul(dy, cosh(x)); });
  unary(ops, ScalarOp::cosh, [](V dy, V x, V) { return mul(dy, sinh(x)); });
  unary(ops, ScalarOp::asinh, [](V dy, V x, V) { return mul(dy, rsqrt(add(square(x), 1.0))); });
  restrict_samples(
      unary(ops, ScalarOp::acosh, [](V dy, V x, V) { return mul(dy, rsqrt(sub(square(x), 1.0))); }),
      SampleInput::above_one, 0);
  OpDef* inside[] = {
      &unary(ops, ScalarOp::asin,
             [](V dy, V x, V) { return mul(dy, rsqrt(rsub(1.0, square(x)))); }),
      &unary(ops, ScalarOp::acos,
             [](V dy, V x, V) { return neg(mul(dy, rsqrt(rsub(1.0, square(x))))); }),
      &unary(ops, ScalarOp::atanh, [](V dy, V x, V) { return div(dy, rsub(1.0, square(x))); }),
  };
  for (OpDef* op : inside) restrict_samples(*op, SampleInput::inside, 0);
  define_scalar_op(ops, ScalarOp::atan2, Operands::floating).gradient([](GradCtx& c) {
    const Value a = c.input(0), b = c.input(1);
    const Value share = div(c.upstream(), add(square(a), square(b)));
    if (c.wants(0)) give(c, 0, mul(share, b));
    if (c.wants(1)) give(c, 1, neg(mul(share, a)));
  });
}

void define_special(OpRegistry& ops) {
  using V = Value;
  unary(ops, ScalarOp::exp2, [](V dy, V, V y) { return mul(dy, mul(y, std::numbers::ln2)); });
  unary(ops, ScalarOp::erfc, [](V dy, V x, V) {
    return mul(dy, mul(exp(neg(square(x))), -2.0 * std::numbers::inv_sqrtpi));
  });
  restrict_samples(unary(ops, ScalarOp::erfinv,
                         [](V dy, V, V y) {
                           return mul(dy, mul(exp(square(y)), 0.5 / std::numbers::inv_sqrtpi));
                         }),
                   SampleInput::inside, 0);
  OpDef* positive[] = {
      &unary(ops, ScalarOp::log2, [](V dy, V x, V) { return div(dy, mul(x, std::numbers::ln2)); }),
      &unary(ops, ScalarOp::log10,
             [](V dy, V x, V) { return div(dy, mul(x, std::numbers::ln10)); }),
      &unary(ops, ScalarOp::lgamma, [](V dy, V x, V) { return mul(dy, digamma(x)); }),
      &unary(ops, ScalarOp::digamma,
             [](V dy, V x, V) { return mul(dy, x.graph->op("trigamma", {x})); })
           .skip_difference_check("its derivative, trigamma, has none; lgamma checks both"),
      &define_scalar_op(ops, ScalarOp::trigamma, Operands::floating)
           .not_differentiable("third derivatives of lgamma are not among the ops"),
  };
  for (OpDef* op : positive) restrict_samples(*op, SampleInput::positive, 0);
  define_scalar_op(ops, ScalarOp::trunc, Operands::floating).gradient(zero_gradient());
}

void define_bits(OpRegistry& ops) {
  for (ScalarOp op : {ScalarOp::bitwise_and, ScalarOp::bitwise_or, ScalarOp::bitwise_xor})
    define_scalar_op(ops, op, Operands::bits).commutative().not_differentiable("bits are integers");
  for (ScalarOp op : {ScalarOp::shift_left, ScalarOp::shift_right}) {
    OpDef& record = define_scalar_op(ops, op, Operands::bits);
    std::vector<Sample> samples = record.samples();
    for (Sample& s : samples) s.inputs[1].range = SampleInput::integers, s.inputs[1].limit = 9;
    record.samples(samples).not_differentiable("bits are integers");
  }
  define_scalar_op(ops, ScalarOp::bitwise_not, Operands::bits)
      .not_differentiable("bits are integers");
}

}  // namespace

void define_elementwise_functions(OpRegistry& ops) {
  define_trigonometry(ops);
  define_special(ops);
  define_bits(ops);
}

}  // namespace trivium::ops
