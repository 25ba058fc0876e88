// A group of elementwise operations that runs in one pass over memory. The program is compiled to a
// tape of tile operations: every instruction handles 256 floats (1 KiB), so all values in between
// stay in the L1 cache. Broadcast operands, other dtypes and one sum at the end are part of the
// same pass.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "trivium/engine/core/dtype.h"
#include "trivium/engine/core/scalar_op.h"
#include "trivium/engine/core/shape.h"

namespace trivium::cpu {

/// Which axes of the iteration space a sum runs over: the last ones, the first ones, or all but one
/// (the gradient of a bias per channel).
enum class Reduction { none, trailing_axes, leading_axes, all_but_axis };

/// What to compute, as a list of values in single assignment. Example, momentum SGD in place:
///
///   Program p(shape);
///   auto w = p.input(DType::f32, shape), g = p.input(DType::f32, shape), h = p.input(DType::f32,
///   shape); auto lr = p.input(DType::f32, Shape{}), mu = p.constant(0.9); auto step =
///   p.apply(ScalarOp::add, p.apply(ScalarOp::mul, mu, h), p.apply(ScalarOp::mul, lr, g));
///   p.output(p.apply(ScalarOp::sub, w, step), DType::f32);
///   p.output(step, DType::f32);
class Program {
 public:
  using Value = int;
  using Strides = std::array<int64_t, Shape::kMaxRank>;

  struct Input {
    DType dtype;
    Strides strides;  // in elements, one per axis of the space; 0 repeats
    Value value;
  };
  struct Instruction {
    ScalarOp op;
    Value dst, a, b, c;  // operands beyond the arity are -1
  };
  struct Output {
    Value value;
    DType dtype;
    std::vector<int64_t> strides = {};  // in elements, the last one 1; empty: row-major
  };
  struct Constant {
    Value value;
    double number;
  };

  /// `arithmetic` is f32, f64, or i64: integers, exact, wrapping; only operations that have a
  /// meaning on them.
  explicit Program(Shape space, DType arithmetic = DType::f32);

  /// The next array argument. Any dtype is read and becomes a number of the arithmetic. `shape`
  /// broadcasts to the space as in NumPy.
  Value input(DType dtype, const Shape& shape);
  /// The same with explicit strides, e.g. of a transposed operand.
  Value input(DType dtype, std::span<const int64_t> strides);
  Value constant(double number);
  /// UserError when an operand is missing or comes later.
  Value apply(ScalarOp op, Value a, Value b = -1, Value c = -1);
  /// Stores a value of the whole space, row-major. Truncates towards zero for integers (wraps like
  /// a C conversion through int64; NaN gives 0); bool stores value != 0.
  /// With `strides`, it is stored so: into part of a larger array.
  void output(Value value, DType dtype, std::vector<int64_t> strides = {});
  /// Stores scale * the sum of a value over the last (or first) `axes` axes, or over all but axis
  /// `axes`, as the last array. The order of additions depends on the shape only. At most one a
  /// program.
  void reduce(Value value, Reduction kind, int axes, DType dtype, double scale = 1);

  const Shape& space() const { return space_; }
  DType arithmetic() const { return arithmetic_; }
  int value_count() const { return value_count_; }
  const std::vector<Input>& inputs() const { return inputs_; }
  const std::vector<Constant>& constants() const { return constants_; }
  const std::vector<Instruction>& instructions() const { return instructions_; }
  const std::vector<Output>& outputs() const { return outputs_; }
  Reduction reduction() const { return reduction_; }
  int reduced_axes() const { return reduced_axes_; }
  const Output& reduced() const { return reduced_; }
  double reduction_scale() const { return reduction_scale_; }
  /// Shape of the reduced array.
  Shape reduced_shape() const;
  /// One line a value: "v3 = mul v0 v2".
  std::string text() const;

 private:
  Value check(Value value, const char* what) const;
  Shape space_;
  DType arithmetic_;
  int value_count_ = 0;
  std::vector<Input> inputs_;
  std::vector<Constant> constants_;
  std::vector<Instruction> instructions_;
  std::vector<Output> outputs_;
  Reduction reduction_ = Reduction::none;
  int reduced_axes_ = 0;
  Output reduced_{-1, DType::f32};
  double reduction_scale_ = 1;
};

namespace detail {
class Machine;
}

/// A compiled Program. Immutable; run() may be called from several threads at once, allocates
/// nothing and gives the same bits for any number of threads.
class ElementwiseKernel {
 public:
  /// UserError when the program stores nothing or needs more than 120 registers.
  explicit ElementwiseKernel(const Program& program);
  ElementwiseKernel(ElementwiseKernel&&) noexcept;
  ElementwiseKernel& operator=(ElementwiseKernel&&) noexcept;
  ~ElementwiseKernel();

  /// `in`: one pointer per input; `out`: one per output, then the sum if there is one. An output
  /// may be the same memory as an input of equal element size that is not broadcast; nothing else
  /// may overlap.
  void run(const void* const* in, void* const* out) const;
  /// Tile operations executed per tile, after joining and hoisting (for tests and logs).
  int tape_length() const;

 private:
  std::unique_ptr<const detail::Machine> machine_;
};

}  // namespace trivium::cpu
