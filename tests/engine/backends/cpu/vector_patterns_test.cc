// Every pattern, written as a program, must become one tile operation and keep the bits of its
// parts, with the operands of sums and products in either order and at every SIMD level.
#include "trivium/engine/backends/cpu/vector_patterns.h"

#include <gtest/gtest.h>
#include <hwy/highway.h>

#include <map>
#include <random>

#include "trivium/engine/backends/cpu/bytecode.h"
#include "trivium/engine/core/array.h"

namespace trivium::cpu {
namespace {

constexpr int64_t kCount = 391;

/// A pattern as a program over fresh inputs; `mirrored` exchanges the operands of sums and
/// products.
struct Written {
  Program program{Shape{kCount}};
  std::vector<Array> in;
  std::vector<int> values;

  Written(const Pattern& pattern, bool mirrored) {
    std::mt19937 rng(11);
    std::uniform_real_distribution<float> positive(0.25f, 3);
    std::map<int, int> operands;
    for (const PatternNode& node : pattern.nodes) {
      if (node.kind == PatternNode::operation) {
        int a = values[node.left], b = node.right < 0 ? -1 : values[node.right];
        if (mirrored && (node.op == ScalarOp::add || node.op == ScalarOp::mul)) std::swap(a, b);
        values.push_back(program.apply(node.op, a, b));
        continue;
      }
      const int key = node.kind * 16 + node.operand;
      if (!operands.count(key)) {
        const Shape shape = node.kind == PatternNode::array ? Shape{kCount} : Shape{};
        operands[key] = program.input(DType::f32, shape);
        in.push_back(Array(shape, DType::f32));
        for (float& x : in.back().span<float>()) x = positive(rng);
      }
      values.push_back(operands[key]);
    }
    program.output(values.back(), DType::f32);
  }
};

std::vector<float> run(const ElementwiseKernel& kernel, const std::vector<Array>& in) {
  std::vector<const void*> pointers;
  for (const Array& a : in) pointers.push_back(a.raw());
  std::vector<float> result(kCount);
  void* out[] = {result.data()};
  kernel.run(pointers.data(), out);
  return result;
}

/// Each operation rounded to float on its own, in the order of the pattern.
float expected(const Pattern& pattern, const Written& w, int64_t element) {
  std::vector<float> v(pattern.nodes.size());
  size_t next = 0;
  std::map<int, float> operands;
  for (size_t i = 0; i < pattern.nodes.size(); ++i) {
    const PatternNode& node = pattern.nodes[i];
    if (node.kind == PatternNode::operation) {
      const double b = node.right < 0 ? 0 : v[node.right];
      v[i] = static_cast<float>(trivium::apply(node.op, v[node.left], b));
      continue;
    }
    const int key = node.kind * 16 + node.operand;
    if (!operands.count(key)) {
      const Array& a = w.in[next++];
      operands[key] = static_cast<float>(a.at(a.count() == 1 ? 0 : element));
    }
    v[i] = operands[key];
  }
  return v.back();
}

TEST(VectorPatternsTest, EachIsOneOperationAndExactAtEverySimdLevel) {
  const int64_t levels[] = {0, HWY_AVX2, HWY_STATIC_TARGET};
  const int64_t supported = hwy::SupportedTargets();
  for (int64_t level : levels) {
    if (level != 0 && !(supported & level)) continue;
    hwy::SetSupportedTargetsForTest(level);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    for (const Pattern& pattern : vector_patterns()) {
      for (bool mirrored : {false, true}) {
        const Written w(pattern, mirrored);
        const ElementwiseKernel kernel(w.program);
        EXPECT_EQ(kernel.tape_length(), 1) << w.program.text();
        const std::vector<float> got = run(kernel, w.in);
        for (int64_t i = 0; i < kCount; ++i)
          ASSERT_EQ(got[i], expected(pattern, w, i)) << w.program.text();
      }
    }
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

TEST(VectorPatternsTest, LargestComeFirst) {
  const auto& all = vector_patterns();
  ASSERT_GT(all.size(), 20u);
  for (size_t i = 1; i < all.size(); ++i) EXPECT_GE(all[i - 1].operations(), all[i].operations());
}

TEST(VectorPatternsTest, AValueNeededElsewhereIsNotAbsorbed) {
  Program p(Shape{kCount});
  const auto x = p.input(DType::f32, Shape{kCount}), s = p.input(DType::f32, Shape{});
  const auto scaled = p.apply(ScalarOp::mul, s, x);
  p.output(p.apply(ScalarOp::sub, x, scaled), DType::f32);
  p.output(scaled, DType::f32);
  EXPECT_EQ(ElementwiseKernel(p).tape_length(), 2);
}

}  // namespace
}  // namespace trivium::cpu
