// Derivatives as operations of their own: what exported training graphs hold. tf.gradients makes
// none of these; each is translated to the derivative of its forward operation.
#include <algorithm>

#include "trivium/engine/graph/gradient.h"
#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/windows.h"

namespace trivium::tf {
namespace {

Value number(Value like, double value) { return like.graph->constant(value, like.dtype()); }
Value filled(Value like, double value) {
  return like.graph->constant(value, like.dtype(), like.shape());
}

/// dy * d fn(x) / dx.
Value pulled(const std::function<Value(Value)>& fn, Value x, Value dy) {
  const Value at = ops::reshape(x, x.shape());  // a value of its own
  return trivium::gradients({fn(at)}, {at}, {dy}, Unconnected::zeros)[0];
}

using Rule = std::function<Value(Value, Value)>;

/// An elementwise derivative of two inputs of one shape.
void pair(SpecTable& t, const std::string& type, std::vector<std::string> inputs, Rule rule) {
  t.add({type, std::move(inputs),
         [](Infer& c) {
           c.same_dtype(1);
           c.floating(0);
           if (!c.shape(0).compatible(c.shape(1)))
             c.fail(fmt::format("Shapes must be equal: {} and {}", c.shape(0).brackets(),
                                c.shape(1).brackets()));
           c.output(c.shape(0).merge(c.shape(1)), c.dtype(0));
         },
         [rule](Translate& c) { c.out(0, rule(c.in(0), c.in(1))); }});
}

Value where(Value condition, Value yes) { return ops::select(condition, yes, filled(yes, 0)); }

void define_activations(SpecTable& t) {
  // of the result y and its gradient dy
  pair(t, "SigmoidGrad", {"y", "dy"}, [](Value y, Value dy) { return dy * y * ops::rsub(1.0, y); });
  pair(t, "TanhGrad", {"y", "dy"},
       [](Value y, Value dy) { return dy * ops::rsub(1.0, ops::square(y)); });
  pair(t, "SqrtGrad", {"y", "dy"}, [](Value y, Value dy) { return dy * 0.5 / y; });
  pair(t, "RsqrtGrad", {"y", "dy"},
       [](Value y, Value dy) { return dy * -0.5 * y * ops::square(y); });
  for (const char* type : {"ReciprocalGrad", "InvGrad"})
    pair(t, type, {"y", "dy"}, [](Value y, Value dy) { return ops::neg(dy * ops::square(y)); });
  // of the gradient dy and what the function took (or gave)
  pair(t, "ReluGrad", {"gradients", "features"},
       [](Value dy, Value x) { return where(ops::greater(x, number(x, 0)), dy); });
  pair(t, "Relu6Grad", {"gradients", "features"}, [](Value dy, Value x) {
    return where(ops::logical_and(ops::greater(x, number(x, 0)), ops::less(x, number(x, 6))), dy);
  });
  pair(t, "EluGrad", {"gradients", "outputs"}, [](Value dy, Value y) {
    return ops::select(ops::less(y, number(y, 0)), dy * (y + 1.0), dy);
  });
  pair(t, "SeluGrad", {"gradients", "outputs"}, [](Value dy, Value y) {
    const double scale = 1.0507009873554804934, alpha = 1.6732632423543772848;
    return ops::select(ops::less(y, number(y, 0)), dy * (y + scale * alpha), dy * scale);
  });
  pair(t, "SoftplusGrad", {"gradients", "features"},
       [](Value dy, Value x) { return dy * ops::sigmoid(x); });
  pair(t, "SoftsignGrad", {"gradients", "features"},
       [](Value dy, Value x) { return dy / ops::square(ops::abs(x) + 1.0); });
  t.add({"LeakyReluGrad",
         {"gradients", "features"},
         [](Infer& c) { c.output(c.shape(0), c.dtype(0)); },
         [](Translate& c) {
           const Value dy = c.in(0), x = c.in(1);
           c.out(0, ops::select(ops::greater(x, number(x, 0)), dy,
                                dy * c.op().attr_or<double>("alpha", 0.2)));
         }});
}

bool channels_first(const Operation& op) {
  return op.attr_or<std::string>("data_format", "NHWC") == "NCHW";
}

/// All axes but the channels'.
ops::Ints other_axes(const Operation& op, int rank) {
  const int channels = channels_first(op) ? 1 : rank - 1;
  ops::Ints axes;
  for (int i = 0; i < rank; ++i)
    if (i != channels) axes.push_back(i);
  return axes;
}

void batch_norm_grad(Translate& c) {
  const bool first = channels_first(c.op());
  const double eps = c.op().attr_or<double>("epsilon", 1e-4);
  const auto turn = [&](Value v) { return first ? v : to_channels_first(v); };
  const Value dy = turn(c.in(0)), scale = c.in(2);
  const Value x = ops::reshape(turn(c.in(1)), dy.shape()),
              gamma = ops::reshape(scale, scale.shape());
  const Value beta = filled(scale, 0);
  Value y;
  if (c.op().attr_or<bool>("is_training", true)) {
    y = ops::batch_norm(x, eps, gamma, beta).y;
  } else {
    ops::Ints dims(dy.shape().rank(), 1);
    dims[1] = scale.shape()[0];
    const auto wide = [&](Value v) { return ops::reshape(v, Shape(dims)); };
    y = (x - wide(c.in(3))) * wide(gamma * ops::rsqrt(c.in(4) + eps)) + wide(beta);
  }
  const auto d = trivium::gradients({y}, {x, gamma, beta}, {dy}, Unconnected::zeros);
  c.out(0, first ? d[0] : to_channels_last(d[0]));
  c.out(1, d[1]);
  c.out(2, d[2]);
  for (int i : {3, 4}) c.out(i, c.graph().constant(0.0, scale.dtype(), {0}));
}

void define_layers(SpecTable& t) {
  t.add({"BiasAddGrad",
         {"out_backprop"},
         [](Infer& c) {
           const bool known = c.shape(0).known_rank();
           c.output(PartialShape{known ? c.shape(0)[channels_first(c.op()) ? 1 : -1] : -1},
                    c.dtype(0));
         },
         [](Translate& c) {
           const Value dy = c.in(0);
           c.out(0, ops::sum(dy, other_axes(c.op(), dy.shape().rank())));
         }});
  for (const char* type : {"FusedBatchNormGrad", "FusedBatchNormGradV2", "FusedBatchNormGradV3"})
    t.add({type,
           {"y_backprop", "x", "scale", "reserve_space_1", "reserve_space_2"},
           [](Infer& c) {
             c.output(c.shape(1), c.dtype(1));
             for (int i = 0; i < 2; ++i) c.output(c.shape(2), c.dtype(2));
             for (int i = 0; i < 2; ++i) c.output(PartialShape{0}, c.dtype(2));
           },
           batch_norm_grad});
  t.add({"LRNGrad",
         {"input_grads", "input_image", "output_image"},
         [](Infer& c) { c.output(c.shape(1), c.dtype(1)); },
         [](Translate& c) {
           const auto size = 2 * c.op().attr_or<int64_t>("depth_radius", 5) + 1;
           const auto real = [&](const char* name, double d) { return c.op().attr_or(name, d); };
           const double alpha = real("alpha", 1) * double(size), beta = real("beta", 0.5),
                        bias = real("bias", 1);
           c.out(0, pulled(
                        [&](Value x) {
                          return to_channels_last(
                              ops::lrn(to_channels_first(x), size, alpha, beta, bias));
                        },
                        c.in(1), c.in(0)));
         }});
  // For which axes each of two shapes has to be summed after broadcasting.
  t.add({"BroadcastGradientArgs",
         {"s0", "s1"},
         [](Infer& c) {
           c.output(PartialShape{-1}, c.dtype(0));
           c.output(PartialShape{-1}, c.dtype(0));
         },
         [](Translate& c) {
           const ops::Ints a = c.known_integers(0), b = c.known_integers(1);
           const size_t rank = std::max(a.size(), b.size());
           const auto size = [&](const ops::Ints& s, size_t i) {
             return i + s.size() < rank ? int64_t{1} : s[i + s.size() - rank];
           };
           ops::Ints sums[2];
           for (size_t i = 0; i < rank; ++i) {
             const int64_t m = size(a, i), n = size(b, i);
             if (m == n && m != 1) continue;
             if (m == 1) sums[0].push_back(static_cast<int64_t>(i));
             if (n == 1) sums[1].push_back(static_cast<int64_t>(i));
           }
           for (int k : {0, 1})
             c.out(k, Array::from(sums[k], {static_cast<int64_t>(sums[k].size())})
                          .cast(engine_type(c.op().out(k).type)));
         },
         Differentiable::cut});
}

}  // namespace

void define_backprop_ops(SpecTable& t) {
  define_activations(t);
  define_layers(t);
}

}  // namespace trivium::tf
