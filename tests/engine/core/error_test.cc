#include "trivium/engine/core/error.h"

#include <gtest/gtest.h>

#include <vector>

namespace trivium {
namespace {

TEST(ErrorTest, EachHelperThrowsItsOwnType) {
  EXPECT_THROW(user_error("{} axes", 3), UserError);
  EXPECT_THROW(environment_error("no {}", "file"), EnvironmentError);
  EXPECT_THROW(internal_error("cycle"), InternalError);
  try {
    user_error("expected {}, received {}", 2, "x");
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "expected 2, received x");
  }
}

TEST(ErrorTest, InternalErrorsAskForAReport) {
  try {
    internal_error("cycle through node {}", 17);
  } catch (const InternalError& e) {
    const std::string text = e.what();
    EXPECT_EQ(text.find("internal error: cycle through node 17"), 0u);
    EXPECT_NE(text.find("report"), std::string::npos);
  }
}

TEST(ErrorTest, EditDistance) {
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
  EXPECT_EQ(edit_distance("same", "same"), 0);
}

TEST(ErrorTest, SuggestsOnlyNearWords) {
  const std::vector<std::string> names = {"ip1", "conv1", "softmax"};
  EXPECT_EQ(closest_match("ip1x", names), "ip1");
  EXPECT_EQ(closest_match("sofmax", names), "softmax");
  EXPECT_EQ(closest_match("pooling_layer", names), "");
}

}  // namespace
}  // namespace trivium
