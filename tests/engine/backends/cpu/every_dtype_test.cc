// Which dtypes each op computes in: a table, and every row run against the reference of its op.
// What notations ask for beyond float32 and float64 stands here.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/engine/backends/cpu/kernel_case.h"
#include "trivium/engine/backends/cpu/backend.h"
#include "trivium/engine/ops/build.h"

namespace trivium {
namespace {

using Ints = std::vector<int64_t>;
using DTypes = std::vector<DType>;
using testing::Case;

const DTypes kFloats = {DType::f32, DType::f64};
const DTypes kIntegers = {DType::i64, DType::i32, DType::u8, DType::i8, DType::i16};
const DTypes kNumbers = {DType::f32, DType::f64, DType::i64, DType::i32,
                         DType::u8,  DType::i8,  DType::i16};
const DTypes kAll = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i64,
                     DType::i32, DType::u8,  DType::i8,  DType::i16,  DType::bool_};
const DTypes kComputed = {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i64,
                          DType::i32, DType::u8,  DType::i8,  DType::i16};

struct Row {
  std::vector<const char*> ops;
  DTypes dtypes;
};

std::vector<Row> rows() {
  return {
      {{"sum", "prod", "reduce_max", "reduce_min", "sum_to", "argmax", "argmin", "top_k", "sort",
        "cumsum", "cumprod", "cummax", "cummin", "scatter_add"},
       kNumbers},
      {{"permute", "broadcast_to", "slice", "concat", "flip", "reshape", "gather", "slice_scatter",
        "gather_elements", "select", "stop_gradient"},
       kAll},
      {{"add",
        "sub",
        "mul",
        "maximum",
        "minimum",
        "neg",
        "abs",
        "sign",
        "square",
        "relu",
        "clip",
        "add_n",
        "mod",
        "fmod",
        "floor_div",
        "equal",
        "not_equal",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "pad",
        "scatter_elements",
        "index_update"},
       kNumbers},
      {{"add", "sub", "mul", "maximum", "minimum", "neg", "abs", "equal", "less", "tanh", "div",
        "sqrt", "clip", "pad"},
       {DType::f16, DType::bf16}},
      {{"pow", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "shift_left",
        "shift_right"},
       kIntegers},
      {{"bitwise_and", "bitwise_or", "bitwise_xor", "equal", "not_equal", "less"}, {DType::bool_}},
      {{"matmul",
        "conv",
        "conv_bwd_data",
        "conv_bwd_weights",
        "max_pool",
        "max_pool_grad",
        "avg_pool",
        "avg_pool_grad",
        "lrn",
        "lrn_grad",
        "softmax",
        "log_softmax",
        "softmax_cross_entropy",
        "softmax_cross_entropy_grad",
        "batch_norm",
        "batch_norm_grad",
        "layer_norm",
        "layer_norm_grad",
        "mean",
        "one_hot"},
       kFloats},
      {{"max_pool", "max_pool_grad"}, {DType::i32, DType::i64}},
      {{"one_hot"}, {DType::u8, DType::i32, DType::i64}},
  };
}

/// Whether operand `i` holds the op's data, not indices, labels or a condition.
bool is_data(const std::string& op, const Sample& sample, size_t i) {
  if (op == "select") return i > 0;
  if (op == "one_hot") return true;
  const DType d = sample.inputs[i].dtype;
  if (op.starts_with("bitwise") || op.starts_with("shift")) return true;
  if (op == "gather" || op == "gather_elements" || op == "scatter_add" || op == "index_update" ||
      op == "scatter_elements")
    return i != 1;
  return is_floating(d) && sample.inputs[i].range != SampleInput::integers;
}

/// The sample with its data in `dtype`: small integers where it cannot hold others, no zero where
/// it is divided by.
Sample as_dtype(const std::string& op, Sample sample, DType dtype) {
  for (size_t i = 0; i < sample.inputs.size(); ++i) {
    if (!is_data(op, sample, i)) continue;
    SampleInput& in = sample.inputs[i];
    in.dtype = dtype;
    if (dtype == DType::bool_) {
      in.range = SampleInput::booleans;
    } else if (!is_floating(dtype)) {
      const bool divisor = i == 1 && (op == "mod" || op == "fmod" || op == "floor_div");
      in.range = divisor ? SampleInput::above_one : SampleInput::integers;
      in.limit = op == "prod" || op == "cumprod" ? 3 : 5;
    }
  }
  return sample;
}

/// Products and powers wrap in narrow integers; the reference computes in double.
void wrap(RefTensor& t) {
  const auto into = [&](auto* p) {
    for (double& v : t.data)
      v = static_cast<double>(
          static_cast<std::remove_pointer_t<decltype(p)>>(static_cast<int64_t>(v)));
  };
  if (t.dtype == DType::u8) into(static_cast<uint8_t*>(nullptr));
  if (t.dtype == DType::i8) into(static_cast<int8_t*>(nullptr));
  if (t.dtype == DType::i16) into(static_cast<int16_t*>(nullptr));
}

/// Runs every plain kernel of the case; returns how many there are.
int run_plain(Case& c, double steps) {
  c.compute_reference();
  for (RefTensor& t : c.expected) wrap(t);
  int accepted = 0;
  for (const run::KernelEntry* entry : run::backend("cpu").kernels().of(c.op->name())) {
    std::string reason;
    const auto placement = entry->place(c.request(), {}, reason);
    if (!placement) continue;
    ++accepted;
    const auto got = testing::run_entry(*entry, c, *placement);
    EXPECT_TRUE(got.guards_intact) << c.text;
    for (size_t i = 0; i < c.out.size(); ++i)
      EXPECT_EQ(testing::difference(got.out[i], c.expected[i], steps), "")
          << entry->name << " for " << c.text << ", output " << i;
  }
  return accepted;
}

class EveryDtype : public ::testing::Test {
 protected:
  void SetUp() override {
    ops::register_all();
    cpu::register_backend();
  }
};

TEST_F(EveryDtype, OfTheTableHasAKernelThatGivesWhatTheReferenceGives) {
  for (const Row& row : rows())
    for (const char* name : row.ops)
      for (DType dtype : row.dtypes)
        for (const Sample& sample : OpRegistry::instance().get(name).samples()) {
          const OpDef& op = OpRegistry::instance().get(name);
          const Attrs& attrs = sample.attrs;
          if (std::string(name) == "scatter_elements" && dtype == DType::bool_ &&
              attrs.has("reduce"))
            continue;
          Case c(op, as_dtype(name, sample, dtype), false);
          EXPECT_GT(run_plain(c, 32), 0)
              << name << " has no kernel for " << name_of(dtype) << ": " << c.text;
        }
}

TEST_F(EveryDtype, IsConvertedToEveryOther) {
  const OpDef& cast = OpRegistry::instance().get("cast");
  for (DType from : kAll)
    for (DType to : kAll) {
      SampleInput x({3, 7}, SampleInput::distinct, from);
      if (!is_floating(from)) x.range = SampleInput::integers, x.limit = 100;
      if (from == DType::bool_) x.range = SampleInput::booleans;
      if (to == DType::u8 && is_floating(from)) x.range = SampleInput::above_one;
      Case c(cast, {{x}, {{"dtype", std::string(name_of(to))}}}, false);
      EXPECT_GT(run_plain(c, 1), 0) << name_of(from) << " to " << name_of(to);
    }
}

Array run_op(const char* name, const std::vector<Array>& in, const Attrs& attrs = {}) {
  const OpDef& op = OpRegistry::instance().get(name);
  Case c(op, OpRegistry::instance().get(name).samples()[0], false);
  c.attrs = complete_attrs(op, attrs);
  c.in = in;
  std::vector<ValueMeta> metas;
  for (const Array& a : in) metas.push_back({a.shape(), a.dtype()});
  InferCtx infer(op, metas, *c.attrs, "");
  op.infer()(infer);
  c.out = infer.outputs();
  for (const run::KernelEntry* entry : run::backend("cpu").kernels().of(name)) {
    std::string reason;
    const auto placement = entry->place(c.request(), {}, reason);
    if (placement) return testing::run_entry(*entry, c, *placement).out[0];
  }
  ADD_FAILURE() << name << " has no kernel";
  return Array();
}

std::vector<int64_t> integers(const Array& a) {
  return {a.data<int64_t>(), a.data<int64_t>() + a.count()};
}

TEST_F(EveryDtype, Int64IsExactBeyondWhatDoubleHolds) {
  const int64_t big = std::numeric_limits<int64_t>::max(), odd = (int64_t{1} << 60) + 1;
  const Array x = Array::from<int64_t>({big, odd, odd + 1, -big}, {4});
  const Attrs axis{{"axis", int64_t{0}}};
  EXPECT_EQ(integers(run_op("add", {x, Array::from<int64_t>({-1, 1, 1, 1}, {4})})),
            (Ints{big - 1, odd + 1, odd + 2, -big + 1}));
  EXPECT_EQ(integers(run_op("sum", {Array::from<int64_t>({odd, odd, 1}, {3})})),
            (Ints{2 * odd + 1}));
  EXPECT_EQ(integers(run_op("reduce_max", {Array::from<int64_t>({odd, odd + 1, odd}, {3})})),
            (Ints{odd + 1}));
  EXPECT_EQ(integers(run_op("argmax", {x}, axis)), (Ints{0}));
  EXPECT_EQ(integers(run_op("sort", {x}, axis)), (Ints{-big, odd, odd + 1, big}));
  EXPECT_EQ(integers(run_op("cumsum", {Array::from<int64_t>({odd, odd, -1}, {3})}, axis)),
            (Ints{odd, 2 * odd, 2 * odd - 1}));
  const Array choose = Array::from<uint8_t>({1, 0, 1, 0}, {4}).cast(DType::bool_);
  EXPECT_EQ(integers(run_op("select", {choose, x, Array::from<int64_t>({1, odd, 2, odd}, {4})})),
            (Ints{big, odd, odd + 1, odd}));
  const Array less =
      run_op("less", {Array::from<int64_t>({odd}, {1}), Array::from<int64_t>({odd + 1}, {1})});
  EXPECT_EQ(less.at(0), 1);
  EXPECT_EQ(run_op("cast", {Array::from<int64_t>({(int64_t{1} << 60) - 1}, {1})},
                   {{"dtype", std::string("float32")}})
                .at(0),
            0x1p60);
}

TEST_F(EveryDtype, SortsNumbersOfBothSigns) {
  for (DType dtype : {DType::i8, DType::i16, DType::i32, DType::i64, DType::f32, DType::f64}) {
    const Array x = Array::from<int64_t>({3, -1, -128, 127, 0, -2}, {6}).cast(dtype);
    const Ints up = {-128, -2, -1, 0, 3, 127};
    EXPECT_EQ(integers(run_op("sort", {x}).cast(DType::i64)), up) << name_of(dtype);
    EXPECT_EQ(integers(run_op("sort", {x}, {{"descending", true}}).cast(DType::i64)),
              Ints(up.rbegin(), up.rend()))
        << name_of(dtype);
    EXPECT_EQ(integers(run_op("top_k", {x}, {{"k", int64_t{2}}}).cast(DType::i64)), (Ints{127, 3}));
  }
}

TEST_F(EveryDtype, HalfPrecisionRoundsToNearestEven) {
  const auto rounded = [&](double v, DType dtype) {
    return run_op("cast", {Array::full({1}, v, DType::f32)},
                  {{"dtype", std::string(name_of(dtype))}})
        .at(0);
  };
  EXPECT_EQ(rounded(2049, DType::f16), 2048);  // halfway: to even
  EXPECT_EQ(rounded(2051, DType::f16), 2052);
  EXPECT_EQ(rounded(65519, DType::f16), 65504);
  EXPECT_TRUE(std::isinf(rounded(65520, DType::f16)));
  EXPECT_EQ(rounded(0x1p-24, DType::f16), 0x1p-24);
  EXPECT_EQ(rounded(0x1p-25, DType::f16), 0);
  EXPECT_EQ(rounded(0x1.8p-25, DType::f16), 0x1p-24);
  EXPECT_EQ(rounded(-0x1.ff8p-15, DType::f16), -0x1.ff8p-15);
  EXPECT_TRUE(std::isnan(rounded(std::nan(""), DType::f16)));
  EXPECT_EQ(rounded(257, DType::bf16), 256);
  EXPECT_EQ(rounded(259, DType::bf16), 260);
  EXPECT_TRUE(std::isnan(rounded(std::nan(""), DType::bf16)));
}

}  // namespace
}  // namespace trivium
