// Every network against torchvision's, without torch: the bits of the state drawn with seed 0, the
// generator's next draw, and the logits of a fixed image. tools/dev/torchvision_check makes the
// file, and compares weight files both ways.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "tests/models/torchvision_state.h"
#include "trivium/models/by_name.h"
#include "trivium/nn.h"

namespace trivium::models {
namespace {

constexpr const char* kGolden = TRIVIUM_SOURCE_DIR "/tests/golden/models/torchvision/seeded.txt";

struct Expected {
  std::string name;
  int64_t side, entries, parameters;
  uint32_t state;
  float draw, largest;
  std::vector<float> first;  // logits
};

std::vector<Expected> expected() {
  std::vector<Expected> all;
  std::ifstream in(kGolden);
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    Expected e;
    words >> e.name >> e.side >> e.entries >> e.parameters >> std::hex >> e.state >> std::dec;
    words >> e.draw >> e.largest;
    for (float v; words >> v;) e.first.push_back(v);
    all.push_back(std::move(e));
  }
  return all;
}

void check(const Expected& e) {
  SCOPED_TRACE(e.name);
  nn::manual_seed(0);
  const nn::ModulePtr net = get_model(e.name);
  EXPECT_EQ(static_cast<float>(nn::rand({1}).item()), e.draw);
  int64_t parameters = 0;
  for (const nn::Tensor& p : net->parameters()) parameters += p.numel();
  EXPECT_EQ(parameters, e.parameters);
  const nn::StateDict state = net->state_dict();
  EXPECT_EQ(static_cast<int64_t>(state.size()), e.entries);
  EXPECT_EQ(checksum(state), e.state);
  net->eval();
  const nn::NoGradGuard no_grad;
  const std::vector<float> logits = (*net)(ramp_image(e.side)).to_vector<float>();
  ASSERT_EQ(e.first.size(), 5u);
  for (size_t i = 0; i < e.first.size(); ++i)
    EXPECT_NEAR(logits[i], e.first[i], 1e-4f * e.largest) << i;
}

TEST(Torchvision, EveryNetworkIsDrawnBitForBitAndGivesItsLogits) {
  start();
  std::set<std::string> names;
  for (const Expected& e : expected()) {
    check(e);
    names.insert(e.name);
  }
  const std::vector<std::string> known = list_models();
  EXPECT_EQ(names, std::set<std::string>(known.begin(), known.end()));
}

TEST(Torchvision, AnUnknownNameIsRefusedWithTheNearest) {
  try {
    get_model("resnet81");
    FAIL();
  } catch (const UserError& error) {
    EXPECT_NE(std::string(error.what()).find("did you mean resnet101?"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace trivium::models
