// Split layers and wiring: the recorded nets of Caffe, layer by layer, and the errors of nets that
// cannot be wired.
#include "trivium/notations/caffe/splits.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/notations/caffe/golden.h"
#include "trivium/notations/caffe/filter.h"
#include "trivium/notations/caffe/print.h"
#include "trivium/notations/caffe/prototxt.h"
#include "trivium/notations/caffe/upgrade.h"

namespace trivium::caffe {
namespace {

proto::NetParameter build(const std::string& text,
                          const std::string& run = "TRAIN level 0 stages -") {
  proto::NetParameter net;
  NetLines lines;
  parse_prototxt(text, "n.prototxt", &net, &lines);
  SourceMap& map = lines[""];
  net = upgrade_net(std::move(net), "n.prototxt", nullptr, &map).net;
  const proto::NetParameter kept = filter_net(net, state_of_run(net, run), nullptr, &map);
  const proto::NetParameter split = insert_splits(kept, &map);
  EXPECT_EQ(map.layers.size(), static_cast<size_t>(split.layer_size()));
  return split;
}

std::string wiring_error(const std::string& text) {
  return user_error_of([&] { build(text); });
}

nlohmann::ordered_json layer_list(const proto::NetParameter& net) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const auto& layer : net.layer()) {
    nlohmann::ordered_json bottoms = nlohmann::ordered_json::array(), tops = bottoms;
    for (const auto& bottom : layer.bottom()) bottoms.push_back(bottom);
    for (const auto& top : layer.top()) tops.push_back(top);
    list.push_back({layer.name(), layer.type(), bottoms, tops});
  }
  return list;
}

// Anonymous tops of loss layers are added when the net is built, and of layers with one name
// pycaffe shows only the last one's blobs: neither is about splits.
void remove_what_building_adds(const proto::NetParameter& net, nlohmann::ordered_json* recorded) {
  std::map<std::string, int> names;
  for (const auto& layer : net.layer()) ++names[layer.name()];
  for (size_t i = 0; i < recorded->size(); ++i) {
    auto& layer = (*recorded)[i];
    if (layer[3].size() == 1 && layer[3][0] == "(automatic)") layer[3].clear();
    if (names[layer[0]] > 1 && i < static_cast<size_t>(net.layer_size()))
      layer = layer_list(net)[i];
  }
}

TEST(SplitsGolden, LayersOfEveryRunMatch) {
  int runs = 0;
  const auto cases = load_golden("nets.json");
  for (const auto& [name, golden] : cases.items()) {
    for (const auto& [run_name, run] : golden["runs"].items()) {
      if (run.contains("dies")) continue;
      SCOPED_TRACE(name + ", " + run_name);
      const proto::NetParameter net = build(golden["prototxt"], run_name);
      nlohmann::ordered_json recorded = run["layers"];
      remove_what_building_adds(net, &recorded);
      EXPECT_EQ(layer_list(net), recorded);
      ++runs;
    }
  }
  EXPECT_GE(runs, 30);
}

TEST(SplitsGolden, NetsThatCannotBeWiredAreRefused) {
  const auto nets = load_golden("nets.json");
  const std::map<std::string, std::string> expected = {
      {"missing_bottom",
       "n.prototxt:10: layer \"x\" (InnerProduct): no earlier layer makes the bottom \"nothere\"; "
       "add a layer with that "
       "top (for an input: type: \"Input\"), or check the phase rules of the layer that makes it"},
      {"duplicate_top",
       "n.prototxt:18: layer \"z\" (InnerProduct): the top \"y\" is already made by layer \"x\" "
       "(line 11); give this "
       "top a name of its own"},
      {"inplace_wrong_position",
       "n.prototxt:18: layer \"s\" (Slice): the top \"data\" is already made by layer \"data\" "
       "(line 4); to work in "
       "place, bottom and top need the same position (here 0 and 1)"},
      {"inplace_after_read",
       "n.prototxt:24: layer \"relu\" (ReLU): works in place on \"a\", but layer \"t\" (line 17) "
       "also reads the old "
       "content; give the top another name"},
      {"inplace_after_loss_weight",
       "n.prototxt:19: layer \"relu\" (ReLU): works in place on \"a\", but layer \"a\" (line 11) "
       "uses the old content as "
       "a loss (loss_weight); give the top another name"},
  };
  for (const auto& [name, message] : expected) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(nets[name]["runs"].begin()->contains("dies"));
    EXPECT_EQ(wiring_error(nets[name]["prototxt"]), message);
  }
  for (const std::string name : {"rules_both", "v1_and_v2_mixed"})
    wiring_error(nets[name]["prototxt"]);
}

