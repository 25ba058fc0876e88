// Spans: counted while a trace is on, in the file and in the sums, and free of cost to the rest.
#include "trivium/engine/core/trace.h"

#include <gtest/gtest.h>

#include <thread>

namespace trivium {
namespace {

TEST(Trace, SpansAreSummedByNameAndWrittenByThread) {
  { const trace::Span before("wait", "too early"); }
  trace::start();
  for (int i = 0; i < 3; ++i) const trace::Span span("wait", "loader wait");
  std::thread([] { const trace::Span span("data", "a \"batch\""); }).join();
  trace::stop();
  { const trace::Span after("wait", "too late"); }
  const std::vector<trace::Sum> sums = trace::sums();
  ASSERT_EQ(sums.size(), 2u);
  for (const trace::Sum& s : sums) {
    EXPECT_EQ(s.calls, s.name == "loader wait" ? 3 : 1);
    EXPECT_GE(s.total_us, s.longest_us);
    EXPECT_LE(s.total_us, trace::elapsed_us());
  }
  EXPECT_NE(trace::summary().find("loader wait"), std::string::npos);
  const std::string json = trace::chrome_json();
  EXPECT_NE(json.find(R"("name":"a \"batch\"")"), std::string::npos);
  EXPECT_EQ(json.find("too"), std::string::npos);
}

TEST(Trace, TheFileHoldsWhatFitsAndTheSumsAll) {
  trace::start(2);
  for (int i = 0; i < 5; ++i) const trace::Span span("run", "plan");
  trace::stop();
  EXPECT_EQ(trace::sums().at(0).calls, 5);
  const std::string json = trace::chrome_json();
  size_t events = 0;
  for (size_t at = 0; (at = json.find("\"ph\"", at)) != std::string::npos; ++at) ++events;
  EXPECT_EQ(events, 2u);
}

}  // namespace
}  // namespace trivium
