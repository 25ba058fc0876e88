// Softmax with cross entropy, and the test behind accuracy. Labels are class numbers.
#include <algorithm>
#include <cmath>

#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

/// Checks that operand `labels` has the shape of operand 0 without `axis`, and gives that shape.
Shape check_labels(const InferCtx& c, int labels, int axis, const Shape& scores) {
  require_label_dtype(c, labels);
  const Shape expected = reduced_shape(scores, {axis}, false);
  c.require(
      c.shape(labels) == expected,
      fmt::format("labels have shape {}, {} expected", c.shape(labels).text(), expected.text()),
      "labels.shape == scores.shape without the class axis");
  return expected;
}

/// Class of label `l`; UserError outside [0, classes).
int64_t class_of(double label, int64_t classes, const char* op) {
  const double c = std::trunc(label);
  if (!(c >= 0 && c < static_cast<double>(classes)))
    user_error("{}: label {} received, a class from 0 to {} expected", op, label, classes - 1);
  return static_cast<int64_t>(c);
}

bool ignored(double label, const Attrs& a) {
  return a.flag("has_ignore") &&
         std::trunc(label) == static_cast<double>(a.integer("ignore_label"));
}

OpDef& loss_record(OpRegistry& ops, const std::string& name) {
  return ops.define(name)
      .attr("axis", 1, "class axis; negative counts from the end")
      .attr("has_ignore", AttrValue(false), "whether ignore_label means anything")
      .attr("ignore_label", 0, "labels equal to it count for nothing")
      .cost(flops_per_output(1));
}

void infer_cross_entropy(InferCtx& c) {
  require_floating(c, 0);
  const Shape loss = check_labels(c, 1, c.axis("axis"), c.shape(0));
  c.output(loss, c.dtype(0));
  c.output(c.shape(0), c.dtype(0));
}

void reference_cross_entropy(RefCtx& r) {
  const RefTensor &x = *r.in[0], &labels = *r.in[1];
  const AxisView v = view_axis(x.shape, static_cast<int>(r.attrs.integer("axis")));
  RefTensor &loss = *r.out[0], &p = *r.out[1];
  for (int64_t row = 0; row < v.outer * v.inner; ++row) {
    const auto at = [&](int64_t k) {
      return (row / v.inner * v.size + k) * v.inner + row % v.inner;
    };
    double largest = v.size ? x.data[at(0)] : 0, total = 0;
    for (int64_t k = 1; k < v.size; ++k) largest = std::max(largest, x.data[at(k)]);
    for (int64_t k = 0; k < v.size; ++k) total += std::exp(x.data[at(k)] - largest);
    for (int64_t k = 0; k < v.size; ++k) p.data[at(k)] = std::exp(x.data[at(k)] - largest) / total;
    if (ignored(labels.data[row], r.attrs)) continue;
    const double log_p = x.data[at(class_of(labels.data[row], v.size, "softmax_cross_entropy"))] -
                         largest - std::log(total);
    loss.data[row] = -std::max(log_p, std::log(r.attrs.real("floor")));
  }
}

void grad_cross_entropy(GradCtx& c) {
  if (!c.wants(0)) return;
  const Attrs& a = c.attrs();
  const Value p = c.output(1);
  Value dx;
  if (c.has_upstream(0))
    dx = c.graph().op("softmax_cross_entropy_grad", {c.upstream(0), p, c.input(1)},
                      {{"axis", a.at("axis")},
                       {"has_ignore", a.at("has_ignore")},
                       {"ignore_label", a.at("ignore_label")}});
  if (c.has_upstream(1)) {
    const Value dp = c.upstream(1);
    const Value through_p = mul(p, sub(dp, sum(mul(dp, p), {a.integer("axis")}, true)));
    dx = dx.defined() ? add(dx, through_p) : through_p;
  }
  c.to(0, dx);
}

void infer_cross_entropy_grad(InferCtx& c) {
  require_floating(c, 0);
  require_same_dtype(c, 0, 1);
  const int rank = c.shape(1).rank();
  const int64_t given = c.attrs().integer("axis"), axis = given < 0 ? given + rank : given;
  c.require(axis >= 0 && axis < rank,
            fmt::format("axis {} is out of range for rank {}", given, rank));
  const Shape rows = check_labels(c, 2, static_cast<int>(axis), c.shape(1));
  c.require(c.shape(0) == rows,
            fmt::format("dloss has shape {}, {} expected", c.shape(0).text(), rows.text()),
            "one number a label");
  c.output(c.shape(1), c.dtype(1));
}

void reference_cross_entropy_grad(RefCtx& r) {
  const RefTensor &dloss = *r.in[0], &p = *r.in[1], &labels = *r.in[2];
  const AxisView v = view_axis(p.shape, static_cast<int>(r.attrs.integer("axis")));
  for (int64_t row = 0; row < v.outer * v.inner; ++row) {
    if (ignored(labels.data[row], r.attrs)) continue;
    const int64_t label = class_of(labels.data[row], v.size, "softmax_cross_entropy_grad");
    for (int64_t k = 0; k < v.size; ++k) {
      const int64_t at = (row / v.inner * v.size + k) * v.inner + row % v.inner;
      r.out[0]->data[at] = (p.data[at] - (k == label)) * dloss.data[row];
    }
  }
}

