// Fused elementwise programs against an element-by-element reference. Operations that round once
// must agree bit for bit, whatever the broadcasting, dtypes, aliasing, tile borders or threads.
#include "trivium/engine/backends/cpu/bytecode.h"

#include <gtest/gtest.h>

#include <atomic>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <random>

#include "trivium/engine/core/array.h"
#include "trivium/engine/core/parallel.h"

namespace {
std::atomic<int64_t> heap_allocations{0};
}

// Counts what run() takes from the heap. Not inlined, so that the compiler sees matching pairs.
[[gnu::noinline]] void* operator new(size_t bytes) {
  heap_allocations.fetch_add(1);
  if (void* p = std::malloc(bytes ? bytes : 1)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(size_t bytes, const std::nothrow_t&) noexcept {
  heap_allocations.fetch_add(1);
  return std::malloc(bytes ? bytes : 1);
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace trivium::cpu {
namespace {

using enum ScalarOp;
using enum DType;

/// Restores the number of threads.
struct WithThreads {
  explicit WithThreads(int n) : before(threads()) { set_threads(n); }
  ~WithThreads() { set_threads(before); }
  int before;
};

std::vector<Array> run(const Program& program, const std::vector<Array>& in) {
  std::vector<const void*> in_pointers;
  for (const Array& a : in) in_pointers.push_back(a.raw());
  std::vector<Array> out;
  for (const auto& o : program.outputs()) out.push_back(Array(program.space(), o.dtype));
  if (program.reduction() != Reduction::none)
    out.push_back(Array(program.reduced_shape(), program.reduced().dtype));
  std::vector<void*> out_pointers;
  for (const Array& a : out) out_pointers.push_back(a.raw());
  ElementwiseKernel(program).run(in_pointers.data(), out_pointers.data());
  return out;
}

/// Rounds to the arithmetic of the program.
double rounded(const Program& p, double x) {
  return p.arithmetic() == f32 ? static_cast<double>(static_cast<float>(x)) : x;
}

/// All values of the program at one element of the space.
std::vector<double> evaluate(const Program& p, const std::vector<Array>& in, int64_t element) {
  std::vector<double> v(p.value_count());
  for (const auto& c : p.constants()) v[c.value] = rounded(p, c.number);
  for (size_t i = 0; i < in.size(); ++i) {
    int64_t at = 0, rest = element;
    for (int axis = p.space().rank() - 1; axis >= 0; --axis) {
      at += rest % p.space()[axis] * p.inputs()[i].strides[axis];
      rest /= p.space()[axis];
    }
    v[p.inputs()[i].value] = rounded(p, in[i].at(at));
  }
  for (const auto& i : p.instructions())
    v[i.dst] = rounded(p, trivium::apply(i.op, v[i.a], i.b < 0 ? 0 : v[i.b], i.c < 0 ? 0 : v[i.c]));
  return v;
}

double stored_as(DType dtype, double x) {
  switch (dtype) {
    case f32:
      return static_cast<float>(x);
    case f64:
      return x;
    case bool_:
      return x != 0;
    default:
      break;
  }
  const int64_t whole = std::abs(x) < 0x1p63 ? static_cast<int64_t>(x) : 0;
  switch (dtype) {
    case u8:
      return static_cast<uint8_t>(whole);
    case i32:
      return static_cast<int32_t>(whole);
    default:
      return static_cast<double>(whole);
  }
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

void expect_reference(const Program& p, const std::vector<Array>& in,
                      const std::vector<Array>& out) {
  const bool sums = p.reduction() != Reduction::none;
  const int64_t kept = sums ? p.reduced_shape().count() : 1, count = p.space().count();
  std::vector<double> sum(kept), size(kept);
  for (int64_t e = 0; e < count; ++e) {
    const std::vector<double> v = evaluate(p, in, e);
    for (size_t k = 0; k < p.outputs().size(); ++k) {
      const auto& o = p.outputs()[k];
      ASSERT_TRUE(same(out[k].at(e), stored_as(o.dtype, v[o.value])))
          << "element " << e << " of output " << k << ": " << out[k].at(e) << ", expected "
          << stored_as(o.dtype, v[o.value]) << "\n"
          << p.text();
    }
    if (!sums) continue;
    const int axis = p.reduced_axes();
    const int64_t at = p.reduction() == Reduction::leading_axes ? e % kept
                       : p.reduction() == Reduction::trailing_axes
                           ? e / (count / kept)
                           : e / p.space().count(axis + 1) % kept;
    sum[at] += v[p.reduced().value];
    size[at] += std::abs(v[p.reduced().value]);
  }
  if (!sums) return;
  // At most 32 float additions between two doubles, and one rounding at the end.
  const double epsilon = p.arithmetic() == f32 ? 0x1p-24 : 0x1p-50;
  for (int64_t k = 0; k < kept; ++k)
    ASSERT_NEAR(
        out.back().at(k), sum[k] * p.reduction_scale(),
        (32 * epsilon * size[k]) * std::abs(p.reduction_scale()) + 0x1p-24 * std::abs(sum[k]))
        << "sum " << k << "\n"
        << p.text();
}

Array random_array(std::mt19937& rng, const Shape& shape, DType dtype) {
  std::uniform_int_distribution<int> value(dtype == u8 || dtype == bool_ ? 0 : -40,
                                           dtype == bool_ ? 1 : 40);
  Array a(shape, dtype);
  for (int64_t i = 0; i < a.count(); ++i)
    a.set(i, is_floating(dtype) ? value(rng) / 7.0 : value(rng));
  return a;
}

/// A program of operations that round once, with broadcast inputs of several dtypes.
Program random_program(std::mt19937& rng, const Shape& space, DType arithmetic,
                       std::vector<Array>& in) {
  const auto pick = [&](int n) { return static_cast<int>(rng() % static_cast<unsigned>(n)); };
  const DType dtypes[] = {arithmetic, arithmetic, arithmetic, f32, i32, i64, u8, bool_, f64};
  Program p(space, arithmetic);
  std::vector<int> values;
  for (int i = 0, n = 1 + pick(5); i < n; ++i) {
    Shape shape;  // some leading axes missing, some axes of size 1
    for (int axis = pick(3) ? 0 : pick(space.rank() + 1); axis < space.rank(); ++axis)
      shape.push_back(pick(4) ? space[axis] : 1);
    const DType dtype = dtypes[pick(9)];
    in.push_back(random_array(rng, shape, dtype));
    values.push_back(p.input(dtype, shape));
  }
  values.push_back(p.constant(pick(100) / 16.0));
  const ScalarOp ops[] = {add,     sub,  mul,           div,   add,         sub,         mul,
                          neg,     abs,  sign,          sqrt,  square,      relu,        maximum,
                          minimum, less, greater_equal, equal, logical_and, logical_not, relu_grad,
                          select,  clip, floor,         round, is_nan};
  for (int i = 0, n = 1 + pick(20); i < n; ++i) {
    const auto operand = [&] {
      return values[values.size() - 1 - pick(std::min<int>(6, values.size()))];
    };
    values.push_back(p.apply(ops[pick(std::size(ops))], operand(), operand(), operand()));
  }
  const DType stored[] = {arithmetic, arithmetic, f32, bool_, i32, i64};
  for (int i = 0, n = 1 + pick(3); i < n; ++i)
    p.output(values[i == 0 ? values.size() - 1 : pick(values.size())],
             stored[i == 0 ? 0 : pick(6)]);
  return p;
}

const Shape kSpaces[] = {Shape{},         Shape{1},
                         Shape{17},       Shape{256},
                         Shape{1000},     Shape{3, 5},
                         Shape{64, 10},   Shape{7, 300},
                         Shape{4, 3, 16}, Shape{2, 8, 7, 7},
                         Shape{5, 1, 9},  Shape{40000},
                         Shape{130, 257}, Shape{2, 3, 2, 1, 3, 2, 2, 5}};

class RandomPrograms : public testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(Arithmetic, RandomPrograms, testing::Values(f32, f64),
                         [](const auto& param) { return std::string(name_of(param.param)); });

TEST_P(RandomPrograms, AgreeBitForBit) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 rng(seed);
    std::vector<Array> in;
    const Shape& space = kSpaces[seed % std::size(kSpaces)];
    const Program p = random_program(rng, space, GetParam(), in);
    const WithThreads team(seed % 2 ? 1 : 3);
    expect_reference(p, in, run(p, in));
    if (HasFatalFailure()) return;
  }
}

TEST_P(RandomPrograms, SumsDoNotDependOnThreads) {
  for (unsigned seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 rng(seed);
    const Shape& space = kSpaces[rng() % std::size(kSpaces)];
    Program p(space, GetParam());
    std::vector<Array> in = {random_array(rng, space, GetParam()), random_array(rng, Shape{}, f32)};
    const auto x = p.input(GetParam(), space), s = p.input(f32, Shape{});
    const auto y = p.apply(mul, p.apply(sub, x, s), x);
    const Reduction kinds[] = {Reduction::trailing_axes, Reduction::leading_axes,
                               Reduction::all_but_axis};
    const Reduction kind = kinds[rng() % (space.rank() > 0 ? 3 : 2)];
    const int axes = static_cast<int>(rng() % (space.rank() + (kind != Reduction::all_but_axis)));
    if (rng() % 2) p.output(y, f32);
    p.reduce(y, kind, axes, rng() % 2 ? GetParam() : f32, 0.25);
    std::vector<Array> one, three;
    {
      const WithThreads team(1);
      one = run(p, in);
    }
    {
      const WithThreads team(3);
      three = run(p, in);
    }
    expect_reference(p, in, one);
    if (HasFatalFailure()) return;
    for (int64_t i = 0; i < one.back().count(); ++i)
      ASSERT_TRUE(same(one.back().at(i), three.back().at(i))) << p.text();
  }
}

TEST(BytecodeTest, LargeSumsUseManyChunks) {
  const Reduction kinds[] = {Reduction::trailing_axes, Reduction::leading_axes,
                             Reduction::all_but_axis};
  for (const Shape& space : {Shape{1 << 20}, Shape{3, 200001}, Shape{70000, 5}, Shape{9000, 300},
                             Shape{60, 3, 3000}, Shape{500, 40, 49}}) {
    std::mt19937 rng(5);
    for (Reduction kind : kinds) {
      if (kind == Reduction::all_but_axis && space.rank() < 2) continue;
      Program p(space);
      p.reduce(p.apply(square, p.input(f32, space)), kind, 1, f32);
      const std::vector<Array> in = {random_array(rng, space, f32)};
      const WithThreads team(3);
      expect_reference(p, in, run(p, in));
    }
  }
}

TEST(BytecodeTest, SumOfNothingIsZero) {
  Program p(Shape{3, 0});
  p.reduce(p.input(f32, Shape{3, 0}), Reduction::trailing_axes, 1, f32);
  const std::vector<Array> out = run(p, {Array(Shape{3, 0}, f32)});
  EXPECT_EQ(out[0].count(), 3);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(out[0].at(i), 0);
}

TEST(BytecodeTest, TranscendentalChainsAndSpecialValues) {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> x = {0, -0.0f, 1, -1, inf, -inf, std::nanf(""), 1e-40f, 100, -100};
  x.resize(333, 0.75f);
  const Shape space{333};
  Program p(space);
  const auto a = p.input(f32, space);
  p.output(p.apply(tanh, a), f32);
  p.output(p.apply(mul, a, p.apply(sigmoid, a)), f32);
  p.output(p.apply(log, p.apply(add, p.apply(exp, a), p.constant(1))), f32);
  p.output(p.apply(pow, a, p.constant(3)), f32);
  const std::vector<Array> in = {Array::from(x, space)}, out = run(p, in);
  for (int64_t i = 0; i < 333; ++i) {
    const std::vector<double> v = evaluate(p, in, i);
    for (size_t k = 0; k < out.size(); ++k) {
      const double want = v[p.outputs()[k].value], got = out[k].at(i);
      if (std::isfinite(want))
        EXPECT_NEAR(got, want, 4 * 0x1p-23 * std::abs(want)) << x[i] << " output " << k;
      else
        EXPECT_TRUE(same(got, want)) << x[i] << " output " << k;
    }
  }
}

TEST(BytecodeTest, Float64ArithmeticKeepsLargeIntegersExact) {
  const Shape space{3};
  Program p(space, f64);
  const auto a = p.input(i64, space), b = p.input(i32, space);
  p.output(p.apply(add, p.apply(mul, a, b), p.constant(1)), i64);
  p.output(p.apply(floor, p.apply(div, a, b)), i64);
  const auto out = run(p, {Array::from<int64_t>({1ll << 40, 16777217, -7}, space),
                           Array::from<int32_t>({1000, 3, 2}, space)});
  EXPECT_EQ(out[0].at(0), 1000.0 * 0x1p40 + 1);
  EXPECT_EQ(out[0].at(1), 50331652);
  EXPECT_EQ(out[0].at(2), -13);
  EXPECT_EQ(out[1].at(2), -4);
}

TEST(BytecodeTest, IntegersAreStoredLikeCConversions) {
  const Shape space{6};
  Program p(space);
  const auto a = p.input(f32, space);
  for (DType d : {u8, i32, i64, bool_}) p.output(a, d);
  const auto out = run(p, {Array::from<float>({-1.9f, 1.9f, 300, 5e9f, std::nanf(""), 0}, space)});
  const double want[4][6] = {{255, 1, 44, 0, 0, 0},
                             {-1, 1, 300, 705032704, 0, 0},
                             {-1, 1, 300, 5e9, 0, 0},
                             {1, 1, 1, 1, 1, 0}};
  for (int k = 0; k < 4; ++k)
    for (int i = 0; i < 6; ++i)
      EXPECT_EQ(out[k].at(i), want[k][i]) << name_of(p.outputs()[k].dtype) << " " << i;
}

TEST(BytecodeTest, TransposedAndReversedOperandsAreGathered) {
  const Shape space{30, 20};
  Program p(space);
  const int64_t transposed[] = {1, 30};
  const auto a = p.input(f32, space), b = p.input(f32, transposed);
  p.output(p.apply(sub, a, b), f32);
  std::mt19937 rng(1);
  const std::vector<Array> in = {random_array(rng, space, f32),
                                 random_array(rng, Shape{20, 30}, f32)};
  const auto out = run(p, in);
  for (int64_t i = 0; i < 30; ++i)
    for (int64_t j = 0; j < 20; ++j)
      EXPECT_EQ(out[0].at(i * 20 + j),
                static_cast<float>(in[0].at(i * 20 + j) - in[1].at(j * 30 + i)));
}

/// Runs with `alias[k]` = the input whose memory output k takes, and compares with fresh memory.
void expect_in_place(const Program& p, std::vector<Array> in, const std::vector<int>& alias) {
  const std::vector<Array> want = run(p, in);
  std::vector<const void*> in_pointers;
  std::vector<void*> out_pointers;
  for (const Array& a : in) in_pointers.push_back(a.raw());
  for (int k : alias) out_pointers.push_back(in[k].raw());
  ElementwiseKernel(p).run(in_pointers.data(), out_pointers.data());
  for (size_t k = 0; k < alias.size(); ++k)
    for (int64_t i = 0; i < want[k].count(); ++i)
      ASSERT_EQ(in[alias[k]].at(i), want[k].at(i))
          << "output " << k << " in input " << alias[k] << "\n"
          << p.text();
}

TEST(BytecodeTest, OutputsMayTakeTheMemoryOfAnyInput) {
  for (int64_t n : {5, 64, 1000, 50000}) {
    std::mt19937 rng(2);
    const Shape space{n};
    Program p(space);
    const auto a = p.input(f32, space), b = p.input(f32, space);
    const auto s = p.apply(add, a, b);
    p.output(s, f32);  // written while b is still needed
    p.output(p.apply(mul, p.apply(sub, s, p.apply(square, b)), a), f32);
    const auto inputs = [&] {
      return std::vector<Array>{random_array(rng, space, f32), random_array(rng, space, f32)};
    };
    expect_in_place(p, inputs(), {0, 1});
    expect_in_place(p, inputs(), {1, 0});
    Program swap(space);
    const auto x = swap.input(f32, space), y = swap.input(f32, space);
    swap.output(y, f32);
    swap.output(x, f32);
    expect_in_place(swap, inputs(), {0, 1});
    expect_in_place(swap, inputs(), {1, 0});
  }
}

TEST(BytecodeTest, InPlaceConversionOfEqualSize) {
  const Shape space{1003};
  Program p(space);
  p.output(p.apply(mul, p.input(i32, space), p.constant(0.5)), f32);
  std::vector<int32_t> x(1003);
  for (int i = 0; i < 1003; ++i) x[i] = i;
  Array memory = Array::from(x, space);
  const void* in[] = {memory.raw()};
  void* out[] = {memory.raw()};
  ElementwiseKernel(p).run(in, out);
  for (int i = 0; i < 1003; ++i) EXPECT_EQ(static_cast<float*>(memory.raw())[i], i * 0.5f);
}

TEST(BytecodeTest, WritesNothingOutsideAndReadsUnalignedMemory) {
  for (int64_t n : {1, 15, 16, 255, 257, 300}) {
    std::vector<float> in(n + 2, 3.0f), out(n + 2, -1.0f);
    Program p(Shape{n});
    p.output(p.apply(square, p.input(f32, Shape{n})), f32);
    const void* sources[] = {in.data() + 1};
    void* targets[] = {out.data() + 1};
    ElementwiseKernel(p).run(sources, targets);
    EXPECT_EQ(out.front(), -1);
    EXPECT_EQ(out.back(), -1);
    for (int64_t i = 1; i <= n; ++i) EXPECT_EQ(out[i], 9);
  }
}

TEST(BytecodeTest, RunAllocatesNothing) {
  const Shape space{200, 300};
  Program p(space);
  const auto x = p.input(f32, space), bias = p.input(f32, Shape{300});
  const auto y = p.apply(tanh, p.apply(add, x, bias));
  p.output(y, f32);
  p.reduce(y, Reduction::leading_axes, 1, f32);
  std::mt19937 rng(1);
  const Array a = random_array(rng, space, f32), b = random_array(rng, Shape{300}, f32);
  Array c(space, f32), d(Shape{300}, f32);
  const ElementwiseKernel kernel(p);
  const void* in[] = {a.raw(), b.raw()};
  void* out[] = {c.raw(), d.raw()};
  const WithThreads team(1);
  kernel.run(in, out);
  const int64_t before = heap_allocations.load();
  kernel.run(in, out);
  EXPECT_EQ(heap_allocations.load(), before);
}

TEST(BytecodeTest, ScalarsAreHoistedPairsJoinedAndDeadCodeDropped) {
  const Shape space{100};
  Program p(space);
  const auto w = p.input(f32, space), g = p.input(f32, space), lr = p.input(f32, Shape{});
  const auto scale = p.apply(mul, lr, p.constant(2));  // scalar: not in the loop
  p.apply(exp, w);                                     // dead
  p.output(p.apply(sub, w, p.apply(mul, scale, g)), f32);
  EXPECT_EQ(ElementwiseKernel(p).tape_length(), 1);
  std::mt19937 rng(1);
  const std::vector<Array> in = {random_array(rng, space, f32), random_array(rng, space, f32),
                                 Array::scalar(0.1f)};
  expect_reference(p, in, run(p, in));
}

TEST(BytecodeTest, IntegersAreExactAndWrap) {
  const int64_t big = std::numeric_limits<int64_t>::max(), small = -big - 1;
  const std::vector<int64_t> a = {big, small, big - 1, 7, -7, small, (int64_t{1} << 53) + 1},
                             b = {1, -1, 2, -2, 3, small, 1};
  const auto result = [&](ScalarOp op) {
    Program p(Shape{7}, DType::i64);
    const auto x = p.input(DType::i64, Shape{7}), y = p.input(DType::i64, Shape{7});
    p.output(p.apply(op, x, arity_of(op) > 1 ? y : -1), DType::i64);
    std::vector<int64_t> out(7);
    const void* in[] = {a.data(), b.data()};
    void* outs[] = {out.data()};
    ElementwiseKernel(p).run(in, outs);
    return out;
  };
  using Numbers = std::vector<int64_t>;
  EXPECT_EQ(result(add), (Numbers{small, big, small, 5, -4, 0, (int64_t{1} << 53) + 2}));
  EXPECT_EQ(result(sub), (Numbers{big - 1, small + 1, big - 3, 9, -10, 0, int64_t{1} << 53}));
  EXPECT_EQ(result(mul), (Numbers{big, small, -4, -14, -21, 0, (int64_t{1} << 53) + 1}));
  EXPECT_EQ(result(maximum), (Numbers{big, -1, big - 1, 7, 3, small, (int64_t{1} << 53) + 1}));
  EXPECT_EQ(result(neg), (Numbers{-big, small, -big + 1, -7, 7, small, -(int64_t{1} << 53) - 1}));
  EXPECT_EQ(result(floor_div), (Numbers{big, small, big / 2, -4, -3, 1, (int64_t{1} << 53) + 1}));
  EXPECT_EQ(result(mod), (Numbers{0, 0, 0, -1, 2, 0, 0}));
  EXPECT_EQ(result(fmod), (Numbers{0, 0, 0, 1, -1, 0, 0}));
}

TEST(BytecodeTest, IntegersAreNotDividedByZero) {
  Program p(Shape{3}, DType::i64);
  const auto x = p.input(DType::i64, Shape{3}), y = p.input(DType::i64, Shape{3});
  p.output(p.apply(floor_div, x, y), DType::i64);
  const int64_t a[] = {1, 2, 3}, b[] = {1, 0, 1};
  int64_t out[3];
  const void* in[] = {a, b};
  void* outs[] = {out};
  EXPECT_THROW(ElementwiseKernel(p).run(in, outs), UserError);
}

TEST(BytecodeTest, MistakesAreUserErrors) {
  Program p(Shape{4, 3});
  EXPECT_THROW(p.input(f32, Shape{4}), UserError);
  EXPECT_THROW(Program(Shape{4}, f16), UserError);
  const int64_t strides[] = {1};
  EXPECT_THROW(p.input(f32, strides), UserError);
  const auto x = p.input(f32, Shape{3});
  EXPECT_THROW(p.apply(add, x), UserError);
  EXPECT_THROW(p.apply(neg, x + 1), UserError);
  EXPECT_THROW(ElementwiseKernel{p}, UserError);
  EXPECT_THROW(p.reduce(x, Reduction::trailing_axes, 3, f32), UserError);
  EXPECT_THROW(p.reduce(x, Reduction::all_but_axis, 2, f32), UserError);
  p.reduce(x, Reduction::trailing_axes, 1, f32);
  EXPECT_THROW(p.reduce(x, Reduction::trailing_axes, 1, f32), UserError);
  EXPECT_THROW(Program(Shape{1}, i32), UserError);
  Program wide(Shape{8});
  std::vector<int> live;
  for (int i = 0; i < 200; ++i)
    live.push_back(wide.apply(add, wide.input(f32, Shape{8}), wide.constant(i)));
  for (int v : live) wide.output(v, f32);
  EXPECT_THROW(ElementwiseKernel{wide}, UserError);
}

TEST(BytecodeTest, TextListsEveryValue) {
  Program p(Shape{2, 3});
  const auto x = p.input(i32, Shape{3});
  p.output(p.apply(add, x, p.constant(0.5)), f32);
  p.reduce(x, Reduction::leading_axes, 1, f32, 0.5);
  EXPECT_EQ(p.text(),
            "space [2, 3] in float32\n"
            "v0 = input 0 int32 strides [0, 1]\n"
            "v1 = 0.5\n"
            "v2 = add v0 v1\n"
            "store v2 as float32\n"
            "sum v0 over the first axes: 1, times 0.5, as float32\n");
}

}  // namespace
}  // namespace trivium::cpu
