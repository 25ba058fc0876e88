// What an op is: one record that holds its meaning and every rule derived from it. The verifier,
// the gradients, the interpreter, the fuser, the documents and the generic tests all read this
// record.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "trivium/engine/core/scalar_op.h"
#include "trivium/engine/graph/graph.h"

namespace trivium {

/// Given to shape rules: what the op is applied to, and where to put the result's shape and dtype.
class InferCtx {
 public:
  InferCtx(const OpDef& op, std::vector<ValueMeta> inputs, const Attrs& attrs, std::string where);

  int inputs() const { return static_cast<int>(inputs_.size()); }
  const Shape& shape(int input) const { return inputs_[input].shape; }
  DType dtype(int input) const { return inputs_[input].dtype; }
  const Attrs& attrs() const { return attrs_; }
  /// Attribute `name` as a non-negative axis of input 0; UserError when out of range.
  int axis(const std::string& name) const;
  void output(Shape shape, DType dtype) { outputs_.push_back({shape, dtype}); }
  const std::vector<ValueMeta>& outputs() const { return outputs_; }
  /// Throws UserError "<op>: <message>", then a line of operands, attributes and the rule, then the
  /// scope.
  [[noreturn]] void fail(const std::string& message, const std::string& rule = "") const;
  void require(bool ok, const std::string& message, const std::string& rule = "") const {
    if (!ok) fail(message, rule);
  }

 private:
  const OpDef& op_;
  std::vector<ValueMeta> inputs_;
  const Attrs& attrs_;
  std::string where_;
  std::vector<ValueMeta> outputs_;
};

/// Given to gradient rules: reads the node, records new nodes, hands gradients to the inputs.
class GradCtx {
 public:
  GradCtx(Graph& graph, int node, std::vector<Value> upstream, std::vector<bool> wanted);

  Graph& graph() { return graph_; }
  Value input(int i) const;
  int inputs() const;
  Value output(int i = 0) const { return {&graph_, node_, i}; }
  const Attrs& attrs() const;
  /// Gradient arriving at output i; zeros of its shape are recorded when nothing arrived.
  Value upstream(int i = 0);
  bool has_upstream(int i) const { return upstream_[i].defined(); }
  /// Whether somebody needs the gradient of input i: skip costly work otherwise.
  bool wants(int i) const { return wanted_[i]; }
  void to(int input, Value gradient) { results_[input] = gradient; }
  const std::vector<Value>& results() const { return results_; }

 private:
  Graph& graph_;
  int node_;
  std::vector<Value> upstream_;
  std::vector<bool> wanted_;
  std::vector<Value> results_;
};

/// A value of the reference interpreter: everything in double, row-major.
struct RefTensor {
  Shape shape;
  DType dtype = DType::f32;
  std::vector<double> data;
};

/// Given to references. Outputs have their shape and dtype set and data sized (zeros).
struct RefCtx {
  const Attrs& attrs;
  std::vector<const RefTensor*> in;
  std::vector<RefTensor*> out;
};

/// How the generic tests make an input: `range` says which numbers are legal.
struct SampleInput {
  Shape shape;
  enum Range {
    any,
    positive,
    unit,
    distinct,
    integers,
    booleans,
    bytes,
    inside,    // of (-1, 1), not near its ends
    above_one  // not near 1
  } range = any;
  DType dtype = DType::f32;
  int64_t limit = 0;  // integers: values 0 … limit-1
  SampleInput(std::initializer_list<int64_t> dims, Range r = any, DType d = DType::f32,
              int64_t l = 0)
      : shape(dims), range(r), dtype(d), limit(l) {}
};
struct Sample {
  std::vector<SampleInput> inputs;
  Attrs attrs;
};

enum class Effect { none, random, host };

/// Which bytes of work an op is, for costs, rooflines and `trivium check`.
struct Cost {
  double flops = 0;
};

class OpDef {
 public:
  struct Operand {
    std::string name, doc;
    bool optional = false;  // only trailing operands may be
    bool variadic = false;  // only the last may be: one or more (none too when optional)
  };
  struct Attr {
    std::string name;
    std::optional<AttrValue> fallback;  // none = required
    AttrValue type;                     // an example of the type when there is no fallback
    std::string doc;
  };
  using Infer = std::function<void(InferCtx&)>;
  using Gradient = std::function<void(GradCtx&)>;
  using Reference = std::function<void(RefCtx&)>;
  /// Rewrites a composite into smaller ops; returns one Value per output.
  using Decompose =
      std::function<std::vector<Value>(Graph&, std::span<const Value> inputs, const Attrs& attrs)>;
  using CostFn = std::function<Cost(std::span<const ValueMeta> in, std::span<const ValueMeta> out,
                                    const Attrs&)>;

  explicit OpDef(std::string name) : name_(std::move(name)) {}

