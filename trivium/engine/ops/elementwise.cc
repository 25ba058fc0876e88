// Elementwise ops. The meaning of each is its row in core/scalar_op; here are operands and
// gradients.
#include "trivium/engine/ops/elementwise.h"

#include <cmath>
#include <numbers>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

bool works_on_single_bits(ScalarOp op) {
  return op == ScalarOp::bitwise_and || op == ScalarOp::bitwise_or || op == ScalarOp::bitwise_xor;
}

void infer_elementwise(InferCtx& c, ScalarOp op, Operands operands) {
  const int arity = arity_of(op), first = op == ScalarOp::select ? 1 : 0;
  if (first == 1 && c.dtype(0) != DType::bool_)
    c.fail(fmt::format("the condition is {}, bool is expected", name_of(c.dtype(0))),
           "compare it with something");
  Shape shape = c.shape(0);
  for (int i = first; i < arity; ++i) {
    if (operands == Operands::floating) require_floating(c, i);
    if (operands == Operands::number) require_number(c, i);
    if (operands == Operands::truth && c.dtype(i) != DType::bool_)
      c.fail(fmt::format("operand {} is {}, bool is expected", i, name_of(c.dtype(i))));
    const bool single = c.dtype(i) == DType::bool_ && works_on_single_bits(op);
    if (operands == Operands::bits && !is_integer(c.dtype(i)) && !single)
      c.fail(fmt::format("operand {} is {}, integers{} are expected", i, name_of(c.dtype(i)),
                         works_on_single_bits(op) ? " or bool" : ""),
             "cast it first");
    require_same_dtype(c, first, i);
  }
  for (int i = 1; i < arity; ++i) {
    const Shape& other = c.shape(i);
    const int common = std::min(shape.rank(), other.rank());
    for (int k = 1; k <= common; ++k)
      if (shape[-k] != other[-k] && shape[-k] != 1 && other[-k] != 1)
        c.fail(fmt::format("shapes {} and {} do not broadcast: axis -{} has sizes {} and {}",
                           shape.text(), other.text(), k, shape[-k], other[-k]),
               "sizes counted from the last axis are equal or 1");
    shape = broadcast_shapes(shape, other);
  }
  c.output(shape, info(op).gives_truth ? DType::bool_ : c.dtype(first));
}

void reference_elementwise(RefCtx& r, ScalarOp op) {
  RefTensor& y = *r.out[0];
  std::array<std::array<int64_t, Shape::kMaxRank>, 3> strides{};
  std::array<const double*, 3> in{};
  for (size_t k = 0; k < r.in.size(); ++k) {
    strides[k] = broadcast_strides(r.in[k]->shape, y.shape);
    in[k] = r.in[k]->data.data();
  }
  for_each_offset(y.shape, strides, [&](int64_t i, const std::array<int64_t, 3>& at) {
    y.data[i] = apply(op, in[0][at[0]], in[1] ? in[1][at[1]] : 0, in[2] ? in[2][at[2]] : 0);
  });
}

SampleInput::Range range_of(Operands operands) {
  if (operands == Operands::bits) return SampleInput::bytes;
  return operands == Operands::truth ? SampleInput::booleans : SampleInput::distinct;
}

DType sample_dtype(Operands operands) {
  if (operands == Operands::bits) return DType::i32;
  return operands == Operands::truth ? DType::bool_ : DType::f32;
}

