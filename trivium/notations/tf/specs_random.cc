// Random operations. The session draws their numbers before a run; here they are leaves.
#include <cmath>

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

/// The first class whose running sum of exp(logit) passes a uniform part of the whole.
void multinomial(Translate& c) {
  const Value logits = ops::cast(ops::stop_gradient(c.in(0)), DType::f64);
  const int64_t rows = logits.shape()[0], classes = logits.shape()[1];
  const int64_t samples = c.known_integers(1).at(0);
  const Value u =
      c.translator().draw(c.op(), Translator::DrawKind::multinomial, {rows, samples}, DType::f64);
  const Value none = c.graph().constant(0.0, DType::f64, logits.shape());
  const Value odd = ops::logical_or(ops::is_nan(logits), ops::is_inf(logits));
  const Value low = c.graph().constant(-1.7976931348623157e308, DType::f64, logits.shape());
  const Value top = ops::reduce_max(ops::select(odd, low, logits), {1}, true);
  const Value weight = ops::select(odd, none, ops::exp(logits - top));
  const Value sums = ops::cumsum(weight, 1);
  const Value whole = ops::slice(sums, {0, classes - 1}, {rows, classes});
  const Value passed = ops::less_equal(ops::reshape(sums, {rows, 1, classes}),
                                       ops::reshape(u * whole, {rows, samples, 1}));
  const Value place = ops::sum(ops::cast(passed, DType::i64), {2});
  c.out(0, ops::cast(place, engine_type(c.op().out(0).type)));
}

/// P(k) * tries expected appearances of each class; without repetition 1 - (1 - P)^tries.
Value expected(Value classes, Value tries, int64_t sampled, int64_t range) {
  const Value k = ops::cast(classes, DType::f64);
  const Value p = ops::log((k + 2.0) / (k + 1.0)) / std::log1p(double(range));
  const Value all = tries.graph->constant(double(sampled), DType::f64, k.shape());
  const Value each = ops::broadcast_to(tries, k.shape());
  const Value rare = ops::neg(ops::expm1(each * ops::log1p(ops::neg(p))));
  return ops::cast(ops::select(ops::equal(each, all), p * all, rare), DType::f32);
}

void log_uniform_sampler(Translate& c) {
  const int64_t n = c.op().attr<int64_t>("num_sampled"), range = c.op().attr<int64_t>("range_max");
  const bool unique = c.op().attr<bool>("unique");
  if (unique && n > range)
    c.fail(fmt::format("Sampler's range is too small: {} classes, {} different ones wanted", range,
                       n));
  const Value drawn = c.translator().draw(c.op(), Translator::DrawKind::log_uniform, {n + 1},
                                          DType::f64, unique, range);
  const Value classes = ops::slice(drawn, {0}, {n});
  const Value tries = ops::reshape(ops::slice(drawn, {n}, {n + 1}), {1});
  c.out(0, ops::cast(classes, DType::i64));
  c.out(1, expected(ops::stop_gradient(c.in(0)),
                    ops::reshape(tries, Shape(ops::Ints(c.shape(0).rank(), 1))), n, range));
  c.out(2, expected(classes, tries, n, range));
}

void define_choices(SpecTable& t) {
  t.add({"Multinomial",
         {"logits", "num_samples"},
         [](Infer& c) {
           c.rank(0, 2);
           const auto n = c.constant(1);
           c.output(PartialShape{c.shape(0).known_rank() ? c.shape(0)[0] : -1,
                                 n ? static_cast<int64_t>(n->item()) : -1},
                    c.op().attr_or<DataType>("output_dtype", DataType::int64));
         },
         multinomial,
         Differentiable::cut});
  t.add({"LogUniformCandidateSampler",
         {"true_classes"},
         [](Infer& c) {
           c.rank(0, 2);
           const int64_t n = c.op().attr<int64_t>("num_sampled");
           c.output(PartialShape{n}, DataType::int64);
           c.output(c.shape(0), DataType::float32);
           c.output(PartialShape{n}, DataType::float32);
         },
         log_uniform_sampler,
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
  define_choices(t);
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
