// Operations that exported graphs hold beside what the functions make: several tensors at once,
// selection with broadcasting, the normalisation of the first Inception graphs.
#include <algorithm>

#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/translator.h"
#include "trivium/notations/tf/windows.h"

namespace trivium::tf {
namespace {

void pass_through(Translate& c, int i) {
  if (const Data* data = c.translator().known_data(c.op().edges()[i]))
    c.translator().set(c.op(), i, *data);
  else
    c.out(i, c.in(i));
}

void define_several(SpecTable& t) {
  t.add({"IdentityN",
         {},
         [](Infer& c) {
           for (int i = 0; i < c.inputs(); ++i) c.output(c.shape(i), c.dtype(i));
         },
         [](Translate& c) {
           for (int i = 0; i < c.inputs(); ++i) pass_through(c, i);
         }});
  t.add({"Snapshot",
         {"input"},
         [](Infer& c) { c.output(c.shape(0), c.dtype(0)); },
         [](Translate& c) { pass_through(c, 0); }});
  t.add({"ShapeN",
         {},
         [](Infer& c) {
           for (int i = 0; i < c.inputs(); ++i)
             c.output(PartialShape{c.shape(i).known_rank() ? c.shape(i).rank() : -1},
                      c.op().attr_or<DataType>("out_type", DataType::int32));
         },
         [](Translate& c) {
           for (int i = 0; i < c.inputs(); ++i) {
             const Data* data = c.translator().known_data(c.op().edges()[i]);
             const Shape s = data ? data->shape() : c.shape(i);
             c.out(i, Array::from(s.vec(), {static_cast<int64_t>(s.rank())})
                          .cast(engine_type(c.op().out(i).type)));
           }
         },
         Differentiable::cut});
}

void infer_select(Infer& c) {
  if (c.dtype(0) != DataType::bool_)
    raise<TypeError>("Input 'condition' of 'SelectV2' Op has type {} that does not match bool.",
                     name_of(c.dtype(0)));
  if (c.dtype(1) != c.dtype(2))
    raise<TypeError>(
        "Input 'e' of 'SelectV2' Op has type {} that does not match type {} of "
        "argument 't'.",
        name_of(c.dtype(2)), name_of(c.dtype(1)));
  auto shape = broadcast(c.shape(1), c.shape(2));
  if (shape) shape = broadcast(*shape, c.shape(0));
  if (!shape) c.fail("Incompatible shapes");
  c.output(*shape, c.dtype(1));
}

void define_choices(SpecTable& t) {
  t.add({"SelectV2", {"condition", "t", "e"}, infer_select, [](Translate& c) {
           const Value a = c.in(1), b = c.in(2), condition = c.in(0);
           const Shape s =
               broadcast_shapes(broadcast_shapes(a.shape(), b.shape()), condition.shape());
           c.out(0, ops::select(ops::broadcast_to(condition, s), ops::broadcast_to(a, s),
                                ops::broadcast_to(b, s)));
         }});
  t.add({"InTopKV2",
         {"predictions", "targets", "k"},
         [](Infer& c) { c.output(c.shape(1), DataType::bool_); },
         [](Translate& c) { c.out(0, in_top_k(c.in(0), c.in(1), c.known_integers(2).at(0))); },
         Differentiable::cut});
}

/// Along an axis of three, [i], [j] and [k] of a × b.
Value cross(Value a, Value b) {
  const int last = a.shape().rank() - 1;
  const auto turned = [&](Value v, std::vector<int64_t> order) {
    return ops::gather(v, v.graph->constant(Array::from(order, {3}).cast(DType::i64)), last);
  };
  return turned(a, {1, 2, 0}) * turned(b, {2, 0, 1}) - turned(a, {2, 0, 1}) * turned(b, {1, 2, 0});
}

void define_arithmetic(SpecTable& t) {
  t.add({"Cross",
         {"a", "b"},
         [](Infer& c) {
           c.same_dtype(1);
           if (!c.shape(0).compatible(c.shape(1)))
             c.fail(fmt::format("Shapes must be equal, but are {} and {}", c.shape(0).text(),
                                c.shape(1).text()));
           if (c.shape(0).known_rank() && c.shape(0).rank() > 0 && c.shape(0)[-1] >= 0 &&
               c.shape(0)[-1] != 3)
             c.fail(fmt::format("Dimension must be 3 but is {}", c.shape(0)[-1]));
           c.output(c.shape(0).merge(c.shape(1)), c.dtype(0));
         },
         [](Translate& c) { c.out(0, cross(c.in(0), c.in(1))); }});
  t.add({"BatchNormWithGlobalNormalization",
         {"t", "m", "v", "beta", "gamma"},
         [](Infer& c) {
           c.rank(0, 4);
           c.output(c.shape(0), c.dtype(0));
         },
         [](Translate& c) {
           Value scale = ops::rsqrt(c.in(2) + c.op().attr<double>("variance_epsilon"));
           if (c.op().attr<bool>("scale_after_normalization")) scale = scale * c.in(4);
           c.out(0, (c.in(0) - c.in(1)) * scale + c.in(3));
         }});
}

}  // namespace

void define_more_ops(SpecTable& t) {
  define_several(t);
  define_choices(t);
  define_arithmetic(t);
}

}  // namespace trivium::tf