/// The formula of the gradient in ordinary ops; what its own gradient is taken of.
std::vector<Value> grad_expression(const std::vector<Value>& in, const Attrs& a) {
  const Value dloss = in[0], p = in[1], labels = in[2];
  const int axis = p.shape().axis(static_cast<int>(a.integer("axis")));
  const Value hot = cast(label_mask(labels, axis, p.shape()[axis]), p.dtype());
  const Value dx = mul(sub(p, hot), insert_axes(dloss, {axis}));
  if (!a.flag("has_ignore")) return {dx};
  const Value numbers = cast(labels, DType::i64);
  const Value skip =
      equal(numbers, number_like(numbers, static_cast<double>(a.integer("ignore_label"))));
  return {select(insert_axes(skip, {axis}), number_like(dx, 0), dx)};
}

void define_cross_entropy(OpRegistry& ops) {
  const SampleInput labels({3}, SampleInput::integers, DType::i32, 4);
  const SampleInput float_labels({2, 3}, SampleInput::integers, DType::f32, 4);
  const Attrs ignoring{{"axis", int64_t{1}}, {"has_ignore", true}, {"ignore_label", int64_t{2}}};
  loss_record(ops, "softmax_cross_entropy")
      .summary(
          "Cross entropy of class labels under the softmax of logits, one loss a label. Labels are "
          "truncated; "
          "one outside [0, C) is an error at run time. The gradient is that without the floor.")
      .formula(
          "loss = -log(max(p[label], floor)), 0 where label == ignore_label;  p = softmax(logits)")
      .input("logits", "floating [outer…, C at axis, inner…]")
      .input("labels", "[outer…, inner…]; float32, float64, int32 or int64")
      .attr("floor", AttrValue(0.0), "smallest probability that counts")
      .output("loss", "shape of labels, dtype of logits")
      .output("probability", "softmax of logits")
      .infer(infer_cross_entropy)
      .gradient(grad_cross_entropy)
      .reference(reference_cross_entropy)
      .cost([](std::span<const ValueMeta> in, std::span<const ValueMeta>, const Attrs&) {
        return Cost{5.0 * static_cast<double>(in[0].shape.count())};
      })
      .samples({{{{3, 4}, labels}, {}},
                {{{2, 4, 3}, float_labels}, {{"floor", 1e-30}}},
                {{{2, 4, 3}, float_labels}, ignoring}});
  loss_record(ops, "softmax_cross_entropy_grad")
      .summary("Gradient of softmax_cross_entropy for the logits.")
      .formula("dlogits = (probability - onehot(label)) * dloss, 0 where label == ignore_label")
      .input("dloss", "floating [outer…, inner…]")
      .input("probability", "[outer…, C at axis, inner…]")
      .input("labels", "[outer…, inner…]; float32, float64, int32 or int64")
      .output("dlogits", "shape of probability")
      .infer(infer_cross_entropy_grad)
      .gradient(through(grad_expression))
      .reference(reference_cross_entropy_grad)
      .in_place(1)
      .samples({{{{3}, {3, 4}, labels}, {}}, {{{2, 3}, {2, 4, 3}, float_labels}, ignoring}});
}

void reference_in_top_k(RefCtx& r) {
  const RefTensor &x = *r.in[0], &labels = *r.in[1];
  const AxisView v = view_axis(x.shape, static_cast<int>(r.attrs.integer("axis")));
  for (int64_t row = 0; row < v.outer * v.inner; ++row) {
    const auto at = [&](int64_t k) {
      return (row / v.inner * v.size + k) * v.inner + row % v.inner;
    };
    const int64_t label = class_of(labels.data[row], v.size, "in_top_k");
    const double own = x.data[at(label)];
    int64_t others = 0;
    for (int64_t k = 0; k < v.size; ++k) others += k != label && x.data[at(k)] >= own;
    r.out[0]->data[row] = !std::isnan(own) && others < r.attrs.integer("top_k");
  }
}

void define_in_top_k(OpRegistry& ops) {
  ops.define("in_top_k")
      .summary(
          "1 where the label's class is among the top_k scores, else 0. Equal scores of other "
          "classes count "
          "against it; a NaN score of the label gives 0.")
      .formula("y = number of other classes k with scores[k] >= scores[label] is < top_k")
      .input("scores", "floating [outer…, C at axis, inner…]")
      .input("labels", "[outer…, inner…]; float32, float64, int32 or int64; checked at run time")
      .attr("axis", 1, "class axis; negative counts from the end")
      .attr("top_k", 1, "how many classes count as hit, >= 1")
      .output("y", "float32, shape of labels")
      .infer([](InferCtx& c) {
        require_floating(c, 0);
        const Shape y = check_labels(c, 1, c.axis("axis"), c.shape(0));
        c.require(c.attrs().integer("top_k") >= 1, "top_k is less than 1");
        c.output(y, DType::f32);
      })
      .not_differentiable("it is a count of comparisons")
      .reference(reference_in_top_k)
      .cost([](std::span<const ValueMeta> in, std::span<const ValueMeta>, const Attrs&) {
        return Cost{static_cast<double>(in[0].shape.count())};
      })
      .samples({{{{3, 4}, SampleInput({3}, SampleInput::integers, DType::i32, 4)}, {}},
                {{{2, 4, 3}, SampleInput({2, 3}, SampleInput::integers, DType::f32, 4)},
                 {{"top_k", int64_t{2}}}}});
}

}  // namespace

void define_loss(OpRegistry& ops) {
  define_cross_entropy(ops);
  define_in_top_k(ops);
}

}  // namespace trivium::ops
