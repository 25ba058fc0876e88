// The functions of build.h: each fills in attributes and records its op.
#include "trivium/engine/ops/build.h"

#include <algorithm>

#include "trivium/engine/ops/geometry.h"

namespace trivium::ops {
namespace {

Value record(const char* op, std::span<const Value> operands, const Attrs& attrs = {}) {
  if (operands.empty()) user_error("{}: at least one operand expected", op);
  for (size_t i = 0; i < operands.size(); ++i)
    if (!operands[i].defined()) user_error("{}: operand {} is undefined", op, i);
  return operands[0].graph->op(op, operands, attrs);
}

Value record(const char* op, std::initializer_list<Value> operands, const Attrs& attrs = {}) {
  return record(op, std::span<const Value>(operands.begin(), operands.size()), attrs);
}

/// Operands of which the last `optional` ones may be undefined.
Value record_optional(const char* op, std::vector<Value> operands, int optional,
                      const Attrs& attrs) {
  for (; optional > 0 && !operands.back().defined(); --optional) operands.pop_back();
  return record(op, operands, attrs);
}

Value literal(Value like, double value) {
  if (!like.defined()) user_error("a number is combined with an undefined value");
  return like.graph->constant(value, like.dtype());
}

/// Normal axes when they are legal; otherwise as given, for the op's rule to complain about.
Ints axes_for(Value x, Ints axes) {
  if (!x.defined()) return axes;
  return normal_axes(axes, x.shape().rank()).value_or(axes);
}

int64_t axis_for(Value x, int axis) {
  return x.defined() && axis < 0 && axis >= -x.shape().rank() ? axis + x.shape().rank() : axis;
}

Value reduction(const char* op, Value x, const Ints& axes, bool keep_dims) {
  return record(op, {x}, {{"axes", axes_for(x, axes)}, {"keep_dims", keep_dims}});
}

Value extreme(const char* op, Value x, const Ints& axes, bool keep_dims, const std::string& ties) {
  return record(op, {x}, {{"axes", axes_for(x, axes)}, {"keep_dims", keep_dims}, {"ties", ties}});
}

/// An op that chooses along an axis: indices alone, or values and indices.
Value choice(const char* op, Value x, int axis, bool keep_dims, const std::string& tie,
             bool nan_wins) {
  return record(op, {x},
                {{"axis", axis_for(x, axis)},
                 {"keep_dims", keep_dims},
                 {"tie", tie},
                 {"nan_wins", nan_wins}});
}
TopK with_indices(Value values) { return {values, values.graph->output_of(values, 1)}; }

Ints filled(Ints values, size_t count, int64_t fallback) {
  return values.empty() ? Ints(count, fallback) : values;
}

size_t spatial_rank(Value x) {
  return x.defined() && x.shape().rank() > 2 ? static_cast<size_t>(x.shape().rank() - 2) : 0;
}

Attrs conv_attrs(Value image, const ConvAttrs& a) {
  const size_t rank = spatial_rank(image);
  return {{"strides", filled(a.strides, rank, 1)},
          {"pads_begin", filled(a.pads_begin, rank, 0)},
          {"pads_end", filled(a.pads_end, rank, 0)},
          {"dilations", filled(a.dilations, rank, 1)},
          {"groups", a.groups}};
}

Attrs pool_attrs(Value image, const PoolAttrs& a) {
  const size_t rank = spatial_rank(image);
  return {{"kernel", a.kernel},
          {"strides", filled(a.strides, rank, 1)},
          {"pads_begin", filled(a.pads_begin, rank, 0)},
          {"pads_end", filled(a.pads_end, rank, 0)},
          {"ceil", a.ceil}};
}

Attrs max_pool_attrs(Value image, const PoolAttrs& a) {
  Attrs attrs = pool_attrs(image, a);
  if (std::any_of(a.dilations.begin(), a.dilations.end(), [](int64_t d) { return d != 1; }))
    attrs.set("dilations", a.dilations);
  return attrs;
}

Draw draw(const char* op, Value state, const Shape& shape, Attrs attrs) {
  attrs.set("shape", shape.vec());
  const Value first = record(op, {state}, attrs);
  return {first, first.graph->output_of(first, 1)};
}

}  // namespace

#define TRIVIUM_UNARY(name) \
  Value name(Value x) { return record(#name, {x}); }
#define TRIVIUM_BINARY(name) \
  Value name(Value a, Value b) { return record(#name, {a, b}); }
TRIVIUM_UNARY(neg)
TRIVIUM_UNARY(abs)
TRIVIUM_UNARY(sign)
TRIVIUM_UNARY(exp)
TRIVIUM_UNARY(log)
TRIVIUM_UNARY(log1p)
TRIVIUM_UNARY(expm1)
TRIVIUM_UNARY(sqrt)
TRIVIUM_UNARY(rsqrt)
TRIVIUM_UNARY(square)
TRIVIUM_UNARY(reciprocal)
TRIVIUM_UNARY(sin)
TRIVIUM_UNARY(cos)
TRIVIUM_UNARY(tanh)
TRIVIUM_UNARY(sigmoid)
TRIVIUM_UNARY(erf)
TRIVIUM_UNARY(floor)
TRIVIUM_UNARY(ceil)
TRIVIUM_UNARY(round)
TRIVIUM_UNARY(relu)
TRIVIUM_UNARY(softplus)
TRIVIUM_UNARY(logical_not)
TRIVIUM_UNARY(is_nan)
TRIVIUM_UNARY(is_inf)
TRIVIUM_UNARY(tan)
TRIVIUM_UNARY(asin)
TRIVIUM_UNARY(acos)
TRIVIUM_UNARY(atan)
TRIVIUM_UNARY(sinh)
TRIVIUM_UNARY(cosh)
TRIVIUM_UNARY(asinh)
TRIVIUM_UNARY(acosh)
TRIVIUM_UNARY(atanh)
TRIVIUM_UNARY(log2)
TRIVIUM_UNARY(log10)
TRIVIUM_UNARY(exp2)
TRIVIUM_UNARY(trunc)
TRIVIUM_UNARY(erfc)
TRIVIUM_UNARY(erfinv)
TRIVIUM_UNARY(lgamma)
TRIVIUM_UNARY(digamma)
TRIVIUM_UNARY(stop_gradient)
TRIVIUM_BINARY(add)
TRIVIUM_BINARY(sub)
TRIVIUM_BINARY(mul)
TRIVIUM_BINARY(div)
TRIVIUM_BINARY(pow)
TRIVIUM_BINARY(maximum)
TRIVIUM_BINARY(minimum)
TRIVIUM_BINARY(mod)
TRIVIUM_BINARY(fmod)
TRIVIUM_BINARY(floor_div)
TRIVIUM_BINARY(atan2)
TRIVIUM_BINARY(bitwise_and)
TRIVIUM_BINARY(bitwise_or)
TRIVIUM_BINARY(bitwise_xor)
TRIVIUM_BINARY(shift_left)
TRIVIUM_BINARY(shift_right)
TRIVIUM_BINARY(equal)
TRIVIUM_BINARY(not_equal)
TRIVIUM_BINARY(less)
TRIVIUM_BINARY(less_equal)
TRIVIUM_BINARY(greater)
TRIVIUM_BINARY(greater_equal)
TRIVIUM_BINARY(logical_and)
TRIVIUM_BINARY(logical_or)
TRIVIUM_BINARY(relu_grad)
#undef TRIVIUM_UNARY
#undef TRIVIUM_BINARY

Value bitwise_not(Value x) {
  if (x.defined() && x.dtype() == DType::bool_) return logical_not(x);
  return record("bitwise_not", {x});
}
Value select(Value condition, Value a, Value b) { return record("select", {condition, a, b}); }
Value clip(Value x, Value lo, Value hi) { return record("clip", {x, lo, hi}); }
Value cast(Value x, DType dtype) {
  if (x.defined() && x.dtype() == dtype) return x;
  return record("cast", {x}, {{"dtype", std::string(name_of(dtype))}});
}
Value add_n(const std::vector<Value>& xs) { return xs.size() == 1 ? xs[0] : record("add_n", xs); }

Value add(Value a, double b) { return add(a, literal(a, b)); }
Value sub(Value a, double b) { return sub(a, literal(a, b)); }
Value mul(Value a, double b) { return mul(a, literal(a, b)); }
Value div(Value a, double b) { return div(a, literal(a, b)); }
Value pow(Value a, double b) { return pow(a, literal(a, b)); }
Value maximum(Value a, double b) { return maximum(a, literal(a, b)); }
Value minimum(Value a, double b) { return minimum(a, literal(a, b)); }
Value rsub(double a, Value b) { return sub(literal(b, a), b); }
Value rdiv(double a, Value b) { return div(literal(b, a), b); }

Value sum(Value x, Ints axes, bool keep_dims) { return reduction("sum", x, axes, keep_dims); }
Value mean(Value x, Ints axes, bool keep_dims) { return reduction("mean", x, axes, keep_dims); }
Value reduce_max(Value x, Ints axes, bool keep_dims, const std::string& ties) {
  return extreme("reduce_max", x, axes, keep_dims, ties);
}
Value reduce_min(Value x, Ints axes, bool keep_dims, const std::string& ties) {
  return extreme("reduce_min", x, axes, keep_dims, ties);
}
Value prod(Value x, Ints axes, bool keep_dims) { return reduction("prod", x, axes, keep_dims); }
Value sum_to(Value x, const Shape& shape) {
  if (x.defined() && x.shape() == shape) return x;
  return record("sum_to", {x}, {{"shape", shape.vec()}});
}
Value argmax(Value x, int axis, bool keep_dims, const std::string& tie, bool nan_wins) {
  return choice("argmax", x, axis, keep_dims, tie, nan_wins);
}
Value argmin(Value x, int axis, bool keep_dims, const std::string& tie, bool nan_wins) {
  return choice("argmin", x, axis, keep_dims, tie, nan_wins);
}
TopK top_k(Value x, int64_t k, int axis, const std::string& tie, bool nan_wins) {
  return with_indices(record(
      "top_k", {x}, {{"k", k}, {"axis", axis_for(x, axis)}, {"tie", tie}, {"nan_wins", nan_wins}}));
}
TopK sort(Value x, int axis, bool descending) {
  return with_indices(
      record("sort", {x}, {{"axis", axis_for(x, axis)}, {"descending", descending}}));
}
Value cumsum(Value x, int axis, bool reverse) {
  return record("cumsum", {x}, {{"axis", axis_for(x, axis)}, {"reverse", reverse}});
}
Value cumprod(Value x, int axis) { return record("cumprod", {x}, {{"axis", axis_for(x, axis)}}); }
TopK cummax(Value x, int axis) {
  return with_indices(record("cummax", {x}, {{"axis", axis_for(x, axis)}}));
}
TopK cummin(Value x, int axis) {
  return with_indices(record("cummin", {x}, {{"axis", axis_for(x, axis)}}));
}

Value matmul(Value a, Value b, bool transpose_a, bool transpose_b, Value bias) {
  return record_optional("matmul", {a, b, bias}, 1,
                         {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}});
}

Value conv(Value x, Value w, const ConvAttrs& a, Value bias) {
  return record_optional("conv", {x, w, bias}, 1, conv_attrs(x, a));
}
Value conv_bwd_data(Value dy, Value w, const ConvAttrs& a, Ints spatial) {
  Attrs attrs = conv_attrs(dy, a);
  attrs.set("spatial", spatial);
  return record("conv_bwd_data", {dy, w}, attrs);
}
Value conv_bwd_weights(Value x, Value dy, const ConvAttrs& a, Ints kernel) {
  Attrs attrs = conv_attrs(x, a);
  attrs.set("kernel", kernel);
  return record("conv_bwd_weights", {x, dy}, attrs);
}

MaxPool max_pool(Value x, const PoolAttrs& a) {
  Attrs attrs = max_pool_attrs(x, a);
  attrs.set("nan_wins", a.nan_wins);
  const Value y = record("max_pool", {x}, attrs);
  return {y, y.graph->output_of(y, 1)};
}
Value max_pool_plane_index(Value position, const PoolAttrs& a, Ints spatial) {
  Attrs attrs = max_pool_attrs(position, a);
  attrs.set("spatial", spatial);
  return record("max_pool_plane_index", {position}, attrs);
}
Value avg_pool(Value x, const PoolAttrs& a, bool count_include_pad) {
  Attrs attrs = pool_attrs(x, a);
  attrs.set("count_include_pad", count_include_pad);
  return record("avg_pool", {x}, attrs);
}
Value lrn(Value x, int64_t size, double alpha, double beta, double k) {
  return record("lrn", {x}, {{"size", size}, {"alpha", alpha}, {"beta", beta}, {"k", k}});
}

Value softmax(Value x, int axis) { return record("softmax", {x}, {{"axis", axis_for(x, axis)}}); }
Value log_softmax(Value x, int axis) {
  return record("log_softmax", {x}, {{"axis", axis_for(x, axis)}});
}
CrossEntropy softmax_cross_entropy(Value logits, Value labels, int axis, double floor,
                                   bool has_ignore, int64_t ignore_label) {
  const Value loss = record("softmax_cross_entropy", {logits, labels},
                            {{"axis", axis_for(logits, axis)},
                             {"floor", floor},
                             {"has_ignore", has_ignore},
                             {"ignore_label", ignore_label}});
  return {loss, loss.graph->output_of(loss, 1)};
}
BatchNorm batch_norm(Value x, double eps, Value gamma, Value beta) {
  const Value y = record_optional("batch_norm", {x, gamma, beta}, 2, {{"eps", eps}});
  const auto output = [&](int i) { return y.graph->output_of(y, i); };
  return {y, output(1), output(2), output(3)};
}
LayerNorm layer_norm(Value x, int axes, double eps, Value gamma, Value beta) {
  const Value y =
      record_optional("layer_norm", {x, gamma, beta}, 2, {{"axes", int64_t{axes}}, {"eps", eps}});
  return {y, y.graph->output_of(y, 1), y.graph->output_of(y, 2)};
}
Value in_top_k(Value scores, Value labels, int axis, int64_t top_k) {
  return record("in_top_k", {scores, labels}, {{"axis", axis_for(scores, axis)}, {"top_k", top_k}});
}

Value reshape(Value x, const Shape& shape) {
  if (x.defined() && x.shape() == shape) return x;
  return record("reshape", {x}, {{"shape", shape.vec()}});
}
Value permute(Value x, Ints axes) {
  bool same = true;
  for (size_t i = 0; i < axes.size(); ++i) same &= axes[i] == static_cast<int64_t>(i);
  if (x.defined() && same && static_cast<int>(axes.size()) == x.shape().rank()) return x;
  return record("permute", {x}, {{"perm", axes}});
}
Value broadcast_to(Value x, const Shape& shape) {
  if (x.defined() && x.shape() == shape) return x;
  return record("broadcast_to", {x}, {{"shape", shape.vec()}});
}
Value slice(Value x, Ints starts, Ints stops, Ints steps) {
  const Ints filled_steps = filled(steps, starts.size(), 1);
  return record("slice", {x}, {{"starts", starts}, {"stops", stops}, {"steps", filled_steps}});
}
Value concat(const std::vector<Value>& xs, int axis) {
  const Value first = xs.empty() ? Value{} : xs[0];
  return record("concat", xs, {{"axis", axis_for(first, axis)}});
}
Value pad(Value x, Ints before, Ints after, double value) {
  return record("pad", {x}, {{"before", before}, {"after", after}, {"value", value}});
}
Value flip(Value x, Ints axes) { return record("flip", {x}, {{"axes", axes_for(x, axes)}}); }
Value gather(Value x, Value index, int axis) {
  return record("gather", {x, index}, {{"axis", axis_for(x, axis)}});
}
Value scatter_add(Value updates, Value index, const Shape& shape, int axis) {
  const int64_t at = axis < 0 ? axis + shape.rank() : axis;
  return record("scatter_add", {updates, index}, {{"shape", shape.vec()}, {"axis", at}});
}
Value slice_scatter(Value x, Value updates, Ints starts, Ints stops, Ints steps) {
  const Ints filled_steps = filled(steps, starts.size(), 1);
  return record("slice_scatter", {x, updates},
                {{"starts", starts}, {"stops", stops}, {"steps", filled_steps}});
}
Value gather_elements(Value x, Value index, int axis) {
  return record("gather_elements", {x, index}, {{"axis", axis_for(x, axis)}});
}
Value scatter_elements(Value x, Value index, Value updates, int axis, const std::string& reduce) {
  return record("scatter_elements", {x, index, updates},
                {{"axis", axis_for(x, axis)}, {"reduce", reduce}});
}
Value index_update(Value x, Value index, Value updates, int axis, const std::string& mode) {
  return record("index_update", {x, index, updates}, {{"axis", axis_for(x, axis)}, {"mode", mode}});
}
Value one_hot(Value x, int64_t depth, DType dtype) {
  return record("one_hot", {x}, {{"depth", depth}, {"dtype", std::string(name_of(dtype))}});
}

Draw mt19937_uniform(Value state, const Shape& shape, double lo, double hi) {
  return draw("mt19937_uniform", state, shape, {{"lo", lo}, {"hi", hi}});
}
Draw mt19937_gaussian(Value state, const Shape& shape, double mean, double stddev) {
  return draw("mt19937_gaussian", state, shape, {{"mean", mean}, {"stddev", stddev}});
}
Draw mt19937_sparse_gaussian(Value state, const Shape& shape, double mean, double stddev,
                             int64_t sparse) {
  return draw("mt19937_sparse_gaussian", state, shape,
              {{"mean", mean}, {"stddev", stddev}, {"sparse", sparse}});
}
Draw mt19937_unitball(Value state, const Shape& shape) {
  return draw("mt19937_unitball", state, shape, {});
}
Draw mt19937_bernoulli(Value state, const Shape& shape, double keep) {
  return draw("mt19937_bernoulli", state, shape, {{"keep", keep}});
}
Value philox_uniform(Value seed, Value stream, const Shape& shape, double lo, double hi) {
  return record("philox_uniform", {seed, stream}, {{"shape", shape.vec()}, {"lo", lo}, {"hi", hi}});
}
Value philox_normal(Value seed, Value stream, const Shape& shape, double mean, double stddev) {
  return record("philox_normal", {seed, stream},
                {{"shape", shape.vec()}, {"mean", mean}, {"stddev", stddev}});
}

}  // namespace trivium::ops
