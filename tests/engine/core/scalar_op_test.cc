#include "trivium/engine/core/scalar_op.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>

#include "trivium/engine/core/error.h"

namespace trivium {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
using enum ScalarOp;

TEST(ScalarOpTest, TableIsCompleteAndInOrder) {
  std::set<std::string> names;
  int position = 0;
  for (const ScalarOpInfo& row : scalar_ops()) {
    EXPECT_EQ(static_cast<int>(row.op), position++) << row.name;
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_TRUE(row.arity >= 1 && row.arity <= 3) << row.name;
    EXPECT_EQ(parse_scalar_op(row.name), row.op);
    EXPECT_STRNE(row.meaning, "");
  }
  EXPECT_EQ(position, kScalarOpCount);
}

TEST(ScalarOpTest, UnknownNamesSuggestTheNearest) {
  try {
    parse_scalar_op("sigmiod");
    FAIL() << "no error";
  } catch (const UserError& e) {
    EXPECT_NE(std::string(e.what()).find("\"sigmoid\""), std::string::npos) << e.what();
  }
}

TEST(ScalarOpTest, NaNPropagatesThroughMaximumMinimumClipAndRelu) {
  for (ScalarOp op : {maximum, minimum}) {
    EXPECT_TRUE(std::isnan(apply(op, kNaN, 1)));
    EXPECT_TRUE(std::isnan(apply(op, 1, kNaN)));
  }
  EXPECT_TRUE(std::isnan(apply(relu, kNaN)));
  EXPECT_TRUE(std::isnan(apply(sign, kNaN)));
  EXPECT_TRUE(std::isnan(apply(clip, kNaN, 0, 1)));
  EXPECT_EQ(apply(is_nan, kNaN), 1);
  EXPECT_EQ(apply(equal, kNaN, kNaN), 0);
  EXPECT_EQ(apply(not_equal, kNaN, kNaN), 1);
  EXPECT_EQ(apply(relu_grad, kNaN, 0), 0);
}

TEST(ScalarOpTest, PublishedCases) {
  EXPECT_EQ(apply(sign, -0.0), 0);
  EXPECT_EQ(apply(sign, -3), -1);
  EXPECT_EQ(apply(round, 2.5), 2);
  EXPECT_EQ(apply(round, -3.5), -4);
  EXPECT_EQ(apply(mod, -7, 3), 2);  // Python: -7 % 3
  EXPECT_EQ(apply(mod, 7, -3), -2);
  EXPECT_EQ(apply(mod, 6, 3), 0);
  EXPECT_EQ(apply(maximum, 2, 3), 3);
  EXPECT_EQ(apply(minimum, 2, 3), 2);
  EXPECT_EQ(apply(clip, 5, 0, 1), 1);
  EXPECT_EQ(apply(relu_grad, 4, 0.5), 4);
  EXPECT_EQ(apply(relu_grad, 4, 0), 0);
  EXPECT_EQ(apply(select, 2, 10, 20), 10);
  EXPECT_EQ(apply(select, 0, 10, 20), 20);
  EXPECT_EQ(apply(logical_and, 2, 0), 0);
  EXPECT_EQ(apply(logical_or, 2, 0), 1);
  EXPECT_EQ(apply(fma, 2, 3, 4), 10);
}

TEST(ScalarOpTest, TailsKeepTheirPrecision) {
  EXPECT_DOUBLE_EQ(apply(sigmoid, -700), std::exp(-700.0));
  EXPECT_EQ(apply(sigmoid, 700), 1);
  EXPECT_EQ(apply(sigmoid, -kInf), 0);
  EXPECT_EQ(apply(softplus, 1000), 1000);
  EXPECT_DOUBLE_EQ(apply(softplus, -40), std::exp(-40.0));
  EXPECT_DOUBLE_EQ(apply(softplus, 0), std::log(2.0));
  EXPECT_EQ(apply(expm1, 1e-20), 1e-20);
  EXPECT_EQ(apply(log1p, 1e-20), 1e-20);
}

}  // namespace
}  // namespace trivium
