// Random operations. The session draws their numbers before a run; here they are leaves.
#include "trivium/engine/ops/build.h"
#include "trivium/notations/tf/op_spec.h"
#include "trivium/notations/tf/translator.h"

namespace trivium::tf {
namespace {

void floats(SpecTable& t, const std::string& type, Translator::DrawKind kind) {
  t.add({type,
         {"shape"},
         [](Infer& c) { c.output(c.constant_shape(0), c.op().attr<DataType>("dtype")); },
         [kind](Translate& c) {
           c.out(0, c.translator().draw(c.op(), kind, Shape(c.known_integers(0)),
                                        engine_type(c.op().attr<DataType>("dtype"))));
         },
         Differentiable::cut});
}

}  // namespace

void define_random_ops(SpecTable& t) {
  floats(t, "RandomUniform", Translator::DrawKind::uniform);
  floats(t, "RandomStandardNormal", Translator::DrawKind::normal);
  floats(t, "TruncatedNormal", Translator::DrawKind::truncated);
  t.add({"RandomUniformInt",
         {"shape", "minval", "maxval"},
         [](Infer& c) { c.output(c.constant_shape(0), c.dtype(1)); },
         [](Translate& c) {
           const int64_t low = c.known_integers(1).at(0), high = c.known_integers(2).at(0);
           if (low >= high) c.fail(fmt::format("Need minval < maxval, got {} >= {}", low, high));
           c.out(0, c.translator().draw(c.op(), Translator::DrawKind::integer,
                                        Shape(c.known_integers(0)), engine_type(c.op().out(0).type),
                                        low, high));
         },
         Differentiable::cut});
  t.add({"RandomShuffle",
         {"value"},
         [](Infer& c) { c.output(c.shape(0), c.dtype(0)); },
         [](Translate& c) {
           const Value x = c.in(0);
           if (x.shape().rank() == 0) return c.out(0, x);
           const Value order = c.translator().draw(c.op(), Translator::DrawKind::permutation,
                                                   {x.shape()[0]}, DType::i32);
           c.out(0, ops::gather(x, order));
         }});
}

}  // namespace trivium::tf
