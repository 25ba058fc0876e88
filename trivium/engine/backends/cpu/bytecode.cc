// Building and printing a Program. Compiling and running it: bytecode_machine.
#include "trivium/engine/backends/cpu/bytecode.h"

#include "trivium/engine/core/error.h"

namespace trivium::cpu {
namespace {

const char* sum_text(Reduction reduction) {
  switch (reduction) {
    case Reduction::trailing_axes:
      return "the last axes: ";
    case Reduction::leading_axes:
      return "the first axes: ";
    default:
      return "all axes but ";
  }
}

}  // namespace

Program::Program(Shape space, DType arithmetic) : space_(space), arithmetic_(arithmetic) {
  if (arithmetic != DType::f32 && arithmetic != DType::f64 && arithmetic != DType::i64)
    user_error("elementwise program: arithmetic in float32, float64 or int64 expected, {} received",
               name_of(arithmetic));
}

Program::Value Program::check(Value value, const char* what) const {
  if (value < 0 || value >= value_count_)
    user_error("elementwise {}: a value from 0 to {} expected, {} received", what, value_count_ - 1,
               value);
  return value;
}

Program::Value Program::input(DType dtype, const Shape& shape) {
  const int missing = space_.rank() - shape.rank();
  const auto dense = strides_of(shape);
  Strides strides{};
  for (int axis = 0; axis < shape.rank(); ++axis) {
    const bool fits =
        missing + axis >= 0 && (shape[axis] == 1 || shape[axis] == space_[missing + axis]);
    if (!fits)
      user_error("elementwise input {}: shape {} does not broadcast to {}", inputs_.size(),
                 shape.text(), space_.text());
    strides[missing + axis] = shape[axis] == 1 ? 0 : dense[axis];
  }
  return input(dtype, std::span<const int64_t>(strides.data(), space_.rank()));
}

Program::Value Program::input(DType dtype, std::span<const int64_t> strides) {
  if (static_cast<int>(strides.size()) != space_.rank())
    user_error("elementwise input {}: {} strides expected for {}, {} received", inputs_.size(),
               space_.rank(), space_.text(), strides.size());
  Input in{dtype, {}, value_count_++};
  std::copy(strides.begin(), strides.end(), in.strides.begin());
  inputs_.push_back(in);
  return in.value;
}

Program::Value Program::constant(double number) {
  constants_.push_back({value_count_, number});
  return value_count_++;
}

Program::Value Program::apply(ScalarOp op, Value a, Value b, Value c) {
  const int arity = arity_of(op);
  check(a, name_of(op));
  if (arity > 1) check(b, name_of(op));
  if (arity > 2) check(c, name_of(op));
  instructions_.push_back({op, value_count_, a, arity > 1 ? b : -1, arity > 2 ? c : -1});
  return value_count_++;
}

void Program::output(Value value, DType dtype, std::vector<int64_t> strides) {
  outputs_.push_back({check(value, "output"), dtype, std::move(strides)});
}

void Program::reduce(Value value, Reduction kind, int axes, DType dtype, double scale) {
  if (reduction_ != Reduction::none)
    user_error("elementwise program: one sum expected, a second received");
  const bool keeps_one = kind == Reduction::all_but_axis;
  if (kind == Reduction::none || axes < 0 || axes > space_.rank() - keeps_one)
    user_error("elementwise sum: {} 0 to {} of {} expected, {} received",
               keeps_one ? "axis" : "axes", space_.rank() - keeps_one, space_.text(), axes);
  reduction_ = kind;
  reduced_axes_ = axes;
  reduced_ = {check(value, "sum"), dtype};
  reduction_scale_ = scale;
}

Shape Program::reduced_shape() const {
  if (reduction_ == Reduction::all_but_axis) return Shape{space_[reduced_axes_]};
  const int kept = space_.rank() - reduced_axes_;
  return Shape(
      space_.dims().subspan(reduction_ == Reduction::leading_axes ? reduced_axes_ : 0, kept));
}

std::string Program::text() const {
  std::string out = fmt::format("space {} in {}\n", space_.text(), name_of(arithmetic_));
  size_t input = 0, constant = 0, instruction = 0;
  for (Value v = 0; v < value_count_; ++v) {
    if (input < inputs_.size() && inputs_[input].value == v) {
      const Input& in = inputs_[input];
      out += fmt::format("v{} = input {} {} strides [{}]\n", v, input++, name_of(in.dtype),
                         fmt::join(in.strides.begin(), in.strides.begin() + space_.rank(), ", "));
    } else if (constant < constants_.size() && constants_[constant].value == v) {
      out += fmt::format("v{} = {}\n", v, constants_[constant++].number);
    } else {
      const Instruction& i = instructions_[instruction++];
      out += fmt::format("v{} = {}", v, name_of(i.op));
      for (Value operand : {i.a, i.b, i.c})
        if (operand >= 0) out += fmt::format(" v{}", operand);
      out += "\n";
    }
  }
  for (const Output& o : outputs_)
    out += fmt::format("store v{} as {}\n", o.value, name_of(o.dtype));
  if (reduction_ != Reduction::none)
    out += fmt::format("sum v{} over {}{}, times {}, as {}\n", reduced_.value, sum_text(reduction_),
                       reduced_axes_, reduction_scale_, name_of(reduced_.dtype));
  return out;
}

}  // namespace trivium::cpu