  // Writing the record.
  OpDef& summary(std::string text) {
    summary_ = std::move(text);
    return *this;
  }
  OpDef& formula(std::string text) {
    formula_ = std::move(text);
    return *this;
  }
  OpDef& input(std::string name, std::string doc) {
    inputs_.push_back({name, doc});
    return *this;
  }
  OpDef& optional_input(std::string name, std::string doc) {
    inputs_.push_back({name, doc, true});
    return *this;
  }
  OpDef& variadic_input(std::string name, std::string doc) {
    inputs_.push_back({name, doc, false, true});
    return *this;
  }
  OpDef& optional_variadic_input(std::string name, std::string doc) {
    inputs_.push_back({name, doc, true, true});
    return *this;
  }
  OpDef& output(std::string name, std::string doc) {
    outputs_.push_back({name, doc});
    return *this;
  }
  OpDef& attr(std::string name, AttrValue fallback, std::string doc) {
    attrs_.push_back({name, fallback, fallback, doc});
    return *this;
  }
  OpDef& attr(std::string name, const char* fallback, std::string doc) {
    return attr(name, AttrValue(std::string(fallback)), doc);
  }
  OpDef& attr(std::string name, int fallback, std::string doc) {
    return attr(name, AttrValue(int64_t{fallback}), doc);
  }
  OpDef& required_attr(std::string name, AttrValue type, std::string doc) {
    attrs_.push_back({name, std::nullopt, type, doc});
    return *this;
  }
  OpDef& infer(Infer fn) {
    infer_ = std::move(fn);
    return *this;
  }
  OpDef& gradient(Gradient fn) {
    gradient_ = std::move(fn);
    return *this;
  }
  /// Says why there is none; asking for one is then a UserError with this reason.
  OpDef& not_differentiable(std::string reason) {
    no_gradient_ = std::move(reason);
    return *this;
  }
  OpDef& reference(Reference fn) {
    reference_ = std::move(fn);
    return *this;
  }
  OpDef& decompose(Decompose fn) {
    decompose_ = std::move(fn);
    return *this;
  }
  /// The op is applied element by element with NumPy broadcasting: gives the fuser its opcode, and
  /// sets shape rule and reference from it.
  OpDef& elementwise(ScalarOp opcode) {
    scalar_ = opcode;
    return *this;
  }
  OpDef& commutative() {
    commutative_ = true;
    return *this;
  }
  /// Output 0 is input 0's memory under another shape.
  OpDef& view() {
    view_ = true;
    return *this;
  }
  /// The executor itself runs it (other plans, the host): backends have no kernel for it.
  OpDef& run_by_executor() {
    by_executor_ = true;
    return *this;
  }
  OpDef& effect(Effect effect) {
    effect_ = effect;
    return *this;
  }
  /// Output `out` may be written over input `in` when that dies here.
  OpDef& in_place(int in, int out = 0) {
    in_place_.push_back({in, out});
    return *this;
  }
  OpDef& cost(CostFn fn) {
    cost_ = std::move(fn);
    return *this;
  }
  OpDef& sample(Sample s) {
    samples_.push_back(std::move(s));
    return *this;
  }
  OpDef& samples(std::vector<Sample> s) {
    samples_ = std::move(s);
    return *this;
  }
  /// Where a finite-difference check makes no sense although a gradient exists (kinks, integer
  /// inputs): why.
  OpDef& skip_difference_check(std::string reason) {
    no_difference_ = std::move(reason);
    return *this;
  }

  // Reading it.
  const std::string& name() const { return name_; }
  const std::string& summary() const { return summary_; }
  const std::string& formula() const { return formula_; }
  const std::vector<Operand>& inputs() const { return inputs_; }
  const std::vector<Operand>& outputs() const { return outputs_; }
  const std::vector<Attr>& attrs() const { return attrs_; }
  const Infer& infer() const { return infer_; }
  const Gradient& gradient() const { return gradient_; }
  const std::string& no_gradient() const { return no_gradient_; }
  const Reference& reference() const { return reference_; }
  const Decompose& decompose() const { return decompose_; }
  std::optional<ScalarOp> scalar() const { return scalar_; }
  bool is_commutative() const { return commutative_; }
  bool is_view() const { return view_; }
  bool is_run_by_executor() const { return by_executor_; }
  Effect effect() const { return effect_; }
  const std::vector<std::pair<int, int>>& in_place() const { return in_place_; }
  const CostFn& cost() const { return cost_; }
  const std::vector<Sample>& samples() const { return samples_; }
  const std::string& no_difference() const { return no_difference_; }

 private:
  std::string name_, summary_, formula_, no_gradient_, no_difference_;
  std::vector<Operand> inputs_, outputs_;
  std::vector<Attr> attrs_;
  Infer infer_;
  Gradient gradient_;
  Reference reference_;
  Decompose decompose_;
  CostFn cost_;
  std::optional<ScalarOp> scalar_;
  bool commutative_ = false, view_ = false, by_executor_ = false;
  Effect effect_ = Effect::none;
  std::vector<std::pair<int, int>> in_place_;
  std::vector<Sample> samples_;
};

/// All ops by name. Filled once, by the explicit list in engine/ops/register.cc.
class OpRegistry {
 public:
  static OpRegistry& instance();
  OpDef& define(const std::string& name);
  /// UserError with a suggestion when there is no such op.
  const OpDef& get(std::string_view name) const;
  const OpDef* find(std::string_view name) const;
  const std::vector<std::unique_ptr<OpDef>>& all() const { return ops_; }

 private:
  std::vector<std::unique_ptr<OpDef>> ops_;
  std::map<std::string, OpDef*, std::less<>> by_name_;
};

/// Fills in defaults and checks names and types of attributes. Equal results are the same object,
/// so pointers compare. UserError with a suggestion.
std::shared_ptr<const Attrs> complete_attrs(const OpDef& op, const Attrs& given);

}  // namespace trivium
