#include "trivium/notations/tf/ops.h"

#include <numeric>

namespace trivium::tf {
namespace {

std::string joined_or(const std::string& name, const char* fallback) {
  return name.empty() ? fallback : name;
}

/// The dtype a number beside `other` takes.
DataType beside(const Input& x, const Input& other) {
  return !x.is_tensor() && other.is_tensor() ? other.given().dtype() : DataType::invalid;
}

/// A random operation under TensorFlow's names: <scope>/{shape, <a>, <b>, <type>, …}.
struct RandomScope {
  RandomScope(const std::string& name, const char* fallback, const Input& shape_in)
      : scope(joined_or(name, fallback)), shape(shape_in.tensor("shape", DataType::invalid)) {}
  NameScope scope;
  Tensor shape;
};

Tensor draw(const std::string& type, const Tensor& shape, DataType dtype, Seed seed) {
  const auto seeds = default_graph()->op_seeds(seed);
  return Build(type, "")
      .in(shape)
      .attr("dtype", dtype)
      .attr("seed", seeds.first)
      .attr("seed2", seeds.second);
}

/// <scope>/mul = noise * by, then <scope> = mul + plus.
Tensor scaled(const RandomScope& scope, const Tensor& noise, const Tensor& by, const Tensor& plus) {
  const Tensor product = Build("Mul", "mul").in(noise).in(by);
  return default_graph()->create("Add", {product, plus}, {}, scope.scope.text())->output();
}

Tensor normal_like(const std::string& type, const char* fallback, const Input& shape,
                   const Input& mean, const Input& stddev, DataType dtype, Seed seed,
                   const std::string& name) {
  const RandomScope scope(name, fallback, shape);
  const Tensor m = mean.tensor("mean", dtype), s = stddev.tensor("stddev", dtype);
  return scaled(scope, draw(type, scope.shape, dtype, seed), s, m);
}

Tensor filled(const Input& shape, double value, DataType dtype, const std::string& name,
              const char* fallback) {
  const NameScope scope(joined_or(name, fallback));
  if (!shape.is_tensor()) {
    const Array known = shape.value(DataType::int32).array;
    std::vector<int64_t> dims;
    for (int64_t i = 0; i < known.count(); ++i) dims.push_back(static_cast<int64_t>(known.at(i)));
    if (PartialShape(dims).count() < 1000)  // as TensorFlow: small ones are constants
      return constant(Data(Array::full(Shape(dims), value, engine_type(dtype))), DataType::invalid,
                      scope.text());
    return Build("Fill", scope.text())
        .in(shape.tensor("shape_as_tensor", DataType::int32))
        .in(Array::full({}, value, engine_type(dtype)), "Const");
  }
  return Build("Fill", scope.text())
      .in(shape.given())
      .in(Array::full({}, value, engine_type(dtype)), "Const");
}

}  // namespace

Tensor placeholder(DataType dtype, const PartialShape& shape, const std::string& name) {
  return default_graph()
      ->create("Placeholder", {}, {{"dtype", dtype}, {"shape", shape}},
               joined_or(name, "Placeholder"))
      ->output();
}

Tensor placeholder_with_default(const Input& input, const PartialShape& shape,
                                const std::string& name) {
  return Build("PlaceholderWithDefault", name).in(input, "input").attr("shape", shape);
}

Tensor identity(const Input& x, const std::string& name) {
  return Build("Identity", name).in(x, "input");
}
Tensor stop_gradient(const Input& x, const std::string& name) {
  return Build("StopGradient", name).in(x, "input");
}

std::shared_ptr<Operation> no_op(const std::string& name) {
  return default_graph()->create("NoOp", {}, {}, joined_or(name, "NoOp"));
}

std::shared_ptr<Operation> group(const std::vector<std::shared_ptr<Operation>>& ops,
                                 const std::string& name) {
  const ControlDependencies wait(ops);
  return no_op(joined_or(name, "group_deps"));
}

Tensor assign(const Tensor& ref, const Input& value, const std::string& name) {
  return Build("Assign", name).in(ref).in(value, "value", ref.dtype());
}
Tensor assign_add(const Tensor& ref, const Input& value, const std::string& name) {
  return Build("AssignAdd", name).in(ref).in(value, "value", ref.dtype());
}
Tensor assign_sub(const Tensor& ref, const Input& value, const std::string& name) {
  return Build("AssignSub", name).in(ref).in(value, "value", ref.dtype());
}

Tensor unary(const std::string& type, const Input& x, const std::string& name) {
  return Build(type, name).in(x, "x");
}

Tensor binary(const std::string& type, const Input& x, const Input& y, const std::string& name,
              const std::string& fallback) {
  Build build(type, name.empty() ? fallback : name);
  build.in(x, "x", beside(x, y));
  return build.in(y, "y", build[0].dtype());
}

Tensor add(const Input& x, const Input& y) { return binary("Add", x, y); }
Tensor subtract(const Input& x, const Input& y) { return binary("Sub", x, y); }
Tensor multiply(const Input& x, const Input& y) { return binary("Mul", x, y); }
Tensor divide(const Input& x, const Input& y) { return binary("RealDiv", x, y, "", "truediv"); }
Tensor pow(const Input& x, const Input& y) { return binary("Pow", x, y); }
Tensor maximum(const Input& x, const Input& y) { return binary("Maximum", x, y); }
Tensor minimum(const Input& x, const Input& y) { return binary("Minimum", x, y); }
Tensor equal(const Input& x, const Input& y) { return binary("Equal", x, y); }
Tensor less(const Input& x, const Input& y) { return binary("Less", x, y); }
Tensor greater(const Input& x, const Input& y) { return binary("Greater", x, y); }
Tensor negative(const Input& x) { return unary("Neg", x); }
Tensor abs(const Input& x) { return unary("Abs", x); }
Tensor square(const Input& x) { return unary("Square", x); }
Tensor sqrt(const Input& x) { return unary("Sqrt", x); }
Tensor exp(const Input& x) { return unary("Exp", x); }
Tensor log(const Input& x) { return unary("Log", x); }
Tensor sigmoid(const Input& x) { return unary("Sigmoid", x); }
Tensor tanh(const Input& x) { return unary("Tanh", x); }

Tensor cast(const Input& x, DataType dtype, const std::string& name) {
  if (x.is_tensor() && x.given().dtype() == dtype) return x.given();
  return Build("Cast", name).in(x, "x").attr("DstT", dtype);
}

Tensor add_n(const std::vector<Input>& inputs, const std::string& name) {
  if (inputs.empty())
    raise<ValueError>("inputs must be a list of at least one Tensor with the same dtype and shape");
  Build build("AddN", name);
  for (size_t i = 0; i < inputs.size(); ++i) build.in(inputs[i], fmt::format("inputs_{}", i));
  return build;
}

Tensor reduce(const std::string& type, const Input& x, const Axes& axes, bool keep_dims,
              const std::string& name) {
  const Tensor input = x.tensor("input_tensor");
  const auto graph = default_graph();
  Tensor all;
  if (!axes) {
    if (input.shape().known_rank()) {
      std::vector<int64_t> every(input.shape().rank());
      std::iota(every.begin(), every.end(), 0);
      all = constant(every, DataType::int32);
    } else {
      const Tensor rank = graph->create("Rank", {input}, {})->output();
      Build range("Range", "range");
      all = range.in(0, "start").in(rank).in(1, "delta");
      // start, limit, delta is the order of the operation; the rank is its limit.
    }
  }
  Build build(type, name);
  build.in(input);
  if (axes)
    build.in(*axes, "reduction_indices", DataType::int32);
  else
    build.in(all);
  const Tensor out = build.attr("keep_dims", keep_dims);
  if (!axes && !keep_dims) out.set_shape(PartialShape(Shape{}));
  return out;
}

Tensor reduce_sum(const Input& x, const Axes& axes, bool keep_dims) {
  return reduce("Sum", x, axes, keep_dims);
}
Tensor reduce_sum(const Input& x, int axis) { return reduce("Sum", x, std::vector<int64_t>{axis}); }
Tensor reduce_mean(const Input& x, const Axes& axes, bool keep_dims) {
  return reduce("Mean", x, axes, keep_dims);
}
Tensor reduce_mean(const Input& x, int axis) {
  return reduce("Mean", x, std::vector<int64_t>{axis});
}

Tensor argmax(const Input& x, int64_t axis, DataType output_type, const std::string& name) {
  return Build("ArgMax", name)
      .in(x, "input")
      .in(static_cast<int>(axis), "dimension")
      .attr("output_type", output_type);
}

Tensor matmul(const Input& a, const Input& b, bool transpose_a, bool transpose_b,
              const std::string& name) {
  Build build("MatMul", name);
  build.in(a, "a", beside(a, b));
  build.in(b, "b", build[0].dtype());
  return build.attr("transpose_a", transpose_a).attr("transpose_b", transpose_b);
}

Tensor reshape(const Input& x, const Input& shape, const std::string& name) {
  return Build("Reshape", name).in(x, "tensor").in(shape, "shape");
}

Tensor transpose(const Input& x, const std::optional<std::vector<int64_t>>& perm,
                 const std::string& name) {
  const Tensor input = x.tensor("a");
  std::vector<int64_t> order(input.shape().dims().size());
  std::iota(order.rbegin(), order.rend(), 0);
  return Build("Transpose", name, "transpose").in(input).in(perm ? *perm : order, "perm");
}

Tensor concat(const std::vector<Input>& values, int64_t axis, const std::string& name) {
  Build build("ConcatV2", name, "concat");
  for (size_t i = 0; i < values.size(); ++i) build.in(values[i], fmt::format("values_{}", i));
  return build.in(static_cast<int>(axis), "axis");
}

Tensor stack(const std::vector<Input>& values, int64_t axis, const std::string& name) {
  Build build("Pack", name, "stack");
  DataType dtype = DataType::invalid;
  for (const Input& v : values)
    if (v.is_tensor()) dtype = v.given().dtype();
  for (size_t i = 0; i < values.size(); ++i)
    build.in(values[i], fmt::format("values_{}", i), dtype);
  return build.attr("axis", axis);
}

Tensor one_hot(const Input& indices, int64_t depth, const std::string& name) {
  return Build("OneHot", name, "one_hot")
      .in(indices, "indices")
      .in(static_cast<int>(depth), "depth")
      .in(1.0, "on_value")
      .in(0.0, "off_value")
      .attr("axis", int64_t{-1});
}

Tensor gather(const Input& params, const Input& indices, const std::string& name) {
  return Build("GatherV2", name).in(params, "params").in(indices, "indices").in(0, "axis");
}

Tensor zeros(const Input& shape, DataType dtype, const std::string& name) {
  return filled(shape, 0, dtype, name, "zeros");
}
Tensor ones(const Input& shape, DataType dtype, const std::string& name) {
  return filled(shape, 1, dtype, name, "ones");
}

Tensor random_normal(const Input& shape, const Input& mean, const Input& stddev, DataType dtype,
                     Seed seed, const std::string& name) {
  return normal_like("RandomStandardNormal", "random_normal", shape, mean, stddev, dtype, seed,
                     name);
}

Tensor truncated_normal(const Input& shape, const Input& mean, const Input& stddev, DataType dtype,
                        Seed seed, const std::string& name) {
  return normal_like("TruncatedNormal", "truncated_normal", shape, mean, stddev, dtype, seed, name);
}

Tensor random_uniform(const Input& shape, const Input& minval, const Input& maxval, DataType dtype,
                      Seed seed, const std::string& name) {
  const RandomScope scope(name, "random_uniform", shape);
  const Tensor low = minval.tensor("min", dtype), high = maxval.tensor("max", dtype);
  if (is_integer(dtype)) {
    const auto seeds = default_graph()->op_seeds(seed);
    return Build("RandomUniformInt", scope.scope.text())
        .in(scope.shape)
        .in(low)
        .in(high)
        .attr("seed", seeds.first)
        .attr("seed2", seeds.second);
  }
  const Tensor noise = draw("RandomUniform", scope.shape, dtype, seed);
  const Tensor span = Build("Sub", "sub").in(high).in(low);
  return scaled(scope, noise, span, low);
}

Tensor random_shuffle(const Input& value, Seed seed, const std::string& name) {
  const auto seeds = default_graph()->op_seeds(seed);
  return Build("RandomShuffle", name)
      .in(value, "value")
      .attr("seed", seeds.first)
      .attr("seed2", seeds.second);
}

}  // namespace trivium::tf