std::vector<Sample> default_samples(ScalarOp op, Operands operands) {
  const auto range = range_of(operands);
  const DType d = sample_dtype(operands);
  if (op == ScalarOp::select) {
    const SampleInput condition({2, 3}, SampleInput::booleans, DType::bool_);
    return {{{condition, SampleInput({2, 3}, range), SampleInput({2, 3}, range)}, {}},
            {{SampleInput({3}, SampleInput::booleans, DType::bool_), SampleInput({2, 1}, range),
              SampleInput({}, range)},
             {}}};
  }
  if (arity_of(op) == 1)
    return {{{SampleInput({2, 3}, range, d)}, {}},
            {{SampleInput({}, range, d)}, {}},
            {{SampleInput({0, 2}, range, d)}, {}},
            {{SampleInput({5, 1, 67}, range, d)}, {}}};
  if (arity_of(op) == 2)
    return {{{SampleInput({2, 3}, range, d), SampleInput({2, 3}, range, d)}, {}},
            {{SampleInput({2, 3}, range, d), SampleInput({3}, range, d)}, {}},
            {{SampleInput({}, range, d), SampleInput({4, 1, 17}, range, d)}, {}},
            {{SampleInput({3, 1, 2}, range, d), SampleInput({4, 1}, range, d)}, {}}};
  return {
      {{SampleInput({2, 5}, range, d), SampleInput({}, range, d), SampleInput({5}, range, d)}, {}}};
}

Value where(Value condition, Value x) { return select(condition, x, number_like(x, 0)); }
Value unless(Value condition, Value x) { return select(condition, number_like(x, 0), x); }

void define_unary(OpRegistry& ops) {
  using V = Value;
  unary(
      ops, ScalarOp::neg, [](V dy, V, V) { return neg(dy); }, Operands::number);
  unary(
      ops, ScalarOp::abs, [](V dy, V x, V) { return mul(dy, sign(x)); }, Operands::number);
  unary(ops, ScalarOp::exp, [](V dy, V, V y) { return mul(dy, y); });
  unary(ops, ScalarOp::expm1, [](V dy, V, V y) { return mul(dy, add(y, 1.0)); });
  unary(
      ops, ScalarOp::square, [](V dy, V x, V) { return mul(dy, mul(x, 2.0)); }, Operands::number);
  unary(ops, ScalarOp::sin, [](V dy, V x, V) { return mul(dy, cos(x)); });
  unary(ops, ScalarOp::cos, [](V dy, V x, V) { return neg(mul(dy, sin(x))); });
  unary(ops, ScalarOp::tanh, [](V dy, V, V y) { return mul(dy, rsub(1.0, square(y))); });
  unary(ops, ScalarOp::sigmoid, [](V dy, V, V y) { return mul(dy, mul(y, rsub(1.0, y))); });
  unary(ops, ScalarOp::erf, [](V dy, V x, V) {
    return mul(dy, mul(exp(neg(square(x))), 2.0 * std::numbers::inv_sqrtpi));
  });
  unary(
      ops, ScalarOp::relu, [](V dy, V, V y) { return relu_grad(dy, y); }, Operands::number);
  unary(ops, ScalarOp::softplus, [](V dy, V x, V) { return mul(dy, sigmoid(x)); });
  // Domains without zero and below: the samples stay inside.
  OpDef* positive[] = {
      &unary(ops, ScalarOp::log, [](V dy, V x, V) { return div(dy, x); }),
      &unary(ops, ScalarOp::log1p, [](V dy, V x, V) { return div(dy, add(x, 1.0)); }),
      &unary(ops, ScalarOp::sqrt, [](V dy, V, V y) { return div(mul(dy, 0.5), y); }),
      &unary(ops, ScalarOp::rsqrt,
             [](V dy, V, V y) { return mul(mul(dy, -0.5), mul(y, square(y))); }),
      &unary(ops, ScalarOp::reciprocal, [](V dy, V, V y) { return neg(mul(dy, square(y))); }),
  };
  for (OpDef* op : positive) restrict_samples(*op, SampleInput::positive, 0);
  define_scalar_op(ops, ScalarOp::sign, Operands::number).gradient(zero_gradient());
  for (ScalarOp op : {ScalarOp::floor, ScalarOp::ceil, ScalarOp::round})
    define_scalar_op(ops, op, Operands::floating).gradient(zero_gradient());
  define_scalar_op(ops, ScalarOp::logical_not, Operands::truth);
  define_scalar_op(ops, ScalarOp::is_nan, Operands::floating);
  define_scalar_op(ops, ScalarOp::is_inf, Operands::floating);
}

