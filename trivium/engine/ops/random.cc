// Random draws as pure functions: of a Mersenne twister's state (which comes back as an output), or
// of (seed, stream, element) for Philox. The numbers themselves are core/random's.
#include <algorithm>
#include <cstring>

#include "trivium/engine/core/random.h"
#include "trivium/engine/ops/families.h"
#include "trivium/engine/ops/rules.h"

namespace trivium::ops {
namespace {

using random::Mt19937;

/// The generator of operand 0 as bits, and back into output 1.
Mt19937 load_state(const RefTensor& state) {
  Mt19937 rng;
  std::vector<int32_t> words(random::kMt19937StateSize);
  for (size_t i = 0; i < words.size(); ++i) words[i] = static_cast<int32_t>(state.data[i]);
  std::memcpy(&rng, words.data(), sizeof rng);
  return rng;
}

void store_state(const Mt19937& rng, RefTensor& state) {
  std::vector<int32_t> words(random::kMt19937StateSize);
  std::memcpy(words.data(), &rng, sizeof rng);
  std::copy(words.begin(), words.end(), state.data.begin());
}

/// fill(rng, numbers) with numbers as float, the precision draws have.
template <typename Fill>
OpDef::Reference mt_reference(Fill fill) {
  return [fill](RefCtx& r) {
    Mt19937 rng = load_state(*r.in[0]);
    std::vector<float> values(r.out[0]->data.size());
    fill(rng, std::span<float>(values), r.attrs);
    std::copy(values.begin(), values.end(), r.out[0]->data.begin());
    store_state(rng, *r.out[1]);
  };
}

float real(const Attrs& a, const char* name) { return static_cast<float>(a.real(name)); }

OpDef& mt_record(OpRegistry& ops, const std::string& name, DType dtype) {
  return ops.define(name)
      .input("state", "int32 [625]: a Mersenne twister (624 words and how many are used)")
      .required_attr("shape", Ints{}, "shape of the value; elements are drawn in row-major order")
      .output("value", name_of(dtype))
      .output("state", "the twister after the draws")
      .infer([dtype](InferCtx& c) {
        c.require(c.dtype(0) == DType::i32 && c.shape(0) == Shape{random::kMt19937StateSize},
                  "the state is not a Mersenne twister's",
                  fmt::format("state int32[{}]", random::kMt19937StateSize));
        c.output(require_shape(c, "shape"), dtype);
        c.output(c.shape(0), DType::i32);
      })
      .not_differentiable("a draw does not depend on numbers")
      .effect(Effect::random)
      .in_place(0, 1)
      .cost(flops_per_output(10));
}

Sample mt_sample(Attrs attrs) {
  attrs.set("shape", Ints{3, 4});
  return {{SampleInput({random::kMt19937StateSize}, SampleInput::integers, DType::i32, 600)},
          attrs};
}

void define_mt19937(OpRegistry& ops) {
  mt_record(ops, "mt19937_uniform", DType::f32)
      .summary("Uniform numbers as Caffe's uniform filler draws them.")
      .formula("value ~ U[lo, hi]")
      .attr("lo", AttrValue(0.0), "smallest")
      .attr("hi", AttrValue(1.0), "largest, included")
      .reference(mt_reference([](Mt19937& rng, std::span<float> out, const Attrs& a) {
        random::caffe::uniform(rng, real(a, "lo"), real(a, "hi"), out);
      }))
      .samples({mt_sample({{"lo", -0.5}, {"hi", 2.0}})});
  mt_record(ops, "mt19937_gaussian", DType::f32)
      .summary("Normal numbers as Caffe's gaussian filler draws them.")
      .formula("value ~ N(mean, stddev^2)")
      .attr("mean", AttrValue(0.0), "mean")
      .attr("stddev", AttrValue(1.0), "standard deviation, positive")
      .reference(mt_reference([](Mt19937& rng, std::span<float> out, const Attrs& a) {
        random::caffe::gaussian(rng, real(a, "mean"), real(a, "stddev"), out);
      }))
      .samples({mt_sample({{"mean", 1.0}, {"stddev", 0.1}})});
  mt_record(ops, "mt19937_sparse_gaussian", DType::f32)
      .summary(
          "Normal numbers, then each kept with probability sparse / shape[0], else times 0: "
          "Caffe's gaussian "
          "filler with `sparse`.")
      .formula("value ~ N(mean, stddev^2) * Bernoulli(sparse / shape[0])")
      .attr("mean", AttrValue(0.0), "mean")
      .attr("stddev", AttrValue(1.0), "standard deviation, positive")
      .required_attr("sparse", int64_t{1}, "from 0 to shape[0]")
      .reference([](RefCtx& r) {
        const Shape& shape = r.out[0]->shape;
        const int64_t rows = shape.rank() ? shape[0] : 1;
        mt_reference([rows](Mt19937& rng, std::span<float> out, const Attrs& a) {
          random::caffe::gaussian(rng, real(a, "mean"), real(a, "stddev"), out);
          random::caffe::sparsify(rng, static_cast<int>(a.integer("sparse")), rows, out);
        })(r);
      })
      .samples({mt_sample({{"sparse", int64_t{2}}})});
  mt_record(ops, "mt19937_unitball", DType::f32)
      .summary(
          "Uniform numbers, each row along axis 0 divided by its sum: Caffe's positive_unitball "
          "filler.")
      .formula("value = u / sum of u over its row,  u ~ U[0, 1]")
      .reference([](RefCtx& r) {
        const Shape& shape = r.out[0]->shape;
        const int64_t rows = shape.rank() ? shape[0] : 1;
        mt_reference([rows](Mt19937& rng, std::span<float> out, const Attrs&) {
          random::caffe::positive_unitball(rng, rows, out);
        })(r);
      })
      .samples({mt_sample({})});
  mt_record(ops, "mt19937_bernoulli", DType::u8)
      .summary("The mask of Caffe's dropout: 1 with probability keep. One word an element.")
      .formula("value = word <= keep * (2^32 - 1),  keep = 1 - (float) ratio")
      .required_attr("keep", 0.5,
                     "probability of 1, in (0, 1]; 1 - the ratio as a float, in double")
      .reference([](RefCtx& r) {
        Mt19937 rng = load_state(*r.in[0]);
        std::vector<uint8_t> mask(r.out[0]->data.size());
        random::caffe::dropout_keep(rng, static_cast<float>(1.0 - r.attrs.real("keep")), mask);
        std::copy(mask.begin(), mask.end(), r.out[0]->data.begin());
        store_state(rng, *r.out[1]);
      })
      .samples({mt_sample({{"keep", 0.5}})});
}

using PhiloxFill = void (*)(uint64_t seed, uint64_t stream, uint64_t first, float a, float b,
                            std::span<float> out);

OpDef& philox_record(OpRegistry& ops, const std::string& name, const char* first,
                     const char* second, PhiloxFill fill) {
  return ops.define(name)
      .input("seed", "int64, rank 0")
      .input("stream", "int64, rank 0: numbers of different streams are independent")
      .required_attr("shape", Ints{}, "shape of the value")
      .output("value", "float32; element i depends on (seed, stream, i) only")
      .infer([](InferCtx& c) {
        for (int i : {0, 1})
          c.require(c.dtype(i) == DType::i64 && c.shape(i).is_scalar(),
                    fmt::format("operand {} is not an int64 of rank 0", i),
                    "seed and stream: int64[]");
        c.output(require_shape(c, "shape"), DType::f32);
      })
      .not_differentiable("a draw does not depend on numbers")
      .effect(Effect::random)
      .reference([=](RefCtx& r) {
        std::vector<float> values(r.out[0]->data.size());
        const auto word = [&](int i) {
          return static_cast<uint64_t>(static_cast<int64_t>(r.in[i]->data[0]));
        };
        fill(word(0), word(1), 0, real(r.attrs, first), real(r.attrs, second), values);
        std::copy(values.begin(), values.end(), r.out[0]->data.begin());
      })
      .cost(flops_per_output(10));
}

void define_philox(OpRegistry& ops) {
  const SampleInput number({}, SampleInput::integers, DType::i64, 1000);
  const Sample sample{{number, number}, {{"shape", Ints{3, 5}}}};
  philox_record(ops, "philox_uniform", "lo", "hi", random::philox_uniform)
      .summary("Uniform numbers by Philox4x32-10, a pure function of seed, stream and element.")
      .formula("value ~ U[lo, hi)")
      .attr("lo", AttrValue(0.0), "smallest, included")
      .attr("hi", AttrValue(1.0), "bound, excluded")
      .samples({sample});
  philox_record(ops, "philox_normal", "mean", "stddev", random::philox_normal)
      .summary(
          "Normal numbers by Philox4x32-10 and Box–Muller, a pure function of seed, stream and "
          "element.")
      .formula("value ~ N(mean, stddev^2)")
      .attr("mean", AttrValue(0.0), "mean")
      .attr("stddev", AttrValue(1.0), "standard deviation")
      .samples({sample});
}

}  // namespace

void define_random(OpRegistry& ops) {
  define_mt19937(ops);
  define_philox(ops);
}

}  // namespace trivium::ops
