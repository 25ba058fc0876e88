#include "trivium/engine/core/shape.h"

#include <gtest/gtest.h>

#include "trivium/engine/core/error.h"

namespace trivium {
namespace {

TEST(ShapeTest, CountsAndAxes) {
  const Shape s{2, 3, 4};
  EXPECT_EQ(s.count(), 24);
  EXPECT_EQ(s.count(1), 12);
  EXPECT_EQ(s.count(0, 2), 6);
  EXPECT_EQ(s[-1], 4);
  EXPECT_EQ(s.axis(-3), 0);
  EXPECT_EQ(s.text(), "[2, 3, 4]");
  EXPECT_EQ(Shape{}.count(), 1);
  EXPECT_TRUE(Shape{}.is_scalar());
  EXPECT_EQ((Shape{0, 5}).count(), 0);
}

TEST(ShapeTest, RejectsWhatItCannotHold) {
  EXPECT_THROW((Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}), UserError);
  EXPECT_THROW((Shape{-1}), UserError);
  EXPECT_THROW((Shape{int64_t{1} << 40, int64_t{1} << 40}.count()), UserError);
  EXPECT_THROW((Shape{2}[1]), UserError);
  EXPECT_THROW((Shape{2}[-2]), UserError);
}

TEST(ShapeTest, EqualityLooksAtRankAndSizes) {
  EXPECT_EQ((Shape{2, 1}), (Shape{2, 1}));
  EXPECT_FALSE((Shape{2, 1}) == (Shape{2}));
  EXPECT_FALSE((Shape{2, 1}) == (Shape{1, 2}));
}

TEST(ShapeTest, BroadcastsLikeNumPy) {
  EXPECT_EQ(broadcast_shapes(Shape{4, 1, 3}, Shape{5, 1}), (Shape{4, 5, 3}));
  EXPECT_EQ(broadcast_shapes(Shape{}, Shape{7}), Shape{7});
  EXPECT_EQ(broadcast_shapes(Shape{0}, Shape{1}), Shape{0});
  try {
    broadcast_shapes(Shape{2, 3}, Shape{2, 4});
    FAIL() << "no error";
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("[2, 3] and [2, 4]"), std::string::npos) << e.what();
  }
}

TEST(ShapeTest, StridesAreRowMajor) {
  const auto strides = strides_of(Shape{2, 3, 4});
  EXPECT_EQ(strides[0], 12);
  EXPECT_EQ(strides[1], 4);
  EXPECT_EQ(strides[2], 1);
}

}  // namespace
}  // namespace trivium
