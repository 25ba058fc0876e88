// Rules of NetState against the layers and log lines that Caffe recorded.
#include "trivium/notations/caffe/filter.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/notations/caffe/golden.h"
#include "trivium/notations/caffe/prototxt.h"
#include "trivium/notations/caffe/upgrade.h"

namespace trivium::caffe {
namespace {

std::vector<std::string> recorded_filter_lines(const nlohmann::ordered_json& run) {
  std::vector<std::string> lines;
  for (const std::string line : run["net_log"]) {
    if (line.starts_with("The NetState")) lines.push_back("I " + line);
  }
  return lines;
}

std::vector<std::string> recorded_layers(const nlohmann::ordered_json& run) {
  std::vector<std::string> names;
  for (const auto& layer : run["layers"]) {
    const std::string name = layer[0];
    if (!name.ends_with("_split")) names.push_back(name);
  }
  return names;
}

TEST(FilterGolden, LayersAndLogOfEveryRunMatch) {
  int runs = 0;
  const auto cases = load_golden("nets.json");
  for (const auto& [name, golden] : cases.items()) {
    for (const auto& [run_name, run] : golden["runs"].items()) {
      if (run.contains("dies")) continue;
      SCOPED_TRACE(name + ", " + run_name);
      proto::NetParameter net;
      parse_prototxt(golden["prototxt"].get<std::string>(), name, &net);
      net = upgrade_net(std::move(net), name).net;
      LogLines log;
      const proto::NetParameter kept = filter_net(net, state_of_run(net, run_name), &log);
      std::vector<std::string> layers;
      for (const auto& layer : kept.layer()) layers.push_back(layer.name());
      EXPECT_EQ(layers, recorded_layers(run));
      EXPECT_EQ(marked(log), recorded_filter_lines(run));
      ++runs;
    }
  }
  EXPECT_GE(runs, 30);
}

TEST(Filter, StateAndLinesFollowTheLayers) {
  proto::NetParameter net;
  NetLines lines;
  parse_prototxt(
      "layer { name: \"a\" include { phase: TEST } }\n"
      "layer { name: \"b\" }\n",
      "n.prototxt", &net, &lines);
  proto::NetState state;
  state.set_phase(proto::TRAIN);
  SourceMap& map = lines.at("");
  const proto::NetParameter kept = filter_net(net, state, nullptr, &map);
  ASSERT_EQ(kept.layer_size(), 1);
  EXPECT_EQ(kept.state().phase(), proto::TRAIN);
  EXPECT_EQ(map.file, "n.prototxt");
  EXPECT_EQ(map.layers.at(0).line, 2);
}

TEST(Filter, LayerWithBothKindsOfRulesIsRefused) {
  const auto golden = load_golden("nets.json")["rules_both"];
  proto::NetParameter net;
  NetLines lines;
  parse_prototxt(golden["prototxt"].get<std::string>(), "n.prototxt", &net, &lines);
  EXPECT_EQ(user_error_of([&] { filter_net(net, {}, nullptr, &lines.at("")); }),
            "n.prototxt:13: layer \"x\" (InnerProduct): has both include and exclude rules; give "
            "only one kind");
}

}  // namespace
}  // namespace trivium::caffe