void grad_div(GradCtx& c) {
  const Value b = c.input(1), db = div(c.upstream(), b);
  if (c.wants(0)) give(c, 0, db);
  if (c.wants(1)) give(c, 1, neg(mul(db, c.output())));
}

/// d/db a^b is 0 at a = 0 (the limit for b > 0); it does not exist for a < 0 and is given as 0
/// there.
void grad_pow(GradCtx& c) {
  const Value a = c.input(0), b = c.input(1), dy = c.upstream();
  if (c.wants(0)) give(c, 0, mul(dy, mul(b, pow(a, sub(b, 1.0)))));
  if (!c.wants(1)) return;
  const Value positive = greater(a, number_like(a, 0));
  const Value safe = select(positive, a, number_like(a, 1));
  give(c, 1, mul(dy, mul(c.output(), log(safe))));
}

void define_binary(OpRegistry& ops) {
  define_scalar_op(ops, ScalarOp::add, Operands::number).commutative().gradient([](GradCtx& c) {
    for (int i : {0, 1})
      if (c.wants(i)) give(c, i, c.upstream());
  });
  define_scalar_op(ops, ScalarOp::sub, Operands::number).gradient([](GradCtx& c) {
    if (c.wants(0)) give(c, 0, c.upstream());
    if (c.wants(1)) give(c, 1, neg(c.upstream()));
  });
  define_scalar_op(ops, ScalarOp::mul, Operands::number).commutative().gradient([](GradCtx& c) {
    for (int i : {0, 1})
      if (c.wants(i)) give(c, i, mul(c.upstream(), c.input(1 - i)));
  });
  restrict_samples(define_scalar_op(ops, ScalarOp::div, Operands::floating).gradient(grad_div),
                   SampleInput::positive, 1);
  restrict_samples(define_scalar_op(ops, ScalarOp::pow, Operands::number).gradient(grad_pow),
                   SampleInput::positive, 0);
  restrict_samples(define_scalar_op(ops, ScalarOp::mod, Operands::number).gradient([](GradCtx& c) {
    const Value dy = c.upstream();
    if (c.wants(0)) give(c, 0, dy);
    // y = a - b * quotient, and the quotient is constant between jumps.
    if (c.wants(1))
      give(c, 1, mul(dy, stop_gradient(round(div(sub(c.output(), c.input(0)), c.input(1))))));
  }),
                   SampleInput::positive, 1);
  restrict_samples(define_scalar_op(ops, ScalarOp::fmod, Operands::number).gradient([](GradCtx& c) {
    const Value dy = c.upstream();
    if (c.wants(0)) give(c, 0, dy);
    if (c.wants(1))
      give(c, 1, mul(dy, stop_gradient(round(div(sub(c.output(), c.input(0)), c.input(1))))));
  }),
                   SampleInput::positive, 1);
  restrict_samples(
      define_scalar_op(ops, ScalarOp::floor_div, Operands::number).gradient(zero_gradient()),
      SampleInput::positive, 1);
  for (ScalarOp op : {ScalarOp::maximum, ScalarOp::minimum}) {
    define_scalar_op(ops, op, Operands::number).commutative().gradient([op](GradCtx& c) {
      const Value a = c.input(0), b = c.input(1);
      const Value first = op == ScalarOp::maximum ? greater_equal(a, b) : less_equal(a, b);
      if (c.wants(0)) give(c, 0, where(first, c.upstream()));
      if (c.wants(1)) give(c, 1, unless(first, c.upstream()));
    });
  }
  for (ScalarOp op : {ScalarOp::equal, ScalarOp::not_equal})
    define_scalar_op(ops, op, Operands::any).commutative();
  for (ScalarOp op :
       {ScalarOp::less, ScalarOp::less_equal, ScalarOp::greater, ScalarOp::greater_equal})
    define_scalar_op(ops, op, Operands::any);
  for (ScalarOp op : {ScalarOp::logical_and, ScalarOp::logical_or})
    define_scalar_op(ops, op, Operands::truth).commutative();
  define_scalar_op(ops, ScalarOp::relu_grad, Operands::number).gradient([](GradCtx& c) {
    if (c.wants(0)) give(c, 0, relu_grad(c.upstream(), c.input(1)));
  });
}

