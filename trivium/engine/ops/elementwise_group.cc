// The op behind fused elementwise chains. Only the compiler records it; its code is ops/group.h.
#include "trivium/engine/ops/elementwise.h"
#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/group.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

void infer_group(InferCtx& c) {
  const GroupCode group = GroupCode::from_attrs(c.attrs());
  if (group.inputs != c.inputs())
    c.fail(fmt::format("the code takes {} operands, {} given", group.inputs, c.inputs()));
  c.require(!group.outputs.empty(), "the code has no outputs");
  Shape shape;
  for (int i = 0; i < c.inputs(); ++i) shape = broadcast_shapes(shape, c.shape(i));
  for (const GroupCode::Output& o : group.outputs) c.output(shape, o.dtype);
}

double stored(double v, DType dtype) {
  if (dtype == DType::bool_) return v != 0;
  return is_integer(dtype) ? std::trunc(v) : v;
}

void reference_group(RefCtx& r) {
  const GroupCode group = GroupCode::from_attrs(r.attrs);
  const Shape& shape = r.out[0]->shape;
  std::vector<std::array<int64_t, Shape::kMaxRank>> strides;
  for (const RefTensor* t : r.in) strides.push_back(broadcast_strides(t->shape, shape));
  std::vector<double> reg(group.result_register(static_cast<int>(group.code.size())));
  std::copy(group.constants.begin(), group.constants.end(), reg.begin() + group.inputs);
  const auto value = [&](int32_t k) { return k < 0 ? 0.0 : reg[k]; };
  int64_t element = 0;
  for_each_position(shape.dims(), [&](std::span<const int64_t> at) {
    for (size_t k = 0; k < r.in.size(); ++k) {
      int64_t offset = 0;
      for (size_t axis = 0; axis < at.size(); ++axis) offset += at[axis] * strides[k][axis];
      reg[k] = r.in[k]->data[offset];
    }
    for (size_t i = 0; i < group.code.size(); ++i) {
      const GroupCode::Instruction& in = group.code[i];
      reg[group.result_register(static_cast<int>(i))] =
          apply(in.op, value(in.a), value(in.b), value(in.c));
    }
    for (size_t o = 0; o < group.outputs.size(); ++o)
      r.out[o]->data[element] = stored(reg[group.outputs[o].reg], group.outputs[o].dtype);
    ++element;
  });
}

Cost group_cost(std::span<const ValueMeta>, std::span<const ValueMeta> out, const Attrs& attrs) {
  const double instructions = static_cast<double>(attrs.integers("code").size() / 4);
  return {instructions * static_cast<double>(out[0].shape.count())};
}

/// max((a + b) * 0.5, b) and the comparison a < b.
Sample group_sample(Shape a, Shape b) {
  GroupCode g;
  g.inputs = 2;
  g.constants = {0.5};
  g.code = {{ScalarOp::add, 0, 1},
            {ScalarOp::mul, 3, 2},
            {ScalarOp::maximum, 4, 1},
            {ScalarOp::less, 0, 1}};
  g.outputs = {{5, DType::f32}, {6, DType::bool_}};
  SampleInput x({}, SampleInput::distinct), y({}, SampleInput::distinct);
  x.shape = a;
  y.shape = b;
  return {{x, y}, g.to_attrs()};
}

}  // namespace

void define_group(OpRegistry& ops) {
  ops.define("elementwise_group")
      .summary(
          "A chain of elementwise operations run in one pass; made by the compiler. Registers are "
          "float32: "
          "inputs are converted when loaded, results when stored.")
      .formula("r[k] = op_k(r[a], r[b], r[c]); registers: inputs, constants, results in order")
      .variadic_input("x", "any dtype; shapes broadcast to the shape of the outputs")
      .required_attr("inputs", int64_t{0}, "number of operands")
      .required_attr("constants", std::vector<double>{}, "constant registers")
      .required_attr("code", std::vector<int64_t>{},
                     "four integers an instruction: opcode, a, b, c")
      .required_attr("outputs", std::vector<int64_t>{}, "two integers an output: register, dtype")
      .output("y", "one or more, of the broadcast shape")
      .infer(infer_group)
      .reference(reference_group)
      .not_differentiable("groups are made after gradients are recorded")
      .cost(group_cost)
      .samples(
          {group_sample({2, 3}, {2, 3}), group_sample({4, 1, 2}, {3, 1}), group_sample({}, {5})});
}

}  // namespace trivium::ops
