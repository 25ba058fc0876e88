// Operations on single elements and products of matrices.
#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/home.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/windows.h"

namespace trivium::tf {
namespace {

using Unary = std::function<Value(Value)>;
using Binary = std::function<Value(Value, Value)>;
enum class Takes { any, floats, numbers };

void unary(SpecTable& t, const std::string& type, Takes takes, Unary fn,
           Differentiable grad = Differentiable::yes, DataType result = DataType::invalid) {
  t.add({type,
         {"x"},
         [=](Infer& c) {
           if (takes == Takes::floats) c.floating(0);
           if (c.dtype(0) == DataType::string)
             raise<TypeError>(
                 "Value passed to parameter 'x' has DataType string not in list of allowed "
                 "values: numbers");
           c.output(c.shape(0), result == DataType::invalid ? c.dtype(0) : result);
         },
         [fn](Translate& c) { c.out(0, before_permute(c.in(0), fn)); },
         grad});
}

void broadcast_rule(Infer& c, DataType result) {
  c.same_dtype(1);
  const auto shape = broadcast(c.shape(0), c.shape(1));
  if (!shape) {
    const PartialShape &x = c.shape(0), &y = c.shape(1);
    for (int i = 1; i <= std::min(x.rank(), y.rank()); ++i)
      if (x[-i] > 1 && y[-i] > 1 && x[-i] != y[-i])
        c.fail(fmt::format("Dimensions must be equal, but are {} and {}", x[-i], y[-i]),
               fmt::format("axis -{} differs; sizes must be equal or 1", i));
    c.fail("Incompatible shapes");
  }
  c.output(*shape, result == DataType::invalid ? c.dtype(0) : result);
}

void check_run_shapes(Translate& c) {
  const Shape &a = c.shape(0), &b = c.shape(1);
  if (!broadcast(PartialShape(a), PartialShape(b)))
    c.fail(fmt::format("Incompatible shapes: {} vs. {}", PartialShape(a).brackets(),
                       PartialShape(b).brackets()));
}

void binary(SpecTable& t, const std::string& type, Binary fn,
            Differentiable grad = Differentiable::yes, DataType result = DataType::invalid) {
  t.add({type,
         {"x", "y"},
         [=](Infer& c) { broadcast_rule(c, result); },
         [fn](Translate& c) {
           check_run_shapes(c);
           c.out(0, before_permute(c.in(0), c.in(1), fn));
         },
         grad});
}

Value number(Value like, double value) { return like.graph->constant(value, like.dtype()); }

Value leaky(Value x, double alpha) { return ops::maximum(x, 0.0) + ops::minimum(x, 0.0) * alpha; }

/// f(x) where x > 0, else g(x): the branch not taken stays away from the gradient's infinities.
Value elu(Value x) {
  const Value negative = ops::expm1(ops::minimum(x, 0.0));
  return ops::select(ops::greater(x, number(x, 0)), x, negative);
}

Value selu(Value x) {
  const double scale = 1.0507009873554804934193349852946, alpha = 1.6732632423543772848170429916717;
  const Value negative = ops::expm1(ops::minimum(x, 0.0)) * (scale * alpha);
  return ops::select(ops::greater(x, number(x, 0)), x * scale, negative);
}

/// Gradient 1 strictly inside (0, 6).
Value relu6(Value x) {
  const Value low = ops::relu(x);
  return ops::select(ops::less(low, number(x, 6)), low, ops::broadcast_to(number(x, 6), x.shape()));
}

void define_unary(SpecTable& t) {
  const auto none = Differentiable::cut;
  unary(t, "Neg", Takes::numbers, [](Value x) { return ops::neg(x); });
  unary(t, "Abs", Takes::numbers, [](Value x) { return ops::abs(x); });
  unary(t, "Sign", Takes::numbers,
        [](Value x) { return ops::stop_gradient(ops::sign(x)) + x * 0.0; });
  unary(t, "Square", Takes::numbers, [](Value x) { return ops::square(x); });
  unary(t, "Sqrt", Takes::floats, [](Value x) { return ops::sqrt(x); });
  unary(t, "Rsqrt", Takes::floats, [](Value x) { return ops::rsqrt(x); });
  unary(t, "Exp", Takes::floats, [](Value x) { return ops::exp(x); });
  unary(t, "Expm1", Takes::floats, [](Value x) { return ops::expm1(x); });
  unary(t, "Log", Takes::floats, [](Value x) { return ops::log(x); });
  unary(t, "Log1p", Takes::floats, [](Value x) { return ops::log1p(x); });
  for (const char* type : {"Reciprocal", "Inv"})
    unary(t, type, Takes::floats, [](Value x) { return ops::reciprocal(x); });
  unary(t, "Sigmoid", Takes::floats, [](Value x) { return ops::sigmoid(x); });
  unary(t, "Tanh", Takes::floats, [](Value x) { return ops::tanh(x); });
  unary(t, "Sin", Takes::floats, [](Value x) { return ops::sin(x); });
  unary(t, "Cos", Takes::floats, [](Value x) { return ops::cos(x); });
  unary(t, "Tan", Takes::floats, [](Value x) { return ops::tan(x); });
  unary(t, "Asin", Takes::floats, [](Value x) { return ops::asin(x); });
  unary(t, "Acos", Takes::floats, [](Value x) { return ops::acos(x); });
  unary(t, "Atan", Takes::floats, [](Value x) { return ops::atan(x); });
  unary(t, "Sinh", Takes::floats, [](Value x) { return ops::sinh(x); });
  unary(t, "Cosh", Takes::floats, [](Value x) { return ops::cosh(x); });
  unary(t, "Asinh", Takes::floats, [](Value x) { return ops::asinh(x); });
  unary(t, "Acosh", Takes::floats, [](Value x) { return ops::acosh(x); });
  unary(t, "Atanh", Takes::floats, [](Value x) { return ops::atanh(x); });
  unary(t, "Erf", Takes::floats, [](Value x) { return ops::erf(x); });
  unary(t, "Erfc", Takes::floats, [](Value x) { return ops::erfc(x); });
  unary(t, "Lgamma", Takes::floats, [](Value x) { return ops::lgamma(x); });
  unary(t, "Digamma", Takes::floats, [](Value x) { return ops::digamma(x); });
  unary(
      t, "Floor", Takes::floats, [](Value x) { return ops::floor(x); }, none);
  unary(
      t, "Ceil", Takes::floats, [](Value x) { return ops::ceil(x); }, none);
  const auto round = [](Value x) { return is_floating(data_type(x.dtype())) ? ops::round(x) : x; };
  unary(t, "Round", Takes::numbers, round, none);
  unary(t, "Rint", Takes::floats, round, none);
  unary(
      t, "IsNan", Takes::floats, [](Value x) { return ops::is_nan(x); }, none, DataType::bool_);
  unary(
      t, "IsInf", Takes::floats, [](Value x) { return ops::is_inf(x); }, none, DataType::bool_);
  unary(
      t, "IsFinite", Takes::floats,
      [](Value x) { return ops::logical_not(ops::logical_or(ops::is_nan(x), ops::is_inf(x))); },
      none, DataType::bool_);
  unary(
      t, "LogicalNot", Takes::any, [](Value x) { return ops::logical_not(x); }, none);
  unary(t, "Relu", Takes::numbers, [](Value x) { return ops::relu(x); });
  unary(t, "Relu6", Takes::floats, relu6);
  unary(t, "Elu", Takes::floats, elu);
  unary(t, "Selu", Takes::floats, selu);
  unary(t, "Softplus", Takes::floats, [](Value x) { return ops::softplus(x); });
  unary(t, "Softsign", Takes::floats, [](Value x) { return x / (ops::abs(x) + 1.0); });
  t.add({"LeakyRelu",
         {"features"},
         [](Infer& c) {
           c.floating(0);
           c.output(c.shape(0), c.dtype(0));
         },
         [](Translate& c) { c.out(0, leaky(c.in(0), c.op().attr_or<double>("alpha", 0.2))); }});
}

Value floor_div(Value a, Value b) { return ops::floor_div(a, b); }

Value true_div(Value a, Value b) { return ops::div(a, b); }

Value c_div(Value a, Value b) {  // tf.div: floors integers
  return trivium::is_integer(a.dtype()) ? ops::floor_div(a, b) : ops::div(a, b);
}

Value truncate_div(Value a, Value b) {
  if (!trivium::is_integer(a.dtype())) return ops::div(a, b);
  const Value quotient = ops::sub(a, ops::fmod(a, b));  // divides without remainder
  return ops::floor_div(quotient, b);
}

Value div_no_nan(Value a, Value b) {
  const Shape shape = broadcast_shapes(a.shape(), b.shape());
  const Value zero = ops::broadcast_to(ops::equal(b, number(b, 0)), shape);
  const Value safe =
      ops::select(ops::equal(b, number(b, 0)), ops::broadcast_to(number(b, 1), b.shape()), b);
  return ops::select(zero, ops::broadcast_to(number(a, 0), shape), ops::div(a, safe));
}

void define_binary(SpecTable& t) {
  const auto cut = Differentiable::cut;
  for (const char* type : {"Add", "AddV2"})
    t.add({type,
           {"x", "y"},
           [](Infer& c) { broadcast_rule(c, DataType::invalid); },
           [](Translate& c) {
             check_run_shapes(c);
             c.out(0, before_permute(c.in(0), c.in(1),
                                     [](Value a, Value b) { return ops::add(a, b); }));
           }});
  binary(t, "Sub", [](Value a, Value b) { return ops::sub(a, b); });
  binary(t, "Mul", [](Value a, Value b) { return ops::mul(a, b); });
  binary(t, "RealDiv", true_div);
  binary(t, "Div", c_div);
  binary(t, "FloorDiv", floor_div, cut);
  binary(t, "FloorMod", [](Value a, Value b) { return ops::mod(a, b); });
  binary(t, "TruncateDiv", truncate_div, cut);
  binary(
      t, "TruncateMod", [](Value a, Value b) { return ops::fmod(a, b); }, cut);
  binary(t, "DivNoNan", div_no_nan);
  binary(t, "Maximum", [](Value a, Value b) { return ops::maximum(a, b); });
  binary(t, "Minimum", [](Value a, Value b) { return ops::minimum(a, b); });
  binary(t, "Pow", [](Value a, Value b) { return ops::pow(a, b); });
  binary(t, "SquaredDifference", [](Value a, Value b) { return ops::square(ops::sub(a, b)); });
  binary(t, "Atan2", [](Value a, Value b) { return ops::atan2(a, b); });
  const DataType truth = DataType::bool_;
  binary(
      t, "Equal", [](Value a, Value b) { return ops::equal(a, b); }, cut, truth);
  binary(
      t, "NotEqual", [](Value a, Value b) { return ops::not_equal(a, b); }, cut, truth);
  binary(
      t, "Less", [](Value a, Value b) { return ops::less(a, b); }, cut, truth);
  binary(
      t, "LessEqual", [](Value a, Value b) { return ops::less_equal(a, b); }, cut, truth);
  binary(
      t, "Greater", [](Value a, Value b) { return ops::greater(a, b); }, cut, truth);
  binary(
      t, "GreaterEqual", [](Value a, Value b) { return ops::greater_equal(a, b); }, cut, truth);
  binary(
      t, "LogicalAnd", [](Value a, Value b) { return ops::logical_and(a, b); }, cut, truth);
  binary(
      t, "LogicalOr", [](Value a, Value b) { return ops::logical_or(a, b); }, cut, truth);
}

/// Sizes a matrix has once its transposition is taken: [rows, columns].
std::pair<int64_t, int64_t> matrix(const PartialShape& s, bool transposed) {
  const int64_t rows = s.known_rank() ? s[-2] : -1, columns = s.known_rank() ? s[-1] : -1;
  return transposed ? std::pair{columns, rows} : std::pair{rows, columns};
}

PartialShape batch_of(const PartialShape& s) {
  return PartialShape(std::vector<int64_t>(s.dims().begin(), s.dims().end() - 2));
}

void infer_matmul(Infer& c, const char* a_name, const char* b_name, bool batched) {
  c.same_dtype(1);
  for (int i : {0, 1}) {
    if (!batched) c.rank(i, 2);
    if (c.shape(i).known_rank() && c.shape(i).rank() < 2)
      c.fail(fmt::format("Shape must be at least rank 2 but is rank {}", c.shape(i).rank()));
  }
  const auto a = matrix(c.shape(0), c.op().attr_or<bool>(a_name, false));
  const auto b = matrix(c.shape(1), c.op().attr_or<bool>(b_name, false));
  if (a.second >= 0 && b.first >= 0 && a.second != b.first)
    c.fail(fmt::format("Dimensions must be equal, but are {} and {}", a.second, b.first),
           c.shape(0)[-2] == b.first || c.shape(1)[-1] == a.second
               ? "they would fit with one of them transposed (transpose_a, transpose_b)"
               : "the columns of a are the rows of b");
  if (!batched) return c.output(PartialShape{a.first, b.second}, c.dtype(0));
  if (!c.shape(0).known_rank() || !c.shape(1).known_rank()) return c.output({}, c.dtype(0));
  const auto batch = broadcast(batch_of(c.shape(0)), batch_of(c.shape(1)));
  if (!batch) c.fail("Incompatible batch shapes");
  std::vector<int64_t> dims = batch->dims();
  dims.push_back(a.first);
  dims.push_back(b.second);
  c.output(PartialShape(dims), c.dtype(0));
}

Value transposed(Value x) {
  ops::Ints perm(x.shape().rank());
  for (size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<int64_t>(i);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return ops::permute(x, perm);
}

/// Exact sums of products, an axis wider on the way.
Value integer_matmul(Value a, Value b, bool ta, bool tb) {
  a = ta ? transposed(a) : a;
  b = tb ? transposed(b) : b;
  ops::Ints left = a.shape().vec(), right = b.shape().vec();
  left.push_back(1);
  right.insert(right.end() - 2, 1);
  const Value products = ops::reshape(a, Shape(left)) * ops::reshape(b, Shape(right));
  return ops::sum(products, {products.shape().rank() - 2});
}

void translate_matmul(Translate& c, const char* a_name, const char* b_name) {
  const bool ta = c.op().attr_or<bool>(a_name, false), tb = c.op().attr_or<bool>(b_name, false);
  const auto a = matrix(c.shape(0), ta), b = matrix(c.shape(1), tb);
  if (a.second != b.first)
    c.fail(fmt::format("Matrix size-incompatible: In[0]: {}, In[1]: {}",
                       PartialShape(c.shape(0)).brackets(), PartialShape(c.shape(1)).brackets()));
  if (!trivium::is_floating(c.dtype(0))) return c.out(0, integer_matmul(c.in(0), c.in(1), ta, tb));
  const Value kept = product_at_home(c.in(0), c.in(1), ta, tb);
  c.out(0, kept.defined() ? kept : ops::matmul(c.in(0), c.in(1), ta, tb));
}

void define_products(SpecTable& t) {
  t.add({"MatMul",
         {"a", "b"},
         [](Infer& c) { infer_matmul(c, "transpose_a", "transpose_b", false); },
         [](Translate& c) { translate_matmul(c, "transpose_a", "transpose_b"); }});
  for (const char* type : {"BatchMatMul", "BatchMatMulV2"})
    t.add({type,
           {"x", "y"},
           [](Infer& c) { infer_matmul(c, "adj_x", "adj_y", true); },
           [](Translate& c) { translate_matmul(c, "adj_x", "adj_y"); }});
  t.add({"AddN",
         {"inputs"},
         [](Infer& c) {
           PartialShape shape = c.shape(0);
           for (int i = 1; i < c.inputs(); ++i) {
             c.same_dtype(i);
             if (!shape.compatible(c.shape(i)))
               c.fail(fmt::format("From merging shape {} with other shapes.", i - 1));
             shape = shape.merge(c.shape(i));
           }
           c.output(shape, c.dtype(0));
         },
         [](Translate& c) { c.out(0, c.inputs() == 1 ? c.in(0) : ops::add_n(c.ins())); }});
  t.add({"Cast",
         {"x"},
         [](Infer& c) { c.output(c.shape(0), c.op().attr<DataType>("DstT")); },
         [](Translate& c) {
           const DType to = engine_type(c.op().attr<DataType>("DstT"));
           const Value x = c.in(0);
           c.out(0, to == DType::bool_ && x.dtype() != to ? ops::not_equal(x, number(x, 0))
                                                          : ops::cast(x, to));
         }});
  t.add({"L2Loss",
         {"t"},
         [](Infer& c) {
           c.floating(0);
           c.output(PartialShape(Shape{}), c.dtype(0));
         },
         [](Translate& c) { c.out(0, ops::sum(ops::square(elements_of(c.in(0)))) * 0.5); }});
}

}  // namespace

void define_math_ops(SpecTable& t) {
  define_unary(t);
  define_binary(t);
  define_products(t);
}

}  // namespace trivium::tf