void define_ternary(OpRegistry& ops) {
  define_scalar_op(ops, ScalarOp::select, Operands::any).gradient([](GradCtx& c) {
    if (c.wants(1)) give(c, 1, where(c.input(0), c.upstream()));
    if (c.wants(2)) give(c, 2, unless(c.input(0), c.upstream()));
  });
  define_scalar_op(ops, ScalarOp::clip, Operands::number).gradient([](GradCtx& c) {
    const Value x = c.input(0), lo = c.input(1), hi = c.input(2), dy = c.upstream();
    const Value high = greater(maximum(x, lo), hi),
                low = logical_and(less(x, lo), logical_not(high));
    if (c.wants(0)) give(c, 0, unless(logical_or(low, high), dy));
    if (c.wants(1)) give(c, 1, where(low, dy));
    if (c.wants(2)) give(c, 2, where(high, dy));
  });
}

double converted(double v, DType to) {
  if (to == DType::bool_) return v != 0;
  return is_integer(to) ? std::trunc(v) : v;
}

void define_cast(OpRegistry& ops) {
  ops.define("cast")
      .summary(
          "Converts the element type. Floating to integer truncates towards zero; to bool: not "
          "equal to 0.")
      .formula("y = (dtype) x")
      .input("x", "any dtype")
      .required_attr("dtype", std::string("float32"), "name of the new dtype, as NumPy's")
      .output("y", "shape of x")
      .infer([](InferCtx& c) { c.output(c.shape(0), parse_dtype(c.attrs().string("dtype"))); })
      .gradient([](GradCtx& c) {
        if (is_floating(c.output().dtype())) c.to(0, cast(c.upstream(), c.input(0).dtype()));
      })
      .reference([](RefCtx& r) {
        for (size_t i = 0; i < r.out[0]->data.size(); ++i)
          r.out[0]->data[i] = converted(r.in[0]->data[i], r.out[0]->dtype);
      })
      .cost(flops_per_output(1))
      .samples({{{SampleInput({2, 3}, SampleInput::distinct)}, {{"dtype", std::string("float64")}}},
                {{SampleInput({7}, SampleInput::distinct)}, {{"dtype", std::string("int32")}}},
                {{SampleInput({7}, SampleInput::integers, DType::i32, 3)},
                 {{"dtype", std::string("bool")}}},
                {{SampleInput({3, 5}, SampleInput::bytes, DType::u8)},
                 {{"dtype", std::string("float32")}}}});
}

void define_add_n(OpRegistry& ops) {
  ops.define("add_n")
      .summary("Sum of one or more values of equal shape, left to right.")
      .formula("y = ((x0 + x1) + x2) + …")
      .variadic_input("x", "numbers; equal shapes and dtypes")
      .output("y", "shape and dtype of x")
      .infer([](InferCtx& c) {
        require_number(c, 0);
        for (int i = 1; i < c.inputs(); ++i) {
          require_same_dtype(c, 0, i);
          c.require(c.shape(i) == c.shape(0), fmt::format("operand {} has another shape", i),
                    "equal shapes");
        }
        c.output(c.shape(0), c.dtype(0));
      })
      .gradient([](GradCtx& c) {
        for (int i = 0; i < c.inputs(); ++i)
          if (c.wants(i)) c.to(i, c.upstream());
      })
      .reference([](RefCtx& r) {
        r.out[0]->data = r.in[0]->data;
        for (size_t k = 1; k < r.in.size(); ++k)
          for (size_t i = 0; i < r.out[0]->data.size(); ++i) r.out[0]->data[i] += r.in[k]->data[i];
      })
      .decompose([](Graph& graph, std::span<const Value> in, const Attrs&) {
        // A chain of short sums adds in the same order as one long one.
        constexpr size_t kTerms = 16;
        Value sum = in[0];
        for (size_t from = 1; from < in.size(); from += kTerms - 1) {
          std::vector<Value> terms{sum};
          for (size_t i = from; i < std::min(in.size(), from + kTerms - 1); ++i)
            terms.push_back(in[i]);
          sum = graph.op("add_n", terms);
        }
        return std::vector<Value>{sum};
      })
      .decompose([](Graph&, std::span<const Value> in, const Attrs&) {
        Value sum = in[0];
        for (size_t i = 1; i < in.size(); ++i) sum = add(sum, in[i]);
        return std::vector<Value>{sum};
      })
      .in_place(0)
      .cost([](std::span<const ValueMeta> in, std::span<const ValueMeta> out, const Attrs&) {
        return Cost{static_cast<double>(out[0].shape.count()) * static_cast<double>(in.size() - 1)};
      })
      .samples({{{{2, 3}, {2, 3}, {2, 3}}, {}}, {{{4}}, {}}});
}

