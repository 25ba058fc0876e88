// Tools that read Caffe's logs read ours: the patterns of the stock parse_log.py, and the awk
// fields that parse_log.sh takes, find their rows in a log of `caffe train`.
#include "tests/tools/run_program.h"

namespace trivium::tools {
namespace {

const fs::path kGolden = fs::path(TRIVIUM_SOURCE_DIR) / "tests/golden/cli";

std::string train_log(const Workplace& place) {
  fs::copy(kGolden / "files", place.path());
  const Ran ran = run_program(place, "caffe",
                              words_of("train -solver solver.prototxt -weights init.caffemodel"));
  EXPECT_EQ(ran.status, 0) << ran.err;
  return ran.err;
}

struct Row {
  int iter;
  std::string rate;
  std::vector<std::string> outputs;
};

TEST(LogParsers, ParseLogPyFindsTrainAndTestRows) {
  const Workplace place("parse_py");
  const std::regex iteration(R"(Iteration (\d+))"),
      rate(R"(lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?))"),
      train(R"(Train net output #(\d+): (\S+) = ([\.\deE+-]+))"),
      test(R"(Test net output #(\d+): (\S+) = ([\.\deE+-]+))"),
      stamp(R"([IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} .*)");
  std::vector<Row> train_rows, test_rows;
  int iter = -1, solving = 0;
  for (const std::string& line : lines_of(train_log(place))) {
    solving += line.find("Solving") != std::string::npos;
    if (!solving) continue;
    EXPECT_TRUE(std::regex_match(line, stamp))
        << "the parser takes the time from every line: " << line;
    std::smatch m;
    if (std::regex_search(line, m, iteration)) iter = std::stoi(m[1]);
    if (iter < 0) continue;
    if (std::regex_search(line, m, rate)) train_rows.back().rate = m[1];
    if (std::regex_search(line, m, train)) {
      if (m[1] == "0") train_rows.push_back({iter, "", {}});
      train_rows.back().outputs.push_back(m[2].str() + "=" + m[3].str());
    }
    if (std::regex_search(line, m, test)) {
      if (m[1] == "0") test_rows.push_back({iter, "", {}});
      test_rows.back().outputs.push_back(m[2]);
    }
  }
  EXPECT_EQ(solving, 1);
  ASSERT_EQ(train_rows.size(), 5u);
  EXPECT_EQ(train_rows[2].iter, 4);
  EXPECT_EQ(train_rows[2].rate, "0.025");
  EXPECT_EQ(train_rows[0].outputs, std::vector<std::string>{"loss=1.09468"});
  ASSERT_EQ(test_rows.size(), 3u);
  EXPECT_EQ(test_rows[2].iter, 8);
  EXPECT_EQ(test_rows[2].outputs,
            (std::vector<std::string>{"accuracy", "loss", "per_class", "per_class", "per_class"}));
}

TEST(LogParsers, ParseLogShFindsItsFields) {
  const Workplace place("parse_sh");
  int accuracies = 0, rates = 0, losses = 0;
  for (const std::string& line : lines_of(train_log(place))) {
    const std::vector<std::string> fields = words_of(line);
    if (line.find("Test net output #0") != std::string::npos && ++accuracies) {
      ASSERT_GE(fields.size(), 11u);
      EXPECT_NO_THROW(std::stod(fields[10])) << line;
    }
    if (line.find(", lr = ") != std::string::npos && ++rates) {
      ASSERT_GE(fields.size(), 9u);
      EXPECT_GT(std::stod(fields[8]), 0) << line;
    }
    if (line.find("] Iteration ") != std::string::npos &&
        line.find(", loss = ") != std::string::npos && ++losses) {
      EXPECT_GT(std::stod(line.substr(line.find('=') + 1)), 0) << line;
    }
  }
  EXPECT_EQ(accuracies, 3);
  EXPECT_EQ(rates, 5);
  EXPECT_EQ(losses, 6);
}

}  // namespace
}  // namespace trivium::tools