const char kInput[] = "layer { name: \"data\" type: \"Input\" top: \"data\" }\n";

TEST(Splits, MisspeltBottomSuggestsTheNearest) {
  EXPECT_EQ(
      wiring_error(std::string(kInput) +
                   "layer { name: \"ip1\" type: \"InnerProduct\" bottom: \"data\" top: \"ip1\" }\n"
                   "layer { name: \"ip2\" type: \"InnerProduct\"\n"
                   "  bottom: \"ip1x\" top: \"ip2\" }\n"),
      "n.prototxt:4: layer \"ip2\" (InnerProduct): no earlier layer makes the bottom \"ip1x\"; did "
      "you mean "
      "\"ip1\"?");
}

TEST(Splits, BottomMadeLaterAsksToMoveTheLayer) {
  EXPECT_EQ(wiring_error("layer { name: \"r\" type: \"ReLU\" bottom: \"data\" top: \"r\" }\n" +
                         std::string(kInput)),
            "n.prototxt:1: layer \"r\" (ReLU): no earlier layer makes the bottom \"data\"; layer "
            "\"data\" (line 2) makes "
            "it later: move that layer up");
  EXPECT_EQ(wiring_error("layer { name: \"r\" type: \"ReLU\" bottom: \"r\" top: \"r\" }\n"),
            "n.prototxt:1: layer \"r\" (ReLU): no earlier layer makes the bottom \"r\"; a layer "
            "cannot read its own top");
}

TEST(Splits, OneTopTwiceInALayerIsRefused) {
  EXPECT_EQ(
      wiring_error(std::string(kInput) +
                   "layer { name: \"s\" type: \"Slice\" bottom: \"data\" top: \"x\" top: \"x\" }"),
      "n.prototxt:2: layer \"s\" (Slice): the top \"x\" is already made by layer \"s\" (line 2); "
      "give this top a "
      "name of its own");
}

TEST(Splits, NameOfACopyMustBeFree) {
  EXPECT_EQ(
      wiring_error(
          std::string(kInput) +
          "layer { name: \"a\" type: \"TanH\" bottom: \"data\" top: \"data_data_0_split_1\" }\n"
          "layer { name: \"b\" type: \"TanH\" bottom: \"data\" top: \"b\" }"),
      "n.prototxt:1: layer \"data\" (Input): the top \"data\" has several readers and its copies "
      "need the name "
      "\"data_data_0_split_1\", which another top has; rename that one");
}

// Caffe loses 0.5 here (it clears the producer's whole list); the weight of a top nobody splits
// must stay.
TEST(Splits, OnlyTheSplitTopGivesItsWeightAway) {
  const auto net = build(load_golden("nets.json")["split_loss_weight_two_tops"]["prototxt"]);
  EXPECT_EQ(to_prototxt(net.layer(1)),
            "name: \"slice\"\ntype: \"Slice\"\nbottom: \"data\"\ntop: \"s0\"\ntop: "
            "\"s1\"\nloss_weight: 0\n"
            "loss_weight: 0.5\n");
  EXPECT_EQ(
      to_prototxt(net.layer(2)),
      "name: \"s0_slice_0_split\"\ntype: \"Split\"\nbottom: \"s0\"\ntop: \"s0_slice_0_split_0\"\n"
      "top: \"s0_slice_0_split_1\"\nloss_weight: 2\nloss_weight: 0\n");
}

TEST(Splits, SingleWeightMovesToTheSplit) {
  const auto net = build(load_golden("nets.json")["split_loss_weight"]["prototxt"]);
  EXPECT_EQ(net.layer(3).name(), "ip");
  EXPECT_EQ(net.layer(3).loss_weight_size(), 0);
  EXPECT_EQ(net.layer(4).loss_weight(0), 0.25f);
}

// Without the explicit zero the loss layer would add its default weight 1 to the 0.5 that the split
// carries.
TEST(Splits, ConsumedLossKeepsItsWeightOnce) {
  const auto net = build(
      std::string(kInput) +
      "layer { name: \"l\" type: \"EuclideanLoss\" bottom: \"data\" bottom: \"data\" top: \"l\" "
      "loss_weight: 0.5 }\n"
      "layer { name: \"p\" type: \"Power\" bottom: \"l\" top: \"p\" }");
  ASSERT_EQ(net.layer(2).name(), "l");
  ASSERT_EQ(net.layer(2).loss_weight_size(), 1);
  EXPECT_EQ(net.layer(2).loss_weight(0), 0.0f);
  EXPECT_EQ(net.layer(3).loss_weight(0), 0.5f);
}

}  // namespace
}  // namespace trivium::caffe