void define_stop_gradient(OpRegistry& ops) {
  ops.define("stop_gradient")
      .summary("x itself, through which no gradient passes.")
      .formula("y = x, dx = 0")
      .input("x", "any dtype")
      .output("y", "shape and dtype of x")
      .infer(like_input(0))
      .gradient(zero_gradient())
      .skip_difference_check("its gradient is zero by definition")
      .reference([](RefCtx& r) { r.out[0]->data = r.in[0]->data; })
      .view()
      .samples({{{{2, 3}}, {}}});
}

}  // namespace

/// The range of every floating operand of the samples becomes `range` (domain of log, divisors, …).
void restrict_samples(OpDef& op, SampleInput::Range range, int operand) {
  std::vector<Sample> samples = op.samples();
  for (Sample& s : samples) s.inputs.at(operand).range = range;
  op.samples(std::move(samples));
}

/// Gives `gradient` (of the broadcast shape) to operand i.
void give(GradCtx& c, int i, Value gradient) { c.to(i, sum_to(gradient, c.input(i).shape())); }

OpDef& unary(OpRegistry& ops, ScalarOp op, const Unary& gradient, Operands operands) {
  return define_scalar_op(ops, op, operands).gradient([gradient](GradCtx& c) {
    c.to(0, gradient(c.upstream(), c.input(0), c.output()));
  });
}

OpDef& define_scalar_op(OpRegistry& ops, ScalarOp opcode, Operands operands) {
  static const char* const kDoc[] = {"floating", "number", "any dtype", "bool",
                                     "integer, or bool where single bits have a meaning"};
  static const char* const kNames[] = {"a", "b", "c"};
  const int arity = arity_of(opcode);
  OpDef& op = ops.define(name_of(opcode));
  op.summary(std::string("Element by element: ") + info(opcode).meaning + ".").elementwise(opcode);
  for (int i = 0; i < arity; ++i) {
    const bool condition = opcode == ScalarOp::select && i == 0;
    op.input(kNames[i], condition ? "bool, the condition" : kDoc[static_cast<int>(operands)]);
    if (!info(opcode).gives_truth && !condition) op.in_place(i);
  }
  op.formula(std::string("y = ") + info(opcode).meaning)
      .output("y", info(opcode).gives_truth ? "bool, the broadcast shape" : "the broadcast shape")
      .infer([=](InferCtx& c) { infer_elementwise(c, opcode, operands); })
      .reference([=](RefCtx& r) { reference_elementwise(r, opcode); })
      .cost(flops_per_output(1))
      .samples(default_samples(opcode, operands));
  if (info(opcode).gives_truth) op.not_differentiable("the result is bool");
  return op;
}

void define_elementwise(OpRegistry& ops) {
  define_unary(ops);
  define_binary(ops);
  define_ternary(ops);
  define_cast(ops);
  define_add_n(ops);
  define_stop_gradient(ops);
}

}  // namespace trivium::ops
