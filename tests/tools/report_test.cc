// The report: what a reader sees is in the file, pictures decode, bad data are refused.
#include "tools/report.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tools/png.h"
#include "trivium/engine/core/error.h"

namespace trivium::tools {
namespace {

namespace fs = std::filesystem;

TrainingReport small_report() {
  TrainingReport r;
  r.title = "LeNet <on> digits";
  r.summary = {{"test accuracy", "99.1 %"}, {"a & b", "1"}};
  r.loss = {{"train", {0, 100, 200}, {2.3, 0.2, 0.01}}};
  r.accuracy = {{"test", {0, 100, 200}, {0.1, 0.97, 0.991}}};
  r.class_names = {"zero", "one"};
  r.confusion = {{98, 2}, {0, 100}};
  r.misclassified = {{std::vector<uint8_t>(28 * 28, 7), 28, 28, 1, 0, 1, 0.61}};
  r.layers = {{"conv1", "Convolution", 0.5, 1.25, 80.5}, {"relu1", "ReLU", 0.01, 0.02, 0}};
  r.command = "build/tools/trivium train --solver x.prototxt && echo \"done\"";
  return r;
}

size_t count(const std::string& text, const std::string& part) {
  size_t n = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

TEST(Report, ShowsEveryPartAndEscapesText) {
  const std::string html = render_report(small_report());
  EXPECT_NE(html.find("LeNet &lt;on&gt; digits"), std::string::npos);
  EXPECT_NE(html.find("a &amp; b"), std::string::npos);
  EXPECT_NE(html.find("&amp;&amp; echo &quot;done&quot;"), std::string::npos);
  EXPECT_NE(html.find("true zero, predicted one: 2 images"), std::string::npos);
  EXPECT_NE(html.find("98.00 %"), std::string::npos);  // recall of class zero
  EXPECT_NE(html.find("61 % sure"), std::string::npos);
  EXPECT_NE(html.find("1.250"), std::string::npos);
  EXPECT_EQ(count(html, "<svg "), 2u);  // no learning rate was given
}

TEST(Report, IsOneFileWithoutScriptsOrOutsideReferences) {
  const std::string html = render_report(small_report());
  EXPECT_EQ(count(html, "<script"), 0u);
  EXPECT_EQ(count(html, "http"), 0u);
  EXPECT_EQ(count(html, "src='data:image/png;base64,"), 1u);
}

TEST(Report, LeavesOutEmptySections) {
  TrainingReport r;
  r.title = "nothing yet";
  const std::string html = render_report(r);
  EXPECT_EQ(count(html, "<h2>"), 0u);
  EXPECT_EQ(count(html, "<svg"), 0u);
}

TEST(Report, RefusesAConfusionMatrixThatIsNotSquare) {
  TrainingReport r = small_report();
  r.confusion = {{1, 2}, {3}};
  EXPECT_THROW(render_report(r), UserError);
}

TEST(Report, WriteLeavesNoTemporaryAndNamesTheFileOnFailure) {
  const fs::path dir = fs::temp_directory_path() / "trivium_report_test";
  fs::remove_all(dir);
  fs::create_directories(dir);
  write_report((dir / "report.html").string(), small_report());
  EXPECT_EQ(std::distance(fs::directory_iterator(dir), fs::directory_iterator()), 1);
  std::ifstream in(dir / "report.html");
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), render_report(small_report()));
  try {
    write_report((dir / "missing" / "r.html").string(), small_report());
    FAIL() << "a folder that does not exist was accepted";
  } catch (const EnvironmentError& e) {
    EXPECT_NE(std::string(e.what()).find("missing/r.html"), std::string::npos);
  }
  fs::remove_all(dir);
}

TEST(Chart, TicksAreRoundAndCoverTheRange) {
  EXPECT_EQ(nice_ticks(0, 10, 5), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  const std::vector<double> ticks = nice_ticks(0.93, 0.991, 5);
  EXPECT_LE(ticks.front(), 0.93);
  EXPECT_GE(ticks.back(), 0.991 - 1e-12);
}

TEST(Chart, NanBreaksTheLineInsteadOfSpoilingTheAxis) {
  const std::string svg = svg_line_chart({{"loss", {0, 1, 2, 3, 4}, {1, 2, std::nan(""), 3, 1}}},
                                         {"Loss", "iteration"});
  EXPECT_EQ(count(svg, "nan "), 0u);
  const size_t at = svg.find("class='line s0' d='");
  const std::string path = svg.substr(at, svg.find("'/>", at) - at);
  EXPECT_EQ(count(path, "M"), 2u);
}

TEST(Chart, AllPointsEqualStillDraws) {
  EXPECT_EQ(count(svg_line_chart({{"a", {5}, {0}}}, {"A", "x"}), "nan"), 0u);
  EXPECT_EQ(count(svg_line_chart({{"a", {1, 2}, {3, 3}}}, {"A", "x"}), "inf"), 0u);
}

TEST(Chart, RefusesSeriesOfUnequalLength) {
  EXPECT_THROW(svg_line_chart({{"a", {1, 2}, {3}}}, {"A", "x"}), UserError);
}

TEST(Chart, AThousandPointsKeepTheHoverLayerSmall) {
  Series s{"loss", {}, {}};
  for (int i = 0; i < 1000; ++i) {
    s.xs.push_back(i);
    s.ys.push_back(1.0 / (i + 1));
  }
  EXPECT_LE(count(svg_line_chart({s}, {"Loss", "iteration"}), "class='hit'"), 200u);
}

TEST(Png, DecodesToThePixelsGiven) {
  const std::vector<uint8_t> pixels = {1, 2, 3, 4, 5, 6, 250, 251, 252, 253, 254, 255};
  const std::string png = encode_png(pixels, 2, 2, 3);
  ASSERT_EQ(png.substr(1, 3), "PNG");
  // 8 signature + 25 IHDR, then length, "IDAT", data
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(png[i]); };
  const size_t length = byte(33) << 24 | byte(34) << 16 | byte(35) << 8 | byte(36);
  uint8_t rows[14];
  uLongf size = sizeof(rows);
  ASSERT_EQ(uncompress(rows, &size, reinterpret_cast<const Bytef*>(png.data()) + 41, length), Z_OK);
  ASSERT_EQ(size, sizeof(rows));
  for (int y = 0; y < 2; ++y)
    for (int x = 0; x < 6; ++x) EXPECT_EQ(rows[y * 7 + 1 + x], pixels[y * 6 + x]);
}

TEST(Png, RefusesSizesThatDoNotMatch) {
  const std::vector<uint8_t> pixels(12);
  EXPECT_THROW(encode_png(pixels, 2, 3, 3), UserError);
  EXPECT_THROW(encode_png(pixels, 3, 2, 2), UserError);
  EXPECT_THROW(encode_png({}, 0, 0, 1), UserError);
}

TEST(Png, Base64MatchesTheStandardsVectors) {
  const auto encode = [](const std::string& s) {
    return base64({reinterpret_cast<const uint8_t*>(s.data()), s.size()});
  };
  EXPECT_EQ(encode(""), "");
  EXPECT_EQ(encode("f"), "Zg==");
  EXPECT_EQ(encode("fo"), "Zm8=");
  EXPECT_EQ(encode("foobar"), "Zm9vYmFy");
}

}  // namespace
}  // namespace trivium::tools
