#include "trivium/engine/ops/rules.h"

#include <algorithm>

#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/graph/rewrite.h"

namespace trivium::ops {
namespace {

/// fail() lists the operands by name below the message.
std::string operand_name(const InferCtx& c, int input) {
  return c.inputs() == 1 ? "the operand" : fmt::format("operand {}", input);
}

/// Leaves have one output, so an input that stands for output k > 0 of a node keeps its own k.
Value at_output(Value first, int32_t output) {
  return output == 0 ? first : first.graph->output_of(first, output);
}

/// Records what `roots` of `from` need in `to`, with inputs[i] for input i; undefined roots stay
/// so.
std::vector<Value> transplant(const Graph& from, const std::vector<Value>& roots,
                              const std::vector<Value>& inputs, Graph& to) {
  std::vector<Value> defined, results;
  for (const Value& v : roots)
    if (v.defined()) defined.push_back(v);
  const std::vector<char> needed = needed_nodes(from, defined, false);
  std::vector<Value> first(from.size());  // output k of node n becomes output k of first[n]
  for (int n = 0; n < from.size(); ++n) {
    if (!needed[n]) continue;
    const Node& node = from.node(n);
    if (node.literal >= 0) {
      first[n] = node.op->name() == "input" ? inputs[node.literal]
                                            : to.constant(from.constants()[node.literal]);
      continue;
    }
    std::vector<Value> operands;
    for (const Edge& e : node.inputs) operands.push_back(at_output(first[e.node], e.output));
    first[n] = to.op(*node.op, operands, *node.attrs);
  }
  for (const Value& v : roots)
    results.push_back(v.defined() ? at_output(first[v.node], v.output) : Value{});
  return results;
}

}  // namespace

void require_floating(const InferCtx& c, int input) {
  if (!is_floating(c.dtype(input)))
    c.fail(fmt::format("{} is {}, a floating dtype is expected", operand_name(c, input),
                       name_of(c.dtype(input))),
           "cast it first");
}

void require_number(const InferCtx& c, int input) {
  if (c.dtype(input) == DType::bool_)
    c.fail(fmt::format("{} is bool, a number is expected", operand_name(c, input)),
           "cast it first");
}

void require_same_dtype(const InferCtx& c, int a, int b) {
  if (c.dtype(a) != c.dtype(b))
    c.fail(fmt::format("{} is {}, {} is {}", operand_name(c, a), name_of(c.dtype(a)),
                       operand_name(c, b), name_of(c.dtype(b))),
           "operands have one dtype; cast one of them");
}

void require_rank_at_least(const InferCtx& c, int input, int rank) {
  if (c.shape(input).rank() < rank)
    c.fail(fmt::format("{} has rank {}, at least {} is expected", operand_name(c, input),
                       c.shape(input).rank(), rank));
}

void require_label_dtype(const InferCtx& c, int input) {
  const DType d = c.dtype(input);
  if (d != DType::f32 && d != DType::f64 && d != DType::i32 && d != DType::i64)
    c.fail(fmt::format("{} is {}", operand_name(c, input), name_of(d)),
           "float32, float64, int32 or int64");
}

const std::vector<int64_t>& require_integers(const InferCtx& c, const std::string& name,
                                             int64_t count, int64_t least) {
  const std::vector<int64_t>& values = c.attrs().integers(name);
  if (static_cast<int64_t>(values.size()) != count)
    c.fail(fmt::format("{} has {} entries, {} expected", name, values.size(), count));
  constexpr int64_t kMost = int64_t{1}
                            << 31;  // keeps sums of sizes and products of two inside 64 bits
  for (int64_t v : values)
    if (v < least || v > kMost)
      c.fail(fmt::format("{} has the entry {}, {} to {} expected", name, v, least, kMost));
  return values;
}

Shape require_shape(const InferCtx& c, const std::string& name) {
  const std::vector<int64_t>& sizes = c.attrs().integers(name);
  if (sizes.size() > Shape::kMaxRank)
    c.fail(
        fmt::format("{} has {} axes, at most {} supported", name, sizes.size(), Shape::kMaxRank));
  for (int64_t s : sizes)
    if (s < 0) c.fail(fmt::format("{} has the size {}", name, s), "sizes >= 0");
  const Shape shape(sizes);
  shape.count();  // throws when the number of elements overflows
  return shape;
}

OpDef::Infer like_input(int i) {
  return [i](InferCtx& c) { c.output(c.shape(i), c.dtype(i)); };
}

OpDef::CostFn flops_per_output(double per_element) {
  return [per_element](std::span<const ValueMeta>, std::span<const ValueMeta> out, const Attrs&) {
    return Cost{per_element * static_cast<double>(out[0].shape.count())};
  };
}

OpDef::Gradient zero_gradient() {
  return [](GradCtx&) {};
}

OpDef::Gradient through(Expression expression) {
  return [expression](GradCtx& c) {
    Graph own;
    std::vector<Value> stands_for;  // by input of `own`
    const auto input_like = [&](Value v) {
      stands_for.push_back(v);
      return own.input("", v.shape(), v.dtype());
    };
    std::vector<Value> inputs, xs, ys, seeds;
    std::vector<int> wanted;
    for (int i = 0; i < c.inputs(); ++i) {
      inputs.push_back(input_like(c.input(i)));
      if (!c.wants(i)) continue;
      xs.push_back(inputs.back());
      wanted.push_back(i);
    }
    const std::vector<Value> outputs = expression(inputs, c.attrs());
    for (size_t o = 0; o < outputs.size(); ++o) {
      if (!c.has_upstream(static_cast<int>(o))) continue;
      ys.push_back(outputs[o]);
      seeds.push_back(input_like(c.upstream(static_cast<int>(o))));
    }
    if (ys.empty() || xs.empty()) return;
    const std::vector<Value> results =
        transplant(own, gradients(ys, xs, seeds), stands_for, c.graph());
    for (size_t k = 0; k < wanted.size(); ++k) c.to(wanted[k], results[k]);
  };
}

OpDef::Decompose half_through_float(const OpDef& op, OpDef::Decompose otherwise) {
  return [&op, otherwise](Graph& graph, std::span<const Value> in, const Attrs& attrs) {
    const auto is_half = [](Value v) {
      return v.dtype() == DType::f16 || v.dtype() == DType::bf16;
    };
    const auto half = std::find_if(in.begin(), in.end(), is_half);
    if (half == in.end() && otherwise) return otherwise(graph, in, attrs);
    std::vector<Value> wide, out;
    for (const Value& v : in) wide.push_back(is_half(v) ? cast(v, DType::f32) : v);
    const Value first = graph.op(op, wide, attrs);
    for (int o = 0; o < graph.node(first.node).outputs; ++o) {
      const Value y = graph.output_of(first, o);
      const bool narrow = half != in.end() && y.dtype() == DType::f32;
      out.push_back(narrow ? cast(y, half->dtype()) : y);
    }
    return out;
  };
}

Value number_like(Value like, double value) { return like.graph->constant(value, like.dtype()); }

Value insert_axes(Value x, const std::vector<int64_t>& axes) {
  std::vector<int64_t> sizes = x.shape().vec();
  for (int64_t axis : axes) sizes.insert(sizes.begin() + axis, 1);
  return reshape(x, Shape(sizes));
}

Value label_mask(Value labels, int axis, int64_t classes) {
  const Value hot = one_hot(labels, classes, DType::bool_);  // classes innermost
  std::vector<int64_t> perm;
  const int rank = hot.shape().rank();
  for (int i = 0; i < rank - 1; ++i) perm.push_back(i);
  perm.insert(perm.begin() + axis, rank - 1);
  return permute(hot, perm);
}

}  // namespace trivium::ops
