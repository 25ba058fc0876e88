#include "trivium/engine/ops/docs.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "trivium/engine/graph/op.h"

namespace trivium {
namespace {

TEST(OpsDocs, ThePageInDocsIsCurrent) {
  std::ifstream file(TRIVIUM_SOURCE_DIR "/docs/ops.md");
  std::stringstream page;
  page << file.rdbuf();
  ASSERT_EQ(page.str(), ops::ops_markdown()) << "run: trivium ops --markdown > docs/ops.md";
}

TEST(OpsDocs, EveryOpHasItsSection) {
  const std::string text = ops::ops_markdown();
  for (const auto& op : OpRegistry::instance().all())
    EXPECT_NE(text.find("\n## " + op->name() + "\n"), std::string::npos) << op->name();
}

}  // namespace
}  // namespace trivium
