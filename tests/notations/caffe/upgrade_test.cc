// Old formats: output text, log and outcome of every recorded run of Caffe's upgrade programs.
#include "trivium/notations/caffe/upgrade.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "tests/notations/caffe/golden.h"
#include "trivium/notations/caffe/print.h"
#include "trivium/notations/caffe/prototxt.h"
#include "trivium/notations/caffe/upgrade_tool.h"

namespace trivium::caffe {
namespace {

namespace fs = std::filesystem;

// The programs log the names they were given, so the cases run in a directory with in.prototxt and
// out.prototxt.
class UpgradeGolden : public ::testing::Test {
 protected:
  void SetUp() override {
    home_ = fs::current_path();
    std::string pattern = ::testing::TempDir() + "trivium_upgrade_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    fs::current_path(pattern);
  }
  void TearDown() override {
    const fs::path scratch = fs::current_path();
    fs::current_path(home_);
    fs::remove_all(scratch);
  }

  static std::string read(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  }

  fs::path home_;
};

struct Outcome {
  std::optional<int> status;  // empty when the program refused
  std::string refusal;
  LogLines log;
};

Outcome run_tool(const std::string& tool) {
  Outcome outcome;
  try {
    outcome.status = tool == "upgrade_solver_proto_text"
                         ? upgrade_solver_text("in.prototxt", "out.prototxt", &outcome.log)
                         : upgrade_net_text("in.prototxt", "out.prototxt", &outcome.log);
  } catch (const UserError& error) {
    outcome.refusal = error.what();
  }
  return outcome;
}

// Recorded lines that are ours to match: F lines become errors, lines outside the log depend on
// protobuf's release.
std::vector<std::string> expected_log(const nlohmann::ordered_json& golden) {
  std::vector<std::string> lines;
  for (const std::string line : golden) {
    if (line[0] == 'I' || line[0] == 'W' || line[0] == 'E') lines.push_back(line);
  }
  return lines;
}

TEST_F(UpgradeGolden, EveryRecordedRunIsReproduced) {
  const auto cases = load_golden("upgrades.json");
  ASSERT_EQ(cases.size(), 19u);
  for (const auto& [name, golden] : cases.items()) {
    SCOPED_TRACE(name);
    fs::remove("out.prototxt");
    std::ofstream("in.prototxt") << golden["input"].get<std::string>();
    Outcome outcome = run_tool(golden["tool"]);
    const int status = golden["exit"];
    if (status == 134) {
      EXPECT_FALSE(outcome.status.has_value());
      EXPECT_EQ(outcome.refusal.substr(0, 13), "in.prototxt: ");
    } else {
      EXPECT_EQ(outcome.status, status) << outcome.refusal;
    }
    if (status == 2) {  // our own reason comes first
      ASSERT_FALSE(outcome.log.empty());
      EXPECT_EQ(outcome.log.front().text.find("in.prototxt:1:9: no field \"nosuch\""), 0u);
      outcome.log.erase(outcome.log.begin());
    }
    EXPECT_EQ(marked(outcome.log), expected_log(golden["log"]));
    EXPECT_EQ(fs::exists("out.prototxt"), !golden["output"].is_null());
    if (!golden["output"].is_null()) {
      EXPECT_EQ(read("out.prototxt"), golden["output"].get<std::string>());
    }
  }
}

TEST_F(UpgradeGolden, BinaryToolWritesTheSameNet) {
  const auto golden = load_golden("upgrades.json")["v0"];
  proto::NetParameter net;
  parse_prototxt(golden["input"].get<std::string>(), "v0", &net);
  std::ofstream("in.caffemodel", std::ios::binary) << net.SerializeAsString();
  LogLines log;
  EXPECT_EQ(upgrade_net_binary("in.caffemodel", "out.caffemodel", &log), 0);
  EXPECT_EQ(log.back().text, "Wrote upgraded NetParameter binary proto to out.caffemodel");
  ASSERT_TRUE(net.ParseFromString(read("out.caffemodel")));
  EXPECT_EQ(to_prototxt(net), golden["output"].get<std::string>());
}

proto::NetParameter parse(const std::string& text) {
  proto::NetParameter net;
  parse_prototxt(text, "t", &net);
  return net;
}

TEST(Upgrade, WeightsOfOldLayersSurvive) {
  const auto v0 = upgrade_net(
      parse("layers { layer { name: \"c\" type: \"conv\" blobs { num: 1 data: 2 } } }"), "t");
  EXPECT_EQ(v0.net.layer(0).blobs(0).data(0), 2.0f);
  const auto v1 = upgrade_net(
      parse("layers { name: \"c\" type: CONVOLUTION blobs { data: 3 } blobs { data: 4 } }"), "t");
  ASSERT_EQ(v1.net.layer(0).blobs_size(), 2);
  EXPECT_EQ(v1.net.layer(0).blobs(1).data(0), 4.0f);
}

TEST(Upgrade, UpgradedNetNeedsNoUpgrade) {
  const auto cases = load_golden("upgrades.json");
  for (const auto& [name, golden] : cases.items()) {
    if (golden["output"].is_null() || golden["tool"] != "upgrade_net_proto_text") continue;
    if (name == "batchnorm_three_params")
      continue;  // the old form is recognised by its three params, which stay
    EXPECT_FALSE(net_needs_upgrade(parse(golden["output"]))) << name;
  }
}

TEST(Upgrade, ErrorsSayWhatDoesNotFit) {
  const auto refusal = [](const std::string& text) {
    return user_error_of([&] { upgrade_net(parse(text), "n.prototxt"); });
  };
  EXPECT_EQ(
      refusal("layers { layer { name: \"r\" type: \"rellu\" } }"),
      "n.prototxt: layer \"r\" (rellu): unknown V0 layer type \"rellu\"; did you mean \"relu\"?");
  EXPECT_EQ(refusal("input: \"a\" input_dim: 1 input_dim: 2"),
            "n.prototxt: 1 input fields need 4 input_dim (4 each), received 2; or use input_shape "
            "for other ranks");
  EXPECT_EQ(refusal("input: \"a\" input: \"b\" input_shape { dim: 1 }"),
            "n.prototxt: 2 input fields need as many input_shape, received 1");
  EXPECT_EQ(
      refusal("layers { layer { name: \"p\" type: \"padding\" pad: 1 } bottom: \"d\" top: \"p\" }"
              "layers { layer { name: \"r\" type: \"relu\" } bottom: \"p\" top: \"r\" }"),
      "n.prototxt: layer \"r\" (relu): reads the padding layer \"p\"; only conv and pool can "
      "follow a padding "
      "layer");
}

TEST(Upgrade, SolverWithBothTypesIsRefused) {
  proto::SolverParameter solver;
  solver.set_type("Adam");
  solver.set_solver_type(proto::SolverParameter::SGD);
  EXPECT_EQ(user_error_of([&] { upgrade_solver(solver, "s.prototxt"); }),
            "s.prototxt: the solver has both the old field solver_type (SGD) and type (\"Adam\"); "
            "keep only type");
}

}  // namespace
}  // namespace trivium::caffe
