#include "trivium/engine/core/array.h"

#include <gtest/gtest.h>

namespace trivium {
namespace {

TEST(ArrayTest, CopiesShareAndClonesDoNot) {
  Array a = Array::from<float>({1, 2, 3, 4}, Shape{2, 2});
  Array same = a, other = a.clone();
  same.set(0, 9);
  EXPECT_EQ(a.at(0), 9);
  EXPECT_EQ(other.at(0), 1);
  EXPECT_EQ(a.text(), "float32[2, 2]");
}

TEST(ArrayTest, MemoryIsAlignedAndFreedWithTheLastUser) {
  const int64_t live = buffer_bytes_live(), made = buffer_allocations();
  {
    Array a(Shape{1000}, DType::f64);
    Array view = a.reshaped(Shape{10, 100});
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a.raw()) % 64, 0u);
    EXPECT_EQ(view.raw(), a.raw());
    EXPECT_EQ(buffer_bytes_live() - live, 8000);
    EXPECT_GE(buffer_bytes_peak(), buffer_bytes_live());
    EXPECT_EQ(buffer_allocations() - made, 1);
  }
  EXPECT_EQ(buffer_bytes_live(), live);
}

TEST(ArrayTest, CastTruncatesTowardsZero) {
  const Array ints = Array::from<float>({-1.7f, 0.5f, 2.9f}, Shape{3}).cast(DType::i32);
  EXPECT_EQ(ints.at(0), -1);
  EXPECT_EQ(ints.at(1), 0);
  EXPECT_EQ(ints.at(2), 2);
  EXPECT_EQ(ints.cast(DType::bool_).at(0), 1);
}

TEST(ArrayTest, ScalarsAndItem) {
  EXPECT_EQ(Array::scalar(int64_t{1} << 40).item(), static_cast<double>(int64_t{1} << 40));
  EXPECT_THROW(Array::zeros(Shape{2}).item(), UserError);
  EXPECT_THROW(Array::zeros(Shape{0}).item(), UserError);
}

TEST(ArrayTest, MismatchesAreRefused) {
  Array a = Array::full(Shape{2, 3}, 1.5);
  EXPECT_THROW(a.reshaped(Shape{4}), UserError);
  EXPECT_THROW(a.data<int32_t>(), InternalError);
  EXPECT_THROW(a.copy_from(Array::zeros(Shape{3, 2})), UserError);
  EXPECT_THROW(a.copy_from(Array::zeros(Shape{2, 3}, DType::i32)), UserError);
  EXPECT_THROW(Array::from<float>({1}, Shape{2}), UserError);
  EXPECT_THROW(Array(Shape{int64_t{1} << 62}, DType::f32), UserError);
}

TEST(ArrayTest, WrappedMemoryKeepsItsOwner) {
  auto owner = std::make_shared<std::vector<float>>(6, 2.0f);
  std::weak_ptr<void> watch = owner;
  Array a(Shape{2}, DType::f32, Buffer::wrap(owner->data(), 24, owner), 16);
  owner.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(a.at(1), 2);
  EXPECT_THROW(Array(Shape{3}, DType::f32, a.buffer(), 16), InternalError);
  a = Array();
  EXPECT_TRUE(watch.expired());
  EXPECT_FALSE(a.defined());
}

TEST(DTypeTest, NamesRoundTrip) {
  for (int i = 0; i <= static_cast<int>(DType::bool_); ++i) {
    const DType d = static_cast<DType>(i);
    EXPECT_EQ(parse_dtype(name_of(d)), d);
  }
  EXPECT_EQ(size_of(DType::bf16), 2u);
  EXPECT_TRUE(is_floating(DType::bf16));
  EXPECT_TRUE(is_integer(DType::i8));
  EXPECT_FALSE(is_integer(DType::bool_));
  EXPECT_THROW(parse_dtype("float"), UserError);
}

}  // namespace
}  // namespace trivium
